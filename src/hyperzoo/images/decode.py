"""From encoded image files (JPEG, PNG, ...) to an image set."""

import io
import warnings
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperzoo.cores import usable_cores
from hyperzoo.errors import ImageError
from hyperzoo.images.described import described
from hyperzoo.images.image_set import ImageSet
from hyperzoo.images.resize import resize_bilinear

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXELS = 50_000_000

# Pillow's other decoders are not needed, and some of them run other programs.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_ORIENTATION, _BITS_PER_SAMPLE = 0x0112, 0x0102  # tags of EXIF and TIFF

_GREY = ("1", "L", "LA", "La")
"""Pillow's modes of one channel, with or without transparency; a palette has colours."""

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


class Decoded(NamedTuple):
    """An image's pixels, uint8 [height, width, channels], and what decoding left out."""

    pixels: NDArray[np.uint8]
    left_out: tuple[str, ...]


def decode_image(data: bytes, place: str, *, channels: int, turned: bool = False) -> Decoded:
    """Decode one image.

    Whatever the file holds (grey, palette, CMYK, transparency) is converted by Pillow. Alpha is
    dropped: a transparent pixel has the colour that the file gives it, and is not laid upon a
    background. Of several frames or pages the first is taken.

    Args:
        data: the file's content.
        place: where it comes from, for messages.
        channels: 3 for RGB, 1 for grey.
        turned: turn the image as its orientation tag (EXIF) says; else it stays as it is stored,
            as TensorFlow leaves it.

    Returns:
        The pixels, uint8 [height, width, channels], and what was left out or done.

    Raises:
        ImageError: the image is damaged, too large, or has more than 8 bits a channel.
    """
    import PIL.Image
    import PIL.ImageOps

    try:
        with PIL.Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            # The header is read by now, the pixels are not.
            if opened.width * opened.height > MAX_PIXELS:
                raise ImageError(
                    f"{place}: the image has {opened.width}x{opened.height} pixels, more than "
                    f"{MAX_PIXELS // 10**6} million; make it smaller or remove it"
                )
            if (bits := _bits(opened, data)) > 8:
                raise ImageError(
                    f"{place}: expected 8 bits a channel, got {bits} (Pillow's mode "
                    f"{opened.mode}); convert the image to 8 bits"
                )
            left_out = tuple(_left_out(opened, channels, turned))
            # Straight to RGB would drop a transparent colour with a warning.
            image = opened.convert("RGBA") if "transparency" in opened.info else opened
            plain = image.convert("L" if channels == 1 else "RGB")
            if turned and _orientation(opened) != 1:
                plain = PIL.ImageOps.exif_transpose(plain)
            pixels = np.asarray(plain)
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files.
        unknown = isinstance(error, PIL.UnidentifiedImageError)
        reason = f"it is {described(data[:512])}" if unknown else error
        raise ImageError(f"{place}: not an image that can be decoded: {reason}") from error
    return Decoded(pixels.reshape(*pixels.shape[:2], channels), left_out)


def decode_square(
    image: EncodedImage, *, size: int, channels: int, turned: bool = False
) -> Decoded:
    """Decode one image and resize it to `size` x `size` pixels, else as `decode_image` does."""
    pixels, left_out = decode_image(image.data, image.place, channels=channels, turned=turned)
    if pixels.shape[:2] == (size, size):
        return Decoded(pixels, left_out)
    told = f"resized to {size}x{size} pixels"
    return Decoded(resize_bilinear(pixels, size), (*left_out, told))


def _bits(image: "ImageFile", data: bytes) -> int:
    """Bits a channel, of which Pillow would drop all but 8 of a colour image without a word."""
    if image.mode.startswith(("I", "F")):
        return 16 if image.mode.startswith("I;16") else 32
    if image.format == "PNG":
        return data[24]  # of the IHDR chunk, which comes first
    if image.format == "TIFF":
        # A damaged tag can be anything.
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (8,))  # type: ignore[attr-defined]
        return max((int(number) for number in bits), default=8)
    if image.format == "PPM" and image.tile and isinstance(image.tile[0].args, tuple):
        return int(image.tile[0].args[-1]).bit_length()
    return 8


def _orientation(image: "ImageFile") -> int:
    return int(image.getexif().get(_ORIENTATION, 1))


def _is_opaque(image: "ImageFile") -> bool:
    """Whether an image has an alpha channel which says nothing."""
    return "A" in image.getbands() and image.getchannel("A").getextrema() == (255, 255)


def _left_out(image: "ImageFile", channels: int, turned: bool) -> Iterator[str]:
    """What an image holds beside the pixels that are taken, or what is done for it."""
    if image.has_transparency_data and not _is_opaque(image):
        yield "transparency dropped"
    if getattr(image, "n_frames", 1) > 1:
        yield "the first frame or page taken"
    if _orientation(image) != 1:
        yield "turned by the orientation tag" if turned else "an orientation tag not applied"
    if (image.mode in _GREY) != (channels == 1):
        yield "RGB made grey" if channels == 1 else "grey made RGB"


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
    notes: tuple[str, ...] = (),
    turned: bool = False,
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
        notes: what is to be said of the images' files.
        turned: turn images as their orientation tags say.

    Returns:
        The images, uint8 [image, size, size, channels].

    Raises:
        ImageError: an image can't be decoded or comes twice, or a class has none in a split.
    """

    def decode(image: EncodedImage) -> Decoded:
        return decode_square(image, size=size, channels=channels, turned=turned)

    images: dict[Key, NDArray[np.uint8]] = {}
    left_out: Counter[str] = Counter()
    with warnings.catch_warnings():
        # Of odd EXIF data, for example. Damage that matters is an error.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        for image, decoded in in_threads(decode, encoded):
            if image.key in images:
                raise ImageError(f"{image.place}: there are two such files; keep one")
            images[image.key] = decoded.pixels
            left_out.update(decoded.left_out)
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
        notes=(
            *notes,
            *(f"{what} in {n} of {len(images)} images" for what, n in sorted(left_out.items())),
        ),
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


def in_threads(
    decode: Callable[[EncodedImage], Decoded], encoded: Iterable[EncodedImage]
) -> Iterator[tuple[EncodedImage, Decoded]]:
    """Map in threads and keep the order. Pillow decodes outside Python's lock.

    Only a few images wait at any time: an archive is larger than what it decodes to.
    """
    threads = usable_cores()
    waiting: deque[tuple[EncodedImage, Future[Decoded]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for image in encoded:
            waiting.append((image, pool.submit(decode, image)))
            if len(waiting) > 4 * threads:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
