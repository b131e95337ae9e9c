"""Texts of others, such as names of files, are shown as they are."""

from pathlib import Path

import pytest
from rich.console import Console

from hyperzoo.cli import command
from hyperzoo.cli.console import err, out


@pytest.mark.parametrize("console", [out, err])
def test_colons_make_no_pictures(capsys: pytest.CaptureFixture[str], console: Console):
    console.print("root:x:0:0, :warning:")
    assert "root:x:0:0, :warning:\n" in "".join(capsys.readouterr())


def test_an_error_quotes_a_file_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "root:x:0"
    monkeypatch.setattr("sys.argv", ["hyperzoo", "collect", str(folder)])
    monkeypatch.setattr(command, "end_at_once", lambda: None)
    monkeypatch.setattr(command, "raise_interrupts", lambda: None)
    with pytest.raises(SystemExit, match="1"):
        command.run()
    assert f"error: no zoo in {folder}" in capsys.readouterr().err
