import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from hyperzoo.architectures.forward import forward
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange import FORMATS
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.keras.formats import KerasArchives, KerasModels, KerasWeights
from hyperzoo.exchange.keras.read import read_keras
from hyperzoo.zoo import open_zoo
from tests.exchange.format_contract import FormatContract
from tests.zoo.makers import make_zoo, recipe

REAL = [
    "keras2/binary_oneVall_church_0_model.h5",
    "keras2/binary_oneVall_tench_1_model.h5",
    "keras3/binary_oneVall_church_0_model.h5",
    "keras3/binary_oneVall_tench_1_model.h5",
    "keras3/binary_oneVall_church_0_best_model.weights.h5",
    "keras3/binary_oneVall_tench_1_best_model.weights.h5",
    "keras3/church_0.keras",
    "keras3/tench_1.keras",
]


class TestKerasModels(FormatContract):
    format = KerasModels()


class TestKerasWeights(FormatContract):
    format = KerasWeights()


class TestKerasArchives(FormatContract):
    format = KerasArchives()


@pytest.mark.parametrize("name", REAL)
def test_real_files_answer_as_keras_says(shared_data: Path, name: str):
    path = shared_data / "keras" / name
    (found,) = [form for form in FORMATS.values() if form.recognises(path)]
    (network,) = found.read(path)
    expected = np.load(path.parent / "expected.npz")
    images = torch.tensor(expected["images"]).float().div(255).movedim(-1, 1)
    weights = {name: torch.tensor(tensor) for name, tensor in network.weights.items()}
    said = torch.sigmoid(forward(network.architecture, weights, images))[:, 0].numpy()
    np.testing.assert_allclose(said, expected[network.id], atol=1e-5, rtol=0)


def test_the_published_names_and_places(tmp_path: Path):
    chosen = recipe(
        networks_per_class=1,
        architecture={"name": "lenet5"},
        images={"source": "npz", "path": "nowhere.npz"},
    )
    zoo = open_zoo(make_zoo(tmp_path / "zoo", chosen))
    export_zoo(zoo, "keras-h5", tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        f"binary_oneVall_{name}_0_model.h5" for name in ("cat", "dog", "owl", "rat", "yak")
    ]
    with h5py.File(tmp_path / "out" / "binary_oneVall_owl_0_model.h5") as file:
        kernel = file["model_weights/conv2d_2/conv2d_2/kernel:0"]
        assert kernel.shape == (5, 5, 16, 120)
        stored = zoo.arrays("owl_0")["conv3.weight"]
        assert kernel[()].transpose(3, 2, 0, 1).tobytes() == stored.tobytes()
        assert file["model_weights"].attrs["layer_names"].tolist() == [
            b"conv2d",
            b"average_pooling2d",
            b"conv2d_1",
            b"average_pooling2d_1",
            b"conv2d_2",
            b"flatten",
            b"dense",
            b"dense_1",
        ]


def test_attributes_as_real_keras_2_writes_them(shared_data: Path, tmp_path: Path):
    """Character by character, but for the learning rate's padding; float32 prints it longer."""
    chosen = recipe(
        networks_per_class=1,
        architecture={"name": "lenet5"},
        images={"source": "npz", "path": "nowhere.npz"},
    )
    zoo = open_zoo(make_zoo(tmp_path / "zoo", chosen))
    export_zoo(zoo, "keras-h5", tmp_path / "out")
    with (
        h5py.File(shared_data / "keras" / REAL[0]) as real,
        h5py.File(tmp_path / "out" / "binary_oneVall_owl_0_model.h5") as ours,
    ):
        assert ours.attrs["model_config"] == real.attrs["model_config"]
        rate = "0.0010000000474974513"
        assert (
            ours.attrs["training_config"].replace("0.001".ljust(24), rate)
            == (real.attrs["training_config"])
        )
        for name in ("keras_version", "backend"):
            assert ours.attrs[name] == real.attrs[name]
            assert ours["model_weights"].attrs[name] == real["model_weights"].attrs[name]
        assert list(ours["model_weights"]) == list(real["model_weights"])


def test_learning_rates_of_their_own(tmp_path: Path):
    chosen = recipe(networks_per_class=1, vary={"learning_rate": {"log_uniform": [1e-4, 1e-2]}})
    zoo = open_zoo(make_zoo(tmp_path / "zoo", chosen))
    export_zoo(zoo, "keras-h5", tmp_path / "out")
    for network in zoo.plan[0]:
        name = f"binary_oneVall_{network.id}_model.h5"
        with h5py.File(tmp_path / "out" / name) as file:
            text = file.attrs["training_config"]
        assert f'"learning_rate": {network.learning_rate!r} ' in text


def rewritten(source: Path, target: Path, change: object) -> Path:
    """A copy of a real file with a change made by h5py."""
    target.write_bytes(source.read_bytes())
    with h5py.File(target, "r+") as file:
        change(file)  # type: ignore[operator]
    return target


def same_network(shared_data: Path, path: Path) -> bool:
    """Whether a file holds the same weights as the real whole model of church_0."""
    real = read_keras(shared_data / "keras" / REAL[0]).weights
    found = read_keras(path).weights
    return all(found[name].tobytes() == real[name].tobytes() for name in real)


def test_weights_only_legacy_files(shared_data: Path, tmp_path: Path):
    path = tmp_path / "church_0.h5"
    with h5py.File(shared_data / "keras" / REAL[0]) as real, h5py.File(path, "w") as file:
        for name in real["model_weights"]:
            real.copy(f"model_weights/{name}", file)
        for name, value in real["model_weights"].attrs.items():
            file.attrs[name] = value
    assert same_network(shared_data, path)


def test_long_lists_of_names_come_in_pieces(shared_data: Path, tmp_path: Path):
    def cut(file: h5py.File) -> None:
        attributes = file["model_weights"].attrs
        names = attributes["layer_names"]
        del attributes["layer_names"]
        attributes["layer_names0"], attributes["layer_names1"] = names[:3], names[3:]

    source = shared_data / "keras" / REAL[0]
    assert same_network(shared_data, rewritten(source, tmp_path / "church_0.h5", cut))


def test_functional_models_of_keras_3(shared_data: Path, tmp_path: Path):
    """Their weights' names lack the model's."""
    path = tmp_path / "church_0.h5"
    with h5py.File(shared_data / "keras" / REAL[0]) as real, h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = real["model_weights"].attrs["layer_names"]
        for name in group.attrs["layer_names"]:
            names = real["model_weights"][name].attrs["weight_names"]
            layer = group.create_group(name)
            short = [str(weight).removesuffix(":0") for weight in names]
            layer.attrs["weight_names"] = np.array([weight.encode() for weight in short])
            for weight, there in zip(short, names, strict=True):
                layer[weight] = real["model_weights"][name][there][()]
    assert same_network(shared_data, path)


def test_weights_as_tensorflow_2_13_wrote_them(shared_data: Path, tmp_path: Path):
    def rename(file: h5py.File) -> None:
        file.move("layers", "_layer_checkpoint_dependencies")

    real = shared_data / "keras" / REAL[4]
    path = rewritten(real, tmp_path / "church_0.weights.h5", rename)
    first, second = read_keras(path).weights, read_keras(real).weights
    assert all(first[name].tobytes() == second[name].tobytes() for name in second)


def test_layers_of_other_names_are_told_by_their_shapes(shared_data: Path, tmp_path: Path):
    def rename(file: h5py.File) -> None:
        for old, new in {"conv2d": "c", "conv2d_1": "a", "dense": "b"}.items():
            file.move(f"layers/{old}", f"layers/{new}")

    real = shared_data / "keras" / REAL[4]
    path = rewritten(real, tmp_path / "church_0.weights.h5", rename)
    first, second = read_keras(path).weights, read_keras(real).weights
    assert all(first[name].tobytes() == second[name].tobytes() for name in second)


def test_a_model_within_a_model(shared_data: Path, tmp_path: Path):
    def wrap(file: h5py.File) -> None:
        file.move("layers", "inner")
        file.create_group("layers/sequential/vars")
        file.move("inner", "layers/sequential/layers")

    real = shared_data / "keras" / REAL[4]
    path = rewritten(real, tmp_path / "church_0.weights.h5", wrap)
    assert same_network(shared_data, path)

    def two(file: h5py.File) -> None:
        wrap(file)
        file.create_group("layers/sequential_1/vars")
        file.create_group("layers/sequential_1/layers")

    path = rewritten(real, tmp_path / "church_1.weights.h5", two)
    assert same_network(shared_data, path)  # what is empty leaves one way to read the rest


def test_an_archive_that_is_cut_short(tmp_path: Path):
    path = tmp_path / "church_0.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", b"{}" * 1000)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ForeignFileError, match="the archive is damaged or cut short; get it anew"):
        read_keras(path)


def test_augmentations_in_a_model_of_their_own(shared_data: Path, tmp_path: Path):
    """Keras 3 writes groups for layers without weights, too."""

    def wrap(file: h5py.File) -> None:
        file.move("layers", "inner")
        file.create_group("layers/sequential_1/vars")
        file.move("inner", "layers/sequential_1/layers")
        file.create_group("layers/sequential/layers/random_flip/vars")
        file.create_group("layers/sequential/vars")

    real = shared_data / "keras" / REAL[4]
    assert same_network(shared_data, rewritten(real, tmp_path / "church_0.weights.h5", wrap))


def test_packed_files_are_read(shared_data: Path, tmp_path: Path):
    def pack(file: h5py.File) -> None:
        layer = file["model_weights/dense/dense"]
        values = layer["kernel:0"][()]
        del layer["kernel:0"]
        layer.create_dataset("kernel:0", data=values, compression="gzip", shuffle=True)

    source = shared_data / "keras" / REAL[0]
    assert same_network(shared_data, rewritten(source, tmp_path / "church_0.h5", pack))
