"""Images in folders, one folder a class."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from hyperzoo.errors import ImageError
from hyperzoo.images.decode import (
    MAX_FILE_BYTES,
    EncodedImage,
    Key,
    Split,
    check_classes,
    decode_images,
)
from hyperzoo.images.image_set import ImageSet, check_class_names

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif")
_LAYOUT = "<class>/<image>, or train/<class>/<image> and val/<class>/<image>"


def load_folder(path: Path, *, size: int, channels: int) -> ImageSet:
    """Load images from folders, one a class.

    The layout is `train/<class>/<image>` with `val/<class>/<image>` (or `validation`). Without a
    `train` folder it is `<class>/<image>`, and of each class's files, sorted by name, the second
    and every fifth after it are for validation. Class names are sorted, files are told by their
    suffixes, and hidden ones are ignored.

    Args:
        path: the folder.
        size: height and width to resize to, in pixels.
        channels: 3 for RGB, 1 for grey.

    Returns:
        The images, uint8 [image, size, size, channels].

    Raises:
        ImageError: another layout, a class without images, a file that can't be decoded, or a
            link that leads out of the folder.
    """
    if not path.is_dir():
        raise ImageError(f"{path}: expected a folder with {_LAYOUT}")
    class_names, files = _split_files(path) if (path / "train").is_dir() else _unsplit_files(path)
    check_classes(path, files, class_names)
    return decode_images(
        read_files(files),
        name=path.resolve().name,
        place=path,
        class_names=class_names,
        size=size,
        channels=channels,
    )


def list_images(root: Path, folder: Path, suffixes: Collection[str]) -> list[Path]:
    """A folder's image files, sorted by name.

    Raises:
        ImageError: a link leads out of `root`, or something is not a file.
    """
    files = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not is_image(file.name, suffixes) or file.is_dir():
            continue
        if not file.resolve().is_relative_to(root.resolve()):
            raise ImageError(f"{file}: the link leads out of {root}; put the file itself there")
        if not file.is_file():
            raise ImageError(f"{file}: expected a file, got a broken link or a device; remove it")
        files.append(file)
    return files


def is_image(file_name: str, suffixes: Collection[str]) -> bool:
    """Whether a file's name ends like an image's; hidden files (macOS's `._x.jpg`) are none."""
    return not file_name.startswith(".") and Path(file_name).suffix.lower() in suffixes


def read_files(files: Mapping[Key, Path]) -> Iterator[EncodedImage]:
    """Read image files one after another.

    Raises:
        ImageError: a file is too large.
    """
    for key, file in files.items():
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ImageError(f"{file}: larger than {MAX_FILE_BYTES // 2**20} MiB; remove it")
        yield EncodedImage(key, str(file), file.read_bytes())


def _split_files(path: Path) -> tuple[tuple[str, ...], dict[Key, Path]]:
    validation = [path / name for name in ("val", "validation") if (path / name).is_dir()]
    if len(validation) != 1:
        raise ImageError(
            f"{path}: expected one of the folders 'val' and 'validation' beside 'train', "
            f"got {len(validation)}"
        )
    class_names = _class_names(path, path / "train", *validation)
    folders: dict[Split, Path] = {"train": path / "train", "validation": validation[0]}
    files = {
        Key(split, label, file.name): file
        for split, folder in folders.items()
        for label, name in enumerate(class_names)
        if (folder / name).is_dir()
        for file in list_images(path, folder / name, SUFFIXES)
    }
    return class_names, files


def _unsplit_files(path: Path) -> tuple[tuple[str, ...], dict[Key, Path]]:
    class_names = _class_names(path, path)
    files = {}
    for label, name in enumerate(class_names):
        images = list_images(path, path / name, SUFFIXES)
        if len(images) < 2:
            raise ImageError(
                f"{path / name}: expected 2 images or more ({', '.join(SUFFIXES)}), one to train "
                f"and one to validate, got {len(images)}; the layout is {_LAYOUT}"
            )
        for index, file in enumerate(images):
            split: Split = "validation" if index % 5 == 1 else "train"
            files[Key(split, label, file.name)] = file
    return class_names, files


def _class_names(path: Path, *folders: Path) -> tuple[str, ...]:
    names = {
        entry.name
        for folder in folders
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith(".")
    }
    if not names:
        raise ImageError(f"{path}: no class folders; the layout is {_LAYOUT}")
    class_names = tuple(sorted(names))
    check_class_names(str(path), class_names)
    return class_names
