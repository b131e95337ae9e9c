from pathlib import Path

import numpy as np
import pytest

from hyperzoo.errors import EngineError, ImageError, NetworkNotFoundError, ZooMismatchError
from hyperzoo.images import ImageSet, load_images
from hyperzoo.images.npz import write_npz
from hyperzoo.images.remember import remember_place, remembered_place
from hyperzoo.population.torch_engine import TorchEngine
from hyperzoo.retrain import retrain_network
from hyperzoo.train import train_zoo
from hyperzoo.zoo import Zoo, open_zoo
from tests.helpers import few
from tests.test_train import recipe


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return few(load_images("digits", channels=1), 150, 60)


@pytest.fixture
def zoo(images: ImageSet, tmp_path: Path) -> Zoo:
    return train_zoo(recipe(networks_per_class=1), tmp_path / "zoo", images=images, engine="torch")


def test_a_network_trained_again_has_the_same_bits(zoo: Zoo, images: ImageSet):
    result = retrain_network(zoo, "seven_0", images=images)
    assert result.identical
    assert (result.differing, result.largest_difference) == (0, 0.0)
    # The kept weights and those of the checkpoint after epoch 1.
    assert result.weights == 2 * zoo.architecture.parameter_count
    assert result.circumstances == {}


def test_another_precision_is_the_recipes_and_so_the_engines(images: ImageSet, tmp_path: Path):
    training = {"epochs": 1, "precision": "bfloat16"}
    coarse = recipe(networks_per_class=1, training=training)
    zoo = train_zoo(coarse, tmp_path / "zoo", images=images, device="cpu")
    assert zoo.provenance_of("seven_0")["engine"] == "gpu"
    assert zoo.recipe is not None
    assert zoo.recipe.digest == coarse.digest
    result = retrain_network(zoo, "seven_0", images=images)
    # Alone in its stack: the library may round otherwise than in a stack of ten.
    assert result.largest_difference < 1e-4
    assert result.circumstances == {}
    with pytest.raises(EngineError, match="'float32' only, and the recipe asks for 'bfloat16'"):
        retrain_network(zoo, "seven_0", images=images, engine="torch")


def test_a_changed_weight_is_found(zoo: Zoo, images: ImageSet):
    file = zoo.path / "weights" / "part-00000.safetensors"
    content = bytearray(file.read_bytes())
    values = np.frombuffer(content[-4:], dtype="<f4") + np.float32(0.5)
    content[-4:] = values.astype("<f4").tobytes()
    file.write_bytes(content)
    # The last number of the file belongs to the last network.
    result = retrain_network(open_zoo(zoo.path), zoo.ids[-1], images=images)
    assert not result.identical
    assert result.differing == 1
    assert result.largest_difference == pytest.approx(0.5)


def test_other_circumstances_are_named(zoo: Zoo, images: ImageSet):
    class OtherTorch(TorchEngine):
        @property
        def provenance(self) -> dict[str, str]:
            return super().provenance | {"torch": "9.9"}

    result = retrain_network(zoo, "seven_0", images=images, engine=OtherTorch(workers=1))
    assert list(result.circumstances) == ["torch"]
    assert result.circumstances["torch"][1] == "9.9"


@pytest.fixture
def pets(images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Zoo, Path]:
    """A zoo trained on images of a file, and the file."""
    monkeypatch.setenv("HYPERZOO_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "pets.npz"
    write_npz(images, file)
    chosen = recipe(networks_per_class=1, images={"source": "npz", "path": "x", "channels": 1})
    return train_zoo(chosen, tmp_path / "pets", images=file, engine="torch"), file


def test_the_images_are_found_where_they_lay(
    pets: tuple[Zoo, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    zoo, file = pets
    monkeypatch.chdir("/")
    assert retrain_network(zoo, "seven_0").identical
    # No zoo tells where they were.
    assert all(str(tmp_path).encode() not in f.read_bytes() for f in zoo.path.glob("*.*"))
    file.unlink()
    with pytest.raises(ImageError, match=r"can't be read any more: .*pets.npz.* with --images"):
        retrain_network(zoo, "seven_0")


def test_images_that_were_not_read_on_this_machine(
    pets: tuple[Zoo, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    zoo, file = pets
    monkeypatch.setenv("HYPERZOO_CACHE", str(tmp_path / "other"))
    with pytest.raises(ImageError, match=r"\('pets'\) have not been read on .*--images"):
        retrain_network(zoo, "seven_0")
    assert retrain_network(zoo, "seven_0", images=file).identical  # as the message says


def test_images_that_have_changed_since(pets: tuple[Zoo, Path]):
    zoo, file = pets
    write_npz(few(load_images("digits", channels=1), 151, 60), file)
    with pytest.raises(ZooMismatchError, match="give the same images"):
        retrain_network(zoo, "seven_0")


def test_notes_of_places_are_not_taken_on_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HYPERZOO_CACHE", str(tmp_path))
    remember_place("f" * 64, "npz", Path("some.npz"))
    assert remembered_place("f" * 64) == ("npz", Path("some.npz").absolute())
    note = next(tmp_path.rglob("*.json"))
    for content in (b"", b"[]", b"{}", b'{"source": 1, "path": 2}', b"\xff"):
        note.write_bytes(content)
        assert remembered_place("f" * 64) is None
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HYPERZOO_CACHE", str(tmp_path / "file"))
    remember_place("f" * 64, "npz", None)  # nothing can be noted, and nothing fails
    assert remembered_place("f" * 64) is None


def test_what_can_not_be_retrained(zoo: Zoo, images: ImageSet):
    with pytest.raises(NetworkNotFoundError, match="seven_9"):
        retrain_network(zoo, "seven_9", images=images)
    other = few(load_images("digits", channels=1), 151, 60)
    with pytest.raises(ZooMismatchError, match="give the same images"):
        retrain_network(zoo, "seven_0", images=other)
