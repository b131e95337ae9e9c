"""An oracle: which class of real held-out images a network answers to most."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hyperzoo.architectures import Architecture
from hyperzoo.features.probes import HeldOutImages


def build(architecture: Architecture, seed: int, images: Sequence[NDArray[np.uint8]]) -> Pipeline:
    """Nothing is drawn and nothing searched."""
    return make_pipeline(
        HeldOutImages(architecture, images),
        StandardScaler(),
        LogisticRegression(max_iter=1000),
    )
