"""Engines that want many networks at once: a worker takes as many parts as make a cohort."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hyperzoo.cluster.beats import beats
from hyperzoo.cluster.training import Training, TrainingMaker, open_training
from hyperzoo.cluster.worker import run_worker
from hyperzoo.population.gpu import GpuEngine
from hyperzoo.population.torch_engine import TorchEngine
from hyperzoo.train import train_zoo
from hyperzoo.zoo import verify_zoo
from hyperzoo.zoo.document import read_document
from tests.cluster.makers import images, prepared, tiny
from tests.helpers import part_files


class Roomy(TorchEngine):
    """Has room for so many networks as a GPU would."""

    def __init__(self, room: int) -> None:
        super().__init__(workers=1)
        self._room = room

    @property
    def preferred_cohort(self) -> int:
        return self._room


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What is trained together, batch after batch."""
    seen: list[tuple[str, ...]] = []
    make = TrainingMaker.make

    def noted(maker: TrainingMaker, names: Sequence[str], told: Any) -> Any:
        seen.append(tuple(names))
        yield from make(maker, names, told)

    monkeypatch.setattr(TrainingMaker, "make", noted)
    return seen


def numbers(batches: Sequence[Sequence[str]]) -> list[list[int]]:
    return [[int(name.removeprefix("part-")) for name in batch] for batch in batches]


def test_as_many_parts_as_make_a_cohort(tmp_path: Path):
    """Of ten networks each."""
    zoo = prepared(tmp_path / "zoo")
    for room, expected in {1: 1, 10: 1, 11: 2, 20: 2, 25: 3, 2048: 6}.items():
        training = open_training(zoo, engine=Roomy(room))
        assert training.together(training.pieces) == training.pieces[:expected]
        left = training.pieces[4:]
        assert training.together(left) == left[:expected]


@pytest.mark.slow
def test_consecutive_parts_of_a_share_are_trained_together(
    tmp_path: Path, batches: list[tuple[str, ...]]
):
    zoo, reference = prepared(tmp_path / "zoo", 4), prepared(tmp_path / "reference", 4)
    training = open_training(zoo, engine=Roomy(15))
    run_worker(training, training.pieces[1:2])
    signs: set[tuple[str, ...]] = set()

    def told(_steps: int) -> None:
        signs.update(beat.pieces for beat in beats(zoo))

    assert run_worker(training, training.pieces, told=told).found == training.pieces[1:2]
    assert numbers(batches) == [[1], [0, 2], [3]]  # of those that are missing
    assert signs == set(batches[1:])  # so that nobody helps with one of them
    train_zoo(tiny(4), reference, images=images(), engine=Roomy(1))
    assert part_files(zoo) == part_files(reference)


@pytest.mark.slow
def test_the_gpu_engine_in_cohorts_is_what_train_makes(
    tmp_path: Path, batches: list[tuple[str, ...]]
):
    """On a CPU it wants 16 networks: two parts."""
    zoo, reference = prepared(tmp_path / "zoo", 3), prepared(tmp_path / "reference", 3)
    training = open_training(zoo, engine="gpu", device="cpu")
    run_worker(training, training.pieces)
    assert numbers(batches) == [[0, 1], [2]]
    train_zoo(tiny(3), reference, images=images(), engine=GpuEngine(device="cpu"))
    assert part_files(zoo) == part_files(reference)
    assert (zoo / "zoo.json").read_bytes() == (reference / "zoo.json").read_bytes()


@pytest.mark.slow
def test_zoo_json_says_which_stack_made_which_part(tmp_path: Path):
    zoo = prepared(tmp_path / "zoo", 4)
    engines = {"gpu": (0, 3), "torch": (2,), "native": (1,)}
    opened: dict[str, Training] = {
        "gpu": open_training(zoo, engine="gpu", device="cpu"),
        "torch": open_training(zoo, engine=Roomy(20)),
        "native": open_training(zoo),
    }
    for name, parts in engines.items():
        pieces = opened[name].pieces
        run_worker(opened[name], [pieces[part] for part in parts])
    runs = read_document(zoo).runs
    assert {run.provenance["engine"]: run.parts for run in runs} == engines
    by_gpu = next(run.provenance for run in runs if run.parts == (0, 3))
    assert by_gpu["device"] == "cpu"
    assert {"torch", "kernels", "processor"} <= set(by_gpu)
    assert verify_zoo(zoo).problems == ()
