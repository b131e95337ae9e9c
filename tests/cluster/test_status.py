"""How far a zoo has come: parts add up, and what failed is named with its log."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperzoo.cli.status import status
from hyperzoo.cluster.beats import WORKERS_FOLDER
from hyperzoo.cluster.status import Status, zoo_status
from hyperzoo.cluster.tasks import note_begin, submitted_tasks, write_submission
from hyperzoo.cluster.work import CLUSTER_FOLDER, write_pieces
from hyperzoo.zoo import layout
from hyperzoo.zoo.bundle import INCOMING_FOLDER
from tests.cluster.makers import PARTS, prepared, stand_in

OLD, NOW = 1e9, None
KILLED = "it ended without a word: killed, or its node was lost"


@pytest.fixture(scope="module")
def zoo_json(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return (prepared(tmp_path_factory.mktemp("made") / "zoo") / "zoo.json").read_bytes()


@pytest.fixture
def zoo(tmp_path: Path, zoo_json: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo of six parts, and a squeue that prints the file `queue` beside it."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    (folder / "zoo.json").write_bytes(zoo_json)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    stand_in(tmp_path, "squeue", f"echo called >> {tmp_path}/calls; cat {tmp_path}/queue")
    (tmp_path / "queue").touch()
    return folder


def part(number: int) -> str:
    return f"part-{number:05}"


def submitted(zoo: Path, run: int, jobs: list[str], tasks: int, largest: int = 100) -> Path:
    folder = zoo / CLUSTER_FOLDER / f"run-{run:04}"
    (folder / "logs").mkdir(parents=True)
    write_pieces(folder / "pieces", [part(number) for number in range(PARTS)])
    write_submission(folder, jobs, tasks, largest)
    return folder / "logs"


def sign(zoo: Path, number: int, job: str = "", time: float | None = NOW, name: str = "a") -> None:
    file = zoo / WORKERS_FOLDER / f"{part(number)}.{name}"
    file.parent.mkdir(exist_ok=True)
    beat = {"host": "node17", "process": 100 + number, "job": job, "pieces": [part(number)]}
    file.write_text(json.dumps(beat))
    if time is not None:
        os.utime(file, (time, time))


def done(zoo: Path, number: int) -> None:
    file = zoo / layout.models_file(number)
    file.parent.mkdir(exist_ok=True)
    file.touch()


def lies(zoo: Path, number: int, ending: str = "") -> None:
    (zoo / INCOMING_FOLDER / f"{part(number)}.{number:032x}{ending}").mkdir(parents=True)


def done_at(zoo: Path, number: int, time: float) -> None:
    done(zoo, number)
    os.utime(zoo / layout.models_file(number), (time, time))


def numbers(found: Status) -> tuple[int, int, int, int]:
    return found.done, found.running, found.waiting, found.failed


def told(found: Status) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {failure.what: (failure.why, failure.pieces) for failure in found.failures}


def test_tasks_of_two_arrays_and_how_they_ended(zoo: Path, capsys: pytest.CaptureFixture[str]):
    logs = submitted(zoo, 1, ["7", "8", "9"], 6, largest=4)
    (zoo.parent / "queue").write_text("7_3 RUNNING None\n8_0 PENDING Priority\n9 PENDING Dep\n")
    (logs / "7_0.out").write_text("error: no room\nshard 0/6: trained 1 part, found 0 done\n" * 2)
    (logs / "7_1.out").write_text("x\n" * 9000 + "error: no room for the next pieces\n")
    (logs / "7_2.out").write_bytes(b"\xff\n")
    (logs / "8_1.out").write_text(
        "slurmstepd-n1: error: *** JOB 12 ON n1 CANCELLED AT 2026 DUE TO TIME LIMIT ***\n"
    )
    done(zoo, 0)
    sign(zoo, 2, "7_2")  # fresh, but Slurm has that task no more
    sign(zoo, 3, "7_3")
    found = zoo_status(zoo)
    assert numbers(found) == (1, 1, 1, 3)
    assert told(found) == {
        "task 7_1": ("no room for the next pieces", (part(1),)),
        "task 7_2": (KILLED, (part(2),)),
        "task 8_1": ("JOB 12 ON n1 CANCELLED AT 2026 DUE TO TIME LIMIT", (part(5),)),
    }
    assert found.queue.states == {"running": 1, "pending (Priority)": 1, "pending (Dep)": 1}
    status(zoo)
    said = capsys.readouterr().out
    assert "parts     1 of 6 done, 1 running, 1 waiting, 3 failed\n" in said
    assert f"failed    task 7_2: {KILLED}, which leaves part-00002; see {logs}/7_2.out\n" in said
    assert (zoo.parent / "calls").read_text().count("called") == 2  # once each time


def test_a_task_that_is_to_run_again_has_not_failed(zoo: Path):
    submitted(zoo, 1, ["7", "8"], 2)
    (zoo.parent / "queue").write_text("7_0 PENDING BeginTime\n7_1 RUNNING None\n")
    sign(zoo, 0, "7_0")
    sign(zoo, 3, "7_1", OLD)  # of its first life
    sign(zoo, 4, "7_1", name="b")
    assert numbers(zoo_status(zoo)) == (0, 1, 5, 0)
    assert told(zoo_status(zoo)) == {"task 8": ("it never began: cancelled before", ())}


def test_a_task_that_hangs_is_not_both_running_and_silent(zoo: Path):
    submitted(zoo, 1, ["7"], 2)
    (zoo.parent / "queue").write_text("7_0 RUNNING None\n7_1 RUNNING None\n")
    sign(zoo, 0, "7_0", OLD)
    sign(zoo, 3, "7_1")
    found = zoo_status(zoo)
    assert numbers(found) == (0, 1, 4, 1)
    ((what, (why, pieces)),) = told(found).items()
    assert (what, pieces) == ("process 100 on node17, job 7_0", (part(0),))
    assert why.endswith("minutes: killed, or cut off, or it hangs: Slurm has it running")
    assert [beat.job for beat in found.workers] == ["7_1"]


def test_of_a_part_its_latest_task_tells(zoo: Path):
    first = submitted(zoo, 1, ["7", "8"], 1)
    (first / "7_0.out").write_text("error: the first\n")
    assert told(zoo_status(zoo))["task 7_0"] == ("the first", tuple(map(part, range(PARTS))))
    second = submitted(zoo, 2, ["17"], 2)
    (second / "17_0.out").write_text("shard 0/2: trained 0 parts, found 0 done; no time for 3\n")
    (zoo.parent / "queue").write_text("17_1 PENDING Resources\n")
    assert numbers(zoo_status(zoo)) == (0, 0, 6, 0)
    assert told(zoo_status(zoo)) == {}


def test_where_slurm_can_not_be_asked(zoo: Path, capsys: pytest.CaptureFixture[str]):
    """By logs and signs of life alone; a log without a last word may be of one that still runs."""
    stand_in(zoo.parent, "squeue", "echo 'Unable to contact slurm'; echo more; exit 1")
    logs = submitted(zoo, 1, ["7"], 3)
    (logs / "7_0.out").write_text("error: no room\n")
    (logs / "7_1.out").write_text("")
    sign(zoo, 2, "7_1")
    found = zoo_status(zoo)
    assert numbers(found) == (0, 1, 3, 2)
    assert told(found) == {"task 7_0": ("no room", (part(0), part(1)))}
    status(zoo)
    said = capsys.readouterr().out
    assert "\nslurm     not known: Slurm refused: Unable to contact slurm\nlogs" in said


def test_submitted_by_hand(zoo: Path):
    """After --dry-run nobody has noted the jobs: what the logs say is all there is."""
    logs = submitted(zoo, 1, [], 3)
    (logs / "7_0.out").write_text("error: no room\n")
    (logs / "7_1.out").write_text("shard 1/3: trained 2 parts, found 0 done\n")
    found = zoo_status(zoo)
    assert numbers(found) == (0, 0, 6, 0)
    assert told(found) == {"task 7_0": ("no room", ())}
    assert not (zoo.parent / "calls").exists()


@pytest.mark.parametrize(
    "record",
    [
        b"[" * 9000,
        b"[]",
        b'{"jobs": 3}',
        b'{"jobs": ["7; rm", 8, null]}',
        b'{"jobs": ["7"]}',
        b'{"jobs": ["7"], "tasks": 1e9, "largest": 0}',
        b'{"jobs": ["7"], "tasks": -1, "largest": 1}',
    ],
)
def test_records_that_are_damaged(zoo: Path, record: bytes):
    submitted(zoo, 1, ["7"], 3)
    (zoo / CLUSTER_FOLDER / "run-0001" / "submission.json").write_bytes(record)
    assert all(task.pieces == () for task in submitted_tasks(zoo).tasks)
    assert numbers(zoo_status(zoo)) == (0, 0, 6, 0)


def test_a_refused_bundle_until_its_part_is_made_again(zoo: Path):
    lies(zoo, 1, ".refused")
    assert numbers(zoo_status(zoo)) == (0, 0, 5, 1)
    sign(zoo, 1)
    assert numbers(zoo_status(zoo)) == (0, 1, 5, 0)
    lies(zoo, 1)
    found = zoo_status(zoo)
    assert (*numbers(found), found.delivered) == (0, 0, 6, 0, 1)
    done(zoo, 1)
    assert numbers(zoo_status(zoo)) == (1, 0, 5, 0)
    assert told(zoo_status(zoo)) == {f"bundle {part(1)}.{1:032x}.refused": ("it was refused", ())}


def test_the_rate_counts_from_when_the_first_worker_began(
    zoo: Path, capsys: pytest.CaptureFixture[str]
):
    """Two workers that began together finish together: four parts in 200 s, not in 102 or less."""
    pieces = submitted(zoo, 1, ["7"], 2).parent / "pieces"
    assert zoo_status(zoo).seconds_a_part is None
    for number, time in enumerate((1100, 1101, 1199, 1200)):
        done_at(zoo, number, time)
    assert zoo_status(zoo).seconds_a_part is None  # waits in the queue
    note_begin(pieces)
    began = pieces.parent / "began"
    os.utime(began, (1000, 1000))
    note_begin(pieces)  # by the second worker
    assert began.stat().st_mtime == 1000
    found = zoo_status(zoo)
    assert (found.seconds_a_part, found.seconds_left) == (50, 100)
    status(zoo)
    assert "rate      72 parts an hour, 1 min 40 s left\n" in capsys.readouterr().out
    # What a later submission does is judged by itself: one part in 80 s.
    later = submitted(zoo, 2, ["8"], 2).parent
    assert zoo_status(zoo).seconds_a_part == 50  # none of its workers has begun
    note_begin(later / "pieces")
    os.utime(later / "began", (2000, 2000))
    assert zoo_status(zoo).seconds_a_part is None
    done_at(zoo, 4, 2080)
    assert zoo_status(zoo).seconds_a_part == 80


def test_the_rate_of_workers_that_nobody_submitted(zoo: Path):
    (zoo / CLUSTER_FOLDER).mkdir()
    for number, time in enumerate((1100, 1101, 1200, 1200)):
        done_at(zoo, number, time)
    assert zoo_status(zoo).seconds_a_part is None
    for number, began in ((4, 1000), (5, 1050)):
        sign(zoo, number)
        file = zoo / WORKERS_FOLDER / f"{part(number)}.a"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"began": began}))
    assert zoo_status(zoo).seconds_a_part == 50
    note_begin(zoo.parent / "pieces")  # a list of one's own: nothing is noted beside it
    assert not (zoo.parent / "began").exists()


def test_the_rate_of_one_process(zoo: Path):
    for number, time in enumerate((1000, 1100, 1200, 99_000, 99_100)):  # left alone for a day
        done_at(zoo, number, time)
    assert zoo_status(zoo).seconds_a_part == 100


FACTS = ("done", "lies", "refused", "sign", "old sign", "old sign of a task", "sign of a task")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    facts=st.lists(st.sets(st.sampled_from(FACTS)), min_size=PARTS, max_size=PARTS),
    states=st.lists(st.sampled_from(["", "RUNNING None", "PENDING None"]), min_size=3, max_size=3),
    words=st.lists(st.sampled_from(["", "error: x", "shard 0/3: trained"]), min_size=3, max_size=3),
)
def test_parts_add_up_whatever_lies_there(
    monkeypatch: pytest.MonkeyPatch,
    zoo_json: bytes,
    facts: list[set[str]],
    states: list[str],
    words: list[str],
):
    with tempfile.TemporaryDirectory() as name, monkeypatch.context() as patch:
        zoo = Path(name) / "zoo"
        zoo.mkdir()
        (zoo / "zoo.json").write_bytes(zoo_json)
        queue = {f"7_{n}": state.split()[0].lower() for n, state in enumerate(states) if state}
        patch.setattr("hyperzoo.cluster.slurm.states", lambda jobs: queue if jobs else {})
        logs = submitted(zoo, 1, ["7"], 3)
        for number, word in enumerate(words):
            (logs / f"7_{number}.out").write_text(word)
        for number, of_part in enumerate(facts):
            for fact in of_part:
                {
                    "done": lambda n: done(zoo, n),
                    "lies": lambda n: lies(zoo, n),
                    "refused": lambda n: lies(zoo, n, ".refused"),
                    "sign": lambda n: sign(zoo, n, name="b"),
                    "old sign": lambda n: sign(zoo, n, "", OLD, name="c"),
                    "old sign of a task": lambda n: sign(zoo, n, f"7_{n // 2}", OLD, name="d"),
                    "sign of a task": lambda n: sign(zoo, n, f"7_{n // 2}", name="e"),
                }[fact](number)
        found = zoo_status(zoo)
        assert sum(numbers(found)) == found.parts == PARTS
        assert found.done == sum("done" in of_part for of_part in facts)
        assert found.delivered == sum("lies" in f and "done" not in f for f in facts)
        named = [piece for failure in found.failures for piece in failure.pieces]
        assert len(named) == len(set(named)) == found.failed
        assert min(numbers(found)) >= 0
