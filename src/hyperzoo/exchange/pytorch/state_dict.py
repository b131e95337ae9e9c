"""A `state_dict` a file: safetensors, or what `torch.save` wrote."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hyperzoo.architectures import architecture_facts, under_own_name
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.companions import is_companion
from hyperzoo.exchange.content import Content, check_content, look
from hyperzoo.exchange.format import Export, Meter, OneNetworkFormat, no_meter
from hyperzoo.exchange.network import ForeignNetwork
from hyperzoo.exchange.pytorch.beside import check_function, without_beside
from hyperzoo.exchange.pytorch.choose import (
    OF_SEVERAL,
    declared_fit,
    fit,
    has_tensors,
    inner_tensors,
    is_whole,
    listed,
)
from hyperzoo.exchange.pytorch.load import (
    MAX_BYTES,
    check_floating,
    done_to,
    is_safetensors,
    load_safetensors,
    load_torch,
    numbers,
)
from hyperzoo.zoo.tensors import encode_tensors


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
        """Whether a name ends so, and is not that of an optimizer's state and the like."""
        return super().has_suffix(name) and not is_companion(name)

    def recognises(self, path: Path) -> bool:
        """By the first bytes, whatever its name; but for what lies beside networks."""
        content = look(path)
        if content is Content.TORCH:
            return not is_companion(path.name)
        return content is Content.SAFETENSORS and self.has_suffix(path.name)

    def may_be(self, path: Path) -> bool:
        """False for a file of `torch.save` without any tensor of floating type under a name."""
        if look(path) is not Content.TORCH or path.stat().st_size > MAX_BYTES:
            return True
        try:
            return has_tensors(load_torch(path))
        except ForeignFileError:
            return True

    def read(
        self, path: Path, meter: Meter | None = None, prefer: str | None = None
    ) -> Iterator[ForeignNetwork]:
        """Read the network of a file, of several states of it the one preferred."""
        check_content(path, self.called, self.contents)
        yield self._network(path, prefer)
        (meter or no_meter)(1, 1)

    def network_in(self, path: Path) -> ForeignNetwork:
        """The network of a file; nothing in it is executed."""
        return self._network(path, None)

    def _network(self, path: Path, prefer: str | None) -> ForeignNetwork:
        size, source = path.stat().st_size, str(path)
        if size > MAX_BYTES:
            raise ForeignFileError(f"{path}: expected at most {MAX_BYTES} bytes, got {size}")
        said: Mapping[str, Any] = {}
        if safe := is_safetensors(path):
            everything, notes, said = load_safetensors(path)
            # What hyperzoo wrote says itself what its tensors are.
            tensors: dict[str, Any] = everything
            without: tuple[str, ...] = ()
            if "layers" not in said:
                tensors, without = without_beside(everything, is_whole)
            if without:
                notes = (*notes, f"tensors beside the network's were left out: {listed(without)}")
            check_floating(tensors, source)
        else:
            own, beside = inner_tensors(load_torch(path), source, prefer)
            found = {name: numbers(tensor, f"{path}: {name}") for name, tensor in own.items()}
            tensors = {name: tensor for name, (tensor, _) in found.items()}
            notes = beside + done_to(note for _, note in found.values())
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        if "layers" in said:
            fitted = declared_fit(shapes, said, source)
        else:
            check_function(shapes, source)
            fitted = fit(shapes, source, ordered=not safe)
        return ForeignNetwork(
            name=path.name,
            architecture=fitted.architecture,
            weights={name: tensors[own] for name, own in fitted.names.items()},
            source=source,
            notes=(*notes, *fitted.notes),
            is_preferred=any(note.startswith(OF_SEVERAL) for note in notes),
            by_shapes=said.get("architecture") != fitted.architecture.name,
        )

    def write(self, export: Export) -> int:
        """A file a network."""
        for network, weights in export.networks():
            facts = architecture_facts(under_own_name(export.zoo.architecture_of(network.id)))
            metadata = {"id": network.id, "architecture": facts.pop("name"), **facts}
            path = export.folder / f"{network.id}.safetensors"
            path.write_bytes(encode_tensors(weights, metadata))
        return len(export.planned)
