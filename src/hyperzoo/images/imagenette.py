"""Imagenette: ten classes of ImageNet, from the official archive or the folder it unpacks to.

Reference: J. Howard, "Imagenette", https://github.com/fastai/imagenette (version 2).
"""

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from hyperzoo.errors import ImageError
from hyperzoo.images.archive import read_archive
from hyperzoo.images.decode import Key, Meter, Split, check_classes, decode_images
from hyperzoo.images.files import cache_file, check_shape, file_errors
from hyperzoo.images.folder import children, list_images, read_files
from hyperzoo.images.image_set import ImageSet
from hyperzoo.images.layout import instead_of, is_image
from hyperzoo.images.npz import load_npz, write_npz

ARCHIVE_URL = "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz"
ARCHIVE_MD5 = "3df6f0d01a2c9592104656642f5e78a3"

# WordNet id -> class name, in label order, which is the order of the ids.
CLASSES = {
    "n01440764": "tench",
    "n02102040": "english_springer",
    "n02979186": "cassette_player",
    "n03000684": "chain_saw",
    "n03028079": "church",
    "n03394916": "french_horn",
    "n03417042": "garbage_truck",
    "n03425413": "gas_pump",
    "n03445777": "golf_ball",
    "n03888257": "parachute",
}
_LABELS = {wordnet_id: label for label, wordnet_id in enumerate(CLASSES)}
_SPLITS: dict[str, Split] = {"train": "train", "val": "validation"}
_SUFFIXES = (".jpeg", ".jpg")


def load_imagenette(
    path: Path | None, *, size: int, channels: int, cache_folder: Path | None = None
) -> ImageSet:
    """Load Imagenette, images in a class sorted by file name.

    Images from an archive are decoded once: the result is kept in the cache under a name with
    the archive's SHA-256, so that archives never mix. A folder is decoded each time, as there is
    no cheap way to see that it has not changed.

    Args:
        path: the official archive, the folder it unpacks to, or an .npz file (see `load_npz`);
            None for the images that `prepare_imagenette` has left in the cache.
        size: height and width to resize to, in pixels.
        channels: 3 for RGB, 1 for grey.
        cache_folder: where prepared images lie; None for the user's cache.

    Returns:
        The images, uint8 [image, size, size, channels].

    Raises:
        ImageError: nothing has been prepared, or the images can't be read.
    """
    if path is not None and (path.is_dir() or path.suffix == ".npz"):
        return _decode(path, size, channels, meter=None)
    cached = _cached(path, size, channels, cache_folder)
    if path is not None and not cached.is_file():
        _keep(_decode(path, size, channels, meter=None), cached)
    if not cached.is_file():
        command = f"hyperzoo images prepare imagenette --size {size} --channels {channels}"
        raise ImageError(
            f"Imagenette has not been prepared ({cached} does not exist); run `{command}`, which "
            f"downloads it, or `{command} --from imagenette2-320.tgz` with an archive at hand"
        )
    return load_npz(cached, size=size, channels=channels, name="imagenette")


def prepare_imagenette(
    from_path: str | Path | None = None,
    *,
    size: int = 32,
    channels: int = 3,
    cache_folder: str | Path | None = None,
    meter: Meter | None = None,
) -> Path:
    """Decode and resize Imagenette once, into the cache where `load_images` finds it.

    Args:
        from_path: the official archive of any resolution, or the folder it unpacks to; None to
            download imagenette2-320.tgz, which is checked and kept in the cache.
        size: height and width to resize to, in pixels.
        channels: 3 for RGB, 1 for grey.
        cache_folder: where to put prepared images; None for the user's cache.
        meter: is told how many images are decoded.

    Returns:
        The file with the images; it is complete, or it is what it was before.

    Raises:
        ImageError: the download failed, the images can't be read, or the cache can't be written.
    """
    check_shape(size, channels)
    folder = None if cache_folder is None else Path(cache_folder).expanduser()
    prepared = _cached(None, size, channels, folder)
    with file_errors():
        path = _download(folder) if from_path is None else Path(from_path).expanduser()
        _keep(_decode(path, size, channels, meter), prepared)
    return prepared


def _keep(images: ImageSet, cached: Path) -> None:
    try:
        write_npz(images, cached)
    except ImageError as error:
        raise ImageError(f"{error} (HYPERZOO_CACHE sets another cache folder)") from error


def _cached(archive: Path | None, size: int, channels: int, folder: Path | None) -> Path:
    """The cache's file for an archive, or for what was prepared."""
    mark = ""
    if archive is not None:
        with archive.open("rb") as file:
            mark = f"-{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    return cache_file(f"imagenette-{size}x{size}x{channels}{mark}.npz", folder)


def _decode(path: Path, size: int, channels: int, meter: Meter | None) -> ImageSet:
    if path.suffix == ".npz":
        return load_npz(path, size=size, channels=channels, name="imagenette")
    files = _files(path) if path.is_dir() else None
    return decode_images(
        read_archive(path, _key) if files is None else read_files(files),
        name="imagenette",
        place=path,
        class_names=tuple(CLASSES.values()),
        size=size,
        channels=channels,
        meter=meter,
        total=None if files is None else len(files),
    )


def is_imagenette(names: Iterable[PurePosixPath]) -> bool:
    """Whether files lie in Imagenette's classes, and in no other class.

    Args:
        names: paths of files; classes are told by the last three names.
    """
    classes = {
        path.parts[-2]
        for path in names
        if len(path.parts) >= 3 and path.parts[-3] in _SPLITS and is_image(path.name)
    }
    return classes == _LABELS.keys()


def _key(path: PurePosixPath) -> Key | None:
    """What an image in the archive is, by its last three names: val/n01440764/x.JPEG."""
    if len(path.parts) < 3 or not is_image(path.name, _SUFFIXES):
        return None
    split, wordnet_id = path.parts[-3:-1]
    if split not in _SPLITS or wordnet_id not in _LABELS:
        return None
    return Key(_SPLITS[split], _LABELS[wordnet_id], path.name)


def _files(path: Path) -> dict[Key, Path]:
    """The images in an unpacked archive, or in the folder around it."""
    roots = [
        folder
        for folder in (path, *sorted(path.iterdir()))
        if (folder / "train").is_dir() and (folder / "val").is_dir()
    ]
    if not roots or (len(roots) > 1 and roots[0] != path):
        packed = instead_of(str(path), map(PurePosixPath, children(path)[1]))
        remedy = packed if packed and not roots else "give the folder that holds 'train'"
        raise ImageError(
            f"{path}: expected one folder with train/<WordNet id> and val/<WordNet id>, as the "
            f"official archive has, got {len(roots)}; {remedy}"
        )
    files = {
        Key(split, label, file.name): file
        for split_name, split in _SPLITS.items()
        for wordnet_id, label in _LABELS.items()
        if (folder := roots[0] / split_name / wordnet_id).is_dir()
        for file in list_images(path, folder, _SUFFIXES)
    }
    # Better now than after minutes of decoding.
    check_classes(path, files, tuple(CLASSES.values()))
    return files


def _download(folder: Path | None) -> Path:
    """The official archive, from the cache or else from its place on the internet."""
    import pooch

    archive = cache_file(ARCHIVE_URL.rpartition("/")[2], folder)
    # pooch would report to standard error.
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        pooch.retrieve(
            ARCHIVE_URL, known_hash=f"md5:{ARCHIVE_MD5}", fname=archive.name, path=archive.parent
        )
    except (OSError, ValueError) as error:  # no network, no space; wrong checksum
        raise ImageError(
            f"can't download {ARCHIVE_URL} to {archive}: {error}; try again, or download it by "
            f"other means (MD5 {ARCHIVE_MD5}) and run `hyperzoo images prepare imagenette --from "
            f"{archive.name}`"
        ) from error
    return archive
