"""What share of the peak the native engine reaches on recipes' networks, and where the rest goes.

    python benchmarks/native_networks.py [--rounds 5] [--images 2048]

One thread, random bytes for images: the work is the same. Of all rounds the fastest counts, since
other work on the machine only ever slows a step down. Operations are those of convolutions and
dense layers alone; whatever else a network does lowers its share.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np

from hyperzoo.architectures import Architecture, initial_parameters, lenet5, varied
from hyperzoo.architectures.layers import Conv2d, Dense
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population.machine import processor_name
from hyperzoo.population.native.description import describe
from hyperzoo.population.native.library import Network, fma_peak, variant
from hyperzoo.population.task import dropout_keys
from hyperzoo.recipe import load_recipe

KINDS = {
    1: "convolution", 2: "average pool", 3: "max pool", 4: "global average", 5: "dense",
    6: "activation", 7: "batch normalisation", 8: "dropout",
}  # fmt: skip


def networks() -> list[tuple[str, Architecture, int]]:
    """Name, architecture, batch."""
    small, cnn_s, cnn_m = (
        load_recipe(name).network(10)
        for name in ("smallcnn-zoo", "modelzoos-cnn-s", "modelzoos-cnn-m")
    )
    return [
        ("lenet5", lenet5(1), 128),
        *(
            (f"smallcnn-zoo, {own}", varied(small, activation=own), batch)
            for own in ("relu", "tanh")
            for batch in (32, 512)
        ),
        ("smallcnn-zoo, relu, dropout 0", varied(small, activation="relu", dropout=0.0), 32),
        ("cnn-s, tanh", varied(cnn_s, activation="tanh"), 10),
        ("cnn-m, tanh", cnn_m, 10),
        ("cnn-m, tanh", cnn_m, 128),
    ]


def multiplications(architecture: Architecture) -> list[int]:
    """Multiply-adds of one image and one pass, of every convolution and dense layer."""
    found = []
    for step in architecture.steps:
        (height, width, channels), (rows, columns, out) = step.shape, step.output_shape
        if isinstance(step.layer, Conv2d):
            found.append(rows * columns * out * channels * step.layer.kernel**2)
        elif isinstance(step.layer, Dense):
            found.append(height * width * channels * out)
    return found


@dataclass
class Measured:
    """Seconds of the fastest epoch, of drawing masks within it, and of evaluating all images."""

    training: float
    masks: float
    evaluation: float


class Worker:
    """One network on random images."""

    def __init__(self, architecture: Architecture, batch: int, images: int) -> None:
        random = np.random.default_rng(0)
        self.architecture, self.batch = architecture, batch
        self.network = Network(describe(architecture), batch)
        self.network.use("adam", momentum=0.0, weight_decay=0.0, l2=0.0)
        start = initial_parameters(architecture, 0, "all", 0)
        self.network.load(np.concatenate([tensor.ravel() for tensor in start.values()]))
        shape = (images, *architecture.input_shape)
        self.images = random.integers(0, 256, shape, dtype=np.uint8)
        self.targets = random.integers(0, max(2, architecture.outputs), images)
        self.order = random.permutation(images)
        self.planned = PlannedNetwork(
            class_name="all", index=0, learning_rate=1e-3, batch_size=batch
        )

    def epoch(self) -> float:
        """Train on all images once; the seconds in which masks were drawn."""
        done, drawing = 0, 0.0
        while done < len(self.order):
            begin, masks = time.perf_counter(), None
            if self.network.dropped:
                keys = dropout_keys(self.architecture, self.planned, 0, 1, done // self.batch)
                count = min(self.batch, len(self.order) - done)
                masks = self.network.draw_masks(*keys, count)
            drawing += time.perf_counter() - begin
            done = self.network.train(
                self.images, self.targets, self.order, done, self.batch, 1e-3, 1e9, np.zeros(2),
                masks,
            )  # fmt: skip
        return drawing

    def evaluate(self) -> None:
        """Answer all images."""
        logits = np.empty((len(self.images), self.network.outputs), np.float32)
        self.network.evaluate(self.images, self.targets, 0, 1e9, logits, np.zeros(2))

    def measure(self, rounds: int) -> Measured:
        """The fastest of some rounds."""
        best = Measured(np.inf, 0.0, np.inf)
        for _ in range(rounds):
            begin = time.perf_counter()
            masks = self.epoch()
            middle = time.perf_counter()
            self.evaluate()
            evaluation = time.perf_counter() - middle
            if middle - begin < best.training:
                best.training, best.masks = middle - begin, masks
            best.evaluation = min(best.evaluation, evaluation)
        return best

    def by_layer(self) -> list[tuple[str, float]]:
        """Layers in the order of the plan and what lies between them, with their seconds."""
        self.network.measure(True)
        self.epoch()
        seconds = self.network.seconds().sum(axis=1)
        self.network.measure(False)
        description = describe(self.architecture)
        names = [KINDS[int(kind)] for kind in description[4 : 4 + 7 * description[3] : 7]]
        return list(zip([*names, "images, packing, loss, optimizer"], seconds, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=2048)
    arguments = parser.parse_args()
    peak = fma_peak(0.5)
    print(f"{processor_name()}, {variant()}, FMA peak {peak / 1e9:.1f} GFLOP/s")
    for name, architecture, batch in networks():
        worker = Worker(architecture, batch, arguments.images)
        found = worker.measure(arguments.rounds)
        each = multiplications(architecture)
        training = 2 * (3 * sum(each) - each[0]) * arguments.images
        evaluation = 2 * sum(each) * arguments.images
        micro = 1e6 / arguments.images
        print(
            f"{name}, batch {batch}: {training / arguments.images / 1e6:.2f} MFLOP an image; "
            f"training {found.training * micro:.1f} us, {training / found.training / peak:.1%} of "
            f"the peak (masks {found.masks * micro:.1f} us); evaluation "
            f"{found.evaluation * micro:.1f} us, {evaluation / found.evaluation / peak:.1%}"
        )
        for layer, seconds in worker.by_layer():
            print(f"    {layer:34s} {seconds * micro:6.2f} us")


if __name__ == "__main__":
    main()
