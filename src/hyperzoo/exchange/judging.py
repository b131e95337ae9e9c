"""What imported networks do on images, beside what their files say of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hyperzoo.exchange.published.metrics_csv import Metrics
from hyperzoo.exchange.rows import Rows
from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population import METRICS, evaluate, metrics, targets
from hyperzoo.words import counted
from hyperzoo.zoo.document import ZooDocument
from hyperzoo.zoo.origin import NetworkKey


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A network's metrics, and what there is to say of them.

    Attributes:
        metrics: by their names in a zoo.
        notes: those of its file that differ.
        is_constant: whether its accuracy on the images is no better than that of the one answer
            that is right most often, which for one-vs-all networks is no.
    """

    metrics: Mapping[str, float | None]
    notes: tuple[str, ...] = ()
    is_constant: bool = False


def judge(
    document: ZooDocument,
    planned: Sequence[PlannedNetwork],
    rows: Rows,
    order: Sequence[int],
    images: ImageSet | None,
    known: Mapping[NetworkKey, Metrics],
) -> Iterator[Judged]:
    """Every network's metrics: on the images where there are some, else those of the files."""
    own = [known.get(NetworkKey(network.class_name, network.index), {}) for network in planned]
    if images is None:
        for figures in own:
            values = {name: figure.value for name, figure in figures.items()}
            yield Judged(metrics={name: values.get(name) for name in METRICS})
        return
    said = evaluate(document.architecture, rows.weights(order), images.validation_images)
    for network, figures, logits in zip(planned, own, said, strict=True):
        wanted = targets(network, document.kind, images.validation_labels, images.class_names)
        found = metrics(logits, wanted)
        accuracy, most = found["accuracy"], np.bincount(wanted.astype(np.int64)).max() / len(wanted)
        yield Judged(
            metrics=found,
            notes=tuple(_differences(network.id, found, figures)),
            is_constant=accuracy is not None and bool(accuracy <= most + 1e-9),
        )


def _differences(
    network_id: str, found: Mapping[str, float | None], figures: Metrics
) -> Iterator[str]:
    for name, figure in figures.items():
        value = found[name]
        if value is None or abs(value - figure.value) > figure.half_unit + 1e-6:
            yield f"{network_id}: {name} is {value} on these images, the file says {figure.value:g}"


def note_of_constants(ids: Sequence[str], count: int, architecture: str) -> Iterator[str]:
    """What to say of networks whose answers are worth no more than always the same one.

    Args:
        ids: theirs.
        count: how many networks there are in all.
        architecture: its name.
    """
    if not ids:
        return
    names = ", ".join(ids[:5]) + ", ..." * (len(ids) > 5)
    why = ""
    if 2 * len(ids) >= count:
        why = (
            f"; as that holds for {len(ids)} of {count}, look whether these are the images that "
            "they were trained on, in the same colours and scaling (0 to 1), and whether the "
            f"networks had the activations and pooling of '{architecture}'"
        )
    yield (
        f"{counted(len(ids), 'network')}: no more accurate on these images than always the most "
        f"frequent answer (always no, of one-vs-all networks): {names}{why}"
    )
