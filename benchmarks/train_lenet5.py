"""Training LeNet-5 on Imagenette: hyperzoo's engines beside Keras, plain PyTorch and vmap.

    python benchmarks/train_lenet5.py IMAGENETTE.npz [--epochs 25] [--peer-epochs 3] [--trials 1]

All on the same cores in the same run, with validation after every epoch. Seconds are a network and
epoch: the time that all cores together took, divided by networks and epochs. Peers run fewer epochs
where `--peer-epochs` says so; every epoch is the same work. README.md has results.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import peers

import hyperzoo as hz
from hyperzoo.architectures import lenet5
from hyperzoo.cores import usable_cores
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population import Engine, Settings
from hyperzoo.population.machine import processor_name
from hyperzoo.population.native import NativeEngine
from hyperzoo.population.native.library import fma_peak, variant
from hyperzoo.population.torch_engine import TorchEngine

# Operations of one network and epoch: 5.31 MFLOP a training image, 2.08 a validation image.
OPERATIONS = 9469 * 5.31e6 + 3925 * 2.08e6
PUBLISHED_NETWORKS, PUBLISHED_EPOCHS = 10_610, 25


def engine_seconds(engine: Engine, images: hz.ImageSet, networks: int, epochs: int) -> float:
    cohort = [
        PlannedNetwork(class_name="church", index=i, learning_rate=1e-3, batch_size=128)
        for i in range(networks)
    ]
    settings = Settings(
        seed=0, kind="one-vs-all", positive_fraction=None, epochs=epochs, keep="last"
    )
    started = time.perf_counter()
    for _ in engine.train(lenet5(1), cohort, images, settings):
        pass
    return (time.perf_counter() - started) / (networks * epochs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--peer-epochs", type=int, default=3)
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--keras", type=Path, default=Path("build/keras"), help="its environment")
    chosen = parser.parse_args()
    images, few = hz.load_images("npz", path=chosen.images), chosen.peer_epochs
    cores = usable_cores()
    keras = peers.keras_environment(chosen.keras.absolute())
    contestants: dict[str, Callable[[], float]] = {
        "native engine": lambda: engine_seconds(
            NativeEngine(workers=cores), images, cores, chosen.epochs
        ),
        "torch engine": lambda: engine_seconds(TorchEngine(workers=cores), images, cores, few),
        "Keras, a process a core": lambda: peers.keras(keras, chosen.images, cores, 1, few),
        "Keras, one process": lambda: peers.keras(keras, chosen.images, 1, cores, few),
        "plain PyTorch, a process a core": lambda: peers.plain_pytorch(images, cores, few),
        "torch.func.vmap over 10": lambda: peers.vmap(images, 10, 1),
    }
    print(f"{processor_name()}, {cores} cores, {variant()} kernels, torch {hz_torch()}")
    peaks, seconds = [], {name: [] for name in contestants}
    for _ in range(chosen.trials):
        peaks.append(fma_peak())
        for name, run in contestants.items():
            seconds[name].append(run())
            print(f"  {name}: {seconds[name][-1]:.3f} s", flush=True)
    report(seconds, max(peaks), cores)


def hz_torch() -> str:
    import torch

    return torch.__version__


def report(seconds: dict[str, list[float]], peak: float, cores: int) -> None:
    # Other work on the machine only ever slows one down, so the fastest trial counts.
    fastest = {name: min(values) for name, values in seconds.items()}
    ours = fastest["native engine"]
    print(f"\nFMA peak {peak / 1e9:.1f} GFLOP/s a core\n")
    print("| | seconds a network and epoch | GFLOP/s, all cores | share of FMA peak | ratio |")
    print("|---|---|---|---|---|")
    for name, value in fastest.items():
        speed = OPERATIONS / value
        share = speed / (peak * cores)
        print(f"| {name} | {value:.3f} | {speed / 1e9:.0f} | {share:.0%} | {value / ours:.2f} |")
    hours = ours * PUBLISHED_NETWORKS * PUBLISHED_EPOCHS / 3600
    print(f"\nAll {PUBLISHED_NETWORKS:,} networks of 25 epochs by the native engine: {hours:.1f} h")


if __name__ == "__main__":
    main()
