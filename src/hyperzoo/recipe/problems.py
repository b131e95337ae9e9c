"""What pydantic finds wrong with a recipe, in words."""

import difflib
import json
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hyperzoo.errors import did_you_mean


def problems_of(
    model: type[BaseModel], document: dict[str, Any], error: ValidationError
) -> Iterator[str]:
    """Every mistake as one line.

    Args:
        model: what a recipe is.
        document: the recipe as TOML's parser gives it.
        error: what pydantic said of it.
    """
    for detail in (*error.errors(include_url=False), *_further(model, document, error)):
        yield _problem(model, detail)


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
    place = ".".join(str(part) for part in detail["loc"]) or "recipe"
    if detail["type"] == "extra_forbidden":
        known = _known_keys(model, detail["loc"][:-1])
        nearest = did_you_mean(str(detail["loc"][-1]), known)
        return f"{place}: unknown key{nearest} (known here: {', '.join(known)})"
    if detail["type"] == "missing":
        return f"{place}: missing, and it has no default"
    if detail["type"] == "model_type":
        return f"{place}: expected a table of keys, got {detail['input']!r}"
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if isinstance(detail["input"], dict):
        return f"{place}: {message}"
    nearest = ""
    if detail["type"] == "literal_error":
        nearest = did_you_mean(str(detail["input"]), re.findall("'(.*?)'", message))
    return f"{place}: {message}, got {detail['input']!r}{nearest}"


def _known_keys(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys allowed in a section of the recipe, found by walking down its models."""
    section = model
    for part in place:
        annotation = section.model_fields[str(part)].annotation
        members = (annotation, *get_args(annotation))
        section = next(m for m in members if isinstance(m, type) and issubclass(m, BaseModel))
    return list(section.model_fields)
