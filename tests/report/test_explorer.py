"""What the explorer of a page gets."""

from pathlib import Path

import numpy as np
import pytest

from hyperzoo.report.explorer import (
    CURVE_LEVELS,
    NOT_FINITE,
    explorer,
    network_table,
    quantise_curves,
    quantise_kernels,
)
from hyperzoo.zoo import Zoo
from tests.report.makers import IMAGES, POSITIVES, page_zoo
from tests.report.test_packing import unpack
from tests.zoo.makers import CLASSES, recipe

ROOM = 1_000_000


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return page_zoo(tmp_path_factory.mktemp("zoos") / "zoo")


def test_the_table(zoo: Zoo):
    header, arrays = unpack(network_table(zoo))
    assert header["ids"] == zoo.ids
    assert header["classes"] == list(CLASSES)
    assert header["findings"] == ["always no", "failed"]
    assert header["images"] == IMAGES
    assert header["positives"] == list(POSITIVES.values())
    # All networks share learning rate, batch size and epoch, so that these are no columns.
    assert header["metrics"] == [name for name, _ in header["columns"]]
    assert [zoo.ids[row] for row in np.flatnonzero(arrays["finding"])] == ["dog_1", "owl_1"]
    assert [CLASSES[place] for place in arrays["class"]] == zoo.models["class"].to_pylist()
    expected = zoo.models["f1"].to_numpy().astype(np.float32)
    np.testing.assert_array_equal(arrays["column.f1"], expected)


def test_what_varies_is_a_column(tmp_path: Path):
    vary = {"batch_size": {"choice": [32, 64]}, "learning_rate": {"uniform": [0.001, 0.01]}}
    zoo = page_zoo(tmp_path / "zoo", recipe(networks_per_class=4, vary=vary))
    header, arrays = unpack(network_table(zoo))
    assert [name for name, _ in header["columns"]][-2:] == ["learning_rate", "batch_size"]
    assert set(arrays["column.batch_size"]) == {32, 64}


def test_a_multi_class_zoo(tmp_path: Path):
    zoo = page_zoo(tmp_path / "zoo", recipe(networks_per_class=2, task={"kind": "multi-class"}))
    header, _ = unpack(network_table(zoo))
    assert header["classes"] == ["all"]
    assert header["outputs"] == len(CLASSES)
    assert header["positives"] is None
    assert "auc" not in header["metrics"]


def test_curves_come_out_within_half_a_level(zoo: Zoo):
    text = explorer(zoo, ROOM).curves
    assert text is not None
    header, arrays = unpack(text)
    assert (header["epochs"], header["networks"]) == ([1, 2], len(zoo))
    levels = np.cumsum(arrays["curves"].reshape(len(zoo), 4, 2), axis=2, dtype=np.uint8)
    ranges = arrays["ranges"].reshape(len(zoo), 2, 2)
    history = zoo.history()
    for row, name in enumerate(zoo.ids):
        for place, column in enumerate(("training_loss", "validation_loss")):
            exact = history[column].to_numpy().reshape(len(zoo), 2)[row]
            low, high = ranges[row, 0]
            if name == "dog_1":
                assert set(levels[row, place]) == {NOT_FINITE}
                continue
            found = low + levels[row, place] / (CURVE_LEVELS - 1) * (high - low)
            assert np.abs(found - exact).max() <= 0.51 * (high - low) / (CURVE_LEVELS - 1) + 1e-6


@pytest.mark.parametrize("value", [0.0, 0.7, 1e-300, 7.72806445e24, 1e300, -5.0])
def test_curves_of_any_values_have_levels(value: float):
    curves = np.full((1, 4, 3), value)
    curves[0, 0, 1] = np.nan
    curves[0, 1, 2] = np.inf
    levels, ranges = quantise_curves(curves)
    assert (levels == NOT_FINITE).sum() == (12 if value == 1e300 else 2)
    assert ranges.dtype == np.float32
    assert np.isfinite(ranges).all()


def test_long_histories_are_thinned(tmp_path: Path):
    zoo = page_zoo(tmp_path / "zoo", recipe(networks_per_class=1, training={"epochs": 300}))
    found = explorer(zoo, ROOM)
    header, _ = unpack(found.curves or "")
    epochs = header["epochs"]
    assert (len(epochs), epochs[0], epochs[-1]) == (40, 1, 300)
    assert any("40 of 300 epochs" in note for note in found.notes)


def test_kernels_have_zero_in_the_middle():
    weights = np.array([0.0, 0.5, -1.0, 0.2, np.nan, 0.04], np.float32).reshape(1, 1, 1, 2, 3)
    assert quantise_kernels(weights, 11).ravel().tolist() == [5, 7, 0, 6, NOT_FINITE, 5]
    assert quantise_kernels(np.zeros((1, 1, 1, 2, 2), np.float32), 15).tolist() == [[[7] * 4]]


def test_kernels_follow_the_room(zoo: Zoo, tmp_path: Path):
    found = explorer(zoo, ROOM)
    header, arrays = unpack(found.kernels or "")
    assert (header["name"], header["shape"], header["levels"]) == (
        "conv1.weight",
        [16, 1, 3, 3],
        15,
    )
    assert arrays["kernels"].size == len(zoo) * 16 * 9
    large = page_zoo(tmp_path / "zoo", recipe(networks_per_class=100))
    whole = explorer(large, ROOM)
    full = len(whole.table) + len(whole.curves or "")
    coarser = explorer(large, full + int(0.9 * len(whole.kernels or "")))
    header, _ = unpack(coarser.kernels or "")
    assert (header["levels"], header["networks"]) == (11, 500)
    fewer = explorer(large, full + int(0.5 * len(whole.kernels or "")))
    header, arrays = unpack(fewer.kernels or "")
    assert header["levels"] == 7
    assert 200 < header["networks"] < 500
    assert arrays["kernels"].size == header["networks"] * 16 * 9
    assert any(f"first {header['networks']} of 500 networks" in note for note in fewer.notes)
    assert len(fewer.table + (fewer.curves or "") + (fewer.kernels or "")) <= full + 0.5 * len(
        whole.kernels or ""
    )


def test_without_room_the_table_stays(zoo: Zoo):
    found = explorer(zoo, 0)
    assert found.table
    assert (found.curves, found.kernels) == (None, None)
    assert any("Kernels are left out" in note for note in found.notes)
    assert any("first 0 of 20 networks" in note for note in found.notes)
