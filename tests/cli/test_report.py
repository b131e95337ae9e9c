"""`hyperzoo report` in real processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.report.makers import page_zoo
from tests.zoo.makers import recipe, writer

COMMAND = [sys.executable, "-c", "from hyperzoo.cli import main; main()", "report"]


def report(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False
    )


@pytest.mark.slow
def test_a_report_with_all_studies(tmp_path: Path):
    page_zoo(tmp_path / "zoo", recipe(networks_per_class=2))  # one failed, one says always no
    done = report("zoo", "--out", "deep/page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("deep/page.html: 10 networks, ")
    page = (tmp_path / "deep" / "page.html").read_text("utf-8")
    for title in ("Performance", "Training", "Divergence between classes", "Structure"):
        assert f"{title}</h2>" in page
    assert page.count('src="data:image/svg+xml,') > 5
    assert "1 network is left out" in page


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("zoo", "error: can't write zoo: it is a folder; give a file, say report.html"),
        ("file/page.html", "error: can't write file/page.html: "),
    ],
)
def test_where_it_can_not_be_written(tmp_path: Path, target: str, message: str):
    page_zoo(tmp_path / "zoo", recipe(networks_per_class=1))
    (tmp_path / "file").write_text("in the way")
    done = report("zoo", "--out", target, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith(message)


def test_an_empty_zoo(tmp_path: Path):
    with writer(tmp_path / "zoo", recipe()):
        pass
    done = report("zoo", "--out", "page.html", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: zoo has no networks yet")
    assert not (tmp_path / "page.html").exists()
