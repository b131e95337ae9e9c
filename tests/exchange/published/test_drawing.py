import io
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from sklearn.metrics import roc_auc_score

from hyperzoo.errors import MissingExtraError
from hyperzoo.exchange.published.drawing import (
    HistoryFigure,
    RocFigure,
    area_under,
    house_style,
    png,
    roc_curve,
)
from hyperzoo.zoo.layout import HISTORY_COLUMNS

TRAINING, VALIDATION = (59, 110, 168), (217, 115, 26)


def pixels(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content))
    image.load()
    return np.asarray(image.convert("RGB")).astype(int)


def history(**changes: object) -> dict[str, np.ndarray]:
    values = {n: np.linspace(0.2, 0.3, 5) + place / 9 for place, n in enumerate(HISTORY_COLUMNS)}
    return values | {name: np.asarray(value, float) for name, value in changes.items()}


def count(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(image - colour).sum(axis=2) < 6).sum())


@settings(max_examples=30, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(4))))
def test_png(colours: np.ndarray):
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(colours)))), colours)


def test_a_history_has_its_curves():
    with house_style():
        figure = HistoryFigure(range(1, 6))
        image = pixels(figure.draw("church_649", history()))
        assert image.shape == (500, 1200, 3)
        # A curve crosses each half; the legends alone have 30 pixels a line.
        for half in (image[:, :600], image[:, 600:]):
            assert count(half, TRAINING) + count(half, VALIDATION) > 400
        gap = history(training_accuracy=[np.nan] * 5, training_loss=[np.inf] * 5)
        assert count(pixels(figure.draw("church_649", gap)), TRAINING) < count(image, TRAINING)


def test_a_figure_does_not_depend_on_those_before_it():
    wild = history(training_loss=[1e9, 3e-9, 7, np.nan, -np.inf], training_accuracy=[0.0] * 5)
    with house_style():
        figure = HistoryFigure(range(1, 6))
        first = figure.draw("a_0", wild)
        figure.draw("b_1", history())
        assert figure.draw("a_0", wild) == first
        figure = HistoryFigure(range(1, 6))
        figure.draw("b_1", history())
        assert figure.draw("a_0", wild) == first
        assert figure.draw("a_1", wild) != first


def test_one_epoch_shows_as_points():
    with house_style():
        one = {name: np.array([0.5]) for name in HISTORY_COLUMNS}
        image = pixels(HistoryFigure([1]).draw("a_0", one))
    assert count(image[:, :500], VALIDATION) > 20


def test_a_roc_curve():
    targets = np.array([0, 0, 1, 1, 0, 1])
    logits = np.array([-2, 0.5, 0.5, 3, -1, -1], np.float32)
    false, true = roc_curve(logits, targets)
    assert false.tolist() == pytest.approx([0, 0, 1 / 3, 2 / 3, 1])
    assert true.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])
    assert [len(rates) for rates in roc_curve(logits * np.nan, targets)] == [0, 0]
    with house_style():
        figure = RocFigure()
        image = pixels(figure.draw("church_649", false, true))
        assert image.shape == (480, 640, 3)
        assert count(image, VALIDATION) > 400
        assert (
            count(pixels(figure.draw("cat_0", *roc_curve(logits * np.nan, targets))), VALIDATION)
            == 0
        )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_scikit_learn_s(images: list[tuple[int, bool]]):
    logits = np.array([[0, 1, *(value for value, _ in images)]], np.float32)[0]
    targets = np.array([[0, 1, *(int(yes) for _, yes in images)]])[0]
    false, true = roc_curve(logits, targets)
    assert area_under(false, true) == pytest.approx(roc_auc_score(targets, logits))


def test_users_settings_do_not_matter_and_stay(monkeypatch: pytest.MonkeyPatch):
    import matplotlib as mpl

    with house_style():
        plain = RocFigure().draw("a_0", np.array([0, 1.0]), np.array([0, 1.0]))
    monkeypatch.setitem(mpl.rcParams, "axes.facecolor", "red")
    with house_style():
        assert RocFigure().draw("a_0", np.array([0, 1.0]), np.array([0, 1.0])) == plain
    assert mpl.rcParams["axes.facecolor"] == "red"


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r'pip install "hyperzoo\[report\]"'), house_style():
        pass
