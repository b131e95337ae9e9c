"""Several states of one network, files beside it, and files that are damaged."""

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from hyperzoo.architectures import get_architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.importing import import_zoo
from hyperzoo.exchange.keras.write import whole_model_template
from tests.exchange.test_finding import save, taken, weights

TRIAL = "exp/train_ab12c_00000_0_lr=0.1"
SCRIPT = "binary_oneVall_cat_0_"


def cut(path: Path, seed: int) -> None:
    save(path, seed)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def keras_2_weights(path: Path, seed: int) -> None:
    """As `save_weights` of Keras 2 writes them."""
    path.write_bytes(
        whole_model_template(get_architecture("smallcnn", 1)).fill(weights(seed), None)
    )
    with h5py.File(path, "r+") as file:
        for key in list(file["model_weights"]):
            file.move(f"model_weights/{key}", key)
        file.attrs["layer_names"] = file["model_weights"].attrs["layer_names"]
        del file["model_weights"], file.attrs["model_config"]


@pytest.fixture
def trio(tmp_path: Path) -> Path:
    """What the published script leaves of one network."""
    files = tmp_path / "files"
    save(files / f"{SCRIPT}model.h5", 1)
    keras_2_weights(files / f"{SCRIPT}weights.h5", 1)
    keras_2_weights(files / f"{SCRIPT}epoch7.h5", 2)
    return files


@pytest.mark.parametrize(
    ("prefer", "expected"), [(None, 1), ("model", 1), ("weights", 1), ("last", 1), ("epoch7", 2)]
)
def test_the_published_trio(trio: Path, tmp_path: Path, prefer: str | None, expected: int):
    imported = import_zoo(trio, tmp_path / "zoo", prefer=prefer)
    assert taken(imported) == {"cat_0": expected}
    if prefer is None:
        assert imported.notes[0] == (
            "1 file of single epochs left out beside finished networks: "
            "binary_oneVall_cat_0_epoch7.h5 (--prefer epoch7 takes one)"
        )


def test_a_preference_that_chooses_nothing_says_so(trio: Path, tmp_path: Path):
    with pytest.raises(
        ForeignFileError, match=r"no file of it is what is preferred \(best\); "
    ) as e:
        import_zoo(trio, tmp_path / "zoo", prefer="best")
    assert "--prefer last, model, weights or epoch7 takes one" in str(e.value)


def test_what_is_not_there_is_said(tmp_path: Path):
    files = tmp_path / "files"
    save(files / "cat_0_best.pt", 1)
    save(files / "cat_0_last.pt", 2)
    save(files / "dog_0_last.pt", 3)
    imported = import_zoo(files, tmp_path / "zoo", prefer="best")
    assert taken(imported) == {"cat_0": 1, "dog_0": 3}
    assert (
        "1 network without a file of the kind that is preferred (best), where what there is was "
        "taken: dog_0_last.pt"
    ) in imported.notes


def test_epochs_are_one_network(tmp_path: Path):
    files = tmp_path / "files"
    save(files / "cat_0" / "epoch_1.pt", 1)
    save(files / "cat_0" / "epoch_2.pt", 2)
    with pytest.raises(
        ForeignFileError, match=r"both hold cat_0, .*--prefer last, epoch1 or epoch2"
    ):
        import_zoo(files, tmp_path / "zoo")
    assert taken(import_zoo(files, tmp_path / "zoo", prefer="last")) == {"cat_0": 2}
    save(files / "cat_0" / "epoch_2.pt", 1)
    imported = import_zoo(files, tmp_path / "other")
    assert taken(imported) == {"cat_0": 1}
    assert imported.notes[0].startswith("1 file with a network that another file has too, bit for")


def test_networks_of_several_outputs_are_all(tmp_path: Path):
    files = tmp_path / "files"
    save(files / "net_0.pt", 1, outputs=3)
    save(files / "net_1.pt", 2, outputs=3)
    assert taken(import_zoo(files, tmp_path / "zoo")) == {"all_0": 1, "all_1": 2}
    (files / "net_0.pt").rename(files / "mine_0.pt")
    (files / "net_1.pt").rename(files / "mine_1.pt")
    imported = import_zoo(files, tmp_path / "other")
    assert taken(imported) == {"all_0": 1, "all_1": 2}
    assert imported.notes[0] == (
        "2 networks: it tells all classes apart, so 'mine' in its name is no class, and it is "
        "called 'all'"
    )
    (files / "mine_1.pt").rename(files / "yours_2.pt")
    with pytest.raises(ForeignFileError, match=r"belong to no one class: .*--name 'net_\{index\}'"):
        import_zoo(files, tmp_path / "third")


@pytest.mark.parametrize(
    "name",
    [
        *("history.pkl", f"{TRIAL}/params.pkl", "exp/tuner.pkl", "random_states_0.pkl"),
        *("history.pt", "cat_0_optimizer.pt", "rng_state.pth", "odd_name.pt"),
    ],
)
def test_what_is_no_network_is_passed_over(tmp_path: Path, name: str):
    files = tmp_path / "files"
    save(files / "cat_0.pt", 1)
    (files / name).parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".pkl"):
        (files / name).write_bytes(pickle.dumps({"lr": 0.1}))
    else:
        torch.save({"loss": [1.0], "state": {0: {"step": 3}}}, files / name)
    imported = import_zoo(files, tmp_path / "zoo")
    assert taken(imported) == {"cat_0": 1}
    if name == "odd_name.pt":
        assert imported.notes[0] == "1 file without a network passed over: odd_name.pt"
    else:
        assert [file.name for file in imported.found.others] == [Path(name).name]


def test_other_pickles_are_refused_and_not_read(tmp_path: Path):
    save(tmp_path / "files" / "cat_0.pt", 1)
    (tmp_path / "files" / "mine.pkl").write_bytes(pickle.dumps({"lr": 0.1}))
    with pytest.raises(
        ForeignFileError, match=r"mine.pkl: not one of the published .* move it away"
    ):
        import_zoo(tmp_path / "files", tmp_path / "zoo")


@pytest.mark.parametrize("name", ["cat_0.bin", "cat_0.th", "cat_0", "cat/0/model.bin"])
@pytest.mark.parametrize("content", [None, b"version https://git-lfs.github.com/spec/v1\n", b""])
def test_damaged_networks_are_not_passed_over(tmp_path: Path, name: str, content: bytes | None):
    files = tmp_path / "files"
    save(files / "dog_1.pt", 1)
    cut(files / name, 2)
    if content is not None:
        (files / name).write_bytes(content)
    with pytest.raises(ForeignFileError, match=rf"{name}: it has the name of a network, but is "):
        import_zoo(files, tmp_path / "zoo")


def test_no_older_checkpoint_for_a_damaged_one(tmp_path: Path):
    files = tmp_path / "files"
    save(files / TRIAL / "checkpoint_000001" / "checkpoints", 1)
    cut(files / TRIAL / "checkpoint_000002" / "checkpoints", 2)
    with pytest.raises(ForeignFileError, match="000002/checkpoints: it has the name of a network"):
        import_zoo(files, tmp_path / "zoo")


def test_numbers_that_are_none(tmp_path: Path):
    wide = {name: torch.from_numpy(t).double() * 1e300 for name, t in weights(1).items()}
    torch.save(wide, tmp_path / "cat_0.pt")
    notes = import_zoo(tmp_path / "cat_0.pt", tmp_path / "zoo").notes
    assert notes[0] == (
        "1 network: float64 was rounded to float32, in which numbers beyond 3.4e38 became infinite"
    )
    assert "1 network with weights that are NaN or infinite, which count as failed: cat_0" in notes
    torch.save(
        {n: torch.full(t.shape, np.nan) for n, t in weights(1).items()}, tmp_path / "dog_0.pt"
    )
    notes = import_zoo(tmp_path / "dog_0.pt", tmp_path / "other").notes
    assert "1 network with weights that are NaN or infinite, which count as failed: dog_0" in notes
