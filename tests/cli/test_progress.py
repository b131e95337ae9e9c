"""Lines of progress where there is no terminal: some on the way, and the end where there were."""

from types import SimpleNamespace

import pytest

from hyperzoo.cli import progress
from hyperzoo.train import Progress


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    own = Clock()
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=own.monotonic))
    return own


def test_the_last_line_is_the_final_count(clock: Clock, capsys: pytest.CaptureFixture[str]):
    with progress.counting_meter("file") as meter:
        for done, now in enumerate([1.0, 5.5, 6.0, 7.0], start=1):
            clock.now = now
            meter(done, 4)
    assert capsys.readouterr().err == "2 of 4 files\n4 of 4 files\n"


def test_a_final_count_is_not_said_twice(clock: Clock, capsys: pytest.CaptureFixture[str]):
    with progress.counting_meter("file") as meter:
        clock.now = 6.0
        meter(4, 4)
    assert capsys.readouterr().err == "4 of 4 files\n"


def test_short_work_says_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]):
    with progress.counting_meter("file") as meter:
        meter(1, 2)
        meter(2, 2)
    assert capsys.readouterr().err == ""


def test_what_fails_has_no_last_line(clock: Clock, capsys: pytest.CaptureFixture[str]):
    def fail() -> None:
        with progress.counting_meter("file") as meter:
            clock.now = 6.0
            meter(1, 3)
            meter(2, 3)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert capsys.readouterr().err == "1 of 3 files\n"


def test_one_is_one(clock: Clock, capsys: pytest.CaptureFixture[str]):
    with progress.counting_meter("family of measures", "families of measures") as meter:
        clock.now = 6.0
        meter(1, 1)
        clock.now = 12.0
        meter(1_000, None)
    assert capsys.readouterr().err == "1 of 1 family of measures\n1,000 families of measures\n"


def test_a_rate_of_one(clock: Clock, capsys: pytest.CaptureFixture[str]):
    with progress.training_meter() as meter:
        clock.now = 2.0
        meter(
            Progress(
                networks=2, networks_planned=4, networks_to_train=4, epochs=4, epochs_planned=8
            )
        )
    assert capsys.readouterr().err == (
        "2 of 4 networks on disk, 4 of 8 epochs, 1 network/s, 2 s left\n"
    )


def test_training_begins_with_a_line_and_ends_with_all(
    clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with progress.training_meter() as meter:
        for networks, epochs in [(0, 0), (0, 3), (2, 6)]:
            clock.now += 1.0
            meter(
                Progress(
                    networks=networks,
                    networks_planned=2,
                    networks_to_train=2,
                    epochs=epochs,
                    epochs_planned=6,
                )
            )
    assert capsys.readouterr().err.splitlines() == [
        "0 of 2 networks on disk, 0 of 6 epochs",
        "2 of 2 networks on disk, 6 of 6 epochs, 0.667 networks/s, 0 s left",
    ]
