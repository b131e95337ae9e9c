"""MNIST's own format, which EMNIST, Fashion-MNIST and KMNIST have too.

A file is two bytes 0, a byte for the type (8: bytes), a byte for the number of axes, the length of
each axis (four bytes, the highest first), and the numbers, the last axis fastest.

References: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits",
http://yann.lecun.com/exdb/mnist/ ("The IDX file format"); G. Cohen et al., "EMNIST: an extension of
MNIST to handwritten letters", 2017 (the files' names and mapping).
"""

import math
import struct
from codecs import BOM_UTF8
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ImageError
from hyperzoo.images.described import AGAIN, described
from hyperzoo.images.fit import RawImages
from hyperzoo.images.published.labels import check_count

_BYTES = 0x08
_TYPES = {0x09: "signed bytes", 0x0B: "shorts", 0x0C: "ints", 0x0D: "floats", 0x0E: "doubles"}


def parse_idx_set(contents: Mapping[str, bytes]) -> RawImages:
    """The images of MNIST's four files, and of the mapping that EMNIST adds.

    Args:
        contents: "train images", "train labels", "test images", "test labels" and, where it is
            there, "mapping": lines of a label and the character codes that it stands for, of which
            the first becomes the class's name.

    Raises:
        ImageError: a file is no idx file, or other than its header says, or they do not fit.
    """
    images: list[NDArray[np.uint8]] = []
    labels: list[NDArray[np.int64]] = []
    for split in ("train", "test"):
        images.append(parse_idx(contents[f"{split} images"], f"{split} images", 3)[..., None])
        own = parse_idx(contents[f"{split} labels"], f"{split} labels", 1)
        check_count(split, images[-1], own)
        labels.append(own.astype(np.int64))
    class_names = None
    if "mapping" in contents:
        mapping = _parse_mapping(contents["mapping"])
        there = np.unique(np.concatenate(labels))
        if unnamed := [label for label in there.tolist() if label not in mapping]:
            raise ImageError(f"mapping: no line for label {unnamed[0]}; {AGAIN}")
        class_names = tuple(mapping[label] for label in there.tolist())
        labels = [np.searchsorted(there, own).astype(np.int64) for own in labels]
    return RawImages(
        train_images=images[0],
        train_labels=labels[0],
        validation_images=images[1],
        validation_labels=labels[1],
        class_names=class_names,
    )


def parse_idx(content: bytes, name: str, axes: int) -> NDArray[np.uint8]:
    """The numbers of an idx file, as a view of its bytes.

    Args:
        content: the file.
        name: what to call it in messages.
        axes: how many axes it has to have.

    Raises:
        ImageError: it is no idx file of bytes with so many axes, or its header lies.
    """
    if len(content) < 4 or content[:2] != b"\0\0":
        raise ImageError(f"{name}: expected an idx file, got {described(content[:64], AGAIN)}")
    if content[2] != _BYTES:
        got = _TYPES.get(content[2], f"type 0x{content[2]:02x}")
        raise ImageError(f"{name}: expected an idx file of bytes (type 0x08), got {got}; {AGAIN}")
    if content[3] != axes:
        raise ImageError(
            f"{name}: expected an idx file of {axes} axes, got {content[3]}; see that it is not "
            f"another of the files, or {AGAIN}"
        )
    begin = 4 + 4 * axes
    if len(content) < begin:
        raise ImageError(f"{name}: cut off within its header; download it again")
    shape = struct.unpack(f">{axes}I", content[4:begin])
    if math.prod(shape) != len(content) - begin:
        raise ImageError(
            f"{name}: its header tells of {' x '.join(map(str, shape))} = {math.prod(shape)} "
            f"bytes, got {len(content) - begin}; the file is cut off or damaged; download it again"
        )
    if not math.prod(shape):
        raise ImageError(f"{name}: there is nothing in it; its header says {shape}; {AGAIN}")
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)


def _parse_mapping(content: bytes) -> dict[int, str]:
    mapping = {}
    for line in content.removeprefix(BOM_UTF8).decode("ascii", "replace").splitlines():
        match line.split():
            case [label, code, *_] if label.isdecimal() and code.isdecimal() and len(code) < 4:
                mapping[int(label)] = chr(int(code))
            case []:
                continue
            case _:
                raise ImageError(
                    f"mapping: expected label and character code, got {line[:60]!r}; {AGAIN}"
                )
    return mapping
