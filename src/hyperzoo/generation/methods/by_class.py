"""Fits what is learned of each class by itself, side by side on all cores."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.cores import one_thread, usable_cores
from hyperzoo.generation.registry import Meter
from hyperzoo.generation.training_set import TrainingSet

Fit = Callable[[int, Callable[[], None]], dict[str, NDArray[Any]]]
"""Of a class's position, and of what is called after every step: name -> array."""


def fit_by_class(data: TrainingSet, steps: int, meter: Meter, fit: Fit) -> dict[str, NDArray[Any]]:
    """Fit the classes; those that the training set's `kept` holds already are read from there.

    Args:
        data: the training set.
        steps: of one class.
        meter: is told of the steps of all.
        fit: fits one class; from its position alone, so that the cores make no difference.

    Returns:
        Name -> [class, ...].
    """
    done = [0] * len(data.classes)
    lock, stopped = threading.Lock(), threading.Event()

    def tell(label: int, count: int) -> None:
        if stopped.is_set():
            raise CancelledError
        with lock:
            done[label] = count
            meter(sum(done), steps * len(data.classes))

    def fitted(label: int) -> dict[str, NDArray[Any]]:
        def compute() -> dict[str, NDArray[Any]]:
            return fit(label, lambda: tell(label, done[label] + 1))

        own = compute() if data.kept is None else data.kept.once(f"class-{label}", compute)
        tell(label, steps)
        return own

    workers = min(usable_cores(), len(data.classes))
    with one_thread(), ThreadPoolExecutor(max_workers=workers) as threads:
        try:
            fits = list(threads.map(fitted, range(len(data.classes))))
        except BaseException:
            stopped.set()  # or the classes that are being fitted would be waited for
            raise
    return {name: np.stack([own[name] for own in fits]) for name in fits[0]}
