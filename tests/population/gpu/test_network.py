import re

import numpy as np
import pytest
import torch

from hyperzoo.architectures import Architecture, initial_parameters, lenet5
from hyperzoo.architectures.forward import forward
from hyperzoo.architectures.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    GlobalAveragePool,
    Normalize,
    Pool2d,
)
from hyperzoo.errors import EngineError
from hyperzoo.population.engine import Precision
from hyperzoo.population.gpu.memory import Memory
from hyperzoo.population.gpu.network import Network, check, image_pads
from hyperzoo.population.gpu.pooling import Maximum
from hyperzoo.population.loss import loss_gradient
from tests.population.native.architectures import EVERY, declared

EVEN = declared(
    "even kernels",
    (13, 10, 3),
    Conv2d(filters=5, kernel=4, padding="same", activation="tanh"),
    Conv2d(filters=7, kernel=2, stride=2, padding="same", activation="relu"),
    Dense(units=2),
)

POOLS = [
    declared(
        "pool, pool, pool",
        (23, 21, 3),
        Pool2d(kind="max"),
        Conv2d(filters=4, kernel=3, padding="same", activation="tanh"),
        Pool2d(kind="average"),
        Pool2d(kind="average"),
        Dense(units=2),
    ),
    declared(
        "max after average, with remainders",
        (23, 21, 3),
        Conv2d(filters=4, kernel=5, activation="tanh"),
        Pool2d(kind="average", size=2),
        Pool2d(kind="max", size=4),
        Dense(units=2),
    ),
    declared(
        "average after max",
        (16, 16, 1),
        Conv2d(filters=3, kernel=3, padding="same", activation="relu"),
        Pool2d(kind="max", size=3),
        GlobalAveragePool(),
        Dense(units=2),
    ),
    declared(
        "stride beyond the kernel",
        (19, 17, 2),
        Conv2d(filters=5, kernel=3, padding="same", activation="tanh"),
        Conv2d(filters=30, kernel=3, stride=5, activation="tanh"),
        Dense(units=1),
    ),
]


class Stacked:
    """Three networks, their gradients, and what float64 autograd makes of the same."""

    def __init__(
        self,
        architecture: Architecture,
        precision: Precision = "float32",
        images: int = 6,
        fused: bool = False,
    ) -> None:
        self.architecture, self.precision, self.fused = architecture, precision, fused
        initial = [initial_parameters(architecture, 1, "some", index) for index in range(3)]
        noise = np.random.default_rng(0)
        self.parameters = {
            name: torch.tensor(np.stack([own[name] for own in initial]))
            + torch.tensor(noise.normal(0, 0.05, (3, *initial[0][name].shape)), dtype=torch.float32)
            for name in initial[0]
        }
        self.gradients = {name: torch.full_like(p, 7) for name, p in self.parameters.items()}
        self.memory = Memory(torch.device("cpu"))
        size = (3, images, *architecture.input_shape)
        self.pixels = torch.tensor(noise.integers(0, 256, size, dtype=np.uint8))
        self.targets = torch.tensor(noise.integers(0, max(2, architecture.outputs), size[:2]))
        self.network = self.make(images)

    def make(self, images: int) -> Network:
        return Network(
            self.architecture, self.parameters, self.gradients, images, self.memory,
            self.precision, self.fused,
        )  # fmt: skip

    def padded(self) -> torch.Tensor:
        (above, below), (left, right) = image_pads(self.architecture)
        return torch.nn.functional.pad(self.pixels, (0, 0, left, right, above, below))

    def expected(self, images: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Logits and gradients of the mean loss, [network, ...]."""
        logits, gradients = [], []
        for row in range(3):
            own = {n: p[row].double().requires_grad_() for n, p in self.parameters.items()}
            scaled = self.pixels[row, :images].double().permute(0, 3, 1, 2) / 255
            said = forward(self.architecture, own, scaled)
            targets = self.targets[row, :images]
            if self.architecture.outputs == 1:
                loss = torch.nn.functional.binary_cross_entropy_with_logits(
                    said[:, 0], targets.double()
                )
            else:
                loss = torch.nn.functional.cross_entropy(said, targets)
            gradients.append(torch.autograd.grad(loss, list(own.values())))
            logits.append(said.detach())
        together = {
            n: torch.stack(g) for n, g in zip(own, zip(*gradients, strict=True), strict=True)
        }
        return torch.stack(logits), together


def assert_equals_autograd(own: Stacked, whole: int = 6, part: int = 4) -> None:
    # Twice, and a smaller batch between: nothing is left over in the buffers.
    for images in (whole, part, whole):
        network = own.network if images == whole else own.make(images)
        logits = network.forward(own.padded()[:, :images])
        network.backward(loss_gradient(logits, own.targets[:, :images]))
        expected, gradients = own.expected(images)
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
        for name, gradient in gradients.items():
            scale = float(gradient.abs().max())
            np.testing.assert_allclose(
                own.gradients[name], gradient, rtol=1e-3, atol=1e-5 * scale, err_msg=name
            )


def assert_near_autograd(own: Stacked) -> None:
    logits = own.network.forward(own.padded())
    own.network.backward(loss_gradient(logits, own.targets))
    expected, gradients = own.expected(own.network.images)
    assert logits.dtype == torch.float32
    np.testing.assert_allclose(logits, expected, atol=0.05)
    for name, gradient in gradients.items():
        # Eight bits: each number is off by up to 0.4 %.
        off = (own.gradients[name] - gradient).norm() / gradient.norm()
        assert 1e-5 < float(off) < 0.05, name


@pytest.mark.parametrize("precision", ["float32", "tf32"])
@pytest.mark.parametrize(
    "architecture", [*EVERY.values(), *POOLS, EVEN], ids=lambda architecture: architecture.name
)
def test_logits_and_gradients_equal_autograd(architecture: Architecture, precision: Precision):
    assert_equals_autograd(Stacked(architecture, precision))


@pytest.mark.parametrize("architecture", [lenet5(1), EVERY["smallcnn"], POOLS[0], POOLS[3]])
def test_bfloat16_is_near(architecture: Architecture):
    assert_near_autograd(Stacked(architecture, "bfloat16"))


@pytest.mark.parametrize("architecture", [lenet5(1), POOLS[0], EVERY["dense alone"]])
def test_images_that_all_see_need_be_given_once(architecture: Architecture):
    own = Stacked(architecture)
    shared = own.padded()[:1]
    once = own.network.forward(shared).clone()
    each = own.network.forward(shared.expand(3, -1, -1, -1, -1).contiguous())
    np.testing.assert_allclose(once, each, rtol=1e-6, atol=1e-7)


def test_of_equal_values_the_first_gets_the_gradient_and_not_a_number_wins():
    layer = Maximum(
        "pool", Pool2d(kind="max"), (2, 4, 1), 1, 1, Memory(torch.device("cpu")), torch.float32
    )
    values = torch.tensor([[3.0, 1, 5, 4], [2, 3, float("nan"), 9]]).view(1, 1, 2, 4, 1)
    assert str(layer.forward(values).flatten().tolist()) == "[3.0, nan]"
    spread = layer.backward(torch.tensor([7.0, 8]).view(1, 1, 1, 2, 1)).flatten()
    assert spread.tolist() == [7, 0, 0, 0, 0, 0, 8, 0]


def test_a_networks_bad_numbers_reach_no_other():
    own = Stacked(EVERY["max pool with remainder"])
    pixels = own.padded()
    own.network.backward(loss_gradient(own.network.forward(pixels), own.targets))
    before = {name: gradient.clone() for name, gradient in own.gradients.items()}
    for parameter in own.parameters.values():
        parameter[1] = torch.nan
    own.network.backward(loss_gradient(own.network.forward(pixels), own.targets))
    for name, gradient in own.gradients.items():
        assert torch.equal(gradient[0], before[name][0])
        assert torch.equal(gradient[2], before[name][2])


def test_memory_of_a_network_is_counted_without_allocating():
    architecture, sizes = lenet5(1), []
    for networks in (1, 2):
        memory = Memory(torch.device("meta"))
        tensors = {
            p.name: torch.zeros((networks, *p.shape), device="meta")
            for p in architecture.parameters
        }
        Network(architecture, tensors, tensors, 128, memory, "float32")
        sizes.append(memory.bytes)
    assert sizes[1] == 2 * sizes[0]
    assert sizes[0] == Stacked(architecture, images=128).memory.bytes // 3


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((Conv2d(filters=1, kernel=1),), "the last layer must be dense and linear"),
        ((Dense(units=1, activation="tanh"),), "the last layer must be dense and linear"),
        ((), "the last layer must be dense and linear"),
        ((Dense(units=1, activation="gelu"),), "the GPU engine has no activation 'gelu'"),
        ((Pool2d(kind="max", size=200), Dense(units=1)), "squares of at most 181"),
        (("dropout", Dense(units=1)), "layer 1 of 'odd': the GPU engine has no str"),
        ((BatchNorm(), Dense(units=1)), "layer 1 of 'odd': the GPU engine has no BatchNorm"),
        (
            (Normalize(mean=(0.5,), std=(0.5,)), Dense(units=1)),
            "layer 1 of 'odd': the GPU engine has no Normalize",
        ),
        ((Dense(units=1, bias=False),), "the GPU engine has no layers without a bias"),
        ((Pool2d(kind="max", size=3, stride=2), Dense(units=1)), "got size 3 and stride 2"),
        (
            (GlobalAveragePool(activation="tanh"), Dense(units=1)),
            "the GPU engine has no activation after a pooling, got 'tanh'",
        ),
    ],
)  # fmt: skip
def test_what_it_has_not_is_refused_with_a_reason(layers: tuple[object, ...], message: str):
    with pytest.raises(EngineError, match=re.escape(message)):
        check(declared("odd", (400, 400, 1), *layers))  # type: ignore[arg-type]
