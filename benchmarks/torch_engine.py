"""The torch engine beside a plain PyTorch training loop, on the same cores in the same run.

    python benchmarks/torch_engine.py IMAGENETTE.npz [--epochs 3] [--trials 3]

Trains LeNet-5 one-vs-all networks on Imagenette, one a core, with validation after every epoch.
The peer is the loop that a PyTorch user writes: a module, autograd, torch.optim.Adam, images as
float32 in memory, one process a core with one thread each. Both see the same numbers of images.

Results (docs/reproduction.md has the conditions):

    RESULTS
"""

import argparse
import multiprocessing
import os
import statistics
import time

import numpy as np
import torch

import hyperzoo as hz
from hyperzoo.architectures import lenet5
from hyperzoo.architectures.forward import build_module
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population import Settings
from hyperzoo.population.torch_engine import TorchEngine


def engine_seconds(images: hz.ImageSet, networks: int, epochs: int) -> float:
    cohort = [
        PlannedNetwork(class_name="church", index=i, learning_rate=1e-3, batch_size=128)
        for i in range(networks)
    ]
    settings = Settings(
        seed=0, kind="one-vs-all", positive_fraction=None, epochs=epochs, keep="last"
    )
    started = time.perf_counter()
    for _ in TorchEngine(workers=networks).train(lenet5(1), cohort, images, settings):
        pass
    return time.perf_counter() - started


def plain_network(arguments: tuple[hz.ImageSet, int]) -> float:
    images, epochs = arguments
    torch.set_num_threads(1)
    module = build_module(lenet5(1))
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, eps=1e-7)
    loss_of = torch.nn.functional.binary_cross_entropy_with_logits
    train = torch.tensor(images.train_images).permute(0, 3, 1, 2).float().div_(255).contiguous()
    held_out = torch.tensor(images.validation_images).permute(0, 3, 1, 2).float().div_(255)
    held_out = held_out.contiguous()
    targets = torch.tensor(images.train_labels == 4).float()
    held_out_targets = torch.tensor(images.validation_labels == 4).float()
    started = time.perf_counter()
    for _ in range(epochs):
        for batch in torch.randperm(len(train)).split(128):
            optimizer.zero_grad()
            loss_of(module(train[batch])[:, 0], targets[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            for part, wanted in zip(held_out.split(128), held_out_targets.split(128), strict=True):
                loss_of(module(part)[:, 0], wanted)
    return time.perf_counter() - started


def plain_seconds(images: hz.ImageSet, networks: int, epochs: int) -> float:
    """The slowest of the processes; starting them does not count."""
    with multiprocessing.get_context("spawn").Pool(networks) as pool:
        return max(pool.map(plain_network, [(images, epochs)] * networks, chunksize=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--trials", type=int, default=3)
    chosen = parser.parse_args()
    images = hz.load_images("npz", path=chosen.images)
    cores = len(os.sched_getaffinity(0))
    print(f"{TorchEngine().provenance}, {cores} cores, numpy {np.__version__}")
    ratios, ours = [], []
    for trial in range(chosen.trials):
        engine = engine_seconds(images, cores, chosen.epochs) / (cores * chosen.epochs)
        plain = plain_seconds(images, cores, chosen.epochs) / (cores * chosen.epochs)
        ratios.append(plain / engine)
        ours.append(engine)
        print(
            f"trial {trial + 1}: seconds a network and epoch: engine {engine:.2f}, "
            f"plain PyTorch {plain:.2f}, ratio {plain / engine:.2f}"
        )
    print(f"median: engine {statistics.median(ours):.2f} s, ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
