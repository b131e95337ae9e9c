"""The one form that all images take inside hyperzoo."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hyperzoo.errors import ImageError, did_you_mean
from hyperzoo.words import is_fit


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSet:
    """Labelled images in a training and a validation split, as bytes in memory.

    Attributes:
        name: what the images are, for people ("imagenette").
        class_names: the classes in label order.
        train_images: uint8 [image, height, width, channel], channel last, 1 (grey) or 3 (RGB).
        train_labels: int64 [image], indices into `class_names`.
        validation_images: uint8 [image, height, width, channel].
        validation_labels: int64 [image].
        notes: what was assumed, left out or changed when the images were read, a line each.
        left_out: classes whose images `without` left out.
        parts: by which measures the classes are parts of classes (`images.parts`), and how many.

    Raises:
        ImageError: the arrays do not fit together, or a class has no image in a split.
    """

    name: str
    class_names: tuple[str, ...]
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    validation_images: NDArray[np.uint8]
    validation_labels: NDArray[np.int64]
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    parts: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        check_class_names(self.name, self.class_names)
        for split in ("train", "validation"):
            images, labels = getattr(self, f"{split}_images"), getattr(self, f"{split}_labels")
            _check_split(self.name, split, images, labels, self.class_names)
            images.setflags(write=False)
            labels.setflags(write=False)
        if self.train_images.shape[1:] != self.validation_images.shape[1:]:
            raise ImageError(
                f"image set '{self.name}': training images have shape "
                f"{self.train_images.shape[1:]}, validation images "
                f"{self.validation_images.shape[1:]}; both must be the same"
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channel) of every image."""
        height, width, channels = self.train_images.shape[1:]
        return height, width, channels

    def with_notes(self, *notes: str) -> "ImageSet":
        """The same images, with more to be said of them."""
        return replace(self, notes=(*self.notes, *notes))

    def without(self, class_names: Collection[str]) -> "ImageSet":
        """The same images without those of some classes, which is noted; labels follow.

        Args:
            class_names: the classes; those that have been left out already are passed over.

        Raises:
            ImageError: there is no such class, or fewer than two are left.
        """
        own = set(class_names) - set(self.left_out)
        for name in sorted(own):
            if name not in self.class_names:
                raise ImageError(
                    f"image set '{self.name}' has no class '{name}' to leave out"
                    f"{did_you_mean(name, self.class_names)} (it has: "
                    f"{', '.join(self.class_names)})"
                )
        if not own:
            return self
        left = [label for label, name in enumerate(self.class_names) if name not in own]
        rows = [np.isin(labels, left) for labels in (self.train_labels, self.validation_labels)]
        out = tuple(name for name in self.class_names if name in own)
        return replace(
            self,
            class_names=tuple(self.class_names[label] for label in left),
            train_images=self.train_images[rows[0]],
            train_labels=np.searchsorted(left, self.train_labels[rows[0]]),
            validation_images=self.validation_images[rows[1]],
            validation_labels=np.searchsorted(left, self.validation_labels[rows[1]]),
            notes=(
                *self.notes,
                f"left out, as the recipe asks: the {np.sum(~rows[0]):,} training and "
                f"{np.sum(~rows[1]):,} validation images of {', '.join(out)}",
            ),
            left_out=(*self.left_out, *out),
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over class names, shapes, labels and pixels.

        Two image sets with the same fingerprint train the same networks. The name and the
        place the images came from are not part of it.
        """
        digest = hashlib.sha256(b"hyperzoo image set 1\n")
        for class_name in self.class_names:
            digest.update(f"{class_name}\n".encode())
        for images, labels in (
            (self.train_images, self.train_labels),
            (self.validation_images, self.validation_labels),
        ):
            digest.update(f"{images.shape}\n".encode())
            digest.update(np.ascontiguousarray(labels, dtype="<i8").tobytes())
            digest.update(np.ascontiguousarray(images).tobytes())
        return digest.hexdigest()


def check_class_names(name: str, class_names: tuple[str, ...]) -> None:
    """Check that there are 2 classes or more, with unique names of safe characters.

    Raises:
        ImageError: with the name that is not fit.
    """
    if len(class_names) < 2:
        raise ImageError(
            f"image set '{name}': expected 2 classes or more, got {len(class_names)}"
            + f" ({class_names[0]})" * len(class_names)
        )
    if len(set(class_names)) != len(class_names):
        raise ImageError(f"image set '{name}': class names are not unique: {class_names}")
    for class_name in class_names:
        if not is_fit(class_name):
            raise ImageError(
                f"image set '{name}': class name {class_name!r} must consist of letters, "
                "digits, '_', '-' and '.'; rename the class"
            )


def _check_split(
    name: str,
    split: Literal["train", "validation"],
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
) -> None:
    place = f"image set '{name}', {split} split"
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ImageError(
            f"{place}: expected uint8 images [image, height, width, channel] with 1 or 3 "
            f"channels, got {images.dtype} {images.shape}"
        )
    if labels.dtype != np.int64 or labels.shape != (len(images),):
        raise ImageError(
            f"{place}: expected one int64 label an image ({len(images)}), "
            f"got {labels.dtype} {labels.shape}"
        )
    if len(labels) and (labels.min() < 0 or labels.max() >= len(class_names)):
        raise ImageError(
            f"{place}: labels run from {labels.min()} to {labels.max()}, "
            f"expected 0 to {len(class_names) - 1}"
        )
    counts = np.bincount(labels, minlength=len(class_names))
    empty = [class_name for class_name, count in zip(class_names, counts, strict=True) if not count]
    if empty:
        raise ImageError(
            f"{place}: no images of {', '.join(empty)}; every class needs at least one"
        )
