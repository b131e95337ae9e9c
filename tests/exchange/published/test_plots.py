import logging
from pathlib import Path

import pytest
from PIL import Image

from hyperzoo.errors import ZooMismatchError, ZooWriteError
from hyperzoo.exchange.published.drawing import area_under, roc_curve
from hyperzoo.exchange.published.plots import write_plots
from hyperzoo.images import ImageSet, load_images
from hyperzoo.population import evaluate, metrics, targets
from hyperzoo.train import train_zoo
from hyperzoo.zoo import Zoo, open_zoo
from tests.helpers import few
from tests.zoo.makers import make_zoo, recipe


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return few(load_images("digits", channels=1), 150, 60)


@pytest.fixture(scope="module")
def zoo(images: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Ten trained networks."""
    folder = tmp_path_factory.mktemp("zoos") / "zoo"
    chosen = recipe(networks_per_class=1, images={"source": "digits", "channels": 1})
    return train_zoo(chosen, folder, images=images)


def test_the_published_names(zoo: Zoo, images: ImageSet, tmp_path: Path):
    calls: list[tuple[int, int | None]] = []
    written = write_plots(
        zoo, tmp_path, images=images, meter=lambda done, total: calls.append((done, total))
    )
    names = {file.name for file in tmp_path.iterdir()}
    assert (written, calls[0], calls[-1], len(calls)) == (20, (1, 10), (10, 10), 10)
    assert names == {f"accuracy_loss_{name}_0.png" for name in images.class_names} | {
        f"roc_curve_class_{name}_count_0.png" for name in images.class_names
    }
    contents = [file.read_bytes() for file in tmp_path.iterdir()]
    assert len(set(contents)) == 20
    assert all(content.startswith(b"\x89PNG") for content in contents)


def test_what_is_drawn_is_what_the_zoo_says(zoo: Zoo, images: ImageSet):
    weights = [{n: t.numpy() for n, t in zoo.state_dict(own).items()} for own in zoo.ids]
    for row, logits in enumerate(evaluate(zoo.architecture, weights, images.validation_images)):
        truth = targets(zoo.plan[0][row], "one-vs-all", images.validation_labels, zoo.classes)
        false, true = roc_curve(logits[:, 0], truth)
        stored = zoo.models["auc"][row].as_py()
        assert area_under(false, true) == pytest.approx(stored, abs=1e-3)
        loss = metrics(logits, truth)["loss"]
        assert loss == pytest.approx(zoo.models["loss"][row].as_py(), rel=1e-5)


def test_without_images_there_are_no_roc_curves(
    zoo: Zoo, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        assert write_plots(zoo, tmp_path) == 10
    assert "ROC curves are left out" in caplog.text
    assert "--images" in caplog.text


def test_multi_class_networks_have_no_roc_curves(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    chosen = recipe(networks_per_class=2, task={"kind": "multi-class"})
    zoo = open_zoo(make_zoo(tmp_path / "zoo", chosen))
    with caplog.at_level(logging.WARNING):
        assert write_plots(zoo, tmp_path) == 2
    assert caplog.text == ""
    assert (tmp_path / "accuracy_loss_all_1.png").exists()


def test_a_zoo_without_networks(tmp_path: Path):
    assert write_plots(open_zoo(make_zoo(tmp_path / "zoo", parts=0)), tmp_path) == 0


def test_other_images(zoo: Zoo, images: ImageSet, tmp_path: Path):
    with pytest.raises(ZooMismatchError, match=r"these .* have .*; give the same images"):
        write_plots(zoo, tmp_path, images=few(images, 150, 59))
    assert not list(tmp_path.iterdir())


def test_a_place_that_can_t_be_written(zoo: Zoo, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ZooWriteError, match=r"can't write .*accuracy_loss_"):
        write_plots(zoo, tmp_path / "file")


def test_an_interrupted_run_leaves_whole_files(zoo: Zoo, tmp_path: Path):
    def stop(done: int, total: int | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_plots(zoo, tmp_path / "plots", meter=stop)
    files = sorted((tmp_path / "plots").iterdir())
    assert len(files) == 3
    for file in files:
        Image.open(file).load()
