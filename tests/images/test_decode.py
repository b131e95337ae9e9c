import contextlib
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

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


def picture(kind: str, image: Image.Image, **more: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def test_a_transparent_pixel_has_the_colour_that_the_file_gives_it():
    """It is laid upon no background."""
    pixels = np.full((4, 4, 4), [200, 100, 50, 0], np.uint8)
    for kind in ("PNG", "TIFF", "WEBP"):
        data = picture(kind, Image.fromarray(pixels), **({"exact": True} if kind == "WEBP" else {}))
        decoded = decode_image(data, "a", channels=3)
        assert decoded.left_out == ("transparency dropped",)
        assert np.abs(decoded.pixels.astype(int) - [200, 100, 50]).max() <= 4


def test_of_an_animation_and_of_pages_the_first_is_taken():
    first, second = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
    for kind in ("GIF", "TIFF", "WEBP", "PNG"):
        data = picture(kind, first, save_all=True, append_images=[second])
        decoded = decode_image(data, "a", channels=3)
        assert decoded.left_out == ("the first frame or page taken",)
        assert np.abs(decoded.pixels.astype(int) - [255, 0, 0]).max() <= 4


def test_cmyk_is_converted():
    data = picture("TIFF", Image.new("CMYK", (4, 4), (255, 0, 0, 0)))
    assert decode_image(data, "a", channels=3).pixels[0, 0].tolist() == [0, 255, 255]


def sixteen_bits() -> dict[str, bytes]:
    """Files of more than 8 bits a channel, of which Pillow would drop bits without a word."""
    grey = Image.fromarray(np.full((4, 4), 300, np.uint16))
    rows = b"".join(b"\0" + bytes(4 * 6) for _ in range(4))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
    ]
    colour = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    return {
        "grey png": picture("PNG", grey),
        "grey tiff": picture("TIFF", grey),
        "float tiff": picture("TIFF", Image.new("F", (4, 4))),
        "colour png": colour,
        "colour ppm": b"P6 4 4 65535\n" + bytes(96),
        "grey ppm": b"P5 4 4 65535\n" + bytes(32),
        "colour tiff": colour_tiff(tags),
    }


def colour_tiff(tags: TiffImagePlugin.ImageFileDirectory_v2) -> bytes:
    for tag, value in {
        256: 4, 257: 4, 258: (16, 16, 16), 259: 1, 262: 2, 273: 8, 277: 3, 278: 4, 279: 96,
    }.items():  # fmt: skip
        tags[tag] = value
    body = tags.tobytes(8 + 96)
    return b"II*\0" + struct.pack("<I", 8 + 96) + bytes(96) + body


@pytest.mark.parametrize("kind", sorted(sixteen_bits()))
def test_more_than_eight_bits_are_refused_and_not_cut(kind: str):
    with pytest.raises(ImageError, match=r"a: expected 8 bits a channel, got \d+"):
        decode_image(sixteen_bits()[kind], "a", channels=3)


@pytest.mark.parametrize("kind", decode._FORMATS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_an_image_error_or_an_image(kind: str, data: st.DataObject):
    """Hostile files too: nothing but ImageError may come of them."""
    content = bytearray(encoded(kind=kind))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with contextlib.suppress(ImageError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels = decode_image(bytes(content[:cut]), "a", channels=3).pixels
        assert (pixels.dtype, pixels.ndim) == (np.uint8, 3)


@pytest.mark.parametrize("kind", ["TIFF", "PPM"])
def test_a_header_of_too_many_pixels_is_refused(kind: str):
    data = encoded(kind=kind, width=20)
    large = {
        "PPM": b"P6 60000 60000 255\n" + bytes(10),
        "TIFF": data.replace(
            struct.pack("<HHII", 256, 4, 1, 20), struct.pack("<HHII", 256, 4, 1, 2**30)
        ),
    }[kind]
    assert large != data
    with pytest.raises(ImageError, match=r"pixels, more than 50 million|decompression bomb"):
        decode_image(large, "a", channels=3)


def test_orientation_is_not_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    buffer = io.BytesIO()
    Image.new("RGB", (20, 14)).save(buffer, "JPEG", exif=exif)
    decoded = decode_image(buffer.getvalue(), "a", channels=3)
    assert decoded.pixels.shape == (14, 20, 3)
    assert decoded.left_out == ("an orientation tag not applied",)


def test_what_decoding_left_out_is_counted():
    images = images_of([0, 1])
    clear = picture("PNG", Image.new("RGBA", (4, 4), (1, 2, 3, 4)))
    images[0] = images[0]._replace(data=clear)
    sized = "resized to 5x5 pixels in 4 of 4 images"
    assert decode_all(images).notes == (sized, "transparency dropped in 1 of 4 images")
    assert decode_all(images_of([0, 1]), notes=("said",)).notes == ("said", sized)


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


def test_orientation_tags_are_applied_where_asked_for():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    buffer = io.BytesIO()
    stored = Image.new("RGB", (20, 14))
    stored.paste((255, 255, 255), (0, 7, 20, 14))
    stored.save(buffer, "PNG", exif=exif)
    decoded = decode_image(buffer.getvalue(), "a", channels=3, turned=True)
    assert decoded.left_out == ("turned by the orientation tag",)
    assert decoded.pixels.shape == (20, 14, 3)
    assert (decoded.pixels[:, :7] == 255).all()
    assert (decoded.pixels[:, 7:] == 0).all()
    plain = encoded(kind="PNG")
    same = decode_image(plain, "a", channels=3, turned=True)
    assert same.pixels.tobytes() == decode_image(plain, "a", channels=3).pixels.tobytes()
    assert same.left_out == ()


def test_an_opaque_alpha_channel_is_no_transparency():
    opaque = picture("PNG", Image.new("RGBA", (4, 4), (1, 2, 3, 255)))
    assert decode_image(opaque, "a", channels=3).left_out == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer; run `git lfs pull`"),
        (b"<!DOCTYPE html><html>404", "a web page; download the file itself"),
        (b"", "an empty file"),
    ],
)
def test_what_is_there_in_place_of_an_image(content: bytes, said: str):
    with pytest.raises(ImageError, match=rf"cat/0.png: not an image .*: it is {said}"):
        decode_image(content, "cat/0.png", channels=3)
