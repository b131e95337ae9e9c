"""A `state_dict` a file: safetensors, or what `torch.save` wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hyperzoo.architectures import architecture_facts
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.content import Content, look
from hyperzoo.exchange.format import Export, OneNetworkFormat
from hyperzoo.exchange.network import ForeignNetwork
from hyperzoo.exchange.pytorch.choose import declared_fit, fit, inner_tensors
from hyperzoo.exchange.pytorch.load import (
    MAX_BYTES,
    done_to,
    is_safetensors,
    load_safetensors,
    load_torch,
    numbers,
)
from hyperzoo.zoo.tensors import encode_tensors

_BESIDE = ("optimizer", "optim", "scheduler", "training_args")
"""Names of files that training scripts save beside networks."""


class Pytorch(OneNetworkFormat):
    """A state_dict a network: read from safetensors or `torch.save`, written as safetensors."""

    name = "pytorch"
    description = "a state_dict a network, .safetensors; reads what torch.save wrote too"
    writes = True
    weights_alone = True
    called = "a file of torch.save or safetensors"
    contents = (Content.TORCH, Content.SAFETENSORS)
    suffixes = (".pt", ".pth", ".pth.tar", ".pt.tar", ".ckpt", ".safetensors")

    def has_suffix(self, name: str) -> bool:
        """Whether a name ends so, and is not that of an optimizer's state."""
        return super().has_suffix(name) and not _is_beside(name)

    def recognises(self, path: Path) -> bool:
        """By the first bytes, whatever its name; but for an optimizer's state beside networks."""
        content = look(path)
        if content is Content.TORCH:
            return not _is_beside(path.name)
        return content is Content.SAFETENSORS and self.has_suffix(path.name)

    def network_in(self, path: Path) -> ForeignNetwork:
        """The network of a file; nothing in it is executed."""
        size, source = path.stat().st_size, str(path)
        if size > MAX_BYTES:
            raise ForeignFileError(f"{path}: expected at most {MAX_BYTES} bytes, got {size}")
        said: Mapping[str, Any] = {}
        if safe := is_safetensors(path):
            tensors, notes, said = load_safetensors(path)
        else:
            own, beside = inner_tensors(load_torch(path), source)
            found = {name: numbers(tensor, f"{path}: {name}") for name, tensor in own.items()}
            tensors = {name: tensor for name, (tensor, _) in found.items()}
            notes = beside + done_to(note for _, note in found.values())
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        if "layers" in said:
            fitted = declared_fit(shapes, said, source)
        else:
            fitted = fit(shapes, source, ordered=not safe)
        return ForeignNetwork(
            name=path.name,
            architecture=fitted.architecture,
            weights={name: tensors[own] for name, own in fitted.names.items()},
            source=source,
            notes=(*notes, *fitted.notes),
            by_shapes=said.get("architecture") != fitted.architecture.name,
        )

    def write(self, export: Export) -> int:
        """A file a network."""
        for network, weights in export.networks():
            facts = architecture_facts(export.zoo.architecture_of(network.id))
            metadata = {"id": network.id, "architecture": facts.pop("name"), **facts}
            path = export.folder / f"{network.id}.safetensors"
            path.write_bytes(encode_tensors(weights, metadata))
        return len(export.planned)


def _is_beside(name: str) -> bool:
    return name.lower().partition(".")[0] in _BESIDE
