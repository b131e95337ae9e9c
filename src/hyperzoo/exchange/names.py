"""Which network a file holds: class and index, told by names of files and folders."""

import re
import reprlib
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath

from hyperzoo.architectures import Architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.path_names import (
    ID,
    PREFIX,
    NetworkName,
    is_class,
    name_by_path,
    stems,
    without_suffix,
    without_tails,
)
from hyperzoo.words import ACCENTS, composed, counted, printable

_HOLDER = re.compile(r"\{(?P<holder>[^{}]*)\}|(?P<star>\*+)|(?P<text>[^{}*]+|[{}])")
_HOLDERS = {
    "class": r"(?P<class_name>[^/]+?)",
    "index": r"(?P<index>[0-9]{1,18})",
    "epoch": r"(?P<epoch>[0-9]{1,9})",
}
_EXPECTED = (
    "expected a name such as 'church_649' or 'binary_oneVall_church_649_model.h5', the class of "
    "letters, digits, '_', '-' and '.'"
)
_MOST_SHOWN = 1000


def parse_id(text: str) -> tuple[str, int]:
    """Class and index from a network's id or from the name of its file.

    Args:
        text: e.g. "church_649", "cat-0", "church_649.keras", "church_0_epoch7.pt",
            "binary_oneVall_church_649_model.h5"; no folder.

    Returns:
        Class name and index: ("church", 649).

    Raises:
        ForeignFileError: the text has no class and index, or a class name that no zoo can have.
    """
    name, _ = without_tails(without_suffix(text))
    match = ID.fullmatch(name.removeprefix(PREFIX))
    class_name = (match["class_name"] or match["dashed"]) if match else ""
    if match is None or not is_class(class_name):
        raise ForeignFileError(
            f"can't tell class and index from {reprlib.repr(text)}: {_EXPECTED}; rename it"
        )
    return class_name, int(match["index"] or match["number"])


def file_stem(class_name: str, index: int, architecture: Architecture) -> str:
    """How the published dataset's names of a network's files begin; `parse_id` reads them."""
    prefix = PREFIX if architecture.outputs == 1 else ""
    return f"{prefix}{class_name}_{index}"


def name_files(
    files: Iterable[Path],
    root: Path,
    pattern: str | None = None,
    is_network: Callable[[Path], bool] = lambda file: True,
) -> dict[Path, NetworkName]:
    """Names of the networks of files that hold one each.

    Args:
        files: the files.
        root: the file or folder that is imported.
        pattern: how paths inside the folder are made of `{class}`, `{index}`, `{epoch}`, other text
            and `*`, which stands for any part of a name; None for the names that are known.
        is_network: is asked of a file without a name whether it may hold a network.

    Returns:
        File -> name; files without a name that hold no network are left out.

    Raises:
        ForeignFileError: the pattern is none, or files have no name; the message lists all these.
    """
    compiled = None if pattern is None else _compiled(pattern)
    named: dict[Path, NetworkName] = {}
    unnamed: list[str] = []
    for file in files:
        path, name = _inside(file, root), _name(file, root, compiled)
        if name is not None:
            named[file] = name
        elif is_network(file):
            unnamed.append(path.as_posix())
    if unnamed:
        raise ForeignFileError(_unnamed(unnamed, pattern))
    return named


def name_of(file: Path, root: Path, pattern: str | None) -> NetworkName | None:
    """The name of one file, as of `name_files`; None where it has none."""
    return _name(file, root, None if pattern is None else _compiled(pattern))


def _inside(file: Path, root: Path) -> PurePath:
    return file.relative_to(root) if file != root else PurePath(file.name)


def _name(file: Path, root: Path, compiled: re.Pattern[str] | None) -> NetworkName | None:
    return _by_path(file, root) if compiled is None else _by_pattern(_inside(file, root), compiled)


def _unnamed(paths: list[str], pattern: str | None) -> str:
    shown = "".join(f"\n  {printable(path)}" for path in paths[:_MOST_SHOWN])
    more = f"\n  and {len(paths) - _MOST_SHOWN:,} more" * (len(paths) > _MOST_SHOWN)
    files = counted(len(paths), "file")
    if pattern is not None:
        return (
            f"the name {pattern!r} does not fit {files}:{shown}{more}\nit is matched with the path "
            "inside the folder that is imported, with or without the suffix; * stands for any "
            "part of a name"
        )
    return (
        f"can't tell class and index of {files}:{shown}{more}\n{_EXPECTED}, or a number in a "
        "folder with the class's name (words such as epoch, best or model are no class); rename "
        "them, or say how they are named, such as --name '{class}/run{index}'"
    )


def _by_path(file: Path, root: Path) -> NetworkName | None:
    """A file's name by its path: inside the folder that is imported, and that folder's own name."""
    folders = [folder.name for folder in file.absolute().parents]
    inside = 2 if file == root else len(file.relative_to(root).parts)
    # A file by itself has no folder that is imported, so that none of its own is the last.
    above = folders[inside:]
    own = [*folders[:inside], ""] if file == root else folders[:inside]
    named = (name_by_path(stem, own, above) for stem in stems(file.name))
    return next(filter(None, named), None)


def _compiled(pattern: str) -> re.Pattern[str]:
    parts, holders = [], []
    for match in _HOLDER.finditer(unicodedata.normalize("NFC", pattern)):
        if match["holder"] is not None:
            holders.append(match["holder"])
            parts.append(_HOLDERS.get(match["holder"], ""))
        else:
            parts.append("[^/]*" if match["star"] else re.escape(match["text"]))
    strangers = [holder for holder in holders if holder not in _HOLDERS]
    if strangers or len(set(holders)) < len(holders) or "index" not in holders:
        raise ForeignFileError(
            f"the name {pattern!r} can't be used: expected {{index}} and, unless the networks tell "
            "all classes apart, {class}, each once, also {epoch}, with other text and * between, "
            f"got {', '.join(f'{{{holder}}}' for holder in holders) or 'none of them'}"
        )
    return re.compile("".join(parts), re.DOTALL)


def _by_pattern(path: PurePath, pattern: re.Pattern[str]) -> NetworkName | None:
    # A pattern that was typed has accents in its letters; macOS writes them behind.
    texts = dict.fromkeys((path.as_posix(), unicodedata.normalize("NFC", path.as_posix())))
    names = [name for text in texts for name in (*stems(text), text)]
    match = next(filter(None, map(pattern.fullmatch, names)), None)
    if match is None:
        return None
    facts = match.groupdict()
    told, epoch = facts.get("class_name"), facts.get("epoch")
    class_name = None if told is None else composed(told)
    if class_name is not None and not is_class(class_name):
        return None
    changed = class_name is not None and class_name not in path.as_posix()
    return NetworkName(
        class_name=class_name,
        said=ACCENTS if changed else "",
        index=int(facts["index"]),
        epoch=None if epoch is None else int(epoch),
        variant=next((word for word in ("best", "last") if word in path.stem.lower()), ""),
    )
