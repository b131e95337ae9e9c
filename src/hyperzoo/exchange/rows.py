"""The networks of other people's files, read one after another into a file with a row a network."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import ForeignFileError, HyperzooError
from hyperzoo.exchange.format import Format, Meter
from hyperzoo.exchange.network import ForeignNetwork
from hyperzoo.population import Parameters
from hyperzoo.zoo.origin import NetworkKey


@dataclass
class Rows:
    """The networks that have been read; their weights lie on disk, a row a network.

    Attributes:
        path: the file of rows.
        architecture: of all networks.
        sources: network -> where it came from, in the order of the rows.
        places: network -> its row.
    """

    path: Path
    architecture: Architecture | None = None
    sources: dict[NetworkKey, str] = field(default_factory=dict)
    places: dict[NetworkKey, int] = field(default_factory=dict)

    def add(self, network: ForeignNetwork) -> NDArray[np.float32]:
        """Note a network that must fit to the others; returns its row."""
        key = NetworkKey(network.class_name, network.index)
        if self.architecture is None:
            self.architecture = network.architecture
        if network.architecture != self.architecture:
            first = next(iter(self.sources.values()))
            raise ForeignFileError(
                f"{network.source} holds a '{network.architecture.name}' with "
                f"{network.architecture.outputs} outputs, but {first} a "
                f"'{self.architecture.name}' with {self.architecture.outputs}; a zoo has one "
                "architecture, so import them apart"
            )
        if key in self.sources:
            raise ForeignFileError(
                f"{network.source} and {self.sources[key]} both hold {network.id}; ids are "
                "unique, so import one of them, or rename"
            )
        self.places[key] = len(self.sources)
        self.sources[key] = network.source
        tensors = [network.weights[p.name].ravel() for p in self.architecture.parameters]
        return np.concatenate(tensors).astype("<f4")

    def has_same(self, network: ForeignNetwork) -> bool:
        """Whether a network is there already, the same bit for bit; all rows must be on disk."""
        key = NetworkKey(network.class_name, network.index)
        if key not in self.sources or network.architecture != self.architecture:
            return False
        (there,) = self.weights([self.places[key]])
        return all(there[name].tobytes() == network.weights[name].tobytes() for name in there)

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
        notes: what was not taken, and why.
    """

    rows: Rows
    formats: Counter[str]
    notes: tuple[str, ...]


def read_rows(
    path: Path, files: Sequence[tuple[Path, Format]], meter: Meter | None = None
) -> RowsRead:
    """Read all networks of some files, which must fit together.

    The published dataset holds each network three times: in a file of its own and in two of many.
    A file of many may repeat what others hold, if it is the same bit for bit; one that has no ids
    is passed over beside others.

    Args:
        path: the file of rows to be made.
        files: each with its format.
        meter: is told how much of how much is done: bytes of a single file, files of several.

    Raises:
        ForeignFileError: a file is damaged or hostile, or the files do not fit together.
        MissingExtraError: a package that reads the files is not installed.
        OSError: the disk refused.
    """
    rows, formats, precisions = Rows(path), Counter[str](), Counter[str]()
    notes: list[str] = []
    has_ids = any(entry.has_ids for _, entry in files)
    with path.open("wb") as out:
        ordered = sorted(files, key=lambda pair: pair[1].holds_many)
        for done, (file, entry) in enumerate(ordered, start=1):
            repeated = 0
            if has_ids and not entry.has_ids:
                notes.append(f"{file} was passed over: its rows have no ids, other files have them")
                continue
            for network in _networks(file, entry, meter if len(files) == 1 else None):
                out.flush()  # for `has_same`
                if entry.holds_many and rows.has_same(network):
                    repeated += 1
                    continue
                out.write(rows.add(network).tobytes())
                formats[entry.name] += 1
                precisions[network.precision] += 1
            if repeated:
                notes.append(f"{repeated} networks of {file} are in other files too, bit for bit")
            if meter is not None and len(files) > 1:
                meter(done, len(files))
    if not rows.sources:
        raise ForeignFileError(f"{files[0][0]} holds no networks")
    notes += [
        f"{count} networks computed in {name} where they were made; their weights are float32 and "
        "kept as they are, their answers here are those of float32"
        for name, count in sorted(precisions.items())
        if name != "float32"
    ]
    return RowsRead(rows=rows, formats=formats, notes=tuple(notes))


def _networks(file: Path, entry: Format, meter: Meter | None) -> Iterator[ForeignNetwork]:
    try:
        yield from entry.read(file, meter)
    except OSError as error:
        if isinstance(error, HyperzooError):
            raise
        raise ForeignFileError(f"{file} can't be read: {error}") from error
