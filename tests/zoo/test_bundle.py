"""Bundles: what a worker delivers and a collector takes, refuses, or goes on with after a kill."""

import itertools
import json
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperzoo.errors import BundleError, ZooLockedError, ZooWriteError
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.exchange.importing import import_zoo
from hyperzoo.recipe import Recipe
from hyperzoo.zoo import layout, open_zoo, verify_zoo, write
from hyperzoo.zoo.bundle import (
    INCOMING_FOLDER,
    RECORD_FILE,
    Bundle,
    check_deliverable,
    deliver,
    lying_bundles,
    refused_bundles,
    set_aside,
    sweep,
)
from hyperzoo.zoo.document import read_document
from hyperzoo.zoo.files import place_files
from hyperzoo.zoo.part_bundle import part_bundle, piece_name, piece_part
from hyperzoo.zoo.write import collect_bundles, collector
from tests.helpers import part_files
from tests.zoo.makers import PROVENANCE, finished, make_zoo, recipe, writer
from tests.zoo.test_write import everything

WEIGHTS = "weights/part-00000.safetensors"


def started(folder: Path, chosen: Recipe | None = None) -> Path:
    writer(folder, chosen, provenance=None).close()
    return folder


def bundle(zoo: Path, part: int, provenance: dict[str, str] | None = None) -> Bundle:
    document = read_document(zoo)
    planned = document.plan()[part]
    assert document.recipe is not None
    networks = finished(planned, document.recipe)
    return part_bundle(part, networks, planned, document, provenance or PROVENANCE)


def grown(folder: Path) -> Path:
    """A zoo of two small parts, both missing: it has grown from one network a class to two."""
    for size in (1, 2):
        started(folder, recipe(networks_per_class=size))
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, complete."""
    folder = grown(tmp_path_factory.mktemp("small") / "zoo")
    return make_zoo(folder, recipe(networks_per_class=2))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo of two parts, written by one writer in one go."""
    return make_zoo(tmp_path_factory.mktemp("whole") / "zoo")


def test_parts_that_others_made_are_the_same_to_the_byte(tmp_path: Path, whole: Path):
    zoo = started(tmp_path / "zoo")
    for part in (1, 0):
        deliver(bundle(zoo, part), zoo)
    assert verify_zoo(zoo).notes == ()
    assert len(open_zoo(zoo)) == 0
    assert collect_bundles(zoo).parts == (0, 1)
    assert everything(zoo) == everything(whole)
    # Also what each part was trained by, and nothing hidden is left.
    assert not (zoo / INCOMING_FOLDER).exists()


def test_copies_where_there_are_no_hard_links(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
):
    def link(*_arguments: Any, **_others: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    zoo = started(tmp_path / "zoo")
    for part in (0, 1):
        deliver(bundle(zoo, part), zoo)
    collect_bundles(zoo)
    assert everything(zoo) == everything(whole)


def test_duplicates_are_removed(tmp_path: Path, whole: Path):
    zoo = started(tmp_path / "zoo")
    for part in (0, 0, 1):
        deliver(bundle(zoo, part), zoo)
    assert collect_bundles(zoo).parts == (0, 1)
    deliver(bundle(zoo, 1), zoo)
    assert collect_bundles(zoo).parts == ()
    assert everything(zoo) == everything(whole)


def test_a_duplicate_of_a_bundle_that_is_refused_is_taken(tmp_path: Path):
    zoo = started(tmp_path / "zoo")
    paths = sorted(deliver(bundle(zoo, 0), zoo) for _ in range(2))
    flip(paths[0] / "models" / "part-00000.parquet")
    taken = collect_bundles(zoo)
    assert (taken.parts, len(taken.refused)) == ((0,), 1)


def test_runs_tell_what_trained_a_bundle(tmp_path: Path):
    zoo = started(tmp_path / "zoo", recipe(networks_per_class=40))
    devices = {0: "cpu", 1: "cuda", 2: "cpu", 3: "cuda"}
    for part, device in devices.items():
        deliver(bundle(zoo, part, {"engine": "torch", "device": device}), zoo)
        collect_bundles(zoo)
    runs = json.loads((zoo / "zoo.json").read_text())["runs"]
    assert [(run["parts"], run["provenance"]["device"]) for run in runs] == [
        ([0, 2], "cpu"),
        ([1, 3], "cuda"),
    ]
    assert open_zoo(zoo).provenance_of("cat_10")["device"] == "cuda"


def test_a_writer_takes_bundles_along_with_its_own_parts(tmp_path: Path, whole: Path):
    zoo = tmp_path / "zoo"
    with writer(zoo) as open_writer:
        deliver(bundle(zoo, 0), zoo)
        with pytest.raises(ZooLockedError, match="another run is writing"):
            collect_bundles(zoo)
        assert open_writer.take_bundles().parts == (0,)
        assert list(open_writer.missing_parts) == [1]
        with pytest.raises(ZooWriteError, match="it is complete"):
            open_writer.write_part(0, finished(open_writer.parts[0], recipe()))
        open_writer.write_part(1, finished(open_writer.parts[1], recipe()))
    assert everything(zoo) == everything(whole)


def test_who_delivers_while_another_leaves_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A bundle that comes between a collector's last look and its leaving."""
    zoo = started(tmp_path / "zoo")
    deliver(bundle(zoo, 0), zoo)
    late = [bundle(zoo, 1)]
    from hyperzoo.zoo.write import ZooWriter

    close = ZooWriter.close

    def closing(self: ZooWriter) -> None:
        if late:
            deliver(late.pop(), zoo)
        close(self)

    monkeypatch.setattr(ZooWriter, "close", closing)
    assert collect_bundles(zoo, once=True).parts == (0,)
    late.append(bundle(zoo, 1))
    assert collect_bundles(zoo).parts == (1,)
    assert not (zoo / INCOMING_FOLDER).exists()


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a hundred kills sync a thousand files."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


CHANGES = ("link", "replace", "rename", "unlink", "rmdir", "mkdir", "fsync")
"""The system's calls that change the disk, or make a change last."""


def is_killed_at(call: int, work: Callable[[], object]) -> bool:
    """Do something in a process of its own, killed (-9) before its n-th call that changes the disk.

    Returns:
        Whether it was killed, and had not ended before.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # some fear forks beside threads
        process = os.fork()
    if not process:
        code = 1
        try:
            _kill_me_at(call)
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def _kill_me_at(call: int) -> None:
    calls = itertools.count(1)

    def watched(change: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **others: Any) -> Any:
            if next(calls) == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return change(*arguments, **others)

        return watched

    for name in CHANGES:
        setattr(os, name, watched(getattr(os, name)))


@pytest.mark.slow
def test_a_collector_killed_at_every_step(quick: Path, small: Path):
    """Killed before the n-th call of the system, for every n: nothing is lost, nothing is mixed."""
    start = grown(quick / "start")
    for part in (0, 1, 1):
        deliver(bundle(start, part), start)
    for at in range(1, 200):
        zoo = quick / f"zoo-{at}"
        shutil.copytree(start, zoo)
        if not is_killed_at(at, lambda: collect_bundles(zoo)):  # noqa: B023
            break
        assert verify_zoo(zoo).problems == ()
        visible = {name: c for name, c in part_files(zoo).items() if "/." not in name}
        assert visible.items() <= part_files(small).items()
        if at % 2:
            collect_bundles(zoo)
        make_zoo(zoo, recipe(networks_per_class=2))
        collect_bundles(zoo)
        assert everything(zoo) == everything(small)
        shutil.rmtree(zoo)
    assert 60 < at < 199


def test_a_worker_killed_at_every_step(quick: Path, small: Path):
    start = grown(quick / "start")
    part = bundle(start, 0)
    for at in range(1, 100):
        zoo = quick / f"zoo-{at}"
        shutil.copytree(start, zoo)
        if not is_killed_at(at, lambda: deliver(part, zoo)):  # noqa: B023
            break
        assert collect_bundles(zoo).refused == ()
        make_zoo(zoo, recipe(networks_per_class=2))
        collect_bundles(zoo)
        assert everything(zoo) == everything(small)
    assert 20 < at < 99


def test_a_full_disk_leaves_no_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    zoo = started(tmp_path / "zoo")
    part = bundle(zoo, 0)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ZooWriteError, match="No space left on device"):
            deliver(part, zoo)
    assert list((zoo / INCOMING_FOLDER).iterdir()) == []


def test_incoming_as_a_link_is_refused(tmp_path: Path):
    """Nothing outside of the zoo is taken, removed or written."""
    zoo, elsewhere = started(tmp_path / "zoo"), tmp_path / "elsewhere"
    delivered = deliver(bundle(zoo, 0), zoo)
    second = deliver(bundle(zoo, 0), zoo)
    (second.parent / ".part-00000.x.partial").mkdir()
    (zoo / INCOMING_FOLDER).rename(elsewhere)
    before = everything(elsewhere)
    (zoo / INCOMING_FOLDER).symlink_to(elsewhere)
    for call in (
        lambda: collect_bundles(zoo),
        lambda: lying_bundles(zoo),
        lambda: refused_bundles(zoo),
        lambda: check_deliverable(zoo),
        lambda: deliver(bundle(zoo, 0), zoo),
        lambda: sweep(zoo),
    ):
        with pytest.raises(BundleError, match=rf"{zoo}/.incoming is a link: expected a folder"):
            call()
    assert everything(elsewhere) == before
    assert delivered.name in {path.name for path in elsewhere.iterdir()}
    (zoo / INCOMING_FOLDER).unlink()
    assert collect_bundles(zoo).parts == ()


def denied(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """Refuse to open a file or list a folder, as to anybody but root."""
    error = PermissionError(13, "Permission denied", str(place))
    real = {(module, name): getattr(module, name) for module, name in OPENERS}

    def guarded(key: tuple[Any, str]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            if isinstance(path, (str, Path)) and Path(path).is_relative_to(place):
                raise error
            return real[key](path, *arguments, **options)

        return call

    for key in real:
        monkeypatch.setattr(*key, guarded(key))


OPENERS = [(os, "open"), (os, "listdir"), (os, "scandir"), (Path, "open"), (Path, "iterdir")]


@pytest.mark.parametrize(
    "place", ["", RECORD_FILE, "weights", WEIGHTS, "models/part-00000.parquet"]
)
def test_a_bundle_that_can_not_be_read_is_left(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, place: str
):
    zoo = started(tmp_path / "zoo")
    delivered = deliver(bundle(zoo, 0), zoo)
    with monkeypatch.context() as patch:
        denied(patch, delivered / place)
        taken = collect_bundles(zoo)
    message = f"bundle {delivered.name} can't be read: Permission denied"
    assert (taken.parts, taken.refused, taken.unreadable) == ((), (), (message,))
    assert [lying.path for lying in lying_bundles(zoo)] == [delivered]
    assert collect_bundles(zoo).parts == (0,)
    assert part_files(zoo).keys() <= part_files(whole).keys()


def test_an_incoming_that_can_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    zoo = started(tmp_path / "zoo")
    deliver(bundle(zoo, 0), zoo)
    with monkeypatch.context() as patch:
        denied(patch, zoo / INCOMING_FOLDER)
        with pytest.raises(BundleError, match=r"\.incoming can't be read: Permission denied; mend"):
            collect_bundles(zoo)
    assert collect_bundles(zoo).parts == (0,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can read a file of mode 000")
def test_a_file_of_a_mode_that_nobody_may_read(tmp_path: Path):
    zoo = started(tmp_path / "zoo")
    (deliver(bundle(zoo, 0), zoo) / WEIGHTS).chmod(0)
    assert collect_bundles(zoo).parts == (0,)
    assert (zoo / WEIGHTS).stat().st_mode & 0o400
    assert verify_zoo(zoo).problems == ()


@pytest.mark.parametrize("moment", ["before it is checked", "before it is placed"])
def test_locks_that_do_not_hold_beyond_one_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
):
    """Another process takes the bundles that this one is about to take."""
    zoo, other = grown(tmp_path / "zoo"), tmp_path / "other"
    for part in (0, 1):
        deliver(bundle(zoo, part), zoo)
    shutil.copytree(zoo, other)
    assert collect_bundles(other).parts == (0, 1)
    monkeypatch.setattr("hyperzoo.zoo.lock.fcntl.flock", lambda *_: None)
    name = "check_part_bundle" if "checked" in moment else "place_files"
    real = getattr(write, name)
    seen = 0

    def meanwhile(*arguments: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == 1:
            # It has put part 0 in place, and looks at the second one.
            for file in layout.part_files(0, (1,)):
                (zoo / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(other / file, zoo / file)
            shutil.rmtree(lying_bundles(zoo)[0].path)
        return real(*arguments)

    monkeypatch.setattr(write, name, meanwhile)
    monkeypatch.setattr(write, "_THREADS", 1)
    taken = collect_bundles(zoo)
    assert taken.refused == ()
    assert 1 in taken.parts
    assert part_files(zoo) == part_files(other)
    assert not (zoo / INCOMING_FOLDER).exists()


def test_a_bundle_that_another_process_sets_aside(tmp_path: Path):
    zoo = started(tmp_path / "zoo")
    set_aside(zoo / INCOMING_FOLDER / f"part-00000.{0:032x}")


def test_a_disk_that_refuses_is_not_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    zoo = started(tmp_path / "zoo")
    deliver(bundle(zoo, 0), zoo)

    def refuse(*_: Any) -> None:
        raise ZooWriteError("can't write")

    monkeypatch.setattr(write, "place_files", refuse)
    with pytest.raises(ZooWriteError, match="can't write"):
        collect_bundles(zoo)


def test_a_file_placed_twice(tmp_path: Path):
    (tmp_path / "a").write_text("content")
    for _ in range(2):
        place_files([(tmp_path / "a", tmp_path / "b" / "c")])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "c"]
    with pytest.raises(ZooWriteError, match=r"can't read .*No such file"):
        place_files([(tmp_path / "none", tmp_path / "d")])


def flip(path: Path, place: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def rewrite(path: Path, **changes: Any) -> None:
    """Change a record as somebody would who knows how it is sealed."""
    from hyperzoo.zoo.bundle import _seal

    record = json.loads(path.read_text())
    del record["seal"]
    record |= changes
    path.write_text(json.dumps(record | {"seal": _seal(record)}))


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda b: flip(b / WEIGHTS), f"{WEIGHTS}: the SHA-256 is "),
    (lambda b: flip(b / "models/part-00000.parquet", 100), "models/part-00000.parquet is cut"),
    (lambda b: flip(b / RECORD_FILE, 60), f"{RECORD_FILE} is missing, cut short or has been"),
    (lambda b: os.truncate(b / WEIGHTS, 5000), f"{WEIGHTS}: the SHA-256 is "),
    (lambda b: os.truncate(b / RECORD_FILE, 50), f"{RECORD_FILE} is missing, cut short"),
    (lambda b: (b / WEIGHTS).unlink(), f"'{WEIGHTS}' is missing among its files"),
    (lambda b: (b / RECORD_FILE).unlink(), f"{RECORD_FILE} is missing, cut short or"),
    (lambda b: (b / "weights" / "more").touch(), "'weights/more' does not belong among its files"),
    (lambda b: (b / "zoo.json").touch(), "'zoo.json' does not belong among its files"),
    (lambda b: (b / "link").symlink_to("/etc/passwd"), "'link' is no regular file"),
    (lambda b: os.mkfifo(b / "pipe"), "'pipe' is no regular file"),
    (
        lambda b: ((b / WEIGHTS).rename(b.parent / "w"), (b / WEIGHTS).symlink_to(b.parent / "w")),
        f"'{WEIGHTS}' is no regular file",
    ),
    (
        lambda b: rewrite(b / RECORD_FILE, sha256={"../../zoo.json": "0"}),
        "'../../zoo.json' does not belong in its record",
    ),
    (lambda b: rewrite(b / RECORD_FILE, sha256=[]), f"{RECORD_FILE} is missing, cut short"),
    (lambda b: rewrite(b / RECORD_FILE, facts=None), f"{RECORD_FILE} is missing, cut short"),
    (lambda b: rewrite(b / RECORD_FILE, format_version=2), "got another format or version"),
    (
        lambda b: rewrite(b / RECORD_FILE, piece="part-00001"),
        "another piece: expected 'part-00000', got 'part-00001'",
    ),
    (
        lambda b: b.rename(b.with_name("part-00001" + b.name[10:])),
        "another piece: expected 'part-00001', got 'part-00000'",
    ),
    (
        lambda b: b.rename(b.with_name("part-00007" + b.name[10:])),
        "plan has no part 'part-00007'",
    ),
    (lambda b: b.rename(b.with_name("trial-1" + b.name[10:])), "plan has no part 'trial-1'"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_bundles_that_are_refused(
    tmp_path: Path,
    whole: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], object],
    message: str,
):
    zoo = started(tmp_path / "zoo")
    damage(deliver(bundle(zoo, 0), zoo))
    taken = collect_bundles(zoo)
    assert taken.parts == ()
    assert message in taken.refused[0]
    assert message in caplog.text
    assert part_files(zoo) == {}
    assert (len(lying_bundles(zoo)), len(refused_bundles(zoo))) == (0, 1)
    # It is named once, and hinders nobody.
    assert collect_bundles(zoo).refused == ()
    deliver(bundle(zoo, 0), zoo)
    assert collect_bundles(zoo).parts == (0,)
    make_zoo(zoo)
    assert part_files(zoo) == part_files(whole)


@pytest.mark.parametrize(
    ("chosen", "changes", "message"),
    [
        ({"seed": 4}, {}, "is of another recipe: expected recipe_digest '"),
        ({"training": {"epochs": 2}}, {}, "is of another recipe"),
        ({}, {"image_fingerprint": "ff" * 32}, "is trained on other images: expected image_"),
    ],
)
def test_bundles_of_another_zoo(
    tmp_path: Path, chosen: dict[str, Any], changes: dict[str, Any], message: str
):
    zoo = started(tmp_path / "zoo")
    other = tmp_path / "other"
    writer(other, recipe(**chosen), provenance=None, **changes).close()
    deliver(bundle(other, 0), zoo)
    assert message in collect_bundles(zoo).refused[0]


def test_networks_that_are_not_the_parts(tmp_path: Path):
    """A zoo that has grown in other steps has other networks in its parts."""
    zoo, other = tmp_path / "zoo", tmp_path / "other"
    started(zoo, recipe(networks_per_class=13))
    started(other, recipe(networks_per_class=2))
    started(other, recipe(networks_per_class=13))
    deliver(bundle(other, 1), zoo)
    assert "expected" in collect_bundles(zoo).refused[0]


def test_values_that_are_not_finite(tmp_path: Path):
    zoo = started(tmp_path / "zoo")
    document = read_document(zoo)
    planned = document.plan()[0]
    networks = finished(planned, recipe())
    wild = {name: np.full_like(tensor, np.inf) for name, tensor in networks[3].parameters.items()}
    networks[3] = replace(networks[3], parameters=wild)
    deliver(part_bundle(0, networks, planned, document, PROVENANCE), zoo)
    assert "of rat_0 is not finite" in collect_bundles(zoo).refused[0]


def test_provenance_that_is_no_text(tmp_path: Path):
    zoo = started(tmp_path / "zoo")
    wrong: Any = {"engine": ["torch"]}
    deliver(bundle(zoo, 0, wrong), zoo)
    assert "expected texts as its provenance" in collect_bundles(zoo).refused[0]


def test_an_imported_zoo_takes_no_bundles(tmp_path: Path, whole: Path):
    export_zoo(whole, "pytorch", tmp_path / "files")
    import_zoo(tmp_path / "files", tmp_path / "zoo")
    with pytest.raises(ZooWriteError, match="such a zoo takes no parts"):
        collector(tmp_path / "zoo")


def test_names_of_pieces():
    assert piece_part(piece_name(3)) == 3
    assert piece_part(piece_name(123456)) == 123456
    for other in ("part-3", "part-000003", "trial-00003", "part-00003x"):
        assert piece_part(other) is None
