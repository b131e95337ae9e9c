"""The section on generated networks beside trained ones."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from hyperzoo.cli.command import app
from hyperzoo.errors import AnalysisError
from hyperzoo.generation import fit, generate_zoo
from hyperzoo.generation.judging import Beside, put_beside
from hyperzoo.images.npz import write_npz
from hyperzoo.report.figures.beside import section
from hyperzoo.report.figures.kernels import strip
from hyperzoo.report.sections import sections
from hyperzoo.zoo import open_zoo
from tests.generation.makers import images
from tests.prediction.makers import planted_zoo
from tests.report.makers import page_zoo

IMAGES = images(count=100)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained zoo, its images, and a zoo of averages of its networks."""
    folder = tmp_path_factory.mktemp("beside")
    source = planted_zoo(folder / "source", image_fingerprint=IMAGES.fingerprint)
    write_npz(IMAGES, folder / "noise.npz")
    generate_zoo(fit(source, "copy"), folder / "made", networks_per_class=3, images=IMAGES)
    return folder


@pytest.fixture(scope="module")
def beside(place: Path) -> Beside:
    made, source = open_zoo(place / "made"), open_zoo(place / "source")
    return put_beside(made, source, images=IMAGES)


def test_it_has_its_figures(beside: Beside):
    shown = section(beside, png=True)
    names = [figure.name.removeprefix("beside-") for figure in shown.figures]
    assert names == ["verdicts", "quality", "pairs", "nearest", "weights", "kernels"]
    assert shown.missing is None
    assert "15 networks that were never trained, beside those of the zoo 'made-up'" in shown.text
    assert "10 networks of it that were held out, and 10 fresh ones" in shown.text
    assert "Faults: copies training networks (100% of networks are training" in shown.text
    for figure in shown.figures[1:]:
        assert figure.svg is not None
        assert figure.png is not None
        ElementTree.fromstring(figure.svg)
        assert len(figure.svg) < 100_000


def test_its_tables_hold_what_is_drawn(beside: Beside):
    figures = {f.name.removeprefix("beside-"): f.table.to_pylist() for f in section(beside).figures}
    verdicts = {row["measure"]: row for row in figures["verdicts"]}
    assert verdicts["share nearer than 1 % of held-out"]["verdict"] == "miss"
    assert verdicts["calibration error"]["verdict"] is None
    # Copies lie in the first bin, at no distance; each histogram holds all networks.
    for quantity in ("aligned weights", "linear response", "logits"):
        rows = [r for r in figures["nearest"] if r["quantity"] == quantity]
        made = [r["share"] for r in rows if r["networks"] == "generated"]
        held_out = [r["share"] for r in rows if r["networks"] == "held-out"]
        assert (made[0], sum(held_out)) == (1.0, pytest.approx(1))
        assert held_out[0] == 0
    quality = {(r["measure"], r["class"], r["networks"]): r for r in figures["quality"]}
    row = quality["accuracy", "owl", "generated"]
    said = beside.made.logits[beside.made.rows[2], :, 0] > 0
    right = (said == beside.reference.questions.targets(2)).mean(axis=1)
    assert (row["least"], row["greatest"]) == (right.min(), right.max())
    for layer in ("conv1", "fc1"):
        rows = [r for r in figures["weights"] if (r["layer"], r["networks"]) == (layer, "held-out")]
        share = sum((r["to"] - r["from"]) * r["density"] for r in rows)
        assert share == pytest.approx(1, abs=1e-6)


def test_kernels_become_shades():
    kernels = np.array([[[[1.0, -1.0]]], [[[0.5, 0.0]]], [[[0.0, 0.0]]]])
    picture = strip(kernels)
    assert picture.shape == (1, 8, 3)
    assert picture[0, :, 0].tolist() == [1, 0, 1, 1, 0.5, 1, 0.5, 0.5]
    coloured = strip(np.array([[[[1.0]], [[0.0]], [[-1.0]]]]))
    assert coloured[0, 0].tolist() == [1, 0.5, 0]


def test_it_is_the_first_of_a_report(beside: Beside):
    titles = [own.title for own in sections(beside.zoo, beside=beside)]
    assert titles[:2] == ["Generated beside trained", "Performance"]


def test_a_comparison_of_another_zoo_is_refused(beside: Beside, tmp_path: Path):
    with pytest.raises(AnalysisError, match=r"this comparison is of .*made, not of .*other"):
        next(sections(page_zoo(tmp_path / "other"), beside=beside))


def test_the_command(place: Path, tmp_path: Path):
    words = ["report", place / "made", "--beside", place / "source", "--out", tmp_path / "p.html"]
    done = CliRunner().invoke(app, list(map(str, [*words, "--images", place / "noise.npz"])))
    assert done.exit_code == 0, done.output
    page = (tmp_path / "p.html").read_text("utf-8")
    assert "Generated beside trained</h2>" in page
    assert 'href="#generated-beside-trained"' in page
    done = CliRunner().invoke(app, ["report", str(place / "made"), "--images", "digits"])
    assert done.exit_code == 2
    assert "--images are for --beside ZOO" in done.output
