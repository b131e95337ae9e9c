"""A check of HDF5's global heaps before HDF5 itself walks through them.

Texts of variable length lie in global heaps. The library walks through a heap from object to
object by their sizes and believes them: a free object of size 0 makes it stand still for ever
(found by flipping bytes, HDF5 2.0 and before), and nothing in Python can end that. So every
collection is walked here first, by the library's own rules, and must lead to its end.

Layout: HDF5 File Format Specification 3.0, sections II.A (superblock) and III.E (global heap).
"""

import struct

from hyperzoo.errors import ForeignFileError

# A collection's signature and version. In a file's numbers they come by chance once in a million
# files; the signature alone would come once in some four thousand.
_SIGNATURE = b"GCOL\x01"
_HEADER = 16
_SIZES_AT = {0: 13, 1: 13, 2: 9, 3: 9}
"""Superblock's version -> where the sizes of offsets and of lengths stand."""


def check_global_heaps(content: bytes, source: str) -> None:
    """Refuse a file with a heap that the library might never find the end of.

    Args:
        content: an HDF5 file.
        source: what it is, for messages.

    Raises:
        ForeignFileError: a heap is damaged, or the file is laid out in a way that Keras's never is.
    """
    place = _SIZES_AT.get(content[8]) if len(content) > 16 else None
    if place is None or content[place : place + 2] != b"\x08\x08":
        raise ForeignFileError(
            f"{source}: the HDF5 file is damaged or cut short: its superblock is not one of Keras's"
        )
    begin = content.find(_SIGNATURE)
    while begin >= 0:
        if not _ends(content, begin):
            raise ForeignFileError(
                f"{source}: the HDF5 file is damaged or cut short: the heap at byte {begin} does "
                "not add up; get it anew"
            )
        begin = content.find(_SIGNATURE, begin + 1)


def _ends(content: bytes, begin: int) -> bool:
    """Whether the walk through a collection gets to its end."""
    if begin + _HEADER > len(content):
        return False
    (size,) = struct.unpack_from("<Q", content, begin + 8)
    end, place = begin + size, begin + _HEADER
    if size < _HEADER or end > len(content):
        return False
    while place + _HEADER <= end:
        index, _, _, length = struct.unpack_from("<HHIQ", content, place)
        # Object 0 is what is free, its header included; others are filled up to 8 bytes.
        needed = length if index == 0 else _HEADER + (length + 7) // 8 * 8
        if needed < _HEADER or place + needed > end:
            return False
        place += needed
    return True
