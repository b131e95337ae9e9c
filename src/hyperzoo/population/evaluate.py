"""What networks that are there already say of images."""

import queue
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.cores import usable_cores
from hyperzoo.errors import ImageError
from hyperzoo.population.engine import Parameters
from hyperzoo.population.flat import flat_of

Logits = NDArray[np.float32]
Evaluator = Callable[[Parameters], Logits]

BATCH = 128
"""Images at once: what they pass through then still fits in a processor's cache."""


def evaluate(
    architecture: Architecture, networks: Iterable[Parameters], images: NDArray[np.uint8]
) -> Generator[Logits, None, None]:
    """The logits of one network after another, on all cores.

    They are those that training ends with but for rounding; `metrics` makes the networks'
    performance of them. The native kernels compute them where they were built and run the
    architecture, PyTorch otherwise.

    Args:
        architecture: the networks' architecture.
        networks: their weights; taken a few networks ahead of those that are yielded.
        images: uint8 [image, height, width, channel].

    Returns:
        A generator of float32 [image, output], in the order of the networks.

    Raises:
        ImageError: the images have another shape than the networks take.
    """
    if images.shape[1:] != architecture.input_shape:
        raise ImageError(
            f"architecture '{architecture.name}' takes images of shape "
            f"{architecture.input_shape} (height, width, channels), got {images.shape[1:]}"
        )
    from hyperzoo.population.native import NativeEngine

    if NativeEngine.unsupported(architecture) is None:
        return _run([_native(architecture, images) for _ in range(usable_cores())], networks)
    # PyTorch's operations use all cores themselves.
    return _run([_torch(architecture, images)], networks)


def _run(
    evaluators: list[Evaluator], networks: Iterable[Parameters]
) -> Generator[Logits, None, None]:
    """Evaluate side by side, each evaluator one network at a time; yields in order."""
    idle: queue.SimpleQueue[Evaluator] = queue.SimpleQueue()
    for evaluator in evaluators:
        idle.put(evaluator)

    def work(parameters: Parameters) -> Logits:
        evaluator = idle.get()
        try:
            return evaluator(parameters)
        finally:
            idle.put(evaluator)

    waiting: deque[Future[Logits]] = deque()
    with ThreadPoolExecutor(len(evaluators)) as threads:
        try:
            for parameters in networks:
                waiting.append(threads.submit(work, parameters))
                if len(waiting) > 2 * len(evaluators):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            threads.shutdown(cancel_futures=True)


def _native(architecture: Architecture, images: NDArray[np.uint8]) -> Evaluator:
    from hyperzoo.population.native.description import describe
    from hyperzoo.population.native.library import Network

    network = Network(describe(architecture), BATCH)
    pixels = np.ascontiguousarray(images)
    # The kernels also sum up losses, for which they ask for targets; these are of no account.
    targets, sums = np.zeros(len(images), np.int64), np.zeros(2)

    def evaluator(parameters: Parameters) -> Logits:
        network.load(flat_of(architecture, parameters))
        logits, done = np.empty((len(images), network.outputs), np.float32), 0
        while done < len(images):
            done = network.evaluate(pixels, targets, done, 1.0, logits, sums)
        return logits

    return evaluator


def _torch(architecture: Architecture, images: NDArray[np.uint8]) -> Evaluator:
    import torch

    from hyperzoo.architectures.forward import forward

    @torch.no_grad()
    def evaluator(parameters: Parameters) -> Logits:
        # Copies: what a zoo hands out is mapped and not to be written to, which torch warns of.
        weights = {name: torch.tensor(tensor) for name, tensor in parameters.items()}
        logits = []
        for begin in range(0, len(images), BATCH):
            pixels = torch.tensor(images[begin : begin + BATCH])
            # Channels stay innermost in memory, which suits convolutions on a CPU.
            scaled = pixels.to(torch.float32).div_(255.0).movedim(-1, -3)
            logits.append(forward(architecture, weights, scaled))
        return torch.cat(logits).numpy()

    return evaluator
