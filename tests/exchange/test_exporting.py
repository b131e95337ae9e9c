import os
from pathlib import Path

import pytest

from hyperzoo.errors import ExportError
from hyperzoo.exchange import FORMATS
from hyperzoo.exchange.exporting import export_zoo
from hyperzoo.zoo import Zoo, open_zoo
from hyperzoo.zoo.lock import take_lock
from tests.zoo.makers import make_zoo, recipe

WORKSHOP = ".hyperzoo-export.partial"


@pytest.fixture
def zoo(tmp_path: Path) -> Zoo:
    return open_zoo(make_zoo(tmp_path / "zoo", recipe(networks_per_class=1)))


def test_a_folder_stands_for_its_zoo(zoo: Zoo, tmp_path: Path):
    assert export_zoo(zoo.path, "keras-h5", tmp_path / "deep" / "out") == 5


def test_unknown_formats(zoo: Zoo, tmp_path: Path):
    with pytest.raises(ExportError, match=r"no format 'kerash5' to write; did you mean 'keras-h5'"):
        export_zoo(zoo, "kerash5", tmp_path / "out")
    assert not FORMATS["keras"].writes
    with pytest.raises(ExportError, match=r"no format 'h5' to write; did you mean 'keras-h5'"):
        export_zoo(zoo, "h5", tmp_path / "out")
    with pytest.raises(ExportError, match=r"no format 'keras' to write.*known: keras-h5"):
        export_zoo(zoo, "keras", tmp_path / "out")


def test_an_empty_zoo(tmp_path: Path):
    zoo = open_zoo(make_zoo(tmp_path / "zoo", parts=0))
    with pytest.raises(ExportError, match="holds no complete part: there is nothing to export"):
        export_zoo(zoo, "keras-h5", tmp_path / "out")


def test_only_complete_parts(tmp_path: Path):
    zoo = open_zoo(make_zoo(tmp_path / "zoo", parts=1))
    assert export_zoo(zoo, "keras-h5", tmp_path / "out") == 50


def test_inside_the_zoo(zoo: Zoo):
    for folder in (zoo.path, zoo.path / "models", zoo.path / "new"):
        with pytest.raises(ExportError, match="is inside the zoo; give a folder outside of it"):
            export_zoo(zoo, "keras-h5", folder, force=True)


def test_a_file_in_the_way(zoo: Zoo, tmp_path: Path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(ExportError, match="is a file; give a folder"):
        export_zoo(zoo, "keras-h5", tmp_path / "out", force=True)
    with pytest.raises(
        ExportError, match=r"can't write to .*: Not a directory; nothing was written"
    ):
        export_zoo(zoo, "keras-h5", tmp_path / "out" / "deeper")


def test_a_folder_where_a_file_should_go(zoo: Zoo, tmp_path: Path):
    taken = tmp_path / "out" / "binary_oneVall_yak_0_model.h5"
    taken.mkdir(parents=True)
    with pytest.raises(ExportError, match="is a folder where a file should go"):
        export_zoo(zoo, "keras-h5", tmp_path / "out", force=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [taken.name]


def test_what_a_killed_export_left(zoo: Zoo, tmp_path: Path):
    """It is hidden, so that --force is not asked for; and it does not get among the files."""
    left = tmp_path / "out" / WORKSHOP / "files"
    left.mkdir(parents=True)
    (left / "half.h5").write_text("half")
    assert export_zoo(zoo, "keras-h5", tmp_path / "out") == 5
    assert not (tmp_path / "out" / "half.h5").exists()
    assert not (tmp_path / "out" / WORKSHOP).exists()


def test_two_exports_at_once(zoo: Zoo, tmp_path: Path):
    workshop = tmp_path / "out" / WORKSHOP
    workshop.mkdir(parents=True)
    with (
        take_lock(workshop),
        pytest.raises(ExportError, match=r"another export is writing to .*; wait until"),
    ):
        export_zoo(zoo, "keras-h5", tmp_path / "out")


def test_a_disk_that_refuses(zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ExportError, match=r"No space left on device; nothing was written"):
        export_zoo(zoo, "keras-h5", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(zoo: Zoo, tmp_path: Path):
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(ExportError, match="Permission denied; nothing was written"):
        export_zoo(zoo, "keras-h5", tmp_path / "out")


def test_same_names_are_replaced_with_force(zoo: Zoo, tmp_path: Path):
    export_zoo(zoo, "keras-h5", tmp_path / "out")
    file = tmp_path / "out" / "binary_oneVall_yak_0_model.h5"
    content = file.read_bytes()
    file.write_text("damaged")
    with pytest.raises(ExportError, match="--force to write beside them and replace those"):
        export_zoo(zoo, "keras-h5", tmp_path / "out")
    export_zoo(zoo, "keras-h5", tmp_path / "out", force=True)
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "hint"), [("keras", "keras-h5"), ("Keras", "keras-h5"), ("pytroch", "pytorch")]
)
def test_names_that_are_meant(tmp_path: Path, name: str, hint: str):
    """`keras` is read and not written: whoever asks for it wants what Keras loads."""
    zoo = open_zoo(make_zoo(tmp_path / "zoo", parts=1))
    with pytest.raises(ExportError, match=rf"no format '{name}' to write; did you mean '{hint}'"):
        export_zoo(zoo, name, tmp_path / "out")
