"""What several test files share."""

from pathlib import Path

from hyperzoo.images import ImageSet


def few(images: ImageSet, train: int, validation: int) -> ImageSet:
    """The first images of a set; of the digits, 150 and 60 hold every class."""
    return ImageSet(
        name=images.name,
        class_names=images.class_names,
        train_images=images.train_images[:train].copy(),
        train_labels=images.train_labels[:train].copy(),
        validation_images=images.validation_images[:validation].copy(),
        validation_labels=images.validation_labels[:validation].copy(),
    )


def part_files(zoo: Path) -> dict[str, bytes]:
    """The bytes of all parts' files: what must not depend on how a zoo came about."""
    folders = ("models", "history", "weights", "epochs")
    return {
        str(file.relative_to(zoo)): file.read_bytes()
        for folder in folders
        for file in sorted((zoo / folder).rglob("*"))
        if file.is_file()
    }
