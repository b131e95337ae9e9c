"""Where a zoo of format 1 keeps what; docs/zoo-format.md is the contract."""

import os
import re
from pathlib import Path

import pyarrow as pa

FORMAT = "hyperzoo-zoo"
FORMAT_VERSION = 1

DOCUMENT_FILE = "zoo.json"
CARD_FILE = "README.md"
PART_FOLDERS = ("models", "history", "weights", "epochs")

METRICS = ("loss", "accuracy", "precision", "recall", "specificity", "f1", "auc")
MODELS_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("class", pa.string(), nullable=False),
        pa.field("index", pa.int64(), nullable=False),
        pa.field("part", pa.int64(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("epoch", pa.int64(), nullable=False),
        pa.field("learning_rate", pa.float64(), nullable=False),
        pa.field("batch_size", pa.int64(), nullable=False),
        *(pa.field(name, pa.float64()) for name in METRICS),
    ]
)

ALWAYS_TOLD = ("learning_rate", "batch_size")
"""The hyper-parameters that every zoo's networks have a column for."""


def models_schema(drawn: tuple[str, ...]) -> pa.Schema:
    """The columns of networks of which some hyper-parameters were drawn.

    Args:
        drawn: which; those that are not always told have a column of their own after these.
    """
    schema, at = MODELS_SCHEMA, MODELS_SCHEMA.get_field_index("batch_size")
    for key in drawn:
        if key not in ALWAYS_TOLD:
            at += 1
            kind = pa.string() if key in WORDS else _OTHERS.get(key, pa.float64())
            schema = schema.insert(at, pa.field(key, kind, nullable=False))
    return schema


WORDS = ("optimizer", "schedule", "initialisation", "bias_initialisation", "activation")
"""The hyper-parameters that are words."""

_OTHERS = {"nesterov": pa.bool_(), "step_epochs": pa.int64()}
"""Those that are neither words nor real numbers."""

KINDS = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64()}
"""What columns that only an imported zoo's origin has may hold."""


def imported_models_schema(
    drawn: tuple[str, ...] = (), own_columns: tuple[tuple[str, str], ...] = ()
) -> pa.Schema:
    """The columns of networks that were trained elsewhere, of which all but identity may be null.

    Args:
        drawn: the hyper-parameters that are known to differ between the networks.
        own_columns: name and kind, one of `KINDS`, of the columns that follow all others.
    """
    known = models_schema(drawn)
    nullable = {"epoch", *ALWAYS_TOLD, *drawn}
    fields = [field.with_nullable(field.nullable or field.name in nullable) for field in known]
    return pa.schema([*fields, *(pa.field(name, KINDS[kind]) for name, kind in own_columns)])


IMPORTED_MODELS_SCHEMA = imported_models_schema()
"""Of networks whose training is not known."""

HISTORY_COLUMNS = (
    "training_loss",
    "training_accuracy",
    "validation_loss",
    "validation_accuracy",
)
HISTORY_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("epoch", pa.int64(), nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in HISTORY_COLUMNS),
    ]
)


def models_file(part: int) -> Path:
    """A part's networks; its presence marks the part as complete."""
    return Path("models", f"part-{part:05}.parquet")


def history_file(part: int) -> Path:
    """A part's training history."""
    return Path("history", f"part-{part:05}.parquet")


def weights_file(part: int, epoch: int | None = None) -> Path:
    """A part's kept weights, or those after an epoch that the recipe asks to keep."""
    name = f"part-{part:05}.safetensors"
    return Path("weights", name) if epoch is None else Path("epochs", f"e{epoch:03}", name)


def data_files(part: int, checkpoint_epochs: tuple[int, ...]) -> list[Path]:
    """All files of a part but the mark, in the order in which they are written."""
    epochs = [weights_file(part, epoch) for epoch in checkpoint_epochs]
    return [weights_file(part), history_file(part), *epochs]


def part_files(part: int, checkpoint_epochs: tuple[int, ...]) -> list[Path]:
    """All files of a part, the mark last."""
    return [*data_files(part, checkpoint_epochs), models_file(part)]


def marked_parts(folder: Path) -> set[int]:
    """The parts of a zoo that are complete.

    One look at the folder of marks: to ask for each of thousands is a storm on a file server.

    Raises:
        OSError: the folder can't be read.
    """
    try:
        with os.scandir(folder / "models") as entries:
            matches = [_MARK.fullmatch(entry.name) for entry in entries if entry.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return set()
    return {int(match[1]) for match in matches if match}


_MARK = re.compile(r"part-([0-9]{5}|[1-9][0-9]{5,8})\.parquet")
