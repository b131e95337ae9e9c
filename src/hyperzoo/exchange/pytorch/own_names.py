"""Tensors under names of one's own: which is which, by names, numbers, order and shape."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from hyperzoo.architectures import Architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.network import OTHER_LAYERS

_KINDS = ("weight", "bias", "running_mean", "running_var")
_WORDS = re.compile(
    r"(?<![a-z])(?:(?P<weight>weights?|kernel|w)|bias(?:es)?|b)(?![a-z])", re.IGNORECASE
)
"""Words for weight and bias in other places of a name: conv1_w, W1, kernel_1."""
_NUMBERS = re.compile(r"[0-9]{1,9}")
_MOST_SHOWN = 12
_REMEDIES = {
    re.compile(r"_mask\Z"): "make the pruning final, torch.nn.utils.prune.remove(layer, 'weight')",
    re.compile(r"(?:^|\.)parametrizations\."): (
        "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight') makes it one again"
    ),
    re.compile(r"_(?:orig|u)\Z"): ("torch.nn.utils.remove_spectral_norm(layer) makes it one again"),
    re.compile(r"_[gv]\Z"): "torch.nn.utils.remove_weight_norm(layer) makes it one again",
}
"""What modules may have in place of a weight, and how it becomes one."""

Shapes = Mapping[str, tuple[int, ...]]


def in_order(
    shapes: Shapes, architecture: Architecture, source: str, *, ordered: bool
) -> tuple[list[str], bool]:
    """The file's names in the order of the architecture's table.

    Args:
        shapes: name -> shape, in the file's order; the shapes are the architecture's.
        architecture: whose tensors these are.
        source: the file, for messages.
        ordered: whether the file's order is that in which the module has them.

    Returns:
        The names, and whether the file's order alone told some of them apart.

    Raises:
        ForeignFileError: the names fit in several ways, or tell of other layers.
    """
    plain = _plain_names(shapes)
    if plain is None:
        return _by_order_alone(shapes, architecture, source, ordered=ordered)
    found = _layers({plain[name]: shape for name, shape in shapes.items()})
    names = {own: name for name, own in plain.items()}
    table = _layers({p.name: p.shape for p in architecture.parameters})
    wanted = list(table.values())
    for name, own in found.items():
        if len(own) == 1 and not any(len(layer) == 1 for layer in wanted):
            raise ForeignFileError(
                f"{source}: the layer {name[:80]!r} has a {own[0][0]} alone; "
                + _remedy(architecture)
            )
    if sorted(found.values()) != sorted(wanted):
        raise ForeignFileError(mismatch(shapes, [architecture], source))
    trusted = ordered and list(found.values()) == wanted
    queues = {layer: [own for own in found if found[own] == layer] for layer in set(wanted)}
    by_file = False
    for layer, alike in queues.items():
        if len(alike) > 1:
            firsts = [names[f"{one}.{found[one][0][0]}"] for one in alike]
            called = [layer_of(name) or name for name in firsts]
            queues[layer], is_by_file = _alike(alike, called, source, architecture, trusted=trusted)
            by_file = by_file or is_by_file
    order = [queues[layer].pop(0) for layer in wanted]
    if len(order) > len(queues):
        _check_numbers(order, source, architecture)
    return [names[f"{own}.{kind}"] for own in order for kind, _ in found[own]], by_file


def _check_numbers(order: Sequence[str], source: str, architecture: Architecture) -> None:
    """Refuse layers that were told apart by numbers which are in another order than the network's.

    Shapes may put some in their places, such as a shortcut that was numbered before its block; but
    then the numbers of those of the same shapes say nothing.

    Raises:
        ForeignFileError: they are.
    """
    last: dict[str, list[int]] = {}
    for layer in order:
        pattern, numbers = _NUMBERS.sub("#", layer), list(map(int, _NUMBERS.findall(layer)))
        if numbers < last.get(pattern, []):
            raise ForeignFileError(
                f"{source}: {', '.join(order)[:200]} is the order of '{architecture.name}' by "
                "shapes, but not by numbers, which tell apart layers of the same shapes; "
                + _numbered(architecture)
            )
        last[pattern] = numbers


def _numbered(architecture: Architecture) -> str:
    layers = ", ".join(dict.fromkeys(layer_of(p.name) for p in architecture.parameters))
    shortcut = "" if architecture.is_straight else " (a block's shortcut after the rest of it)"
    return (
        f"let numbers tell the order of {layers}{shortcut}: call them 0.weight, 0.bias, ..., "
        "1.weight and so on"
    )


def _plain_names(shapes: Shapes) -> dict[str, str] | None:
    """Name -> the same with .weight or .bias at its end; None where no name says which it is.

    A name may say so in another place, if the shape agrees: a bias has one axis.
    """
    if all(name.rpartition(".")[2] in _KINDS for name in shapes):
        return {name: name for name in shapes}
    plain = dict[str, str]()
    for name, shape in shapes.items():
        words = list(_WORDS.finditer(name))
        if words and (words[-1]["weight"] is None) == (len(shape) == 1):
            begin, end = words[-1].span()
            layer = (name[:begin].rstrip("._-/") + "." + name[end:].lstrip("._-/")).strip(".")
            plain[name] = f"{layer}.{'bias' if words[-1]['weight'] is None else 'weight'}"
    told = len(plain) == len(shapes) == len(set(plain.values()))
    return plain if told else None


def _by_order_alone(
    shapes: Shapes, architecture: Architecture, source: str, *, ordered: bool
) -> tuple[list[str], bool]:
    """The names in order, where none says what it is: by their numbers, or as the file has them."""
    some = [name for name in shapes if _WORDS.search(name) or name.endswith(_KINDS)]
    # Four tensors of a normalisation have one shape, so that no order of theirs can be checked.
    if some or any(p.name.endswith(_KINDS[2:]) for p in architecture.parameters):
        other = next((name for name in shapes if name not in some), next(iter(shapes)))
        raise ForeignFileError(
            f"{source}: expected names that end in .weight and .bias, got {other[:80]!r}; "
            + _numbered(architecture)
        )
    wanted = [parameter.shape for parameter in architecture.parameters]
    trusted = ordered and list(shapes.values()) == wanted
    order, by_file = _alike(list(shapes), list(shapes), source, architecture, trusted=trusted)
    if [shapes[name] for name in order] != wanted:
        raise ForeignFileError(
            f"{source}: {', '.join(order)[:200]} are not in the order of '{architecture.name}'; "
            + _remedy(architecture)
        )
    return order, by_file


def _remedy(architecture: Architecture) -> str:
    return f"name the tensors {', '.join(p.name for p in architecture.parameters)}"


_Layer = tuple[tuple[str, tuple[int, ...]], ...]
"""Kind and shape of each tensor of a layer, in the order of `_KINDS`."""


def _layers(shapes: Shapes) -> dict[str, _Layer]:
    """Layer -> its tensors, in the file's order."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        layer, kind = layer_of(name), name.rpartition(".")[2]
        found.setdefault(layer, {})[kind] = shape
    return {
        layer: tuple((kind, own[kind]) for kind in _KINDS if kind in own)
        for layer, own in found.items()
    }


def layer_of(name: str) -> str:
    """A tensor's name without what it is of its layer; "" where the name has one part."""
    return name.rpartition(".")[0]


def _alike(
    layers: list[str], called: list[str], source: str, architecture: Architecture, *, trusted: bool
) -> tuple[list[str], bool]:
    """Layers of the same shapes in order: by numbers in their names, else by the file's order.

    And whether it was by the file's order.
    """
    patterns = {_NUMBERS.sub("#", layer) for layer in layers}
    numbers = {layer: list(map(int, _NUMBERS.findall(layer))) for layer in layers}
    by_number = sorted(layers, key=lambda layer: numbers[layer]) if len(patterns) == 1 else None
    if by_number is not None and len(set(map(tuple, numbers.values()))) < len(layers):
        by_number = None
    if (by_number is None and not trusted) or (trusted and by_number not in (None, layers)):
        raise ForeignFileError(
            f"{source}: {', '.join(called)[:200]} fit '{architecture.name}' in more than one way, "
            "as several have the same shapes and "
            + ("their numbers and their order differ" if trusted else "their order is not known")
            + f"; {_numbered(architecture)}"
        )
    return by_number or layers, by_number is None


def mismatch(shapes: Shapes, candidates: Sequence[Architecture], source: str) -> str:
    """What to say of tensors that are those of none of some architectures: what the nearest has."""

    def shown(table: Sequence[tuple[str, tuple[int, ...]]]) -> str:
        listed = ", ".join(
            f"{n[:60]} {'x'.join(map(str, s)) or '()'}" for n, s in table[:_MOST_SHOWN]
        )
        return listed + f" and {len(table) - _MOST_SHOWN} more" * (len(table) > _MOST_SHOWN)

    own = Counter(shapes.values())

    def differing(architecture: Architecture) -> int:
        wanted = Counter(p.shape for p in architecture.parameters)
        return ((own - wanted) + (wanted - own)).total()

    nearest = min(candidates, key=differing)
    known = ", ".join(dict.fromkeys(architecture.name for architecture in candidates))
    return (
        f"{source}: expected the tensors of a known architecture ({known})\n  expected "
        f"{nearest.name}: {shown([(p.name, p.shape) for p in nearest.parameters])}\n"
        f"  found    {shown(list(shapes.items())) or 'none'}\n"
        f"{_next(shapes, nearest)}"
    )


def _next(shapes: Shapes, nearest: Architecture) -> str:
    """What to do about tensors that are not those of a known network."""
    for pattern, remedy in _REMEDIES.items():
        if name := next(filter(pattern.search, shapes), None):
            return f"{name[:60]} is there in place of a weight: {remedy}, then save the state_dict"
    wanted, own = Counter(p.shape for p in nearest.parameters), Counter(shapes.values())
    if not wanted - own and (extra := own - wanted):
        more = [name for name, shape in shapes.items() if shape in extra]
        # A vector beside the network may be as long as a bias in it.
        odd = [name for name in more if name.rpartition(".")[2] not in _KINDS]
        beyond = odd if len(odd) == extra.total() else more
        names = ", ".join(name[:60] for name in beyond[:8]) + ", ..." * (len(beyond) > 8)
        return (
            f"all of '{nearest.name}' is there, and more: if {names} changes no answer of the "
            "network, save the state_dict without it"
        )
    return OTHER_LAYERS
