"""Keras files that nobody should trust, made from a real-looking one by a change each."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hyperzoo.architectures import get_architecture, initial_parameters
from hyperzoo.exchange.keras.write import weights_template, whole_model_template

LENET5 = get_architecture("lenet5", 1)
KERNEL = "model_weights/dense/dense/kernel:0"


def whole_model() -> bytes:
    return whole_model_template(LENET5).fill(initial_parameters(LENET5, 0, "church", 0), None)


def weights_file() -> bytes:
    return weights_template(LENET5).fill(initial_parameters(LENET5, 0, "church", 0), None)


def changed(content: bytes, change: Callable[[h5py.File], None]) -> bytes:
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        change(file)
    return buffer.getvalue()


def archive(members: dict[str, bytes], **settings: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **settings) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def config() -> bytes:
    with h5py.File(io.BytesIO(whole_model()), "r") as file:
        return str(file.attrs["model_config"]).encode()


def soft_link(file: h5py.File) -> None:
    del file[KERNEL]
    file[KERNEL] = h5py.SoftLink("/model_weights/conv2d/conv2d/kernel:0")


def external_link(file: h5py.File) -> None:
    del file[KERNEL]
    file[KERNEL] = h5py.ExternalLink("/etc/passwd", "/")


def external_link_for_a_group(file: h5py.File) -> None:
    del file["model_weights"]
    file["model_weights"] = h5py.ExternalLink("secret.h5", "/model_weights")


def link_in_a_circle(file: h5py.File) -> None:
    del file["model_weights/dense"]
    file["model_weights/dense"] = file["model_weights"]


def external_storage(file: h5py.File) -> None:
    del file[KERNEL]
    size = 4 * 480 * 84
    file.create_dataset(KERNEL, (480, 84), "<f4", external=[("/dev/zero", 0, size)])


def virtual_dataset(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((480, 84), "<f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (480, 84), "<f4")
    del file[KERNEL]
    file.create_virtual_dataset(KERNEL, layout)


def shape_bomb(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (2**20, 2**20), "<f4", chunks=(1024, 1024), compression="gzip")


def shape_bomb_without_storage(file: h5py.File) -> None:
    """The right shape, and none of its numbers: HDF5 would make them up."""
    del file[KERNEL]
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    space = h5py.h5s.create_simple((480, 84))
    group = file["model_weights/dense/dense"].id
    h5py.h5d.create(group, b"kernel:0", h5py.h5t.IEEE_F32LE, space, properties)


def chunk_bomb(file: h5py.File) -> None:
    """A small dataset in one chunk of 1 GB of zeros, packed to a megabyte."""
    del file[KERNEL]
    file.create_dataset(
        KERNEL, (480, 84), "<f4", maxshape=(None, None), chunks=(2**14, 2**14), compression="gzip"
    )


def missing_chunks(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (480, 84), "<f4", chunks=(48, 84), compression="gzip")


def odd_filter(file: h5py.File) -> None:
    values = file[KERNEL][()]
    del file[KERNEL]
    file.create_dataset(KERNEL, data=values, chunks=(480, 84), compression="lzf")


def many_axes(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (1,) * 30, "<f4")


def empty_dataspace(file: h5py.File) -> None:
    del file[KERNEL]
    file[KERNEL] = h5py.Empty("<f4")


def renamed_dataset(file: h5py.File) -> None:
    file.move(KERNEL, "model_weights/dense/dense/kernel2:0")


def swapped_layers(file: h5py.File) -> None:
    file["model_weights"].attrs["layer_names"] = np.array([b"dense", b"conv2d", b"dense_1"])


def text_for_numbers(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (480, 84), h5py.string_dtype())


def references_for_numbers(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (480, 84), h5py.ref_dtype)


def ragged_for_numbers(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (480, 84), h5py.vlen_dtype("<f4"))


def doubles(file: h5py.File) -> None:
    values = file[KERNEL][()].astype("<f8")
    del file[KERNEL]
    file[KERNEL] = values


def group_for_dataset(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_group(KERNEL)


def dataset_for_group(file: h5py.File) -> None:
    del file["model_weights/dense"]
    file["model_weights/dense"] = np.zeros(3, "<f4")


def climbing_name(file: h5py.File) -> None:
    names = np.array([b"../conv2d/conv2d/kernel:0", b"dense/bias:0"])
    file["model_weights/dense"].attrs["weight_names"] = names


def absolute_name(file: h5py.File) -> None:
    names = np.array([b"/model_weights/dense/dense/kernel:0", b"dense/bias:0"])
    file["model_weights/dense"].attrs["weight_names"] = names


def climbing_layer(file: h5py.File) -> None:
    file["model_weights"].attrs["layer_names"] = np.array([b"..", b"conv2d"])


def too_many_names(file: h5py.File) -> None:
    file["model_weights"].attrs["layer_names"] = np.array([b"conv2d"] * 5000)


def names_that_are_numbers(file: h5py.File) -> None:
    file["model_weights"].attrs["layer_names"] = np.arange(8)


def ragged_attribute(file: h5py.File) -> None:
    """Numbers of variable length where a text should be: h5py follows where they point."""
    del file.attrs["model_config"]
    kind = h5py.h5t.vlen_create(h5py.h5t.IEEE_F64LE)
    h5py.h5a.create(file.id, b"model_config", kind, h5py.h5s.create(h5py.h5s.SCALAR))


def reference_attribute(file: h5py.File) -> None:
    del file.attrs["model_config"]
    file.attrs.create("model_config", file["model_weights"].ref, dtype=h5py.ref_dtype)


def no_order(file: h5py.File) -> None:
    del file["model_weights"].attrs["layer_names"]


def three_weights(file: h5py.File) -> None:
    layer = file["model_weights/dense"]
    layer["dense/gamma:0"] = np.zeros(84, "<f4")
    names = [b"dense/kernel:0", b"dense/bias:0", b"dense/gamma:0"]
    layer.attrs["weight_names"] = np.array(names)


def deep_config(file: h5py.File) -> None:
    file.attrs["model_config"] = "[" * 60_000


def odd_config(file: h5py.File) -> None:
    file.attrs["model_config"] = '{"class_name": "Sequential", "config": {"layers": [1, 2]}}'


def lambda_layer(file: h5py.File) -> None:
    text = str(file.attrs["model_config"])
    file.attrs["model_config"] = text.replace("AveragePooling2D", "Lambda")


def other_model(file: h5py.File) -> None:
    text = str(file.attrs["model_config"])
    file.attrs["model_config"] = text.replace('"Sequential"', '"MyModel"')


HOSTILE_MODELS: dict[Callable[[h5py.File], None], str] = {
    soft_link: r"'kernel:0' is a soft link, which may lead anywhere",
    external_link: r"'kernel:0' is an external link, which may lead anywhere",
    external_link_for_a_group: r"'model_weights' is an external link",
    link_in_a_circle: r"/model_weights/dense: it has no attribute weight_names",
    external_storage: r"kept in an external file; its numbers may come from anywhere",
    virtual_dataset: r"it is a virtual dataset; its numbers may come from anywhere",
    shape_bomb: r"some of its chunks are not in the file",
    shape_bomb_without_storage: r"its shape needs 161280 bytes, but 0 are in the file",
    chunk_bomb: r"chunks of \(16384, 16384\) are larger than any network",
    missing_chunks: r"some of its chunks are not in the file",
    odd_filter: r"it is packed by lzf, expected at most fletcher32, gzip, shuffle",
    many_axes: r"expected at most 8 axes, got 30",
    empty_dataspace: r"expected an array, got an empty dataspace",
    renamed_dataset: r"expected 'kernel:0', got bias:0, kernel2:0",
    swapped_layers: r"no known architecture has its tensors\n  expected lenet5: 5x5x3x6",
    text_for_numbers: r"expected float32 numbers, got object",
    references_for_numbers: r"expected float32 numbers, got object",
    ragged_for_numbers: r"expected float32 numbers, got object",
    doubles: r"expected float32 numbers, got float64",
    group_for_dataset: r"expected a dataset, got group",
    dataset_for_group: r"/model_weights/dense: it has no attribute weight_names",
    climbing_name: r"'\.\.' is no name of an object",
    absolute_name: r"'' is no name of an object",
    climbing_layer: r"'\.\.' is no name of an object",
    too_many_names: r"layer_names: expected at most 1024 texts, got \(5000,\)",
    names_that_are_numbers: r"layer_names: expected texts, got int64",
    ragged_attribute: r"model_config: expected texts, got object",
    reference_attribute: r"model_config: expected texts, got object",
    no_order: r"it has no attribute layer_names, which gives the order",
    three_weights: r"layer 'dense': expected a kernel and a bias, got",
    deep_config: r"the model's config is damaged",
    odd_config: r"the model's config is damaged",
    lambda_layer: r"expected Conv2D, AveragePooling2D, .*got Conv2D, Lambda",
    other_model: r"expected a Sequential or a Functional model, got 'MyModel'",
}
"""Change of a whole model -> what the refusal says."""


def crowded(file: h5py.File) -> None:
    for number in range(300):
        file.create_group(f"layers/dense_{number + 2}")


def named_variables(file: h5py.File) -> None:
    file.move("layers/dense/vars/0", "layers/dense/vars/kernel")


def layers_elsewhere(file: h5py.File) -> None:
    del file["layers"]
    file["layers"] = h5py.SoftLink("/vars")


def missing_layer(file: h5py.File) -> None:
    del file["layers/conv2d_1"]


HOSTILE_WEIGHTS: dict[Callable[[h5py.File], None], str] = {
    crowded: r"expected at most 256 members, got 3\d\d",
    named_variables: r"expected a kernel and a bias named 0 and 1, got \['1', 'kernel'\]",
    layers_elsewhere: r"'layers' is a soft link",
    missing_layer: r"no known architecture has its tensors\n  expected .*\n  found    5x5x3x6",
}
"""Change of a file of weights -> what the refusal says."""


def zip_bomb() -> bytes:
    bomb = b"\0" * (64 * 2**20)
    members = {"config.json": config(), "model.weights.h5": bomb}
    return archive(members, compression=zipfile.ZIP_DEFLATED)


def zip_bomb_in_the_config() -> bytes:
    members = {"config.json": b" " * (64 * 2**20), "model.weights.h5": weights_file()}
    return archive(members, compression=zipfile.ZIP_DEFLATED)


def zip_that_lies_about_its_size() -> bytes:
    """Says 100 bytes, unpacks to 64 MB; also in the local header."""
    content = bytearray(zip_bomb())
    size = struct.pack("<I", 64 * 2**20)
    return bytes(content.replace(size, struct.pack("<I", 100)))


def climbing_member() -> bytes:
    return archive(
        {"../../evil.py": b"x", "config.json": config(), "model.weights.h5": weights_file()}
    )


def absolute_member() -> bytes:
    return archive({"/etc/evil": b"x", "config.json": config(), "model.weights.h5": weights_file()})


def odd_compression() -> bytes:
    members = {"config.json": config(), "model.weights.h5": weights_file()}
    return archive(members, compression=zipfile.ZIP_LZMA)


def encrypted() -> bytes:
    """The flag alone."""
    content = bytearray(archive({"config.json": config(), "model.weights.h5": weights_file()}))
    place = content.find(b"PK\x01\x02")
    content[place + 8] |= 1
    return bytes(content)


def npz_weights() -> bytes:
    return archive({"config.json": config(), "model.weights.npz": b"x"})


def a_lambda_in_the_config() -> bytes:
    text = config().replace(b"AveragePooling2D", b"Lambda")
    return archive({"config.json": text, "model.weights.h5": weights_file()})


def crowded_archive() -> bytes:
    return archive({f"{number}": b"" for number in range(1000)})


HOSTILE_ARCHIVES: dict[Callable[[], bytes], str] = {
    zip_bomb: r"model.weights.h5 unpacks to more than 16777216 bytes",
    zip_bomb_in_the_config: r"config.json unpacks to more than 1048576 bytes",
    zip_that_lies_about_its_size: r"the archive is damaged or cut short: .*Bad CRC",
    climbing_member: r"'../../evil.py' in the archive leads out of it",
    absolute_member: r"'/etc/evil' in the archive leads out of it",
    odd_compression: r"encrypted or packed in a way that Keras does not use",
    encrypted: r"encrypted or packed in a way that Keras does not use",
    npz_weights: r"expected config.json and model.weights.h5 in the archive, got",
    a_lambda_in_the_config: r"expected Conv2D, AveragePooling2D, .*got Conv2D, Lambda",
    crowded_archive: r"1000 files in the archive",
}
"""Maker of a `.keras` file -> what the refusal says."""


def standing_still(content: bytes) -> bytes:
    """A heap whose first object is free and takes no bytes, so that a walk never gets past it."""
    changed_content = bytearray(content)
    first = content.index(b"GCOL\x01") + 16
    changed_content[first : first + 16] = bytes(16)
    return bytes(changed_content)


def beyond_the_end(content: bytes) -> bytes:
    """A heap whose first object says that it takes nearly all there is of 64 bits."""
    changed_content = bytearray(content)
    first = content.index(b"GCOL\x01") + 16
    changed_content[first + 8 : first + 16] = b"\xf8" + b"\xff" * 7
    return bytes(changed_content)


def longer_than_the_file(content: bytes) -> bytes:
    changed_content = bytearray(content)
    size = content.index(b"GCOL\x01") + 8
    changed_content[size : size + 8] = b"\xff" * 7 + b"\x7f"
    return bytes(changed_content)


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path
