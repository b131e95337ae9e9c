"""The networks of other people's files, read one after another into a file with a row a network."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, layer_tables, without_dropout
from hyperzoo.errors import ForeignFileError, HyperzooError
from hyperzoo.exchange.finding import Source
from hyperzoo.exchange.format import Meter
from hyperzoo.exchange.network import ForeignNetwork
from hyperzoo.plan import ALL_CLASSES
from hyperzoo.population import Parameters
from hyperzoo.words import counted, printable
from hyperzoo.zoo.origin import NetworkKey

_MOST_SHOWN = 1000


@dataclass
class Rows:
    """The networks that have been read; their weights lie on disk, a row a network.

    Attributes:
        path: the file of rows.
        architecture: of all networks; without dropouts where networks differ in these.
        first: of the first network.
        sources: network -> where it came from, in the order of the rows.
        places: network -> its row.
    """

    path: Path
    architecture: Architecture | None = None
    first: Architecture | None = None
    sources: dict[NetworkKey, str] = field(default_factory=dict)
    places: dict[NetworkKey, int] = field(default_factory=dict)

    def add(
        self, network: ForeignNetwork, key: NetworkKey, advice: str = ""
    ) -> NDArray[np.float32] | None:
        """Note a network that must fit to the others.

        All rows so far must be on disk.

        Args:
            network: the network.
            key: which one it is.
            advice: how to choose among the files of this network.

        Returns:
            Its row; None where the network is there already, the same bit for bit.
        """
        if self.architecture is None:
            self.architecture = self.first = network.architecture
        if network.architecture != self.architecture:
            self._settle(network)
        tensors = [network.weights[p.name].ravel() for p in self.architecture.parameters]
        row = np.concatenate(tensors).astype("<f4")
        if key in self.sources:
            (there,) = self.weights([self.places[key]])
            if row.tobytes() == b"".join(tensor.tobytes() for tensor in there.values()):
                return None
            raise ForeignFileError(
                f"{network.source} and {self.sources[key]} both hold "
                f"{key.class_name}_{key.index}, and their bits differ; ids are unique: "
                f"{advice or '--only FORMAT takes one by its format'}; --name tells apart what are "
                "two networks"
            )
        self.places[key] = len(self.sources)
        self.sources[key] = network.source
        return row

    def _settle(self, network: ForeignNetwork) -> None:
        """Leave out dropouts, if a network differs from the others in nothing else; or refuse it.

        They hold no weights and act in training alone, which no network of an imported zoo sees.
        """
        own, its = network.architecture, self.first
        assert its is not None  # there are others
        if without_dropout(own) == without_dropout(its):
            self.architecture = without_dropout(own)
            return
        raise ForeignFileError(
            f"{network.source} holds a '{own.name}' with {counted(own.outputs, 'output')}, but "
            f"{next(iter(self.sources.values()))} a '{its.name}' with {its.outputs}"
            f"{_difference(own, its)}; a zoo has one architecture: put the files of each into a "
            "folder of their own, and import these one by one"
        )

    def weights(self, order: Sequence[int]) -> Iterator[Parameters]:
        """The networks' weights in another order, by name."""
        if self.architecture is None:
            return
        shape = (len(self.sources), self.architecture.parameter_count)
        rows = np.memmap(self.path, dtype="<f4", mode="r", shape=shape)
        for row in order:
            numbers, begin, own = np.array(rows[row]), 0, {}
            for parameter in self.architecture.parameters:
                end = begin + parameter.size
                own[parameter.name] = numbers[begin:end].reshape(parameter.shape)
                begin = end
            yield own


@dataclass(frozen=True, kw_only=True)
class RowsRead:
    """What was read.

    Attributes:
        rows: the networks.
        formats: name of a format -> how many networks came in it.
        by_shapes: how many networks' architecture was told by shapes alone.
        notes: what was not taken, assumed or changed, and why.
    """

    rows: Rows
    formats: Counter[str]
    by_shapes: int
    notes: tuple[str, ...]


def read_rows(path: Path, sources: Sequence[Source], meter: Meter | None = None) -> RowsRead:
    """Read all networks of some files, which must fit together.

    The published dataset holds each network three times: in a file of its own and in two of many.
    A file may repeat what others hold, if it is the same bit for bit; one that has no ids is
    passed over beside others.

    Args:
        path: the file of rows to be made.
        sources: the files, in the order in which they are read.
        meter: is told how much of how much is done: bytes of a single file, files of several.

    Raises:
        ForeignFileError: a file is damaged or hostile, or the files do not fit together.
        MissingExtraError: a package that reads the files is not installed.
        OSError: the disk refused.
    """
    rows, formats, told = Rows(path), Counter[str](), Counter[str]()
    by_shapes, notes, copies, lacking = 0, list[str](), list[str](), list[str]()
    nameless = list[Path]()
    has_ids = any(source.format.has_ids for source in sources)
    classes = {source.name.class_name for source in sources if source.name} - {None}
    with path.open("wb") as out:
        for done, source in enumerate(sources, start=1):
            repeated, file = 0, source.path
            if has_ids and not source.format.has_ids:
                notes.append(f"{file} was passed over: its rows have no ids, other files have them")
                _tell(meter, done, len(sources))
                continue
            for network in _networks(source, meter if len(sources) == 1 else None):
                out.flush()  # for `add`
                key, said = _key(network, source, are_alike=len(classes) < 2)
                if key is None:
                    nameless.append(file)
                    continue
                row = rows.add(network, key, source.advice)
                if row is None:
                    repeated += 1
                    continue
                out.write(row.tobytes())
                formats[source.format.name] += 1
                told.update((*network.notes, *filter(None, [said])))
                by_shapes += network.by_shapes
                if source.lacks_preferred and not network.is_preferred:
                    lacking.append(file.name)
            if repeated and source.format.holds_many:
                notes.append(
                    f"{counted(repeated, 'network')} of {file} are in other files too, bit for bit"
                    if repeated > 1
                    else f"1 network of {file} is in another file too, bit for bit"
                )
            elif repeated:
                copies.append(str(file))
            _tell(meter, done, len(sources))
    if nameless:
        raise ForeignFileError(_without_class(nameless))
    if not rows.sources:
        raise ForeignFileError(f"{sources[0].path} holds no networks")
    if copies:
        notes.append(
            f"{counted(len(copies), 'file')} with a network that another file has too, bit for "
            f"bit, which counts once: {', '.join(copies[:3])}{', ...' * (len(copies) > 3)}"
        )
    if lacking:
        notes.append(
            f"{counted(len(lacking), 'network')} without a file of the kind that is preferred "
            f"({sources[0].prefer}), where what there is was taken: {', '.join(lacking[:3])}"
            f"{', ...' * (len(lacking) > 3)}"
        )
    if rows.architecture != rows.first:
        notes.append(
            "networks differ in dropout, which acts in training alone: the zoo's architecture has "
            "none"
        )
    notes += [f"{counted(count, 'network')}: {note}" for note, count in told.items()]
    return RowsRead(rows=rows, formats=formats, by_shapes=by_shapes, notes=tuple(notes))


def _tell(meter: Meter | None, done: int, files: int) -> None:
    """Tell how many of several files are read."""
    if meter is not None and files > 1:
        meter(done, files)


def _key(
    network: ForeignNetwork, source: Source, *, are_alike: bool
) -> tuple[NetworkKey | None, str]:
    """Which network it is: by its file's name, else by the id within the file; and a note.

    None where it is for one class, which its name does not tell.

    Args:
        network: the network.
        source: where it came from.
        are_alike: whether no two names of files have different classes.
    """
    name, outputs = source.name, network.architecture.outputs
    if name is None:
        return NetworkKey(network.class_name, network.index), ""
    if outputs > 1 and (are_alike or name.class_name is None):
        said = (
            f"it tells all classes apart, so {name.class_name!r} in its name is no class, and it "
            f"is called '{ALL_CLASSES}'"
        )
        has_other = name.class_name not in (None, ALL_CLASSES)
        return NetworkKey(ALL_CLASSES, name.index), said if has_other else ""
    if class_name := name.class_name or name.folder:
        return NetworkKey(class_name, name.index), name.said
    return None, ""


def _without_class(files: Sequence[Path]) -> str:
    """What is wrong with files of networks for one class that do not say which."""
    what = "a network" if len(files) == 1 else "networks"
    listed = "".join(f"\n  {printable(str(file))}" for file in files[:_MOST_SHOWN])
    more = f"\n  and {len(files) - _MOST_SHOWN:,} more" if len(files) > _MOST_SHOWN else ""
    return (
        f"{counted(len(files), 'file')} with {what} of one output, which is for one class, and no "
        "class in the name; put {class} into --name, or give the folder the name of the class: "
        f"{listed}{more}"
    )


def _networks(source: Source, meter: Meter | None) -> Iterator[ForeignNetwork]:
    try:
        yield from source.format.read(source.path, meter, source.prefer)
    except OSError as error:
        if isinstance(error, HyperzooError):
            raise
        raise ForeignFileError(f"{source.path} can't be read: {error}") from error


def _difference(one: Architecture, other: Architecture) -> str:
    """The first layer in which two networks that are called the same differ, in words."""
    if (one.name, one.outputs) != (other.name, other.outputs):
        return ""
    if one.input_shape != other.input_shape:
        return f" (images of {one.input_shape}, not {other.input_shape})"
    tables = enumerate(zip_longest(layer_tables(one), layer_tables(other)), 1)
    differing = [(number, a, b) for number, (a, b) in tables if a != b]
    # Two dropouts are no reason to refuse.
    differing.sort(key=lambda own: all(table and "dropout" in table for table in own[1:]))
    number, own, its = differing[0]
    if own is None or its is None:
        return f" (of {len(one.layers)} layers, not {len(other.layers)})"
    keys = [key for key in (*own, *its) if own.get(key) != its.get(key)]
    return f" (layer {number}: {keys[0]} {own.get(keys[0])!r}, not {its.get(keys[0])!r})"
