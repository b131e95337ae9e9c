"""Numbers of things in words."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """So many of a thing: "1 network", "1,061 networks", "2 classes".

    Args:
        count: how many.
        one: what a single one is called.
        many: what several are called; None for `one` with an "s".
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
