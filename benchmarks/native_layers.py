"""Where the native engine's time goes: seconds and GFLOP/s by layer and pass of LeNet-5.

    python benchmarks/native_layers.py [--threads 2] [--rounds 10] [--images FILE.npz]

A training epoch and a validation pass over as many images as Imagenette has. Other work on the
machine only ever slows a step down, so of every step the fastest of all rounds counts, and an epoch
is the sum of its steps; the fastest whole epoch is printed too. Without a file of images they are
random bytes: the work is the same.
"""

import argparse
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import initial_parameters, lenet5
from hyperzoo.architectures.layers import Conv2d, Dense
from hyperzoo.population.machine import processor_name
from hyperzoo.population.native.description import describe
from hyperzoo.population.native.library import PASSES, Network, fma_peak, variant

BATCH, TRAIN, VALIDATION = 128, 9469, 3925
ARCHITECTURE = lenet5(1)

Seconds = NDArray[np.float64]
"""[step, layer, pass]; the last layer is work between the layers."""


def multiplications(number: int) -> int:
    """Multiply-adds of one image and one pass through a layer."""
    layer = ARCHITECTURE.layers[number]
    (height, width, channels), (out_height, out_width, out) = ARCHITECTURE.shapes[number:][:2]
    if isinstance(layer, Conv2d):
        return out_height * out_width * out * channels * layer.kernel**2
    return height * width * channels * out if isinstance(layer, Dense) else 0


def operations(passes: int) -> int:
    """Floating-point operations of one image, forward (1 pass) or in training (3)."""
    total = sum(multiplications(n) for n in range(len(ARCHITECTURE.layers)))
    return 2 * (passes * total - (multiplications(0) if passes == 3 else 0))


class Worker:
    """One network on one thread."""

    def __init__(self, train: np.ndarray, validation: np.ndarray) -> None:
        self.network = Network(describe(ARCHITECTURE), BATCH)
        start = initial_parameters(ARCHITECTURE, 0, "church", 0)
        self.network.load(np.concatenate([tensor.ravel() for tensor in start.values()]))
        self.train_images, self.validation_images = train, validation
        generator = np.random.default_rng(0)
        self.targets = (generator.random(len(train)) < 0.1).astype(np.int64)
        self.order = generator.permutation(len(train))
        self.logits = np.empty((len(validation), 1), np.float32)

    def train(self) -> Seconds:
        """A training epoch, step by step."""
        return self._steps(
            len(self.order),
            lambda begin: self.network.train(
                self.train_images, self.targets, self.order, begin, BATCH, 1e-3, 0, np.zeros(2)
            ),
        )

    def evaluate(self) -> Seconds:
        """A validation pass, batch by batch."""
        targets = self.targets[: len(self.validation_images)]
        return self._steps(
            len(targets),
            lambda begin: self.network.evaluate(
                self.validation_images, targets, begin, 0, self.logits, np.zeros(2)
            ),
        )

    def _steps(self, end: int, step: Callable[[int], int]) -> Seconds:
        seconds, at = [], 0
        while at < end:
            self.network.measure(True)
            at = step(at)
            seconds.append(self.network.seconds())
        return np.stack(seconds)


def side_by_side(workers: list[Worker], pass_name: str) -> list[Seconds]:
    """A pass on every worker at once."""
    taken: list[Seconds] = [np.empty(0)] * len(workers)

    def work(position: int) -> None:
        taken[position] = getattr(workers[position], pass_name)()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(workers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def fastest_steps(rounds: list[Seconds]) -> Seconds:
    """Every step of the round in which it took least."""
    steps = np.stack(rounds)
    best = steps.sum(axis=(2, 3)).argmin(axis=0)
    return steps[best, np.arange(steps.shape[1])]


def print_profile(epoch: Seconds, peak: float) -> None:
    """Seconds by layer and pass of an epoch."""
    seconds = epoch.sum(axis=0)
    print(f"{'layer':<28}" + "".join(f"{name:>26}" for name in PASSES[1:]))
    for number, layer in enumerate(ARCHITECTURE.layers):
        row = f"{number + 1} {type(layer).__name__:<26}"
        for taken in seconds[number, 1:]:
            rate = 2e-9 * multiplications(number) * TRAIN / taken if taken else 0
            share = f"{rate:5.1f} GF/s {100 * rate / peak:3.0f} %" if rate else " " * 16
            row += f"{1e3 * taken:7.1f} ms {share}"
        print(row)
    loss, gather, pack, adam = 1e3 * seconds[-1]
    print(f"gather {gather:.1f} ms, pack {pack:.1f} ms, loss {loss:.1f} ms, Adam {adam:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--images", help="an npz file with train_images and validation_images")
    chosen = parser.parse_args()
    if chosen.images:
        with np.load(chosen.images) as file:
            train, validation = file["train_images"], file["validation_images"]
    else:
        generator = np.random.default_rng(0)
        train, validation = (
            generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
            for count in (TRAIN, VALIDATION)
        )
    workers = [Worker(train, validation) for _ in range(chosen.threads)]
    peak = 0.0
    epochs: dict[str, list[list[Seconds]]] = {"train": [], "evaluate": []}
    for _ in range(chosen.rounds):
        peak = max(peak, fma_peak(0.1) / 1e9)
        for pass_name, rounds in epochs.items():
            rounds.append(side_by_side(workers, pass_name))
    print(f"{processor_name()}, kernels {variant()}, {chosen.threads} thread(s)")
    print(f"memory a worker {workers[0].network.bytes / 1e6:.1f} MB, FMA peak {peak:.1f} GFLOP/s")
    for pass_name, title, flop in (
        ("train", "training epoch", operations(3) * TRAIN),
        ("evaluate", "validation pass", operations(1) * VALIDATION),
    ):
        of_workers = list(zip(*epochs[pass_name], strict=True))
        seconds = max(float(fastest_steps(list(own)).sum()) for own in of_workers)
        whole = min(max(float(own.sum()) for own in each) for each in epochs[pass_name])
        rate = 1e-9 * flop / seconds
        print(
            f"{title}: {seconds:.3f} s, {rate:.1f} GFLOP/s a core, {100 * rate / peak:.1f} % of "
            f"peak; fastest whole one {whole:.3f} s"
        )
    print_profile(fastest_steps([each[0] for each in epochs["train"]]), peak)


if __name__ == "__main__":
    main()
