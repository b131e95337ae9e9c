"""The page as a file: what it holds, what it refuses, and that nothing in it can do harm."""

import base64
import gzip
import hashlib
import html
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv

import hyperzoo as hz
from hyperzoo.errors import AnalysisError, MissingExtraError, ReportWriteError
from hyperzoo.recipe import load_recipe, parse_recipe
from hyperzoo.report.facts import headlines, performance_rows, recipe_toml
from hyperzoo.report.page import svg_address, write_report
from hyperzoo.zoo import Imported, Zoo
from tests.report.makers import SVG, page_zoo, section
from tests.zoo.makers import CLASSES, recipe, writer

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}'


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return page_zoo(tmp_path_factory.mktemp("zoos") / "zoo")


class Elements(HTMLParser):
    """All elements of a page with their attributes, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._silent = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._silent = tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        self.text += "" if self._silent else data


def written(zoo: Zoo, folder: Path, *sections) -> str:
    return write_report(zoo, folder / "report.html", sections or [section()]).read_text("utf-8")


def test_the_page_holds_everything(zoo: Zoo, tmp_path: Path):
    text = Elements(written(zoo, tmp_path, section(missing="Nothing is known."))).text
    for part in ("A study", "First.", "Second.", "Nothing is known.", "A drawing", "How to read"):
        assert part in text
    assert f'digest = "{zoo.recipe.digest}"' not in text
    assert zoo.recipe.digest in text
    assert 'zoo.weights("conv1.weight")  # numpy [20, 16, 1, 3, 3]' in text
    assert "engine torch" in text
    assert str(zoo.path.parent) not in text


def test_it_loads_nothing_from_anywhere(zoo: Zoo, tmp_path: Path):
    page = written(zoo, tmp_path)
    for tag, attributes in Elements(page).found:
        for name in ("src", "href"):
            address = attributes.get(name) or ""
            assert not address or address.startswith(("data:", "#")), (tag, address)
        assert tag not in ("iframe", "object", "embed", "base")
    assert "@import" not in page
    assert "url(" not in page


def test_only_its_own_script_may_run(zoo: Zoo, tmp_path: Path):
    page = written(zoo, tmp_path)
    policy = html.unescape(re.search(r'Policy" content="([^"]+)"', page)[1])
    assert "default-src 'none'" in policy
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy


def test_the_data_of_a_figure_is_csv(zoo: Zoo, tmp_path: Path):
    page = written(zoo, tmp_path)
    link = re.search(r'download="drawing.csv.gz" href="data:application/gzip;base64,([^"]+)"', page)
    content = gzip.decompress(base64.b64decode(link[1]))
    assert csv.read_csv(pa.BufferReader(content)).to_pydict() == {
        "class": ["cat", "dog"],
        "value": [0.25, None],
    }


def test_every_drawing_has_a_text_alternative(zoo: Zoo, tmp_path: Path):
    pictures = [a for tag, a in Elements(written(zoo, tmp_path)).found if tag == "img"]
    assert [picture["alt"] for picture in pictures] == ["A bar."]


def test_texts_are_shown_not_obeyed(tmp_path: Path):
    zoo = page_zoo(tmp_path / "zoo", images_name=HOSTILE, provenance={"engine": HOSTILE})
    figure = replace(
        section().figures[0],
        title=HOSTILE,
        caption=HOSTILE,
        alt=HOSTILE,
        svg=SVG.replace("<path", f"<!--{HOSTILE}--><path"),
        table=pa.table({HOSTILE: [HOSTILE]}),
    )
    hostile = section(title=HOSTILE, text=HOSTILE, missing=HOSTILE, figures=(figure,))
    harmless = written(page_zoo(tmp_path / "other"), tmp_path)
    found = Elements(written(zoo, tmp_path, hostile))
    assert found.text.count(HOSTILE) >= 8
    assert "49" not in re.findall(r"\}\}|49", found.text)
    count = [sum(tag == wanted for tag, _ in found.found) for wanted in ("script", "img")]
    expected = Elements(harmless).found
    assert count == [sum(tag == wanted for tag, _ in expected) for wanted in ("script", "img")]
    for _, attributes in found.found:
        assert not [name for name in attributes if name.startswith("on")]


def test_class_names_of_all_scripts(tmp_path: Path):
    names = ("猫", "собака", "été", "x-1.y_z", "0")
    zoo = page_zoo(tmp_path / "zoo", recipe(networks_per_class=1), image_classes=names)
    figure = replace(section().figures[0], name="performance-table", svg=None)
    text = Elements(written(zoo, tmp_path, section(figures=(figure,)))).text
    assert all(name in text for name in names)


def test_long_tables_are_cut_and_say_so(zoo: Zoo, tmp_path: Path):
    table = pa.table({"row": [f"row {number}" for number in range(1234)]})
    figure = replace(section().figures[0], svg=None, table=table)
    text = Elements(written(zoo, tmp_path, section(figures=(figure,)))).text
    assert "row 199" in text
    assert "row 200" not in text
    assert "The first 200 of 1,234 rows; the CSV has them all." in text


def test_a_drawing_as_an_address():
    address = svg_address("<svg a='1'>\n<b c=\"#%&é\"/>\n</svg>")
    assert address == "data:image/svg+xml,<svg a='1'> <b c=%22%23%25%26é%22/> </svg>"
    assert '"' not in svg_address('<svg a="1"/>')


def test_the_same_zoo_gives_the_same_page(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    first = written(zoo, tmp_path)
    assert "1970-01-02 00:00 UTC" in first
    assert written(zoo, tmp_path / "again") == first


def test_the_headline(zoo: Zoo):
    found = {headline.label: (headline.value, headline.remark) for headline in headlines(zoo)}
    assert found["networks"] == ("20", "all that are planned")
    assert found["failed"] == ("1", "and 1 answer always the same")


def test_the_performance_table_names_the_failed(zoo: Zoo):
    rows = {row["class"]: row for row in performance_rows(zoo)}
    assert list(rows) == [*CLASSES, "all classes"]
    assert rows["dog"]["failed"] == 1
    assert rows["owl"]["recall"]["low"] == 0
    assert rows["cat"]["accuracy"]["published"] is None


def test_the_published_table_stands_beside_ours(tmp_path: Path):
    classes = ("tench", "church")
    chosen = parse_recipe(load_recipe("imagenette-lenet5").canonical() | {"networks_per_class": 1})
    zoo = page_zoo(tmp_path / "zoo", chosen, image_classes=classes)
    rows = performance_rows(zoo)
    assert [row["f1"]["published"] for row in rows] == [0.665, 0.411, None]


@pytest.mark.parametrize("name", ["digits-lenet5", "imagenette-lenet5", "digits-smallcnn"])
def test_the_recipe_shown_is_the_recipe(name: str, tmp_path: Path):
    vary = {"batch_size": {"choice": [32, 64]}, "learning_rate": {"log_uniform": [1e-4, 0.01]}}
    training = {"checkpoint_epochs": [0, 1], "learning_rate": 1e-5}
    document = load_recipe(name).canonical()
    document |= {"vary": vary, "training": document["training"] | training}
    document["task"] = {"kind": "one-vs-all", "negatives": "sampled", "positive_fraction": 0.25}
    for chosen in (load_recipe(name), parse_recipe(document)):
        file = tmp_path / "recipe.toml"
        file.write_text(recipe_toml(chosen))
        again = load_recipe(file)
        assert (again.digest, again.canonical()) == (chosen.digest, chosen.canonical())


def test_an_incomplete_zoo_says_so(tmp_path: Path):
    whole = page_zoo(tmp_path / "zoo", recipe(networks_per_class=12))
    (whole.path / "models" / "part-00001.parquet").unlink()
    text = Elements(written(hz.open_zoo(whole.path), tmp_path)).text
    assert "50 of 60 planned networks" in text


def test_an_empty_zoo_has_no_page(tmp_path: Path):
    with writer(tmp_path / "zoo", recipe()):
        pass
    with pytest.raises(AnalysisError, match="has no networks yet"):
        write_report(hz.open_zoo(tmp_path / "zoo"), tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_page_is_replaced_whole(zoo: Zoo, tmp_path: Path):
    (tmp_path / "report.html").write_text("old")

    def broken():
        yield section()
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_report(zoo, tmp_path / "report.html", broken())
    assert (tmp_path / "report.html").read_text() == "old"
    assert written(zoo, tmp_path).startswith("<!DOCTYPE html>")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_where_it_can_not_be_written(zoo: Zoo, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")

    def never():
        raise AssertionError("no study before the file can be written")
        yield

    with pytest.raises(ReportWriteError, match=r"file/report.html: .*; make room or mend"):
        write_report(zoo, tmp_path / "file" / "report.html", never())
    with pytest.raises(ReportWriteError, match="it is a folder; give a file"):
        write_report(zoo, tmp_path, never())


def test_without_jinja2(zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r'pip install "hyperzoo\[report\]"'):
        written(zoo, tmp_path)


def test_an_imported_zoo_says_what_is_not_known(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {
        "origin": Imported(formats={"pytorch": 1}, networks=()),
        "recipe": None,
        "classes": CLASSES,
        "images_name": None,
        "image_fingerprint": None,
        "image_classes": (),
    }.items():
        monkeypatch.setattr(Zoo, name, value)
    monkeypatch.setattr(Zoo, "history", lambda self, network_id=None: pa.table({"id": []}))
    monkeypatch.setattr(Zoo, "provenance_of", lambda self, network_id: {})
    monkeypatch.setattr(Zoo, "_check_epoch", lambda self, epoch: None)
    columns = ("loss", "accuracy", "precision", "recall", "specificity", "f1", "auc")
    bare = zoo.models
    for name in columns:
        place = bare.column_names.index(name)
        bare = bare.set_column(place, name, pa.array([None] * len(bare), pa.float64()))
    monkeypatch.setattr(zoo, "models", bare)
    text = Elements(written(zoo, tmp_path)).text
    assert "The zoo has no recipe: it was imported" in text
    assert "of an unknown image set" in text
    assert "Training curves: the zoo has no training history." in text
    assert "each tells one class of 5 from all others" in text
    assert re.search(r"Trained with\s*unknown", text)
