"""What a file is, by its first bytes: looked at before anything else, whatever its name says."""

import codecs
import io
import pickletools
import re
import struct
import zipfile
from collections.abc import Collection
from enum import Enum
from pathlib import Path

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.pickles.tensors import TENSOR_NAMES
from hyperzoo.unpickling.strangers import first_stranger

_START = 1024
_PROTOCOL_1 = re.compile(rb"(?:[\]}]|c[\w.]+\n\w+\n)q\0")
"""How pickles of protocol 1 begin: an object that is stored as the first."""
_MAX_MEMBERS = 10_000
_MOST_OF_PICKLE = 64 * 2**20
_TORCH_MEMBERS = ("data.pkl", "version", "byteorder", ".format_version", ".storage_alignment")
_TORCH_NUMBER = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How every file of torch.save in its older format begins, behind the protocol's number."""


class Content(Enum):
    """What a file may be: what it is called, and what to do where it is not what was expected."""

    ABSENT = ("no regular file", "give a file")
    EMPTY = ("an empty file", "get it again")
    ZEROS = ("zeros alone where it begins", "get it again: a download may have broken off")
    LFS = ("a Git LFS pointer, not the file itself", "run git lfs pull where it was cloned")
    HTML = ("a web page", "download the file itself again")
    GZIP = ("compressed by gzip", "unpack it first (gunzip)")
    BZIP2 = ("compressed by bzip2", "unpack it first (bunzip2)")
    XZ = ("compressed by xz", "unpack it first (unxz)")
    ZSTD = ("compressed by zstd", "unpack it first (unzstd)")
    TAR = ("a tar archive", "unpack it first (tar -xf)")
    SEVEN_ZIP = ("a 7z archive", "unpack it first")
    RAR = ("a RAR archive", "unpack it first")
    TORCH = ("written by torch.save", "name it .pt")
    TORCHSCRIPT = (
        "a TorchScript program",
        "save the state_dict where it was made: torch.save(module.state_dict(), path)",
    )
    TORCH_CUT = ("a file of torch.save that was cut short or damaged", "get it or save it again")
    KERAS = ("a Keras 3 model", "name it .keras")
    KERAS_CUT = ("a Keras 3 model that was cut short or damaged", "get it or save it again")
    NPZ = ("arrays of NumPy (npz)", "docs/formats.md shows how to make a state_dict of arrays")
    NPZ_CUT = ("arrays of NumPy (npz) that were cut short or damaged", "get it or save it again")
    SHARD = (
        "a part of a distributed checkpoint of torch",
        "make one file of its folder: torch.distributed.checkpoint.format_utils."
        "dcp_to_torch_save(folder, path)",
    )
    WORKBOOK = ("an Excel workbook", "save it as CSV")
    ZIP = ("a zip archive", "unpack it first (unzip)")
    ZIP_CUT = ("a zip archive that was cut short or damaged", "get it again")
    HDF5 = ("an HDF5 file", "name it .h5, or .weights.h5 if save_weights of Keras 3 wrote it")
    NPY = ("an array of NumPy (npy)", "docs/formats.md shows how to make a state_dict of arrays")
    SAFETENSORS = ("a safetensors file", "name it .safetensors")
    PICKLE = (
        "a pickle",
        "of pickles only modelwise.pkl and layerwise.pkl of the published dataset are read, under "
        "names that end in .pkl; save other networks where they were made: "
        "torch.save(module.state_dict(), path)",
    )
    PARQUET = ("a Parquet table", "give the networks' files")
    IMAGE = ("a picture", "give the networks' files")
    JSON = ("JSON text", "get it again if this is a server's message; give the networks' files")
    TEXT = ("a text", "give the networks' files")
    UNKNOWN = ("of no known kind", "give a file of a format in docs/formats.md")

    def __init__(self, said: str, remedy: str) -> None:
        self.said, self.remedy = said, remedy


CUT = (Content.TORCH_CUT, Content.KERAS_CUT, Content.NPZ_CUT, Content.ZIP_CUT)
"""Archives without their end."""

TEXTS = (Content.TEXT, Content.JSON, Content.PICKLE)
"""What a table or JSON may look like: old pickles are letters too."""

_STARTS = {
    b"\x89HDF\r\n\x1a\n": Content.HDF5,
    b"version https://git-lfs": Content.LFS,
    b"version https://hawser": Content.LFS,
    b"\x1f\x8b": Content.GZIP,
    b"BZh": Content.BZIP2,
    b"\xfd7zXZ\0": Content.XZ,
    b"\x28\xb5\x2f\xfd": Content.ZSTD,
    b"7z\xbc\xaf\x27\x1c": Content.SEVEN_ZIP,
    b"Rar!\x1a\x07": Content.RAR,
    b"\x93NUMPY": Content.NPY,
    b"PAR1": Content.PARQUET,
    b"\x89PNG\r\n": Content.IMAGE,
    b"\xff\xd8\xff": Content.IMAGE,
    b"GIF8": Content.IMAGE,
}


def magic(path: Path, count: int = 8) -> bytes:
    """The first bytes of a regular file; b"" for anything else, and for what can't be read."""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            return b""
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""


def decoded(content: bytes, errors: str = "strict") -> str:
    """Text without its byte order mark, which also tells UTF-16; UTF-8 where there is none.

    UTF-16 without a mark is told by its zeros: every second byte of what most tables hold.

    Raises:
        UnicodeDecodeError: it is no such text.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors)
    start = content[:64]
    for place, name in enumerate(("utf-16-be", "utf-16-le")):
        if len(start) >= 4 and not any(start[place::2]) and all(start[1 - place :: 2]):
            return content.decode(name, errors)
    return content.decode("utf-8-sig", errors)


def look(path: Path) -> Content:
    """What a file is. Runs nothing and raises nothing, whatever the file is."""
    start = magic(path, _START)
    if not start:
        return Content.EMPTY if path.is_file() else Content.ABSENT
    if path.suffix.lower() == ".distcp":
        return Content.SHARD  # its bytes are those of several files of torch.save
    if not start.strip(b"\0"):
        return Content.ZEROS
    for begin, content in _STARTS.items():
        if start.startswith(begin):
            return content
    if start.startswith(b"PK\x03\x04") or start.startswith(b"PK\x05\x06"):
        return _look_into_zip(path, start)
    if start[2:].startswith(_TORCH_NUMBER) and start.startswith(b"\x80"):
        return Content.TORCH
    if start[257:262] == b"ustar":
        return Content.TAR
    if len(start) >= 10 and start[8:9] == b"{" and _is_header(path, start):
        return Content.SAFETENSORS
    return _look_at_text(start)


def check_content(path: Path, expected: str, contents: Collection[Content]) -> None:
    """Refuse a file that is plainly something else than its name says.

    Args:
        path: the file.
        expected: what it should be, for the message, e.g. "a Keras file".
        contents: what it may be. What is not known is left to the format's reader.

    Raises:
        ForeignFileError: it is something else; the message says what, and what to do.
    """
    found = look(path)
    if found in CUT:
        raise ForeignFileError(f"{path}: {told(path, found)}")
    if found not in (*contents, Content.UNKNOWN):
        raise ForeignFileError(f"{path}: not {expected} but {told(path, found)}")


def told(path: Path, content: Content) -> str:
    """What a file is and what to do, in words; of a pickle that asks for code, for which."""
    if content is Content.PICKLE:
        start = magic(path, _MOST_OF_PICKLE)
        if (stranger := first_stranger(start, TENSOR_NAMES)) is not None:
            return (
                f"{content.said} that asks for {stranger[:200]!r}, which plain data does not need "
                "and which may run code, so nothing of it is loaded; save the state_dict where it "
                "was made: torch.save(module.state_dict(), path)"
            )
        if len(start) < _MOST_OF_PICKLE and not start.endswith(b"."):
            return "a pickle that was cut short; get it or save it again"
    return f"{content.said}; {content.remedy}"


def _look_into_zip(path: Path, start: bytes) -> Content:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:_MAX_MEMBERS]
    # What zipfile raises for damage depends on where it is.
    except (zipfile.BadZipFile, OSError, ValueError, LookupError, EOFError, struct.error,
            RuntimeError, OverflowError):  # fmt: skip
        return _look_at_first_member(start)
    if "xl/workbook.xml" in names:
        return Content.WORKBOOK
    if "config.json" in names or "model.weights.h5" in names:
        return Content.KERAS
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner and any(name.startswith("code/") for name in inner):
        return Content.TORCHSCRIPT
    if "data.pkl" in inner:
        return Content.TORCH
    return Content.NPZ if names and all(n.endswith(".npy") for n in names) else Content.ZIP


def _look_at_first_member(start: bytes) -> Content:
    """Whose archive it was, of one without its end: by the name of the first file in it."""
    name = start[30 : 30 + int.from_bytes(start[26:28], "little")].decode("utf-8", "replace")
    folder, _, inner = name.partition("/")
    if inner in _TORCH_MEMBERS or (folder and inner.startswith("data/")):
        return Content.TORCH_CUT
    if name in ("metadata.json", "config.json", "model.weights.h5"):
        return Content.KERAS_CUT
    return Content.NPZ_CUT if name.endswith(".npy") else Content.ZIP_CUT


def _is_header(path: Path, start: bytes) -> bool:
    try:
        return 2 <= int.from_bytes(start[:8], "little") <= path.stat().st_size - 8
    except OSError:
        return False


def _look_at_text(start: bytes) -> Content:
    """A pickle, a page or a text: by far the most of what is left."""
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return Content.PICKLE
    if _PROTOCOL_1.match(start):
        return Content.PICKLE
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        start = decoded(start, "replace").encode("utf-8", "replace")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:15].lower().startswith((b"<!doctype html", b"<html", b"<?xml", b"<head", b"<!--")):
        return Content.HTML
    if b"\0" in start or any(byte < 9 for byte in start):
        return Content.UNKNOWN
    if _is_old_pickle(start):
        return Content.PICKLE
    if text[:1] in (b"{", b"["):
        return Content.JSON
    try:
        start.decode("utf-8") if len(start) < _START else start[:-4].decode("utf-8", "strict")
    except UnicodeDecodeError:
        return Content.UNKNOWN
    return Content.TEXT


def _is_old_pickle(start: bytes) -> bool:
    """Whether a text is a pickle of protocol 0: its instructions are letters.

    Those of a pickle take no more from its stack than others have put there; words seldom do so.
    """
    read, depth, marks, remembers = 0, 0, list[int](), False
    try:
        for instruction, _, _ in pickletools.genops(io.BytesIO(start)):
            taken, given = instruction.stack_before, instruction.stack_after
            if pickletools.markobject in taken:
                if not marks:
                    return False
                depth = marks.pop()
                taken = taken[: taken.index(pickletools.markobject)]
            if depth < len(taken) or ("GET" in instruction.name and not remembers):
                return False
            depth -= len(taken)
            if pickletools.markobject in given:
                marks.append(depth)
            else:
                depth += len(given)
            remembers = remembers or "PUT" in instruction.name
            read += 1
    except (ValueError, OverflowError, struct.error):
        return read >= 4
    return True
