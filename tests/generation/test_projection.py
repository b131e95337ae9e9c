"""`projection`: a distilled network with codes, and fresh weights given its function."""

import numpy as np
import pytest
import torch
from torch import Tensor

from hyperzoo.architectures import Architecture, get_architecture, initial_parameters
from hyperzoo.architectures.forward import forward
from hyperzoo.architectures.layers import BatchNorm, Conv2d, Dense, Pool2d, Residual
from hyperzoo.generation.methods import distilled, solving

OWN = Architecture(
    name="own",
    input_shape=(12, 12, 1),
    layers=(
        Conv2d(filters=6, kernel=3, padding="same", bias=False),
        BatchNorm(activation="tanh"),
        Residual(layers=(Conv2d(filters=6, kernel=3, padding="same", activation="tanh"),)),
        Pool2d(kind="average"),
        Dense(units=3),
    ),
)
NETWORKS = [get_architecture("smallcnn", 1), OWN]


def weights_of(architecture: Architecture, index: int) -> dict[str, Tensor]:
    drawn = initial_parameters(architecture, 5, "church", index)
    return {name: torch.from_numpy(tensor) for name, tensor in drawn.items()}


def pictures(architecture: Architecture, count: int) -> Tensor:
    height, width, channels = architecture.input_shape
    numbers = np.random.default_rng(3).random((count, channels, height, width), np.float32)
    return torch.from_numpy(numbers)


def learned_of(architecture: Architecture, codes: int) -> dict[str, Tensor]:
    generator = np.random.default_rng(1)
    learned = {
        name: torch.from_numpy(0.1 * generator.standard_normal(shape).astype(np.float32))
        for name, shape in distilled.learned_shapes(architecture, codes).items()
    }
    return learned | {f"network.{n}": t for n, t in weights_of(architecture, 0).items()}


@pytest.mark.parametrize("architecture", NETWORKS, ids=["smallcnn", "own"])
def test_a_code_is_an_ordinary_network(architecture: Architecture):
    learned, images = learned_of(architecture, 3), pictures(architecture, 5)
    codes = torch.from_numpy(np.random.default_rng(2).standard_normal((5, 3), np.float32))
    together = distilled._Coded(architecture, learned, codes).run(images)
    for row, code in enumerate(codes):
        network = distilled.network_of(architecture, learned, code)
        alone = forward(architecture, network, images[row : row + 1])[0]
        torch.testing.assert_close(together[row], alone, rtol=1e-4, atol=1e-5)
    plain = distilled.network_of(architecture, learned, torch.zeros(3))
    for name, tensor in weights_of(architecture, 0).items():
        torch.testing.assert_close(plain[name], tensor)


def test_codes_are_distilled():
    architecture = NETWORKS[0]
    scale = torch.from_numpy(np.random.default_rng(6).random((64, 2), np.float32))
    brightness, contrast = scale.T[:, :, None, None, None]
    images = (brightness + contrast * (pictures(architecture, 64) - 0.5)).clamp(0, 1)
    mean, ways = 3 * scale[:, :1] - 1, (scale.T - 0.5)[:, :, None]
    generator = np.random.default_rng(0)

    def batches() -> tuple[np.ndarray, Tensor]:
        rows = generator.choice(64, 32)
        return rows, images[rows]

    start = {name: tensor.numpy() for name, tensor in weights_of(architecture, 1).items()}
    targets = distilled.Targets(mean=mean, ways=ways, lengths={})
    learned = distilled.distil(architecture, start, targets, batches, 300, generator, lambda: None)
    code = torch.tensor([1.5, -1.0])
    wanted = mean + torch.tensordot(code, ways, dims=1)
    said = forward(architecture, distilled.network_of(architecture, learned, code), images)
    first = forward(architecture, weights_of(architecture, 1), images)
    assert (said - wanted).square().mean() < 0.2 * (first - wanted).square().mean()


@pytest.mark.parametrize("architecture", NETWORKS, ids=["smallcnn", "own"])
def test_a_start_takes_the_function_of_an_aim(architecture: Architecture):
    start, aim = weights_of(architecture, 1), weights_of(architecture, 2)
    images = pictures(architecture, 80)
    lengths = {name: float(tensor.square().sum()) for name, tensor in aim.items()}
    none = torch.zeros(80, architecture.outputs)
    made = solving.solve(architecture, start, aim, images, lengths, none)
    said, wanted = forward(architecture, made, images), forward(architecture, aim, images)
    before = forward(architecture, start, images)
    assert (said - wanted).square().mean() < 0.02 * (before - wanted).square().mean()
    more = solving.solve(architecture, start, aim, images, lengths, none + 0.5)
    moved = forward(architecture, more, images) - said
    assert 0.4 < float(moved.mean()) < 0.6
    for name, tensor in made.items():
        if tensor.ndim == 4:  # the parts are nearly at right angles where there are many weights
            assert float(tensor.square().sum()) == pytest.approx(lengths[name], rel=0.1)


def test_the_solution_is_that_of_ridge_regression():
    generator = np.random.default_rng(4)
    arriving, wanted = generator.standard_normal((50, 7)), generator.standard_normal((50, 3))
    start = generator.standard_normal((3, 7))
    told, kept = solving._parts(
        *(torch.from_numpy(a.astype(np.float32)) for a in (arriving, wanted, start)), 0.1
    )
    ridge = 0.1 * np.mean(np.square(arriving)) * 50
    gram = arriving.T @ arriving + ridge * np.eye(7)
    expected = np.linalg.solve(gram, arriving.T @ wanted + ridge * start.T).T
    np.testing.assert_allclose((told + kept).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_where_nothing_arrives_the_start_stays():
    told, kept = solving._parts(torch.zeros(9, 4), torch.ones(9, 2), torch.ones(2, 4), 0.1)
    assert torch.equal(told, torch.zeros(2, 4))
    assert torch.equal(kept, torch.ones(2, 4))


def test_a_start_that_can_not_be_solved_is_no_traceback():
    arriving = torch.full((9, 4), torch.inf)
    told, _ = solving._parts(arriving, torch.ones(9, 2), torch.ones(2, 4), 0.1)
    assert not torch.isfinite(told).any()
