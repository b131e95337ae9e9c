"""Generators on the command line: their files, and the zoos that they fit."""

from pathlib import Path

from hyperzoo.cli.console import out
from hyperzoo.errors import GenerationError, HyperzooError
from hyperzoo.generation.stored import FORMAT, NOT_KEPT, Fitted
from hyperzoo.zoo import Zoo
from hyperzoo.zoo.files import check_file
from hyperzoo.zoo.layout import DOCUMENT_FILE
from hyperzoo.zoo.tensors import ALL_WIDTHS, open_tensors


def keep(generator: Fitted, file: Path) -> None:
    """Write a generator's file, and say so."""
    generator.save(file)
    out.print(f"{file}: the generator, {len(generator.encoded) / 1e6:,.1f} MB", markup=False)


def check_save(file: Path | None, target: Path) -> None:
    """Refuse a generator's file that can't be written, before the fit rather than after it.

    Args:
        file: where the generator is to be kept; None for nowhere.
        target: the folder of the zoo that it is to make.

    Raises:
        GenerationError: it lies in a zoo's folder, or is another file than a generator's.
        ZooWriteError: it can't be written.
    """
    if file is None:
        return
    place = file.resolve()
    zoos = [folder for folder in place.parents if (folder / DOCUMENT_FILE).exists()]
    if target.resolve() in (place, *place.parents):
        zoos = [target]
    if zoos:
        raise GenerationError(
            f"--save {file}: lies in {zoos[0]}, which holds a zoo, or will, and nothing else; give "
            "another place"
        )
    if file.is_file() and file.stat().st_size:
        try:
            old = open_tensors(file, widths=ALL_WIDTHS).metadata.get("format")
        except HyperzooError:
            old = None
        if old != FORMAT:
            raise GenerationError(
                f"--save {file}: is there and is no generator's file; remove it, or give another "
                "name"
            )
    check_file(file, otherwise=NOT_KEPT)


def check_same_architecture(zoo: Zoo, generator: Fitted, file: Path) -> None:
    """Refuse a generator of other networks than a zoo's.

    Raises:
        GenerationError: it makes such.
    """
    own, other = zoo.architecture, generator.architecture
    if own != other:
        alike = (own.name, own.outputs) == (other.name, other.outputs)
        raise GenerationError(
            f"{file} makes networks of '{other.name}' with {other.outputs} output(s), but those of "
            f"{zoo.path} are '{own.name}' with {own.outputs}"
            + (", of other layers" if alike else "")
            + "; give a generator that was fitted on such a zoo"
        )
