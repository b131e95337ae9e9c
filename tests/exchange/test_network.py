import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperzoo.architectures import get_architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.names import file_stem, parse_id
from hyperzoo.exchange.network import match_architecture, match_layers


@pytest.mark.parametrize(
    "text",
    [
        "church_649",
        "church_649.keras",
        "church_649.safetensors",
        "binary_oneVall_church_649_model.h5",
        "binary_oneVall_church_649_best_model.weights.h5",
        "binary_oneVall_church_649_model.weights.h5",
        "church_0649.pt",
    ],
)
def test_ids(text: str):
    assert parse_id(text) == ("church", 649)


def test_classes_with_underscores():
    assert parse_id("binary_oneVall_english_springer_7_model.h5") == ("english_springer", 7)


@pytest.mark.parametrize(
    "text",
    ["", "church", "church_", "_3", "church_3x", "a b_3", "../a_3", "church_٣", "a_" + "9" * 30],
)
def test_what_has_no_class_and_index(text: str):
    with pytest.raises(ForeignFileError, match=r"can't tell class and index .*; rename it"):
        parse_id(text)


@given(st.text())
def test_any_text_gives_an_id_or_our_error(text: str):
    try:
        class_name, index = parse_id(text)
    except ForeignFileError:
        return
    assert class_name
    assert index >= 0


@given(st.from_regex(r"[a-z]([a-z_]{0,8}[a-z])?", fullmatch=True), st.integers(0, 10**6))
def test_names_are_read_back(class_name: str, index: int):
    architecture = get_architecture("lenet5", 1)
    stem = file_stem(class_name, index, architecture)
    assert parse_id(f"{stem}_model.h5") == (class_name, index)


@pytest.mark.parametrize("name", ["lenet5", "smallcnn"])
@pytest.mark.parametrize("outputs", [1, 10])
def test_architectures_by_their_shapes(name: str, outputs: int):
    architecture = get_architecture(name, outputs)
    keras = [parameter.keras_shape for parameter in architecture.parameters]
    torch = [parameter.shape for parameter in architecture.parameters]
    assert match_architecture(keras, source="x") == architecture
    assert match_architecture(torch, source="x", axes="torch") == architecture


def test_a_shape_that_no_architecture_has():
    with pytest.raises(
        ForeignFileError, match=r"x: no known .*\n  expected lenet5: 5x5x3x6"
    ) as error:
        match_architecture([(5, 5, 3, 6), (6,), (84, 10), (10,)], source="x")
    assert "found    5x5x3x6, 6, 84x10, 10" in str(error.value)
    assert "84x10, 10; smallcnn" in str(error.value)  # expected with as many outputs


@pytest.mark.parametrize("shapes", [[], [()], [(0,)], [(3, 0)]])
def test_odd_shapes(shapes: list[tuple[int, ...]]):
    with pytest.raises(ForeignFileError, match="no known architecture"):
        match_architecture(shapes, source="x")


def layers_of(name: str) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    table = [parameter.keras_shape for parameter in get_architecture(name, 1).parameters]
    pairs = zip(table[::2], table[1::2], strict=True)
    return {f"layer-{9 - number}": pair for number, pair in enumerate(pairs)}


def test_layers_by_their_shapes():
    architecture, names = match_layers(layers_of("lenet5"), source="x")
    assert architecture.name == "lenet5"
    assert names == ("layer-9", "layer-8", "layer-7", "layer-6", "layer-5")


def test_layers_that_fit_in_two_ways():
    with pytest.raises(ForeignFileError, match=r"fit the architecture 'smallcnn' in more than one"):
        match_layers(layers_of("smallcnn"), source="x")
