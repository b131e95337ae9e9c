"""A network typed in TOML, from its recipe through every door and back."""

from pathlib import Path

import numpy as np
import pytest
import torch

import hyperzoo as hz
from hyperzoo.images import ImageSet
from hyperzoo.zoo import Zoo

RECIPE = """
name = "my-zoo"
networks_per_class = 4

[images]
source = "digits"
size = 16
channels = 1

[task]
kind = "multi-class"

[architecture]
name = "my-net"
layers = [
  { normalize = "inputs", mean = 0.31, std = 0.36 },
  { conv = 6, kernel = 5, activation = "tanh" },
  { pool = "average" },
  { conv = 8, kernel = 3, bias = false },
  { norm = "batch", momentum = 0.9, activation = "silu" },
  { dropout = 0.2 },
  { dense = 20, activation = "tanh" },
  { dense = "outputs" },
]

[training]
epochs = 2
batch_size = 64
learning_rate = 3e-3
"""


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return hz.load_images("digits", size=16, channels=1)


@pytest.fixture(scope="module")
def zoo(images: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    folder = tmp_path_factory.mktemp("own")
    (folder / "my-zoo.toml").write_text(RECIPE)
    return hz.train_zoo(hz.load_recipe(folder / "my-zoo.toml"), folder / "zoo", images=images)


def answers(zoo: Zoo, network_id: str, images: ImageSet) -> np.ndarray:
    """Probabilities of validation images, by the zoo's module."""
    pixels = torch.tensor(images.validation_images).float().div(255).movedim(-1, 1)
    with torch.no_grad():
        return torch.softmax(zoo.network(network_id)(pixels), dim=1).numpy()


def test_it_learns_and_trains_again_to_the_same_bits(zoo: Zoo, images: ImageSet):
    assert min(zoo.models["accuracy"].to_pylist()) > 0.5
    assert hz.retrain_network(zoo, "all_3", images=images).identical


def test_the_module_answers_as_the_table_says(zoo: Zoo, images: ImageSet):
    for row in zoo.models.select(["id", "accuracy"]).to_pylist():
        said = answers(zoo, row["id"], images).argmax(axis=1)
        assert np.mean(said == images.validation_labels) == pytest.approx(row["accuracy"])


@pytest.mark.parametrize("written", ["keras-h5", "pytorch"])
def test_exports_come_back_with_the_same_answers(
    written: str, zoo: Zoo, images: ImageSet, tmp_path: Path
):
    if written == "keras-h5":
        pytest.importorskip("h5py")
    hz.export_zoo(zoo, written, tmp_path / "files")
    again = hz.import_zoo(tmp_path / "files", tmp_path / "again", images=images).zoo
    assert again.architecture.steps == zoo.architecture.steps
    for network_id in zoo.ids:
        np.testing.assert_allclose(
            answers(again, network_id, images), answers(zoo, network_id, images), atol=1e-5
        )
    assert again.models["accuracy"] == zoo.models["accuracy"]


def test_aligned_it_answers_the_same(zoo: Zoo, images: ImageSet):
    own = {name: np.stack([zoo.arrays(i)[name] for i in zoo.ids]) for name in zoo.arrays("all_0")}
    reference = zoo.arrays("all_0")
    found = hz.align(own, reference, architecture=zoo.architecture)
    pixels = torch.tensor(images.validation_images).float().div(255).movedim(-1, 1)
    moved = 0.0
    for row, network_id in enumerate(zoo.ids):
        module = zoo.network(network_id)
        aligned = {name: torch.from_numpy(t[row]) for name, t in found.weights.items()}
        moved += float((aligned["conv1.weight"] - module.state_dict()["conv1.weight"]).abs().max())
        module.load_state_dict(aligned, strict=False)
        with torch.no_grad():
            said = torch.softmax(module(pixels), dim=1).numpy()
        np.testing.assert_allclose(said, answers(zoo, network_id, images), atol=1e-5)
    assert moved > 0
