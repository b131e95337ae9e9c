"""The names of the files that data sets consist of."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form in which a data set is published.

    Attributes:
        source: what `load_images` calls the data set.
        telling: where all of these lie in a folder, it is this form.
        needed: the files that it consists of.
        optional: files that are read where they are there.
        unread: files that are published with it, and of which nothing is to be said.
    """

    source: str
    telling: tuple[str, ...]
    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")

CIFAR10_PYTHON = Form(
    source="cifar10",
    telling=("data_batch_1",),
    needed=_BATCHES,
    optional=("batches.meta",),
    unread=("readme.html",),
)
CIFAR10_BINARY = Form(
    source="cifar10",
    telling=("data_batch_1.bin",),
    needed=tuple(f"{name}.bin" for name in _BATCHES),
    optional=("batches.meta.txt",),
    unread=("readme.html",),
)
CIFAR100_PYTHON = Form(
    source="cifar100",
    telling=("train", "test", "meta"),  # names that others use too
    needed=("train", "test", "meta"),
    unread=("file.txt~",),
)
CIFAR100_BINARY = Form(
    source="cifar100",
    telling=("train.bin", "test.bin", "fine_label_names.txt"),
    needed=("train.bin", "test.bin", "fine_label_names.txt"),
    optional=("coarse_label_names.txt",),
)
SVHN = Form(
    source="svhn",
    telling=("train_32x32.mat",),
    needed=("train_32x32.mat", "test_32x32.mat"),
)
STL10 = Form(
    source="stl10",
    telling=("train_X.bin",),
    needed=("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"),
    optional=("class_names.txt",),
    unread=("fold_indices.txt",),
)
IDX = Form(
    source="idx",
    telling=(),  # its files have names of many kinds; see `idx_role`
    needed=("train images", "train labels", "test images", "test labels"),
    optional=("mapping",),
)

FORMS = (CIFAR10_PYTHON, CIFAR10_BINARY, CIFAR100_PYTHON, CIFAR100_BINARY, SVHN, STL10)

_IDX_NAME = re.compile(
    r"(?P<prefix>.*?)[-_.]?(?P<split>train|t10k|test)[-_.](?P<content>images|labels)"
    r"[-_.]idx\d[-_.]ubyte(?:\.gz)?",
    re.IGNORECASE,
)
_MAPPING_NAME = re.compile(r"(?P<prefix>.+)[-_.]mapping\.txt", re.IGNORECASE)


def idx_role(name: str) -> tuple[str, str] | None:
    """What a file of MNIST's kind is, by its name; None for all others.

    Names are `train-images-idx3-ubyte` and `t10k-labels-idx1-ubyte.gz`, also with a dot in place
    of a dash, with `test` for `t10k`, and with a data set's name before: EMNIST has
    `emnist-letters-train-images-idx3-ubyte.gz` and `emnist-letters-mapping.txt`.

    Returns:
        The data set's name ("" where there is none), and which of `IDX`'s files it is.
    """
    if found := _IDX_NAME.fullmatch(name):
        split = "train" if found["split"].lower() == "train" else "test"
        return found["prefix"], f"{split} {found['content'].lower()}"
    if found := _MAPPING_NAME.fullmatch(name):
        return found["prefix"], "mapping"
    return None


def is_known(name: str) -> bool:
    """Whether a file of that name is one that a data set consists of."""
    return idx_role(name) is not None or any(
        name in form.needed or name in form.optional for form in FORMS
    )


@dataclass(frozen=True)
class Group:
    """Files that belong together.

    Attributes:
        form: what they are.
        prefix: the data set's name that their names begin with, or "".
        folder: where they lie.
        files: each of the form's files that is there -> its path.
        spare: files that are there in another packing too, and are not read.
        others: other files that lie there.
    """

    form: Form
    prefix: str
    folder: PurePosixPath
    files: Mapping[str, PurePosixPath]
    spare: tuple[PurePosixPath, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """The files that the form needs and that are not there."""
        return [name for name in self.form.needed if name not in self.files]


def find_groups(paths: Collection[PurePosixPath]) -> list[Group]:
    """All data sets whose files are among some paths, complete or not."""
    folders: defaultdict[PurePosixPath, list[str]] = defaultdict(list)
    for path in sorted(paths):
        folders[path.parent].append(path.name)
    return [
        group
        for folder, names in folders.items()
        for group in (*_of_forms(folder, names), *_of_idx(folder, names))
    ]


def _of_forms(folder: PurePosixPath, names: list[str]) -> list[Group]:
    groups = []
    for form in FORMS:
        if set(form.telling) <= set(names):
            files = {n: folder / n for n in (*form.needed, *form.optional) if n in names}
            others = tuple(n for n in names if n not in files and n not in form.unread)
            groups.append(Group(form, "", folder, files, others=others))
    return groups


def _of_idx(folder: PurePosixPath, names: list[str]) -> list[Group]:
    found: defaultdict[str, dict[str, PurePosixPath]] = defaultdict(dict)
    spare: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
    for name in sorted(names, key=lambda name: (name.lower().endswith(".gz"), name)):
        if (told := idx_role(name)) is not None:
            prefix, role = told
            if role in found[prefix]:
                spare[prefix].append(folder / name)
            else:
                found[prefix][role] = folder / name
    return [
        Group(IDX, prefix, folder, files, tuple(spare[prefix]))
        for prefix, files in found.items()
        if set(files) != {"mapping"}
    ]
