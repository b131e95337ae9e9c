"""Opens a zoo: networks by id, weights by layer and class, all mapped from the files."""

import difflib
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture
from hyperzoo.errors import NetworkNotFoundError, ZooFormatError
from hyperzoo.plan import PlannedNetwork, network_classes
from hyperzoo.recipe import Recipe
from hyperzoo.zoo import layout
from hyperzoo.zoo.document import ZooDocument, read_document
from hyperzoo.zoo.tensors import read_tensors

if TYPE_CHECKING:
    import torch


def open_zoo(path: str | Path, *, mmap: bool = True) -> "Zoo":
    """Open a zoo.

    Weights are mapped when they are first asked for; nothing is copied. Parts that are not
    complete are not there.

    Args:
        path: the zoo's folder.
        mmap: False reads whole files instead of mapping them, for network file systems on which
            mapping is slow or fails.

    Raises:
        ZooNotFoundError: the folder holds no zoo.
        ZooFormatError: the zoo is damaged or of an unknown format version.
    """
    return Zoo(Path(path), read_document(Path(path)), mmap=mmap)


class Zoo:
    """An opened zoo. `len(zoo)` counts the networks that are there.

    Networks are in the plan's order: by index, then class. Wherever an array has a network axis,
    its rows are in the order of `zoo.ids`.
    """

    def __init__(self, path: Path, document: ZooDocument, *, mmap: bool = True) -> None:
        self.path = path
        self._document = document
        self._mmap = mmap
        self._files: dict[Path, dict[str, NDArray[np.float32]]] = {}
        self.plan: list[tuple[PlannedNetwork, ...]] = document.plan()
        # Read now, so that a zoo that grows meanwhile does not change under its reader.
        self.models, self._parts = self._read_models()

    def __len__(self) -> int:
        return len(self.models)

    def __repr__(self) -> str:
        return (
            f"<Zoo {self.recipe.name!r}: {len(self)} of {self.planned} networks "
            f"({self.architecture.name}, {len(self.classes)} classes) in {self.path}>"
        )

    @property
    def recipe(self) -> Recipe:
        """The recipe of the zoo."""
        return self._document.recipe

    @property
    def architecture(self) -> Architecture:
        """The architecture of all networks."""
        return self._document.architecture

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the networks; ("all",) in a multi-class zoo."""
        return network_classes(self.recipe, self.image_classes)

    @property
    def image_classes(self) -> tuple[str, ...]:
        """The classes of the images in label order; a multi-class network's outputs."""
        return self._document.image_classes

    @property
    def image_fingerprint(self) -> str:
        """Fingerprint of the images that the networks were trained on."""
        return self._document.image_fingerprint

    @property
    def images_name(self) -> str:
        """What those images are, for people."""
        return self._document.images_name

    @property
    def planned(self) -> int:
        """How many networks the complete zoo has."""
        return sum(len(part) for part in self.plan)

    @property
    def is_complete(self) -> bool:
        """Whether all parts are there."""
        return len(self._parts) == len(self.plan)

    @property
    def parts(self) -> tuple[int, ...]:
        """The numbers of the parts that are there."""
        return self._parts

    @cached_property
    def ids(self) -> list[str]:
        """The ids of the networks, in the order of every network axis."""
        ids: list[str] = self.models["id"].to_pylist()
        return ids

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {network_id: row for row, network_id in enumerate(self.ids)}

    def weights(
        self, name: str, *, class_name: str | None = None, epoch: int | None = None
    ) -> NDArray[np.float32]:
        """One parameter of all networks, or of those of a class.

        Args:
            name: PyTorch name, e.g. "conv1.weight".
            class_name: only the networks of this class, in the order of their ids.
            epoch: the weights after this epoch, one of the recipe's `checkpoint_epochs`; None
                for the kept ones.

        Returns:
            float32 [network, *shape] in PyTorch's axes. Mapped from the file, and not to be
            written to, where one part holds all networks; a copy otherwise.

        Raises:
            NetworkNotFoundError: there is no such parameter, class or checkpoint.
        """
        shapes = {parameter.name: parameter.shape for parameter in self.architecture.parameters}
        _check_known("parameter", name, shapes)
        self._check_epoch(epoch)
        if class_name is not None:
            _check_known("class", class_name, self.classes)
        pieces = []
        for part in self._parts:
            piece = self._tensors(part, epoch)[name]
            if class_name is not None:
                rows = [n.class_name == class_name for n in self.plan[part]]
                piece = piece if all(rows) else piece[np.array(rows)]
            pieces.append(piece)
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.zeros((0, *shapes[name]), np.float32)

    def matrix(
        self, *, order: Literal["torch", "published"] = "torch", epoch: int | None = None
    ) -> NDArray[np.float32]:
        """All weights of all networks as one matrix.

        Args:
            order: "torch" for the parameter table's order and PyTorch's axes; "published" for the
                order of the published `parameters_flat`: Keras's layers alphabetically, the bias
                before the kernel, Keras's axes.
            epoch: as in `weights`.

        Returns:
            float32 [network, parameter], a new array.
        """
        if order not in ("torch", "published"):
            raise ValueError(f"order must be 'torch' or 'published', got {order!r}")
        self._check_epoch(epoch)
        published = order == "published"
        table = self.architecture.published_order if published else self.architecture.parameters
        matrix = np.empty((len(self), self.architecture.parameter_count), np.float32)
        row = 0
        for part in self._parts:
            tensors, networks = self._tensors(part, epoch), len(self.plan[part])
            column = 0
            for parameter in table:
                tensor = tensors[parameter.name]
                tensor = parameter.to_keras(tensor) if published else tensor
                block = matrix[row : row + networks, column : column + parameter.size]
                block[:] = tensor.reshape(networks, -1)
                column += parameter.size
            row += networks
        return matrix

    def state_dict(self, network_id: str, *, epoch: int | None = None) -> dict[str, "torch.Tensor"]:
        """The weights of a network: PyTorch name -> tensor, own copies.

        Args:
            network_id: the network's id.
            epoch: as in `weights`.

        Raises:
            NetworkNotFoundError: there is no such network or checkpoint.
        """
        import torch

        self._check_epoch(epoch)
        row = self._row(network_id)
        part, own_row = self.models["part"][row].as_py(), self.models["row"][row].as_py()
        tensors = self._tensors(part, epoch)
        return {
            parameter.name: torch.from_numpy(tensors[parameter.name][own_row].copy())
            for parameter in self.architecture.parameters
        }

    def network(self, network_id: str, *, epoch: int | None = None) -> "torch.nn.Module":
        """A network, ready to use.

        Args:
            network_id: the network's id.
            epoch: as in `weights`.

        Returns:
            A module in evaluation mode, from images [image, channel, height, width] in [0, 1] to
            logits [image, output].

        Raises:
            NetworkNotFoundError: there is no such network or checkpoint.
        """
        from hyperzoo.architectures.forward import build_module

        module = build_module(self.architecture)
        module.load_state_dict(self.state_dict(network_id, epoch=epoch))
        return module.eval()

    def history(self, network_id: str | None = None) -> pa.Table:
        """Loss and accuracy over the epochs, a row an epoch, of one network or of all.

        Args:
            network_id: the network's id; None for all networks, in order.

        Returns:
            Columns id, epoch (from 1), training_loss, training_accuracy, validation_loss,
            validation_accuracy.

        Raises:
            NetworkNotFoundError: there is no such network.
        """
        if network_id is None:
            tables = [self._table(layout.history_file(part)) for part in self._parts]
            return pa.concat_tables(tables) if tables else layout.HISTORY_SCHEMA.empty_table()
        part = self.models["part"][self._row(network_id)].as_py()
        table = self._table(layout.history_file(part))
        return table.filter(pc.equal(table["id"], network_id))

    def provenance_of(self, network_id: str) -> dict[str, str]:
        """What the network's bits may depend on: software versions, engine, processor."""
        part = self.models["part"][self._row(network_id)].as_py()
        for run in reversed(self._document.runs):
            if part in run.parts:
                return {**run.software, **run.provenance}
        return {}

    def _row(self, network_id: str) -> int:
        _check_known("network", network_id, self._rows)
        return self._rows[network_id]

    def _check_epoch(self, epoch: int | None) -> None:
        kept = self.recipe.training.checkpoint_epochs
        if epoch is not None and epoch not in kept:
            known = ", ".join(map(str, kept)) or "none"
            raise NetworkNotFoundError(f"no checkpoint of epoch {epoch!r}; epochs kept: {known}")

    def _tensors(self, part: int, epoch: int | None) -> Mapping[str, NDArray[np.float32]]:
        file = layout.weights_file(part, epoch)
        if file not in self._files:
            tensors = read_tensors(self.path / file, mmap=self._mmap)
            networks = len(self.plan[part])
            expected = {p.name: (networks, *p.shape) for p in self.architecture.parameters}
            found = {name: tensor.shape for name, tensor in tensors.items()}
            if found != expected:
                wrong = sorted(
                    name
                    for name in found.keys() | expected.keys()
                    if found.get(name) != expected.get(name)
                )
                raise ZooFormatError(
                    f"{self.path / file}: tensors {', '.join(wrong[:3])} are not as the "
                    f"architecture and the plan say: expected "
                    f"{[expected.get(name) for name in wrong[:3]]}, "
                    f"got {[found.get(name) for name in wrong[:3]]}"
                )
            self._files[file] = tensors
        return self._files[file]

    def _table(self, file: Path) -> pa.Table:
        schema = layout.MODELS_SCHEMA if file.parts[0] == "models" else layout.HISTORY_SCHEMA
        return read_table(self.path / file, schema)

    def _read_models(self) -> tuple[pa.Table, tuple[int, ...]]:
        tables, parts = [], []
        for number, networks in enumerate(self.plan):
            file = layout.models_file(number)
            if not (self.path / file).exists():
                continue
            table = self._table(file)
            if table["id"].to_pylist() != [network.id for network in networks]:
                raise ZooFormatError(
                    f"{self.path / file}: the networks are not those that the recipe plans for "
                    f"part {number}; `hyperzoo verify` tells more"
                )
            tables.append(table.replace_schema_metadata(None))
            parts.append(number)
        empty = layout.MODELS_SCHEMA.empty_table()
        return (pa.concat_tables(tables) if tables else empty), tuple(parts)


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a parquet file whose columns must be those of a schema.

    Raises:
        ZooFormatError: the file is missing, damaged, or has other columns.
    """
    try:
        table = pq.read_table(path, partitioning=None, memory_map=False)
    except (OSError, pa.ArrowException) as error:
        raise ZooFormatError(f"{path} can't be read: {error}") from error
    if not table.schema.equals(schema, check_metadata=False):
        raise ZooFormatError(
            f"{path}: expected columns {', '.join(schema.names)}, got "
            f"{', '.join(table.schema.names)}, or columns of another type"
        )
    return table


def _check_known(what: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name in names:
        return
    nearest = difflib.get_close_matches(str(name), names, n=3)
    listed = ", ".join(nearest or names[:5]) + (", ..." if len(names) > 5 else "")
    hint = "did you mean" if nearest else "there are"
    raise NetworkNotFoundError(f"the zoo has no {what} {name!r}; {hint}: {listed or 'none'}")
