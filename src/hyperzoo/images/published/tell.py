"""Which published data set lies at a path, told by the names of its files."""

from collections.abc import Collection
from pathlib import Path, PurePosixPath

from hyperzoo.errors import ImageError
from hyperzoo.images.archive import iterate_names
from hyperzoo.images.decode import MAX_FILE_BYTES
from hyperzoo.images.folder import children
from hyperzoo.images.published.names import FORMS, IDX, Group, find_groups, is_known

SOURCES = (*dict.fromkeys(form.source for form in (IDX, *FORMS)), "cifar100-coarse")
"""The sources of `load_images` that are read here."""

_MOST_RATIO = 100
_DEEPEST = 2
_MOST_FOLDERS = 32
_SPLITS = ("train", "training")


def most_bytes(size: int) -> int:
    """How many bytes may come of a compressed file: far more than pictures give, and no bomb.

    Args:
        size: the file's own bytes.
    """
    return max(MAX_FILE_BYTES, _MOST_RATIO * size)


def known_paths(folder: Path) -> list[PurePosixPath]:
    """The files of data sets in a folder, or up to two folders deeper, relative to it.

    Where images may lie by class, and in folders of many folders, nothing deeper is looked for.
    """
    found: list[PurePosixPath] = []
    level = [PurePosixPath()]
    for _ in range(_DEEPEST + 1):
        deeper: list[PurePosixPath] = []
        for place in level:
            folders, files = children(folder / place)
            found += [place / name for name in files]
            if len(folders) <= _MOST_FOLDERS and not any(n.lower() in _SPLITS for n in folders):
                deeper += [place / name for name in folders]
        level = deeper
    return found


def tell_folder(folder: Path) -> str | None:
    """The source that reads a folder; None where it holds no published data set.

    Raises:
        ImageError: it holds several.
    """
    group = choose_group(find_groups(known_paths(folder)), str(folder))
    return None if group is None else group.form.source


def tell_file(path: Path) -> str | None:
    """The source that reads a file and those beside it; None where it is of no data set."""
    group = group_of_file(path) if is_known(path.name) else None
    return None if group is None else group.form.source


def tell_archive(path: Path) -> tuple[str | None, list[PurePosixPath]]:
    """The source that reads an archive, and the names in it, all of them where there is none.

    Raises:
        ImageError: the archive is damaged.
    """
    names: list[PurePosixPath] = []
    known: list[PurePosixPath] = []
    for name in iterate_names(path, most_bytes(path.stat().st_size)):
        names.append(name)
        if is_known(name.name):
            known.append(name)
            # Not to the end: an archive of pictures takes a while to go through.
            if groups := find_groups(known):
                return groups[0].form.source, names
    return None, names


def group_of_file(path: Path) -> Group | None:
    """The data set that a file belongs to, among the files beside it."""
    names = [PurePosixPath(name) for name in children(path.parent)[1]]
    for group in find_groups(names):
        if PurePosixPath(path.name) in (*group.files.values(), *group.spare):
            return group
    return None


def choose_group(groups: Collection[Group], place: str) -> Group | None:
    """The only complete data set, or else the only one that is begun; None where there is none.

    Raises:
        ImageError: there are several.
    """
    pool = [group for group in groups if not group.missing] or list(groups)
    if len(pool) > 1:
        there = ", ".join(sorted({_shown(group) for group in pool}))
        raise ImageError(
            f"{place}: expected one data set, got {there}; give the folder of one of them, or one "
            "of its files"
        )
    return pool[0] if pool else None


def _shown(group: Group) -> str:
    first = next(iter(group.files.values()))
    return f"{group.form.source} ({first})"
