"""The formats of Keras: whole models, weights, and archives; a file a network."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

from hyperzoo.architectures import Architecture, under_own_name
from hyperzoo.exchange.content import Content
from hyperzoo.exchange.format import Export, OneNetworkFormat
from hyperzoo.exchange.keras.read import has_config, read_keras
from hyperzoo.exchange.keras.write import Template, weights_template, whole_model_template
from hyperzoo.exchange.names import file_stem
from hyperzoo.exchange.network import ForeignNetwork

_WEIGHTS_SUFFIX = ".weights.h5"


class _KerasFiles(OneNetworkFormat):
    """A file a network; which kind it is, the reader finds out by itself."""

    called = "a Keras file"
    contents: ClassVar[tuple[Content, ...]] = (Content.HDF5,)

    def network_in(self, path: Path) -> ForeignNetwork:
        """The network of a file."""
        return read_keras(path)


def _write(export: Export, make: Callable[[Architecture], Template], suffix: str) -> int:
    """Fill a template for every network, made anew where the architecture is another."""
    made: Architecture | None = None
    for network, weights in export.networks():
        own = under_own_name(export.zoo.architecture_of(network.id))
        if own != made:
            made, template = own, make(own)
        content = template.fill(weights, network.learning_rate or None)
        name = file_stem(network.class_name, network.index, export.zoo.architecture) + suffix
        (export.folder / name).write_bytes(content)
    return len(export.planned)


class KerasModels(_KerasFiles):
    """Whole models under the published names; also reads the weights-only files of Keras 2."""

    name = "keras-h5"
    description = "whole Keras models, .h5: load_model of Keras 2 and of Keras 3"
    writes = True
    suffixes = (".h5", ".hdf5")

    def has_suffix(self, name: str) -> bool:
        """Whether a name ends in .h5, but not as those of weights alone."""
        return super().has_suffix(name) and not name.lower().endswith(_WEIGHTS_SUFFIX)

    def is_weights(self, path: Path) -> bool:
        """Whether it is of `save_weights`: .h5 is the suffix of whole models too."""
        return not has_config(path)

    def write(self, export: Export) -> int:
        """A file a network."""
        adam = all(network.has_plain_adam for network in export.planned)
        return _write(export, partial(whole_model_template, adam=adam), "_model.h5")


class KerasWeights(_KerasFiles):
    """Weights as Keras 3 keeps them."""

    name = "weights-h5"
    description = "Keras 3 weights, .weights.h5: load_weights"
    writes = True
    weights_alone = True
    suffixes = (_WEIGHTS_SUFFIX,)

    def write(self, export: Export) -> int:
        """A file a network."""
        export.warn_of_weights_alone()
        return _write(export, weights_template, f"_model{_WEIGHTS_SUFFIX}")


class KerasArchives(_KerasFiles):
    """Whole models of Keras 3 in a zip."""

    name = "keras"
    description = "whole Keras 3 models, .keras"
    contents = (Content.KERAS, Content.ZIP, Content.HDF5)
    suffixes = (".keras",)
