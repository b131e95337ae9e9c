"""From the name of an image source to its images."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hyperzoo.errors import ImageError
from hyperzoo.images.digits import load_digits
from hyperzoo.images.files import check_shape, file_errors
from hyperzoo.images.folder import load_folder
from hyperzoo.images.hub import load_hub
from hyperzoo.images.image_set import ImageSet
from hyperzoo.images.imagenette import load_imagenette
from hyperzoo.images.npz import load_npz
from hyperzoo.images.place import NAMED, holds_arrays, kind_of_place
from hyperzoo.images.published import SOURCES as PUBLISHED
from hyperzoo.images.published import load_published, tell_folder


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What a caller of `load_images` asked for."""

    source: str
    size: int
    channels: int
    path: Path | None
    cache_folder: Path | None

    @property
    def needed_path(self) -> Path:
        if self.path is None:
            raise ImageError(
                f"images '{self.source}' need a path; set images.path, "
                "or say where they lie with --images"
            )
        return self.path


def _digits(request: _Request) -> ImageSet:
    if request.path is not None:
        raise ImageError(
            f"images 'digits' are bundled and take no path, got {request.path}; leave the path "
            "out, or choose another source"
        )
    return load_digits(size=request.size, channels=request.channels)


_LOADERS: dict[str, Callable[[_Request], ImageSet]] = {
    "digits": _digits,
    "imagenette": lambda request: load_imagenette(
        request.path,
        size=request.size,
        channels=request.channels,
        cache_folder=request.cache_folder,
    ),
    "folder": lambda request: load_folder(
        request.needed_path, size=request.size, channels=request.channels
    ),
    "npz": lambda request: load_npz(
        request.needed_path, size=request.size, channels=request.channels
    ),
    "hub": lambda request: load_hub(
        request.needed_path.as_posix(), size=request.size, channels=request.channels
    ),
    **dict.fromkeys(
        PUBLISHED,
        lambda request: load_published(
            request.source, request.needed_path, size=request.size, channels=request.channels
        ),
    ),
}


def load_images(
    source: str,
    *,
    size: int = 32,
    channels: int = 3,
    path: str | Path | None = None,
    cache_folder: str | Path | None = None,
) -> ImageSet:
    """Load images of a source, all of one size.

    Args:
        source: "digits" (bundled with scikit-learn), "imagenette", "folder" (a folder a class),
            "npz" (arrays by name, see `hyperzoo.images.npz.load_npz`), or a published data set:
            "idx" (MNIST and what has its form), "cifar10", "cifar100", "cifar100-coarse", "svhn"
            or "stl10" (see `hyperzoo.images.published.load_published`); or "hub" (a data set of the
            Hugging Face Hub, see `hyperzoo.images.hub.load_hub`).
        size: height and width in pixels, 1 to 4096.
        channels: 3 for RGB, 1 for grey.
        path: where the images lie; needed for all but the first two; for "hub", the data set's name
            there. For "imagenette" the official
            archive, the folder that it unpacks to, or an .npz file; None for the images that
            `prepare_imagenette` left in the cache.
        cache_folder: folder for prepared images; None for the user's (see `cache_file`).

    Returns:
        The images, uint8 [image, size, size, channels], in an order that depends only on the
        files' content and names.

    Raises:
        ImageError: the images can't be found or read, or do not fit what was asked for.
    """
    if source not in _LOADERS:
        raise ImageError(f"unknown image source {source!r}; expected one of {', '.join(_LOADERS)}")
    check_shape(size, channels)
    request = _Request(
        source=source,
        size=size,
        channels=channels,
        path=None if path is None else Path(path).expanduser(),
        cache_folder=None if cache_folder is None else Path(cache_folder).expanduser(),
    )
    with file_errors():
        _check_source(request)
        return _LOADERS[source](request)


def _check_source(request: _Request) -> None:
    """Name the source that reads a path, where its content is clearly that of another one."""
    path, source = request.path, request.source
    if path is None or source not in ("npz", "folder") or not path.exists():
        return
    fitting = source
    with suppress(ImageError):  # its reader tells what it is
        if path.is_dir():
            fitting = tell_folder(path) or "folder"
        elif holds_arrays(path):
            fitting = "npz"
        elif source == "npz":
            fitting = kind_of_place(path)
    if fitting != source:
        what = {"folder": "a folder or an archive of one", "npz": "a file of arrays"}.get(
            fitting, f"a {'folder' if path.is_dir() else 'file'} with the files of {fitting}"
        )
        raise ImageError(
            f"images '{source}': {path} is {what}; set images.source = '{fitting}', or give the "
            "path alone with --images"
        )


def load_images_at(
    place: str | Path, *, size: int = 32, channels: int = 3, as_source: str | None = None
) -> ImageSet:
    """Load images of a place, which decides by itself what they are.

    Args:
        place: "digits" or "imagenette"; or a path: an npz file, a folder, a .tgz or .zip archive
            of a folder, or the files of a published data set. A folder or archive of Imagenette,
            which has its WordNet ids, gets Imagenette's class names. A source's name and a colon
            before the path ("cifar100-coarse:cifar-100-python", "hub:owner/name") choose the
            source.
        size: height and width in pixels, 1 to 4096.
        channels: 3 for RGB, 1 for grey.
        as_source: the source to take where the files can be read in two ways: "folder" for
            Imagenette as a folder like any other, with WordNet ids as class names, or
            "cifar100-coarse" for CIFAR-100's coarse labels.

    Raises:
        ImageError: there is nothing of that name, or the images can't be read.
    """
    source, path = source_at(place, as_source=as_source)
    return load_images(source, size=size, channels=channels, path=path)


def source_at(place: str | Path, *, as_source: str | None = None) -> tuple[str, Path | None]:
    """Source and path of the images at a place, as `load_images` takes them.

    Args:
        place: as for `load_images_at`.
        as_source: as for `load_images_at`.

    Raises:
        ImageError: there is nothing of that name, or nothing that holds images.
    """
    if str(place) in NAMED:
        return str(place), None
    named, colon, rest = str(place).partition(":")
    if colon and named in _LOADERS:
        return named, Path(rest).expanduser()
    path = Path(place).expanduser()
    with file_errors():
        source = kind_of_place(path)
    return _READ_OTHERWISE.get((source, as_source), source), path


# What a place is taken for, and what is asked for -> the source.
_READ_OTHERWISE: dict[tuple[str, str | None], str] = {
    ("imagenette", "folder"): "folder",
    ("cifar100", "cifar100-coarse"): "cifar100-coarse",
}
