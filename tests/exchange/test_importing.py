import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hyperzoo.architectures import declared_architecture, get_architecture, without_dropout
from hyperzoo.errors import (
    ExportError,
    ForeignFileError,
    ImageError,
    VerificationError,
    ZooFormatError,
    ZooMismatchError,
    ZooWriteError,
)
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.finding import find_foreign
from hyperzoo.exchange.importing import import_zoo
from hyperzoo.exchange.network import ForeignNetwork
from hyperzoo.exchange.pickles.items import read_items
from hyperzoo.exchange.rows import Rows
from hyperzoo.images import ImageSet, load_images
from hyperzoo.retrain import retrain_network
from hyperzoo.train import train_zoo
from hyperzoo.zoo import Zoo, open_zoo, verify_zoo
from hyperzoo.zoo.card import card
from hyperzoo.zoo.document import read_document
from hyperzoo.zoo.origin import NetworkKey
from tests.helpers import few
from tests.zoo.makers import make_zoo, recipe


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return few(load_images("digits", channels=1), 150, 60)


@pytest.fixture(scope="module")
def trained(images: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Twenty trained networks."""
    folder = tmp_path_factory.mktemp("zoos") / "zoo"
    chosen = recipe(networks_per_class=2, images={"source": "digits", "channels": 1})
    return train_zoo(chosen, folder, images=images)


@pytest.fixture
def files(trained: Zoo, tmp_path: Path) -> Path:
    """Those networks as state_dicts, with their metrics."""
    export_zoo(trained, "pytorch", tmp_path / "files")
    export_zoo(trained, "metrics-csv", tmp_path / "files" / "more")
    return tmp_path / "files"


def test_networks_are_evaluated_on_images(
    files: Path, trained: Zoo, images: ImageSet, tmp_path: Path
):
    imported = import_zoo(files, tmp_path / "zoo", images=images)
    zoo = imported.zoo
    labels = images.validation_labels
    shares = {c: np.mean(labels == n) for n, c in enumerate(images.class_names)}
    constant = [
        row["id"]
        for row in trained.models.to_pylist()
        if row["accuracy"] <= max(shares[row["class"]], 1 - shares[row["class"]]) + 1e-9
    ]
    (note,) = imported.notes
    assert note.startswith(f"{len(constant)} networks: no more accurate on these images than")
    assert f"always no, of one-vs-all networks): {', '.join(constant[:5])}, ...;" in note
    assert "pooling of 'smallcnn'" in note
    assert (zoo.ids, zoo.classes, zoo.recipe) == (trained.ids, trained.classes, None)
    assert zoo.matrix().tobytes() == trained.matrix().tobytes()
    for name in ("accuracy", "precision", "recall", "f1"):
        assert zoo.models[name].to_pylist() == trained.models[name].to_pylist()
    for name in ("loss", "auc"):
        assert zoo.models[name].to_numpy() == pytest.approx(trained.models[name].to_numpy(), 1e-3)
    assert zoo.image_fingerprint == images.fingerprint
    assert zoo.models["epoch"].null_count == zoo.models["learning_rate"].null_count == len(zoo)
    assert len(zoo.history()) == 0
    assert zoo.imported is not None
    assert zoo.imported.formats == {"pytorch": 20}
    assert verify_zoo(zoo.path).problems == verify_zoo(zoo.path).notes == ()


def test_metrics_come_from_a_file_where_there_are_no_images(
    files: Path, trained: Zoo, tmp_path: Path
):
    zoo = import_zoo(files, tmp_path / "zoo").zoo
    row = zoo.ids.index("three_1")
    theirs = trained.models.to_pylist()[trained.ids.index("three_1")]
    ours = zoo.models.to_pylist()[row]
    assert ours["accuracy"] == theirs["accuracy"]
    assert ours["loss"] is None
    assert zoo.image_fingerprint == ""


def test_metrics_that_differ_are_told(files: Path, images: ImageSet, tmp_path: Path):
    table = files / "more" / "metrics.csv"
    lines = table.read_text().splitlines()
    cells = lines[1].split(",")
    cells[2] = "0.123"
    table.write_text("\n".join([lines[0], ",".join(cells), *lines[2:], "stranger,5,1,1,1,1,1"]))
    notes = import_zoo(files, tmp_path / "zoo", images=images).notes
    assert len(notes) == 3
    assert notes[0].startswith("zero_0: accuracy is 0.")
    assert notes[0].endswith("the file says 0.123")
    assert notes[2] == "metrics of networks that are not there were passed over: 1 (stranger_5)"


def test_networks_that_the_metrics_lack_are_told(files: Path, tmp_path: Path):
    table = files / "more" / "metrics.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]))
    (note,) = import_zoo(files, tmp_path / "zoo").notes
    assert note == "networks that no metrics file has, left without metrics: 1 (nine_1)"


def test_one_file(files: Path, tmp_path: Path):
    zoo = import_zoo(files / "two_1.safetensors", tmp_path / "zoo").zoo
    assert (zoo.ids, zoo.classes) == (["two_1"], ("two",))
    assert zoo.weights("conv1.weight", class_name="two").shape[0] == 1
    assert "1 of 1 network " in repr(zoo)


def test_gaps_and_unequal_classes(files: Path, trained: Zoo, tmp_path: Path):
    for name in ("one_0", "two_1", "nine_0", "nine_1"):
        (files / f"{name}.safetensors").unlink()
    zoo = import_zoo(files, tmp_path / "zoo").zoo
    # Without images the classes are in the order of their names.
    assert zoo.classes == tuple(sorted(set(trained.classes) - {"nine"}))
    assert zoo.ids[0] == "eight_0"
    one = zoo.weights("fc1.bias", class_name="one")
    assert one.tobytes() == trained.state_dict("one_1")["fc1.bias"].numpy().tobytes()
    assert zoo.matrix(class_name="six").shape[0] == 2
    with pytest.raises(KeyError, match="nine"):
        zoo.weights("fc1.bias", class_name="nine")


def test_networks_of_several_outputs(images: ImageSet, tmp_path: Path):
    chosen = recipe(
        networks_per_class=2,
        task={"kind": "multi-class"},
        images={"source": "digits", "channels": 1},
    )
    trained = train_zoo(chosen, tmp_path / "trained", images=images)
    export_zoo(trained, "pytorch", tmp_path / "files")
    zoo = import_zoo(tmp_path / "files", tmp_path / "zoo", images=images).zoo
    assert (zoo.kind, zoo.classes, zoo.image_classes) == (
        "multi-class",
        ("all",),
        images.class_names,
    )
    assert zoo.models["accuracy"].to_pylist() == trained.models["accuracy"].to_pylist()
    blind = import_zoo(tmp_path / "files", tmp_path / "blind").zoo
    assert blind.image_classes[:2] == ("output_0", "output_1")


def test_a_network_that_failed(files: Path, tmp_path: Path):
    from safetensors.numpy import load_file, save_file

    state = load_file(files / "six_0.safetensors")
    state["fc1.bias"] = np.full_like(state["fc1.bias"], np.nan)
    save_file(state, files / "six_0.safetensors")
    zoo = import_zoo(files, tmp_path / "zoo").zoo
    assert zoo.models["status"].to_pylist()[zoo.ids.index("six_0")] == "failed"
    assert verify_zoo(zoo.path).problems == ()


def test_what_is_found(files: Path, tmp_path: Path):
    (files / "notes.txt").write_text("hello")
    (files / ".hidden.pt").write_text("hello")
    (tmp_path / "outside.pt").write_text("hello")
    (files / "link.pt").symlink_to(tmp_path / "outside.pt")
    found = find_foreign(files)
    assert [file.name for file, _ in found.networks] == sorted(
        file.name for file in files.glob("*.safetensors")
    )
    assert [file.name for file in found.metrics] == ["metrics.csv"]
    assert [file.name for file in found.others] == ["link.pt", "notes.txt"]


def test_nothing_to_import(tmp_path: Path):
    with pytest.raises(ForeignFileError, match="does not exist"):
        import_zoo(tmp_path / "absent", tmp_path / "zoo")
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(
        ForeignFileError, match=r"no file of a known format; there:(.|\n)*\nknown: .*pytorch"
    ):
        import_zoo(tmp_path / "a.txt", tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize(
    "name", ["six_0.h5", "six_0.weights.h5", "six_0.keras", "six_0.safetensors", "all.pkl"]
)
@pytest.mark.parametrize("content", [b"", b"<html>404 Not Found"])
def test_a_file_that_is_cut_or_something_else_is_not_passed_over(
    files: Path, tmp_path: Path, name: str, content: bytes
):
    """Among thousands of networks nobody would notice that one is missing."""
    (files / "six_0.safetensors").unlink()
    (files / name).write_bytes(content)
    with pytest.raises(ForeignFileError, match=rf"{name}: not a"):
        import_zoo(files, tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("false",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("content", [Evil(), [Evil()], {"model": Evil()}, (1, 2, 3, 4, Evil())])
def test_code_in_a_pickle_is_named(tmp_path: Path, content: object, protocol: int):
    path = tmp_path / "modelwise.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    with pytest.raises(ForeignFileError, match=rf"asks for '{os.system.__module__}\.system'") as e:
        import_zoo(path, tmp_path / "zoo")
    assert str(e.value).count("asks for") == 1


def test_a_pickle_of_something_else(tmp_path: Path):
    path = tmp_path / "modelwise.pkl"
    path.write_bytes(pickle.dumps([{"name": "six_0"}]))
    with pytest.raises(ForeignFileError, match=r"expected the keys model, .*, got 'name'"):
        import_zoo(path, tmp_path / "zoo")
    path.write_bytes(pickle.dumps({str(number): bytes(2**20) for number in range(20)}))
    with pytest.raises(
        ForeignFileError, match=r"published pickles, which hold a list, but a pickl"
    ):
        import_zoo(path, tmp_path / "zoo")
    with pytest.raises(ForeignFileError, match=r"before byte 16.*, expected a list, got something"):
        list(read_items(path))


def test_a_folder_that_is_a_zoo(trained: Zoo, tmp_path: Path):
    with pytest.raises(ForeignFileError, match=r"is a zoo already: open it as it is"):
        import_zoo(trained.path, tmp_path / "zoo")


def test_nothing_but_links(files: Path, tmp_path: Path):
    """As in the cache of huggingface_hub."""
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "six_0.safetensors").symlink_to(files / "six_0.safetensors")
    (tmp_path / "links" / "more").symlink_to(files)
    with pytest.raises(ForeignFileError, match=r"symbolic links are passed over: copy what they"):
        import_zoo(tmp_path / "links", tmp_path / "zoo")
    # The one that is asked for is followed.
    assert import_zoo(tmp_path / "links" / "more", tmp_path / "zoo").zoo.ids


def test_a_folder_that_nobody_may_look_into(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def scandir(path: Any) -> Any:
        if Path(path).name == "more":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    real = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ForeignFileError, match=r"more can't be read: Permission denied"):
        find_foreign(files)


def test_the_same_network_twice(files: Path, tmp_path: Path):
    (files / "copy").mkdir()
    shutil.copy(files / "six_0.safetensors", files / "copy")
    imported = import_zoo(files, tmp_path / "zoo")
    assert imported.zoo.ids.count("six_0") == 1
    (note,) = imported.notes
    assert note == (
        "1 file with a network that another file has too, bit for bit, which counts once: "
        f"{files / 'copy' / 'six_0.safetensors'}"
    )


def test_the_published_dataset_as_it_is(trained: Zoo, tmp_path: Path):
    """Each network three times: a file of its own, and in two pickles; and its metrics."""
    published = tmp_path / "published"
    for name in ("keras-h5", "modelwise-pickle", "layerwise-pickle", "metrics-csv", "plots"):
        export_zoo(trained, name, published, force=True)
    imported = import_zoo(published, tmp_path / "zoo")
    assert sorted(imported.zoo.ids) == sorted(trained.ids)
    rows = [imported.zoo.ids.index(network_id) for network_id in trained.ids]
    assert imported.zoo.matrix()[rows].tobytes() == trained.matrix().tobytes()
    assert imported.zoo.imported is not None
    assert imported.zoo.imported.formats == {"keras-h5": 20}
    assert [note.replace(f"{published}/", "") for note in imported.notes] == [
        "layerwise.pkl was passed over: its rows have no ids, other files have them",
        "20 networks of modelwise.pkl are in other files too, bit for bit",
    ]


def test_networks_made_in_mixed_precision(trained: Zoo, tmp_path: Path):
    """As the published ones were: their weights are float32 and kept bit for bit."""
    import h5py

    export_zoo(trained, "keras-h5", tmp_path / "files")
    for path in (tmp_path / "files").rglob("*two_*.h5"):
        with h5py.File(path, "r+") as file:
            model = json.loads(file.attrs["model_config"])
            for layer in model["config"]["layers"]:
                policy = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
                layer["config"]["dtype"] = policy
            file.attrs["model_config"] = json.dumps(model)
    imported = import_zoo(tmp_path / "files", tmp_path / "zoo")
    assert imported.notes == (
        "2 networks: computed in mixed_float16 where they were made; their weights are float32 and "
        "kept as they are, their answers here are those of float32",
    )
    rows = [imported.zoo.ids.index(network_id) for network_id in trained.ids]
    assert imported.zoo.matrix()[rows].tobytes() == trained.matrix().tobytes()


def test_copies_that_differ(files: Path, trained: Zoo, tmp_path: Path):
    from safetensors.numpy import load_file, save_file

    export_zoo(trained, "modelwise-pickle", files / "more", force=True)
    state = load_file(files / "six_0.safetensors")
    state["fc1.bias"][0] += 1
    save_file(state, files / "six_0.safetensors")
    with pytest.raises(ForeignFileError, match=r"modelwise.pkl.*safetensors both hold six_0"):
        import_zoo(files, tmp_path / "zoo")


def test_two_architectures(files: Path, tmp_path: Path):
    other = recipe(
        networks_per_class=1,
        architecture={"name": "lenet5"},
        images={"source": "npz", "path": "nowhere.npz"},
    )
    export_zoo(open_zoo(make_zoo(tmp_path / "other", other)), "pytorch", files / "other")
    with pytest.raises(ForeignFileError, match=r"holds a 'lenet5'.* but .* a 'smallcnn'"):
        import_zoo(files, tmp_path / "zoo")


def test_networks_that_differ_in_a_setting_alone(tmp_path: Path):
    """The message names it: both are called the same."""
    rows = Rows(tmp_path / "rows")
    for number, activation in enumerate(("relu", "tanh")):
        entries = [{"conv": 4, "kernel": 3, "activation": activation}, {"dense": "outputs"}]
        architecture = declared_architecture("own", entries, (8, 8, 3), 1)
        weights = {p.name: np.zeros(p.shape, np.float32) for p in architecture.parameters}
        network = ForeignNetwork(
            name="cat", architecture=architecture, weights=weights, source=f"cat_{number}.h5"
        )
        if number == 0:
            rows.add(network, NetworkKey("cat", 0))
    with pytest.raises(
        ForeignFileError, match=r"\(layer 1: activation 'tanh', not 'relu'\); a zoo .* by one"
    ):
        rows.add(network, NetworkKey("cat", 1))


def varied_zoo(folder: Path, **vary: object) -> Zoo:
    return open_zoo(make_zoo(folder, recipe(
        networks_per_class=4,
        architecture={"name": "own", "layers": [
            {"dropout": 0.1}, {"conv": 4, "kernel": 3, "activation": "relu"}, {"dense": "outputs"},
        ]},
        vary=vary,
    )))  # fmt: skip


@pytest.mark.parametrize("written", ["keras-h5", "pytorch"])
def test_networks_that_differ_in_dropout_alone(written: str, tmp_path: Path):
    zoo = varied_zoo(tmp_path / "zoo", dropout={"choice": [0.0, 0.1, 0.3]})
    assert len({zoo.architecture_of(own) for own in zoo.ids}) == 3
    export_zoo(zoo, written, tmp_path / "out")
    imported = import_zoo(tmp_path / "out", tmp_path / "again")
    assert imported.zoo.architecture == without_dropout(zoo.architecture)
    for own in zoo.ids:
        for name, value in zoo.arrays(own).items():
            assert imported.zoo.arrays(own)[name].tobytes() == value.tobytes()
    note = (
        "networks differ in dropout, which acts in training alone: the zoo's architecture has none"
    )
    assert imported.notes == (note,)
    assert verify_zoo(imported.zoo.path).problems == ()


def test_networks_with_the_same_dropout_keep_it(tmp_path: Path):
    zoo = varied_zoo(tmp_path / "zoo")
    export_zoo(zoo, "pytorch", tmp_path / "out")
    imported = import_zoo(tmp_path / "out", tmp_path / "again")
    assert imported.zoo.architecture == zoo.architecture
    assert imported.notes == ()


def test_networks_of_several_activations_and_dropouts(tmp_path: Path):
    """The message tells the activation, which is why."""
    zoo = varied_zoo(
        tmp_path / "zoo",
        dropout={"uniform": [0.1, 0.5]},
        activation={"choice": ["relu", "tanh"]},
    )
    export_zoo(zoo, "keras-h5", tmp_path / "out")
    with pytest.raises(ForeignFileError, match=r"\(layer 2: activation '\w+', not '\w+'\); a zoo"):
        import_zoo(tmp_path / "out", tmp_path / "again")


def test_images_of_other_classes_or_shape(files: Path, images: ImageSet, tmp_path: Path):
    colour = few(load_images("digits"), 150, 60)
    with pytest.raises(ImageError, match=r"takes images of shape \(32, 32, 1\), got"):
        import_zoo(files, tmp_path / "zoo", images=colour)
    (files / "six_0.safetensors").rename(files / "dragon_0.safetensors")
    with pytest.raises(ImageError, match="detect dragon, which the images"):
        import_zoo(files, tmp_path / "zoo", images=images)


def test_a_folder_in_use(files: Path, tmp_path: Path):
    (tmp_path / "zoo").mkdir()
    import_zoo(files, tmp_path / "zoo")
    with pytest.raises(ZooMismatchError, match="imported zoo does not grow"):
        import_zoo(files, tmp_path / "zoo")
    with pytest.raises(ZooMismatchError, match="is a file"):
        import_zoo(files, files / "six_0.safetensors")
    with pytest.raises(ZooWriteError, match="can't import into"):
        import_zoo(files, files / "six_0.safetensors" / "zoo")


def test_an_interruption_leaves_nothing(files: Path, tmp_path: Path):
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_zoo(files, tmp_path / "zoo", meter=interrupt)
    assert [file.name for file in tmp_path.iterdir()] == ["files"]


def test_what_needs_a_recipe_is_refused(files: Path, images: ImageSet, tmp_path: Path):
    zoo = import_zoo(files, tmp_path / "zoo", images=images).zoo
    with pytest.raises(VerificationError, match="six_0 was imported"):
        retrain_network(zoo, "six_0", images=images)
    chosen = recipe(networks_per_class=2, images={"source": "digits", "channels": 1})
    with pytest.raises(ZooMismatchError, match="were imported, which does not grow"):
        train_zoo(chosen, zoo.path, images=images)
    assert "trained elsewhere" in card(read_document(zoo.path))


def test_an_export_of_nothing(tmp_path: Path):
    zoo = open_zoo(make_zoo(tmp_path / "zoo", parts=0))
    with pytest.raises(ExportError, match="nothing to export"):
        export_zoo(zoo, "pytorch", tmp_path / "out")
    with pytest.raises(ExportError, match=r"no format .gif. to write .known: .*metrics-csv"):
        export_zoo(zoo, "gif", tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": [["six", 0]] * 2}, "expected different networks"),
        ({"networks": [["six", -1]]}, "whole numbers"),
        ({"networks": [["six"]]}, r"expected \[class, index\]"),
        ({"networks": [["dragon", 0]]}, "expected different networks"),
        ({"networks": "all"}, "expected a list"),
        ({"formats": {"pytorch": "many"}}, "whole numbers"),
    ],
)
def test_a_document_that_was_changed(
    files: Path, tmp_path: Path, change: dict[str, object], message: str
):
    path = import_zoo(files, tmp_path / "zoo").zoo.path / "zoo.json"
    document = json.loads(path.read_text())
    document["imported"] |= change
    path.write_text(json.dumps(document))
    with pytest.raises(ZooFormatError, match=message):
        open_zoo(tmp_path / "zoo")


def test_a_network_of_nan_weights_is_no_constant(tmp_path: Path):
    """It has no accuracy that could tell; that it failed is said."""
    architecture = get_architecture("smallcnn", 10)
    state = {p.name: torch.zeros(p.shape) for p in architecture.parameters}
    (tmp_path / "files").mkdir()
    torch.save(state, tmp_path / "files" / "all_0.pt")
    state["conv1.weight"] = state["conv1.weight"] * float("nan")
    torch.save(state, tmp_path / "files" / "all_1.pt")
    few_images = few(load_images("digits", channels=1), 60, 60)
    notes = import_zoo(tmp_path / "files", tmp_path / "zoo", images=few_images).notes
    assert any(n.endswith("NaN or infinite, which count as failed: all_1") for n in notes)
    assert any(n.startswith("1 network: no more accurate") and ": all_0;" in n for n in notes)
