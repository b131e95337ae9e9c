"""What pydantic finds wrong with a recipe, in words."""

import difflib
import json
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hyperzoo.errors import did_you_mean
from hyperzoo.recipe.section import NAME_RULE

_Context = Mapping[str, Any]
"""What pydantic tells beside a finding: the bound that was passed, the values that are known."""


def _amount(number: float) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


_WORDS: dict[str, Callable[[_Context], str]] = {
    "missing": lambda _: "missing, and it has no default",
    "invalid_key": lambda _: "expected a text for a key",
    "int_parsing_size": lambda _: "expected a smaller whole number",
    "finite_number": lambda _: "expected a finite number",
    "literal_error": lambda context: f"expected {context['expected']}",
    "greater_than": lambda context: f"expected a number above {_amount(context['gt'])}",
    "greater_than_equal": lambda context: f"expected {_amount(context['ge'])} or more",
    "less_than": lambda context: f"expected a number below {_amount(context['lt'])}",
    "less_than_equal": lambda context: f"expected at most {_amount(context['le'])}",
    "string_too_short": lambda _: "expected a text that is not empty",
    "string_pattern_mismatch": lambda _: f"expected {NAME_RULE}",  # no other has a pattern
    "too_short": lambda _: "expected a value or more; give one, or leave the key out",
    "too_long": lambda context: (
        f"expected a list of at most {context['max_length']} values; take some out"
    ),
    "bounds": lambda _: "expected two bounds, [low, high]",
    "drawn": lambda _: "expected a finite number, a text, true or false",
}
"""Kind of a finding -> the same in a recipe's words."""

_TYPES = {
    "int": "expected a whole number",
    "float": "expected a number",
    "string": "expected a text",
    "bool": "expected true or false",
    "tuple": "expected a list",
    "model": "expected a table of keys",
}
"""How kinds begin of what is of another type -> the same. Yet others have messages of our own."""

_PAIRS = ("uniform", "log_uniform")
_MEMBERS = ("bool", "int", "float", "str")
"""Of the union that values of a choice are, each of which pydantic tells of by itself."""


def problems_of(
    model: type[BaseModel], document: dict[str, Any], error: ValidationError
) -> Iterator[str]:
    """Every mistake as one line.

    Args:
        model: what a recipe is.
        document: the recipe as TOML's parser gives it.
        error: what pydantic said of it.
    """
    details = error.errors(include_url=False)
    for detail in (*details, *_further(model, document, error)):
        if detail["type"] != "too_short" or not _holds_others(detail, details):
            yield _problem(model, detail)


def _holds_others(detail: ErrorDetails, details: Iterable[ErrorDetails]) -> bool:
    """Whether values of a list are no good, which pydantic does not count: it seems too short."""
    depth = len(detail["loc"])
    return any(d["loc"][:depth] == detail["loc"] and len(d["loc"]) > depth for d in details)


def words_of(detail: ErrorDetails) -> str:
    """What a value should be, and the known one that is nearest to it, in a recipe's words.

    Args:
        detail: one of pydantic's findings.
    """
    return _words(detail["type"], detail) + _nearest(detail)


def _words(kind: str, detail: ErrorDetails) -> str:
    if kind in _WORDS:
        return _WORDS[kind](detail.get("ctx", {}))
    if not _is_own(kind):
        return _TYPES[_begin(kind)]
    message = detail["msg"].removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _is_own(kind: str) -> bool:
    """Whether the message of a finding is one of ours."""
    return kind not in _WORDS and _begin(kind) not in _TYPES


def _begin(kind: str) -> str:
    return kind.partition("_")[0]


def _nearest(detail: ErrorDetails) -> str:
    if detail["type"] != "literal_error":
        return ""
    return did_you_mean(str(detail["input"]), re.findall("'(.*?)'", detail["msg"]))


def _further(
    model: type[BaseModel], document: dict[str, Any], error: ValidationError
) -> list[ErrorDetails]:
    """What pydantic looks at only when all keys of a section are good: how they fit together.

    The bad keys are left out and the rest is looked at again. What rests on one of them is not
    reported: it may be right once that is mended.
    """
    rest = json.loads(json.dumps(document, default=str))
    details = error.errors(include_url=False)
    bad = {detail["loc"] for detail in details}
    for detail in details:
        if detail["type"] == "extra_forbidden":  # it may stand for a known key
            *section, key = detail["loc"]
            absent = [
                k
                for k in _known_keys(model, tuple(section))
                if not _is_there(document, *section, k)
            ]
            bad |= {(*section, k) for k in difflib.get_close_matches(str(key), absent, cutoff=0.5)}
    for place in {detail["loc"] for detail in details}:
        holder = rest
        for part in place[:-1]:
            holder = holder.get(part) if isinstance(holder, dict) else None
        if place and isinstance(holder, dict):
            holder.pop(place[-1], None)
    try:
        model.model_validate(rest)
    except ValidationError as again:
        return [
            detail
            for detail in again.errors(include_url=False)
            if "," in detail["type"]
            and not bad & {(*detail["loc"], key) for key in detail["type"].split(",")}
        ]
    return []


def _is_there(document: Any, *place: int | str) -> bool:
    for part in place:
        if not isinstance(document, dict) or part not in document:
            return False
        document = document[part]
    return True


def _problem(model: type[BaseModel], detail: ErrorDetails) -> str:
    """One of pydantic's findings as one line: place, what is allowed, found, nearest name."""
    kind, at = detail["type"], detail["loc"]
    if kind in ("missing", "too_long", "tuple_type") and set(at[-2:]) & set(_PAIRS):
        kind, at = "bounds", at[:-1] if kind == "missing" else at
    elif at and at[-1] in _MEMBERS and "choice" in at:
        kind, at = "drawn", at[:-1]
    place = ".".join(str(part) for part in at) or "recipe"
    if kind == "extra_forbidden":
        known = _known_keys(model, at[:-1])
        nearest = did_you_mean(str(at[-1]), known)
        return f"{place}: unknown key{nearest} (known here: {', '.join(known)})"
    message, _, remedy = _words(kind, detail).partition("; ")
    if kind == "missing" or (_is_own(kind) and isinstance(detail["input"], dict)):
        return f"{place}: {_words(kind, detail)}"
    got = "a table" if isinstance(detail["input"], dict) else reprlib.repr(detail["input"])
    return f"{place}: {message}, got {got}{_nearest(detail)}{'; ' * bool(remedy)}{remedy}"


def _known_keys(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys allowed in a section of the recipe, found by walking down its models."""
    section = model
    for part in place:
        annotation = section.model_fields[str(part)].annotation
        members = (annotation, *get_args(annotation))
        section = next(m for m in members if isinstance(m, type) and issubclass(m, BaseModel))
    return list(section.model_fields)
