"""What a format is: the one interface behind which other people's files are read and written."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import architecture_names
from hyperzoo.architectures.layers import Normalize
from hyperzoo.exchange.content import Content, check_content, look
from hyperzoo.exchange.network import ForeignNetwork
from hyperzoo.images import ImageSet
from hyperzoo.plan import HYPER_PARAMETERS, PlannedNetwork
from hyperzoo.zoo import Zoo

_logger = logging.getLogger(__name__)

Meter = Callable[[int, int | None], None]
"""Is told how many (networks, bytes) of how many are done."""


def no_meter(done: int, total: int | None) -> None:
    """A meter for those whom it does not interest."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """A zoo that is to be written, and where to.

    Attributes:
        zoo: the zoo.
        folder: an empty folder of the format's own.
        images: the images that the zoo was trained on, for formats that need them.
        meter: is told how many networks of how many are written.
    """

    zoo: Zoo
    folder: Path
    images: ImageSet | None = None
    meter: Meter = no_meter

    @cached_property
    def planned(self) -> list[PlannedNetwork]:
        """The networks that are there, in the order of every network axis.

        Imported ones have the hyper-parameters that their origin tells.
        """
        planned = [network for part in self.zoo.parts_complete for network in self.zoo.plan[part]]
        training = None if self.zoo.imported is None else self.zoo.imported.training
        if training is None:
            return planned
        columns = [key for key in training.columns if key in HYPER_PARAMETERS]
        shared = {key: own for key, own in training.shared.items() if key in HYPER_PARAMETERS}
        rows = self.zoo.models.select(columns).to_pylist()
        told = [shared | {key: own for key, own in row.items() if own is not None} for row in rows]
        return [replace(network, **own) for network, own in zip(planned, told, strict=True)]

    def networks(self) -> Iterator[tuple[PlannedNetwork, Mapping[str, NDArray[np.float32]]]]:
        """Every network with its tensors by PyTorch's names; counts those that are done with."""
        done = 0
        for part in self.zoo.parts_complete:
            stacked = self.zoo.part_weights(part)
            for row in range(len(self.zoo.plan[part])):
                yield self.planned[done], {name: tensor[row] for name, tensor in stacked.items()}
                done += 1
                self.meter(done, len(self.zoo))

    def warn_of_weights_alone(self) -> None:
        """Say what a file of weights alone has no place for, and its reader has to know."""
        name = self.zoo.architecture.name
        if name not in architecture_names():
            _logger.warning(
                "these files hold weights alone, which hyperzoo reads of built-in networks (%s), "
                "so it can't read '%s' back from them; keras-h5 and pytorch can be read back%s",
                ", ".join(architecture_names()),
                name,
                ", the networks of each activation apart" * self.zoo.architecture.is_drawn,
            )
        lost = []
        for layer in self.zoo.architecture.layers:
            if isinstance(layer, Normalize):
                mean, std = (", ".join(map(str, own)) for own in (layer.mean, layer.std))
                lost.append(
                    f"images are scaled by the mean {mean} and the standard deviation {std}"
                )
            if getattr(layer, "activation", "") == "drawn":
                lost.append("networks have activations of their own (the column of models)")
        if lost:
            _logger.warning(
                "these files hold weights alone, and can't say that %s; keras-h5 and pytorch do",
                " and that ".join(dict.fromkeys(lost)),
            )


class Format(ABC):
    """A format of other people's: reads networks, or metrics, or writes a zoo, or several of these.

    `exporting.py` and `importing.py` do once for all what every format needs: folders that are in
    use, interruptions, duplicates, networks that do not fit together.

    Attributes:
        name: as in `--format`.
        description: a clause for `--help`.
        reads: whether `read` gives networks.
        reads_metrics: whether its files hold metrics of networks in place of networks.
        writes: whether `write` writes.
        holds_many: whether a file holds many networks, which files of one each may hold as well.
        has_ids: whether its files say which network is which.
        weights_alone: whether its files say nothing of layers, so that shapes tell them.
        called: what messages call a file of it, with its article.
        contents: what the first bytes of its files may show.
        suffixes: how names of its files end, in any case. A file of such a name that no format
            recognises is damaged or hostile, not something else: `read` is given it to say what is
            wrong.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    reads: ClassVar[bool] = False
    reads_metrics: ClassVar[bool] = False
    writes: ClassVar[bool] = False
    holds_many: ClassVar[bool] = False
    has_ids: ClassVar[bool] = True
    weights_alone: ClassVar[bool] = False
    called: ClassVar[str] = "a file of this format"
    contents: ClassVar[tuple[Content, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = ()

    def has_suffix(self, name: str) -> bool:
        """Whether a file's name ends as those of this format do."""
        return name.lower().endswith(self.suffixes)

    def recognises(self, path: Path) -> bool:
        """Whether a file (or a folder) looks like one of this format.

        Cheap: by the suffix and the first bytes. Raises nothing, whatever the file is.
        """
        return self.has_suffix(path.name) and look(path) in self.contents

    def is_weights(self, path: Path) -> bool:
        """Whether a file that `recognises` took holds weights alone, and says nothing of layers."""
        return self.weights_alone

    def may_be(self, path: Path) -> bool:
        """Whether a file without a network's name may hold one; False for what clearly does not."""
        return True

    def read(
        self, path: Path, meter: Meter | None = None, prefer: str | None = None
    ) -> Iterator[ForeignNetwork]:
        """Read the networks of one file that `recognises` took; in any order, one at a time.

        Args:
            path: the file.
            meter: is told how many bytes (of a file of one network: networks) are read.
            prefer: which of several states of a network is taken where one file has them; None
                for formats whose files have one.

        Raises:
            ForeignFileError: the file is damaged, hostile, or holds something else.
            MissingExtraError: an optional package is not installed.
        """
        check_content(path, self.called, self.contents)
        yield from self.networks_in(path, meter or no_meter)

    def networks_in(self, path: Path, meter: Meter) -> Iterator[ForeignNetwork]:
        """The networks of a file whose first bytes are as they should be; see `read`."""
        raise NotImplementedError(f"{self.name} is not a format of networks")

    def write(self, export: Export) -> int:
        """Write a zoo's networks.

        Plain writes will do: nobody sees the folder before all of it is done.

        Returns:
            How many files were written.

        Raises:
            ExportError: the zoo lacks what the format needs.
            MissingExtraError: an optional package is not installed.
            OSError: the disk refused.
        """
        raise NotImplementedError(f"{self.name} is not a format to write")


class OneNetworkFormat(Format):
    """A format whose files hold one network each."""

    reads = True

    def networks_in(self, path: Path, meter: Meter) -> Iterator[ForeignNetwork]:
        """The network of a file."""
        yield self.network_in(path)
        meter(1, 1)

    @abstractmethod
    def network_in(self, path: Path) -> ForeignNetwork:
        """The network of a file whose first bytes are as they should be; see `read`."""
