"""What a file's path says of its network: its class, its index, and which state of it is kept."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from hyperzoo.words import ACCENTS, composed

PREFIX = "binary_oneVall_"
"""How the published dataset's names begin; what follows it is class and index for certain."""

SUFFIXES = (
    *(".weights.h5", ".h5", ".hdf5", ".keras", ".safetensors", ".pth.tar", ".pt.tar", ".pth"),
    *(".pt", ".ckpt", ".bin", ".tar", ".pkl", ".pickle", ".p", ".th", ".chkpt", ".checkpoint"),
)
"""How names of networks' files end."""
_OTHER_SUFFIX = re.compile(r"\.[a-z]{1,12}~?\Z|~\Z|\.(?P<number>[0-9]{1,3})\Z", re.IGNORECASE)
"""How any other file's name may end: .txt, .pt.bak, .pt~, .pt.1."""

# Two forms, so that "cat_-1" has no class "cat_" and index 1.
ID = re.compile(
    r"(?P<class_name>.+)_(?P<index>[0-9]{1,18})|(?P<dashed>.*[^\W_])-(?P<number>[0-9]{1,18})",
    re.DOTALL,
)
_TAIL = re.compile(
    r"[_.-](?:(?P<kind>model|weights|state_dict)|(?P<variant>best|last|final|latest|ema)"
    r"|checkpoint|ckpt|chkpt|(?:(?:epoch|ep)[_=-]?|e)(?P<epoch>[0-9]{1,9})"
    r"|(?:global_)?(?:step|iter|iteration|checkpoint|ckpt|chkpt)[_=-]?(?P<step>[0-9]{1,9})"
    r"|(?:(?:val|valid|train|test)_)?(?:loss|acc|accuracy|auc|f1|error)[_=-]?[0-9]+(?:\.[0-9]+)?"
    r")\Z",
    re.IGNORECASE,
)
_VARIANTS = {"final": "last", "latest": "last"}
_STATES = r"best|last|final|latest|ema|model|weights|checkpoint|ckpt|chkpt|net|network"
_MEMBERS = rf"{_STATES}|nn|cnn|lenet5?|smallcnn|seed|run|trial|version|fold|rep(?:eat)?|member"
"""Words that a number follows which counts networks."""
_WORDS = re.compile(
    rf"(?:{_MEMBERS}|pytorch|module|epochs?|steps?|checkpoints|ckpts|models|nets|networks|runs|seeds"
    r"|trials|versions|folds|results?|outputs?|out|logs?|lightning_logs|saved|zoos?|data|files?"
    r"|downloads?|artifacts|exports?|experiments?|tmp|h5|hdf5|keras|torch|safetensors|pickles?)",
    re.IGNORECASE,
)
"""Words of folders and files that are no class by themselves."""
_HEAD = re.compile(rf"(?P<word>{_STATES})[_.-]", re.IGNORECASE)
_END = re.compile(rf"[_.-](?P<word>{_MEMBERS})\Z", re.IGNORECASE)
_MEMBER = re.compile(
    rf"(?:(?P<class_name>.+)[_.-])?(?:{_MEMBERS})(?P<index>[0-9]{{1,18}})",
    re.IGNORECASE | re.DOTALL,
)
_TIME = re.compile(r"(?:epoch|ep|step|iter|iteration)=?[0-9]*", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,18}")
_ANY_NUMBER = re.compile(r"[0-9][0-9.]*")
_SETTING = re.compile(
    r"(?:lr|wd|bs|l1|l2|reg|decay|batch|batchsize|size|width|depth|dim|hidden|dropout|drop|momentum"
    r"|seed|run|trial|version|fold|split|rep(?:eat)?|member)=?[0-9][0-9.]*e?",
    re.IGNORECASE,
)
"""A hyper-parameter or the like, its number right behind it: lr0.001, lr1e (of lr1e-3), fold0."""
_CHECKPOINT = re.compile(r"checkpoint[_-](?P<epoch>[0-9]{1,9})")
_TRIAL = re.compile(r"(?:.*_)?[0-9a-f]{5,8}_(?P<index>[0-9]{5})(?:_.*)?", re.DOTALL)


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
        said: what was assumed of the name, for a note; "" for nothing.
    """

    class_name: str | None
    index: int
    variant: str = ""
    epoch: int | None = None
    kind: str = ""
    folder: str = ""
    is_checkpoint: bool = False
    said: str = field(default="", compare=False)

    @property
    def is_finished(self) -> bool:
        """Whether the name says of no epoch and no state that the network is of it."""
        return self.epoch is None and self.variant in ("", "last")


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one part of a path says: the file's name, or a folder's.

    Attributes:
        class_name: a class; "" for none.
        index: a number that counts networks.
        is_loose: whether that number follows a word without anything between, such as seed0.
        others: as in `NetworkName`.
    """

    class_name: str = ""
    index: int | None = None
    is_loose: bool = False
    variant: str = ""
    epoch: int | None = None
    kind: str = ""
    said: str = ""


def without_suffix(name: str) -> str:
    """A file's name without the suffix, if it is one of networks."""
    end = next((end for end in SUFFIXES if name.lower().endswith(end)), "")
    return name[: len(name) - len(end)]


def stems(name: str) -> Iterator[str]:
    """What may be a file's name without its suffix, the likeliest first.

    A file is known by its content, whatever its name; what follows a dot may also belong to it.
    """
    own = without_suffix(name)
    yield own
    match = _OTHER_SUFFIX.search(name)
    if own == name and match is not None:
        rest = name[: match.start()]
        stem = without_suffix(rest)
        if match["number"] is None or stem != rest:
            yield stem


def is_class(name: str) -> bool:
    """Whether a zoo can have such a class: letters, digits, '_', '-' and '.'."""
    return bool(name) and all(c.isalnum() or c in "_-." for c in name)


def without_tails(name: str) -> tuple[str, Part]:
    """A name without the words at its end that tell a state, and what they tell."""
    facts = dict[str, str]()
    while match := _TAIL.search(name):
        facts |= {key: value for key, value in match.groupdict().items() if value is not None}
        name = name[: match.start()]
    variant, kind = facts.get("variant", "").lower(), facts.get("kind", "").lower()
    time = facts.get("epoch", facts.get("step"))
    return name, Part(
        variant=_VARIANTS.get(variant, variant),
        kind="weights" if kind == "state_dict" else kind,
        epoch=None if time is None else int(time),
    )


def _read(text: str) -> Part | None:
    """What a part of a path says; None where its numbers can't be told apart.

    Words such as epoch, best or model are no class: they tell a state, or that a number behind
    them counts networks.
    """
    if (name := composed(text)) != text:
        found = _read(name)
        return found if found is None else replace(found, said=found.said or ACCENTS)
    # The separator lets the words stand alone: "epoch=3", "best".
    name, part = without_tails(f"_{text}")
    name = name.removeprefix("_")
    if name.startswith(PREFIX):
        match = ID.fullmatch(name.removeprefix(PREFIX))
        if match is None:
            return None
        class_name, index = _id_of(match)
        return replace(part, class_name=class_name, index=index) if is_class(class_name) else None
    if _WORDS.fullmatch(name) or all(map(_is_word, re.split(r"[_.-]", name))):
        return part
    if _NUMBER.fullmatch(name):
        return replace(part, index=int(name))
    if match := _MEMBER.fullmatch(name):
        return _classed(part, match["class_name"] or "", int(match["index"]), is_loose=True)
    if match := ID.fullmatch(name):
        class_name, index = _id_of(match)
        if re.search(r"[_-][0-9]+\Z", class_name) and "-" in (
            name[len(class_name)],
            class_name.rstrip("0123456789")[-1],
        ):
            return None  # cat_0-25: which of the numbers is the index?
        return _classed(part, class_name, index)
    return replace(part, class_name=name) if is_class(name) else None


def _is_word(text: str) -> bool:
    return not text or _WORDS.fullmatch(text) is not None


def _id_of(match: re.Match[str]) -> tuple[str, int]:
    return match["class_name"] or match["dashed"], int(match["index"] or match["number"])


def _classed(part: Part, class_name: str, index: int, *, is_loose: bool = False) -> Part | None:
    """With a class, from whose name words that tell a state are taken, and an index."""
    name, words = class_name, dict[str, None]()
    while name and not _WORDS.fullmatch(name):
        match = _HEAD.match(name) or _END.search(name)
        if match is None:
            break
        words[match["word"].lower()] = None
        name = name[match.end() :] if match.start() == 0 else name[: match.start()]
    if name and _WORDS.fullmatch(name):
        words[name.lower()] = None
        name = ""
    if any(_TIME.fullmatch(word) for word in re.split(r"[_.-]", name)):
        return None
    words_of_name = re.split(r"[_-]", name)
    numbers = [bool(_ANY_NUMBER.fullmatch(word)) for word in words_of_name]
    if any(map(_SETTING.fullmatch, words_of_name)) or any(numbers[1:-1]):
        return None  # cat_0_bs_64, cat_0_lr1e-3, cat_fold0_1: which of the numbers is the index?
    has_number = numbers[-1] and len(numbers) > 1
    if (name and not is_class(name)) or (has_number and (words or is_loose)):
        return None
    said = ""
    if name and words:
        said = f"{', '.join(map(repr, words))} in names is no part of the class"
    elif any(numbers) and len(numbers) > 1:
        said = (
            "names have two numbers, of which the last is the index and the other belongs to the "
            "class; if not, say how they are named: --name '{class}_{index}_{epoch}'"
        )
    state = next((word for word in words if word in ("best", "last", "ema", *_VARIANTS)), "")
    return replace(
        part,
        class_name=name,
        index=index,
        is_loose=is_loose,
        variant=part.variant or _VARIANTS.get(state, state),
        kind=part.kind or ("weights" if "weights" in words else ""),
        said=said,
    )


def name_by_path(
    stem: str, folders: Sequence[str], above: Sequence[str] = ()
) -> NetworkName | None:
    """Which network a file holds, by its name, else by those of the folders that it lies in.

    Args:
        stem: the file's name without its suffix.
        folders: the names of its folders, the nearest first; the last is that which is imported.
        above: the names of the folders above that one, of which Ray Tune's trials need one.

    Returns:
        Its name; None where it can't be told, or in more than one way.
    """
    all_folders = (*folders, *above, "", "")
    checkpoint = _CHECKPOINT.fullmatch(all_folders[0])
    trial = _TRIAL.fullmatch(all_folders[1])
    if checkpoint is not None and trial is not None:
        return NetworkName(
            class_name=None,
            index=int(trial["index"]),
            epoch=int(checkpoint["epoch"]),
            folder=all_folders[2],
            is_checkpoint=True,
            said="the class is the name of the folder that holds the trials",
        )
    if checkpoint is None:
        return _with_folders(_read(stem), folders)
    # In a folder for each checkpoint files are called as all others of their kind.
    found = _with_folders(Part(), folders) or _with_folders(_read(stem), folders)
    if found is None:
        return None
    return replace(found, epoch=int(checkpoint["epoch"]), is_checkpoint=True)


def _with_folders(own: Part | None, folders: Sequence[str]) -> NetworkName | None:
    """What a file's own name leaves open, from its folders up to the one that tells the class."""
    if own is None or (own.class_name and own.index is None):
        return None
    top = False
    for place, folder in enumerate(folders):
        if own.class_name:
            break
        more, is_last = _read(folder), place == len(folders) - 1
        if more is None or (more.index is not None and own.index is not None):
            if is_last:
                break
            return None
        top = bool(more.class_name) and is_last
        own = Part(
            class_name=more.class_name,
            index=more.index if own.index is None else own.index,
            is_loose=own.is_loose or more.is_loose,
            variant=own.variant or more.variant,
            epoch=more.epoch if own.epoch is None else own.epoch,
            kind=own.kind,  # a folder called weights holds whole models as well
            said=own.said or more.said,
        )
    if own.index is None or (own.is_loose and (top or not own.class_name)):
        return None
    return NetworkName(
        class_name=None if top or not own.class_name else own.class_name,
        index=own.index,
        variant=own.variant,
        epoch=own.epoch,
        kind=own.kind,
        folder=own.class_name if top else "",
        said="the class is the name of the folder that is imported" if top else own.said,
    )
