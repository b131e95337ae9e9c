"""What every layer computes, against its definition written out in NumPy and float64."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hyperzoo.architectures import (
    Architecture,
    get_architecture,
    initial_parameters,
    resnet8,
    resnet20,
)
from hyperzoo.architectures.forward import build_module, forward, training_forward
from hyperzoo.architectures.layers import (
    Add,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Normalize,
    Pool2d,
)
from tests.architectures.declarations import EVERY

ACTIVATIONS = {
    "linear": lambda x: x,
    "tanh": np.tanh,
    "relu": lambda x: np.where(x > 0, x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
}


def some_parameters(architecture: Architecture, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Initial weights; what starts as a constant is made to differ."""
    generator = np.random.default_rng(seed)
    parameters = initial_parameters(architecture, seed, "a", 0)
    for name, tensor in parameters.items():
        if tensor.ndim == 1:
            drawn = generator.uniform(0.5, 1.5, tensor.shape)
            positive = name.endswith(("weight", "running_var"))
            parameters[name] = (drawn if positive else drawn - 1).astype("f4")
    return parameters


def some_masks(architecture: Architecture, images: int) -> dict[str, NDArray[np.bool_]]:
    generator = np.random.default_rng(1)
    return {
        step.name: generator.random((step.shape[2], *step.shape[:2], images)) < 0.6
        for step in architecture.steps
        if isinstance(step.layer, Dropout)
    }


def numpy_logits(architecture, parameters, images, masks=None):
    """[image, height, width, channel] -> logits, and the batch statistics met on the way."""
    own = {name: tensor.astype(float) for name, tensor in parameters.items()}
    values, statistics = [images], {}
    for step in architecture.steps:
        x, name, layer = values[step.inputs[0]], step.name, step.layer
        if isinstance(layer, Conv2d):
            pads = [layer.pads(size) for size in x.shape[1:3]]
            square = (layer.kernel, layer.kernel)
            windows = np.lib.stride_tricks.sliding_window_view(
                np.pad(x, ((0, 0), *pads, (0, 0))), square, axis=(1, 2)
            )[:, :: layer.stride, :: layer.stride]
            x = np.einsum("nhwcij,ocij->nhwo", windows, own[f"{name}.weight"])
        elif isinstance(layer, Pool2d):
            windows = np.lib.stride_tricks.sliding_window_view(
                x, (layer.size, layer.size), axis=(1, 2)
            )[:, :: layer.step, :: layer.step]
            x = windows.mean((4, 5)) if layer.kind == "average" else windows.max(axis=(4, 5))
        elif isinstance(layer, GlobalAveragePool):
            x = x.mean((1, 2), keepdims=True)
        elif isinstance(layer, Dense):
            flat = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
            x = (flat @ own[f"{name}.weight"].T)[:, None, None, :]
        elif isinstance(layer, Flatten):
            x = x.transpose(0, 3, 1, 2).reshape(len(x), 1, 1, -1)
        elif isinstance(layer, Dropout) and masks is not None:
            x = x * masks[name].transpose(3, 1, 2, 0) / (1 - layer.rate)
        elif isinstance(layer, BatchNorm):
            mean, variance = own[f"{name}.running_mean"], own[f"{name}.running_var"]
            if masks is not None:
                met = x.mean((0, 1, 2)), x.var((0, 1, 2))
                for kind, before, now in (
                    ("running_mean", mean, met[0]),
                    ("running_var", variance, met[1]),
                ):
                    statistics[f"{name}.{kind}"] = (
                        layer.momentum * before + (1 - layer.momentum) * now
                    )
                mean, variance = met
            x = (x - mean) / np.sqrt(variance + layer.epsilon) * own[f"{name}.weight"]
        elif isinstance(layer, Normalize):
            x = (x - layer.mean) / layer.std
        elif isinstance(layer, Add):
            x = x + values[step.inputs[1]]
        if f"{name}.bias" in own:
            x = x + own[f"{name}.bias"]
        if not isinstance(layer, Dropout | Flatten | Normalize):
            x = ACTIVATIONS[layer.activation](x)
        values.append(x)
    return values[-1][:, 0, 0, :], statistics


def sample(architecture: Architecture, count: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).random((count, *architecture.input_shape))


NETWORKS = [*EVERY.values(), resnet8(10)]


@pytest.mark.parametrize("architecture", NETWORKS, ids=lambda a: a.name)
def test_function_and_module_agree_with_plain_numpy(architecture: Architecture):
    parameters, images = some_parameters(architecture), sample(architecture, 3)
    expected, _ = numpy_logits(architecture, parameters, images)
    tensors = {name: torch.from_numpy(value) for name, value in parameters.items()}
    batch = torch.from_numpy(images.transpose(0, 3, 1, 2)).float()
    found = forward(architecture, tensors, batch).numpy()
    tolerance = 2e-5 * max(1, np.abs(expected).max())
    np.testing.assert_allclose(found, expected, atol=tolerance)
    module = build_module(architecture)
    module.load_state_dict(tensors)
    module.eval()
    np.testing.assert_allclose(module(batch).detach().numpy(), expected, atol=tolerance)


@pytest.mark.parametrize(
    "architecture", [a for a in NETWORKS if a.differs_in_training], ids=lambda a: a.name
)
def test_training_agrees_with_plain_numpy(architecture: Architecture):
    parameters, images = some_parameters(architecture), sample(architecture, 5)
    masks = some_masks(architecture, 5)
    expected, statistics = numpy_logits(architecture, parameters, images, masks)
    tensors = {name: torch.from_numpy(value).double() for name, value in parameters.items()}
    batch = torch.from_numpy(images.transpose(0, 3, 1, 2))
    kept = {name: torch.from_numpy(mask) for name, mask in masks.items()}
    logits, running = training_forward(architecture, tensors, batch, kept)
    np.testing.assert_allclose(logits.numpy(), expected, atol=1e-10)
    assert running.keys() == statistics.keys()
    for name, value in statistics.items():
        np.testing.assert_allclose(running[name].numpy(), value, atol=1e-12)


def test_one_image_alone_can_be_normalised():
    """PyTorch's own layer refuses a batch with one value a channel."""
    architecture = EVERY["normalised"]
    tensors = {n: torch.from_numpy(v) for n, v in some_parameters(architecture).items()}
    logits, _ = training_forward(architecture, tensors, torch.rand(1, 3, 12, 12), {})
    assert torch.isfinite(logits).all()


def test_a_module_has_the_layers_own_names():
    names = set(build_module(EVERY["residual"]).state_dict())
    table = {parameter.name for parameter in EVERY["residual"].parameters}
    assert names - table == {"bn1.num_batches_tracked", "bn2.num_batches_tracked"}
    assert table <= names


def test_residual_networks_are_those_of_the_paper():
    """He et al. count 0.27 million for 20 layers; the shortcuts' convolutions add 2,560."""
    weights = sum(p.size for p in resnet20(10).parameters if p.keras_name == "kernel")
    assert weights == 270_896  # 432 + 6 * 2304 + 4608 + 5 * 9216 + 18432 + 5 * 36864 + ...
    convolutions = [step for step in resnet20(10).steps if isinstance(step.layer, Conv2d)]
    assert len([step for step in convolutions if step.layer.kernel == 3]) == 19
    assert [step.output_shape for step in resnet8(1).steps][-3] == (8, 8, 64)
    assert get_architecture("resnet8", 10) == resnet8(10)
