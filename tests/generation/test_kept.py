"""Fits that were interrupted go on with the classes that they have done."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hyperzoo.errors import ZooWriteError
from hyperzoo.generation import Split, fit
from hyperzoo.generation.kept import Kept
from hyperzoo.generation.methods import learned_images
from hyperzoo.images import ImageSet
from hyperzoo.zoo import Zoo

SPLIT = Split(training=4, held_out=2, fresh=2)
SMALL = {"FIT_STEPS": 20, "STEPS": 1, "IMAGES": 24, "GRID": 8, "BATCH": 32, "TRIALS": 3}


@pytest.fixture
def fitted(
    zoo: Zoo, images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[bytes, list[int]]]:
    """Fits `learned-images`; the generator's file, and the steps of which the meter was told."""
    for name, value in SMALL.items():
        monkeypatch.setattr(learned_images, name, value)

    def run(keep_in: Path | None, stop: int = 10**9, seed: int = 0) -> tuple[bytes, list[int]]:
        told = []

        def meter(done: int, steps: int) -> None:
            assert steps == 4 * SMALL["FIT_STEPS"]
            told.append(done)
            if done >= stop:
                raise KeyboardInterrupt

        generator = fit(
            zoo, "learned-images", images=images, split=SPLIT, seed=seed, meter=meter,
            keep_in=keep_in,
        )  # fmt: skip
        return generator.encoded, told

    return run


def test_an_interrupted_fit_goes_on(fitted: Callable[..., tuple[bytes, list[int]]], tmp_path: Path):
    whole, told = fitted(None)
    assert max(told) == 4 * SMALL["FIT_STEPS"]
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "fit", stop=3 * SMALL["FIT_STEPS"])
    done = sorted(tmp_path.joinpath("fit").iterdir())
    assert {file.name for file in done} < {f"class-{label}.safetensors" for label in range(4)}
    assert len(done) >= 2
    before = {file: file.stat().st_mtime_ns for file in done}
    again, told = fitted(tmp_path / "fit")
    assert again == whole
    assert len(told) <= 4 + (4 - len(done)) * SMALL["FIT_STEPS"]
    assert {file: file.stat().st_mtime_ns for file in done} == before


def test_parts_of_another_fit_and_damaged_ones_are_made_anew(
    fitted: Callable[..., tuple[bytes, list[int]]], tmp_path: Path
):
    whole, _ = fitted(None)
    fitted(tmp_path / "fit", seed=1)
    first, *_ = sorted(tmp_path.joinpath("fit").iterdir())
    first.write_bytes(first.read_bytes()[:100])
    assert fitted(tmp_path / "fit")[0] == whole
    assert fitted(tmp_path / "fit")[1] == [20, 40, 60, 80]


def test_kinds_and_numbers_are_kept(tmp_path: Path):
    arrays = {
        "a": np.array(0.1, np.float32),
        "b": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "c": np.array([1.5, -2], np.float16),
    }
    kept = Kept(tmp_path, {"seed": 2**60})
    for found in (kept.once("one", lambda: arrays), kept.once("one", dict)):
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)


def test_a_folder_that_can_not_be_written(tmp_path: Path):
    tmp_path.joinpath("file").touch()
    with pytest.raises(ZooWriteError):
        Kept(tmp_path / "file", {}).once("one", lambda: {"a": np.zeros(1, np.float32)})
