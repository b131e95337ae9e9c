"""`projection`: a distilled network with codes, and fresh weights given its function."""

import numpy as np
import pytest
import torch
from torch import Tensor

from hyperzoo.architectures import Architecture, get_architecture, initial_parameters
from hyperzoo.architectures.forward import forward
from hyperzoo.architectures.layers import BatchNorm, Conv2d, Dense, Pool2d, Residual
from hyperzoo.generation.methods import calibrating, distilled, looks, solving

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


def looks_like(architecture: Architecture, of: dict[str, Tensor]) -> dict[str, looks.Look]:
    stacked = {p.name: of[p.name].numpy()[None] for p in architecture.parameters}
    kept = {name: torch.from_numpy(a) for name, a in looks.learned_looks(stacked).items()}
    return looks.looks_of(architecture, kept)


@pytest.mark.parametrize("architecture", NETWORKS, ids=["smallcnn", "own"])
def test_a_start_takes_the_function_of_an_aim(architecture: Architecture):
    start, aim = weights_of(architecture, 1), weights_of(architecture, 2)
    images = pictures(architecture, 80)
    lengths = {name: float(tensor.square().sum()) for name, tensor in aim.items()}
    seen, none = looks_like(architecture, aim), torch.zeros(80, architecture.outputs)
    made = solving.solve(architecture, start, aim, images, lengths, seen, none)
    said, wanted = forward(architecture, made, images), forward(architecture, aim, images)
    before = forward(architecture, start, images)
    assert (said - wanted).square().mean() < 0.02 * (before - wanted).square().mean()
    more = solving.solve(architecture, start, aim, images, lengths, seen, none + 0.5)
    moved = forward(architecture, more, images) - said
    assert 0.4 < float(moved.mean()) < 0.6
    for name, tensor in made.items():
        if tensor.ndim == 4:
            assert float(tensor.square().sum()) == pytest.approx(lengths[name], rel=1e-3)


@pytest.mark.parametrize("count", [50, 5], ids=["more samples", "fewer samples than inputs"])
def test_the_solution_is_that_of_ridge_regression(count: int):
    generator = np.random.default_rng(4)
    arriving, wanted = generator.standard_normal((count, 7)), generator.standard_normal((count, 3))
    start = generator.standard_normal((3, 7))
    arrived, asked, begun = (
        torch.from_numpy(a.astype(np.float32)) for a in (arriving, wanted, start)
    )
    solved = solving._Ridge(arrived, asked, 0.1)
    ridge = 0.1 * np.mean(np.square(arriving)) * count
    gram = arriving.T @ arriving + ridge * np.eye(7)
    expected = np.linalg.solve(gram, arriving.T @ wanted + ridge * start.T).T
    found = (solved.told + solved.kept(begun)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    longer = solved.nearest(begun, 2 * float(np.square(expected).sum()))
    assert float(longer.square().sum()) == pytest.approx(2 * np.square(expected).sum(), rel=1e-4)


def test_where_nothing_arrives_the_start_stays():
    solved = solving._Ridge(torch.zeros(9, 4), torch.ones(9, 2), 0.1)
    assert torch.equal(solved.told, torch.zeros(2, 4))
    torch.testing.assert_close(solved.kept(torch.ones(2, 4)), torch.ones(2, 4))


def test_a_start_that_can_not_be_solved_is_no_traceback():
    solved = solving._Ridge(torch.full((9, 4), torch.inf), torch.ones(9, 2), 0.1)
    assert not torch.isfinite(solved.told).any()


def test_what_is_drawn_and_moved_looks_as_networks_do():
    generator = np.random.default_rng(8)
    stacked = generator.uniform(-1, 1, (6, 12, 5, 5)).astype(np.float32)
    kept = looks.learned_looks({"conv1.weight": stacked})
    look = looks.Look(
        length=float(kept["look.conv1.weight"][0]),
        spread=float(kept["look.conv1.weight"][1]),
        quantiles=torch.from_numpy(kept["look.conv1.weight"][2:]),
        spectrum=torch.from_numpy(kept["spectrum.conv1.weight"]),
    )
    assert look.length == pytest.approx(np.sqrt(1 / 3), rel=0.05)
    numbers = looks.drawn(look, generator.random(20_000)).numpy()
    assert np.abs(numbers).max() < 1.05
    assert np.mean(numbers**4) / np.mean(numbers**2) ** 2 == pytest.approx(1.8, rel=0.08)
    normal = torch.from_numpy(generator.standard_normal((12, 25)).astype(np.float32))
    moved = looks.looking_alike(normal, look)
    assert float(moved.square().sum()) == pytest.approx(float(normal.square().sum()), rel=1e-4)
    scaled = moved / moved.square().mean().sqrt()
    assert float((scaled**4).mean()) == pytest.approx(1.8, rel=0.08)
    values = torch.linalg.svdvals(moved) / moved.square().sum().sqrt()
    before = torch.linalg.svdvals(normal) / normal.square().sum().sqrt()
    assert (values - look.spectrum).abs().sum() < (before - look.spectrum).abs().sum()
    exact = looks._with_spectrum(normal, look.spectrum)
    torch.testing.assert_close(torch.linalg.svdvals(exact), look.spectrum, rtol=1e-3, atol=1e-4)


def test_biases_are_drawn_as_those_of_all_networks():
    stacked = np.array([[-0.5], [0.5], [0.5], [-0.5]], np.float32)
    kept = looks.learned_looks({"fc2.bias": stacked})["look.fc2.bias"]
    look = looks.Look(
        length=float(kept[0]),
        spread=float(kept[1]),
        quantiles=torch.from_numpy(kept[2:]),
        spectrum=torch.empty(0),
    )
    numbers = looks.drawn(look, np.random.default_rng(0).random(1000)).numpy()
    assert numbers.mean() == pytest.approx(0, abs=0.05)
    assert np.mean(np.abs(numbers) > 0.4) > 0.7


def test_variety_is_measured_on_networks_left_out():
    generator = np.random.default_rng(9)
    way = generator.standard_normal((1, 300)).astype(np.float32)
    said = generator.standard_normal((40, 1)) * way + 0.3 * generator.standard_normal((40, 300))
    known = calibrating.variety(said[..., None].astype(np.float32), 4)
    assert known.ways.shape == (4, 300, 1)
    assert known.reach[0] == pytest.approx(1, abs=0.15)
    assert (known.reach[1:] < 0.7).all()  # chance makes the others; nobody else goes along them
    assert known.rest == pytest.approx(0.09, rel=0.1)


@pytest.mark.parametrize("count", [2, 3])
def test_variety_of_very_few_networks_is_finite(count: int):
    said = np.random.default_rng(1).standard_normal((count, 30, 1)).astype(np.float32)
    known = calibrating.variety(said, 16)
    assert len(known.ways) == count - 1
    assert np.isfinite(known.reach).all()
    assert np.isfinite(known.rest)
