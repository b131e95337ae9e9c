"""Which of several files of one network are read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.format import Format
from hyperzoo.exchange.path_names import NetworkName
from hyperzoo.words import counted

WORDS = ("best", "last", "ema", "model", "weights")
_EPOCH = re.compile(r"epoch[_=-]?(?P<epoch>[0-9]{1,9})")

Names = Mapping[Path, NetworkName]
Formats = Mapping[Path, Format]


@dataclass(frozen=True, kw_only=True)
class Preferred:
    """What is read.

    Attributes:
        kept: the files to read.
        advice: file -> how to choose among the files of its network that are kept.
        missing: a file of each network of which none is what is preferred.
        notes: what was chosen.
    """

    kept: frozenset[Path]
    advice: Mapping[Path, str]
    missing: frozenset[Path]
    notes: tuple[str, ...]


def check_preference(prefer: str | None) -> None:
    """Check what is preferred.

    Raises:
        ForeignFileError: it is nothing that names tell.
    """
    if prefer is not None and prefer not in WORDS and _EPOCH.fullmatch(prefer) is None:
        raise ForeignFileError(
            f"expected to prefer one of {', '.join(WORDS)} or an epoch such as epoch7, got "
            f"{prefer!r}"
        )


def choose(names: Names, formats: Formats, prefer: str | None) -> Preferred:
    """The files that are read: of several of one network the preferred ones.

    Without a preference the last of the checkpoints in folders of their own is taken, and a
    finished network rather than the epochs on the way to it.

    Args:
        names: file -> which network it holds.
        formats: file -> its format.
        prefer: one of `WORDS`, or an epoch such as "epoch7".

    Raises:
        ForeignFileError: a network has no such epoch.
    """
    groups: dict[tuple[str | None, int, str], list[Path]] = {}
    for file, name in names.items():
        groups.setdefault((name.class_name, name.index, name.folder), []).append(file)
    kept, advice = set[Path](), dict[Path, str]()
    missing, on_the_way = list[Path](), list[Path]()
    trials = [group for group in groups.values() if names[group[0]].is_checkpoint]
    for group in groups.values():
        how = prefer or ("last" if names[group[0]].is_checkpoint else None)
        own = list(group) if how is None else _preferred(group, names, formats, how)
        if not own:
            own = list(group)
            missing.append(group[0])
        finished = [file for file in own if names[file].is_finished]
        if finished and how != "best" and all(f in finished or _is_epoch(names[f]) for f in own):
            if how is None:
                on_the_way += [file for file in own if file not in finished]
            own = finished
        kept.update(own)
        if len(own) > 1:
            none = f"no file of it is what is preferred ({prefer}); " if group[0] in missing else ""
            advice |= dict.fromkeys(own, none + _advice(own, names, formats))
    notes = [*_of_trials(trials, names, kept)]
    if on_the_way:
        notes.append(
            f"{counted(len(on_the_way), 'file')} of single epochs left out beside finished "
            f"networks: {_some(on_the_way)} (--prefer epoch7 takes one)"
        )
    left = [
        file
        for file in names
        if file not in kept and file not in on_the_way and not names[file].is_checkpoint
    ]
    if left:
        notes.append(f"{counted(len(left), 'file')} left out for those preferred ({prefer})")
    return Preferred(
        kept=frozenset(kept), advice=advice, missing=frozenset(missing), notes=tuple(notes)
    )


def _is_epoch(name: NetworkName) -> bool:
    return name.epoch is not None and not name.variant


def _some(files: Sequence[Path]) -> str:
    return ", ".join(file.name for file in files[:3]) + ", ..." * (len(files) > 3)


def _of_trials(trials: Sequence[Sequence[Path]], names: Names, kept: set[Path]) -> list[str]:
    if not trials:
        return []
    chosen = {names[file].epoch for group in trials for file in group if file in kept}
    epochs = ", ".join(map(str, sorted(epoch for epoch in chosen if epoch is not None)[:8]))
    return [
        f"{counted(len(trials), 'trial')} with a folder for each checkpoint: a trial's number "
        f"is the index, of its checkpoints {epochs} is taken (--prefer epoch7 takes another)"
    ]


def _preferred(group: Sequence[Path], names: Names, formats: Formats, prefer: str) -> list[Path]:
    """Of the files of one network those of a kind; none where there is none."""
    if wanted := _EPOCH.fullmatch(prefer):
        return _of_epoch(group, names, int(wanted["epoch"]))
    if prefer in ("model", "weights"):
        if len(group) == 1:
            return list(group)  # the only one, whatever it is
        return [
            file
            for file in group
            if _is_weights(file, names[file], formats[file]) == (prefer == "weights")
        ]
    own = [file for file in group if names[file].variant == prefer]
    if own or prefer != "last":
        return own
    # What is of no epoch is later than any.
    own = [file for file in group if names[file].is_finished]
    epochs = [epoch for file in group if (epoch := names[file].epoch) is not None]
    return own or [file for file in group if epochs and names[file].epoch == max(epochs)]


def _is_weights(file: Path, name: NetworkName, entry: Format) -> bool:
    return name.kind == "weights" or entry.is_weights(file)


def _of_epoch(group: Sequence[Path], names: Names, epoch: int) -> list[Path]:
    own = [file for file in group if names[file].epoch == epoch]
    untold = [file for file in group if names[file].epoch is None]
    if not own and not untold:
        there = ", ".join(sorted(str(names[file].epoch) for file in group)[:20])
        raise ForeignFileError(f"{group[0]}: no epoch {epoch} of it, expected one of {there}")
    return own


def _advice(group: Sequence[Path], names: Names, formats: Formats) -> str:
    """What of `--prefer` chooses among files that were not chosen among yet."""
    epochs = sorted({epoch for file in group if (epoch := names[file].epoch) is not None})
    words = [
        word
        for word in (*WORDS, *(f"epoch{epoch}" for epoch in epochs[:8]))
        if 0 < len(_preferred(group, names, formats, word)) < len(group)
    ]
    several = f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)
    choices = [f"--prefer {several} takes one by its file's name"] if words else []
    if len({formats[file].name for file in group}) > 1:
        choices.append("--only FORMAT takes one by its format")
    if not choices:
        choices.append("keep one of them, and move the others elsewhere")
    return "; ".join(choices)
