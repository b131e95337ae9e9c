"""Workers side by side, killed, without room, beside `train`: always the same bytes."""

import errno
import fcntl
import os
import re
import shutil
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hyperzoo.cli.status import status
from hyperzoo.cli.work import collect
from hyperzoo.cluster import worker
from hyperzoo.cluster.beats import WORKERS_FOLDER, beats
from hyperzoo.cluster.status import zoo_status
from hyperzoo.cluster.training import CLUSTER_FOLDER, open_training, prepare_zoo
from hyperzoo.cluster.work import Shard, parse_shard, read_pieces, write_pieces
from hyperzoo.cluster.worker import run_worker
from hyperzoo.errors import (
    BundleError,
    ClusterError,
    ZooMismatchError,
    ZooNotFoundError,
    ZooWriteError,
)
from hyperzoo.images.npz import write_npz
from hyperzoo.recipe import parse_recipe
from hyperzoo.train import train_zoo
from hyperzoo.zoo import open_zoo
from hyperzoo.zoo.bundle import INCOMING_FOLDER, deliver, lying_bundles
from hyperzoo.zoo.document import read_document
from hyperzoo.zoo.lock import take_lock
from hyperzoo.zoo.write import Taken, collect_bundles, collector
from tests.cluster.makers import (
    PARTS,
    assert_same,
    images,
    prepared,
    start,
    tiny,
    wait_until,
)
from tests.cluster.trials import Trials
from tests.helpers import few, part_files


def test_one_worker_makes_what_train_makes(tmp_path: Path, reference: Path):
    zoo = prepared(tmp_path / "zoo")
    training = open_training(zoo)
    steps: list[int] = []
    outcome = run_worker(training, training.pieces, told=steps.append)
    assert outcome.made == training.pieces
    assert sum(steps) == 10 * PARTS
    assert_same(zoo, reference)
    assert run_worker(training, training.pieces).found == training.pieces


def test_a_zoo_of_its_own_layers(tmp_path: Path):
    document = tiny(1).canonical()
    document["architecture"] = {
        "name": "own",
        "layers": [{"conv": 2, "kernel": 5, "stride": 4}, {"norm": "batch"}, {"dense": "outputs"}],
    }
    own = parse_recipe(document)
    zoo = tmp_path / "zoo"
    prepare_zoo(own, zoo, images=images())
    training = open_training(zoo)
    run_worker(training, training.pieces)
    train_zoo(own, tmp_path / "reference", images=images())
    assert part_files(zoo) == part_files(tmp_path / "reference")
    assert open_zoo(zoo).architecture == own.network(1)


@pytest.mark.slow
def test_two_workers_at_once(tmp_path: Path, reference: Path):
    zoo = prepared(tmp_path / "zoo")
    # One has a share, the other all, so that some parts are made twice.
    processes = [start("work", zoo, "--shard", shard) for shard in ("1/2", "0/1")]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert_same(zoo, reference)


@pytest.mark.slow
def test_a_killed_worker(tmp_path: Path, long_reference: Path):
    zoo = prepared(tmp_path / "zoo", parts=3, epochs=20)
    with start("work", zoo) as process:
        wait_until(lambda: len(open_zoo(zoo)) >= 10)
        wait_until(lambda: any("part-00001" in beat.pieces for beat in beats(zoo)))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not open_zoo(zoo).is_complete
    training = open_training(zoo)
    run_worker(training, training.pieces)
    assert_same(zoo, long_reference)


@pytest.mark.slow
def test_train_during_work(tmp_path: Path, long_reference: Path):
    zoo = prepared(tmp_path / "zoo", parts=3, epochs=20)
    with start("work", zoo, "--shard", "1/2") as process:
        wait_until(lambda: beats(zoo))
        train_zoo(tiny(3, 20), zoo, images=images())
        _, said = process.communicate()
    assert process.returncode == 0, said
    assert_same(zoo, long_reference)


def test_work_while_somebody_holds_the_lock(tmp_path: Path, reference: Path):
    zoo = prepared(tmp_path / "zoo")
    training = open_training(zoo)
    with collector(zoo) as open_writer:
        run_worker(training, training.pieces[:2])
        assert len(open_zoo(zoo)) == 0
        assert training.waiting() == list(training.pieces[2:])
        found = zoo_status(zoo)
        assert (found.done, found.delivered, found.running, found.waiting) == (0, 2, 0, 6)
        assert open_writer.take_bundles().parts == (0, 1)
    run_worker(training, training.pieces)
    assert_same(zoo, reference)


def test_a_zoo_is_grown_while_a_worker_collects(tmp_path: Path, reference: Path):
    """Which takes the lock for a moment, also of an earlier submission's worker."""
    zoo = prepared(tmp_path / "zoo", parts=PARTS - 1)
    lock = take_lock(zoo)
    release = threading.Timer(0.3, lock.release)
    release.start()
    prepare_zoo(tiny(PARTS), zoo, images=images())
    release.join()
    training = open_training(zoo)
    run_worker(training, training.pieces)
    assert_same(zoo, reference)


@pytest.mark.parametrize("answer", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_workers_on_a_file_system_without_locks(
    tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch, answer: int
):
    """An old lock file lies there, which is no lock; while a writer has it, they only deliver."""
    zoo = prepared(tmp_path / "zoo")
    assert (zoo / ".lock").exists()

    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(fcntl, "flock", flock)
    training = open_training(zoo)
    with collector(zoo):
        assert run_worker(training, training.pieces[:2]).made == training.pieces[:2]
        assert training.finished() == set()
    run_worker(training, training.pieces)
    assert_same(zoo, reference)


def test_work_of_another_kind(tmp_path: Path):
    work = Trials(tmp_path)
    outcome = run_worker(work, work.pieces[:2], others=work.pieces)
    assert sorted(outcome.made) == sorted(work.taken) == work.pieces
    assert list((tmp_path / INCOMING_FOLDER).iterdir()) == []


def test_whose_share_is_done_helps_others(tmp_path: Path, reference: Path):
    zoo = prepared(tmp_path / "zoo")
    training = open_training(zoo)
    signs = zoo / WORKERS_FOLDER
    signs.mkdir()
    beat = '{{"host": "node17", "process": {}, "job": "", "pieces": ["{}"]}}'
    for number, piece in enumerate(training.pieces[2:4]):
        (signs / f"{piece}.a").write_text(beat.format(number, piece))
    os.utime(signs / f"{training.pieces[3]}.a", (1e9, 1e9))  # whose worker has died
    # Its own is made though somebody else seems to be at it; others' only if nobody lives there.
    outcome = run_worker(training, training.pieces[:1], others=training.pieces)
    assert outcome.made[0] == training.pieces[0]
    assert set(outcome.made) == set(training.pieces) - {training.pieces[2]}
    assert run_worker(training, training.pieces[2:3]).made == training.pieces[2:3]
    assert_same(zoo, reference)


def test_a_bundle_that_is_refused_is_not_made_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    zoo = prepared(tmp_path / "zoo", parts=1)

    def damaged(bundle: Any, folder: Path) -> Path:
        path = deliver(bundle, folder)
        (path / "models" / "part-00000.parquet").unlink()
        return path

    monkeypatch.setattr(worker, "deliver", damaged)
    training = open_training(zoo)
    assert run_worker(training, training.pieces).made == ("part-00000",)
    found = zoo_status(zoo)
    assert (found.waiting, found.failed) == (0, 1)
    (failure,) = found.failures
    assert failure.what.startswith("bundle part-00000.")
    assert failure.pieces == ("part-00000",)


def test_no_room_is_noticed_before_a_part_is_begun(
    tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch
):
    zoo = prepared(tmp_path / "zoo")
    training = open_training(zoo)
    run_worker(training, training.pieces[:1])
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000_000))
        with pytest.raises(
            ClusterError,
            match=r"no room for the next pieces: .* has 1 MB free, part-00001.* run the same",
        ):
            run_worker(training, training.pieces)
    assert list((zoo / INCOMING_FOLDER).iterdir()) == []
    run_worker(training, training.pieces)
    assert_same(zoo, reference)


def test_what_a_part_takes_on_disk(reference: Path):
    training = open_training(reference, images=images())
    files = [file for file in reference.rglob("part-*") if file.is_file()]
    taken = sum(file.stat().st_size for file in files)
    assert taken < training.bytes_needed(training.pieces) < taken + 3e6


def test_a_worker_drains_before_its_time_is_over(
    tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch
):
    zoo = prepared(tmp_path / "zoo")
    training = open_training(zoo)
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(worker.time, "monotonic", lambda: clock.now)

    class Slow:
        """Each part takes ten seconds of a clock of our own."""

        def __getattr__(self, name: str) -> Any:
            return getattr(training, name)

        def together(self, names: Sequence[str]) -> Sequence[str]:
            return names[:1]

        @property
        def maker(self) -> Any:
            return self

        def make(self, names: Sequence[str], told: Any) -> Any:
            for bundle in training.maker.make(names, told):
                clock.now += 10
                yield bundle

    slow: Any = Slow()
    outcome = run_worker(slow, training.pieces, seconds=35)
    assert outcome.made == training.pieces[:3]  # a fourth would need 12.5 of the last 5 s
    assert outcome.left == training.pieces[3:]
    assert run_worker(slow, training.pieces, seconds=1).made == training.pieces[3:4]
    run_worker(slow, training.pieces)
    assert_same(zoo, reference)


def test_a_worker_shows_that_it_lives(tmp_path: Path):
    zoo = prepared(tmp_path / "zoo", parts=2)
    training = open_training(zoo)
    seen = []

    def told(_steps: int) -> None:
        seen.append(zoo_status(zoo))

    run_worker(training, training.pieces, told=told)
    assert (seen[0].running, seen[0].waiting) == (1, 1)
    assert seen[0].workers[0].pieces == training.pieces[:1]
    assert seen[0].parts == 2
    assert zoo_status(zoo).workers == ()


def test_a_worker_that_fell_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    zoo = prepared(tmp_path / "zoo", parts=2)
    signs = zoo / WORKERS_FOLDER
    signs.mkdir()
    (signs / "part-00000.a").write_text(
        '{"host": "node17", "process": 4711, "job": "8_1", "pieces": ["part-00000"], "age": 0}'
    )
    os.utime(signs / "part-00000.a", (1e9, 1e9))
    for name, content in {
        "b": "[" * 9000,
        "c": "{}",
        "d": '{"host": "\x1b", "process": 1}',
    }.items():
        (signs / f"part-00001.{name}").write_text(content)
    found = zoo_status(zoo)
    assert (found.running, found.waiting, found.failed, found.workers) == (0, 1, 1, ())
    status(zoo)
    said = capsys.readouterr().out
    assert re.search(
        r"failed    process 4711 on node17, job 8_1: silent for [0-9,]+ minutes: killed, or cut "
        r"off, which leaves part-00000\n",
        said,
    )


def test_status_and_collect_as_people_see_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    zoo = prepared(tmp_path / "zoo", parts=3)
    training = open_training(zoo)
    with collector(zoo):
        run_worker(training, training.pieces[:2])
    status(zoo)
    said = capsys.readouterr().out
    assert "parts     0 of 3 done, 0 running, 3 waiting (2 delivered), 0 failed\n" in said
    collect(zoo)
    assert capsys.readouterr().out == f"{zoo}: took 2 parts, 2 of 3 are done\n"
    status(zoo)
    assert "networks  20 of 30\n" in capsys.readouterr().out


def test_collect_ends_with_an_error_if_a_bundle_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The others are put in place; each that is refused is named, and again until it is made."""
    zoo = prepared(tmp_path / "zoo", parts=3)
    training = open_training(zoo)
    with collector(zoo):
        run_worker(training, training.pieces)
    for lying in lying_bundles(zoo)[:2]:
        (lying.path / "models" / f"{lying.piece}.parquet").write_bytes(b"cut")
    with pytest.raises(BundleError, match=r"^2 bundles refused, and kept in ") as refused:
        collect(zoo)
    for piece in training.pieces[:2]:
        assert re.search(
            rf"\n  bundle {piece}\.[0-9a-f]{{32}}: models/{piece}\.parquet is cut short",
            str(refused.value),
        )
    assert capsys.readouterr().out == f"{zoo}: took 1 part, 1 of 3 are done\n"
    with pytest.raises(
        BundleError, match=r"part-00000\.[0-9a-f]+\.refused: refused before\n  bundle part"
    ):
        collect(zoo)
    run_worker(training, training.pieces)
    collect(zoo)  # what is made again is refused no more
    assert open_zoo(zoo).is_complete


def test_collect_ends_with_an_error_if_a_bundle_can_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    zoo = prepared(tmp_path / "zoo", parts=1)
    found = Taken(parts=(), refused=(), unreadable=("bundle part-00000.x can't be read: why",))
    monkeypatch.setattr("hyperzoo.cli.work.collect_bundles", lambda *_, **__: found)
    with pytest.raises(BundleError, match=r"^1 bundle can't be read, and may be sound") as left:
        collect(zoo)
    assert f"then run `hyperzoo collect {zoo}` again:\n  bundle part-00000.x can't" in str(
        left.value
    )


def test_a_zoo_that_can_not_be_written_to_is_noticed_before_training(tmp_path: Path):
    zoo = prepared(tmp_path / "zoo", parts=1)
    (zoo / INCOMING_FOLDER).touch()  # in the way: root may write to a folder that is read-only
    training = open_training(zoo)
    steps: list[int] = []
    with pytest.raises(ZooWriteError, match=r"can't write to .*\.incoming: .*; nothing is made"):
        run_worker(training, training.pieces, told=steps.append)
    assert steps == []


@pytest.mark.parametrize("damage", ["cut short", "flipped", "other images"])
def test_kept_images_that_are_damaged(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
):
    """Workers refuse them by name; to submit again writes them anew."""
    zoo = prepared(tmp_path / "zoo", parts=1)
    kept = zoo / CLUSTER_FOLDER / "images.npz"
    content = bytearray(kept.read_bytes())
    if damage == "cut short":
        kept.write_bytes(content[:-3000])
    elif damage == "flipped":
        content[5000] ^= 1
        kept.write_bytes(content)
    else:
        write_npz(few(images(), 140, 60), kept)
    with pytest.raises(ClusterError, match=rf"{re.escape(str(kept))}.*submit again"):
        open_training(zoo)
    prepare_zoo(tiny(1), zoo, images=images())
    assert f"{kept} is written anew: " in caplog.text
    training = open_training(zoo)
    assert run_worker(training, training.pieces).made == training.pieces


def test_shards_are_disjoint_and_cover_all():
    names = [f"part-{n:05}" for n in range(17)]
    for total in (1, 3, 17, 40):
        shares = [Shard(number, total).of(names) for number in range(total)]
        assert [name for share in shares for name in share] == names
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert parse_shard("3/100") == Shard(3, 100)
    for wrong in ("", "3", "3/3", "-1/3", "1/0", "a/b", "1/2/3"):
        with pytest.raises(ClusterError, match="expected a shard such as 0/100"):
            parse_shard(wrong)


def test_frozen_lists(tmp_path: Path):
    names = ["part-00003", "part-00001"]
    write_pieces(tmp_path / "list", names)
    assert read_pieces(tmp_path / "list") == names
    with pytest.raises(ClusterError, match="expected a list of pieces of work"):
        read_pieces(tmp_path / "none")
    for content in (b"part-00001\n../x\n", b"\xff"):
        (tmp_path / "list").write_bytes(content)
        with pytest.raises(ClusterError, match="expected a"):
            read_pieces(tmp_path / "list")


def test_what_workers_refuse(tmp_path: Path, reference: Path):
    with pytest.raises(ZooNotFoundError, match="no zoo in"):
        open_training(tmp_path)
    with pytest.raises(ZooMismatchError, match="give the same images with --images"):
        open_training(reference, images=few(images(), 140, 60))
    with pytest.raises(ClusterError, match="its parts are part-00000 to part-00005"):
        open_training(reference, images=images()).bytes_needed(["part-00006"])


def test_images_are_kept_once_for_all_workers(tmp_path: Path):
    zoo = prepared(tmp_path / "zoo", parts=1)
    kept = zoo / CLUSTER_FOLDER / "images.npz"
    before = kept.stat().st_mtime_ns
    prepare_zoo(tiny(1), zoo, images=images())
    assert kept.stat().st_mtime_ns == before
    kept.unlink()
    # Without them they are the recipe's: here all digits, which are others.
    with pytest.raises(ZooMismatchError, match="is trained on other images"):
        open_training(zoo)
    assert read_document(zoo).sizes == (1,)
    assert collect_bundles(zoo).parts == ()


def test_collect_waits_for_who_holds_the_lock_for_a_moment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """As a worker of another array does, when the collector's job begins."""
    zoo = prepared(tmp_path / "zoo", parts=1)
    training = open_training(zoo)
    lock = take_lock(zoo)
    run_worker(training, training.pieces)
    threading.Timer(0.5, lock.release).start()
    collect(zoo)
    assert capsys.readouterr().out == f"{zoo}: took 1 part, 1 of 1 are done\n"


def test_a_worker_that_finds_no_room_still_collects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What others left to it, since it held the lock, nobody else may take."""
    zoo = prepared(tmp_path / "zoo", parts=2)
    training = open_training(zoo)
    with take_lock(zoo):
        run_worker(training, training.pieces[:1])
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
        with pytest.raises(ClusterError, match="no room for the next pieces"):
            run_worker(training, training.pieces[1:])
    assert open_zoo(zoo).parts_complete == (0,)
