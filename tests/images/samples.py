"""Small image files, folders and archives for the tests of images."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from hyperzoo.images import ImageSet
from hyperzoo.images.imagenette import CLASSES


def encoded(seed: int = 0, *, kind: str = "JPEG", mode: str = "RGB", width: int = 20) -> bytes:
    """A picture of coarse random blocks, 14 pixels high."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = Image.fromarray(blocks).resize((width, 14)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def write_files(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def imagenette_files(train: int = 2, validation: int = 1) -> dict[str, bytes]:
    """Path within the archive -> content, in the order of nothing in particular."""
    files = {"noisy.csv": b"path", "train/n01440764/._n01440764_0.JPEG": b"of macOS"}
    for split, count in (("val", validation), ("train", train)):
        for label, wordnet_id in enumerate(reversed(CLASSES)):
            for index in reversed(range(count)):
                seed = 1000 * (split == "val") + 10 * label + index
                suffix = "jpg" if index else "JPEG"
                files[f"{split}/{wordnet_id}/{wordnet_id}_{index}.{suffix}"] = encoded(seed)
    return files


def write_archive(
    path: Path,
    files: dict[str, bytes],
    *,
    top: str = "imagenette2-320/",
    more: Iterable[tarfile.TarInfo] = (),
) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(top + name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in more:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return path


def folder_files(classes: Iterable[str] = ("cat", "dog"), images: int = 7) -> dict[str, bytes]:
    return {
        f"{name}/{index}.png": encoded(100 * label + index, kind="PNG")
        for label, name in enumerate(classes)
        for index in range(images)
    }


def random_set(size: int = 6, channels: int = 3) -> ImageSet:
    generator = np.random.default_rng(0)
    return ImageSet(
        name="random",
        class_names=("cat", "dog"),
        train_images=generator.integers(0, 256, (9, size, size, channels), dtype=np.uint8),
        train_labels=np.arange(9) % 2,
        validation_images=generator.integers(0, 256, (4, size, size, channels), dtype=np.uint8),
        validation_labels=np.arange(4) % 2,
    )
