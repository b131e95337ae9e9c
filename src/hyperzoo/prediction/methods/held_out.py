"""An oracle: which class of real held-out images a network answers to most."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hyperzoo.architectures import Architecture
from hyperzoo.features.probes import HeldOutImages
from hyperzoo.prediction.methods.heads import linear
from hyperzoo.prediction.target import Kind


def build(
    architecture: Architecture, seed: int, kind: Kind, images: Sequence[NDArray[np.uint8]]
) -> Pipeline:
    """Nothing is drawn and nothing searched."""
    return make_pipeline(HeldOutImages(architecture, images), StandardScaler(), linear(kind))
