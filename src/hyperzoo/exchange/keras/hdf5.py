"""HDF5 files of others, read so that nothing in them leads elsewhere or grows without bound.

A file is read into memory first and opened from there: its size is known, it can't change, and
HDF5's own file locks, which fail on some network file systems, are not needed. Names in the file
are followed one step at a time, over hard links only.
"""

import importlib
import math
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ForeignFileError, HyperzooError, MissingExtraError, ZooFormatError
from hyperzoo.exchange.keras.hdf5_heap import check_global_heaps
from hyperzoo.zoo.files import read_file

MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_FILE_BYTES = 16 * 2**20
"""A LeNet-5 with its optimizer takes 1.1 MB."""

MAX_MEMBERS = 256
MAX_NAMES = 1024
"""A ResNet-20 has 72 layers."""

MAX_TEXT_BYTES = 2**20
_HARMLESS_FILTERS = {"gzip", "shuffle", "fletcher32"}
_MAX_CHUNK_NUMBERS = 2**20


def import_h5py() -> ModuleType:
    """The package h5py.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise MissingExtraError(
            'Keras files need h5py; install it with: pip install "hyperzoo[keras]"'
        ) from error


def read_whole(path: Path) -> bytes:
    """The bytes of a file that should hold one network.

    Raises:
        ForeignFileError: it is missing, no regular file, too large, or can't be read.
    """
    try:
        return read_file(path, MAX_FILE_BYTES)
    except FileNotFoundError:
        raise ForeignFileError(f"{path}: there is no such file") from None
    except ZooFormatError as error:
        raise ForeignFileError(f"{error}; is it a file of one network?") from error


@contextmanager
def open_hdf5(content: bytes, source: str) -> Iterator[Any]:
    """Open an HDF5 file that lies in memory; whatever HDF5 says of it is said as our error.

    Args:
        content: the file.
        source: what it is, for messages.

    Raises:
        ForeignFileError: it is no HDF5 file, or damaged.
    """
    h5py = import_h5py()
    if not content.startswith(MAGIC):
        raise ForeignFileError(
            f"{source}: not an HDF5 file: it does not begin as one, nor as a file of any "
            "other known kind; get it again, or move it away if it is no network"
        )
    check_global_heaps(content, source)
    try:
        with h5py.File(h5py.h5f.open_file_image(content), "r") as file:
            yield file
    except HyperzooError:
        raise
    # What h5py raises for damage depends on where it is.
    except (OSError, RuntimeError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise ForeignFileError(
            f"{source}: the HDF5 file is damaged or cut short: {reprlib.repr(str(error))}; get it "
            "anew"
        ) from error


def step(group: Any, name: str, source: str) -> Any:
    """The object of that name in a group, if it lies in this very file.

    Args:
        group: an h5py group.
        name: one name, no path.
        source: what the file is, for messages.

    Raises:
        ForeignFileError: there is none, or the name leads elsewhere.
    """
    h5py = import_h5py()
    place = f"{source}: {_shown(group.name)}"
    if not isinstance(group, h5py.Group):
        raise ForeignFileError(f"{place}: expected a group, got {type(group).__name__.lower()}")
    if name in ("", ".", "..") or "/" in name:
        raise ForeignFileError(f"{place}: {reprlib.repr(name)} is no name of an object")
    link = group.get(name, getlink=True, default=None)
    if link is None:
        there = ", ".join(sorted(members(group, source))[:8]) or "nothing"
        raise ForeignFileError(f"{place}: expected {reprlib.repr(name)}, got {there}")
    if not isinstance(link, h5py.HardLink):
        kind = "an external" if isinstance(link, h5py.ExternalLink) else "a soft"
        raise ForeignFileError(
            f"{place}: {reprlib.repr(name)} is {kind} link, which may lead anywhere; Keras writes "
            "none, so it is refused"
        )
    return group[name]


def members(group: Any, source: str) -> list[str]:
    """The names in a group, in the file's order.

    Raises:
        ForeignFileError: there are more than any network has.
    """
    if len(group) > MAX_MEMBERS:
        raise ForeignFileError(
            f"{source}: {_shown(group.name)}: expected at most {MAX_MEMBERS} members, got "
            f"{len(group)}"
        )
    return list(group)


def walk(group: Any, path: str, source: str) -> Any:
    """Follow a weight's name, which is a path, one step at a time."""
    for name in path.split("/"):
        group = step(group, name, source)
    return group


def address(group: Any) -> int:
    """Where an object lies in its file, by which it is known under every name."""
    return int(import_h5py().h5o.get_info(group.id).addr)


def has_group(group: Any, name: str) -> bool:
    """Whether a name in a group is that of a group, or of a link that `step` will refuse."""
    h5py = import_h5py()
    link = group.get(name, getlink=True, default=None)
    if isinstance(link, h5py.HardLink):
        return group.get(name, getclass=True) is h5py.Group
    return link is not None


def text_attribute(item: Any, name: str, source: str) -> str:
    """A text that is an attribute.

    Raises:
        ForeignFileError: it is missing, something else, or too long.
    """
    values = _texts(item, name, source, most=1)
    if len(values) != 1:
        raise _flaw(item, source, f"attribute {name}: expected a text, got {len(values)} of them")
    return values[0]


def names_attribute(item: Any, name: str, source: str) -> list[str]:
    """A list of names that is an attribute, or several where it was too long for one.

    Keras cuts a list that takes more than 64,512 bytes into `name0`, `name1` and so on.

    Raises:
        ForeignFileError: it is missing, something else, or longer than any network needs.
    """
    if name in item.attrs:
        return _texts(item, name, source, most=MAX_NAMES)
    names: list[str] = []
    for number in range(MAX_NAMES):
        if f"{name}{number}" not in item.attrs:
            break
        names += _texts(item, f"{name}{number}", source, most=MAX_NAMES - len(names))
    else:
        raise _flaw(item, source, f"attribute {name}: cut into more pieces than any network needs")
    if not names:
        raise _flaw(item, source, f"it has no attribute {name}, which gives the order")
    return names


def tensor(dataset: Any, source: str) -> tuple[int, ...]:
    """The shape of a dataset of float32 numbers, checked so that `numbers` may read it.

    Raises:
        ForeignFileError: it is not one, or its numbers lie elsewhere.
    """
    h5py = import_h5py()
    if not isinstance(dataset, h5py.Dataset):
        raise _flaw(dataset, source, f"expected a dataset, got {type(dataset).__name__.lower()}")
    if dataset.is_virtual or dataset.external:
        where = "a virtual dataset" if dataset.is_virtual else "kept in an external file"
        raise _flaw(dataset, source, f"it is {where}; its numbers may come from anywhere")
    if dataset.shape is None:
        raise _flaw(dataset, source, "expected an array, got an empty dataspace")
    if dataset.dtype.kind != "f" or dataset.dtype.itemsize != 4:
        raise _flaw(dataset, source, f"expected float32 numbers, got {dataset.dtype}")
    if len(dataset.shape) > 8:
        raise _flaw(dataset, source, f"expected at most 8 axes, got {len(dataset.shape)}")
    _check_storage(dataset, source)
    return tuple(map(int, dataset.shape))


def _check_storage(dataset: Any, source: str) -> None:
    h5py = import_h5py()
    properties = dataset.id.get_create_plist()
    if properties.get_layout() != h5py.h5d.CHUNKED:
        wanted = 4 * math.prod(dataset.shape)
        stored = dataset.id.get_storage_size()
        # A shape whose numbers are not there would be filled with zeros.
        if properties.get_layout() == h5py.h5d.CONTIGUOUS and stored != wanted:
            raise _flaw(
                dataset, source, f"its shape needs {wanted} bytes, but {stored} are in the file"
            )
        return
    # A chunk is unpacked as a whole, however little of it is wanted.
    if math.prod(dataset.chunks) > _MAX_CHUNK_NUMBERS:
        raise _flaw(dataset, source, f"chunks of {dataset.chunks} are larger than any network")
    filters = set(dataset._filters)
    if not filters <= _HARMLESS_FILTERS:
        raise _flaw(
            dataset,
            source,
            f"it is packed by {', '.join(sorted(filters - _HARMLESS_FILTERS))}, expected at most "
            f"{', '.join(sorted(_HARMLESS_FILTERS))}",
        )
    if dataset.id.get_num_chunks() != math.prod(
        -(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True)
    ):
        raise _flaw(dataset, source, "some of its chunks are not in the file")


def numbers(dataset: Any) -> NDArray[np.float32]:
    """All numbers of a dataset whose shape is that of a known network's parameter."""
    return np.asarray(dataset[()], dtype=np.float32)


def _texts(item: Any, name: str, source: str, most: int) -> list[str]:
    """The texts of an attribute; how many and how long is looked at before any is read."""
    if name not in item.attrs:
        raise _flaw(item, source, f"it has no attribute {name}")
    attribute = item.attrs.get_id(name)
    if attribute.shape is None or math.prod(attribute.shape) > most:
        raise _flaw(
            item, source, f"attribute {name}: expected at most {most} texts, got {attribute.shape}"
        )
    # Keras writes an empty list as an empty array of float64.
    if 0 in attribute.shape:
        return []
    # An object may also be a ragged array or a reference, which h5py would follow.
    is_text = import_h5py().check_string_dtype(attribute.dtype) is not None
    if not is_text or attribute.dtype.itemsize > MAX_TEXT_BYTES:
        raise _flaw(item, source, f"attribute {name}: expected texts, got {attribute.dtype}")
    values = np.atleast_1d(np.asarray(item.attrs[name], dtype=object)).ravel().tolist()
    return [_decoded(item, name, source, value) for value in values]


def _decoded(item: Any, name: str, source: str, value: object) -> str:
    try:
        # Both ways: neither bytes that are no UTF-8 nor lone halves of surrogate pairs.
        text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
        length = len(text.encode("utf-8"))
    except UnicodeError as error:
        raise _flaw(item, source, f"attribute {name}: not a text in UTF-8") from error
    if length > MAX_TEXT_BYTES:
        raise _flaw(item, source, f"attribute {name}: a text of {length} bytes")
    return text


def _flaw(item: Any, source: str, what: str) -> ForeignFileError:
    return ForeignFileError(f"{source}: {_shown(item.name)}: {what}")


def _shown(name: str | None) -> str:
    return reprlib.repr(name or "/")[1:-1]
