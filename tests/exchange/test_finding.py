"""Which files are read, what they are called, and which of several of one network is taken."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from hyperzoo.architectures import get_architecture
from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.finding import find_foreign
from hyperzoo.exchange.importing import ImportedZoo, import_zoo
from hyperzoo.exchange.keras.write import weights_template, whole_model_template

Weights = dict[str, np.ndarray]
BY_SHAPES = (
    "the architecture was told by shapes alone; activations, pooling, padding and scaling are "
    "taken to be those of 'smallcnn'; check with --images"
)


def weights(seed: int, outputs: int = 1) -> Weights:
    random = np.random.default_rng(seed)
    return {
        p.name: random.normal(size=p.shape).astype(np.float32)
        for p in get_architecture("smallcnn", outputs).parameters
    }


def save(path: Path, seed: int, outputs: int = 1) -> None:
    """A file of the kind that its name tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own, architecture = weights(seed, outputs), get_architecture("smallcnn", outputs)
    if path.name.endswith(".weights.h5"):
        path.write_bytes(weights_template(architecture).fill(own, None))
    elif path.suffix == ".h5":
        path.write_bytes(whole_model_template(architecture).fill(own, None))
    else:
        torch.save({name: torch.from_numpy(tensor) for name, tensor in own.items()}, path)


def taken(imported: ImportedZoo) -> dict[str, int]:
    """Network -> the seed of the file that it was made of."""
    found = {}
    for name in imported.zoo.ids:
        own = imported.zoo.arrays(name)
        (found[name],) = [
            seed
            for seed in range(10)
            if all(
                np.array_equal(own[key], value)
                for key, value in weights(seed, imported.zoo.architecture.outputs).items()
            )
        ]
    return found


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return tmp_path / "files"


def test_names_of_the_published_script(files: Path, tmp_path: Path):
    save(files / "binary_oneVall_parachute_1_weights.h5", 1)
    save(files / "binary_oneVall_church_0_epoch7.h5", 2)
    assert taken(import_zoo(files, tmp_path / "zoo")) == {"church_0": 2, "parachute_1": 1}


def test_the_class_from_the_folder(files: Path, tmp_path: Path):
    save(files / "cat" / "0.pt", 1)
    save(files / "cat" / "1_best.pt", 2)
    save(files / "dog" / "0.pt", 3)
    assert taken(import_zoo(files, tmp_path / "zoo")) == {"cat_0": 1, "cat_1": 2, "dog_0": 3}
    # Also where the folder itself is given.
    assert taken(import_zoo(files / "cat", tmp_path / "other")) == {"cat_0": 1, "cat_1": 2}
    assert taken(import_zoo(files / "dog" / "0.pt", tmp_path / "one")) == {"dog_0": 3}


def test_a_pattern(files: Path, tmp_path: Path):
    save(files / "seed3" / "cat.final" / "net.pt", 1)
    save(files / "seed4" / "cat.final" / "net.pt", 2)
    with pytest.raises(ForeignFileError, match=r"class and index of 2 files:\n  seed3/cat.final/n"):
        import_zoo(files, tmp_path / "zoo")
    imported = import_zoo(files, tmp_path / "zoo", name="seed{index}/{class}.*/net")
    assert taken(imported) == {"cat_3": 1, "cat_4": 2}
    with pytest.raises(ForeignFileError, match=r"does not fit 2 files:\n  seed3/.*\n  seed4/"):
        import_zoo(files, tmp_path / "other", name="{class}/{index}")
    with pytest.raises(ForeignFileError, match=r"^2 files with networks of one output, which is"):
        import_zoo(files, tmp_path / "other", name="seed{index}/*/net")


def test_networks_that_tell_all_classes_apart(files: Path, tmp_path: Path):
    save(files / "run_a4.pt", 1, outputs=3)
    assert taken(import_zoo(files, tmp_path / "zoo", name="run_a{index}")) == {"all_4": 1}


@pytest.mark.parametrize(
    ("prefer", "expected"), [("best", 1), ("last", 3), ("epoch7", 2), ("epoch25", 3)]
)
def test_several_states_of_one_network(files: Path, tmp_path: Path, prefer: str, expected: int):
    save(files / "cat_0_best.pt", 1)
    save(files / "cat_0_epoch7.pt", 2)
    save(files / "cat_0_epoch25.pt", 3)
    save(files / "dog_1.pt", 4)
    with pytest.raises(ForeignFileError, match=r"hold cat_0, and their bits differ; .*--prefer"):
        import_zoo(files, tmp_path / "zoo")
    imported = import_zoo(files, tmp_path / "zoo", prefer=prefer)
    assert taken(imported) == {"cat_0": expected, "dog_1": 4}
    assert f"2 files left out for those preferred ({prefer})" in imported.notes


def test_preferences_that_are_none(files: Path, tmp_path: Path):
    save(files / "cat_0_epoch7.pt", 1)
    with pytest.raises(ForeignFileError, match=r"prefer one of best, .* got 'tallest'"):
        import_zoo(files, tmp_path / "zoo", prefer="tallest")
    with pytest.raises(ForeignFileError, match="no epoch 8 of it, expected one of 7"):
        import_zoo(files, tmp_path / "zoo", prefer="epoch8")


def test_a_whole_model_and_its_weights(files: Path, tmp_path: Path):
    save(files / "cat_0_model.h5", 1)
    save(files / "cat_0.weights.h5", 1)
    imported = import_zoo(files, tmp_path / "zoo")
    assert imported.zoo.imported is not None
    assert imported.zoo.imported.formats == {"keras-h5": 1}
    (note,) = imported.notes  # the model's own config told the architecture
    assert note.startswith("1 file with a network that another file has too, bit for bit, which c")
    assert note.endswith("cat_0.weights.h5")

    save(files / "cat_0.weights.h5", 2)
    with pytest.raises(ForeignFileError, match=r"cat_0.weights.h5 and .*cat_0_model.h5 both hold"):
        import_zoo(files, tmp_path / "other")
    for seed, (prefer, only) in {
        1: ("model", None),
        2: ("weights", None),
    }.items():
        chosen = import_zoo(files, tmp_path / f"zoo-{seed}", prefer=prefer, only=only)
        assert taken(chosen) == {"cat_0": seed}


def test_a_model_of_another_function_beside_its_weights(files: Path, tmp_path: Path):
    """One tanh network saved twice: never is the one taken for relu while the other is refused."""
    save(files / "cat_0_model.h5", 1)
    save(files / "cat_0.weights.h5", 1)
    with h5py.File(files / "cat_0_model.h5", "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace("relu", "tanh")
    with pytest.raises(
        ForeignFileError, match=r"holds a .smallcnn. .* a .sequential. with 1; a zoo has one arch"
    ):
        import_zoo(files, tmp_path / "zoo")
    imported = import_zoo(files / "cat_0.weights.h5", tmp_path / "zoo")
    assert imported.notes == (f"1 network: {BY_SHAPES}",)


def test_one_format_alone(files: Path, tmp_path: Path):
    save(files / "cat_0_model.h5", 1)
    save(files / "cat_0.pt", 2)
    imported = import_zoo(files, tmp_path / "zoo", only="pytorch")
    assert taken(imported) == {"cat_0": 2}
    assert imported.notes == ("1 file of other formats left out", f"1 network: {BY_SHAPES}")
    with pytest.raises(ForeignFileError, match=r"no format 'pytroch' to read; did you mean 'pyto"):
        import_zoo(files, tmp_path / "other", only="pytroch")
    with pytest.raises(ForeignFileError, match="holds no keras file, but pytorch, keras-h5"):
        import_zoo(files, tmp_path / "other", only="keras")


@pytest.mark.parametrize("name", ["cat_0.weights.h5", "cat_0_weights.h5", "cat_0.pt", "cat_0"])
def test_weights_alone_are_told(files: Path, tmp_path: Path, name: str):
    save(files / name, 1)
    if name == "cat_0_weights.h5":  # as Keras 2 does save_weights
        with h5py.File(files / name, "r+") as file:
            for key in list(file["model_weights"]):
                file.move(f"model_weights/{key}", key)
            file.attrs["layer_names"] = file["model_weights"].attrs["layer_names"]
            del file["model_weights"], file.attrs["model_config"]
    assert import_zoo(files, tmp_path / "zoo").notes == (f"1 network: {BY_SHAPES}",)


def trials(files: Path, outputs: int) -> None:
    for index, seeds in enumerate([(1, 2), (3, 4)]):
        trial = files / f"NN_tune_trainable_ab12c_{index:05}_{index}_seed={index}_2024-01-02"
        for epoch, seed in enumerate(seeds, start=1):
            save(trial / f"checkpoint_{epoch:06}" / "checkpoints", seed, outputs)
            (trial / f"checkpoint_{epoch:06}" / "optimizer").write_bytes(b"\x80\x02}.")
        (trial / "result.json").write_text(json.dumps({"training_iteration": 2}))


@pytest.mark.parametrize(
    ("prefer", "expected"), [(None, (2, 4)), ("last", (2, 4)), ("epoch1", (1, 3))]
)
def test_trials_of_ray_tune(
    files: Path, tmp_path: Path, prefer: str | None, expected: tuple[int, int]
):
    trials(files / "cats", outputs=10)
    imported = import_zoo(files, tmp_path / "zoo", prefer=prefer)
    assert taken(imported) == {"all_0": expected[0], "all_1": expected[1]}
    epoch = 1 if prefer == "epoch1" else 2
    assert imported.notes[0] == (
        "2 trials with a folder for each checkpoint: a trial's number is the index, of its "
        f"checkpoints {epoch} is taken (--prefer epoch7 takes another)"
    )
    with pytest.raises(ForeignFileError, match="no epoch 9 of it, expected one of 1, 2"):
        import_zoo(files, tmp_path / "other", prefer="epoch9")


def test_trials_of_one_class(files: Path, tmp_path: Path):
    """Networks with one output are for one class: that of the folder of trials."""
    trials(files / "cats", outputs=1)
    imported = import_zoo(files, tmp_path / "zoo")
    assert taken(imported) == {"cats_0": 2, "cats_1": 4}
    note = "2 networks: the class is the name of the folder that holds the trials"
    assert note in imported.notes


def test_upper_case_and_what_is_passed_over(files: Path, tmp_path: Path):
    save(files / "cat_0.h5", 1)
    (files / "cat_0.h5").rename(files / "cat_0.H5")
    save(files / "optimizer.pt", 2)
    (files / "notes.md").write_text("hello")
    found = find_foreign(files)
    assert [(file.name, entry.name) for file, entry in found.networks] == [
        ("cat_0.H5", "keras-h5"),
    ]
    assert [file.name for file in found.others] == ["notes.md", "optimizer.pt"]
    assert taken(import_zoo(files, tmp_path / "zoo")) == {"cat_0": 1}


def test_networks_of_a_class_that_no_name_tells_are_listed_at_once(files: Path, tmp_path: Path):
    for index in range(3):
        save(files / f"model_{index}.pt", index)
    with pytest.raises(
        ForeignFileError,
        match=r"^3 files with networks of one output, .* no class in the name; put \{class\} into",
    ) as error:
        import_zoo(files, tmp_path / "zoo")
    assert str(error.value).splitlines()[1:] == [
        f"  {files / f'model_{index}.pt'}" for index in range(3)
    ]
    # As the message says: the folder with the name of the class.
    files.rename(tmp_path / "cat")
    assert taken(import_zoo(tmp_path, tmp_path / "zoo")) == {f"cat_{n}": n for n in range(3)}


def test_one_network_of_a_class_that_no_name_tells(files: Path, tmp_path: Path):
    save(files / "net_4.pt", 1)
    with pytest.raises(ForeignFileError, match=r"^1 file with a network of one output, which is"):
        import_zoo(files, tmp_path / "zoo")
