"""Each hostile file is refused with its message; none leads elsewhere or takes memory."""

import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperzoo.errors import ForeignFileError
from hyperzoo.exchange.keras.read import read_keras
from tests.exchange.keras import hostile

WHOLE, WEIGHTS = hostile.whole_model(), hostile.weights_file()


def name_of(value: object) -> str:
    return getattr(value, "__name__", "")


@pytest.mark.parametrize(("change", "message"), hostile.HOSTILE_MODELS.items(), ids=name_of)
def test_whole_models(tmp_path: Path, change, message: str):
    path = hostile.write(tmp_path, "church_0.h5", hostile.changed(WHOLE, change))
    with pytest.raises(ForeignFileError, match=message) as error:
        read_keras(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(("change", "message"), hostile.HOSTILE_WEIGHTS.items(), ids=name_of)
def test_files_of_weights(tmp_path: Path, change, message: str):
    path = hostile.write(tmp_path, "church_0.weights.h5", hostile.changed(WEIGHTS, change))
    with pytest.raises(ForeignFileError, match=message):
        read_keras(path)


@pytest.mark.parametrize(("make", "message"), hostile.HOSTILE_ARCHIVES.items(), ids=name_of)
def test_archives(tmp_path: Path, make, message: str):
    path = hostile.write(tmp_path, "church_0.keras", make())
    tracemalloc.start()
    try:
        with pytest.raises(ForeignFileError, match=message):
            read_keras(path)
        assert tracemalloc.get_traced_memory()[1] < 60 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "change", [hostile.standing_still, hostile.beyond_the_end, hostile.longer_than_the_file]
)
@pytest.mark.parametrize("content", [WHOLE, WEIGHTS], ids=["whole", "weights"])
def test_heaps_that_hdf5_would_not_find_the_end_of(tmp_path: Path, change, content: bytes):
    path = hostile.write(tmp_path, "church_0.h5", change(content))
    with pytest.raises(ForeignFileError, match=r"the heap at byte \d+ does not add up"):
        read_keras(path)


def test_a_superblock_of_other_sizes(tmp_path: Path):
    """Heaps would be laid out in another way than the check takes them to be."""
    content = WHOLE[:13] + b"\x04" + WHOLE[14:]
    path = hostile.write(tmp_path, "church_0.h5", content)
    with pytest.raises(ForeignFileError, match="its superblock is not one of Keras's"):
        read_keras(path)


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 4096, 20_000, 200_000, -1])
def test_cut_short(tmp_path: Path, kept: int):
    path = hostile.write(tmp_path, "church_0.h5", WHOLE[:kept])
    with pytest.raises(ForeignFileError, match=r"not an HDF5 file|damaged or cut short"):
        read_keras(path)


def test_a_file_that_is_too_large(tmp_path: Path):
    path = tmp_path / "church_0.h5"
    with path.open("wb") as file:
        file.write(WHOLE)
        file.truncate(17 * 2**20)
    with pytest.raises(ForeignFileError, match=r"expected at most 16777216 bytes, got 17825792"):
        read_keras(path)


def test_what_is_no_regular_file(tmp_path: Path):
    os.mkfifo(tmp_path / "church_0.h5")
    with pytest.raises(ForeignFileError, match="expected a regular file"):
        read_keras(tmp_path / "church_0.h5")
    with pytest.raises(ForeignFileError, match="there is no such file"):
        read_keras(tmp_path / "church_1.h5")


def test_an_hdf5_file_of_something_else(tmp_path: Path):
    def empty(file) -> None:
        for name in list(file):
            del file[name]
        file["results"] = 1.0

    path = hostile.write(tmp_path, "church_0.h5", hostile.changed(WHOLE, empty))
    with pytest.raises(ForeignFileError, match=r"not one of Keras's: .* got results"):
        read_keras(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_flipped_bytes_never_give_another_error(tmp_path: Path, flips: list[tuple[int, int]]):
    content = bytearray(WHOLE)
    for place, value in flips:
        content[place] = value
    path = hostile.write(tmp_path, "church_0.h5", bytes(content))
    try:
        network = read_keras(path)
    except ForeignFileError:
        return
    assert network.id == "church_0"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_flipped_bytes_of_an_archive(tmp_path: Path, flips: list[tuple[int, int]]):
    members = {"config.json": hostile.config(), "model.weights.h5": WEIGHTS}
    content = bytearray(hostile.archive(members))
    for place, value in flips:
        # Counted from the end, where the directory of the archive is.
        content[-1 - place % 400 if place % 2 else place] = value
    path = hostile.write(tmp_path, "church_0.keras", bytes(content))
    try:
        network = read_keras(path)
    except ForeignFileError:
        return
    assert network.id == "church_0"
