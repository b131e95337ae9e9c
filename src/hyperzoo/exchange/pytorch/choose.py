"""Finds the one network among what a file of `torch.save` holds, and names its tensors."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperzoo.architectures import (
    Architecture,
    architecture_from,
    architecture_names,
    get_architecture,
    padded_symmetrically,
)
from hyperzoo.errors import ArchitectureError, ForeignFileError
from hyperzoo.exchange.pytorch.beside import without_beside
from hyperzoo.exchange.pytorch.load import COUNTED, Number
from hyperzoo.exchange.pytorch.own_names import Shapes, in_order, layer_of, mismatch

OF_SEVERAL = "of several networks in one file that of"
_MOST_LEVELS = 4
_MOST_ITEMS = 64
_SIGNS = {
    "ema": {"ema", "swa", "averaged", "average", "shadow", "teacher"},
    "best": {"best"},
    "last": {"last", "final", "latest"},
    "model": {"model", "state", "net", "network", "module", "student", "weights"},
}
"""Which words in keys tell which state of a network."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How tensors are those of a known network.

    Attributes:
        architecture: the network's.
        names: PyTorch name in the architecture -> name in the file.
        notes: how that was found out, where not by the very names.
    """

    architecture: Architecture
    names: Mapping[str, str]
    notes: tuple[str, ...]


def inner_tensors(
    content: object, source: str, prefer: str | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The tensors of the one network in what was loaded.

    Args:
        content: what `torch.save` wrote: a state_dict, or dicts and lists in which one lies.
        source: the file, for messages.
        prefer: which is taken of several that differ: "best", "last", "ema" or "model", as the
            keys that lead to them say.

    Returns:
        Name -> tensor of torch, in the file's order, and notes.

    Raises:
        ForeignFileError: there is none, or several that differ.
    """
    found = dict(_dicts(content, ()))
    if not found and not isinstance(content, Mapping):
        raise ForeignFileError(
            f"{source}: expected a state_dict, got {type(content).__name__} without one; save "
            "`module.state_dict()`"
        )
    if not found and _has_stand_ins(content):
        raise ForeignFileError(
            f"{source}: expected tensors of torch, got arrays of NumPy; save "
            "{name: torch.from_numpy(array) for name, array in ...}"
        )
    fitting = {path: own for path, (own, _) in found.items() if _is_network(own)}
    if not fitting:
        # The message shows the tensors of the first that is no optimizer's.
        likely = {p: t for p, t in found.items() if not _is_optimizer(p)} or found
        return next(iter(likely.values()), ({}, ()))[0], ()
    first = next(iter(fitting))
    if any(not _equal(fitting[first], other) for other in fitting.values()):
        first = _preferred(tuple(fitting), source, prefer)
        left = ", ".join(repr(_shown(path)) for path in fitting if path != first)
        same: tuple[tuple[str, ...], ...] = ()
        notes = [f"{OF_SEVERAL} {prefer!r} was taken, not {left[:200]}"]
    else:
        same, notes = tuple(fitting), []
    own, beside = found[first]
    notes += _left(content, own, beside, first, same)
    return own, tuple(notes)


def _has_stand_ins(content: object, levels: int = _MOST_LEVELS) -> bool:
    """Whether something of NumPy lies where tensors should."""
    inner = content.values() if isinstance(content, Mapping) else ()
    return isinstance(content, Number) or (
        levels >= 0 and any(_has_stand_ins(value, levels - 1) for value in inner)
    )


def has_tensors(content: object) -> bool:
    """Whether what was loaded holds a tensor under a name that may be a network's."""
    return any(
        any(tensor.is_floating_point() for tensor in own.values())
        for path, (own, _) in _dicts(content, ())
        if not _is_optimizer(path)
    )


def _preferred(
    paths: Sequence[tuple[str, ...]], source: str, prefer: str | None
) -> tuple[str, ...]:
    """The keys that lead to the network that is preferred, of several that differ."""
    kinds = {path: _kind(path) for path in paths}
    wanted = {"last": ("last", "model")}.get(prefer or "", (prefer,))
    own = [path for path in paths if kinds[path] in wanted]
    if len(own) == 1:
        return own[0]
    words = [k for k in dict.fromkeys(kinds.values()) if k and list(kinds.values()).count(k) == 1]
    raise ForeignFileError(
        f"{source}: it holds several networks that differ: "
        f"{', '.join(repr(_shown(path)) for path in paths)[:400]}; "
        "save the one that you want by itself"
        + (f", or choose one with --prefer {' or '.join(words)}" if words else "")
    )


def _kind(path: Sequence[str]) -> str:
    """Which state of a network keys lead to; "" where they do not say."""
    words = {word for key in path for word in re.split(r"[^a-z]+", key.lower())}
    for kind, signs in _SIGNS.items():
        if words & signs:
            return kind
    return ""


def _left(
    content: Any,
    own: Mapping[str, Any],
    without: Sequence[str],
    path: tuple[str, ...],
    same: Sequence[tuple[str, ...]],
) -> Iterator[str]:
    """Notes on what lies beside the tensors."""
    outer = content
    inside = True  # whether the path leads through keys alone, not to a part of a dict's names
    for key in path:
        if isinstance(outer, list | tuple):
            outer = outer[int(key)]
        else:
            inside = inside and isinstance(outer, Mapping) and key in outer
            outer = outer[key] if inside else outer
    keys = list(content) if isinstance(content, Mapping) else []
    if isinstance(content, list | tuple):
        keys = [str(number) for number in range(len(content))]
    beside = [str(key) for key in keys if not path or key != path[0]]
    if isinstance(content, Mapping) and len(path) > 1:
        inner = content.get(path[0])
        if isinstance(inner, list | tuple):
            others = [str(number) for number in range(len(inner)) if str(number) != path[1]]
            beside = [f"{path[0]}.{number}" for number in others] + beside
    if not path:
        beside = [str(key) for key in keys if str(key) not in own and key not in without]
    elif not inside:
        beside = [str(k) for k in keys if str(k).partition(".")[0] != path[0] and k not in without]
    if path:
        yield f"the tensors are those of {_shown(path)!r}" + (
            f"; left out beside it: {listed(beside)}" if beside else ""
        )
    elif beside:
        yield f"left out beside the tensors: {listed(beside)}"
    if without:
        yield f"tensors beside the network's were left out: {listed(without)}"
    if len(same) > 1:
        yield "the same network lies in " + ", ".join(repr(_shown(p)) for p in same)


def _dicts(
    content: Any, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], tuple[dict[str, Any], tuple[str, ...]]]]:
    """Every dict with tensors under names, by the keys that lead to it.

    Tensors that are clearly beside a network's are given apart. A dict whose names begin with
    those of several networks (model., ema.) gives each.
    """
    import torch

    if isinstance(content, Mapping):
        # Numbers name tensors alone: under those of an optimizer lie its states.
        named = {
            str(key): value
            for key, value in content.items()
            if isinstance(key, str) or (type(key) is int and isinstance(value, torch.Tensor))
        }
        own = {
            key: value
            for key, value in named.items()
            if isinstance(value, torch.Tensor) and key.rpartition(".")[2] != COUNTED
        }
        if own:
            kept, beside = without_beside(own, is_whole)
            parts = _networks_by_name(kept)
            if len(parts) > 1:
                for first, part in parts.items():
                    yield (*path, first), (part, beside)
            else:
                yield path, (kept, beside)
    elif isinstance(content, list | tuple):
        named = {str(number): value for number, value in enumerate(content[:_MOST_ITEMS])}
    else:
        return
    if len(path) < _MOST_LEVELS:
        for key, value in named.items():
            yield from _dicts(value, (*path, key))


def _is_optimizer(path: tuple[str, ...]) -> bool:
    return any("optim" in key.lower() for key in path)


def _equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two networks are the same bit for bit, whatever prefix their names have."""
    names, others = _without_prefix(one)[1], _without_prefix(other)[1]
    return names.keys() == others.keys() and all(
        _bits(one[names[name]]) == _bits(other[others[name]]) for name in names
    )


def _bits(tensor: Any) -> tuple[Any, ...]:
    import torch

    if tensor.device.type != "cpu" or tensor.layout != torch.strided:
        return (id(tensor),)  # has no numbers to compare
    plain = tensor.detach().resolve_neg().contiguous()
    return tensor.dtype, _shape(tensor), plain.flatten().view(torch.uint8).numpy().tobytes()


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(tensor.shape)


def _shown(path: Sequence[str]) -> str:
    return ".".join(path)[:80] or "the file itself"


def listed(names: Sequence[str]) -> str:
    """The first of some names, for messages."""
    return ", ".join(name[:40] for name in names[:8]) + ", ..." * (len(names) > 8)


def fit(shapes: Shapes, source: str, *, ordered: bool) -> Fit:
    """The known network whose tensors these are.

    A prefix that all names have is taken off (module., _orig_mod., model. and the like). Names
    that are not the architecture's fit by order and shape, where they do so in one way only.

    Args:
        shapes: name -> shape, in the file's order.
        source: the file, for messages.
        ordered: whether the file's order is that in which the module has them.

    Raises:
        ForeignFileError: no architecture has such tensors, or they fit in several ways.
    """
    prefix, names = _without_prefix(shapes)
    notes = (f"the prefix {prefix!r} was taken off all names",) if prefix else ()
    candidates = _architectures(shapes)
    for architecture in candidates:
        table = {p.name: p.shape for p in architecture.parameters}
        if table.keys() == names.keys():
            if all(shapes[names[name]] == shape for name, shape in table.items()):
                notes = (*notes, *_padding(architecture, by_name=True))
                return Fit(architecture=architecture, names=names, notes=notes)
            raise ForeignFileError(mismatch(shapes, candidates, source))
    for architecture in candidates:
        if _fits_shapes(list(shapes.values()), architecture):
            order, by_file = in_order(shapes, architecture, source, ordered=ordered)
            told = ", ".join(dict.fromkeys(layer_of(name) or name for name in order))
            own = {p.name: n for p, n in zip(architecture.parameters, order, strict=True)}
            note = (
                f"names were told by shape and, of layers of the same shapes, by their order in "
                f"the file: {told[:200]}"
                if by_file
                else f"names were told by order and shape, in the only way that fits: {told[:200]}"
            )
            return Fit(
                # Whoever has names of one's own has modules of PyTorch's.
                architecture=padded_symmetrically(architecture),
                names=own,
                notes=(*notes, note, *_padding(architecture, by_name=False)),
            )
    raise ForeignFileError(mismatch(shapes, candidates, source))


def _padding(architecture: Architecture, *, by_name: bool) -> Iterator[str]:
    """Where the zeros of strided convolutions are taken to lie, if there is a choice."""
    other = padded_symmetrically(architecture)
    if other == architecture:
        return
    if by_name:
        yield (
            f"all names are hyperzoo's, so the zeros around strided convolutions are taken to lie "
            f"as in its '{architecture.name}', the uneven one below and to the right (Keras's "
            "'same'); PyTorch's padding=1 is another function, and is taken under any other names"
        )
    else:
        yield (
            "the zeros around strided convolutions are taken to lie on all sides, as PyTorch's "
            f"padding=1 puts them ('{other.name}'); where they lie below and to the right, as in "
            f"Keras's 'same', give the tensors the names that zoos of '{architecture.name}' have"
        )


def declared_fit(shapes: Shapes, said: Mapping[str, Any], source: str) -> Fit:
    """How tensors are those of the layers that a file of hyperzoo's tells.

    Args:
        shapes: name -> shape.
        said: what the file says of its network, as `Pytorch.write` does.
        source: the file, for messages.

    Raises:
        ForeignFileError: the layers can't be built, or have other tensors.
    """
    try:
        architecture = architecture_from({**said, "name": said.get("architecture")})
    except ArchitectureError as error:
        raise ForeignFileError(f"{source}: the layers that it tells: {error}") from error
    expected = {p.name: p.shape for p in architecture.parameters}
    if shapes != expected:
        differing = sorted(expected.items() ^ shapes.items())[0][0]
        raise ForeignFileError(
            f"{source}: its tensors are not those of the layers that it tells: {differing}: "
            f"expected shape {expected.get(differing)}, got {shapes.get(differing)}"
        )
    return Fit(architecture=architecture, names={name: name for name in expected}, notes=())


def _networks_by_name(tensors: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The networks of several that one dict holds, by what their names begin with; else none."""
    parts: dict[str, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        parts.setdefault(name.partition(".")[0], {})[name] = tensor
    return parts if len(parts) > 1 and all(map(_is_network, parts.values())) else {}


def is_whole(tensors: Mapping[str, Any]) -> bool:
    """Whether tensors have the shapes of a known network, or of several, and no others."""
    return _is_network(tensors) or bool(_networks_by_name(tensors))


def _is_network(tensors: Mapping[str, Any]) -> bool:
    shapes = list(map(_shape, tensors.values()))
    return any(_fits_shapes(shapes, architecture) for architecture in _architectures(tensors))


def _architectures(shapes: Mapping[str, Any]) -> list[Architecture]:
    """All that there are, with as many outputs as any bias here has."""
    sizes = {tuple(getattr(value, "shape", value)) for value in shapes.values()}
    outputs = sorted({shape[0] for shape in sizes if len(shape) == 1 and shape[0] > 0}) or [1]
    return [get_architecture(name, count) for name in architecture_names() for count in outputs]


def _fits_shapes(shapes: Sequence[tuple[int, ...]], architecture: Architecture) -> bool:
    return sorted(shapes) == sorted(parameter.shape for parameter in architecture.parameters)


def _without_prefix(tensors: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """What all names begin with, up to a point; and name without it -> name."""
    parts = [name.split(".") for name in tensors]
    common = 0
    shortest = min(map(len, parts), default=1)
    # The last two parts are a layer's name and weight or bias.
    while common < shortest - 2 and len({own[common] for own in parts}) == 1:
        common += 1
    prefix = "".join(f"{part}." for part in parts[0][:common]) if parts else ""
    return prefix, {name.removeprefix(prefix): name for name in tensors}
