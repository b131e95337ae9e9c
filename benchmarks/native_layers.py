"""Where the native engine's time goes: seconds and GFLOP/s by layer and pass of LeNet-5.

    python benchmarks/native_layers.py [--threads 2] [--rounds 5] [--images FILE.npz]

Every round measures the core's FMA peak, a training epoch and a validation pass over as many
images as Imagenette has; the fastest round counts, because other work on the machine only ever
slows one down. Without a file of images they are random bytes: the work is the same.
"""

import argparse
import threading
import time

import numpy as np

from hyperzoo.architectures import initial_parameters, lenet5
from hyperzoo.architectures.layers import Conv2d, Dense
from hyperzoo.population.machine import processor_name
from hyperzoo.population.native.description import describe
from hyperzoo.population.native.library import PASSES, Network, fma_peak, variant

BATCH, TRAIN, VALIDATION = 128, 9469, 3925
ARCHITECTURE = lenet5(1)


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

    def train(self) -> float:
        """Seconds of a training epoch."""
        begin = time.perf_counter()
        self.network.train(
            self.train_images, self.targets, self.order, 0, BATCH, 1e-3, 1e9, np.zeros(2)
        )
        return time.perf_counter() - begin

    def evaluate(self) -> float:
        """Seconds of a validation pass."""
        begin = time.perf_counter()
        targets = self.targets[: len(self.validation_images)]
        self.network.evaluate(self.validation_images, targets, 0, 1e9, self.logits, np.zeros(2))
        return time.perf_counter() - begin


def side_by_side(workers: list[Worker], pass_name: str) -> float:
    """Seconds of a pass on every worker at once; the slowest counts."""
    taken = [0.0] * len(workers)

    def work(position: int) -> None:
        taken[position] = getattr(workers[position], pass_name)()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(workers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(taken)


def print_profile(worker: Worker, peak: float, rounds: int) -> None:
    """Seconds by layer and pass, of the fastest of some measured epochs."""
    best, total = None, np.inf
    for _ in range(rounds):
        worker.network.measure(True)
        if (taken := worker.train()) < total:
            best, total = worker.network.seconds(), taken
    worker.network.measure(False)
    assert best is not None
    print(f"{'layer':<28}" + "".join(f"{name:>26}" for name in PASSES[1:]))
    for number, layer in enumerate(ARCHITECTURE.layers):
        row = f"{number + 1} {type(layer).__name__:<26}"
        for seconds in best[number, 1:]:
            rate = 2e-9 * multiplications(number) * TRAIN / seconds if seconds else 0
            share = f"{rate:5.1f} GF/s {100 * rate / peak:3.0f} %" if rate else " " * 16
            row += f"{1e3 * seconds:7.1f} ms {share}"
        print(row)
    loss, gather, pack, adam = 1e3 * best[-1]
    print(f"gather {gather:.1f} ms, pack {pack:.1f} ms, loss {loss:.1f} ms, Adam {adam:.1f} ms")
    print(f"sum {best.sum():.3f} s of {total:.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
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
    peak = training = evaluation = 0.0
    for _ in range(chosen.rounds):
        peak = max(peak, fma_peak(0.1) / 1e9)
        for name, flop, count in (
            ("train", operations(3), TRAIN),
            ("evaluate", operations(1), VALIDATION),
        ):
            rate = 1e-9 * flop * count / side_by_side(workers, name)
            training, evaluation = (
                (max(training, rate), evaluation)
                if name == "train"
                else (training, max(evaluation, rate))
            )
    print(f"{processor_name()}, kernels {variant()}, {chosen.threads} thread(s)")
    print(f"memory a worker {workers[0].network.bytes / 1e6:.1f} MB, FMA peak {peak:.1f} GFLOP/s")
    for name, rate, flop, count in (
        ("training epoch", training, operations(3), TRAIN),
        ("validation pass", evaluation, operations(1), VALIDATION),
    ):
        seconds = 1e-9 * flop * count / rate
        print(
            f"{name}: {seconds:.3f} s, {rate:.1f} GFLOP/s a core, {100 * rate / peak:.1f} % of peak"
        )
    print_profile(workers[0], peak, chosen.rounds)


if __name__ == "__main__":
    main()
