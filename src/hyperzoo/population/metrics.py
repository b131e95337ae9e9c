"""How well a network does on the validation split."""

import numpy as np
from numpy.typing import NDArray

METRICS = ("loss", "accuracy", "precision", "recall", "specificity", "f1", "auc")
"""The metrics of a network, in the order of a zoo's columns."""


def metrics(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, float | None]:
    """All metrics of one network.

    An image is called positive when its probability is above 0.5. Precision is 0 for a network
    that never says yes. For several outputs precision, recall and F1 are means over the classes
    (macro), and specificity and AUC are not defined.

    Args:
        logits: [image, output]; one output for a one-vs-all network.
        targets: [image], 0 or 1, or the class for several outputs.

    Returns:
        Name -> value, for every name in `METRICS`: the loss in nats, all others in [0, 1]. None
        where a metric is not defined, and for all of them when a logit is not finite.
    """
    if not np.isfinite(logits).all():
        return dict.fromkeys(METRICS)
    values = _binary(logits[:, 0], targets) if logits.shape[1] == 1 else _multi(logits, targets)
    return {name: values.get(name) for name in METRICS}


def _binary(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, float | None]:
    from sklearn.metrics import roc_auc_score

    exact = logits.astype(np.float64)
    said = exact > 0
    right_yes, right_no = int((said & (targets == 1)).sum()), int((~said & (targets == 0)).sum())
    yes, positives, negatives = int(said.sum()), int(targets.sum()), int((targets == 0).sum())
    precision = right_yes / yes if yes else 0.0
    recall = right_yes / positives
    return {
        "loss": float(np.mean(np.logaddexp(0.0, exact) - targets * exact)),
        "accuracy": (right_yes + right_no) / len(targets),
        "precision": precision,
        "recall": recall,
        "specificity": right_no / negatives,
        "f1": 2 * right_yes / (yes + positives),
        "auc": float(roc_auc_score(targets, exact)),
    }


def _multi(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, float | None]:
    from scipy.special import logsumexp
    from sklearn.metrics import precision_recall_fscore_support

    exact = logits.astype(np.float64)
    said = exact.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(
        targets, said, labels=range(logits.shape[1]), average="macro", zero_division=0.0
    )
    own = exact[np.arange(len(targets)), targets]
    return {
        "loss": float(np.mean(logsumexp(exact, axis=1) - own)),
        "accuracy": float(np.mean(said == targets)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }
