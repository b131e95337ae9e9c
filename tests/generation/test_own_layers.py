"""Generated networks of layers of their own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperzoo.errors import GenerationError
from hyperzoo.generation import Split, fit, load_generator
from hyperzoo.images import ImageSet, load_images
from hyperzoo.population.evaluate import evaluate
from hyperzoo.recipe import parse_recipe
from hyperzoo.train import train_zoo
from hyperzoo.zoo import Zoo, open_zoo
from hyperzoo.zoo.tensors import encode_tensors, open_tensors
from tests.helpers import few

SPLIT = Split(training=4, held_out=2, fresh=0)
LAYERS: list[dict[str, Any]] = [
    {"conv": 4, "kernel": 3, "bias": False},
    {"norm": "batch", "activation": "silu"},
    {"residual": [{"conv": 4, "kernel": 3, "padding": "same"}, {"norm": "batch"}]},
    {"pool": "global"},
    {"dropout": 0.2},
    {"dense": "outputs"},
]


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return few(load_images("digits", channels=1, size=12), 100, 40)


@pytest.fixture(scope="module")
def zoo(images: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Six multi-class networks with batch normalisation, a residual block and dropout."""
    recipe = parse_recipe(
        {
            "name": "own",
            "networks_per_class": 6,
            "images": {"source": "digits", "channels": 1, "size": 12},
            "task": {"kind": "multi-class"},
            "architecture": {"name": "own", "layers": LAYERS},
            "training": {"epochs": 2, "batch_size": 16, "learning_rate": 0.01},
        }
    )
    folder = tmp_path_factory.mktemp("zoos") / "own"
    train_zoo(recipe, folder, images=images, engine="torch")
    return open_zoo(folder)


@pytest.mark.parametrize(
    "method", ["copy", "noise-distance", "mean-rescaled", "gaussian-weights", "gaussian-span"]
)
def test_networks_compute_something(method: str, zoo: Zoo, images: ImageSet):
    """Whatever a method does to numbers, no running variance falls below 0."""
    made = fit(zoo, method, images=images, split=SPLIT).sample("all", 3)
    for parameter in zoo.architecture.parameters:
        assert made[parameter.name].shape == (3, *parameter.shape)
        if parameter.keras_name == "moving_variance":
            assert (made[parameter.name] >= 0).all()
    networks = ({name: tensor[row] for name, tensor in made.items()} for row in range(3))
    logits = np.stack(list(evaluate(zoo.architecture, networks, images.validation_images)))
    assert np.isfinite(logits).all()
    assert logits.std(axis=1).min() > 0


def test_a_generator_s_file_tells_the_layers(zoo: Zoo, tmp_path: Path):
    generator = fit(zoo, "copy", split=SPLIT)
    generator.save(tmp_path / "g")
    found = load_generator(tmp_path / "g")
    assert found.architecture == zoo.architecture
    assert found.digest == generator.digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": [{"conv": 4}]}, "layer 1: conv needs a kernel"),
        ({"layers": None}, "expected a list of layers, got None"),
        ({"input_shape": [12, 12]}, "input_shape: expected height, width and channels"),
        ({"architecture": "smallcnn"}, "not those of the built-in network 'smallcnn'"),
        ({"layers": [*LAYERS[:-1], {"dense": 5}, LAYERS[-1]]}, "not a generator that can be used"),
    ],
)
def test_layers_in_a_file_are_not_taken_on_trust(
    changes: dict[str, Any], message: str, zoo: Zoo, tmp_path: Path
):
    fit(zoo, "mean", split=SPLIT, images=None).save(tmp_path / "g")
    file = open_tensors(tmp_path / "g")
    tensors = {name: np.array(file.tensor(name)) for name in file.places}
    (tmp_path / "g").write_bytes(encode_tensors(tensors, {**file.metadata, **changes}))
    with pytest.raises(GenerationError, match=message):
        load_generator(tmp_path / "g")


def test_a_method_that_can_not_says_why(zoo: Zoo, images: ImageSet):
    with pytest.raises(GenerationError, match="have batch normalisation, and the few learned imag"):
        fit(zoo, "learned-images", images=images, split=SPLIT)
