"""What a pickle asks for, told without running any of it."""

import itertools
import pickletools
from collections.abc import Container

_MOST_INSTRUCTIONS = 1_000_000


def first_stranger(content: bytes, known: Container[str]) -> str | None:
    """The first name that a pickle asks for and that is not among the known ones.

    For messages alone: whether a pickle is read is for the `Machine` to say.

    Args:
        content: the pickle, or its beginning.
        known: names that plain data needs, as "module.name".

    Returns:
        The name as "module.name"; None where all are known, or the content is no pickle.
    """
    memo: dict[object, str | None] = {}
    before, top = "", ""  # the last two texts
    pushed: str | None = None  # what the last instruction left, where it is a text
    try:
        for opcode, argument, _ in itertools.islice(
            pickletools.genops(content), _MOST_INSTRUCTIONS
        ):
            if opcode.name in ("GLOBAL", "INST", "STACK_GLOBAL"):
                name = f"{before}.{top}" if argument is None else argument.replace(" ", ".", 1)
                if name not in known:
                    return name
                pushed = None
            elif opcode.name in ("PUT", "BINPUT", "LONG_BINPUT"):
                memo[argument] = pushed
            elif opcode.name == "MEMOIZE":
                memo[len(memo)] = pushed
            else:
                is_recalled = opcode.name in ("GET", "BINGET", "LONG_BINGET")
                value = memo.get(argument) if is_recalled else argument
                pushed = value if isinstance(value, str) else None
                if pushed is not None:
                    before, top = top, pushed
    except (ValueError, OverflowError):  # cut off, or no pickle at all
        pass
    return None
