"""A `state_dict` a file: safetensors, or what `torch.save` wrote."""

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperzoo.architectures import (
    architecture_facts,
    architecture_from,
    architecture_names,
    get_architecture,
)
from hyperzoo.errors import ArchitectureError, ForeignFileError, ZooFormatError
from hyperzoo.exchange.format import Format, Meter
from hyperzoo.exchange.network import ForeignNetwork, match_architecture
from hyperzoo.images import ImageSet
from hyperzoo.zoo import Zoo, layout
from hyperzoo.zoo.tensors import encode_tensors, open_tensors

_TORCH_SUFFIXES = (".pt", ".pth")
_GLOBAL = re.compile(r"GLOBAL ([^\s]+)")
_MAX_BYTES = 256 * 2**20
"""More than any known network's state_dict takes."""


class Pytorch(Format):
    """A state_dict a network: read from safetensors or `torch.save`, written as safetensors."""

    name = "pytorch"
    description = "a state_dict a network, .safetensors; reads .pt and .pth too"
    reads = True
    writes = True

    def recognises(self, path: Path) -> bool:
        """By the suffix."""
        return path.suffix in (*_TORCH_SUFFIXES, ".safetensors") and path.is_file()

    def read(self, path: Path, meter: Meter | None = None) -> Iterator[ForeignNetwork]:
        """The network of a file.

        Files of `torch.save` are loaded with `weights_only=True`: they hold tensors, and nothing
        in them is executed.
        """
        yield _read(path)
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
        written = 0
        for part in zoo.parts_complete:
            stacked = zoo.part_weights(part)
            for row, network in enumerate(zoo.plan[part]):
                own = {name: tensor[row] for name, tensor in stacked.items()}
                facts = architecture_facts(zoo.architecture)
                metadata = {"id": network.id, "architecture": facts.pop("name"), **facts}
                path = folder / f"{network.id}.safetensors"
                path.write_bytes(encode_tensors(own, metadata))
                written += 1
                if meter is not None:
                    meter(written, len(zoo))
        return written


def _read(path: Path) -> ForeignNetwork:
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ForeignFileError(f"{path}: expected at most {_MAX_BYTES} bytes, got {size}")
    if path.suffix == ".safetensors":
        tensors, metadata = _load_safetensors(path)
        if "layers" in metadata:
            return _with_own_layers(path, tensors, metadata)
    else:
        tensors = _load_torch(path)
    names = _names_in_order(path, tensors)
    shapes = [tensors[name].shape for name in names]
    return ForeignNetwork(
        name=path.name,
        architecture=match_architecture(shapes, source=str(path), axes="torch"),
        weights={name: tensors[name] for name in names},
        source=str(path),
    )


def _with_own_layers(
    path: Path, tensors: Mapping[str, NDArray[np.float32]], metadata: Mapping[str, Any]
) -> ForeignNetwork:
    """The network of a file that tells its layers, as `Pytorch.write` does."""
    try:
        architecture = architecture_from({**metadata, "name": metadata.get("architecture")})
    except ArchitectureError as error:
        raise ForeignFileError(f"{path}: the layers that it tells: {error}") from error
    expected = {p.name: p.shape for p in architecture.parameters}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != expected:
        differing = sorted(expected.items() ^ found.items())[0][0]
        raise ForeignFileError(
            f"{path}: its tensors are not those of the layers that it tells: {differing}: expected "
            f"shape {expected.get(differing)}, got {found.get(differing)}"
        )
    return ForeignNetwork(
        name=path.name,
        architecture=architecture,
        weights={name: tensors[name] for name in expected},
        source=str(path),
    )


def _names_in_order(path: Path, tensors: Mapping[str, NDArray[Any]]) -> list[str]:
    """The tensors' names in the order of the one architecture that has all of them."""
    tables = {
        name: [p.name for p in get_architecture(name, 1).parameters]
        for name in architecture_names()
    }
    for names in tables.values():
        if set(names) == set(tensors):
            return names
    expected = "; ".join(f"{name}: {', '.join(names)}" for name, names in tables.items())
    found = ", ".join(sorted(tensors)[:20]) or "none"
    raise ForeignFileError(
        f"{path}: expected the tensors of a known architecture ({expected}), got {found[:400]}"
    )


def _load_safetensors(path: Path) -> tuple[dict[str, NDArray[np.float32]], Mapping[str, Any]]:
    try:
        file = open_tensors(path, mmap=False)
        if layout.FORMAT in file.metadata or "part" in file.metadata:
            raise ForeignFileError(
                f"{path} is a part of a zoo; give the zoo's folder to open_zoo instead"
            )
        return {name: np.array(file.tensor(name)) for name in file.places}, file.metadata
    except ZooFormatError as error:
        raise ForeignFileError(f"{error}; expected a safetensors file of float32") from error


def _load_torch(path: Path) -> dict[str, NDArray[np.float32]]:
    import torch

    _check_archive(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Whatever torch stumbles over in a stranger's file: it names its own errors poorly.
        raise ForeignFileError(
            f"{path}: torch can't load it with weights_only=True, and hyperzoo never loads it "
            f"otherwise: {_reason(error)}"
        ) from error
    if not isinstance(content, dict):
        raise ForeignFileError(
            f"{path}: expected a state_dict, got {type(content).__name__}; save "
            "`module.state_dict()`"
        )
    wrong = [str(k) for k, v in content.items() if not isinstance(v, torch.Tensor)]
    if wrong:
        raise ForeignFileError(
            f"{path}: expected a state_dict of tensors alone, but {', '.join(wrong)[:200]} is "
            "something else; save the inner `state_dict` by itself"
        )
    # PyTorch counts batches beside its running statistics, which no answer depends on.
    content = {
        name: tensor
        for name, tensor in content.items()
        if not str(name).endswith(".num_batches_tracked")
    }
    for name, tensor in content.items():
        if tensor.dtype != torch.float32 or tensor.layout != torch.strided:
            raise ForeignFileError(
                f"{path}: {name}: expected dense float32, got {tensor.layout} {tensor.dtype}"
            )
        if tensor.device.type != "cpu":
            raise ForeignFileError(f"{path}: {name}: it has a shape, but no numbers")
        if tensor.numel() * 4 > _MAX_BYTES:
            raise ForeignFileError(f"{path}: {name}: {tensor.numel()} numbers are too many")
    # Parameters are tensors too, and a tensor may be kept as the negative of its numbers.
    return {
        str(name): tensor.detach().resolve_neg().contiguous().numpy()
        for name, tensor in content.items()
    }


def _reason(error: Exception) -> str:
    """Why torch refused a file, without its advice to load with `weights_only=False`."""
    text = str(error).strip()
    if named := _GLOBAL.search(text):
        return (
            f"it asks for {named[1][:200]!r}, which no state_dict needs and which may run code; "
            "save `module.state_dict()`"
        )
    text = text.rpartition("WeightsUnpickler error:")[2].strip()
    return text.split("\n")[0][:300] or type(error).__name__


def _check_archive(path: Path) -> None:
    """Refuse an archive that unpacks to much more than it is."""
    if not zipfile.is_zipfile(path):
        return  # the older format of torch.save, which is not compressed
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise ForeignFileError(f"{path}: damaged archive: {error}") from error
    if total > _MAX_BYTES:
        raise ForeignFileError(f"{path}: expected at most {_MAX_BYTES} bytes unpacked, got {total}")
