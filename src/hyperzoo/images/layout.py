"""Which files of a folder or archive are images of which class and split, told by names alone."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from hyperzoo.errors import ImageError
from hyperzoo.images.decode import Key, Split
from hyperzoo.images.image_set import check_class_names
from hyperzoo.words import ACCENTS, composed

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)
PACKED = (".npz", ".zip", ".tgz", ".tar.gz")
"""How files are called that hold images themselves, and are given by themselves."""
LAYOUT = "<class>/<image>, or train/<class>/<image> and val/<class>/<image>"

_TRAIN = ("train", "training")
_VALIDATION = ("val", "validation", "valid")
_TEST = ("test", "testing")
_SPLIT = re.compile(
    r"(?P<prefix>(?:.*[_-])?)(?P<split>train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?)"
    r"(?:[_-]?(?:sets?|images?|imgs|data|split))?",
    re.DOTALL,
)

_INNER = "folders in class folders"
"""What is counted beside suffixes among what is passed over."""

EVERY_FIFTH = (
    "no folders train and val: of each class's images, sorted by name, the second and every fifth "
    "after it are for validation"
)

Children = Callable[[PurePosixPath], tuple[list[str], list[str]]]
"""Gives the names of the folders and of the files in a folder, sorted, without hidden ones."""


@dataclass(frozen=True)
class Layout:
    """What lies where.

    Attributes:
        class_names: the classes in label order.
        files: path below the place -> what the image is.
        notes: what was assumed and what was passed over.
    """

    class_names: tuple[str, ...]
    files: dict[PurePosixPath, Key]
    notes: tuple[str, ...]


def find_layout(children: Children, place: str) -> Layout:
    """Find the images of each class and split.

    The layout is `train/<class>/<image>` with `val/<class>/<image>`, in any case; `validation` and
    `valid` mean the same as `val`, and `test` does where there is none of them. Without such
    folders it is `<class>/<image>`, and of each class's files, sorted by name, the second and
    every fifth after it are for validation. A class's images may lie one folder deeper where that
    holds all of them, and all of it may lie in one folder. Class names are sorted.

    Args:
        children: gives the content of folders.
        place: the folder or archive, for messages.

    Raises:
        ImageError: another layout, or a class without images, with what was found instead.
    """
    finder = _Finder(children, place)
    top = finder.top()
    splits = finder.splits(top)
    class_names = finder.class_names(splits.values() if splits else [top])
    files = finder.split(splits, class_names) if splits else finder.unsplit(top, class_names)
    return Layout(class_names, files, tuple(finder.all_notes()))


def is_image(file_name: str, suffixes: Iterable[str] = SUFFIXES) -> bool:
    """Whether a file's name ends like an image's; hidden files (macOS's `._x.jpg`) are none."""
    return not file_name.startswith(".") and PurePosixPath(file_name).suffix.lower() in suffixes


def instead_of(place: str, files: Iterable[PurePosixPath]) -> str:
    """Which file is to be given, of those that lie where the images were looked for; "" for none.

    Args:
        place: the folder or archive.
        files: their paths within it.
    """
    packed = [str(PurePosixPath(place, path)) for path in files if _is_packed(path.name)]
    return f"give {'one of ' * (len(packed) > 1)}{_some(packed)} itself" if packed else ""


@dataclass
class _Finder:
    """Looks for images and remembers what is to be said of it."""

    children: Children
    place: str
    notes: list[str] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    deeper: set[str] = field(default_factory=set)
    changed: dict[str, None] = field(default_factory=dict)
    places: dict[PurePosixPath, PurePosixPath] = field(default_factory=dict)

    def top(self) -> PurePosixPath:
        """The folder that holds classes or splits: the place, or the only folder in it."""
        top = PurePosixPath()
        folders, files = self.children(top)
        while len(folders) == 1 and not _named(folders, _TRAIN) and not any(map(is_image, files)):
            top = top / folders[0]
            folders, files = self.children(top)
        if len(folders) < 2 and not _named(folders, _TRAIN):
            return PurePosixPath()  # a class by itself
        if top.name:
            self.notes.append(f"the images lie in '{top}'")
        return top

    def splits(self, top: PurePosixPath) -> dict[Split, PurePosixPath] | None:
        """The folders of the two splits; None where classes lie side by side."""
        folders, _ = self.children(top)
        train = _named(folders, _TRAIN)
        validation, test = _named(folders, _VALIDATION), _named(folders, _TEST)
        if not train or not (validation or test or self.children(top / train[0])[0]):
            return None  # no split, or a class that is called 'train'
        there = validation or [name for name in test if self.children(top / name)[0]]
        if len(train) > 1 or len(there) > 1:
            names = ", ".join(train if len(train) > 1 else there)
            raise ImageError(
                f"{self.place}: expected one folder for each split, got {names}; keep one of them, "
                "and move the others elsewhere"
            )
        if not there:
            if not self.children(top / train[0])[0]:
                both = [train[0], *test]
                raise ImageError(
                    f"{self.place}: expected class folders in {_some(both)}, got none; sort the "
                    f"images into '{train[0]}/<class>'; the layout is {LAYOUT}"
                )
            flat = f"; '{test[0]}' has no class folders" if test else ""
            raise ImageError(
                f"{self.place}: expected a folder 'val' with <class>/<image> beside '{train[0]}', "
                f"got none{flat}; make one, or give '{train[0]}' itself as the folder: then every "
                "fifth image of a class is for validation"
            )
        places = self._entered(top / train[0]), self._entered(top / there[0])
        self._check_validation(*places)
        if train[0] != "train":
            self.notes.append(f"'{train[0]}' is taken for training")
        if there[0] not in ("val", "validation"):
            self.notes.append(f"'{there[0]}' is taken for validation")
        if others := [name for name in folders if name not in (train[0], there[0])]:
            self.notes.append(f"left alone beside '{train[0]}' and '{there[0]}': {_some(others)}")
        return {"train": places[0], "validation": places[1]}

    def _entered(self, split: PurePosixPath) -> PurePosixPath:
        """A split's folder, or the only folder in it where that has its name again."""
        folders, files = self.children(split)
        if folders != [split.name] or any(map(is_image, files)):
            return split
        self.notes.append(f"the images of '{split}' lie in '{split / split.name}'")
        return split / split.name

    def _check_validation(self, train: PurePosixPath, validation: PurePosixPath) -> None:
        """Refuse images that lie in one folder for all classes, as Tiny ImageNet's do."""
        inner, _ = self.children(validation)
        if len(inner) == 1 and inner[0] not in self.children(train)[0]:
            raise ImageError(
                f"{self.place}: '{validation}' holds one folder, '{inner[0]}', which is no class "
                f"of '{train}'; sort its images into '{validation}/<class>', or give '{train}' "
                "itself as the folder: then every fifth image of a class is for validation"
            )

    def class_names(self, folders: Iterable[PurePosixPath]) -> tuple[str, ...]:
        """All classes that any of the folders has, sorted."""
        names: set[str] = set()
        there: list[PurePosixPath] = []
        for folder in folders:
            inner, files = self.children(folder)
            names.update(self._composed(folder, inner))
            self.passed_over.update(map(_suffix, files))
            there += [folder / name for name in files]
            if len(inner) == 1:  # which is a class, or a folder around it all
                there += [folder / inner[0] / name for name in self.children(folder / inner[0])[1]]
        if len(names) < 2:
            packed = "" if any(is_image(p.name) for p in there) else instead_of(self.place, there)
            beside = f", but the folder '{min(names)}'" if names else self._beside()
            if packed or not names:
                raise ImageError(
                    f"{self.place}: no class folders{beside}; "
                    + (packed or f"the layout is {LAYOUT}")
                )
        class_names = tuple(sorted(names))
        check_class_names(self.place, class_names)
        return class_names

    def _check_splits(self, top: PurePosixPath, class_names: tuple[str, ...]) -> None:
        """Refuse splits without class folders, which look like classes; say what may be one."""
        named = [
            name
            for name in class_names
            if _is_split(name) and any(map(is_image, self.children(self._place(top, name))[1]))
        ]
        if len(named) == len(class_names):
            raise ImageError(
                f"{self.place}: expected class folders, got {_some(named)}, which are called as "
                "splits are and hold images; sort them into folders of their classes; the layout "
                f"is {LAYOUT}"
            )
        if named:
            self.notes.append(f"taken for classes, though splits are called so: {_some(named)}")

    def split(
        self, splits: dict[Split, PurePosixPath], class_names: tuple[str, ...]
    ) -> dict[PurePosixPath, Key]:
        """The images of both splits."""
        files = {}
        for split, folder in splits.items():
            missing = []
            for label, name in enumerate(class_names):
                found = self._images(self._place(folder, name))
                missing += [] if found else [name]
                files.update({path: Key(split, label, path.name) for path in found})
            if missing:
                raise ImageError(
                    f"{self.place}, {split} split: no images of {_some(missing)}; every class "
                    f"needs at least one; {self._instead([folder / name for name in missing])}"
                )
        return files

    def unsplit(self, top: PurePosixPath, class_names: tuple[str, ...]) -> dict[PurePosixPath, Key]:
        """The images of classes that lie side by side, every fifth for validation."""
        self._check_splits(top, class_names)
        self.notes.append(EVERY_FIFTH)
        files = {}
        for label, name in enumerate(class_names):
            found = self._images(self._place(top, name))
            if len(found) < 2:
                instead = "add another" if found else self._instead([top / name])
                raise ImageError(
                    f"{self.place}/{top / name}: expected 2 images or more, one to train and one "
                    f"to validate, got {len(found)}; {instead}; the layout is {LAYOUT}"
                )
            for index, path in enumerate(found):
                split: Split = "validation" if index % 5 == 1 else "train"
                files[path] = Key(split, label, path.name)
        return files

    def _composed(self, parent: PurePosixPath, folders: list[str]) -> list[str]:
        """Folders' names as names of classes; remembers which folder is which."""
        names: dict[str, str] = {}
        for folder in folders:
            name = composed(folder)
            if name in names:
                raise ImageError(
                    f"{PurePosixPath(self.place, parent)}: two folders of the class '{name}', "
                    "whose accents are written in two ways; put their images into one"
                )
            names[name] = folder
            if name != folder:
                self.changed[name] = None
                self.places[parent / name] = parent / folder
        return list(names)

    def _place(self, parent: PurePosixPath, class_name: str) -> PurePosixPath:
        """The folder of a class."""
        return self.places.get(parent / class_name, parent / class_name)

    def all_notes(self) -> Iterable[str]:
        """What is to be said, each in a line."""
        yield from self.notes
        if self.changed:
            yield f"{ACCENTS}: {_some(self.changed)}"
        if self.deeper:
            yield f"images lie one folder deeper than their class, in {_some(self.deeper)}"
        if self.passed_over:
            yield f"passed over: {_counted(self.passed_over)}"

    def _images(self, folder: PurePosixPath) -> list[PurePosixPath]:
        """A class's images, sorted by name; counts what else is there."""
        folders, files = self.children(folder)
        images = [folder / name for name in files if is_image(name)]
        if not images and len(folders) == 1:
            images = [
                folder / folders[0] / name
                for name in self.children(folder / folders[0])[1]
                if is_image(name)
            ]
            if images:
                self.deeper.add(f"'{folders[0]}'")
                inner, files = self.children(folder / folders[0])
                folders = inner
        self.passed_over.update(_suffix(name) for name in files if not is_image(name))
        if images and folders:
            self.passed_over[_INNER] += len(folders)
        return images

    def _instead(self, classes: list[PurePosixPath]) -> str:
        """What lies where images were expected, and what to do about it."""
        suffixes: Counter[str] = Counter()
        folders: dict[str, None] = {}
        there: list[PurePosixPath] = []
        for place in classes:
            inner, files = self.children(place)
            there += [place / name for name in files]
            suffixes.update(_suffix(name) for name in files if not is_image(name))
            folders.update(dict.fromkeys(inner))
        where = str(classes[0]) + (f" and {len(classes) - 1} more" if len(classes) > 1 else "")
        if suffixes:
            held = f"{where} hold{'s' * (len(classes) == 1)} {_counted(suffixes)}"
            if packed := instead_of(self.place, there):
                which, one = ("it", "it") if len(there) == 1 else ("them", "one")
                return f"{held}; unpack {which}, or, where {one} holds all classes, {packed}"
            return f"{held}; convert images to PNG or JPEG (read are {', '.join(SUFFIXES)})"
        if folders:
            held = f"{where} hold{'s' * (len(classes) == 1)} the folders {_some(folders)}"
            if any(_SPLIT.fullmatch(name.casefold()) for name in folders):
                return f"{held}, which are splits: give '{classes[0]}' itself as the folder"
            if all(_SPLIT.fullmatch(folder.name.casefold()) for folder in classes):
                return f"{held}; if these are splits, call them train and val"
            return f"{held}: put their images one up"
        return f"{where} {'is' if len(classes) == 1 else 'are'} empty or not there"

    def _beside(self) -> str:
        return f", but {_counted(self.passed_over)}" if self.passed_over else ""


def _named(folders: list[str], names: tuple[str, ...]) -> list[str]:
    """The folders of a split: by its names, else by longer ones (train_images, test_set, seg_val).

    A longer name counts where another split has one with the same beginning beside it: steam_train
    is a class.
    """
    if plain := [folder for folder in folders if folder.casefold() in names]:
        return plain
    found = {folder: _SPLIT.fullmatch(folder.casefold()) for folder in folders}
    splits = {folder: (m["prefix"], m["split"][:2]) for folder, m in found.items() if m}
    return [
        folder
        for folder, (prefix, split) in splits.items()
        if split == names[0][:2]
        and any(other == prefix and own != split for other, own in splits.values())
    ]


def _is_split(name: str) -> bool:
    """Whether a folder is called as a split is, perhaps with a number (Kaggle's `test1`)."""
    found = _SPLIT.fullmatch(re.sub(r"[_-]?[0-9]{1,4}$", "", name.casefold()))
    return found is not None and not found["prefix"]


def _is_packed(file_name: str) -> bool:
    return not file_name.startswith(".") and file_name.lower().endswith(PACKED)


def _suffix(file_name: str) -> str:
    packed = [suffix for suffix in PACKED if file_name.endswith(suffix)]
    return packed[0] if packed else PurePosixPath(file_name).suffix or "without a suffix"


def _counted(suffixes: Counter[str]) -> str:
    """Most first: "6 .jfif, 2 .txt"."""
    ordered = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))
    one = {_INNER: "folder in a class folder"}
    return _some([f"{n} {one.get(what, what) if n == 1 else what}" for what, n in ordered])


def _some(names: Iterable[str]) -> str:
    """A few names, and how many more there are."""
    listed = list(names)
    more = f", and {len(listed) - 8} more" if len(listed) > 8 else ""
    return ", ".join(listed[:8]) + more
