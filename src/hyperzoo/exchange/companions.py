"""Files that training programs leave beside networks, told by their names alone."""

import re

from hyperzoo.exchange.path_names import without_suffix

_COMPANION = re.compile(
    r"(?:.*[_.-])?(?:"
    r"optim(?:izer)?s?(?:[_-]states?)?|(?:lr[_-]?)?schedulers?|(?:grad[_-]?)?scalers?"
    r"|training[_-]args|rng[_-]states?|random[_-]states?|(?:train(?:ing)?[_-])?history|losses"
    r"|(?:hyper|h)?params|tuner|trainer|searcher[_-]state.*|experiment[_-]state.*|callbacks"
    r"|metrics|tokenizer|label[_-]encoder"
    r")(?:[_-]?[0-9]+)?",
    re.IGNORECASE | re.DOTALL,
)


def is_companion(name: str) -> bool:
    """Whether a file's name is one that optimizers, histories, settings and the like have.

    Such a file is passed over without a look at its content, so that a pickle among them is never
    read. A network whose name is one of these needs another name.

    Args:
        name: the file's name, e.g. "params.pkl", "cat_0_optimizer.pt", "random_states_0.pkl".
    """
    return _COMPANION.fullmatch(without_suffix(name)) is not None
