"""Parquet tables of a zoo: written to bytes, read with distrust."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hyperzoo.errors import ZooFormatError
from hyperzoo.zoo.files import regular_size

_METADATA_KEY = b"hyperzoo"


def encode_table(table: pa.Table, metadata: dict[str, Any] | None = None) -> bytes:
    """The content of a parquet file; the same for the same table and version of pyarrow.

    Args:
        table: what it holds.
        metadata: JSON values, kept in the file's metadata under the key "hyperzoo".
    """
    if metadata is not None:
        text = json.dumps(metadata, sort_keys=True)
        table = table.replace_schema_metadata({_METADATA_KEY: text.encode()})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_index=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_table(path: Path, schema: pa.Schema, rows: int) -> pa.Table:
    """Read a parquet file whose columns and rows are known.

    Args:
        path: the file.
        schema: the columns that it must have.
        rows: how many rows it must have; checked before any is read.

    Raises:
        ZooFormatError: the file is missing, damaged, or has other columns or rows.
    """
    try:
        regular_size(path)
        with pq.ParquetFile(path) as file:
            _check_shape(path, file, schema, rows)
            table = file.read()
        # Also that texts are UTF-8, on which Python would stumble later.
        table.validate(full=True)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise ZooFormatError(f"{path} can't be read: {error}") from error
    if len(table) != rows:
        raise ZooFormatError(f"{path}: expected {rows} rows, got {len(table)}")
    return table.replace_schema_metadata(None)


def numbers_of(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column of numbers as float64 [row], NaN for null.

    pyarrow's own way to NumPy loads pandas where that is installed, which takes longer than all
    that a short command does.
    """
    chunks = [
        np.array(chunk.to_pylist() if chunk.null_count else np.from_dlpack(chunk), np.float64)
        for chunk in column.chunks
    ]
    return np.concatenate([np.empty(0), *chunks])


def _check_shape(path: Path, file: pq.ParquetFile, schema: pa.Schema, rows: int) -> None:
    if not file.schema_arrow.equals(schema, check_metadata=False):
        raise ZooFormatError(
            f"{path}: expected columns {', '.join(schema.names)}, got "
            f"{', '.join(file.schema_arrow.names)}, or columns of another type"
        )
    if file.metadata.num_rows != rows:
        raise ZooFormatError(f"{path}: expected {rows} rows, got {file.metadata.num_rows}")


def read_metadata(path: Path) -> dict[str, Any]:
    """What `encode_table` was given as metadata.

    Raises:
        ZooFormatError: the file is missing or damaged, or has no such metadata.
    """
    try:
        regular_size(path)
        values = json.loads((pq.read_metadata(path).metadata or {})[_METADATA_KEY].decode("utf-8"))
    except (OSError, pa.ArrowException, KeyError, ValueError, RecursionError) as error:
        raise ZooFormatError(
            f"{path}: its metadata has no readable mark of a complete part: {error}"
        ) from error
    if not isinstance(values, dict):
        raise ZooFormatError(f"{path}: the mark of a complete part must be a JSON object")
    return values
