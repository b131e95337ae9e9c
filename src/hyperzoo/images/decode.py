"""From encoded image files (JPEG, PNG, ...) to an image set."""

import io
import warnings
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperzoo.cores import usable_cores
from hyperzoo.errors import ImageError
from hyperzoo.images.image_set import ImageSet
from hyperzoo.images.resize import resize_bilinear

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXELS = 50_000_000

# Pillow's other decoders are not needed, and some of them run other programs.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")

Meter = Callable[[int, int | None], None]
"""Is told after each image how many are done, of how many (None: not known)."""


Split = Literal["train", "validation"]


class Key(NamedTuple):
    """What an image is; keys sort into the order of the image set."""

    split: Split
    label: int
    file_name: str


class EncodedImage(NamedTuple):
    """An image file's content; `place` says in messages where it comes from."""

    key: Key
    place: str
    data: bytes


def decode_image(data: bytes, place: str, *, channels: int) -> NDArray[np.uint8]:
    """Decode one image.

    Whatever the file holds (grey, palette, CMYK, transparency) is converted by Pillow; alpha is
    dropped. Orientation marks in EXIF are not applied, as TensorFlow does not apply them. Of an
    animation the first frame is taken.

    Args:
        data: the file's content.
        place: where it comes from, for messages.
        channels: 3 for RGB, 1 for grey.

    Returns:
        uint8 [height, width, channels].

    Raises:
        ImageError: the image is damaged, too large, or has more than 8 bits a channel.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            # The header is read by now, the pixels are not.
            if opened.width * opened.height > MAX_PIXELS:
                raise ImageError(
                    f"{place}: the image has {opened.width}x{opened.height} pixels, more than "
                    f"{MAX_PIXELS // 10**6} million; make it smaller or remove it"
                )
            if opened.mode.startswith(("I", "F")):
                raise ImageError(
                    f"{place}: expected 8 bits a channel, got Pillow's mode {opened.mode}; "
                    "convert the image to 8 bits"
                )
            # Straight to RGB would drop a transparent colour with a warning.
            image = opened.convert("RGBA") if "transparency" in opened.info else opened
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files.
        raise ImageError(f"{place}: not an image that can be decoded: {error}") from error
    return pixels.reshape(*pixels.shape[:2], channels)


def decode_images(
    encoded: Iterable[EncodedImage],
    *,
    name: str,
    place: Path,
    class_names: tuple[str, ...],
    size: int,
    channels: int,
    meter: Meter | None = None,
    total: int | None = None,
) -> ImageSet:
    """Decode and resize images, on all processor cores, and put them in the order of their keys.

    Args:
        encoded: the images, in any order.
        name: the image set's name.
        place: where the images come from, for messages.
        class_names: the classes in label order.
        size: height and width to resize to, in pixels.
        channels: 3 for RGB, 1 for grey.
        meter: is told how many images are done.
        total: how many images there will be, for the meter.

    Returns:
        The images, uint8 [image, size, size, channels].

    Raises:
        ImageError: an image can't be decoded or comes twice, or a class has none in a split.
    """

    def decode(image: EncodedImage) -> NDArray[np.uint8]:
        pixels = decode_image(image.data, image.place, channels=channels)
        return resize_bilinear(pixels, size)

    images: dict[Key, NDArray[np.uint8]] = {}
    with warnings.catch_warnings():
        # Of odd EXIF data, for example. Damage that matters is an error.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        for image, pixels in _in_threads(decode, encoded):
            if image.key in images:
                raise ImageError(f"{image.place}: there are two such files; keep one")
            images[image.key] = pixels
            if meter is not None:
                meter(len(images), total)
    check_classes(place, images, class_names)
    keys = {
        split: sorted(key for key in images if key.split == split)
        for split in ("train", "validation")
    }
    return ImageSet(
        name=name,
        class_names=class_names,
        train_images=np.stack([images[key] for key in keys["train"]]),
        train_labels=np.array([key.label for key in keys["train"]], np.int64),
        validation_images=np.stack([images[key] for key in keys["validation"]]),
        validation_labels=np.array([key.label for key in keys["validation"]], np.int64),
    )


def check_classes(place: Path, keys: Collection[Key], class_names: tuple[str, ...]) -> None:
    """Check that each class has an image in each split.

    Raises:
        ImageError: with the classes that lack images.
    """
    for split in ("train", "validation"):
        present = {key.label for key in keys if key.split == split}
        missing = [name for label, name in enumerate(class_names) if label not in present]
        if missing:
            raise ImageError(
                f"{place}, {split} split: no images of {', '.join(missing)}; "
                "every class needs at least one"
            )


def _in_threads(
    decode: Callable[[EncodedImage], NDArray[np.uint8]], encoded: Iterable[EncodedImage]
) -> Iterator[tuple[EncodedImage, NDArray[np.uint8]]]:
    """Map in threads and keep the order. Pillow decodes outside Python's lock.

    Only a few images wait at any time: an archive is larger than what it decodes to.
    """
    threads = usable_cores()
    waiting: deque[tuple[EncodedImage, Future[NDArray[np.uint8]]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for image in encoded:
            waiting.append((image, pool.submit(decode, image)))
            if len(waiting) > 4 * threads:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
