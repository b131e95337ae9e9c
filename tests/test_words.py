import pytest

from hyperzoo.words import counted, some_of


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 networks"), (1, "1 network"), (2, "2 networks"), (1061, "1,061 ne")],
)
def test_numbers_of_things(count: int, words: str):
    assert counted(count, "network").startswith(words)
    assert counted(1, "network") == "1 network"


def test_an_odd_plural():
    assert [counted(n, "class", "classes") for n in (1, 2)] == ["1 class", "2 classes"]


def test_some_of_many_names():
    assert some_of(["a", "b"]) == "a, b"
    assert some_of(list("abcdefg"), 2) == "a, b and 5 more"
