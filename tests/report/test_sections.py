"""All sections of a zoo, and what they say of zoos that lack something."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from hyperzoo.analysis.distributions import ALL_CLASSES
from hyperzoo.analysis.weights import read_weights
from hyperzoo.errors import AnalysisError, MissingExtraError, ReportWriteError
from hyperzoo.report.figure import Figure, Section
from hyperzoo.report.figures import distributions, divergence
from hyperzoo.report.save import save_sections, to_csv
from hyperzoo.report.sections import sections
from hyperzoo.report.style import (
    class_style,
    clean_svg,
    draw,
    label_classes,
    legend_name,
    logarithmic,
)
from hyperzoo.zoo import open_zoo
from tests.analysis.makers import random_weights, zoo_of
from tests.zoo.makers import recipe, writer

TITLES = [
    "Performance",
    "Training",
    "Weight distributions",
    "Common weights",
    "Divergence between classes",
    "Structure",
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Section]:
    """The sections of a zoo with two failed networks."""
    folder = tmp_path_factory.mktemp("zoos") / "zoo"
    zoo = zoo_of(folder, random_weights, failed=("cat_0", "owl_1"), networks_per_class=5)
    return list(sections(zoo, png=True))


def figures(found: Sequence[Section]) -> list[Figure]:
    return [figure for section in found for figure in section.figures]


def test_the_sections_in_order(found: list[Section]):
    assert [section.title for section in found] == TITLES
    assert all(section.figures for section in found)
    assert [section.title for section in found if section.missing] == ["Weight distributions"]
    assert "2 networks are left out" in (found[2].missing or "")
    assert "2 failed (cat_0, owl_1)" in found[0].text


def test_every_figure_is_whole(found: list[Section]):
    names = [figure.name for figure in figures(found)]
    assert len(set(names)) == len(names)
    for figure in figures(found):
        assert re.fullmatch(r"[a-z0-9-]+", figure.name)
        assert figure.title
        assert figure.caption
        assert figure.alt
        assert len(figure.table)
        if figure.svg is not None:
            assert figure.png is not None
            assert figure.png.startswith(b"\x89PNG")


def test_svgs_stand_alone_and_beside_each_other(found: list[Section]):
    ids: list[str] = []
    for figure in figures(found):
        if figure.svg is None:
            continue
        assert figure.svg.startswith("<svg")
        assert len(figure.svg) < 100_000
        ElementTree.fromstring(figure.svg)
        own = re.findall(r' id="([^"]+)"', figure.svg)
        used = set(re.findall(r'(?:href="|url\()#([^")]+)', figure.svg))
        assert used == set(own)
        ids += own
        # Nothing is fetched: the only addresses are names of XML namespaces.
        assert "http" not in re.sub(r'xmlns(:xlink)?="[^"]+"', "", figure.svg)
        assert "<script" not in figure.svg
    assert len(set(ids)) == len(ids)


def test_the_same_zoo_gives_the_same_bytes(found: list[Section], tmp_path: Path):
    zoo = zoo_of(tmp_path / "z", random_weights, failed=("cat_0", "owl_1"), networks_per_class=5)
    again = sections(zoo)
    next(again)
    training = next(again)
    assert [f.svg for f in training.figures] == [f.svg for f in found[1].figures]


def test_a_multi_class_zoo_has_one_class(tmp_path: Path):
    zoo = zoo_of(tmp_path / "zoo", random_weights, task={"kind": "multi-class"})
    found = {section.title: section for section in sections(zoo)}
    missing = found["Divergence between classes"].missing
    assert missing is not None
    assert missing.startswith("Divergence compares classes")
    assert found["Structure"].missing == "Distances between classes need networks of two classes."
    names = [figure.name for figure in found["Structure"].figures]
    assert names == ["structure-components", "structure-components-aligned"]
    metrics = set(found["Performance"].figures[1].table["metric"].to_pylist())
    assert metrics == {"accuracy", "precision", "recall", "f1"}


def test_one_network_a_class(tmp_path: Path):
    zoo = zoo_of(tmp_path / "zoo", random_weights, networks_per_class=1)
    found = {section.title: section for section in sections(zoo)}
    assert "too few networks" in (found["Divergence between classes"].missing or "")
    assert found["Divergence between classes"].figures


def test_where_all_networks_failed(tmp_path: Path):
    everyone = tuple(f"{name}_0" for name in ("cat", "dog", "owl", "rat", "yak"))
    zoo = zoo_of(tmp_path / "zoo", failed=everyone, networks_per_class=1)
    found = list(sections(zoo))
    assert [section.title for section in found] == TITLES
    assert found[0].missing == "There are no metrics: all 5 networks failed."
    assert all("there is nothing to analyse" in (s.missing or "") for s in found[2:])


def test_equal_weights_everywhere(tmp_path: Path):
    def zeros(network, weights):
        return {name: np.zeros_like(w) for name, w in weights.items()}

    zoo = zoo_of(tmp_path / "zoo", zeros, networks_per_class=4)
    found = {section.title: section for section in sections(zoo)}
    assert list(found) == TITLES
    assert "All networks are equal: there is no variance." in found["Structure"].text


def test_classes_called_like_columns(tmp_path: Path):
    names = ("_hidden", "high", "layer", "low")
    zoo = zoo_of(tmp_path / "zoo", random_weights, image_classes=names, networks_per_class=1)
    weights = read_weights(zoo)
    tables = {figure.name: figure.table for figure in distributions.section(weights).figures}
    edges = ["bin low", "bin high"]
    assert tables["weights-classes"].column_names == [*edges, *names, ALL_CLASSES]
    columns = ["layer name", *edges, *names, ALL_CLASSES]
    assert tables["weights-layers-classes"].column_names == columns
    low, high = (tables["weights-classes"][name].to_numpy() for name in edges)
    assert (low < high).all()
    assert [str(edge) for edge in low[:2]] == [f"{edge:.4g}" for edge in low[:2]]


def test_a_legend_names_classes_that_begin_with_an_underscore():
    labels: list[str] = []

    def paint(drawing):
        axes = drawing.subplots()
        for name in ("_hidden", "seen"):
            axes.plot([0, 1], label=legend_name(name))
        label_classes(drawing, axes)
        labels.extend(text.get_text() for text in drawing.legends[0].get_texts())

    draw("legend", 1.0, paint, png=False)
    assert [label.strip("\u200b") for label in labels] == ["_hidden", "seen"]


def test_a_legend_of_many_classes_leaves_room_for_the_panels():
    labels: list[str] = []
    width = 0.0

    def paint(drawing):
        nonlocal width
        axes = drawing.subplots()
        for place in range(100):
            axes.plot([0, 1], label=f"class_{place}")
        label_classes(drawing, axes)
        drawing.draw_without_rendering()
        labels.extend(text.get_text() for text in drawing.legends[0].get_texts())
        width = axes.get_position().width

    draw("many", 2.0, paint, png=False)
    assert labels == [*(f"class_{place}" for place in range(11)), "and 89 more"]
    assert width > 0.6


def test_letters_that_the_font_lacks_are_no_warning():
    def paint(drawing):
        drawing.subplots().set_title("日本")

    assert draw("letters", 1.0, paint, png=True).png


def test_a_logarithmic_axis_of_less_than_a_decade_has_labels():
    def paint(drawing):
        axes = drawing.subplots()
        axes.plot([2.1, 6.0])
        logarithmic(axes)
        drawing.draw_without_rendering()
        low, high = axes.get_ylim()
        shown = [
            label.get_text()
            for place, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
            if low <= place <= high
        ]
        assert shown == ["5"] or len(shown) >= 2

    draw("axis", 1.0, paint, png=False)


def test_weights_that_the_grid_does_not_hold_are_told(tmp_path: Path):
    def change(network, weights):
        weights = random_weights(network, weights)
        weights["conv1.bias"][:] = -1000.0 if network.id == "cat_0" else 0.0
        weights["fc1.weight"] *= 1e-6
        weights["fc1.bias"] *= 1e-6
        if network.id == "owl_0":
            weights["conv2.bias"][0] = -3e25
        return weights

    zoo = zoo_of(tmp_path / "zoo", change, networks_per_class=2)
    missing = distributions.section(read_weights(zoo)).missing or ""
    assert missing.startswith("1 network is left out, failed or with weights that are not finite")
    assert "beyond 1e+15: owl_0." in missing
    assert "16 weights lie beyond 13.1 or -13.1 and are counted there" in missing
    assert "The weights of fc1 lie within the rounding of 1e-04" in missing


def test_a_layer_that_is_only_noise_is_not_called_different(tmp_path: Path):
    zoo = zoo_of(tmp_path / "zoo", random_weights, networks_per_class=5)
    text = divergence.section(read_weights(zoo)).text
    assert "But in fc1 no pair lies above the noise" in text


def test_an_empty_zoo(tmp_path: Path):
    with writer(tmp_path / "zoo", recipe()):
        pass
    with pytest.raises(AnalysisError, match="has no networks yet"):
        next(sections(open_zoo(tmp_path / "zoo")))


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r'pip install "hyperzoo\[report\]"'):
        next(sections(zoo_of(tmp_path / "zoo")))


def test_saved_files_and_their_index(found: list[Section], tmp_path: Path):
    files = save_sections(found, tmp_path / "deep" / "out", "A zoo")
    names = {file.name for file in files}
    assert {file.name for file in (tmp_path / "deep" / "out").iterdir()} == names
    assert {"performance-table.csv", "divergence-conv1.svg", "divergence-conv1.png"} <= names
    index = (tmp_path / "deep" / "out" / "README.md").read_text()
    assert all(f"({name})" in index for name in names - {"README.md"})
    for file in files:
        if file.suffix == ".svg":
            ElementTree.parse(file)


def test_a_folder_that_can_not_be_written(found: list[Section], tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ReportWriteError, match=r"can't write to .*file"):
        save_sections(found[:1], tmp_path / "file", "A zoo")


def test_a_readme_of_another_kind_is_not_replaced(found: list[Section], tmp_path: Path):
    readme = tmp_path / "README.md"
    readme.write_text("# My project\n")
    with pytest.raises(ReportWriteError, match=r"its README.md is not of an analysis"):
        save_sections(found[:1], tmp_path, "A zoo")
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]
    assert readme.read_text() == "# My project\n"
    save_sections(found[:1], tmp_path / "own", "A zoo")
    save_sections(found[1:2], tmp_path / "own", "A zoo")
    assert "## Training" in (tmp_path / "own" / "README.md").read_text()


def test_csv_keeps_numbers_in_full():
    import pyarrow as pa

    table = pa.table({"name": ['a "b", c', None], "value": [0.1 + 0.2, None]})
    assert to_csv(table).decode().splitlines() == [
        '"name","value"',
        '"a ""b"", c",0.30000000000000004',
        ",",
    ]


def test_numbers_are_rounded_but_scales_are_not():
    text = '<svg><g transform="translate(1.23456 2) scale(0.075 -0.075)" d="M 1.999 2.5"/></svg>'
    svg = clean_svg(text, "n")
    assert "translate(1.23 2) scale(0.075 -0.075)" in svg
    assert 'd="M2.00 2.5"' in svg


def test_names_of_a_zoo_are_text_in_a_figure():
    svg = clean_svg('<?xml?>\n<svg><text id="a">x</text><use href="#b"/><g id="b"/></svg>', "n")
    assert "id=" in svg
    assert 'id="a"' not in svg
    assert len({tuple(class_style(place).items()) for place in range(40)}) == 40


@pytest.mark.slow
def test_analyze_on_the_command_line(tmp_path: Path):
    zoo_of(tmp_path / "zoo", random_weights, networks_per_class=1)
    command = [sys.executable, "-c", "from hyperzoo.cli import main; main()", "analyze", "zoo"]
    done = subprocess.run(
        [*command, "--out", "out"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert done.stdout.splitlines()[0] == "Performance"
    assert "files in out; README.md lists them" in done.stdout
    (tmp_path / "file").write_text("in the way")
    done = subprocess.run(
        [*command, "--out", "file"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: can't write to file")
