"""Weights alone of nested and subclassed models: followed where names and shapes fit in one way."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from hyperzoo.architectures import Parameter, get_architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.importing import import_zoo
from hyperzoo.exchange.keras.read import read_keras
from hyperzoo.exchange.keras.write import weights_template
from tests.architectures.declarations import EVERY
from tests.architectures.test_forward import some_parameters

NESTED = (
    "backbone/layers/conv2d",
    "backbone/layers/conv2d_1",
    "backbone/layers/conv2d_2",
    "head/layers/dense",
)
SUBCLASSED = ("conv1", "conv2", "conv3", "fc")
IN_BLOCKS = ("block_1/conv", "block_2/conv", "block_3/conv", "head")
LISTED = ("convs/conv2d", "convs/conv2d_1", "convs/conv2d_2", "head")


def numbered(architecture: str) -> dict[Parameter, np.ndarray]:
    """Numbers that differ from tensor to tensor, in Keras's axes."""
    random = np.random.default_rng(5)
    table = get_architecture(architecture, 1).parameters
    return {p: random.normal(size=p.keras_shape).astype("<f4") for p in table}


def save(path: Path, values: dict[Parameter, np.ndarray], layers: tuple[str, ...]) -> None:
    """As Keras 3 saves the weights of a model whose layers lie there, with all that lies beside."""
    path.parent.mkdir(exist_ok=True)
    pairs = list(zip(*[iter(values.values())] * 2, strict=True))
    with h5py.File(path, "w") as file:
        file.create_group("vars")
        file["optimizer/vars/0"] = np.zeros(2, "<f4")
        file["drop/seed_generator/vars/0"] = np.zeros(2, "<u4")
        file.create_group("pool/vars")
        for layer, pair in zip(layers, pairs, strict=True):
            for number, tensor in enumerate(pair):
                file[f"{layer}/vars/{number}"] = tensor


@pytest.mark.parametrize("layers", [NESTED, SUBCLASSED, IN_BLOCKS, LISTED])
def test_what_fits_in_one_way_is_followed(layers: tuple[str, ...], tmp_path: Path):
    values = numbered("smallcnn")
    path = tmp_path / "files" / "cat_0.weights.h5"
    save(path, values, layers)
    network = read_keras(path)
    assert network.by_shapes
    assert network.notes == (
        f"names were told by order and shape, in the only way that fits: {', '.join(layers)}",
    )
    for parameter, value in values.items():
        expected = parameter.from_keras(value[np.newaxis])[0]
        np.testing.assert_array_equal(network.weights[parameter.name], expected)
    notes = import_zoo(path.parent, tmp_path / "zoo").notes
    assert [note.split(";")[0] for note in notes[1:]] == [
        "1 network: the architecture was told by shapes alone"
    ]


def test_the_count_goes_before_the_order_of_the_names(tmp_path: Path):
    values = numbered("smallcnn")
    path = tmp_path / "cat_0.weights.h5"
    save(path, values, ("conv1", "conv9", "conv10", "fc"))
    told = read_keras(path).notes[0]
    assert told.endswith("conv1, conv9, conv10, fc")


@pytest.mark.parametrize("layers", ["edcba", ("z", "a", "m/layers/k", "m/layers/b", "q")])
def test_shapes_that_differ_need_no_numbers(layers: tuple[str, ...], tmp_path: Path):
    values = numbered("lenet5")
    path = tmp_path / "cat_0.weights.h5"
    save(path, values, tuple(layers))
    network = read_keras(path)
    for parameter, value in values.items():
        expected = parameter.from_keras(value[np.newaxis])[0]
        np.testing.assert_array_equal(network.weights[parameter.name], expected)


@pytest.mark.parametrize(
    "layers",
    [
        ("a", "b", "c", "d"),
        ("stem", "left/conv", "right/conv", "head"),
        ("conv", "layers_a/layers/conv2d", "layers_b/layers/conv2d", "head"),
        ("conv5", "conv1", "conv2", "fc"),  # its numbers are no order of use
    ],
)
def test_what_fits_in_several_ways_is_refused(layers: tuple[str, ...], tmp_path: Path):
    path = tmp_path / "cat_0.weights.h5"
    save(path, numbered("smallcnn"), layers)
    with pytest.raises(ForeignFileError, match=r"fit the architecture 'smallcnn' in more than one"):
        read_keras(path)


def test_layers_of_another_kind_are_refused_in_words(tmp_path: Path):
    path = tmp_path / "cat_0.weights.h5"
    save(path, numbered("smallcnn"), SUBCLASSED)
    with h5py.File(path, "r+") as file:
        for number in range(4):
            file[f"norm/vars/{number}"] = np.zeros(16, "<f4")
    with pytest.raises(ForeignFileError, match=r"layer 'norm': .* are told by a whole model alone"):
        read_keras(path)


def test_groups_that_hold_one_another(tmp_path: Path):
    path = tmp_path / "cat_0.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_group("a/b")
        file["a/b/c"] = file["a"]
    with pytest.raises(ForeignFileError, match="its groups hold one another"):
        read_keras(path)


def test_groups_without_end(tmp_path: Path):
    path = tmp_path / "cat_0.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_group("/".join("a" * 40))
    with pytest.raises(ForeignFileError, match="or lie more than 16 deep"):
        read_keras(path)


@pytest.mark.parametrize(
    ("architecture", "counts", "fits"),
    [
        # Dense(1)(Dense(84)(x)) makes and numbers the last layer first; the shapes tell the order.
        ("lenet5", (3, 4, 5, 63, 62), True),
        ("lenet5", (5, 4, 3, 1, 0), True),
        # Of the same shapes they can't.
        ("smallcnn", (0, 2, 1, 0), False),
        ("smallcnn", (5, 1, 2, 0), True),
    ],
)
def test_layers_that_were_made_from_the_end(
    architecture: str, counts: tuple[int, ...], fits: bool, tmp_path: Path
):
    values = numbered(architecture)
    kinds = ["dense" if len(p.keras_shape) == 2 else "conv2d" for p in list(values)[::2]]
    groups = [
        f"layers/{kind}" + (f"_{kinds[:place].count(kind)}" if kind in kinds[:place] else "")
        for place, kind in enumerate(kinds)
    ]
    path = tmp_path / "cat_0.weights.h5"
    save(path, values, tuple(groups))
    with h5py.File(path, "a") as file:
        for group, kind, count in zip(groups, kinds, counts, strict=True):
            file[f"{group}/vars"].attrs["name"] = f"{kind}_{count}" if count else kind
    if not fits:
        with pytest.raises(ForeignFileError, match=r"the same shapes .* \[2, 1\] .*; save the wh"):
            read_keras(path)
        return
    network = read_keras(path)
    for parameter, value in values.items():
        expected = parameter.from_keras(value[np.newaxis])[0]
        np.testing.assert_array_equal(network.weights[parameter.name], expected)


RESNET = get_architecture("resnet8", 3)


def resnet(path: Path) -> dict[str, np.ndarray]:
    """Weights of a network whose layers are no pairs of kernel and bias."""
    own = dict(some_parameters(RESNET, 1))
    path.write_bytes(weights_template(RESNET).fill(own, None))
    return own


def test_a_built_in_network_with_normalisations(tmp_path: Path):
    own = resnet(tmp_path / "all_0.weights.h5")
    network = read_keras(tmp_path / "all_0.weights.h5")
    assert network.architecture == RESNET
    assert network.by_shapes
    assert network.weights.keys() == own.keys()
    assert all(network.weights[name].tobytes() == own[name].tobytes() for name in own)


def swap_names(file: h5py.File) -> None:
    """As of a shortcut that was made before its block's body."""
    one, other = (file[f"layers/batch_normalization_{n}/vars"].attrs for n in (4, 5))
    one["name"], other["name"] = other["name"], one["name"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (swap_names, r"the batch_normalization layers .* are numbered \[3, 5, 4\] by their own"),
        (
            lambda file: file.move("layers/conv2d_5", "layers/conv2d_99"),
            "layer 'batch_norm.*keras-h5",
        ),
        (lambda file: file.__delitem__("layers/conv2d_5"), "layer 'batch_normalization': expected"),
        (lambda file: file.__delitem__("layers/conv2d_5/vars/0"), "layer 'batch_normalization': e"),
    ],
)
def test_normalisations_that_are_not_those_of_a_built_in_network(
    damage: Callable[[h5py.File], None], message: str, tmp_path: Path
):
    resnet(tmp_path / "all_0.weights.h5")
    with h5py.File(tmp_path / "all_0.weights.h5", "r+") as file:
        damage(file)
    with pytest.raises(ForeignFileError, match=message):
        read_keras(tmp_path / "all_0.weights.h5")


def test_what_other_layers_are_read_from_is_said(tmp_path: Path):
    network = EVERY["overlapping"]
    content = weights_template(network).fill(dict(some_parameters(network, 1)), None)
    (tmp_path / "all_0.weights.h5").write_bytes(content)
    with pytest.raises(
        ForeignFileError, match=r"no known .*\n.*\n.*\nnetworks of other .* keras-h5"
    ):
        read_keras(tmp_path / "all_0.weights.h5")
