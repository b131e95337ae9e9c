"""Finds the files of networks in a folder, names them, and chooses among several of one network."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperzoo.errors import ForeignFileError, did_you_mean
from hyperzoo.exchange.companions import is_companion
from hyperzoo.exchange.content import CUT, TEXTS, Content, look, told
from hyperzoo.exchange.format import Format
from hyperzoo.exchange.names import name_files, name_of
from hyperzoo.exchange.path_names import SUFFIXES, NetworkName
from hyperzoo.exchange.preferring import check_preference, choose
from hyperzoo.exchange.registry import FORMATS
from hyperzoo.words import counted
from hyperzoo.zoo import layout

_MOST_KINDS = 12
_DAMAGED = (Content.UNKNOWN, Content.EMPTY, Content.ZEROS, Content.LFS, Content.HTML, *CUT)
"""What a file without a suffix is that may have been a network."""
_PERHAPS_TABLES = (Content.ABSENT, Content.EMPTY, Content.ZEROS, Content.UNKNOWN, *TEXTS)
"""What a .csv file is that may be of anything; all else is no table, whatever it was to be."""


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
        prefer: what the user prefers, for files that hold several states of a network.
        advice: what tells it apart from other files of the same network, for messages.
        lacks_preferred: whether no file of this network is what the user prefers.
    """

    path: Path
    format: Format
    name: NetworkName | None
    prefer: str | None = None
    advice: str = ""
    lacks_preferred: bool = False


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a user says of names, and of files that hold the same network.

    Attributes:
        name: how the files are named, such as "{class}/run{index}"; see `names.name_files`.
        only: the name of the one format that is read; None for all.
        prefer: which of several files of one network is taken: "best", "last", "ema", "model",
            "weights" or "epoch7", as their names say.
    """

    name: str | None = None
    only: str | None = None
    prefer: str | None = None


def find_foreign(path: str | Path, name: str | None = None) -> Found:
    """Look what a file or a folder holds, without reading the networks.

    Symbolic links inside a folder are passed over: they may lead anywhere.

    Args:
        path: the file or folder.
        name: how files of networks are named; see `names.name_files`.

    Raises:
        ForeignFileError: there is nothing there, nothing that is recognised, what can't be looked
            at, or what has the name of a network but is none.
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
    _check_damaged(others, root, name)
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
        + told(files[0], content)
        for content, files in kinds.items()
    ]
    names = {file.name for file in others}
    if {"weights.npy", "layout.csv"} & names:
        there.insert(
            0,
            "a Small CNN Zoo is read from the folder that holds weights.npy, layout.csv and "
            "metrics.csv.gz, all three",
        )
    if any(file.is_symlink() for file in others):
        there.append("symbolic links are passed over: copy what they lead to (cp -rL)")
    known = "; ".join(f"{e.name} ({e.description})" for e in FORMATS.values() if e.reads)
    listed = "".join(f"\n  {line}" for line in there[:_MOST_KINDS]) or " nothing"
    return f"{root} holds no file of a known format; there:{listed}\nknown: {known}"


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
    check_preference(choice.prefer)
    ones = dict(pair for pair in files if not pair[1].holds_many)
    names = name_files(
        ones, root, choice.name, lambda file: file == root or ones[file].may_be(file)
    )
    if not names and len(ones) == len(files):
        raise ForeignFileError(f"{root} holds no network, but {counted(len(ones), 'file')} of else")
    if nothing := [file for file in ones if file not in names]:
        notes.append(
            f"{counted(len(nothing), 'file')} without a network passed over: {_some(nothing)}"
        )
    preferred = choose(names, ones, choice.prefer)
    sources = [
        Source(
            path=file,
            format=entry,
            name=names.get(file),
            prefer=choice.prefer,
            advice=preferred.advice.get(file, ""),
            lacks_preferred=file in preferred.missing,
        )
        for file, entry in files
        if entry.holds_many or file in preferred.kept
    ]
    return sorted(sources, key=_order), notes + list(preferred.notes)


def _check_damaged(others: Sequence[Path], root: Path, pattern: str | None) -> None:
    """Refuse a file that has the name of a network, but is none: it may be one cut short.

    Files of other suffixes than networks have are something else; those without any suffix may be.
    """
    for file in others:
        if file.is_symlink() or is_companion(file.name):
            continue
        plain = not file.suffix or file.suffix[1:].isdigit()
        named = not plain and file.name.lower().endswith(SUFFIXES)
        content = look(file)
        if _was_to_be_metrics(file, content):
            raise ForeignFileError(
                f"{file}: it has the name of a table, as metrics are, but is {told(file, content)};"
                " if it is none of these networks, move it away"
            )
        # Whole files of torch.save are read under any name.
        if not named and content is not Content.TORCH_CUT and not (plain and content in _DAMAGED):
            continue
        if name_of(file, root, pattern) is not None:
            maybe = "it may be a network cut short; " if content is Content.UNKNOWN else ""
            raise ForeignFileError(
                f"{file}: it has the name of a network, but is {told(file, content)}; {maybe}if it "
                "is none, move it away"
            )


def _was_to_be_metrics(file: Path, content: Content) -> bool:
    """Whether a file is no table, though metrics of the networks may have been in it."""
    if file.suffix.lower() != ".csv":
        return False
    named = "metrics" in file.stem.lower()
    return content not in (_PERHAPS_TABLES if not named else TEXTS)


def _some(files: Sequence[Path]) -> str:
    return ", ".join(file.name for file in files[:3]) + ", ..." * (len(files) > 3)


def _order(source: Source) -> tuple[bool, bool]:
    named_so = source.name is not None and source.name.kind == "weights"
    return source.format.holds_many, source.format.weights_alone or named_so


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
    if is_companion(file.name):
        return None
    # Its reader tells what is wrong with it: nobody should miss a network for a cut file.
    return next((entry for entry in readers if entry.has_suffix(file.name)), None)
