"""Which network a file holds: class and index, told by names of files and folders."""

import re
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from hyperzoo.architectures import Architecture
from hyperzoo.errors import ForeignFileError

_PREFIX = "binary_oneVall_"
_SUFFIXES = (
    *(".weights.h5", ".h5", ".hdf5", ".keras", ".safetensors", ".pth.tar", ".pt.tar", ".pth"),
    *(".pt", ".ckpt", ".bin", ".tar", ".pkl", ".pickle", ".p", ".th", ".chkpt", ".checkpoint"),
)
# Two forms, so that "cat_-1" has no class "cat_" and index 1.
_ID = re.compile(
    r"(?P<class_name>.+)_(?P<index>[0-9]{1,18})|(?P<dashed>.*[^\W_])-(?P<number>[0-9]{1,18})",
    re.DOTALL,
)
_TAIL = re.compile(
    r"[_.-](?:(?P<kind>model|weights|state_dict)|(?P<variant>best|last|final|latest)"
    r"|epoch[_=-]?(?P<epoch>[0-9]{1,9}))",
    re.IGNORECASE,
)
_INDEX = re.compile(r"[0-9]{1,18}")
_CHECKPOINT = re.compile(r"checkpoint[_-](?P<epoch>[0-9]{1,9})")
_TRIAL = re.compile(r"(?:.*_)?[0-9a-f]{5,8}_(?P<index>[0-9]{5})(?:_.*)?", re.DOTALL)
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


@dataclass(frozen=True, kw_only=True)
class NetworkName:
    """What a file's name says of its network.

    Attributes:
        class_name: its class; None where no name tells, as for networks that tell all apart.
        index: its index within the class.
        variant: which of several states of it, "best" or "last"; "" where the name does not say.
        epoch: the epoch of that state.
        kind: "model" or "weights", where the name says so.
        folder: the folder of trials that it lies in: its class where its one output is for one.
        is_checkpoint: whether it is one of the checkpoints of a trial, in a folder for each epoch.
    """

    class_name: str | None
    index: int
    variant: str = ""
    epoch: int | None = None
    kind: str = ""
    folder: str = ""
    is_checkpoint: bool = False


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
    name = _parse(text)
    if name is None or name.class_name is None:
        raise ForeignFileError(
            f"can't tell class and index from {reprlib.repr(text)}: {_EXPECTED}; rename it"
        )
    return name.class_name, name.index


def file_stem(class_name: str, index: int, architecture: Architecture) -> str:
    """How the published dataset's names of a network's files begin; `parse_id` reads them."""
    prefix = _PREFIX if architecture.outputs == 1 else ""
    return f"{prefix}{class_name}_{index}"


def name_files(
    files: Iterable[Path], root: Path, pattern: str | None = None
) -> dict[Path, NetworkName]:
    """Names of the networks of files that hold one each.

    Args:
        files: the files.
        root: the file or folder that is imported.
        pattern: how paths inside the folder are made of `{class}`, `{index}`, `{epoch}`, other text
            and `*`, which stands for any part of a name; None for the names that are known.

    Returns:
        File -> name.

    Raises:
        ForeignFileError: the pattern is none, or files have no name; the message lists all these.
    """
    compiled = None if pattern is None else _compiled(pattern)
    named: dict[Path, NetworkName] = {}
    unnamed: list[str] = []
    for file in files:
        path = file.relative_to(root) if file != root else PurePath(file.name)
        name = _by_path(file) if compiled is None else _by_pattern(path, compiled)
        if name is None:
            unnamed.append(path.as_posix())
        else:
            named[file] = name
    if unnamed:
        raise ForeignFileError(_unnamed(unnamed, pattern))
    return named


def _unnamed(paths: list[str], pattern: str | None) -> str:
    shown = "".join(f"\n  {reprlib.repr(path)[1:-1]}" for path in paths[:_MOST_SHOWN])
    more = f"\n  and {len(paths) - _MOST_SHOWN} more" * (len(paths) > _MOST_SHOWN)
    files = f"{len(paths)} file{'s' * (len(paths) > 1)}"
    if pattern is not None:
        return (
            f"the name {pattern!r} does not fit {files}:{shown}{more}\nit is matched with the path "
            "inside the folder that is imported, with or without the suffix; * stands for any "
            "part of a name"
        )
    return (
        f"can't tell class and index of {files}:{shown}{more}\n{_EXPECTED}, or a number in a "
        "folder with the class's name; rename them, or say how they are named, such as "
        "--name '{class}/run{index}'"
    )


def _without_suffix(name: str) -> str:
    end = next((end for end in _SUFFIXES if name.lower().endswith(end)), "")
    return name[: len(name) - len(end)]


def _parse(text: str, folder: str = "") -> NetworkName | None:
    """What a file's name says; a bare number takes the folder's name for its class."""
    name, facts = _without_suffix(text), dict[str, str]()
    while match := next((m for m in _TAIL.finditer(name) if m.end() == len(name)), None):
        facts |= {key: value for key, value in match.groupdict().items() if value is not None}
        name = name[: match.start()]
    name = name.removeprefix(_PREFIX)
    if match := _ID.fullmatch(name):
        class_name = match["class_name"] or match["dashed"]
        index = match["index"] or match["number"]
    elif folder and _INDEX.fullmatch(name):
        class_name, index = folder, name
    else:
        return None
    if not _is_class(class_name):
        return None
    variant, kind = facts.get("variant", "").lower(), facts.get("kind", "").lower()
    return NetworkName(
        class_name=class_name,
        index=int(index),
        variant={"final": "last", "latest": "last"}.get(variant, variant),
        epoch=int(facts["epoch"]) if "epoch" in facts else None,
        kind="weights" if kind == "state_dict" else kind,
    )


def _is_class(name: str) -> bool:
    return all(c.isalnum() or c in "_-." for c in name)


def _by_path(file: Path) -> NetworkName | None:
    """A file's name, in a trial's folder of Ray Tune that of the trial."""
    file = file.absolute()
    checkpoint = _CHECKPOINT.fullmatch(file.parent.name)
    trial, above = file.parent.parent.name, file.parent.parent.parent.name
    if checkpoint is None:
        return _parse(file.name, file.parent.name)
    epoch = int(checkpoint["epoch"])
    if match := _TRIAL.fullmatch(trial):
        index = int(match["index"])
        return NetworkName(
            class_name=None, index=index, epoch=epoch, folder=above, is_checkpoint=True
        )
    name = _parse(trial, above)
    if name is None:
        return _parse(file.name, file.parent.name)
    return replace(name, epoch=epoch, is_checkpoint=True)


def _compiled(pattern: str) -> re.Pattern[str]:
    parts, holders = [], []
    for match in _HOLDER.finditer(pattern):
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
    text = path.as_posix()
    match = pattern.fullmatch(_without_suffix(text)) or pattern.fullmatch(text)
    if match is None:
        return None
    facts = match.groupdict()
    class_name, epoch = facts.get("class_name"), facts.get("epoch")
    if class_name is not None and not _is_class(class_name):
        return None
    return NetworkName(
        class_name=class_name,
        index=int(facts["index"]),
        epoch=None if epoch is None else int(epoch),
        variant=next((word for word in ("best", "last") if word in path.stem.lower()), ""),
    )
