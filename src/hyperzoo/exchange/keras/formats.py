"""The formats of Keras: whole models, weights, and archives; a file a network."""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from hyperzoo.architectures import Architecture
from hyperzoo.exchange.format import Format, Meter, magic, networks_of
from hyperzoo.exchange.keras.hdf5 import MAGIC
from hyperzoo.exchange.keras.read import read_keras
from hyperzoo.exchange.keras.write import Template, weights_template, whole_model_template
from hyperzoo.exchange.network import ForeignNetwork, file_stem
from hyperzoo.images import ImageSet
from hyperzoo.zoo import Zoo

_WEIGHTS_SUFFIX = ".weights.h5"


class _KerasFiles(Format):
    """A file a network; which kind it is, the reader finds out by itself."""

    reads = True
    suffix: ClassVar[str]

    def recognises(self, path: Path) -> bool:
        """By the suffix and the first bytes."""
        return self._has_suffix(path.name) and magic(path) == MAGIC

    def read(self, path: Path, meter: Meter | None = None) -> Iterator[ForeignNetwork]:
        """The network of a file."""
        yield read_keras(path)
        if meter is not None:
            meter(1, 1)

    def write(
        self,
        zoo: Zoo,
        folder: Path,
        meter: Meter | None = None,
        *,
        images: ImageSet | None = None,
    ) -> int:
        """A file a network."""
        template = self._template(zoo.architecture)
        networks = networks_of(zoo)
        for done, network in enumerate(networks, start=1):
            content = template.fill(zoo.arrays(network.id), network.learning_rate or None)
            name = file_stem(network.class_name, network.index, zoo.architecture) + self.suffix
            (folder / name).write_bytes(content)
            if meter is not None:
                meter(done, len(networks))
        return len(networks)

    @abstractmethod
    def _has_suffix(self, name: str) -> bool: ...

    @abstractmethod
    def _template(self, architecture: Architecture) -> Template: ...


class KerasModels(_KerasFiles):
    """Whole models under the published names; also reads the weights-only files of Keras 2."""

    name = "keras-h5"
    description = "whole Keras models, .h5: load_model of Keras 2 and of Keras 3"
    writes = True
    suffix = "_model.h5"
    suffixes = (".h5", ".hdf5")

    def _has_suffix(self, name: str) -> bool:
        return name.endswith(self.suffixes) and not name.endswith(_WEIGHTS_SUFFIX)

    def _template(self, architecture: Architecture) -> Template:
        return whole_model_template(architecture)


class KerasWeights(_KerasFiles):
    """Weights as Keras 3 keeps them."""

    name = "weights-h5"
    description = "Keras 3 weights, .weights.h5: load_weights"
    writes = True
    suffix = f"_model{_WEIGHTS_SUFFIX}"

    def _has_suffix(self, name: str) -> bool:
        return name.endswith(_WEIGHTS_SUFFIX)

    def _template(self, architecture: Architecture) -> Template:
        return weights_template(architecture)


class KerasArchives(Format):
    """Whole models of Keras 3 in a zip."""

    name = "keras"
    description = "whole Keras 3 models, .keras"
    reads = True
    suffixes = (".keras",)

    def recognises(self, path: Path) -> bool:
        """By the suffix and the first bytes."""
        return path.name.endswith(self.suffixes) and magic(path, 2) == b"PK"

    def read(self, path: Path, meter: Meter | None = None) -> Iterator[ForeignNetwork]:
        """The network of a file."""
        yield read_keras(path)
        if meter is not None:
            meter(1, 1)
