"""Fits what is learned of each class by itself, side by side on all cores."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.cores import one_thread, usable_cores
from hyperzoo.generation.registry import Meter
from hyperzoo.generation.training_set import TrainingSet

Fit = Callable[[int, Callable[[], None]], dict[str, NDArray[Any]]]
"""Of a class's position, and of what is called after every step: name -> array."""


def fit_by_class(data: TrainingSet, steps: int, meter: Meter, fit: Fit) -> dict[str, NDArray[Any]]:
    """Fit the classes.

    Args:
        data: the training set.
        steps: of one class.
        meter: is told of the steps of all.
        fit: fits one class; from its position alone, so that the cores make no difference.

    Returns:
        Name -> [class, ...].
    """
    done, lock = 0, threading.Lock()

    def tell() -> None:
        nonlocal done
        with lock:
            done += 1
            meter(done, steps * len(data.classes))

    workers = min(usable_cores(), len(data.classes))
    with one_thread(), ThreadPoolExecutor(max_workers=workers) as threads:
        fits = list(threads.map(lambda label: fit(label, tell), range(len(data.classes))))
    return {name: np.stack([own[name] for own in fits]) for name in fits[0]}
