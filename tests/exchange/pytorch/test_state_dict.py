import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.network import ForeignNetwork
from hyperzoo.exchange.pytorch.state_dict import Pytorch
from hyperzoo.zoo import open_zoo
from tests.exchange.format_contract import FormatContract
from tests.zoo.makers import make_zoo


class TestPytorch(FormatContract):
    format = Pytorch()


@pytest.fixture
def state(tmp_path: Path) -> dict[str, torch.Tensor]:
    return open_zoo(make_zoo(tmp_path / "zoo", parts=1)).state_dict("cat_0")


def read(path: Path) -> ForeignNetwork:
    (network,) = Pytorch().read(path)
    return network


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
@pytest.mark.parametrize("old", [True, False])
def test_what_torch_saved(state: dict[str, torch.Tensor], tmp_path: Path, suffix: str, old: bool):
    path = tmp_path / f"owl_7{suffix}"
    shuffled = dict(reversed(state.items()))
    torch.save(shuffled, path, _use_new_zipfile_serialization=not old)
    network = read(path)
    assert (network.id, network.architecture.name) == ("owl_7", "smallcnn")
    for name, tensor in state.items():
        assert network.weights[name].tobytes() == tensor.numpy().tobytes()


class Evil:
    """What unpickling it would run is plain to see afterwards."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("old", [True, False])
def test_code_is_not_run(tmp_path: Path, old: bool):
    path, mark = tmp_path / "cat_0.pt", tmp_path / "mark"
    torch.save({"fc1.bias": Evil(mark)}, path, _use_new_zipfile_serialization=not old)
    with pytest.raises(ForeignFileError, match="weights_only=True, and hyperzoo never") as error:
        read(path)
    assert not mark.exists()
    assert "it asks for 'getattr'" in str(error.value)
    assert "likely succeed" not in str(error.value)  # torch's advice to run it after all


def test_a_whole_module_is_refused_by_its_class(tmp_path: Path):
    torch.save(torch.nn.Sequential(), tmp_path / "cat_0.pt")
    with pytest.raises(ForeignFileError, match=r"'torch\.nn\..*Sequential'.* save `module.state_d"):
        read(tmp_path / "cat_0.pt")


def test_tensors_that_numpy_does_not_take_as_they_are(
    state: dict[str, torch.Tensor], tmp_path: Path
):
    """Parameters, tensors kept as their negatives, and tensors without numbers."""
    path = tmp_path / "cat_0.pt"
    torch.save({name: torch.nn.Parameter(tensor) for name, tensor in state.items()}, path)
    assert np.array_equal(read(path).weights["fc1.bias"], state["fc1.bias"])
    torch.save({name: torch._neg_view(tensor) for name, tensor in state.items()}, path)
    assert np.array_equal(read(path).weights["fc1.bias"], -state["fc1.bias"])
    torch.save({name: tensor.to("meta") for name, tensor in state.items()}, path)
    with pytest.raises(ForeignFileError, match=r"conv1\.weight: it has a shape, but no numbers"):
        read(path)


def test_what_is_no_state_dict(state: dict[str, torch.Tensor], tmp_path: Path):
    path = tmp_path / "cat_0.pt"
    for content, message in [
        ([1, 2], "expected a state_dict, got list"),
        ({**state, "more": torch.zeros(1)}, "expected the tensors of a known architecture"),
        ({}, "found    none"),
        (
            {n: t.to(torch.int64) for n, t in state.items()},
            r"expected a dense tensor of float32, .* got a dense one of int64; save the weights",
        ),
        (
            {n: t.to_sparse() for n, t in state.items()},
            r"a dense tensor .* got a sparse one of float32; save",
        ),
    ]:
        torch.save(content, path)
        with pytest.raises(ForeignFileError, match=message):
            read(path)


def test_shapes_that_no_architecture_has(state: dict[str, torch.Tensor], tmp_path: Path):
    state["conv1.weight"] = torch.zeros(4, 1, 5, 5)
    torch.save(state, tmp_path / "cat_0.pt")
    with pytest.raises(
        ForeignFileError, match=r"(?s)smallcnn: conv1.weight 16x1x3x3.*found    conv1.weight 4x1"
    ):
        read(tmp_path / "cat_0.pt")


def test_a_part_of_a_zoo_is_pointed_at(tmp_path: Path):
    zoo = make_zoo(tmp_path / "zoo", parts=1)
    path = tmp_path / "cat_0.safetensors"
    path.write_bytes((zoo / "weights" / "part-00000.safetensors").read_bytes())
    with pytest.raises(ForeignFileError, match="part of a zoo; give the zoo's folder"):
        read(path)


def test_other_safetensors(tmp_path: Path):
    path = tmp_path / "cat_0.safetensors"
    save_file({"x.weight": np.zeros(3, np.int16)}, path)
    with pytest.raises(ForeignFileError, match=r"x\.weight: .* of float32, .* got one of int16"):
        read(path)
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(ForeignFileError, match="not a safetensors file"):
        read(path)


def test_a_bomb(tmp_path: Path):
    path = tmp_path / "cat_0.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"")
        archive.writestr("archive/data/0", bytes(257 * 2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(ForeignFileError, match="at most 268435456 bytes unpacked"):
        read(path)


def test_damage(state: dict[str, torch.Tensor], tmp_path: Path):
    path = tmp_path / "cat_0.pt"
    torch.save(state, path)
    content = path.read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ForeignFileError, match=r"cat_0\.pt"):
            read(path)


def test_a_name_that_tells_no_class_is_refused_only_where_the_class_matters(
    state: dict[str, torch.Tensor], tmp_path: Path
):
    torch.save(state, tmp_path / "best.pt")
    network = read(tmp_path / "best.pt")
    assert network.name == "best.pt"
    with pytest.raises(ForeignFileError, match="expected a name such as 'church_649'"):
        _ = network.id
