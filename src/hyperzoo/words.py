"""Numbers of things in words, and names that can be shown."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """So many of a thing: "1 network", "1,061 networks", "2 classes".

    Args:
        count: how many.
        one: what a single one is called.
        many: what several are called; None for `one` with an "s".
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def printable(text: str) -> str:
    """A name of a file as a whole, with escapes for what would act on a terminal.

    Args:
        text: any text, half characters of names that are no UTF-8 included.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
