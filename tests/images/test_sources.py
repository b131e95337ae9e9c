"""What every image source must do."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hyperzoo.images import ImageSet, load_images, load_images_at
from hyperzoo.images.npz import write_npz
from tests.images.published.samples import (
    cifar10_binary,
    cifar10_python,
    cifar100_binary,
    cifar100_python,
    idx_files,
    stl10_files,
    svhn_files,
)
from tests.images.samples import (
    folder_files,
    imagenette_files,
    random_set,
    write_archive,
    write_files,
)

Load = Callable[[int, int], ImageSet]


def digits(folder: Path) -> Load:
    return lambda size, channels: load_images("digits", size=size, channels=channels)


def imagenette_archive(folder: Path) -> Load:
    path = write_archive(folder / "imagenette2.tgz", imagenette_files())
    return lambda size, channels: load_images(
        "imagenette", size=size, channels=channels, path=path, cache_folder=folder / "cache"
    )


def imagenette_folder(folder: Path) -> Load:
    write_files(folder / "imagenette2", imagenette_files())
    return lambda size, channels: load_images(
        "imagenette", size=size, channels=channels, path=folder
    )


def split_folder(folder: Path) -> Load:
    write_files(folder / "train", folder_files())
    write_files(folder / "validation", folder_files(images=2))
    return lambda size, channels: load_images("folder", size=size, channels=channels, path=folder)


def unsplit_folder(folder: Path) -> Load:
    write_files(folder, folder_files())
    return lambda size, channels: load_images("folder", size=size, channels=channels, path=folder)


def npz(folder: Path) -> Load:
    def load(size: int, channels: int) -> ImageSet:
        path = folder / f"{size}x{channels}.npz"
        write_npz(random_set(size, channels), path)
        return load_images("npz", size=size, channels=channels, path=path)

    return load


def published(files: Callable[[], dict[str, bytes]]) -> Callable[[Path], Load]:
    def source(folder: Path) -> Load:
        write_files(folder, files())
        return lambda size, channels: load_images_at(folder, size=size, channels=channels)

    source.__name__ = files.__name__
    return source


SOURCES = [
    *(digits, imagenette_archive, imagenette_folder, split_folder, unsplit_folder, npz),
    *map(published, (idx_files, cifar10_python, cifar10_binary, cifar100_python, cifar100_binary)),
    *map(published, (svhn_files, stl10_files)),
]


@pytest.fixture(params=SOURCES, ids=lambda source: source.__name__)
def load(request: pytest.FixtureRequest, tmp_path: Path) -> Load:
    return request.param(tmp_path)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 11])
def test_shapes_types_and_labels(load: Load, size: int, channels: int):
    images = load(size, channels)
    assert images.image_shape == (size, size, channels)
    assert images.name
    for pixels, labels in (
        (images.train_images, images.train_labels),
        (images.validation_images, images.validation_labels),
    ):
        assert (pixels.dtype, pixels.shape) == (np.uint8, (len(labels), size, size, channels))
        assert set(labels.tolist()) == set(range(len(images.class_names)))
        assert labels.dtype == np.int64
        assert not pixels.flags.writeable
        assert pixels.std() > 10


def test_two_loads_give_the_same_bits_and_other_shapes_give_others(load: Load):
    first, second = load(8, 3), load(8, 3)
    assert first.fingerprint == second.fingerprint
    assert first.name == second.name
    np.testing.assert_array_equal(first.train_images, second.train_images)
    assert len({load(*shape).fingerprint for shape in ((8, 3), (8, 1), (9, 3))}) == 3
