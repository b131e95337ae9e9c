"""`projection`: a distilled network with codes, and fresh weights given its function."""

import itertools
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from hyperzoo.architectures import Architecture, get_architecture, initial_parameters
from hyperzoo.architectures.forward import forward
from hyperzoo.architectures.layers import BatchNorm, Conv2d, Dense, Pool2d, Residual
from hyperzoo.generation.methods import projection
from hyperzoo.generation.projecting import calibrating, distilled, looks, solving
from hyperzoo.generation.projecting.unseen import Answers
from hyperzoo.generation.training_set import TrainingSet
from hyperzoo.population.imitate import imitate

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
    kept = (255 * images).round().to(torch.uint8).movedim(1, -1).contiguous().numpy()
    mean, ways = 3 * scale[:, :1] - 1, (scale.T - 0.5)[:, :, None]
    generator = np.random.default_rng(0)

    batches = (generator.choice(64, 32) for _ in itertools.count())
    start = {name: tensor.numpy() for name, tensor in weights_of(architecture, 1).items()}
    targets = distilled.Targets(mean=mean, ways=ways, lengths={})
    network = imitate(
        architecture, start, kept, mean.numpy(), batches, steps=300, rate=2e-3, longest={}
    )
    learned = distilled.with_codes(
        architecture, network, targets, kept, batches, 300, generator, lambda: None
    )
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
    solved = solving._Ridge(solving._Arriving(arrived), asked, 0.1)
    ridge = 0.1 * np.mean(np.square(arriving)) * count
    gram = arriving.T @ arriving + ridge * np.eye(7)
    expected = np.linalg.solve(gram, arriving.T @ wanted + ridge * start.T).T
    found = (solved.told + solved.kept(begun)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    longer = solved.nearest(begun, 2 * float(np.square(expected).sum()))
    assert float(longer.square().sum()) == pytest.approx(2 * np.square(expected).sum(), rel=1e-4)


def test_where_nothing_arrives_the_start_stays():
    solved = solving._Ridge(solving._Arriving(torch.zeros(9, 4)), torch.ones(9, 2), 0.1)
    assert torch.equal(solved.told, torch.zeros(2, 4))
    torch.testing.assert_close(solved.kept(torch.ones(2, 4)), torch.ones(2, 4))


def test_a_start_that_can_not_be_solved_is_no_traceback():
    solved = solving._Ridge(solving._Arriving(torch.full((9, 4), torch.inf)), torch.ones(9, 2), 0.1)
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


def test_networks_of_all_aims_together_differ_as_they_should():
    generator = np.random.default_rng(5)
    shape = (400, 1)
    wanted = calibrating.Variety(
        mean=generator.standard_normal(shape).astype(np.float32),
        ways=generator.standard_normal((2, *shape)).astype(np.float32),
        reach=np.array([0.8, 0.5]),
        rest=0.25,
    )
    references, shown = np.arange(100), np.arange(100, 400)
    apart = 0.3 * generator.standard_normal((2, *shape))  # what each aim is off by

    def ask(number: int, aim: dict[str, Tensor], codes: np.ndarray) -> np.ndarray:
        along = np.einsum("nd,dio->nio", codes * aim["head"].numpy().ravel(), wanted.ways)
        noise = 2 * float(aim["noise"]) * generator.standard_normal((len(codes), *shape))
        said = wanted.mean + apart[number] + 0.4 * along + noise
        said[:, references] += aim["corrections"].numpy()
        return said.astype(np.float32)

    aims = [{"head": torch.ones(2, 1)} for _ in apart]
    ready = calibrating.calibrated(aims, wanted, references, shown, ask, generator)
    between = float(np.var(apart[:, shown], axis=0).mean())
    assert 0.02 < between < 0.1
    for aim, off in zip(ready, apart, strict=True):
        np.testing.assert_allclose(0.4 * aim["head"].numpy().ravel(), wanted.reach, rtol=0.1)
        assert (2 * float(aim["noise"])) ** 2 + between == pytest.approx(0.25, rel=0.1)
        missed = aim["corrections"].numpy() + off[references]
        assert np.sqrt(np.mean(missed**2)) < 0.5 * np.sqrt(np.mean(off[references] ** 2))


def test_the_mean_reaches_as_far_elsewhere_as_it_should():
    """What is given to references reaches less far at other images: here, .85 as far."""
    generator = np.random.default_rng(5)
    shape = (400, 1)
    wanted = calibrating.Variety(
        mean=(2 + generator.standard_normal(shape)).astype(np.float32),
        ways=generator.standard_normal((2, *shape)).astype(np.float32),
        reach=np.array([0.8, 0.5]),
        rest=0.25,
    )
    references, shown = np.arange(100), np.arange(100, 400)
    slopes = []

    def ask(number: int, aim: dict[str, Tensor], codes: np.ndarray) -> np.ndarray:
        given = wanted.mean[references] + aim["corrections"].numpy()
        reach = np.polyfit(wanted.mean[references, 0], given[:, 0], 1)[0]
        mean = 2 + 0.85 * reach * (wanted.mean - 2)
        mean[references] = given
        slopes.append(np.polyfit(wanted.mean[shown, 0], mean[shown, 0], 1)[0])
        along = np.einsum("nd,dio->nio", codes * aim["head"].numpy().ravel(), wanted.ways)
        noise = float(aim["noise"]) * generator.standard_normal((len(codes), *shape))
        return (mean + along + noise).astype(np.float32)

    calibrating.calibrated([{"head": torch.ones(2, 1)}], wanted, references, shown, ask, generator)
    assert slopes[0] == pytest.approx(0.85, abs=0.01)
    assert slopes[-1] == pytest.approx(1, abs=0.05)


def test_noise_makes_up_for_what_is_missing():
    """Of what codes and other aims do nothing is left for it to do, along ways or beside them."""
    ways = np.random.default_rng(6).standard_normal((1, 50))
    along = float((ways**2).mean())
    wanted = calibrating.Variety(
        mean=np.zeros((50, 1), np.float32), ways=ways[..., None], reach=np.ones(1), rest=0.25
    )
    found = calibrating._Found(
        mean=np.zeros(50), reach=np.ones(1), along=np.ones(1), total=0.0, rest=0.2
    )

    def mended(total: float, factor: float = 1.0, apart: float = 0.0) -> float:
        own = replace(found, total=total)
        both = [replace(own, mean=own.mean + apart), replace(own, mean=own.mean - apart)]
        factors = [np.array([factor])] * 2
        return calibrating._mended_noise(0.1, both, factors, wanted, ways)

    assert mended(along + 0.2) == pytest.approx(0.1 * np.sqrt(0.25 / 0.2))
    assert mended(along + 0.3) == pytest.approx(0.1 * np.sqrt(0.15 / 0.2))
    assert mended(along + 0.2, apart=0.3) == pytest.approx(0.1 * np.sqrt(0.16 / 0.2))
    less = 0.5**2 * along  # this much variance will be left of the code's
    assert mended(along + 0.2, factor=0.5) == pytest.approx(
        0.1 * np.sqrt((0.25 + along - less) / 0.2)
    )
    assert mended(along + 0.6) == calibrating.LEAST_NOISE


def test_codes_do_not_what_others_do_already():
    """Along a way networks are moved by noise and by the codes of other ways, too."""
    generator = np.random.default_rng(8)
    ways = generator.standard_normal((2, 400))
    codes = calibrating._white(generator, 4000, 2)
    # The second code moves networks along both ways, and noise along the first.
    moves = np.array([[0.5, 0.0], [0.3, 0.7]])
    noise = generator.standard_normal((4000, 1)) * [[0.4, 0.0]]
    said = (codes @ moves + noise) @ ways + 3 * ways.sum(axis=0)
    said += 0.2 * generator.standard_normal(said.shape)
    found = calibrating._found(said.astype(np.float32), codes, ways, np.linalg.pinv(ways))
    np.testing.assert_allclose(found.mean, 3 * ways.sum(axis=0), atol=0.05)
    np.testing.assert_allclose(found.reach, [0.5, 0.7], atol=0.02)
    np.testing.assert_allclose(found.along, [0.5**2 + 0.3**2 + 0.4**2, 0.7**2], atol=0.03)
    beside = 0.04 + 0.4**2 * float((ways[0] ** 2).mean())
    assert found.rest == pytest.approx(beside, rel=0.05)
    factor = calibrating._mended_reach(found, np.array([0.8, 0.6]), found.along)
    assert factor[0] == pytest.approx(np.sqrt(0.8**2 - 0.3**2 - 0.4**2) / 0.5, rel=0.05)
    assert factor[1] == pytest.approx(0.6 / 0.7, rel=0.1)
    ends = calibrating._mended_reach(found, np.array([0.4, 9.0]), found.along)
    np.testing.assert_allclose(ends, [1 / calibrating.MOST_CHANGE, calibrating.MOST_CHANGE])


def test_noise_does_not_only_what_inputs_vary_most_in():
    generator = np.random.default_rng(7)
    # As what arrives at LeNet-5's second convolution: one direction has two thirds of all.
    squares = np.r_[99.0, [7.1] * 4, [1.1] * 15, [0.27] * 130]
    arriving = (generator.standard_normal((600, 150)) * np.sqrt(squares)).astype(np.float32)
    wanted, normals = (
        torch.from_numpy(generator.standard_normal((600, 60)).astype(np.float32)) for _ in range(2)
    )
    arrived = solving._Arriving(torch.from_numpy(arriving))
    said = solving._disturbed(wanted, arrived, 0.2, normals)
    beside = (said - wanted).numpy()
    sizes = np.sqrt(np.square(beside).mean(axis=0)) / wanted.std(dim=0).numpy()
    np.testing.assert_allclose(sizes, 0.2, rtol=1e-3)
    plain = arriving @ generator.standard_normal((150, 60))

    def directions(done: np.ndarray) -> float:
        lengths = np.linalg.svd(done, compute_uv=False) ** 2
        return float(lengths.sum() ** 2 / np.square(lengths).sum())

    assert directions(beside) > 2 * directions(plain)


def test_networks_with_noise_differ_and_without_do_not():
    architecture, images = NETWORKS[0], pictures(NETWORKS[0], 80)
    start, aim = weights_of(architecture, 1), weights_of(architecture, 2)
    lengths = {name: float(tensor.square().sum()) for name, tensor in aim.items()}
    none, generator = torch.zeros(80, 1), torch.Generator().manual_seed(1)
    asked = []

    def normals(purpose: str, shape: tuple[int, ...]) -> Tensor:
        asked.append(purpose)
        return torch.randn(shape, generator=generator)

    wanted = forward(architecture, aim, images)
    off = []
    for size in (0.0, 0.3):
        noise = solving.Noise(size, normals)
        made = solving.solve(architecture, start, aim, images, lengths, {}, none, noise)
        said = forward(architecture, made, images)
        off.append(float((said - wanted).square().mean().sqrt() / wanted.std()))
    assert off[0] < 0.1
    assert 0.2 < off[1] < 0.9
    steps = distilled.summing_steps(architecture)
    assert asked[: len(steps)] == [f"noise/{step.name}" for step in steps]


def test_what_is_looked_at_was_not_learned():
    labels = np.repeat(np.arange(3), 40)
    sources = np.tile(np.arange(120), 2)
    data = cast(TrainingSet, SimpleNamespace(image_labels=labels, image_classes=("a", "b", "c")))
    answers = Answers(
        images=np.zeros((240, 1, 1, 1), np.uint8),
        sources=sources,
        logits=np.zeros((1, 240, 1), np.float32),
        mirrored=False,
    )
    rows = projection._rows(data, answers, np.random.default_rng(0))
    assert not set(sources[rows.learned]) & set(sources[rows.shown])
    assert set(rows.references) <= set(rows.learned)
    assert len(rows.learned) + len(rows.shown) == 240
    assert np.bincount(labels[sources[rows.shown]]).tolist() == [8, 8, 8]
    few = projection._rows(
        cast(TrainingSet, SimpleNamespace(image_labels=labels[::8], image_classes=("a", "b", "c"))),
        Answers(
            images=answers.images[:15],
            sources=np.arange(15),
            logits=answers.logits[:, :15],
            mirrored=False,
        ),
        np.random.default_rng(0),
    )
    assert few.shown.tolist() == few.learned.tolist() == list(range(15))
