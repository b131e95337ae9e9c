import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperzoo.errors import ImageError
from hyperzoo.images import decode
from hyperzoo.images.decode import EncodedImage, Key, decode_image, decode_images
from tests.images.samples import encoded


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
        *(("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
        ("GIF", "P"),
        ("BMP", "RGB"),
        ("WEBP", "RGB"),
    ],
)
def test_every_kind_becomes_grey_or_rgb(kind: str, mode: str, channels: int):
    pixels = decode_image(encoded(kind=kind, mode=mode), "a", channels=channels).pixels
    assert (pixels.dtype, pixels.shape) == (np.uint8, (14, 20, channels))
    if mode not in ("1", "P"):  # few colours
        expected = decode_image(encoded(kind="PNG"), "a", channels=channels).pixels
        if mode in ("L", "LA"):
            expected = np.repeat(
                decode_image(encoded(kind="PNG"), "a", channels=1).pixels, channels, 2
            )
        assert np.abs(pixels.astype(int) - expected).mean() < 15  # JPEG loses something


def test_transparency_is_dropped_without_a_warning():
    buffer = io.BytesIO()
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.save(buffer, "PNG", transparency=bytes([255, 0]))
    assert decode_image(buffer.getvalue(), "a", channels=3).pixels[0, 0].tolist() == [10, 20, 30]


def test_orientation_is_not_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    buffer = io.BytesIO()
    Image.new("RGB", (20, 14)).save(buffer, "JPEG", exif=exif)
    assert decode_image(buffer.getvalue(), "a", channels=3).pixels.shape == (14, 20, 3)


@pytest.mark.parametrize(
    ("kind", "cut"), [("JPEG", 1), ("JPEG", 10), ("JPEG", 400), ("PNG", 50), ("PNG", 400)]
)
def test_a_truncated_image_is_an_error(kind: str, cut: int):
    data = encoded(kind=kind, width=200)[:-cut]
    with pytest.raises(ImageError, match=r"cat/1\.jpg: not an image that can be decoded"):
        decode_image(data, "cat/1.jpg", channels=3)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n", bytes(1000)])
def test_what_is_no_image_is_an_error(data: bytes):
    with pytest.raises(ImageError, match="a: not an image that can be decoded"):
        decode_image(data, "a", channels=3)


def test_sixteen_bits_are_an_error():
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(buffer, "PNG")
    with pytest.raises(ImageError, match="a: expected 8 bits a channel, got 16"):
        decode_image(buffer.getvalue(), "a", channels=3)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded():
    def of_size(width: int, height: int) -> bytes:
        buffer = io.BytesIO()
        Image.new("1", (width, height)).save(buffer, "PNG")
        return buffer.getvalue()

    with pytest.raises(ImageError, match="the image has 8000x7000 pixels, more than 50 million"):
        decode_image(of_size(8000, 7000), "a", channels=3)
    with pytest.raises(ImageError, match=r"a: .* decompression bomb"):
        decode_image(of_size(20_000, 10_000), "a", channels=3)


def images_of(labels: list[int]) -> list[EncodedImage]:
    return [
        EncodedImage(Key(split, label, f"{index}.png"), f"{split}/{index}", encoded(index))
        for split in ("validation", "train")
        for index, label in enumerate(labels)
    ]


def decode_all(images: list[EncodedImage], **more: object) -> decode.ImageSet:
    return decode_images(
        images,
        name="pets",
        place=Path("pets"),
        class_names=("cat", "dog"),
        size=5,
        channels=3,
        **more,
    )


def test_order_follows_from_keys_alone_and_the_meter_counts():
    images = images_of([1, 0] * 30)
    heard = []
    first = decode_all(images, meter=lambda done, total: heard.append((done, total)), total=120)
    assert heard == [(done, 120) for done in range(1, 121)]
    assert first.train_labels.tolist() == [0] * 30 + [1] * 30
    assert decode_all(images[::-1]).fingerprint == first.fingerprint


def test_a_damaged_image_among_many_is_named():
    images = images_of([0, 1] * 30)
    images[70] = images[70]._replace(data=b"no image")
    with pytest.raises(ImageError, match="train/10: not an image"):
        decode_all(images)


def test_one_file_twice_and_missing_classes_are_errors():
    images = images_of([0, 1])
    with pytest.raises(ImageError, match="train/1: there are two such files"):
        decode_all([*images, images[-1]])
    with pytest.raises(ImageError, match="pets, train split: no images of dog; every class needs"):
        decode_all(images[:-1])
    with pytest.raises(ImageError, match="pets, train split: no images of cat, dog"):
        decode_all([])


def test_pillow_does_not_chatter(monkeypatch: pytest.MonkeyPatch):
    def chatty(*arguments: object, **more: object) -> decode.Decoded:
        warnings.warn_explicit("odd EXIF", UserWarning, "x.py", 1, module="PIL.TiffImagePlugin")
        return decode.Decoded(np.zeros((4, 4, 3), np.uint8), ())

    monkeypatch.setattr(decode, "decode_image", chatty)
    assert len(decode_all(images_of([0, 1])).train_images) == 2
