"""Makes a zoo here of one that somebody else made."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.exchange.format import Meter, no_meter
from hyperzoo.exchange.pytorch.load import done_to
from hyperzoo.exchange.runs.comparing import compare
from hyperzoo.exchange.runs.foreign_zoo import Block, ForeignZoo, some
from hyperzoo.images import ImageSet
from hyperzoo.plan import ALL_CLASSES, HYPER_PARAMETERS, PlannedNetwork
from hyperzoo.words import counted
from hyperzoo.zoo import FinishedNetwork, layout
from hyperzoo.zoo.document import ZooDocument
from hyperzoo.zoo.layout import ALWAYS_TOLD
from hyperzoo.zoo.origin import Imported, KnownTraining, NetworkKey
from hyperzoo.zoo.write import write_imported_zoo


def write_foreign_zoo(
    folder: Path,
    zoo: ForeignZoo,
    images: ImageSet | Callable[[Architecture], ImageSet] | None,
    meter: Meter | None,
) -> list[str]:
    """Write a zoo, part by part: only a part's networks are in memory.

    Args:
        folder: an empty folder.
        zoo: what was read.
        images: the images that its networks were tested on; a sample of them is evaluated.
        meter: is told how many networks of how many are written.

    Returns:
        Notes: the reader's, on networks that lack something, and on the comparison with images.

    Raises:
        ForeignFileError: weights are damaged, hostile or of another shape.
        ImageError: the images are not such as the networks take.
        ZooWriteError: the disk refused.
    """
    notes = list(zoo.notes)
    if callable(images):
        images = images(zoo.architecture)
    agreed: ImageSet | None = None
    if images is not None:
        compared = compare(zoo, images)
        notes.append(compared.note)
        agreed = images if compared.agrees else None
    document = _document(zoo, agreed)
    writer = _Parts(zoo, document, meter or no_meter)
    write_imported_zoo(folder, document, writer.parts())
    return [*notes, *done_to(sorted(zoo.done)), *_lacking(zoo), *writer.notes()]


def _document(zoo: ForeignZoo, images: ImageSet | None) -> ZooDocument:
    outputs = zoo.architecture.outputs
    return ZooDocument(
        origin=Imported(
            formats={zoo.format: len(zoo)},
            networks=tuple(NetworkKey(ALL_CLASSES, index) for index in zoo.indices),
            training=KnownTraining(
                epochs=zoo.epochs,
                checkpoint_epochs=zoo.checkpoint_epochs,
                history_epochs=zoo.history_epochs,
                drawn=tuple(
                    key for key in HYPER_PARAMETERS if key in zoo.columns and key not in ALWAYS_TOLD
                ),
                shared=zoo.shared,
                own_columns=tuple(zoo.own_columns),
            ),
        ),
        images_name=zoo.images_name if images is None else images.name,
        image_fingerprint="" if images is None else images.fingerprint,
        image_classes=tuple(f"output_{number}" for number in range(outputs))
        if images is None
        else images.class_names,
        architecture=zoo.architecture,
        sizes=(),
        runs=(),
    )


def _lacking(zoo: ForeignZoo) -> Iterator[str]:
    """What to say of networks that lack checkpoints."""
    ended = _ids(zoo, zoo.last != zoo.epochs)
    if ended:
        yield (
            f"{counted(len(ended), 'network')} whose last checkpoint is not of epoch {zoo.epochs}, "
            f"which count as failed: {some(ended)}"
        )
    holes = np.flatnonzero((zoo.last == zoo.epochs) & ~zoo.there.all(axis=1))
    if len(holes):
        names = [f"all_{zoo.indices[int(place)]}" for place in holes]
        missing = [
            str(epoch)
            for number, epoch in enumerate(zoo.checkpoint_epochs)
            if not zoo.there[holes, number].all()
        ]
        yield (
            f"{counted(len(names), 'network')} without checkpoints of all epochs "
            f"({some(missing)}), which count as failed: {some(names)}; --epochs last "
            "takes their last weights alone"
        )


class _Parts:
    """The parts of a zoo, made one after another; afterwards, what there is to say of them."""

    def __init__(self, zoo: ForeignZoo, document: ZooDocument, meter: Meter) -> None:
        self._zoo, self._document, self._meter = zoo, document, meter
        self._unsound = zoo.lacks | zoo.diverged
        self._broken: list[str] = []
        self._places_of_epochs = {epoch: place for place, epoch in enumerate(zoo.history_epochs)}

    def parts(self) -> Iterator[list[FinishedNetwork]]:
        """Every part's networks, in order."""
        begin = 0
        for planned in self._document.plan():
            places = range(begin, begin + len(planned))
            kept = self._zoo.weights(places, None)
            on_the_way = {
                epoch: self._zoo.weights(places, epoch) for epoch in self._zoo.checkpoint_epochs
            }
            broken = ~_finite(kept, len(planned))
            for number, block in enumerate(on_the_way.values()):
                # Where there is no checkpoint, its weights are NaN and no more is said of them.
                there = self._zoo.there[begin : begin + len(planned), number]
                broken |= there & ~_finite(block, len(planned))
            self._broken += [planned[row].id for row in np.flatnonzero(broken)]
            yield [
                self._finished(network, row, place, kept, on_the_way, is_broken=bool(broken[row]))
                for row, (network, place) in enumerate(zip(planned, places, strict=True))
            ]
            begin += len(planned)
            self._meter(begin, len(self._zoo))

    def _finished(
        self,
        network: PlannedNetwork,
        row: int,
        place: int,
        kept: Block,
        on_the_way: dict[int, Block],
        *,
        is_broken: bool,
    ) -> FinishedNetwork:
        zoo = self._zoo
        sound = not is_broken and not self._unsound[place]
        last, history = int(zoo.last[place]), zoo.history[place]
        metrics: dict[str, float | None] = dict.fromkeys(layout.METRICS)
        if (told := self._places_of_epochs.get(last)) is not None:
            for name, number in (("loss", 2), ("accuracy", 3)):
                value = float(history[told, number])
                metrics[name] = value if np.isfinite(value) else None
        own = {name: values[place] for (name, _), values in zoo.own_columns.items()}
        return FinishedNetwork(
            network=network,
            status="ok" if sound else "failed",
            epoch=last,
            metrics=metrics,
            history={name: history[:, n] for n, name in enumerate(layout.HISTORY_COLUMNS)},
            parameters={name: tensor[row] for name, tensor in kept.items()},
            checkpoints={
                epoch: {name: tensor[row] for name, tensor in block.items()}
                for epoch, block in on_the_way.items()
            },
            columns={key: values[place] for key, values in zoo.columns.items()} | own,
        )

    def notes(self) -> Iterator[str]:
        """What was found on the way."""
        diverged = _ids(self._zoo, self._zoo.diverged)
        if diverged:
            yield (
                f"{counted(len(diverged), 'network')} whose loss is NaN or infinite, which count "
                f"as failed: {some(diverged)}"
            )
        if self._broken:
            yield (
                f"{counted(len(self._broken), 'network')} with weights that are NaN or infinite, "
                f"which count as failed: {some(self._broken)}"
            )


def _ids(zoo: ForeignZoo, chosen: NDArray[np.bool_]) -> list[str]:
    """The ids of some networks."""
    return [f"{ALL_CLASSES}_{zoo.indices[int(place)]}" for place in np.flatnonzero(chosen)]


def _finite(block: Block, networks: int) -> NDArray[np.bool_]:
    """Bool [network], whether all of its weights are finite."""
    finite = np.ones(networks, bool)
    for tensor in block.values():
        finite &= np.all(np.isfinite(tensor.reshape(networks, -1)), axis=1)
    return finite
