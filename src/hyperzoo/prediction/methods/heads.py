"""What methods learn on top of features: a linear map or trees, of words or of numbers."""

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV

from hyperzoo.prediction.target import Kind

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-3, 6, 19))
"""Penalties of ridge regression, of which the best by leave-one-out is taken."""


def linear(kind: Kind, penalty: float = 1.0) -> Any:
    """A linear map of scaled features, penalised by its squares.

    Args:
        kind: logistic regression for words, ridge regression for numbers.
        penalty: scikit-learn's C, of logistic regression; ridge regression finds its own on the
            training networks.
    """
    if kind == "number":
        return RidgeCV(ALPHAS)
    return LogisticRegression(C=penalty, max_iter=1000)


def trees(kind: Kind, seed: int) -> Any:
    """Gradient boosting of small trees."""
    if kind == "number":
        return HistGradientBoostingRegressor(
            max_iter=150,
            learning_rate=0.1,
            max_leaf_nodes=8,
            min_samples_leaf=5,
            early_stopping=False,
            random_state=seed,
        )
    return HistGradientBoostingClassifier(
        max_iter=50,
        max_leaf_nodes=6,
        min_samples_leaf=5,
        early_stopping=False,
        random_state=seed,
    )
