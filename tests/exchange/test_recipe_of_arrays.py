"""The lines of docs/formats.md that make state_dicts of an array."""

import re
from pathlib import Path

import numpy as np
import pytest

from hyperzoo.architectures import get_architecture
from hyperzoo.exchange.importing import import_zoo

DOCS = Path(__file__).parents[2] / "docs" / "formats.md"


def test_the_lines_in_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    weights = np.random.default_rng(1).normal(size=(3, 4970)).astype(np.float32)
    np.save("networks.npy", weights)
    exec(compile(code, str(DOCS), "exec"), {})
    zoo = import_zoo("networks", "zoo").zoo
    assert (zoo.ids, zoo.architecture) == (
        ["all_0", "all_1", "all_2"],
        get_architecture("smallcnn", 10),
    )
    own = zoo.arrays("all_2")
    assert own["conv1.bias"].tobytes() == weights[2, :16].tobytes()
    kernel = weights[2, 16:160].reshape(3, 3, 1, 16)
    assert np.array_equal(own["conv1.weight"], kernel.transpose(3, 2, 0, 1))
    assert np.array_equal(own["fc1.weight"], weights[2, 4810:].reshape(16, 10).T)
