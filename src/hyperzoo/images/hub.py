"""Image data sets of the Hugging Face Hub, through the library `datasets`."""

import importlib
import logging
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import HyperzooError, ImageError, MissingExtraError
from hyperzoo.images.decode import (
    MAX_FILE_BYTES,
    Decoded,
    EncodedImage,
    Key,
    Split,
    decode_square,
    in_threads,
)
from hyperzoo.images.fit import RawImages, check_memory, fit_images, fit_names
from hyperzoo.images.image_set import ImageSet
from hyperzoo.images.keys import CONTENTS, SPLITS

_NAME = re.compile(r"(?P<repo>[\w-][\w.-]*(?:/[\w-][\w.-]*)?)(?:/(?P<config>[\w.+-]+))?")
_OLDEST = 4
_BATCH = 256


@dataclass(frozen=True)
class _Columns:
    """The columns that are read, and what is to be said of the choice."""

    image: str
    label: str
    notes: tuple[str, ...]


def load_hub(name: str, *, size: int, channels: int) -> ImageSet:
    """Load an image data set of the Hub; what has been loaded once is read from the cache.

    Which column holds the images and which the labels is told by their features, and which split
    is for validation by its name; notes say what was taken. Without a split for validation or
    testing, of each class's images the second and every fifth after it are for validation. Images
    keep the data set's order.

    Args:
        name: "owner/name", or "owner/name/configuration" where a data set has several.
        size: height and width to resize to, in pixels.
        channels: 3 for RGB, 1 for grey.

    Returns:
        The images, uint8 [image, size, size, channels].

    Raises:
        ImageError: there is no such data set, it can't be reached, or it has no images and labels.
        MissingExtraError: `datasets` is not installed, or is older than version 4.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ImageError(
            f"hub:{name}: expected OWNER/NAME of a data set on the Hugging Face Hub, or "
            "OWNER/NAME/CONFIGURATION"
        )
    if Path(match["repo"]).exists():
        raise ImageError(
            f"hub:{name}: there is a file or folder {match['repo']} here, which the library "
            "datasets would read instead; give it as a path, or run in another folder"
        )
    library = _library()
    with _errors(name), _quiet(library):
        return _load(library, match["repo"], match["config"], size, channels)


def _load(library: ModuleType, repo: str, config: str | None, size: int, channels: int) -> ImageSet:
    found = library.load_dataset(repo, config)
    splits, notes = _choose_splits(list(found))
    columns = _choose_columns(library, found[splits["train"]].features)
    parts = [
        _read(library, found[name], columns, split, size, channels)
        for split, name in splits.items()
    ]
    labels, class_names, changed = _as_numbers(
        found[splits["train"]].features[columns.label], [part[1] for part in parts]
    )
    images = [part[0] for part in parts]
    if "validation" not in splits:
        later = _every_fifth(labels[0])
        images = [images[0][~later], images[0][later]]
        labels = [labels[0][~later], labels[0][later]]
    left_out = sum((part[2] for part in parts), Counter[str]())
    total = sum(len(part[0]) for part in parts)
    raw = RawImages(
        train_images=images[0],
        train_labels=labels[0],
        validation_images=images[1],
        validation_labels=labels[1],
        class_names=class_names,
        notes=(
            *notes,
            *columns.notes,
            *changed,
            *(f"{what} in {count} of {total} images" for what, count in sorted(left_out.items())),
        ),
    )
    return fit_images(raw, repo.rpartition("/")[2], size=size, channels=channels)


def _choose_splits(names: Sequence[str]) -> tuple[dict[Split, str], list[str]]:
    """Which split is which, and what is to be said of it."""

    def named(kind: str) -> str | None:
        return next((name for name in names if name.lower() in SPLITS[kind]), None)

    train, validation = named("train"), named("validation") or named("test")
    if train is None:
        raise ImageError(f"expected a split 'train', got {', '.join(names) or 'none'}")
    splits: dict[Split, str] = {"train": train}
    if validation is None:
        notes = [f"split '{train}' alone: every fifth image of a class is for validation"]
    else:
        splits["validation"] = validation
        notes = [f"split '{train}' is for training, '{validation}' for validation"]
    if others := [name for name in names if name not in splits.values()]:
        notes.append(f"splits left alone: {', '.join(others)}")
    return splits, notes


def _choose_columns(library: ModuleType, features: Any) -> _Columns:
    """The columns of images and labels, told by their features."""
    images = [name for name, kind in features.items() if isinstance(kind, library.Image)]
    labels = [name for name, kind in features.items() if isinstance(kind, library.ClassLabel)]
    labels = labels or [
        name
        for name, kind in features.items()
        if name.lower() in CONTENTS["labels"] and re.match(r"u?int|string", _type(kind))
    ]
    if not images or not labels:
        wanted = "a column of images" if not images else "a column of class labels"
        there = ", ".join(f"{name} ({_type(kind)})" for name, kind in features.items())
        raise ImageError(f"expected {wanted}, got {there}")
    notes = [f"images are column '{images[0]}', labels are '{labels[0]}'"]
    if others := images[1:] + labels[1:]:
        notes.append(f"columns left alone, which could be meant too: {', '.join(others)}")
    return _Columns(images[0], labels[0], tuple(notes))


def _type(kind: Any) -> str:
    return str(getattr(kind, "dtype", type(kind).__name__))


def _read(
    library: ModuleType, rows: Any, columns: _Columns, split: Split, size: int, channels: int
) -> tuple[NDArray[np.uint8], list[Any], Counter[str]]:
    """A split's images and labels, and what decoding left out."""
    check_memory(len(rows) * size * size * channels)
    images = np.empty((len(rows), size, size, channels), np.uint8)
    left_out: Counter[str] = Counter()
    chosen = rows.select_columns([columns.image, columns.label])
    # Not decoded by the library, whose formats are all that Pillow has.
    chosen = chosen.cast_column(columns.image, library.Image(decode=False))
    labels: list[Any] = []

    def encoded() -> Iterator[EncodedImage]:
        for batch in chosen.iter(batch_size=_BATCH):
            for image, label in zip(batch[columns.image], batch[columns.label], strict=True):
                place = f"{split} image {len(labels)}"
                labels.append(label)
                yield EncodedImage(Key(split, 0, ""), place, _bytes(library, image, place))

    def decode(image: EncodedImage) -> Decoded:
        return decode_square(image, size=size, channels=channels)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        for index, (_, decoded) in enumerate(in_threads(decode, encoded())):
            images[index] = decoded.pixels
            left_out.update(decoded.left_out)
    return images, labels, left_out


def _bytes(library: ModuleType, image: Any, place: str) -> bytes:
    """An image's file, which lies in the table itself or in the library's cache."""
    content = None if image is None else image["bytes"]
    if content is None and image is not None and image["path"]:
        file = Path(image["path"]).resolve()
        # No other files of this machine's, whatever the table says.
        caches = (library.config.HF_CACHE_HOME, library.config.HF_DATASETS_CACHE)
        within = any(file.is_relative_to(Path(cache).resolve()) for cache in caches)
        if within and file.is_file() and file.stat().st_size <= MAX_FILE_BYTES:
            content = file.read_bytes()
    if content is None or len(content) > MAX_FILE_BYTES:
        raise ImageError(f"{place}: no image, or one of more than {MAX_FILE_BYTES // 2**20} MiB")
    return bytes(content)


def _as_numbers(
    kind: Any, splits: Sequence[Sequence[Any]]
) -> tuple[list[NDArray[np.int64]], tuple[str, ...] | None, tuple[str, ...]]:
    """Labels of each split, the classes' names where they have some, and what was changed."""
    if any(label is None or label == -1 for labels in splits for label in labels):
        raise ImageError("there are images without a label (-1 or none); choose another data set")
    texts = any(isinstance(label, str) for labels in splits for label in labels)
    names = sorted({label for labels in splits for label in labels}) if texts else None
    if names is not None:
        places = {name: place for place, name in enumerate(names)}
        splits = [[places[label] for label in labels] for labels in splits]
    numbers = [np.array(labels, np.int64) for labels in splits]
    names = names or getattr(kind, "names", None)
    if not names:
        return numbers, None, ()
    return numbers, *fit_names(names)


def _every_fifth(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which images are for validation: of each class the second, and every fifth after it."""
    later = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        later[np.flatnonzero(labels == label)[1::5]] = True
    return later


def _library() -> ModuleType:
    try:
        library = importlib.import_module("datasets")
    except ImportError as error:
        raise MissingExtraError(
            "images of the Hugging Face Hub need the package datasets; install it with: "
            'pip install "hyperzoo[hub]"'
        ) from error
    # Older ones run what a data set brings along.
    if int(library.__version__.partition(".")[0]) < _OLDEST:
        raise MissingExtraError(
            f"images of the Hugging Face Hub need datasets {_OLDEST} or newer, got "
            f'{library.__version__}; install it with: pip install "hyperzoo[hub]"'
        )
    return library


@contextmanager
def _quiet(library: ModuleType) -> Iterator[None]:
    """Without progress bars and remarks of the library, and of what it speaks to the Hub with."""
    logs = (library.logging, importlib.import_module("huggingface_hub.utils.logging"))
    bars, levels = library.are_progress_bars_disabled(), [log.get_verbosity() for log in logs]
    library.disable_progress_bars()
    for log in logs:
        log.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.set_verbosity(level)
        if not bars:
            library.enable_progress_bars()


@contextmanager
def _errors(name: str) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        raise ImageError(f"hub:{name}: {error}") from error
    except HyperzooError:
        raise
    except Exception as error:  # The library and what it reads with can raise almost anything.
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise ImageError(
            f"hub:{name}: the library datasets can't load it: {said}; check the name and the "
            "connection (without one, only what was loaded before can be read)"
        ) from error
