"""What an imported zoo may tell of its training: read with distrust."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyperzoo.errors import NetworkNotFoundError, ZooFormatError
from hyperzoo.exchange.importing import import_zoo
from hyperzoo.zoo import Imported, open_zoo, verify_zoo
from tests.exchange.smallcnn_zoo.makers import make_zoo, rows_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_zoo(tmp_path / "files", rows_of(3, (0, 20, 86)))
    import_zoo(tmp_path / "files", tmp_path / "zoo")
    return tmp_path / "zoo"


def test_it_comes_back(folder: Path):
    zoo = open_zoo(folder)
    assert isinstance(zoo.origin, Imported)
    assert zoo.origin.training is not None
    assert zoo.origin.training.checkpoint_epochs == (0, 20)
    assert zoo.history_epochs == (0, 20, 86)
    assert zoo.origin.training.own_columns == (("key", "string"),)
    assert [zoo.architecture_of(own).layers[1].activation for own in zoo.ids] == [
        "relu", "tanh", "sigmoid",
    ]  # fmt: skip
    assert zoo.architecture.layers[1].activation == "drawn"
    with pytest.raises(NetworkNotFoundError, match="no checkpoint of epoch 1; epochs kept: 0, 20"):
        zoo.network("all_0", 1)


def changed(folder: Path, **changes: Any) -> None:
    path = folder / "zoo.json"
    document = json.loads(path.read_text())
    document["imported"]["training"].update(changes)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": -1}, "imported.training.epochs: expected whole numbers"),
        ({"epochs": 10**6}, "imported.training.epochs: expected epochs up to 100000"),
        ({"epochs": 20}, "checkpoint_epochs: expected epochs up to 19"),
        ({"checkpoint_epochs": [20, 0]}, "each larger than the one before"),
        ({"checkpoint_epochs": [True]}, "checkpoint_epochs: expected whole numbers"),
        ({"history_epochs": [0, 87]}, "history_epochs: expected epochs up to 86"),
        ({"drawn": ["speed"]}, "drawn: expected hyper-parameters in the order"),
        ({"drawn": ["dropout", "optimizer"]}, "drawn: expected hyper-parameters in the order"),
        ({"shared": {"a": [1]}}, "shared: expected numbers and texts"),
        ({"shared": {"a": True}}, "shared: expected numbers and texts"),
        ({"own_columns": [["key", "object"]]}, "own_columns: expected a name of letters"),
        ({"own_columns": [["../key", "string"]]}, "own_columns: expected a name of letters"),
        ({"own_columns": [["id", "string"]]}, "own_columns: a column is there twice"),
        ({"own_columns": [["a", "string"]]}, "expected columns .* a, got .* key"),
    ],
)
def test_what_can_be_none(folder: Path, changes: dict[str, Any], message: str):
    changed(folder, **changes)
    with pytest.raises(ZooFormatError, match=message):
        open_zoo(folder)


def test_layers_that_can_be_none(folder: Path):
    """Of what networks do not have the activation of their own, and of lists without end."""
    path = folder / "zoo.json"
    document = json.loads(path.read_text())
    layers = document["architecture"]["layers"]
    layers[1]["activation"] = "tanh"  # the others are still drawn
    path.write_text(json.dumps(document))
    with pytest.raises(ZooFormatError, match="is not the one that the zoo was made with"):
        open_zoo(folder)
    layers[1] = {"residual": json.loads("[" * 300 + "]" * 300)}
    path.write_text(json.dumps(document))
    with pytest.raises(ZooFormatError, match="layer 2"):
        open_zoo(folder)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("activation", "import os", "all_0 has the activation 'import os'; expected one of linear"),
        ("activation", None, "all_0 has the activation None"),
        ("dropout", 1.5, "all_0 has the dropout 1.5; expected 0 to below 1"),
        ("dropout", np.nan, "all_0 has the dropout nan; expected 0 to below 1"),
    ],
)
def test_an_architecture_that_can_be_none(folder: Path, column: str, value: object, message: str):
    path = folder / "models" / "part-00000.parquet"
    table = pq.read_table(path)
    values = [value, *table[column].to_pylist()[1:]]
    field = table.schema.field(column)
    place = table.schema.get_field_index(column)
    table = table.set_column(place, field, pa.array(values, field.type))
    pq.write_table(table, path)
    zoo = open_zoo(folder)
    with pytest.raises(ZooFormatError, match=message):
        zoo.network("all_0")
    assert zoo.network("all_1") is not None


def test_verify_finds_what_has_changed(folder: Path):
    assert verify_zoo(folder).problems == ()
    path = folder / "history" / "part-00000.parquet"
    table = pq.read_table(path)
    epochs = pa.array([1, *table["epoch"].to_pylist()[1:]], pa.int64())
    pq.write_table(table.set_column(1, table.schema.field("epoch"), epochs), path)
    (digest, rows) = verify_zoo(folder).problems
    assert "the SHA-256 is" in digest
    assert "the rows are not the epochs 0, 20, 86 of the part's networks" in rows
