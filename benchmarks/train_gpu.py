"""Training LeNet-5 on Imagenette on a GPU: the GPU engine beside vmap and one network at a time.

    PYTHONPATH=src python benchmarks/train_gpu.py --images IMAGENETTE.npz [what to do]

    --networks-per-class 100 --epochs 25 --precision bfloat16     time, share of peak, performance
    --peers                         also vmap and one network at a time, on the same GPU
    --profile                       instead of all this: where the time of some steps goes
    --fused                         with the Triton kernels
    --stack N                       networks in a stack at most, in place of what fits

One call is one precision, or several after one another. From the source folder it needs NumPy,
PyTorch, and scikit-learn for the metrics. Without images they are random, and there is no table.
The full recipe is 10,610 networks of 25 epochs; all networks take the same steps, so a run of fewer
is multiplied. docs/gpu-engine.md has results.
"""

import argparse
import runpy
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import hyperzoo as hz
from hyperzoo.architectures import lenet5
from hyperzoo.architectures.forward import build_module
from hyperzoo.images import ImageSet
from hyperzoo.plan import PlannedNetwork
from hyperzoo.population import Engine, EpochRecord, Precision, Settings, metrics, targets
from hyperzoo.population.gpu import GpuEngine
from hyperzoo.population.torch_engine import TorchEngine

TRAIN, VALIDATE = 5.31e6, 2.08e6
"""Operations that an image needs, in training and in validation."""

PEAKS = {"float32": 67e12, "tf32": 400e12, "bfloat16": 790e12}
"""Operations a second of one H200, as the design counts with them; other GPUs have other peaks."""

ALL_NETWORKS, ALL_EPOCHS = 10_610, 25


def random_images() -> ImageSet:
    """Images of Imagenette's number and shape; as fast as any, and nothing can be learned."""
    noise = np.random.default_rng(0)
    return ImageSet(
        name="random",
        class_names=tuple(f"class{label}" for label in range(10)),
        train_images=noise.integers(0, 256, (9469, 32, 32, 3), dtype=np.uint8),
        train_labels=np.arange(9469) % 10,
        validation_images=noise.integers(0, 256, (3925, 32, 32, 3), dtype=np.uint8),
        validation_labels=np.arange(3925) % 10,
    )


def cohort_of(images: ImageSet, networks_per_class: int) -> list[PlannedNetwork]:
    return [
        PlannedNetwork(class_name=name, index=index, learning_rate=1e-3, batch_size=128)
        for index in range(networks_per_class)
        for name in images.class_names
    ]


def settings_of(epochs: int, precision: Precision) -> Settings:
    return Settings(
        seed=0,
        kind="one-vs-all",
        positive_fraction=None,
        epochs=epochs,
        keep="last",
        precision=precision,
    )


def train(
    engine: Engine, cohort: Sequence[PlannedNetwork], images: ImageSet, settings: Settings
) -> tuple[float, list[dict[str, float | None]]]:
    """Seconds for all, from images in memory to weights in memory, and each network's metrics."""
    trained, started = {}, time.perf_counter()
    last = started
    for event in engine.train(lenet5(1), cohort, images, settings):
        if not isinstance(event, EpochRecord):
            trained[event.network] = event.logits
        elif event.epoch in (1, 2, settings.epochs):
            now = time.perf_counter()
            print(
                f"    epoch {event.epoch} of {len(event.networks)} networks: {now - last:.2f} s "
                f"since the last line, validation loss {np.nanmean(event.validation_loss):.4f}",
                flush=True,
            )
            last = now
    seconds = time.perf_counter() - started
    names, labels = images.class_names, images.validation_labels
    return seconds, [
        metrics(trained[position], targets(network, "one-vs-all", labels, names))
        for position, network in enumerate(cohort)
    ]


def operations(images: ImageSet) -> float:
    """Of one network and epoch."""
    return len(images.train_images) * TRAIN + len(images.validation_images) * VALIDATE


def one_at_a_time(images: ImageSet, networks: int, epochs: int) -> float:
    """Seconds a network and epoch of an ordinary loop, images on the GPU, validation as usual."""
    device = torch.device("cuda")

    def scaled(pixels: np.ndarray) -> torch.Tensor:
        return torch.tensor(pixels, device=device).permute(0, 3, 1, 2).float() / 255

    train_images, held_out = scaled(images.train_images), scaled(images.validation_images)
    wanted = torch.tensor(images.train_labels == 4, device=device).float()

    def epoch(module: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        order = torch.randperm(len(train_images), device=device)
        for batch in order.split(128):
            optimizer.zero_grad()
            logits = module(train_images[batch])[:, 0]
            torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            for part in held_out.split(128):
                module(part)

    seconds = 0.0
    for number in range(networks + 1):
        module = build_module(lenet5(1)).to(device)
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, eps=1e-7, fused=True)
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(epochs if number else 1):
            epoch(module, optimizer)
        torch.cuda.synchronize()
        # The first one only warms up.
        seconds += (time.perf_counter() - started) if number else 0
    return seconds / (networks * epochs)


def table(cohort: Sequence[PlannedNetwork], found: Sequence[dict[str, float | None]]) -> None:
    """The performance of each class beside the published one."""
    file = Path(hz.__file__).parent / "analysis" / "published.py"
    published = runpy.run_path(str(file))["PUBLISHED"]
    names = ("accuracy", "precision", "recall", "f1")
    print("\n| class | " + " | ".join(f"{name}: ours | published" for name in names) + " |")
    print("|---|" + "---|" * 2 * len(names))
    for class_name in dict.fromkeys(network.class_name for network in cohort):
        own = [
            values
            for network, values in zip(cohort, found, strict=True)
            if network.class_name == class_name and values["accuracy"] is not None
        ]
        if class_name not in published or not own:
            continue
        cells = []
        for name in names:
            mean = np.mean([values[name] for values in own])
            cells += [f"{mean:.3f}", f"{published[class_name][name][2]:.3f}"]
        print(f"| {class_name} | " + " | ".join(cells) + " |")


def profile(engine: Engine, images: ImageSet, networks: int, precision: Precision) -> None:
    """Kernels of one epoch over some images, the slowest first."""
    few = ImageSet(
        name=images.name,
        class_names=images.class_names,
        train_images=images.train_images[:1280],
        train_labels=images.train_labels[:1280],
        validation_images=images.validation_images[:256],
        validation_labels=images.validation_labels[:256],
    )
    cohort = cohort_of(images, -(-networks // 10))[:networks]
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        for _ in engine.train(lenet5(1), cohort, few, settings_of(2, precision)):
            pass
        torch.cuda.synchronize()
    print(
        profiler.key_averages().table(
            sort_by="self_cuda_time_total", row_limit=40, max_name_column_width=110
        )
    )


def peers(images: ImageSet, ours: dict[str, float]) -> None:
    """The same work by vmap and by an ordinary loop, in float32."""
    few, one_epoch = cohort_of(images, 7)[:64], settings_of(1, "float32")
    vmap, _ = train(TorchEngine(device="cuda"), few, images, one_epoch)
    loop = one_at_a_time(images, networks=1, epochs=2)
    print("\n| float32 | seconds a network and epoch | times as long as ours |\n|---|---|---|")
    for name, seconds in (("torch.func.vmap, 64 networks", vmap / 64), ("one at a time", loop)):
        ratios = [f"{precision} {seconds / own:.1f}" for precision, own in ours.items()]
        print(f"| {name} | {seconds:.5f} | {', '.join(ratios)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path)
    parser.add_argument("--networks-per-class", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--precision", nargs="+", choices=list(PEAKS), default=list(PEAKS))
    parser.add_argument("--stack", type=int, default=0)
    parser.add_argument("--fused", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: to try it")
    chosen = parser.parse_args()
    images = hz.load_images("npz", path=chosen.images) if chosen.images else random_images()
    engine = GpuEngine(device=chosen.device, stack=chosen.stack, fused=chosen.fused)
    print(", ".join(f"{key} {value}" for key, value in engine.provenance.items()))
    cohort, ours = cohort_of(images, chosen.networks_per_class), {}
    for precision in chosen.precision:
        if chosen.profile:
            profile(engine, images, chosen.stack or 512, precision)
            continue
        print(f"\n{precision}: {len(cohort)} networks, {chosen.epochs} epochs")
        settings = settings_of(chosen.epochs, precision)
        seconds, found = train(engine, cohort, images, settings)
        each = ours[precision] = seconds / (len(cohort) * chosen.epochs)
        speed = operations(images) / each
        print(
            f"  {seconds:.1f} s, {each * 1e3:.3f} ms a network and epoch, {speed / 1e12:.1f} "
            f"TFLOP/s ({speed / PEAKS[precision]:.1%} of an H200's peak); all {ALL_NETWORKS:,} "
            f"networks of {ALL_EPOCHS} epochs: {each * ALL_NETWORKS * ALL_EPOCHS / 60:.1f} min"
        )
        if chosen.device == "cuda":
            print(f"  most memory: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
        if chosen.images:
            table(cohort, found)
    if chosen.peers and ours:
        peers(images, ours)


if __name__ == "__main__":
    main()
