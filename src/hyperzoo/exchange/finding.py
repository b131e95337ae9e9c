"""Finds the files of networks in a folder, names them, and chooses among several of one network."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperzoo.errors import ForeignFileError, did_you_mean
from hyperzoo.exchange.content import Content, look
from hyperzoo.exchange.format import Format
from hyperzoo.exchange.names import NetworkName, name_files
from hyperzoo.exchange.registry import FORMATS
from hyperzoo.words import counted
from hyperzoo.zoo import layout

_MOST_KINDS = 12
_EPOCH = re.compile(r"epoch[_=-]?(?P<epoch>[0-9]{1,9})")
_WORDS = ("best", "last", "model", "weights")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies in a file or folder that is to be imported.

    Attributes:
        networks: files with networks, each with its format, in the order of their names.
        metrics: files with metrics.
        others: files that are passed over.
    """

    networks: tuple[tuple[Path, Format], ...]
    metrics: tuple[Path, ...]
    others: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file to read networks from.

    Attributes:
        path: the file.
        format: its format.
        name: which network it holds; None for files that say so within, or hold many.
    """

    path: Path
    format: Format
    name: NetworkName | None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a user says of names, and of files that hold the same network.

    Attributes:
        name: how the files are named, such as "{class}/run{index}"; see `names.name_files`.
        only: the name of the one format that is read; None for all.
        prefer: which of several files of one network is taken: "best", "last", "model", "weights"
            or "epoch7", as their names say.
    """

    name: str | None = None
    only: str | None = None
    prefer: str | None = None


def find_foreign(path: str | Path) -> Found:
    """Look what a file or a folder holds, without reading the networks.

    Symbolic links inside a folder are passed over: they may lead anywhere.

    Raises:
        ForeignFileError: there is nothing there, nothing that is recognised, or what can't be
            looked at.
    """
    root = Path(path)
    if not root.exists():
        raise ForeignFileError(f"{root} does not exist; give a file or a folder to import")
    networks: list[tuple[Path, Format]] = []
    tables, others = [], []
    try:
        for file in _files(root):
            entry = None if file.is_symlink() and file != root else _recognise(file)
            if entry is None:
                others.append(file)
            elif entry.reads_metrics:
                tables.append(file)
            else:
                networks.append((file, entry))
    except OSError as error:
        raise ForeignFileError(
            f"{error.filename or root} can't be read: {error.strerror or error}"
        ) from error
    if not networks:
        raise ForeignFileError(_nothing(root, others))
    return Found(networks=tuple(networks), metrics=tuple(tables), others=tuple(others))


def _nothing(root: Path, others: Sequence[Path]) -> str:
    """Why nothing can be imported: what lies there instead, and what to do."""
    kinds: dict[Content, list[Path]] = {}
    for file in others:
        if not file.is_symlink():
            kinds.setdefault(look(file), []).append(file)
    there = [
        f"{counted(len(files), 'file')} ({files[0].name}{', ...' * (len(files) > 1)}): "
        f"{content.said}; {content.remedy}"
        for content, files in kinds.items()
    ]
    names = {file.name for file in others}
    if {"weights.npy", "layout.csv"} <= names:
        there.insert(
            0,
            "weights.npy with layout.csv is the layout of the published Small CNN Zoo: "
            "docs/formats.md has the lines of Python that make state_dicts of it",
        )
    if any(file.is_symlink() for file in others):
        there.append("symbolic links are passed over: copy what they lead to (cp -rL)")
    known = "; ".join(f"{e.name} ({e.description})" for e in FORMATS.values() if e.reads)
    listed = "".join(f"\n  {line}" for line in there[:_MOST_KINDS])
    return f"{root} holds no file of a known format; known: {known}\nthere: {listed or 'nothing'}"


def sources_of(found: Found, root: Path, choice: Choice) -> tuple[list[Source], list[str]]:
    """The files that are to be read, in that order, and notes.

    Whole models come before weights alone, and files of one network before those of many: of what
    is there several times, the first is taken, and it should be the one that says most.

    Raises:
        ForeignFileError: files have no name, nothing is left, or the choice is none.
    """
    files, notes = found.networks, list[str]()
    if choice.only is not None:
        known = [entry.name for entry in FORMATS.values() if entry.reads]
        if choice.only not in known:
            hint = did_you_mean(choice.only, known)
            raise ForeignFileError(
                f"no format '{choice.only}' to read{hint} (known: {', '.join(known)})"
            )
        files = tuple(pair for pair in files if pair[1].name == choice.only)
        if not files:
            there = ", ".join(dict.fromkeys(entry.name for _, entry in found.networks))
            raise ForeignFileError(f"{root} holds no {choice.only} file, but {there}")
        if left := len(found.networks) - len(files):
            notes.append(f"{counted(left, 'file')} of other formats left out")
    ones = [file for file, entry in files if not entry.holds_many]
    names = name_files(ones, root, choice.name)
    kept, more = _chosen(names, dict(files), choice.prefer)
    sources = [
        Source(path=file, format=entry, name=names.get(file))
        for file, entry in files
        if entry.holds_many or file in kept
    ]
    return sorted(sources, key=_order), notes + more


def _order(source: Source) -> tuple[bool, bool]:
    named_so = source.name is not None and source.name.kind == "weights"
    return source.format.holds_many, source.format.weights_alone or named_so


def _chosen(
    names: dict[Path, NetworkName], formats: dict[Path, Format], prefer: str | None
) -> tuple[set[Path], list[str]]:
    """The files that are taken, of several of one network the preferred one."""
    wanted = None if prefer is None else _EPOCH.fullmatch(prefer)
    if prefer is not None and wanted is None and prefer not in _WORDS:
        raise ForeignFileError(
            f"expected to prefer one of {', '.join(_WORDS)} or an epoch such as epoch7, got "
            f"{prefer!r}"
        )
    groups: dict[tuple[str | None, int, str], list[Path]] = {}
    for file, name in names.items():
        groups.setdefault((name.class_name, name.index, name.folder), []).append(file)
    kept: set[Path] = set()
    trials = {group[0]: group for group in groups.values() if names[group[0]].is_checkpoint}
    for group in groups.values():
        how = prefer or ("last" if group[0] in trials else None)
        if wanted is not None:
            kept.update(_of_epoch(group, names, int(wanted["epoch"])))
        else:
            kept.update(_preferred(group, names, formats, how))
    notes = []
    if trials:
        chosen = {names[file].epoch for group in trials.values() for file in group if file in kept}
        epochs = ", ".join(map(str, sorted(epoch for epoch in chosen if epoch is not None)[:8]))
        notes.append(
            f"{counted(len(trials), 'trial')} with a folder for each checkpoint: a trial's number "
            f"is the index, of its checkpoints {epochs} is taken (--prefer epoch7 takes another)"
        )
    left = [file for file in names if file not in kept and not names[file].is_checkpoint]
    if left:
        notes.append(f"{counted(len(left), 'file')} left out for those preferred ({prefer})")
    return kept, notes


def _of_epoch(group: Sequence[Path], names: dict[Path, NetworkName], epoch: int) -> list[Path]:
    own = [file for file in group if names[file].epoch == epoch]
    untold = [file for file in group if names[file].epoch is None]
    if not own and not untold:
        there = ", ".join(sorted(str(names[file].epoch) for file in group)[:20])
        raise ForeignFileError(f"{group[0]}: no epoch {epoch} of it, expected one of {there}")
    return own or untold


def _preferred(
    group: Sequence[Path],
    names: dict[Path, NetworkName],
    formats: dict[Path, Format],
    prefer: str | None,
) -> Sequence[Path]:
    """Of the files of one network the preferred ones; all where none is."""
    if len(group) == 1 or prefer is None:
        return group
    if prefer in ("model", "weights"):
        is_weights = {
            file: formats[file].weights_alone or names[file].kind == "weights" for file in group
        }
        own = [file for file in group if is_weights[file] == (prefer == "weights")]
    else:
        own = [file for file in group if names[file].variant == prefer]
        epochs = [epoch for file in group if (epoch := names[file].epoch) is not None]
        if not own and prefer == "last" and epochs:
            own = [file for file in group if names[file].epoch == max(epochs)]
    return own or group


def _files(root: Path) -> Iterator[Path]:
    """The files of a folder and those below, in the order of their names; links as themselves."""
    if root.is_file():
        yield root
        return

    def fail(error: OSError) -> None:
        raise error  # os.walk by itself passes over a folder that it can't look into

    for place, folders, names in os.walk(root, onerror=fail):
        if layout.DOCUMENT_FILE in names:
            raise ForeignFileError(
                f"{place} is a zoo already: open it as it is, or give a folder of other files"
            )
        folders.sort()
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in sorted(names + links):
            file = Path(place, name)
            if not name.startswith(".") and (file.is_symlink() or file.is_file()):
                yield file


def _recognise(file: Path) -> Format | None:
    readers = [entry for entry in FORMATS.values() if entry.reads or entry.reads_metrics]
    for entry in readers:
        if entry.recognises(file):
            return entry
    # Its reader tells what is wrong with it: nobody should miss a network for a cut file.
    return next((entry for entry in readers if entry.has_suffix(file.name)), None)
