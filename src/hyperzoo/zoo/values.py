"""Values of `zoo.json`, of which nothing is taken on trust: each is checked, or a ValueError."""

import reprlib
from typing import Any


def an_object(value: object, place: str) -> dict[str, Any]:
    """A table of JSON."""
    if not isinstance(value, dict):
        raise ValueError(f"{place}: expected an object, got {reprlib.repr(value)}")
    return value


def a_list(value: object, place: str) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise ValueError(f"{place}: expected a list, got {reprlib.repr(value)}")
    return value


def a_text(value: object, place: str) -> str:
    """A text that any file or terminal takes."""
    # JSON can spell lone halves of surrogate pairs, which no file or terminal takes.
    if not isinstance(value, str) or any("\ud800" <= c <= "\udfff" for c in value):
        raise ValueError(f"{place}: expected a text, got {reprlib.repr(value)}")
    return value


def texts(value: object, place: str) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(a_text(entry, place) for entry in a_list(value, place))


def text_object(value: object, place: str) -> dict[str, str]:
    """A table of texts."""
    return {
        a_text(key, place): a_text(entry, f"{place}.{key}")
        for key, entry in an_object(value, place).items()
    }


def whole_numbers(value: object, place: str) -> tuple[int, ...]:
    """A list of whole numbers of 0 or more."""
    numbers = a_list(value, place)
    # type(), because True is an int too.
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(f"{place}: expected whole numbers, got {reprlib.repr(value)}")
    return tuple(numbers)


def a_whole_number(value: object, place: str) -> int:
    """A whole number of 0 or more."""
    return whole_numbers([value], place)[0]
