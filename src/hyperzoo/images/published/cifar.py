"""CIFAR-10 and CIFAR-100, as pickles of Python 2 ("python version") and as plain bytes ("binary").

An image is 3,072 bytes: the red plane, the green, the blue, 32x32 each, row by row. A batch for
Python is a dict with `data`, uint8 [image, 3072], and lists of labels. A binary record is a label
(CIFAR-100: the coarse one, then the fine one) and the image.

Reference: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html ("Dataset layout").
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ImageError
from hyperzoo.images.described import AGAIN, described
from hyperzoo.images.fit import RawImages, fit_names
from hyperzoo.images.published.labels import check_count, check_range, lines
from hyperzoo.unpickling.arrays import array_names
from hyperzoo.unpickling.machine import Machine, RefusedError

Labels = Literal["labels", "fine_labels", "coarse_labels"]
Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Images [image, 32, 32, 3], and labels."""

_CLASSES: dict[Labels, int] = {"labels": 10, "fine_labels": 100, "coarse_labels": 20}
_PIXELS = 3072
_NAMES = array_names(("u1",))
_MOST_INSTRUCTIONS = 2_000_000  # CIFAR-100's training images take some 250,000


def parse_python(contents: Mapping[str, bytes], labels: Labels) -> RawImages:
    """The images of the pickles. Nothing in them is run.

    Args:
        contents: the batches and, where it is there, batches.meta or meta.
        labels: which of a batch's lists; "labels" is CIFAR-10's.

    Raises:
        ImageError: a file is damaged, asks for what plain data does not need, or lacks something.
    """
    batches = {name: content for name, content in contents.items() if not name.endswith("meta")}
    metas = [content for name, content in contents.items() if name.endswith("meta")]
    class_names = None
    if metas:
        key = labels.removesuffix("s") + "_names"
        class_names = _names_of(_unpickle(metas[0], "meta").get(key), key)
    return _joined(
        {name: _python_batch(content, name, labels) for name, content in batches.items()},
        class_names,
        labels,
    )


def parse_binary(contents: Mapping[str, bytes], labels: Labels) -> RawImages:
    """The images of the binary files.

    Args:
        contents: the batches and, where they are there, batches.meta.txt, or fine_label_names.txt
            and coarse_label_names.txt.
        labels: which labels; "labels" is CIFAR-10's.

    Raises:
        ImageError: a file has another size or label than it can have.
    """
    texts = {"labels": "batches.meta.txt"}.get(labels, f"{labels.removesuffix('s')}_names.txt")
    return _joined(
        {
            name: _binary_batch(content, name, labels)
            for name, content in contents.items()
            if name.endswith(".bin")
        },
        lines(contents[texts]) if texts in contents else None,
        labels,
    )


def _joined(
    batches: Mapping[str, Batch], class_names: Sequence[str] | None, kind: Labels
) -> RawImages:
    for name, (images, labels) in batches.items():
        check_count(name, images, labels)
        check_range(name, labels, 0, _CLASSES[kind] - 1)
    fitted: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    if class_names is not None:
        if len(class_names) != _CLASSES[kind]:
            raise ImageError(
                f"expected the names of {_CLASSES[kind]} classes, got {len(class_names)}; download "
                "the files again"
            )
        fitted, notes = fit_names(class_names)
    train = [batch for name, batch in batches.items() if not name.startswith("test")]
    ((test, test_labels),) = (batch for name, batch in batches.items() if name.startswith("test"))
    return RawImages(
        train_images=np.concatenate([images for images, _ in train]),
        train_labels=np.concatenate([labels for _, labels in train]),
        validation_images=test,
        validation_labels=test_labels,
        class_names=fitted,
        notes=notes,
    )


def _binary_batch(content: bytes, name: str, kind: Labels) -> Batch:
    before = 1 if kind == "labels" else 2
    if not content or len(content) % (before + _PIXELS):
        raise ImageError(
            f"{name}: expected records of {before + _PIXELS} bytes, got {len(content)} bytes, "
            + described(content[:64], "the file is cut off or damaged; download it again")
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, before + _PIXELS)
    column = 1 if kind == "fine_labels" else 0
    return _as_images(records[:, before:]), records[:, column].astype(np.int64)


def _python_batch(content: bytes, name: str, kind: Labels) -> Batch:
    batch = _unpickle(content, name)
    data, labels = batch.get("data"), batch.get(kind)
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != _PIXELS:
        raise ImageError(
            f"{name}: expected data, uint8 [image, {_PIXELS}], got {_shown(data)}; {AGAIN}"
        )
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise ImageError(
            f"{name}: expected {kind}, a list of integers, got {_shown(labels)}; {AGAIN}"
        )
    # Within the range first: an integer may have 16 bytes.
    if wrong := [label for label in labels if not 0 <= label < _CLASSES[kind]]:
        raise ImageError(
            f"{name}: expected labels 0 to {_CLASSES[kind] - 1}, got {wrong[0]}; the file "
            f"is damaged; {AGAIN}"
        )
    return _as_images(data), np.array(labels, np.int64)


def _as_images(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def _names_of(value: object, key: str) -> list[str]:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return value
    raise ImageError(f"meta: expected {key}, a list of texts, got {_shown(value)}; {AGAIN}")


def _unpickle(content: bytes, name: str) -> dict[str, Any]:
    """The dict that a file holds."""
    if not content.startswith(b"\x80"):
        raise ImageError(
            f"{name}: expected a pickle of protocol 2, got "
            + described(content[:64], "download it again")
        )
    machine = Machine(
        io.BytesIO(content), len(content), _NAMES, limit=_MOST_INSTRUCTIONS, python2=True
    )
    try:
        value = machine.run()
        if machine.position != len(content):
            raise RefusedError("more bytes follow its end")
    except RefusedError as error:
        raise ImageError(
            f"{name}: not a pickle that can be trusted: before byte {machine.position}, {error}. "
            "Nothing in it was run; download it again"
        ) from error
    if not isinstance(value, dict):
        raise ImageError(f"{name}: expected a dict, got {_shown(value)}; {AGAIN}")
    return value


def _shown(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return "nothing" if value is None else type(value).__name__
