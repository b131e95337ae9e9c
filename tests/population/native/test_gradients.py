"""Every operation's gradient against autograd in float64, at every awkward size."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, initial_parameters
from hyperzoo.architectures.forward import forward, training_forward
from hyperzoo.errors import EngineError
from hyperzoo.population.native.description import describe
from hyperzoo.population.native.library import Network, pack_masks, reason_unavailable
from hyperzoo.population.task import dropout_keys, dropout_masks
from tests.architectures.declarations import STRAIGHT
from tests.population.declared import planned_for
from tests.population.native.architectures import EVERY

pytestmark = pytest.mark.skipif(reason_unavailable() is not None, reason="no native engine")


def sample(architecture: Architecture, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    # A seed for which no rectified sum is so near 0 that rounding decides its sign.
    generator = np.random.default_rng(count + 1)
    images = generator.integers(0, 256, (count, *architecture.input_shape), dtype=np.uint8)
    return images, generator.integers(0, max(architecture.outputs, 2), count)


def start(architecture: Architecture) -> dict[str, NDArray[np.float32]]:
    """Initial weights, and biases that are not zero."""
    generator = np.random.default_rng(1)
    return {
        name: tensor
        if tensor.ndim > 1
        else (generator.normal(0, 0.1, tensor.shape) + tensor).astype("f4")
        for name, tensor in initial_parameters(architecture, 0, "a", 0).items()
    }


def reference(
    architecture: Architecture,
    images: NDArray[np.uint8],
    targets: NDArray[np.int64] | NDArray[np.float32],
    masks: Mapping[str, NDArray[np.bool_]] | None = None,
) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """Gradient of the mean loss, the sum of losses, and the logits, in float64.

    With masks in training, without them after it.
    """
    weights = {
        name: torch.tensor(tensor).double().requires_grad_()
        for name, tensor in start(architecture).items()
    }
    pixels = torch.tensor(images).double().permute(0, 3, 1, 2) / 255
    if masks is None:
        logits = forward(architecture, weights, pixels)
    else:
        kept = {name: torch.tensor(mask) for name, mask in masks.items()}
        logits, _ = training_forward(architecture, weights, pixels, kept)
    wanted = torch.tensor(targets)
    if targets.dtype == np.float32:
        loss = torch.nn.functional.mse_loss(logits, wanted.double())
    elif architecture.outputs == 1:
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], wanted.double())
    else:
        loss = torch.nn.functional.cross_entropy(logits, wanted)
    loss.backward()
    gradient = torch.cat(
        [
            (torch.zeros_like(weight) if weight.grad is None else weight.grad).flatten()
            for weight in weights.values()
        ]
    )
    return gradient.numpy(), loss.item() * len(images), logits.detach().numpy()


@pytest.mark.parametrize("count", [1, 5, 16, 100, 125])
@pytest.mark.parametrize("name", EVERY)
def test_gradient_loss_and_logits_equal_the_float64_reference(name: str, count: int):
    architecture = EVERY[name]
    images, targets = sample(architecture, count)
    network = Network(describe(architecture), count)
    network.load(np.concatenate([tensor.ravel() for tensor in start(architecture).values()]))
    expected, loss, logits = reference(architecture, images, targets)
    gradient, total = network.gradient(images, targets)
    np.testing.assert_allclose(gradient, expected, rtol=2e-4, atol=2e-6 * np.abs(expected).max())
    assert total == pytest.approx(loss, rel=1e-5)
    found, sums = np.empty((count, architecture.outputs), np.float32), np.zeros(2)
    assert network.evaluate(images, targets, 0, 10, found, sums) == count
    np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-5)
    assert sums[0] == pytest.approx(loss, rel=1e-5)
    said = logits[:, 0] > 0 if architecture.outputs == 1 else logits.argmax(axis=1)
    assert sums[1] == np.sum(said == targets)


@pytest.mark.parametrize("count", [1, 37, 300])
@pytest.mark.parametrize("name", ["lenet5", "max pool with remainder"])
def test_gradient_towards_logits_equals_the_float64_reference(name: str, count: int):
    architecture = EVERY[name]
    images, _ = sample(architecture, count)
    wanted = np.random.default_rng(5).normal(size=(count, architecture.outputs)).astype("f4")
    network = Network(describe(architecture), count)
    network.load(np.concatenate([tensor.ravel() for tensor in start(architecture).values()]))
    expected, loss, _ = reference(architecture, images, wanted)
    gradient, total = network.gradient(images, wanted)
    np.testing.assert_allclose(gradient, expected, rtol=2e-4, atol=2e-6 * np.abs(expected).max())
    assert total == pytest.approx(loss, rel=1e-5)
    with pytest.raises(EngineError, match=r"contiguous array of float32 \(\d+, \d+\), got float32"):
        network.gradient(images, wanted[:, :0])


@pytest.mark.parametrize("count", [2, 5, 37, 300])
@pytest.mark.parametrize("name", STRAIGHT)
def test_declared_networks_equal_the_float64_reference(name: str, count: int):
    """In training and after it: every activation, batch normalisation, dropout."""
    architecture = STRAIGHT[name]
    images, targets = sample(architecture, count)
    masks = dropout_masks(architecture, planned_for(architecture), 0, 1, 0, count)
    network = Network(describe(architecture), count)
    network.load(np.concatenate([tensor.ravel() for tensor in start(architecture).values()]))
    expected, loss, _ = reference(architecture, images, targets, masks)
    gradient, total = network.gradient(images, targets, pack_masks(masks))
    np.testing.assert_allclose(gradient, expected, rtol=5e-4, atol=1e-5 * np.abs(expected).max())
    assert total == pytest.approx(loss, rel=1e-5)
    _, loss, logits = reference(architecture, images, targets)
    found, sums = np.empty((count, architecture.outputs), np.float32), np.zeros(2)
    assert network.evaluate(images, targets, 0, 10, found, sums) == count
    np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-5)
    assert sums[0] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("images", [1, 5, 16, 33, 100])
def test_masks_drawn_by_the_kernels_have_the_same_bits(images: int):
    architecture = STRAIGHT["dropped out"]
    planned = planned_for(architecture)
    expected = pack_masks(dropout_masks(architecture, planned, 3, 2, 7, images))
    network = Network(describe(architecture), images)
    keys, limits = dropout_keys(architecture, planned, 3, 2, 7)
    np.testing.assert_array_equal(network.draw_masks(keys, limits, images), expected)
    with pytest.raises(EngineError, match=r"expected a contiguous array of uint64 \(4, 2\), got"):
        network.draw_masks(keys[:1], limits, images)


def test_masks_are_those_of_the_step():
    architecture = STRAIGHT["dropped out"]
    images, targets = sample(architecture, 8)
    network = Network(describe(architecture), 8)
    with pytest.raises(EngineError, match="the network has dropouts: expected masks, got none"):
        network.gradient(images, targets)
    with pytest.raises(EngineError, match=r"expected a contiguous array of uint8 \(\d+, 32\)"):
        network.gradient(images, targets, np.zeros((5, 32), np.uint8))


def test_a_batch_larger_than_a_chunk():
    """256 images at a time, gradients added."""
    architecture = EVERY["max pool with remainder"]
    images, targets = sample(architecture, 700)
    network = Network(describe(architecture), 700)
    network.load(np.concatenate([tensor.ravel() for tensor in start(architecture).values()]))
    expected, loss, _ = reference(architecture, images, targets)
    gradient, total = network.gradient(images, targets)
    np.testing.assert_allclose(gradient, expected, rtol=2e-4, atol=2e-6 * np.abs(expected).max())
    assert total == pytest.approx(loss, rel=1e-5)


def test_the_images_that_a_last_block_lacks_leave_no_trace():
    """A batch after a larger one finds the larger one's values in memory."""
    architecture = EVERY["same, odd size"]
    images, targets = sample(architecture, 125)
    flat = np.concatenate([tensor.ravel() for tensor in start(architecture).values()])
    used, fresh = Network(describe(architecture), 125), Network(describe(architecture), 125)
    used.load(flat)
    fresh.load(flat)
    used.gradient(images, targets)
    after, _ = used.gradient(images[:5], targets[:5])
    alone, _ = fresh.gradient(images[:5], targets[:5])
    assert after.tobytes() == alone.tobytes()


def test_memory_of_a_worker():
    """At most 60 MB beside the images, for any batch size."""
    for batch in (128, 10_000):
        assert Network(describe(EVERY["lenet5"]), batch).bytes < 60e6
