"""Opens a zoo: networks by id, weights by layer and class, all mapped from the files."""

import difflib
import operator
import reprlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, varied
from hyperzoo.architectures.layers import ACTIVATIONS
from hyperzoo.errors import NetworkKeyError, NetworkNotFoundError, ZooFormatError
from hyperzoo.plan import OF_THE_ARCHITECTURE, PlannedNetwork, TaskKind
from hyperzoo.recipe import Recipe
from hyperzoo.words import counted
from hyperzoo.zoo import layout
from hyperzoo.zoo.document import ZooDocument, read_document
from hyperzoo.zoo.element import ZooNetwork
from hyperzoo.zoo.hub import download_all, find_on_hub, is_hub_address
from hyperzoo.zoo.origin import Generated, Imported, Origin
from hyperzoo.zoo.parts import IDENTITY, planned_rows, weights_metadata
from hyperzoo.zoo.tables import read_table
from hyperzoo.zoo.tensors import TensorFile, open_tensors

if TYPE_CHECKING:
    import torch

Rows = slice | NDArray[np.int64]


def open_zoo(path: str | Path, *, mmap: bool = True) -> "Zoo":
    """Open a zoo.

    Weights are mapped when they are first asked for; nothing is copied. Parts that are not
    complete are not there.

    Args:
        path: the zoo's folder; or "hf://datasets/owner/name", with "@revision" if need be, for one
            on the Hugging Face Hub: of that, weights and history of a part are downloaded when
            they are first asked for.
        mmap: False reads by offset what is asked for instead of mapping files, for network file
            systems on which mapping is slow or fails.

    Raises:
        ZooNotFoundError: the folder or repository holds no zoo.
        ZooFormatError: the zoo is damaged or of an unknown format version.
        HubError: the Hub can't be reached, or has no such repository or revision.
        MissingExtraError: huggingface_hub is not installed.
    """
    if not is_hub_address(path):
        return Zoo(Path(path), read_document(Path(path)), mmap=mmap)
    folder, locate = find_on_hub(path)
    document = read_document(folder)
    download_all(locate, map(layout.models_file, range(len(document.plan()))))
    return Zoo(folder, document, mmap=mmap, locate=locate)


class Zoo:
    """An opened zoo. `len(zoo)` counts the networks that are there.

    Networks are in the plan's order: by index, then class. Wherever an array has a network axis,
    its rows are in the order of `zoo.ids`.

    Attributes:
        path: the zoo's folder; for one on the Hub, where the cache keeps what has been downloaded.
        plan: all parts with their networks, whether they are there or not.
        models: a row a network that is there: id, class, hyper-parameters, performance.
        parts_complete: the numbers of the parts that are there.
    """

    def __init__(
        self,
        path: Path,
        document: ZooDocument,
        *,
        mmap: bool = True,
        locate: Callable[[Path], Path] | None = None,
    ) -> None:
        self.path = path
        # Gives the place of one of the zoo's files, getting it first if it is elsewhere. Files are
        # opened when they are needed, from wherever the process has gone by then.
        self._locate = locate or partial(operator.truediv, path.absolute())
        self._document = document
        self._mmap = mmap
        self._files: dict[Path, TensorFile] = {}
        self.plan: list[tuple[PlannedNetwork, ...]] = document.plan()
        # Read now, so that a zoo that grows meanwhile does not change under its reader.
        self.models: pa.Table
        self.parts_complete: tuple[int, ...]
        self.models, self.parts_complete = self._read_models()

    def __len__(self) -> int:
        return len(self.models)

    def __getitem__(self, key: int | str) -> ZooNetwork:
        """A network by its id or by its place in `ids`, which may count from the end.

        Raises:
            NetworkNotFoundError: there is no such network.
            NetworkKeyError: it is neither an id nor a whole number.
        """
        if isinstance(key, str):
            self._place(key)
            return ZooNetwork(self, key, self._positions[key])
        if isinstance(key, slice):
            raise NetworkKeyError(
                "a zoo gives one network at a time; for several: [zoo[id] for id in zoo.ids[0:2]]"
            )
        if isinstance(key, bool) or not hasattr(key, "__index__"):
            raise NetworkKeyError(
                "expected a network's id or its place, such as zoo['seven_3'] or zoo[0], got "
                f"{reprlib.repr(key)}"
            )
        place = operator.index(key)
        if not -len(self) <= place < len(self):
            raise NetworkNotFoundError(
                f"the zoo has {counted(len(self), 'network')}, and none at place {place}"
            )
        place %= len(self)
        return ZooNetwork(self, self.ids[place], place)

    def __iter__(self) -> Iterator[ZooNetwork]:
        return (ZooNetwork(self, own, place) for place, own in enumerate(self.ids))

    def __contains__(self, network_id: object) -> bool:
        if isinstance(network_id, ZooNetwork):
            return network_id.zoo is self and network_id.id in self._places
        return network_id in self._places

    def __repr__(self) -> str:
        classes = counted(len(self.classes), "class", "classes")
        return (
            f"<Zoo {self._document.name!r}: {len(self)} of {counted(self.planned, 'network')} "
            f"({self.architecture.name}, {classes}) in {self.path}>"
        )

    @property
    def origin(self) -> Origin:
        """Where the networks come from: trained by a recipe, imported, or generated."""
        return self._document.origin

    @property
    def recipe(self) -> Recipe | None:
        """The recipe of the zoo; None where its networks were imported or generated."""
        return self._document.recipe

    @property
    def name(self) -> str:
        """The recipe's name, "imported", or of generated networks from which zoo and how."""
        return self._document.name

    @property
    def kind(self) -> TaskKind:
        """The networks' task."""
        return self._document.kind

    @property
    def epochs(self) -> int:
        """How many epochs of history a network has; 0 where its training is not known."""
        return self._document.epochs

    @property
    def history_epochs(self) -> tuple[int, ...]:
        """Which these are: from 1 on of a recipe's zoo, those that an imported zoo tells of."""
        return self._document.history_epochs

    @property
    def imported(self) -> Imported | None:
        """Which files the networks came from; None where they were not imported."""
        return self.origin if isinstance(self.origin, Imported) else None

    @property
    def generated(self) -> Generated | None:
        """How the networks were generated, and from what; None where they were not."""
        return self.origin if isinstance(self.origin, Generated) else None

    @property
    def architecture(self) -> Architecture:
        """The architecture of all networks; activations that differ between them are "drawn"."""
        return self._document.architecture

    def architecture_of(self, network_id: str) -> Architecture:
        """The architecture of one network, with the activation and dropout drawn for it.

        Raises:
            NetworkNotFoundError: there is no such network.
            ZooFormatError: an imported network's activation or dropout can be none.
        """
        part, row = self._place(network_id)
        own = self.plan[part][row]
        if not isinstance(self.origin, Imported):
            return varied(self.architecture, activation=own.activation, dropout=own.dropout)
        place = self._positions[network_id]
        drawn = {
            key: self.models[key][place].as_py()
            for key in OF_THE_ARCHITECTURE
            if key in self.models.column_names
        }
        _check_drawn(drawn, self.path, network_id)
        return varied(self.architecture, **drawn)

    @cached_property
    def _positions(self) -> dict[str, int]:
        """Id -> place in `ids`."""
        return {network_id: place for place, network_id in enumerate(self.ids)}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes of the networks; ("all",) in a multi-class zoo."""
        return self._document.network_classes

    @property
    def image_classes(self) -> tuple[str, ...]:
        """The classes of the images in label order; a multi-class network's outputs."""
        return self._document.image_classes

    @property
    def image_fingerprint(self) -> str:
        """Fingerprint of the images that the networks were trained on; "" where not known."""
        return self._document.image_fingerprint

    @property
    def image_counts(self) -> tuple[int, int] | None:
        """How many images there are for training and for validation; None where not known."""
        return self._document.image_counts

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
        return len(self.parts_complete) == len(self.plan)

    @cached_property
    def ids(self) -> list[str]:
        """The ids of the networks, in the order of every network axis."""
        return list(self._places)

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        """Id -> part and row in the part."""
        return {
            network.id: (part, row)
            for part in self.parts_complete
            for row, network in enumerate(self.plan[part])
        }

    def weights(
        self, name: str, class_name: str | None = None, epoch: int | None = None
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
            ZooFormatError: a file of weights is missing or damaged.
        """
        shapes = {parameter.name: parameter.shape for parameter in self.architecture.parameters}
        _check_known("parameter", name, shapes)
        self._check_epoch(epoch)
        pieces = [
            self._file(part, epoch).tensor(name)[rows]
            for part, rows, _ in self._selected(class_name)
        ]
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.zeros((0, *shapes[name]), np.float32)

    def part_weights(self, part: int, epoch: int | None = None) -> dict[str, NDArray[np.float32]]:
        """All parameters of one part's networks, for work that goes through a zoo part by part.

        The file is opened for this call alone: when the arrays are gone, so is the memory that
        its pages took.

        Args:
            part: one of `parts_complete`; its networks are `plan[part]`.
            epoch: as in `weights`.

        Returns:
            PyTorch name -> float32 [network, *shape], mapped from the file.

        Raises:
            NetworkNotFoundError: there is no such complete part or checkpoint.
            ZooFormatError: the file is missing or damaged.
        """
        _check_known("complete part", str(part), [str(known) for known in self.parts_complete])
        self._check_epoch(epoch)
        file = self._open_file(part, epoch)
        return {p.name: file.tensor(p.name) for p in self.architecture.parameters}

    def matrix(
        self,
        order: Literal["torch", "published"] = "torch",
        class_name: str | None = None,
        epoch: int | None = None,
    ) -> NDArray[np.float32]:
        """All weights of all networks, or of those of a class, as one matrix.

        Args:
            order: "torch" for the parameter table's order and PyTorch's axes; "published" for the
                order of the published `parameters_flat`: Keras's layers alphabetically, the bias
                before the kernel, Keras's axes.
            class_name: as in `weights`.
            epoch: as in `weights`.

        Returns:
            float32 [network, parameter], a new array.

        Raises:
            NetworkNotFoundError: there is no such class or checkpoint.
            ZooFormatError: a file of weights is missing or damaged.
            ValueError: there is no such order.
        """
        if order not in ("torch", "published"):
            raise ValueError(f"order must be 'torch' or 'published', got {order!r}")
        self._check_epoch(epoch)
        selected = self._selected(class_name)
        total = sum(count for _, _, count in selected)
        matrix = np.empty((total, self.architecture.parameter_count), np.float32)
        begin = 0
        for part, rows, count in selected:
            self._fill(matrix[begin : begin + count], self._file(part, epoch), rows, order)
            begin += count
        return matrix

    def _fill(self, block: NDArray[np.float32], file: TensorFile, rows: Rows, order: str) -> None:
        """Write the weights of one part's networks into their rows of a matrix."""
        published = order == "published"
        table = self.architecture.published_order if published else self.architecture.parameters
        column = 0
        for parameter in table:
            tensor = file.tensor(parameter.name)[rows]
            tensor = parameter.to_keras(tensor) if published else tensor
            block[:, column : column + parameter.size] = tensor.reshape(len(block), -1)
            column += parameter.size

    def state_dict(self, network_id: str, epoch: int | None = None) -> dict[str, "torch.Tensor"]:
        """The weights of a network: PyTorch name -> tensor, own copies.

        Args:
            network_id: the network's id.
            epoch: as in `weights`.

        Raises:
            NetworkNotFoundError: there is no such network or checkpoint.
            ZooFormatError: a file of weights is missing or damaged.
        """
        import torch

        arrays = self.arrays(network_id, epoch)
        return {
            name: torch.from_numpy(np.array(array, np.float32)) for name, array in arrays.items()
        }

    def arrays(self, network_id: str, epoch: int | None = None) -> dict[str, NDArray[np.float32]]:
        """The weights of a network: PyTorch name -> array that can't be written to.

        Args:
            network_id: the network's id.
            epoch: as in `weights`.

        Raises:
            NetworkNotFoundError: there is no such network or checkpoint.
            ZooFormatError: a file of weights is missing or damaged.
        """
        part, row = self._place(network_id)
        self._check_epoch(epoch)
        file = self._file(part, epoch)
        return {p.name: file.row(p.name, row) for p in self.architecture.parameters}

    def network(self, network_id: str, epoch: int | None = None) -> "torch.nn.Module":
        """A network, ready to use.

        Args:
            network_id: the network's id.
            epoch: as in `weights`.

        Returns:
            A module in evaluation mode, from images [image, channel, height, width] in [0, 1] to
            logits [image, output].

        Raises:
            NetworkNotFoundError: there is no such network or checkpoint.
            ZooFormatError: a file of weights is missing or damaged.
        """
        from hyperzoo.architectures.forward import build_module

        state = self.state_dict(network_id, epoch)
        module = build_module(self.architecture_of(network_id))
        module.load_state_dict(state)
        return module.eval()

    def history(self, network_id: str | None = None) -> pa.Table:
        """Loss and accuracy over the epochs, a row an epoch, of one network or of all.

        Args:
            network_id: the network's id; None for all networks, in order.

        Returns:
            Columns id, epoch (those of `history_epochs`), training_loss, training_accuracy,
            validation_loss, validation_accuracy.

        Raises:
            NetworkNotFoundError: there is no such network.
            ZooFormatError: a file of the history is missing or damaged.
        """
        if network_id is not None:
            import pyarrow.compute as pc

            part, _ = self._place(network_id)
            table = self._history(part)
            return table.filter(pc.equal(table["id"], network_id))
        tables = [self._history(part) for part in self.parts_complete]
        return pa.concat_tables(tables) if tables else layout.HISTORY_SCHEMA.empty_table()

    def provenance_of(self, network_id: str) -> dict[str, str]:
        """What the network's bits may depend on: software versions, engine, processor.

        Raises:
            NetworkNotFoundError: there is no such network.
        """
        part, _ = self._place(network_id)
        for run in reversed(self._document.runs):
            if part in run.parts:
                return {**run.software, **run.provenance}
        return {}

    def _place(self, network_id: str) -> tuple[int, int]:
        _check_known("network", network_id, self._places)
        return self._places[network_id]

    def _selected(self, class_name: str | None) -> list[tuple[int, Rows, int]]:
        """The complete parts with networks of a class (None: of any), their rows, how many."""
        if class_name is None:
            return [(part, slice(None), len(self.plan[part])) for part in self.parts_complete]
        _check_known("class", class_name, self.classes)
        selected = []
        for part in self.parts_complete:
            rows = [row for row, own in enumerate(self.plan[part]) if own.class_name == class_name]
            if rows:
                selected.append((part, _as_slice(rows), len(rows)))
        return selected

    def _check_epoch(self, epoch: int | None) -> None:
        kept = self._document.checkpoint_epochs
        if epoch is not None and epoch not in kept:
            known = ", ".join(map(str, kept)) or "none"
            raise NetworkNotFoundError(
                f"the zoo has no checkpoint of epoch {epoch!r}; epochs kept: {known}"
            )

    def _file(self, part: int, epoch: int | None) -> TensorFile:
        """A part's weights, opened when they are first asked for."""
        name = layout.weights_file(part, epoch)
        if name not in self._files:
            self._files[name] = self._open_file(part, epoch)
        return self._files[name]

    def _open_file(self, part: int, epoch: int | None) -> TensorFile:
        name = layout.weights_file(part, epoch)
        file = open_tensors(self._locate(name), mmap=self._mmap)
        check_weights(file, part, epoch, len(self.plan[part]), self.architecture)
        return file

    def _history(self, part: int) -> pa.Table:
        rows = len(self.plan[part]) * self.epochs
        return read_table(self._locate(layout.history_file(part)), layout.HISTORY_SCHEMA, rows)

    def _read_models(self) -> tuple[pa.Table, tuple[int, ...]]:
        schema = self._document.models_schema
        tables, parts = [], []
        for part, networks in enumerate(self.plan):
            file = self._locate(layout.models_file(part))
            if file.exists():
                tables.append(_read_part(file, part, networks, schema))
                parts.append(part)
        return pa.concat_tables(tables) if tables else schema.empty_table(), tuple(parts)


def _as_slice(rows: list[int]) -> Rows:
    """Evenly spaced rows as a slice, which views where other rows copy.

    Within a part of a recipe's zoo the classes take turns, so that this is the rule.
    """
    step = rows[1] - rows[0] if len(rows) > 1 else 1
    if rows == list(range(rows[0], rows[-1] + 1, step)):
        return slice(rows[0], rows[-1] + 1, step)
    return np.array(rows)


def _read_part(
    file: Path, part: int, networks: Sequence[PlannedNetwork], models_schema: pa.Schema
) -> pa.Table:
    """One part's models, which must be those of the plan."""
    table = read_table(file, models_schema, len(networks))
    # Compared as Python's values: an array made of these would load pandas where that is there.
    planned = planned_rows(part, networks)
    if any(table[name].to_pylist() != [row[name] for row in planned] for name in IDENTITY):
        raise ZooFormatError(
            f"{file}: the networks are not those that the recipe plans for part {part}; "
            "`hyperzoo verify` tells more"
        )
    return table


def _check_drawn(drawn: Mapping[str, Any], path: Path, network_id: str) -> None:
    """Check what the table says of an imported network's architecture."""
    activation, dropout = drawn.get("activation"), drawn.get("dropout")
    if "activation" in drawn and activation not in ACTIVATIONS:
        raise ZooFormatError(
            f"{path}: {network_id} has the activation {reprlib.repr(activation)}; expected one of "
            f"{', '.join(ACTIVATIONS)}"
        )
    if dropout is not None and not 0 <= dropout < 1:
        raise ZooFormatError(
            f"{path}: {network_id} has the dropout {dropout}; expected 0 to below 1"
        )


def check_weights(
    file: TensorFile, part: int, epoch: int | None, networks: int, architecture: Architecture
) -> None:
    """Check that a file of weights is that of a part and epoch.

    Raises:
        ZooFormatError: it is another's, or has other tensors.
    """
    for key, value in weights_metadata(part, epoch).items():
        if file.metadata.get(key) != value:
            raise ZooFormatError(
                f"{file.path}: the metadata must say {key} {value}, but says "
                f"{reprlib.repr(file.metadata.get(key))}; is it another part's file?"
            )
    expected = {p.name: (networks, *p.shape) for p in architecture.parameters}
    found = {name: place.shape for name, place in file.places.items()}
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            raise ZooFormatError(
                f"{file.path}: tensor {reprlib.repr(name)}: expected shape {expected.get(name)}, "
                f"got {found.get(name)}"
            )


def _check_known(what: str, name: str, known: Collection[str]) -> None:
    if name in known:
        return
    # "conv1" may be the weight or the bias, and "conv" any of several.
    begun = [other for other in known if other.startswith(f"{name}.")]
    nearest = (
        begun[:3]
        or difflib.get_close_matches(str(name), known, n=3)
        or [other for other in known if name and other.startswith(str(name))][:3]
    )
    listed = ", ".join(nearest or list(known)[:5])
    hint = "did you mean" if nearest else "there are"
    more = ", ..." if not nearest and len(known) > 5 else ""
    raise NetworkNotFoundError(f"the zoo has no {what} {name!r}; {hint}: {listed or 'none'}{more}")
