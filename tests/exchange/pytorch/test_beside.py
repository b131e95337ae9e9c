"""What lies beside a network in one file: losses, metrics, scalings, other states of it."""

import builtins
import collections
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.importing import ImportedZoo, import_zoo
from tests.exchange.pytorch.test_saved import random_state

STATE, OTHER = random_state("smallcnn", seed=1), random_state("smallcnn", seed=2)


def wrapped(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


def imported(tmp_path: Path, content: object, prefer: str | None = None) -> ImportedZoo:
    torch.save(content, tmp_path / "cat_0.pt")
    return import_zoo(tmp_path / "cat_0.pt", tmp_path / "zoo", prefer=prefer)


def check(found: ImportedZoo, state: dict[str, torch.Tensor]) -> None:
    own = found.zoo.arrays("cat_0")
    assert all(np.array_equal(own[name], tensor.numpy()) for name, tensor in state.items())


@pytest.mark.parametrize(
    "extra",
    [
        {"criterion.pos_weight": torch.tensor([2.0])},
        {"criterion.weight": torch.ones(1)},
        {"train_acc.tp": torch.zeros(1, dtype=torch.int64), "val_f1.fn": torch.zeros(3)},
        {"n_averaged": torch.tensor(3)},
        {"normalize.mean": torch.zeros(1, 1, 1), "normalize.std": torch.ones(1, 1, 1)},
    ],
)
@pytest.mark.parametrize("prefix", ["", "model.", "module."])
@pytest.mark.parametrize("key", [None, "state_dict"])
def test_tensors_of_else_are_left_out(
    tmp_path: Path, extra: dict[str, torch.Tensor], prefix: str, key: str | None
):
    state = {**wrapped(prefix, STATE), **extra}
    found = imported(tmp_path, state if key is None else {key: state})
    check(found, STATE)
    names = ", ".join(extra)
    assert f"1 network: tensors beside the network's were left out: {names}" in found.notes


def test_tensors_of_else_in_safetensors(tmp_path: Path):
    state = {**wrapped("model.", STATE), "criterion.pos_weight": torch.ones(1)}
    save_file(state, tmp_path / "cat_0.safetensors")
    found = import_zoo(tmp_path / "cat_0.safetensors", tmp_path / "zoo")
    check(found, STATE)
    assert found.notes[0].endswith("were left out: criterion.pos_weight")


@pytest.mark.parametrize("name", ["head.weight", "model.bn.weight", "model.pos", "bn.running_mean"])
def test_what_may_be_a_layer_is_not_left_out(tmp_path: Path, name: str):
    with pytest.raises(ForeignFileError, match="expected the tensors of a known architecture"):
        imported(tmp_path, {**wrapped("model.", STATE), name: torch.ones(3)})


@pytest.mark.parametrize(
    "scaling",
    [
        {"normalize.mean": torch.tensor(0.1307), "normalize.std": torch.tensor(0.3081)},
        {"mean": torch.tensor(0.5), "std": torch.tensor(0.25)},
        {"net.mean": torch.tensor(0.5, dtype=torch.float64)},
        {"net.norm.std": torch.full((3,), 0.5), "net.norm.mean": torch.zeros(3)},
        {"pixel_mean": torch.full((1, 3, 1, 1), 0.4), "pixel_std": torch.ones(1)},
        {"mean": torch.tensor(0.0), "std": torch.tensor(0.5)},
    ],
)
@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_a_scaling_is_refused_whatever_its_shape_and_module(
    tmp_path: Path, scaling: dict[str, torch.Tensor], kind: str
):
    state = {**wrapped("net.", STATE), **scaling}
    path = tmp_path / f"cat_0.{kind}"
    torch.save(state, path) if kind == "torch" else save_file(state, path)
    with pytest.raises(ForeignFileError, match="scale the pixels before the network"):
        import_zoo(path, tmp_path / "zoo")


@pytest.mark.parametrize("name", ["temperature", "logit_scale", "model.alpha", "model.act.weight"])
def test_a_number_that_may_be_of_the_function_is_refused(tmp_path: Path, name: str):
    state = {**wrapped("model.", STATE), name: torch.tensor(0.05)}
    with pytest.raises(ForeignFileError, match=rf"{name}: a number by itself may be a part of "):
        imported(tmp_path, {"state_dict": state})


@pytest.mark.parametrize("name", ["ema_decay", "best_score", "val_loss", "model.current_step"])
def test_a_number_of_training_is_left_out(tmp_path: Path, name: str):
    found = imported(tmp_path, {**wrapped("model.", STATE), name: torch.tensor(0.5)})
    check(found, STATE)
    assert f"1 network: tensors beside the network's were left out: {name}" in found.notes


@pytest.mark.parametrize("layer", ["f1", "acc", "loss", "precision"])
@pytest.mark.parametrize("beside", [{}, {"val_f1.tp": torch.zeros(2)}])
def test_a_layer_may_be_called_as_a_metric(
    tmp_path: Path, layer: str, beside: dict[str, torch.Tensor]
):
    """Without it the network is not whole, so that names fit in one way."""
    state = {name.replace("fc1", layer): tensor for name, tensor in STATE.items()}
    check(imported(tmp_path, {**state, **beside}), STATE)


def test_a_scaling_is_refused(tmp_path: Path):
    state = {**wrapped("net.", STATE), "normalize.mean": torch.full((3, 1, 1), 0.5)}
    with pytest.raises(ForeignFileError, match=r"normalize.mean scale the pixels before the netw"):
        imported(tmp_path, state)


@pytest.mark.parametrize(
    ("content", "prefer", "expected"),
    [
        ({"model": STATE, "ema": OTHER}, "model", STATE),
        ({"model": STATE, "ema": OTHER}, "ema", OTHER),
        ({"state_dict": STATE, "best_state_dict": OTHER}, "best", OTHER),
        ({"state_dict": STATE, "best_state_dict": OTHER}, "last", STATE),
        ({**wrapped("model.", STATE), **wrapped("ema_model.", OTHER)}, "ema", OTHER),
    ],
)
def test_a_preference_reaches_into_a_file(
    tmp_path: Path, content: object, prefer: str, expected: dict[str, torch.Tensor]
):
    with pytest.raises(ForeignFileError, match=r"several networks that differ: .*--prefer"):
        imported(tmp_path, content)
    found = imported(tmp_path, content, prefer)
    check(found, expected)
    assert f"of several networks in one file that of '{prefer}' was taken, not" in found.notes[0]


def test_a_network_in_a_list(tmp_path: Path):
    found = imported(tmp_path, {"models": [STATE], "epoch": 3})
    check(found, STATE)
    assert (
        found.notes[0]
        == "1 network: the tensors are those of 'models.0'; left out beside it: epoch"
    )


@pytest.mark.parametrize("kind", [dict, list, int])
def test_types_in_settings(tmp_path: Path, kind: type):
    """As of OmegaConf, which Lightning keeps; torch names builtins without their module."""
    found = imported(tmp_path, {"state_dict": STATE, "x": collections.defaultdict(kind)})
    check(found, STATE)
    assert "left out beside it: x" in found.notes[0]


@pytest.mark.parametrize("name", ["eval", "getattr", "exec", "open", "__import__", "print"])
def test_other_builtins_are_refused(tmp_path: Path, name: str):
    with pytest.raises(ForeignFileError, match=rf"asks for '(io\.)?{name}', which no state_dict"):
        imported(tmp_path, {"state_dict": STATE, "x": Calls(name)})


class Calls:
    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return getattr(builtins, self.name), ("1",)


def test_a_file_that_is_cut_short(tmp_path: Path):
    path = tmp_path / "cat_0.pt"
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(ForeignFileError, match=r"torch.save that was cut short or damaged"):
        import_zoo(path, tmp_path / "zoo")
