import pytest

from hyperzoo.architectures import get_architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.network import match_architecture, match_layers


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
