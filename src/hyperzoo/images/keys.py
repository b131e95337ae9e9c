"""Names of the arrays in an .npz file: hyperzoo's own, and those of others that are taken."""

from collections.abc import Sequence

from hyperzoo.errors import ImageError

KEYS = ("train_images", "train_labels", "validation_images", "validation_labels", "class_names")

Keys = dict[str, str]
"""Role (one of KEYS) -> name of the array."""

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}
CONTENTS = {
    "images": ("images", "image", "x", "data", "imgs"),
    "labels": ("labels", "label", "y", "targets", "target"),
}
_CLASS_NAMES = ("class_names", "classes", "label_names")


def choose_keys(names: Sequence[str]) -> tuple[Keys, list[str]]:
    """Choose the arrays of an image set.

    A name is a split and a content, in either order and any case: train, validation (val, valid)
    or test; images (x, data, imgs) or labels (y, targets). So Keras's x_train and y_test are
    taken. Where there is no validation, test is taken for it.

    Args:
        names: the arrays that a file has.

    Returns:
        Role -> name (without "class_names" where there are none), and what was assumed.

    Raises:
        ImageError: an array is missing, or two could be meant.
    """
    found = {
        (split, content): [name for name in names if _meaning(name) == (split, content)]
        for split in SPLITS
        for content in CONTENTS
    }
    tested = not any(found["validation", content] for content in CONTENTS)
    roles = {
        f"{split}_{content}": found["test" if split == "validation" and tested else split, content]
        for split in ("train", "validation")
        for content in CONTENTS
    }
    roles["class_names"] = [name for name in names if name.lower() in _CLASS_NAMES]
    missing = [role for role in KEYS[:-1] if not roles[role]]
    if missing:
        there = f"; there are {', '.join(names[:12])}" if names else ""
        raise ImageError(
            f"no arrays {', '.join(missing)}; expected {', '.join(KEYS)}, or Keras's x_train, "
            f"y_train, x_test, y_test{there}; save numpy.savez(file, {missing[0]}=..., ...)"
        )
    keys = {role: _only(role, own) for role, own in roles.items() if own}
    return keys, _notes(names, keys)


def _meaning(name: str) -> tuple[str, str] | None:
    """Split and content that a name tells of."""
    words = name.lower().split("_")
    for first, second in (words, words[::-1]) if len(words) == 2 else ():
        for split, of_split in SPLITS.items():
            for content, of_content in CONTENTS.items():
                if first in of_split and second in of_content:
                    return split, content
    return None


def _only(role: str, names: list[str]) -> str:
    if role in names:
        return role
    if len(names) > 1:
        raise ImageError(f"{role}: expected one array, got {', '.join(names)}; leave one out")
    return names[0]


def _notes(names: Sequence[str], keys: Keys) -> list[str]:
    notes = []
    if other := {role: name for role, name in keys.items() if name != role}:
        notes.append(f"{', '.join(other.values())} are taken for {', '.join(other)}")
    if passed_over := [name for name in names if name not in keys.values()]:
        notes.append(f"arrays passed over: {', '.join(passed_over)}")
    return notes
