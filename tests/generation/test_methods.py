"""What every method promises, on small zoos that were really trained."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hyperzoo.errors import GenerationError
from hyperzoo.generation import METHODS, Generator, Split, fit, generate_zoo, load_generator
from hyperzoo.generation.methods import (
    autodecoder,
    flow_matching,
    learned_images,
    learned_update,
    projection,
    update,
    vae,
    wgan,
)
from hyperzoo.generation.methods.controls import noise_overlap
from hyperzoo.generation.projecting import calibrating, unseen
from hyperzoo.generation.registry import get_method
from hyperzoo.generation.training_set import training_set
from hyperzoo.images import ImageSet
from hyperzoo.population.evaluate import evaluate
from hyperzoo.zoo import Zoo, open_zoo
from hyperzoo.zoo.tensors import encode_tensors, open_tensors
from tests.helpers import part_files

SPLIT = Split(training=4, held_out=2, fresh=2)
SMALL: dict[Any, dict[str, int]] = {
    noise_overlap: {"BISECTIONS": 2, "NETWORKS": 3, "TRIED": 1, "IMAGES": 40},
    update: {"STARTS": 2, "IMAGES": 50},
    learned_update: {"STEPS": 25, "STARTS": 8, "NETWORKS": 2, "IMAGES": 32},
    flow_matching: {"STEPS": 100},
    learned_images: {
        "FIT_STEPS": 40,
        "STEPS": 1,
        "IMAGES": 24,
        "GRID": 8,
        "BATCH": 32,
        "TRIALS": 3,
    },
    calibrating: {"TRIALS": 6, "ROUNDS": 2},
    projection: {
        "AIMS": 2,
        "PASSES": 3,
        "CODE_PASSES": 2,
        "BATCH": 24,
        "REFERENCES": 32,
        "SHOWN": 60,
    },
    unseen: {"LEAST_IMAGES": 300},
    vae: {"STEPS": 20, "NETWORKS": 2},
    autodecoder: {"STEPS": 20, "NETWORKS": 2},
    wgan: {"STEPS": 3, "PAIRS": 2, "PROBES": 10},
}
"""Settings with which a fit takes a second or less."""

MIXED = {"copy", "noise-overlap", "noise-distance", "average", "mean", "mean-rescaled"}
"""Controls whose networks are sure to work, being one or a mixture of a few trained ones."""


@pytest.fixture(scope="module", autouse=True)
def _small_fits() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module, settings in SMALL.items():
            for name, value in settings.items():
                patch.setattr(module, name, value)
        yield


@pytest.fixture(scope="module", params=METHODS)
def generator(request: pytest.FixtureRequest, zoo: Zoo, images: ImageSet) -> Generator:
    numpy_state, torch_state = np.random.get_state()[1].tolist(), torch.get_rng_state()
    threads = torch.get_num_threads()
    fitted = fit(zoo, request.param, images=images, split=SPLIT)
    fitted.sample(zoo.classes[0], 1)
    assert np.random.get_state()[1].tolist() == numpy_state, "NumPy's global state was touched"
    assert torch.equal(torch.get_rng_state(), torch_state), "PyTorch's global state was touched"
    assert torch.get_num_threads() == threads
    return fitted


def test_networks_have_their_shapes_and_are_finite(generator: Generator):
    made = generator.sample(generator.classes[1], 2)
    assert list(made) == [p.name for p in generator.architecture.parameters]
    for parameter in generator.architecture.parameters:
        tensor = made[parameter.name]
        assert (tensor.dtype, tensor.shape) == (np.float32, (2, *parameter.shape))
        assert np.isfinite(tensor).all()


def test_a_network_follows_from_seed_class_and_index(generator: Generator):
    name = generator.classes[3]
    together, alone = generator.sample(name, 3, seed=5), generator.make(name, 2, seed=5)
    for parameter, tensor in together.items():
        np.testing.assert_array_equal(tensor[2], alone[parameter])
    if generator.method in ("mean", "mean-rescaled"):
        return  # these always make the same network
    others = [generator.make(name, index, seed=seed) for seed, index in ((6, 2), (5, 50))]
    found = [generator.make(name, index, seed=5) for index in range(8)] + others
    assert len({one["fc1.weight"].tobytes() for one in found}) > 2


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("factor", [0.0, 1e30, -1e38])
def test_any_numbers_give_a_network_or_a_clear_refusal(generator: Generator, factor: float):
    """A file may hold any numbers: no traceback of a library's, and nothing that is not finite."""
    state = generator.state
    floats = {n: t for n, t in state.tensors.items() if t.dtype == np.float32}
    for changed in [*([name] for name in floats), list(floats)]:
        with np.errstate(over="ignore", invalid="ignore"):
            tensors = {
                n: np.nan_to_num(t * np.float32(factor)).clip(-1e12, 1e12)
                for n, t in floats.items()
            }
        odd = replace(state, tensors=state.tensors | {name: tensors[name] for name in changed})
        try:
            get_method(generator.method).load().check(
                odd, generator.architecture, generator.classes
            )
        except GenerationError:
            continue  # refused when it is read
        made = {}
        with suppress_only("fit it again"):
            made = replace(generator, state=odd).make(generator.classes[1], 0)
        assert all(np.isfinite(tensor).all() for tensor in made.values())


@contextmanager
def suppress_only(message: str) -> Iterator[None]:
    """Take refusals that have these words, and no others."""
    try:
        yield
    except GenerationError as error:
        if message not in str(error):
            raise


def test_a_fit_follows_from_its_seed_and_sees_training_alone(
    generator: Generator, zoo: Zoo, images: ImageSet, tmp_path: Path
):
    """Held-out and fresh networks that are not numbers, other validation images: the same bytes.

    And on another number of PyTorch's threads.
    """
    shutil.copytree(zoo.path, tmp_path / "zoo")
    seen = {zoo.ids[row] for row in SPLIT.rows(zoo, "training")}
    poisoned = 0
    for path in (tmp_path / "zoo" / "weights").rglob("*.safetensors"):
        file = open_tensors(path)
        tensors = {name: np.array(file.tensor(name)) for name in file.places}
        poisoned += poison(tensors, zoo, seen)
        path.write_bytes(encode_tensors(tensors, file.metadata))
    assert poisoned == len(zoo) - len(seen)
    other = ImageSet(
        name=images.name,
        class_names=images.class_names,
        train_images=images.train_images.copy(),
        train_labels=images.train_labels.copy(),
        validation_images=255 - images.validation_images,
        validation_labels=images.validation_labels.copy(),
    )
    other.__dict__["fingerprint"] = images.fingerprint  # or the fit would refuse them
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        again = fit(open_zoo(tmp_path / "zoo"), generator.method, images=other, split=SPLIT)
    finally:
        torch.set_num_threads(threads)
    assert again.encoded == generator.encoded


def poison(tensors: dict[str, Any], zoo: Zoo, seen: set[str]) -> int:
    """Make the weights of networks that are not in `seen` not numbers; returns how many."""
    first = zoo.architecture.parameters[0].name
    rows = [
        row
        for row in range(len(tensors[first]))
        if zoo.ids[matching(tensors[first][row], zoo, first)] not in seen
    ]
    for tensor in tensors.values():
        if tensor.dtype == np.float32:
            tensor[rows] = np.nan
    return len(rows)


def matching(tensor: Any, zoo: Zoo, name: str) -> int:
    """The zoo's row with these weights."""
    known = zoo.weights(name)
    (row,) = np.flatnonzero((known == tensor).reshape(len(known), -1).all(axis=1))
    return int(row)


def test_the_class_is_honoured(generator: Generator, images: ImageSet):
    """Networks of a class answer to its images more than networks of other classes do."""
    if METHODS[generator.method].control and generator.method not in MIXED:
        pytest.skip("a control whose networks need not work")
    answers = np.array(
        [contrasts(generator, name, images).mean(axis=0) for name in generator.classes]
    )
    own = np.diag(answers)
    others = (answers.sum(axis=0) - own) / (len(answers) - 1)
    assert (own > others).mean() >= 0.8, (own, others)


def contrasts(generator: Generator, name: str, images: ImageSet) -> Any:
    """By how many deviations each class's images get more than all do: [network, class]."""
    made = [generator.make(name, index) for index in range(2)]
    logits = np.stack(list(evaluate(generator.architecture, made, images.train_images)))[:, :, 0]
    logits = (logits - logits.mean(axis=1, keepdims=True)) / logits.std(axis=1, keepdims=True)
    labels = range(len(images.class_names))
    return np.stack([logits[:, images.train_labels == c].mean(axis=1) for c in labels], axis=1)


def test_bits_do_not_depend_on_how_many_work(
    generator: Generator, images: ImageSet, tmp_path: Path
):
    found = []
    for workers in (1, 3):
        folder = tmp_path / str(workers)
        generate_zoo(generator, folder, networks_per_class=2, images=images, workers=workers)
        found.append(part_files(folder))
    assert found[0] == found[1]


def test_a_generator_comes_back_from_its_file(generator: Generator, tmp_path: Path):
    generator.save(tmp_path / "g.safetensors")
    found = load_generator(tmp_path / "g.safetensors")
    assert found.digest == generator.digest
    name = generator.classes[2]
    for parameter, tensor in generator.make(name, 4).items():
        np.testing.assert_array_equal(found.make(name, 4)[parameter], tensor)


def test_a_hostile_state_is_refused(generator: Generator, tmp_path: Path):
    path = tmp_path / "g.safetensors"
    generator.save(path)
    file = open_tensors(path, widths={"F32": 4, "F16": 2, "U8": 1})
    tensors = {name: np.array(file.tensor(name)) for name in file.places}

    def refused(message: str, tensors: dict[str, Any], metadata: dict[str, Any]) -> None:
        path.write_bytes(encode_tensors(tensors, metadata))
        with pytest.raises(GenerationError, match=message):
            load_generator(path)

    for name, tensor in tensors.items():
        rest = {other: value for other, value in tensors.items() if other != name}
        refused("expected", rest, dict(file.metadata))
        kind = tensor.dtype if tensor.dtype.kind == "f" else np.float32
        nothing = np.full_like(tensor, np.nan, dtype=kind)
        refused("expected|not finite", {**tensors, name: nothing}, dict(file.metadata))
        refused("expected", {**tensors, name: tensor[None]}, dict(file.metadata))
    refused("expected none", {**tensors, "more": np.ones(1, np.float32)}, dict(file.metadata))
    for setting in generator.state.settings:
        for value in (-1, "many", 10**9):
            if isinstance(generator.state.settings[setting], int) or value != 10**9:
                settings = {**generator.state.settings, setting: value}
                refused("setting", tensors, {**file.metadata, "settings": settings})


@pytest.mark.parametrize("method", METHODS)
def test_multi_class_networks(method: str, multi: Zoo, images: ImageSet):
    if method == "flow-matching":
        with pytest.raises(GenerationError, match="needs 6 or more training networks, got 4"):
            fit(multi, method, images=images, split=SPLIT)
        split = Split(training=6, held_out=2, fresh=0)
    else:
        split = SPLIT
    generator = fit(multi, method, images=images, split=split)
    made = generator.make("all", 0)
    assert made["fc1.weight"].shape == (4, 16)
    assert all(np.isfinite(tensor).all() for tensor in made.values())


@pytest.mark.parametrize("method", ["vae", "autodecoder", "flow-matching", "wgan-gp"])
def test_networks_that_are_all_alike_give_finite_ones(method: str, zoo: Zoo, images: ImageSet):
    data = training_set(zoo, SPLIT, images)
    alike = {
        name: np.repeat(tensor[:1], len(tensor), axis=0) for name, tensor in data.weights.items()
    }
    state = METHODS[method].load().fit(replace(data, weights=alike), 0, lambda done, steps: None)
    METHODS[method].load().check(state, data.architecture, data.classes)
