import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperzoo.architectures import initial_parameters, smallcnn
from hyperzoo.errors import HyperzooError, NetworkNotFoundError, ZooFormatError, ZooNotFoundError
from hyperzoo.zoo import Zoo, open_zoo
from tests.zoo.makers import CLASSES, finished, make_zoo, recipe, writer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 networks in two parts."""
    return make_zoo(tmp_path_factory.mktemp("zoos") / "zoo")


@pytest.fixture
def zoo(folder: Path) -> Zoo:
    return open_zoo(folder)


def test_what_a_zoo_says_of_itself(zoo: Zoo):
    assert len(zoo) == zoo.planned == 60
    assert zoo.classes == zoo.image_classes == CLASSES
    assert zoo.ids[:6] == ["cat_0", "dog_0", "owl_0", "rat_0", "yak_0", "cat_1"]
    assert zoo.models["part"].to_pylist() == [0] * 50 + [1] * 10
    assert zoo.models["row"].to_pylist() == [*range(50), *range(10)]
    assert repr(zoo).startswith("<Zoo 'made-up': 60 of 60 networks (smallcnn, 5 classes)")


@pytest.mark.parametrize("mmap", [True, False])
def test_weights(folder: Path, mmap: bool):
    zoo = open_zoo(folder, mmap=mmap)
    conv1 = zoo.weights("conv1.weight")
    assert conv1.shape == (60, 16, 1, 3, 3)
    for row in (0, 17, 50, 59):
        name, index = zoo.ids[row].split("_")
        expected = initial_parameters(smallcnn(1), 0, name, int(index))
        assert np.array_equal(conv1[row], expected["conv1.weight"])
    owls = zoo.weights("conv2.weight", class_name="owl")
    assert owls.shape == (12, 16, 16, 3, 3)
    expected = initial_parameters(smallcnn(1), 0, "owl", 11)
    assert np.array_equal(owls[11], expected["conv2.weight"])
    early = initial_parameters(smallcnn(1), 1, "cat", 0)
    assert np.array_equal(zoo.weights("conv1.weight", epoch=1)[0], early["conv1.weight"])


def test_weights_of_one_part_are_mapped_not_copied(tmp_path: Path):
    zoo = open_zoo(make_zoo(tmp_path / "zoo", recipe(networks_per_class=2)))
    weights = zoo.weights("conv1.weight")
    base = weights
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        weights[0] = 0


@pytest.mark.parametrize("mmap", [True, False])
def test_a_class_is_a_slice(tmp_path: Path, mmap: bool):
    zoo = open_zoo(make_zoo(tmp_path / "zoo", recipe(networks_per_class=3)), mmap=mmap)
    owls = zoo.weights("conv1.weight", "owl")
    assert not owls.flags.owndata
    assert not owls.flags.writeable
    rows = [row for row, name in enumerate(zoo.ids) if name.startswith("owl_")]
    assert np.array_equal(owls, zoo.weights("conv1.weight")[rows])
    assert np.array_equal(zoo.matrix(class_name="owl"), zoo.matrix()[rows])
    published = zoo.matrix("published", class_name="owl", epoch=1)
    assert np.array_equal(published, zoo.matrix("published", epoch=1)[rows])


def test_a_class_in_parts_where_it_has_other_rows(tmp_path: Path):
    """17 networks of 3 classes: the second part begins with the class that the first ended with."""
    chosen = recipe(networks_per_class=17)
    zoo_folder = tmp_path / "zoo"
    with writer(zoo_folder, chosen, image_classes=("cat", "dog", "owl")) as open_writer:
        for part, networks in open_writer.missing_parts.items():
            open_writer.write_part(part, finished(networks, chosen))
    zoo = open_zoo(zoo_folder)
    assert [len(part) for part in zoo.plan] == [50, 1]
    assert zoo.weights("fc1.bias", "owl").shape == (17, 1)
    for name in zoo.classes:
        rows = [row for row, network in enumerate(zoo.ids) if network.startswith(name)]
        assert np.array_equal(zoo.matrix(class_name=name), zoo.matrix()[rows])


def test_a_zoo_opened_by_a_relative_path(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder.parent)
    zoo = open_zoo(folder.name)
    monkeypatch.chdir("/")
    assert zoo.weights("fc1.bias").shape == (60, 1)
    assert len(zoo.history("cat_0")) == 2


def test_links_may_stand_for_files(folder: Path, tmp_path: Path):
    """As the cache of the Hugging Face Hub has them."""
    for file in folder.rglob("*.*"):
        link = tmp_path / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        if file.is_file():
            link.symlink_to(file)
    assert np.array_equal(open_zoo(tmp_path).matrix(), open_zoo(folder).matrix())


def test_opening_loads_no_torch(folder: Path):
    program = (
        "import sys; from hyperzoo.zoo import open_zoo, verify_zoo\n"
        "open_zoo(sys.argv[1]).matrix(), verify_zoo(sys.argv[1])\n"
        # Where there is pandas, pyarrow loads it by itself.
        "print({'torch', 'matplotlib', 'huggingface_hub'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_matrix_in_both_orders(zoo: Zoo):
    row = zoo.ids.index("rat_10")
    expected = initial_parameters(smallcnn(1), 0, "rat", 10)
    by_torch = np.concatenate([tensor.ravel() for tensor in expected.values()])
    assert np.array_equal(zoo.matrix()[row], by_torch)
    keras = {
        parameter.keras_layer + parameter.keras_name: parameter.to_keras(
            expected[parameter.name][None]
        ).ravel()
        for parameter in smallcnn(1).parameters
    }
    # Layers alphabetically, the bias before the kernel, kernels [height, width, in, out].
    names = [
        layer + kind
        for layer in ("conv2d", "conv2d_1", "conv2d_2", "dense")
        for kind in ("bias", "kernel")
    ]
    published = np.concatenate([keras[name] for name in names])
    assert np.array_equal(zoo.matrix(order="published")[row], published)
    with pytest.raises(ValueError, match="'torch' or 'published'"):
        zoo.matrix(order="keras")  # type: ignore[arg-type]


def test_networks(zoo: Zoo):
    state = zoo.state_dict("dog_11")
    expected = initial_parameters(smallcnn(1), 0, "dog", 11)
    assert {name: tensor.numpy().tobytes() for name, tensor in state.items()} == {
        name: tensor.tobytes() for name, tensor in expected.items()
    }
    state["conv1.weight"].zero_()
    network = zoo.network("dog_11")
    assert network(torch.rand(2, 1, 32, 32)).shape == (2, 1)
    assert not network.training
    assert torch.equal(network.state_dict()["fc1.weight"], state["fc1.weight"])
    assert network.state_dict()["conv1.weight"].any()


def test_history(zoo: Zoo):
    assert zoo.history("owl_3").to_pylist() == [
        {
            "id": "owl_3",
            "epoch": epoch,
            "training_loss": 0.004,
            "training_accuracy": pytest.approx(0.004 + 1 / epoch),
            "validation_loss": pytest.approx(0.004 + 2 / epoch),
            "validation_accuracy": pytest.approx(0.004 + 3 / epoch),
        }
        for epoch in (1, 2)
    ]
    assert len(zoo.history()) == 120


def test_what_a_zoo_has_not(zoo: Zoo):
    with pytest.raises(NetworkNotFoundError, match="no network 'cat_12'; did you mean: cat_"):
        zoo.network("cat_12")
    with pytest.raises(NetworkNotFoundError, match="no class 'dig'; did you mean: dog"):
        zoo.weights("conv1.weight", class_name="dig")
    with pytest.raises(NetworkNotFoundError, match=r"no parameter 'conv9\.weight'"):
        zoo.weights("conv9.weight")
    with pytest.raises(NetworkNotFoundError, match="no checkpoint of epoch 7; epochs kept: 1"):
        zoo.state_dict("cat_0", epoch=7)
    with pytest.raises(NetworkNotFoundError, match="no network 'x'"):
        zoo.history("x")


def test_folders_without_a_zoo(tmp_path: Path):
    for place in (tmp_path, tmp_path / "nowhere", Path(__file__)):
        with pytest.raises(ZooNotFoundError, match=r"it has no zoo\.json"):
            open_zoo(place)


def test_a_zoo_without_parts(tmp_path: Path):
    zoo = open_zoo(make_zoo(tmp_path / "zoo", parts=0))
    assert (len(zoo), zoo.is_complete, zoo.planned) == (0, False, 60)
    assert zoo.weights("conv1.weight").shape == (0, 16, 1, 3, 3)
    assert zoo.matrix().shape == (0, 4817)
    assert len(zoo.history()) == 0


def change_document(folder: Path, tmp_path: Path, change: Any) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    document = json.loads((copy / "zoo.json").read_text())
    change(document)
    (copy / "zoo.json").write_text(json.dumps(document))
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="zip"), "does not describe a zoo"),
        (lambda d: d.update(format_version="1"), "format version '1'"),
        (lambda d: d.pop("recipe"), "is damaged: it has no 'recipe'"),
        (lambda d: d["recipe"].update(seed=5), "its digest does not match"),
        (lambda d: d["recipe"].update(sed=5), "unknown key; did you mean 'seed'"),
        (lambda d: d["architecture"]["parameters"].pop(), "is not the one that the zoo was made"),
        (
            lambda d: d["architecture"]["layers"][0].update(kernel=4),
            "is not the one that the zoo was made",
        ),
        (lambda d: d["architecture"].update(layers=3), "is not the one that the zoo was made"),
        (lambda d: d.update(sizes=[12, 2]), "must increase"),
        (lambda d: d.update(sizes=[]), "must increase"),
        (lambda d: d.update(sizes=[0, 12]), "must increase"),
        (lambda d: d.update(sizes=[12.0]), "sizes: expected whole numbers"),
        (lambda d: d.update(sizes=12), "sizes: expected a list, got 12"),
        (lambda d: d.update(format_version=True), "format version True"),
        (lambda d: d.update(recipe=[]), "recipe: expected an object"),
        (lambda d: d["runs"][0].update(parts=[float("inf")]), r"runs\.parts: expected whole"),
        (lambda d: d["runs"][0].update(software={"numpy": 2}), r"runs\.software\.numpy: expected"),
        (lambda d: d["image_set"].update(name="\ud800"), r"image_set\.name: expected a text"),
        (lambda d: d["image_set"].update(training_images=3), "it has no 'validation_images'"),
        (
            lambda d: d["image_set"].update(training_images=-1, validation_images=2),
            "image_set: expected whole numbers",
        ),
        (lambda d: d["image_set"].update(class_names=[1, 2]), "expected a text, got 1"),
        (lambda d: d["image_set"].update(class_names=["a", "../b"]), "must consist of letters"),
        (lambda d: d["image_set"].update(class_names=["a", "a"]), "different class names"),
    ],
)
def test_a_changed_document_is_refused(folder: Path, tmp_path: Path, change: Any, message: str):
    with pytest.raises(HyperzooError, match=message):
        open_zoo(change_document(folder, tmp_path, change))


def test_a_zoo_from_before_layers_were_described(folder: Path, tmp_path: Path):
    old = change_document(folder, tmp_path, lambda d: d["architecture"].pop("layers"))
    assert open_zoo(old).architecture == open_zoo(folder).architecture


def test_layers_are_described_in_the_words_of_recipes(folder: Path):
    told = json.loads((folder / "zoo.json").read_text())["architecture"]
    convolution = {"conv": 16, "kernel": 3, "stride": 2, "activation": "relu"}
    assert told["layers"] == [*[convolution] * 3, {"pool": "global"}, {"dense": "outputs"}]


@pytest.mark.parametrize("kind", ["one-vs-all", "multi-class"])
def test_outputs_before_the_last_layer(tmp_path: Path, kind: str):
    layers = [{"pool": "global"}, {"dense": "outputs", "activation": "relu"}, {"dense": "outputs"}]
    chosen = recipe(
        task={"kind": kind}, architecture={"name": "own", "layers": layers}, networks_per_class=1
    )
    zoo = open_zoo(make_zoo(tmp_path / "zoo", chosen))
    outputs = 1 if kind == "one-vs-all" else len(CLASSES)
    assert zoo.architecture == chosen.network(outputs)
    assert zoo.weights("fc1.weight").shape == (len(zoo), outputs, 1)
    assert zoo.origin.recipe_digest == chosen.digest


def test_parts_of_the_same_size_that_are_swapped(tmp_path: Path):
    zoo = make_zoo(tmp_path / "zoo", recipe(networks_per_class=20))
    first, second = sorted((zoo / "weights").iterdir())
    first.rename(zoo / "aside")
    second.rename(first)
    (zoo / "aside").rename(second)
    with pytest.raises(ZooFormatError, match="must say part 0, but says 1"):
        open_zoo(zoo).network("cat_0")


def test_the_number_of_images(tmp_path: Path):
    with writer(tmp_path / "new", image_counts=(300, 60)):
        pass
    document = json.loads((tmp_path / "new" / "zoo.json").read_text())
    assert document["image_set"]["training_images"] == 300
    assert document["image_set"]["validation_images"] == 60
    assert open_zoo(tmp_path / "new").image_counts == (300, 60)
    # An older zoo does not tell, and opens; whoever goes on with it, of the same images, adds it.
    with writer(tmp_path / "old"):
        pass
    assert "training_images" not in (tmp_path / "old" / "zoo.json").read_text()
    assert open_zoo(tmp_path / "old").image_counts is None
    with writer(tmp_path / "old", image_counts=(300, 60)):
        pass
    assert open_zoo(tmp_path / "old").image_counts == (300, 60)
    with writer(tmp_path / "old"):  # such as a collector, which has no images
        pass
    assert open_zoo(tmp_path / "old").image_counts == (300, 60)


def test_a_byte_order_mark_is_no_matter(folder: Path, tmp_path: Path):
    changed = change_document(folder, tmp_path, lambda document: None)
    document = changed / "zoo.json"
    document.write_text(document.read_text("utf-8"), "utf-8-sig")
    assert open_zoo(changed).ids == open_zoo(folder).ids


def test_a_text_that_is_not_utf_8(folder: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    path = copy / "history" / "part-00001.parquet"
    table = pq.read_table(path)
    broken = pa.array([b"\xff"] * len(table), pa.binary()).view(pa.string())
    pq.write_table(table.set_column(0, table.schema.field("id"), broken), path)
    with pytest.raises(ZooFormatError, match=r"can't be read: .*UTF"):
        open_zoo(copy).history()


def test_parts_that_do_not_belong(folder: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "models" / "part-00000.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(ZooFormatError, match=r"part-00000\.parquet can't be read"):
        open_zoo(copy)
    shutil.copy(copy / "history" / "part-00000.parquet", copy / "models")
    with pytest.raises(ZooFormatError, match="expected columns id, class"):
        open_zoo(copy)
    shutil.copy(folder / "models" / "part-00001.parquet", copy / "models" / "part-00000.parquet")
    with pytest.raises(ZooFormatError, match="expected 50 rows, got 10"):
        open_zoo(copy)
    models = pq.read_table(folder / "models" / "part-00000.parquet")
    wrong = models.set_column(3, models.schema.field("part"), pa.array([1] * 50))
    pq.write_table(wrong, copy / "models" / "part-00000.parquet")
    with pytest.raises(ZooFormatError, match="not those that the recipe plans for part 0"):
        open_zoo(copy)
    shutil.copy(folder / "models" / "part-00000.parquet", copy / "models")
    shutil.copy(
        folder / "weights" / "part-00001.safetensors", copy / "weights/part-00000.safetensors"
    )
    with pytest.raises(ZooFormatError, match="must say part 0, but says 1"):
        open_zoo(copy).weights("conv1.weight")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(place=st.integers(0), value=st.integers(0, 255))
def test_any_byte_of_the_document_may_be_wrong(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, place: int, value: int
):
    """Opened or refused with one of hyperzoo's errors, never another exception."""
    copy = tmp_path_factory.mktemp("fuzz")
    content = bytearray((folder / "zoo.json").read_bytes())
    content[place % len(content)] = value
    (copy / "zoo.json").write_bytes(content)
    with contextlib.suppress(HyperzooError):
        open_zoo(copy)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=150)
@given(choices=st.lists(st.integers(0, 9), min_size=1, max_size=4), value=JSON)
def test_any_value_of_the_document_may_be_wrong(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, choices: list[int], value: Any
):
    copy = tmp_path_factory.mktemp("fuzz")
    document = json.loads((folder / "zoo.json").read_text())
    place: Any = document
    for choice in choices:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = keys[choice % len(keys)]
        if not isinstance(place[key], dict | list) or not place[key]:
            break
        holder, place = place, place[key]
    else:
        place = holder
    place[key] = value
    (copy / "zoo.json").write_text(json.dumps(document))
    with contextlib.suppress(HyperzooError):
        open_zoo(copy)
