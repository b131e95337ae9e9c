"""Unpacks a `.keras` archive: its config and its weights, and nothing else of it."""

import io
import re
import reprlib
import struct
import zipfile
import zlib
from collections.abc import Sequence

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.keras import hdf5

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"


def unpack(content: bytes, source: str) -> tuple[bytes, bytes]:
    """Config and weights of a `.keras` file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            _check_members(infos, source)
            parts = {info.filename: info for info in infos}
            for name in (_CONFIG, _WEIGHTS):
                if name not in parts:
                    raise ForeignFileError(
                        f"{source}: expected {_CONFIG} and {_WEIGHTS} in the archive, got "
                        f"{', '.join(sorted(map(reprlib.repr, parts))[:8]) or 'nothing'}"
                    )
            return (
                _member(archive, parts[_CONFIG], hdf5.MAX_TEXT_BYTES, source),
                _member(archive, parts[_WEIGHTS], hdf5.MAX_FILE_BYTES, source),
            )
    except ForeignFileError:
        raise
    # What zipfile raises for damage depends on where it is.
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        LookupError,
        OverflowError,
    ) as error:
        raise ForeignFileError(
            f"{source}: the archive is damaged or cut short: {reprlib.repr(str(error))}; get it "
            "anew"
        ) from error


def _check_members(infos: Sequence[zipfile.ZipInfo], source: str) -> None:
    if len(infos) > hdf5.MAX_MEMBERS:
        raise ForeignFileError(f"{source}: {len(infos)} files in the archive, expected a few")
    names = [info.filename for info in infos]
    if len(set(names)) < len(names):
        raise ForeignFileError(f"{source}: a name comes twice in the archive")
    for info in infos:
        name = info.filename
        if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or ":" in name:
            raise ForeignFileError(
                f"{source}: {reprlib.repr(name)} in the archive leads out of it; it is refused"
            )
        if info.flag_bits & 1 or info.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise ForeignFileError(
                f"{source}: {reprlib.repr(name)} in the archive is encrypted or packed in a way "
                "that Keras does not use"
            )


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int, source: str) -> bytes:
    """Unpack a member, but never more than the limit, whatever it says of its size."""
    with archive.open(info) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ForeignFileError(
            f"{source}: {info.filename} unpacks to more than {limit} bytes; expected one network"
        )
    return content
