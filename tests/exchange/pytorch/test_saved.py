"""PyTorch files as people save them: prefixes, dicts around the tensors, widths, other names."""

import io
import sys
import types
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from safetensors.torch import save_file

from hyperzoo.architectures import get_architecture
from hyperzoo.architectures.forward import build_module
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.importing import import_zoo
from hyperzoo.exchange.network import ForeignNetwork
from hyperzoo.exchange.pytorch.state_dict import Pytorch
from hyperzoo.zoo.tensors import encode_tensors

State = dict[str, torch.Tensor]


def random_state(name: str, outputs: int = 1, seed: int = 7) -> State:
    """A network with weights that all differ."""
    random = np.random.default_rng(seed)
    return {
        p.name: torch.from_numpy(random.normal(size=p.shape).astype(np.float32))
        for p in get_architecture(name, outputs).parameters
    }


STATE = random_state("smallcnn")


def read(path: Path) -> ForeignNetwork:
    (network,) = Pytorch().read(path)
    return network


def same(network: ForeignNetwork, state: Mapping[str, torch.Tensor] = STATE) -> bool:
    """Whether a network has just these bits."""
    return network.weights.keys() == state.keys() and all(
        network.weights[name].tobytes() == state[name].numpy().tobytes() for name in state
    )


def renamed(state: State, rename: Callable[[str], str]) -> State:
    return {rename(name): tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "_orig_mod.", "model.", "net.", "backbone."),
        *("module._orig_mod.", "_orig_mod.module.", "model.net.module._orig_mod."),
    ],
)
@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_prefixes(tmp_path: Path, prefix: str, kind: str):
    path = tmp_path / "seven_0.file"
    state = renamed(STATE, lambda name: prefix + name)
    torch.save(state, path) if kind == "torch" else save_file(state, path)
    network = read(path)
    assert same(network)
    assert network.notes == (f"the prefix {prefix!r} was taken off all names",)


def test_a_prefix_of_some_names_is_no_prefix(tmp_path: Path):
    state = {("module." + n if n.startswith("fc") else n): t for n, t in STATE.items()}
    torch.save(state, tmp_path / "a.pt")
    network = read(tmp_path / "a.pt")  # the order and the shapes tell
    assert same(network)
    assert network.notes[0].startswith("names were told by order and shape")


@pytest.mark.parametrize(
    "name",
    ["s_0.ckpt", "s_0.bin", "s_0.pth.tar", "s_0.PT", "s_0.pth", "s_0", "s_0.pkl", "s_0.weights"],
)
@pytest.mark.parametrize("old", [True, False])
def test_content_tells_and_not_the_name(tmp_path: Path, name: str, old: bool):
    folder = tmp_path / "files"
    folder.mkdir()
    torch.save(STATE, folder / name, _use_new_zipfile_serialization=not old)
    zoo = import_zoo(folder, tmp_path / "zoo").zoo
    assert zoo.ids == ["s_0"]
    assert same(read(folder / name))
    assert zoo.state_dict("s_0")["fc1.weight"].numpy().tobytes() == (
        STATE["fc1.weight"].numpy().tobytes()
    )


def optimizer() -> dict[str, Any]:
    """An optimizer's state, with tensors of the network's shapes."""
    parameters = [torch.nn.Parameter(tensor.clone()) for tensor in STATE.values()]
    adam = torch.optim.Adam(parameters)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    adam.step()
    return adam.state_dict()


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net", "weights"])
def test_one_dict_of_tensors_among_others(tmp_path: Path, key: str):
    content = {"epoch": 3, key: STATE, "optimizer": optimizer(), "loss": 0.5}
    torch.save(content, tmp_path / "seven_0.pt")
    network = read(tmp_path / "seven_0.pt")
    assert same(network)
    assert network.notes == (
        f"the tensors are those of {key!r}; left out beside it: epoch, optimizer, loss",
    )


def test_deeper_and_beside_plain_entries(tmp_path: Path):
    path = tmp_path / "seven_0.pt"
    torch.save({"checkpoint": {"model": renamed(STATE, lambda n: f"module.{n}")}}, path)
    network = read(path)
    assert same(network)
    assert network.notes[0] == "the tensors are those of 'checkpoint.model'"
    torch.save({**STATE, "epoch": 3}, path)
    assert read(path).notes == ("left out beside the tensors: epoch",)


def test_two_networks_in_one_file(tmp_path: Path):
    path = tmp_path / "seven_0.pt"
    other = random_state("smallcnn", seed=8)
    torch.save({"model": STATE, "ema": other}, path)
    with pytest.raises(ForeignFileError, match="several networks that differ: 'model', 'ema'; sa"):
        read(path)
    copy = renamed(STATE, lambda name: f"module.{name}")
    torch.save({"model": STATE, "ema": copy}, path)
    network = read(path)
    assert same(network)
    assert "the same network lies in 'model', 'ema'" in network.notes


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_half_precision(tmp_path: Path, dtype: torch.dtype, kind: str):
    path = tmp_path / "seven_0.file"
    half = {name: tensor.to(dtype) for name, tensor in STATE.items()}
    torch.save(half, path) if kind == "torch" else save_file(half, path)
    network = read(path)
    assert same(network, {name: tensor.to(torch.float32) for name, tensor in half.items()})
    name = str(dtype).removeprefix("torch.")
    assert network.notes == (f"{name} was widened to float32, without loss",)


@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_double_precision(tmp_path: Path, kind: str):
    def write(state: State) -> Path:
        path = tmp_path / "seven_0.file"
        torch.save(state, path) if kind == "torch" else save_file(state, path)
        return path

    double = {name: tensor.double() for name, tensor in STATE.items()}
    network = read(write(double))
    assert same(network)
    assert network.notes == ("float64 was rounded to float32, which changed no number",)
    double["fc1.bias"][0] = 0.1
    network = read(write(double))
    assert network.weights["fc1.bias"][0] == np.float32(0.1)
    assert network.notes == ("float64 was rounded to float32, which changed numbers",)


MODULE = torch.nn.Sequential(
    *(torch.nn.Conv2d(1, 16, 3, 2), torch.nn.ReLU(), torch.nn.Conv2d(16, 16, 3, 2)),
    *(torch.nn.ReLU(), torch.nn.Conv2d(16, 16, 3, 2), torch.nn.ReLU()),
    *(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(16, 1)),
)


@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_names_of_a_sequential(tmp_path: Path, kind: str):
    path = tmp_path / "seven_0.file"
    state = MODULE.state_dict()
    torch.save(state, path) if kind == "torch" else save_file(state, path)
    network = read(path)
    assert [t.tobytes() for t in network.weights.values()] == [
        t.numpy().tobytes() for t in state.values()
    ]
    assert network.notes == (
        "names were told by order and shape, in the only way that fits: 0, 2, 4, 8",
    )


WORDS = {"weight": "w", "bias": "b"}
LAYERS = {"conv1": "1", "conv2": "2", "conv3": "3", "fc1": "4"}


@pytest.mark.parametrize(
    "renaming",
    [
        lambda layer, kind: f"block{layer}.{WORDS[kind]}",
        lambda layer, kind: f"{WORDS[kind].upper()}{layer}",
        lambda layer, kind: f"conv{layer}_{WORDS[kind]}",
        lambda layer, kind: f"{'biases' if kind == 'bias' else 'weights'}_{layer}",
        lambda layer, kind: f"net/{layer}/{'kernel' if kind == 'weight' else kind}",
    ],
)
@pytest.mark.parametrize("shuffled", [False, True])
def test_words_for_weight_and_bias(tmp_path: Path, renaming: Any, shuffled: bool):
    state = renamed(STATE, lambda n: renaming(LAYERS[n.split(".")[0]], n.split(".")[1]))
    save = save_file if shuffled else torch.save  # safetensors sorts them
    save(state, tmp_path / "a.saved")
    network = read(tmp_path / "a.saved")
    assert same(network)
    assert network.notes[0].startswith("names were told by order and shape, in the only way that")


@pytest.mark.parametrize(
    ("names", "save"), [("acdefghi", torch.save), ("01234567", torch.save), ("01234567", save_file)]
)
def test_names_that_tell_nothing(tmp_path: Path, names: str, save: Any):
    """The order of the file, or of the numbers, has the network's shapes."""
    state = dict(zip(names, STATE.values(), strict=True))
    save(state, tmp_path / "a.saved")
    network = read(tmp_path / "a.saved")
    assert same(network)
    how = (
        "order and shape, in the only way that fits"
        if names[0] == "0"
        else "shape and, of layers of the same shapes, by their order in the file"
    )
    assert network.notes == (f"names were told by {how}: {', '.join(names)}",)


@pytest.mark.parametrize(
    ("names", "save", "message"),
    [
        (
            "acdefghi",
            save_file,
            "their order is not known; let numbers tell the order of conv1, conv2",
        ),
        ("01254367", torch.save, "are not in the order of|numbers and their order differ; let"),
        ("10324567", save_file, "1, 0, 3, 2, 4, 5, 6, 7 are not in the order|not in the order of"),
        (
            ["w1", "c", *"123456"],
            torch.save,
            r"end in .weight and .bias, got 'c'; let numbers tell",
        ),
        (
            ["x.w", "y.b", *(f"{n}.{k}" for n in "123" for k in "wb")],
            torch.save,
            "'x' has a weight",
        ),
    ],
)
def test_names_that_tell_too_little(tmp_path: Path, names: Any, save: Any, message: str):
    state = dict(zip(names, STATE.values(), strict=True))
    save(state, tmp_path / "a.saved")
    with pytest.raises(ForeignFileError, match=message):
        read(tmp_path / "a.saved")


def test_whole_numbers_of_safetensors(tmp_path: Path):
    """As those of torch.save: what counts is left out, weights are refused in words."""
    more = {"n_averaged": torch.tensor(3), "steps": torch.arange(4, dtype=torch.int32)}
    save_file(STATE | more, tmp_path / "a.safetensors")
    network = read(tmp_path / "a.safetensors")
    assert same(network)
    assert "tensors beside the network's were left out: n_averaged, steps" in network.notes
    for dtype, name in [(torch.int8, "int8"), (torch.bool, "bool"), (torch.float8_e5m2, "float8_")]:
        save_file({n: t.to(dtype) for n, t in STATE.items()}, tmp_path / "a.safetensors")
        with pytest.raises(
            ForeignFileError, match=rf"a.safetensors: conv.* got one of {name}.*; save the weights"
        ):
            read(tmp_path / "a.safetensors")


def test_numbers_that_contradict_the_order_are_told_by_the_files_names(tmp_path: Path):
    names = ["w1", "b1", "w3", "b3", "w2", "b2", "w4", "b4"]
    torch.save(dict(zip(names, STATE.values(), strict=True)), tmp_path / "a.pt")
    with pytest.raises(
        ForeignFileError, match=r"a\.pt: w3, w2 fit .* their order differ; let numbers"
    ):
        read(tmp_path / "a.pt")


def test_normalisations_under_names_that_tell_nothing(tmp_path: Path):
    """Their four tensors have one shape."""
    network = get_architecture("resnet8", 2)
    tensors = enumerate(network.parameters)
    torch.save({f"t{n}": torch.zeros(p.shape) for n, p in tensors}, tmp_path / "a.pt")
    with pytest.raises(ForeignFileError, match=r"end in .weight and .bias, got 't0'; let num"):
        read(tmp_path / "a.pt")


def test_names_that_tell_no_order(tmp_path: Path):
    """safetensors keeps no order; a dict that torch saved has that of the module."""
    layers = {"conv1": "stem", "conv2": "middle", "conv3": "late", "fc1": "head"}
    state = renamed(STATE, lambda n: f"{layers[n.split('.')[0]]}.{n.split('.')[1]}")
    torch.save(state, tmp_path / "a.pt")
    assert same(read(tmp_path / "a.pt"))
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(ForeignFileError, match=r"late, middle fit 'smallcnn' in more than one way"):
        read(tmp_path / "a.safetensors")
    # Nor does an order that is not that of the network.
    torch.save(dict(reversed(state.items())), tmp_path / "a.pt")
    with pytest.raises(ForeignFileError, match=r"more than one way, as several .* let numbers"):
        read(tmp_path / "a.pt")


def test_numbers_that_contradict_the_order(tmp_path: Path):
    layers = {"conv1": "a", "conv2": "c.9", "conv3": "c.2", "fc1": "z"}
    state = renamed(STATE, lambda n: f"{layers[n.split('.')[0]]}.{n.split('.')[1]}")
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(ForeignFileError, match="their numbers and their order differ"):
        read(tmp_path / "a.pt")


def test_shapes_that_fit_once_need_no_order(tmp_path: Path):
    """No two layers of LeNet-5 have the same shapes."""
    state = random_state("lenet5", outputs=3)
    layers = {"conv1": "z", "conv2": "b", "conv3": "y", "fc1": "c", "fc2": "a"}
    other = renamed(state, lambda n: f"net.{layers[n.split('.')[0]]}.{n.split('.')[1]}")
    save_file(other, tmp_path / "all_0.safetensors")
    network = read(tmp_path / "all_0.safetensors")
    assert (network.architecture.name, network.architecture.outputs) == ("lenet5", 3)
    assert same(network, state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("a.fc1.bias"), "expected the tensors of a known architecture"),
        (lambda s: s.update({"a.bn.running_mean": torch.zeros(16)}), "expected the tensors of a"),
        (lambda s: s.update({"a.fc1.gamma": s.pop("a.fc1.bias")}), "end in .weight and .bias, got"),
        (
            lambda s: s.update({"a.x.weight": s.pop("a.fc1.weight"), "a.y.bias": torch.zeros(1)}),
            "expected the tensors of a known architecture",
        ),
    ],
)
def test_tensors_that_do_not_fit(tmp_path: Path, change: Callable[[State], object], message: str):
    state = renamed(STATE, lambda name: f"a.{name}")
    change(state)
    torch.save(state, tmp_path / "cat_0.pt")
    with pytest.raises(ForeignFileError, match=message):
        read(tmp_path / "cat_0.pt")


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch) -> type[dict[str, Any]]:
    """A class as Lightning pickles it into its checkpoints, and the trap that loading it would be.

    Its module is there while a file is written and gone when it is read.
    """
    module = types.ModuleType("pytorch_lightning.utilities.parsing")

    class AttributeDict(dict[str, Any]):
        def __setstate__(self, state: object) -> None:
            raise AssertionError("code of the file's class was run")

    AttributeDict.__module__, AttributeDict.__qualname__ = module.__name__, "AttributeDict"
    module.AttributeDict = AttributeDict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pytorch_lightning", types.ModuleType("pytorch_lightning"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return AttributeDict


@pytest.mark.parametrize("old", [True, False])
def test_a_checkpoint_of_lightning(
    tmp_path: Path, lightning: type[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, old: bool
):
    path = tmp_path / "seven_0.ckpt"
    settings = lightning(rate=0.1, path=Path("logs"))
    content = {
        "epoch": 3,
        "pytorch-lightning_version": "2.5",
        "state_dict": renamed(STATE, lambda name: f"model.{name}"),
        "hyper_parameters": settings,
        "callbacks": {"best": {"score": np.float64(0.5)}},
    }
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    for name in ("pytorch_lightning", "pytorch_lightning.utilities.parsing"):
        monkeypatch.delitem(sys.modules, name)
    network = read(path)
    assert same(network)
    assert network.notes[0].startswith("the tensors are those of 'state_dict'; left out beside it")
    assert "pytorch_lightning" not in sys.modules


def test_what_hyperzoo_wrote_says_its_architecture(tmp_path: Path):
    arrays = {name: tensor.numpy() for name, tensor in STATE.items()}
    for said, expected in (("smallcnn", False), ("lenet5", True), (None, True)):
        metadata = {"id": "seven_0"} | ({"architecture": said} if said else {})
        (tmp_path / "seven_0.safetensors").write_bytes(encode_tensors(arrays, metadata))
        assert read(tmp_path / "seven_0.safetensors").by_shapes is expected


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return exec, (f"open({str(self.mark)!r}, 'w')",)


@pytest.mark.parametrize("old", [True, False])
def test_code_beside_the_tensors_is_refused(
    tmp_path: Path, lightning: type[dict[str, Any]], old: bool
):
    """Also beside what becomes a plain dict, and in it."""
    path, mark = tmp_path / "seven_0.ckpt", tmp_path / "mark"
    for content in (
        {"state_dict": STATE, "more": Evil(mark)},
        {"state_dict": STATE, "hyper_parameters": lightning(evil=Evil(mark))},
        {"state_dict": STATE, "first": lightning(), "more": [{"x": Evil(mark)}]},
    ):
        torch.save(content, path, _use_new_zipfile_serialization=not old)
        with pytest.raises(ForeignFileError, match=r"asks for '.*exec', which .* save `module.st"):
            read(path)
        assert not mark.exists()


def test_a_placeholder_in_the_place_of_a_tensor(tmp_path: Path, lightning: type[dict[str, Any]]):
    torch.save({**STATE, "fc1.bias": lightning()}, tmp_path / "seven_0.pt")
    with pytest.raises(ForeignFileError, match="expected the tensors of a known architecture"):
        read(tmp_path / "seven_0.pt")


def test_the_initial_weights_of_a_module_answer_as_it_does(tmp_path: Path):
    """What is taken by order and shape is the very network, not one of the same shapes."""
    from hyperzoo.architectures.forward import forward

    buffer = io.BytesIO()
    torch.save(MODULE.state_dict(), buffer)
    (tmp_path / "seven_0").write_bytes(buffer.getvalue())
    network = read(tmp_path / "seven_0")
    images = torch.rand(5, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    weights = {name: torch.from_numpy(tensor) for name, tensor in network.weights.items()}
    with torch.no_grad():
        assert torch.allclose(
            forward(network.architecture, weights, images), MODULE(images), atol=1e-6
        )


@pytest.mark.parametrize("kind", ["torch", "safetensors"])
@pytest.mark.parametrize("prefix", ["module.", "net."])
def test_a_residual_network_with_counts_of_batches(tmp_path: Path, kind: str, prefix: str):
    state = random_state("resnet8", 3)
    counts = {
        name.replace("running_var", "num_batches_tracked"): torch.tensor(7)
        for name in state
        if name.endswith("running_var")
    }
    saved = renamed(state | counts, lambda name: prefix + name)
    path = tmp_path / "all_0.file"
    torch.save(saved, path) if kind == "torch" else save_file(saved, path)
    network = read(path)
    assert network.architecture == get_architecture("resnet8", 3)
    assert same(network, state)


def test_a_residual_network_of_other_names_goes_by_the_order_of_its_layers(tmp_path: Path):
    state = random_state("resnet8", 3)
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in state))
    saved = renamed(state, lambda name: f"f.{layers.index(name.rpartition('.')[0])}."
                    f"{name.rpartition('.')[2]}")  # fmt: skip
    torch.save(saved, tmp_path / "all_0.pt")
    network = read(tmp_path / "all_0.pt")
    assert same(network, state)
    assert network.notes[-2].startswith("names were told by order and shape")
    del saved["f.0.weight"]
    torch.save(saved, tmp_path / "all_0.pt")
    with pytest.raises(ForeignFileError, match="expected the tensors of a known architecture"):
        read(tmp_path / "all_0.pt")


def test_whole_numbers_are_no_weights(tmp_path: Path):
    save_file(STATE | {"conv1.weight": torch.ones(16, 1, 3, 3, dtype=torch.int64)},
              tmp_path / "a.safetensors")  # fmt: skip
    with pytest.raises(ForeignFileError, match=r"got one of int64; save the weights as float32"):
        read(tmp_path / "a.safetensors")


@pytest.mark.parametrize("old", [True, False])
def test_a_file_of_torch_save_under_the_name_of_safetensors(tmp_path: Path, old: bool):
    """Of a path torch itself goes by the suffix."""
    path = tmp_path / "s_0.safetensors"
    torch.save(STATE, path, _use_new_zipfile_serialization=not old)
    assert same(read(path))
    assert import_zoo(path, tmp_path / "zoo").zoo.ids == ["s_0"]


def test_quantised_tensors_are_refused_without_warnings(tmp_path: Path):
    """Warnings are errors here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensor = torch.quantize_per_tensor(STATE["fc1.weight"], 0.1, 0, torch.qint8)
        torch.save({**STATE, "fc1.weight": tensor}, tmp_path / "a.pt")
    with pytest.raises(ForeignFileError, match=r"fc1.weight: expected a dense.* a quantised one"):
        read(tmp_path / "a.pt")


def test_unknown_tensors_are_refused_with_the_nearest_network_and_what_to_do(tmp_path: Path):
    path = tmp_path / "a.pt"
    torch.save({**STATE, "head.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(
        ForeignFileError, match=r"all of 'smallcnn' is there, and more: if head.wei"
    ):
        read(path)
    torch.save({f"layers.{n}.weight": torch.zeros(7, n + 1) for n in range(60)}, path)
    with pytest.raises(ForeignFileError, match=r"layers\.11\.weight 7x12 and 48 more") as error:
        read(path)
    assert "other layers are read as whole Keras models (.keras, .h5)" in str(error.value)
    assert len(str(error.value)) < 1500


def test_arrays_of_numpy_are_told_as_such(tmp_path: Path):
    arrays = {name: tensor.numpy() for name, tensor in STATE.items()}
    for content in (arrays, {"state_dict": arrays}):
        torch.save(content, tmp_path / "s_0.pt")
        with pytest.raises(
            ForeignFileError, match=r"got arrays of NumPy; save \{name: torch\.from"
        ):
            read(tmp_path / "s_0.pt")


def test_what_the_file_s_order_told_is_said(tmp_path: Path):
    """lenet5's layers differ, those of smallcnn do not: by numbers, by the file's order."""
    for layers, note in (
        (("a1", "a2", "a3"), "names were told by order and shape, in the only way that fits: a1"),
        (("x", "y", "z"), "names were told by shape and, of layers of the same shapes, by their o"),
    ):
        names = dict(zip(("conv1", "conv2", "conv3"), layers, strict=True))
        saved = renamed(
            STATE, lambda name, names=names: names.get(name[:5], "out") + name[name.index(".") :]
        )
        torch.save(saved, tmp_path / "s_0.pt")
        network = read(tmp_path / "s_0.pt")
        assert same(network)
        assert network.notes[0].startswith(note)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda layer: torch.nn.utils.prune.l1_unstructured(layer, "weight", 0.5),
            "conv1.weight_mask is there in place of a weight: make the pruning final",
        ),
        (
            torch.nn.utils.spectral_norm,
            r"conv1.weight_orig is there .*remove_spectral_norm\(layer\) makes it one again",
        ),
        (
            torch.nn.utils.parametrizations.weight_norm,
            r"conv1.parametrizations.weight.original0 is there .*remove_parametrizations\(layer",
        ),
    ],
)
def test_what_stands_in_place_of_a_weight_is_told(tmp_path: Path, change: Any, said: str):
    module = build_module(get_architecture("smallcnn", 1))
    change(module.get_submodule("conv1"))
    torch.save(module.state_dict(), tmp_path / "s_0.pt")
    with pytest.raises(ForeignFileError, match=said):
        read(tmp_path / "s_0.pt")


def test_keys_that_are_numbers(tmp_path: Path):
    """As of dict(enumerate(module.parameters())): their order is the module's."""
    state = dict(enumerate(STATE.values()))
    torch.save(state, tmp_path / "cat_0.pt")
    assert same(read(tmp_path / "cat_0.pt"))


def test_what_lies_beside_in_a_tuple_is_said(tmp_path: Path):
    torch.save((STATE, {"lr": 0.1}, 3), tmp_path / "cat_0.pt")
    found = next(Pytorch().read(tmp_path / "cat_0.pt"))
    assert "the tensors are those of '0'; left out beside it: 1, 2" in found.notes


@pytest.mark.parametrize("length", [1, 3])
def test_vectors_beside_a_whole_network(tmp_path: Path, length: int):
    """As long as a bias of it, or not: both are named as more than the network."""
    torch.save(STATE | {"temp": torch.ones(length)}, tmp_path / "cat_0.pt")
    with pytest.raises(
        ForeignFileError, match="all of 'smallcnn' is there, and more: if temp chan"
    ):
        list(Pytorch().read(tmp_path / "cat_0.pt"))


@pytest.mark.parametrize("save", [torch.save, save_file])
def test_numbers_in_another_order_than_the_networks(tmp_path: Path, save: Any):
    """As a module has them that defines a block's shortcut before the rest of it."""
    state = random_state("resnet8")
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in state))
    around = [own for own in layers if state[f"{own}.weight"].shape[2:] == (1, 1)]
    first = layers.index(around[0])
    moved = [*layers[: first - 4], *layers[first : first + 2], *layers[first - 4 : first]]
    moved += layers[first + 2 :]
    assert sorted(moved) == sorted(layers)
    for order, is_read in ((layers, True), (moved, False)):
        names = {
            name: f"{order.index(name.rpartition('.')[0])}.{name.rpartition('.')[2]}"
            for name in state
        }
        save({names[name]: own for name, own in state.items()}, tmp_path / "all_0.pt")
        if is_read:
            assert same(read(tmp_path / "all_0.pt"), state)
            continue
        with pytest.raises(ForeignFileError, match=r"more than one way|but not by numbers, which"):
            read(tmp_path / "all_0.pt")


def test_what_lies_beside_in_a_tuple_within_is_said(tmp_path: Path):
    torch.save({"net": (STATE, {"momentum": 0.9}), "epoch": 3}, tmp_path / "cat_0.pt")
    assert "the tensors are those of 'net.0'; left out beside it: net.1, epoch" in (
        read(tmp_path / "cat_0.pt").notes
    )
