"""The loops that hyperzoo's engines are measured against, each in its best form.

Every peer trains LeNet-5 one-vs-all networks on Imagenette with the recipe's batch and rate,
validates after every epoch, and returns the seconds that training took (starting processes and
loading images do not count). `benchmarks/train_lenet5.py` runs them.
"""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from hyperzoo.architectures import lenet5
from hyperzoo.architectures.forward import build_module, forward
from hyperzoo.images import ImageSet

BATCH, CLASS = 128, 4


def _scaled(pixels: np.ndarray) -> torch.Tensor:
    return torch.tensor(pixels).permute(0, 3, 1, 2).float().div_(255).contiguous()


def _plain_network(arguments: tuple[ImageSet, int]) -> float:
    images, epochs = arguments
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    module = build_module(lenet5(1)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, eps=1e-7, foreach=True)
    loss_of = torch.nn.functional.binary_cross_entropy_with_logits
    train, held_out = _scaled(images.train_images), _scaled(images.validation_images)
    train = train.to(memory_format=torch.channels_last)
    held_out = held_out.to(memory_format=torch.channels_last)
    targets = torch.tensor(images.train_labels == CLASS).float()
    held_out_targets = torch.tensor(images.validation_labels == CLASS).float()
    started = time.perf_counter()
    for _ in range(epochs):
        for batch in torch.randperm(len(train)).split(BATCH):
            optimizer.zero_grad()
            loss_of(module(train[batch])[:, 0], targets[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            for part, wanted in zip(
                held_out.split(BATCH), held_out_targets.split(BATCH), strict=True
            ):
                loss_of(module(part)[:, 0], wanted)
    return time.perf_counter() - started


def plain_pytorch(images: ImageSet, cores: int, epochs: int) -> float:
    """Seconds a network and epoch of a module, autograd and torch.optim.Adam, a process a core."""
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        seconds = pool.map(_plain_network, [(images, epochs)] * cores, chunksize=1)
    return max(seconds) / (cores * epochs)


def vmap(images: ImageSet, networks: int, epochs: int) -> float:
    """Seconds a network and epoch of torch.func.vmap over networks, on all cores."""
    architecture = lenet5(1)
    modules = [build_module(architecture) for _ in range(networks)]
    parameters, _ = torch.func.stack_module_state(modules)
    optimizer = torch.optim.Adam(parameters.values(), lr=1e-3, eps=1e-7, foreach=True)
    train, held_out = _scaled(images.train_images), _scaled(images.validation_images)
    targets = torch.tensor(images.train_labels == CLASS).float()
    stacked = torch.func.vmap(lambda own, batch: forward(architecture, own, batch))
    started = time.perf_counter()
    for _ in range(epochs):
        orders = torch.stack([torch.randperm(len(train)) for _ in range(networks)])
        for batch in orders.split(BATCH, dim=1):
            optimizer.zero_grad()
            logits = stacked(parameters, train[batch])[:, :, 0]
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, targets[batch], reduction="none"
            )
            losses.mean(dim=1).sum().backward()
            optimizer.step()
        with torch.no_grad():
            for part in held_out.split(BATCH):
                stacked(parameters, part.expand(networks, *part.shape))
    return (time.perf_counter() - started) / (networks * epochs)


KERAS = """
import os, sys, time
threads, epochs, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
os.environ["KERAS_BACKEND"], os.environ["TF_CPP_MIN_LOG_LEVEL"] = "tensorflow", "3"
import numpy as np, tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(threads)
import keras
from keras import layers
z = np.load(path)
x, v = (z[k].astype("float32") / 255 for k in ("train_images", "validation_images"))
y, w = ((z[k] == 4).astype("float32") for k in ("train_labels", "validation_labels"))
model = keras.Sequential([
    keras.Input((32, 32, 3)),
    layers.Conv2D(6, 5, padding="same", activation="tanh"), layers.AveragePooling2D(2),
    layers.Conv2D(16, 5, activation="tanh"), layers.AveragePooling2D(2),
    layers.Conv2D(120, 5, activation="tanh"), layers.Flatten(),
    layers.Dense(84, activation="tanh"), layers.Dense(1, activation="sigmoid"),
])
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy",
              metrics=["accuracy"], jit_compile=False)
data = dict(batch_size=128, validation_data=(v, w), verbose=0)
model.fit(x, y, epochs=1, **data)  # traces the graphs; not counted
started = time.perf_counter()
model.fit(x, y, epochs=epochs, **data)
print("seconds", time.perf_counter() - started)
"""


def keras_environment(folder: Path) -> Path:
    """Python of an environment with Keras and TensorFlow, made once; they are no dependency."""
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        packages = ["tensorflow-cpu==2.21.*", "keras==3.15.*"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (folder / "installed").touch()
    return python


def keras(python: Path, images: Path, processes: int, threads: int, epochs: int) -> float:
    """Seconds a network and epoch of `fit`, in some processes with some threads each."""
    command = [python, "-c", KERAS, str(threads), str(epochs), images]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    running = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(processes)
    ]
    seconds = []
    for process in running:
        output, errors = process.communicate()
        if process.returncode:
            raise SystemExit(f"Keras failed:\n{errors}")
        seconds.append(float(output.split()[-1]))
    return max(seconds) / (processes * epochs)
