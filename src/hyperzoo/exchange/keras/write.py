"""Writes networks as Keras files, many a second: one file is the template of all others.

Files of one architecture differ in their numbers only, and those lie in HDF5 at fixed places. So
h5py makes the first file in memory and tells where each dataset's bytes are; every other file is
a copy with other bytes there.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import Architecture, Parameter
from hyperzoo.errors import ExportError
from hyperzoo.exchange.keras.config import (
    KERAS_VERSION,
    LEARNING_RATE_WIDTH,
    MODEL_NAME,
    counted_groups,
    layers_in_keras_order,
    model_config,
    padded_rate,
    training_config,
)
from hyperzoo.exchange.keras.hdf5 import import_h5py


class Template:
    """A Keras file whose numbers can be replaced.

    Args:
        content: the file's bytes.
        places: parameter -> the byte with which its numbers begin.
        rate: the byte with which the padded learning rate begins; None if the file has none.
    """

    def __init__(self, content: bytes, places: Mapping[Parameter, int], rate: int | None) -> None:
        self._content, self._places, self._rate = content, places, rate

    def fill(
        self, weights: Mapping[str, NDArray[np.float32]], learning_rate: float | None
    ) -> bytes:
        """A network's file.

        Args:
            weights: PyTorch name -> tensor in PyTorch's axes, of the template's architecture.
            learning_rate: Adam's; None where it is not known.
        """
        content = bytearray(self._content)
        for parameter, begin in self._places.items():
            tensor = parameter.to_keras(weights[parameter.name][np.newaxis])
            raw = np.ascontiguousarray(tensor, dtype="<f4").tobytes()
            content[begin : begin + len(raw)] = raw
        if self._rate is not None:
            text = padded_rate(learning_rate).encode()
            content[self._rate : self._rate + LEARNING_RATE_WIDTH] = text
        return bytes(content)


def whole_model_template(architecture: Architecture, *, adam: bool = True) -> Template:
    """A whole model as Keras 2.15 writes it, `model_weights/conv2d/conv2d/kernel:0` and so on.

    `load_model` of Keras 2 and of Keras 3 reads it. It has no state of an optimizer.

    Args:
        architecture: of the networks.
        adam: whether plain Adam trained them; of others the file does not say how to train on.

    Raises:
        MissingExtraError: h5py is not installed.
    """
    tables = _by_layer(architecture)

    def build(file: Any) -> dict[Parameter, Any]:
        datasets = {}
        file.attrs["keras_version"] = KERAS_VERSION
        file.attrs["backend"] = "tensorflow"
        file.attrs["model_config"] = model_config(architecture)
        if adam:
            file.attrs["training_config"] = training_config(architecture, None)
        group = file.create_group("model_weights")
        names = [layer.name for layer in layers_in_keras_order(architecture)]
        group.attrs["layer_names"] = _bytes(names)
        group.attrs["backend"] = "tensorflow"
        group.attrs["keras_version"] = KERAS_VERSION
        for name in names:
            layer, table = group.create_group(name), tables.get(name, [])
            layer.attrs["weight_names"] = _bytes([f"{name}/{p.keras_name}:0" for p in table])
            for parameter in table:
                path = f"{name}/{parameter.keras_name}:0"
                datasets[parameter] = _dataset(layer, path, parameter)
        group.create_group("top_level_model_weights").attrs["weight_names"] = _bytes([])
        return datasets

    return _template(build)


def weights_template(architecture: Architecture) -> Template:
    """Weights as Keras 3 writes them into `.weights.h5`, for `load_weights`.

    Raises:
        MissingExtraError: h5py is not installed.
    """
    tables = _by_layer(architecture)

    def build(file: Any) -> dict[Parameter, Any]:
        datasets = {}
        layers = file.create_group("layers")
        for name, counted in counted_groups(architecture).items():
            variables = layers.create_group(f"{counted}/vars")
            variables.attrs["name"] = name
            for number, parameter in enumerate(tables.get(name, [])):
                datasets[parameter] = _dataset(variables, str(number), parameter)
        file.create_group("vars").attrs["name"] = MODEL_NAME
        return datasets

    return _template(build)


def _by_layer(architecture: Architecture) -> dict[str, list[Parameter]]:
    """Keras's layer name -> its kernel and bias."""
    tables: dict[str, list[Parameter]] = {}
    for parameter in architecture.parameters:
        tables.setdefault(parameter.keras_layer, []).append(parameter)
    return tables


def _bytes(names: list[str]) -> NDArray[Any]:
    # As Keras does: fixed-length bytes, and an empty array of float64 for no names.
    return np.array([name.encode() for name in names]) if names else np.zeros(0)


def _dataset(group: Any, name: str, parameter: Parameter) -> Any:
    return group.create_dataset(name, data=np.zeros(parameter.keras_shape, "<f4"))


def _template(build: Any) -> Template:
    """Make a file, and find out where its numbers lie."""
    h5py, sink = import_h5py(), io.BytesIO()
    with h5py.File(sink, "w") as file:
        datasets = build(file)
        file.flush()
        places = {parameter: dataset.id.get_offset() for parameter, dataset in datasets.items()}
        sizes = {
            parameter: dataset.id.get_storage_size() for parameter, dataset in datasets.items()
        }
    content = sink.getvalue()
    for parameter, begin in places.items():
        wanted = 4 * parameter.size
        # Zeros and nothing else: this is where the numbers are.
        if begin is None or sizes[parameter] != wanted or any(content[begin : begin + wanted]):
            raise ExportError(
                f"this version of HDF5 does not lay {parameter.name} out in one piece; install "
                "another version of h5py"
            )
    rate = content.find(padded_rate(None).encode())
    return Template(content, places, rate if rate >= 0 else None)
