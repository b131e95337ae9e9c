"""The page in a real browser: explorer, card, keyboard, themes, print."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hyperzoo.report.page import write_report
from hyperzoo.zoo import Zoo
from tests.report.makers import IMAGES, POSITIVES, page_zoo, section
from tests.zoo.makers import recipe

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

pytestmark = pytest.mark.browser

NETWORKS = 300
"""More rows than are drawn at a time."""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    chosen = recipe(networks_per_class=NETWORKS // 5, training={"epochs": 4, "keep": "best"})
    return page_zoo(tmp_path_factory.mktemp("zoos") / "zoo", chosen)


@pytest.fixture(scope="module")
def report(zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(zoo, tmp_path_factory.mktemp("page") / "report.html", [section()])


@pytest.fixture
def page(browser: "Browser", report: Path) -> "Iterator[Page]":
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield opened(context.new_page(), report)


faults: list[str] = []
"""What pages complained of, or asked the network for."""


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    faults.clear()
    yield
    assert faults == []


def opened(page: "Page", report: Path, link: str = "") -> "Page":
    """The page, loaded, and watched."""

    def asked(request: "Request") -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            faults.append(request.url)

    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", asked)
    page.goto(report.as_uri() + link)
    page.wait_for_selector("#networks tbody tr[data-place]")
    return page


def test_the_watch_sees_faults(page: "Page"):
    page.evaluate("console.error('a fault'); fetch('https://example.org/').catch(() => 0)")
    page.wait_for_timeout(100)
    assert any("a fault" in fault for fault in faults)
    assert any("Content Security Policy" in fault for fault in faults)
    faults.clear()


def shown_ids(page: "Page") -> list[str]:
    return page.eval_on_selector_all(
        "#networks tbody tr[data-place] th",
        "cells => cells.map(cell => cell.firstChild.textContent)",
    )


def count(page: "Page") -> str:
    return page.inner_text("#count")


def until(page: "Page", expression: str, expected: str) -> None:
    """Wait for what the browser does in its own time, such as telling that a dialog was closed.

    `page.wait_for_function` evaluates whatever it has to ask twice, and the page forbids that.
    """
    for _ in range(100):
        value = page.evaluate(expression)
        if value == expected:
            return
        page.wait_for_timeout(50)
    pytest.fail(f"{expression} is {value!r}, not {expected!r}")


def column(page: "Page", name: str) -> list[str]:
    names = page.eval_on_selector_all("#networks thead th", "hs => hs.map(h => h.dataset.column)")
    place = names.index(name) + 1
    return page.eval_on_selector_all(
        f"#networks tbody tr[data-place] > :nth-child({place})",
        "cells => cells.map(c => c.textContent)",
    )


def test_it_opens(page: "Page", zoo: Zoo):
    assert page.title() == "made-up: report of a zoo"
    assert count(page) == "300 of 300 networks"
    assert shown_ids(page)[:3] == zoo.ids[:3]
    assert len(shown_ids(page)) < 100
    assert page.get_attribute("#networks", "aria-rowcount") == "301"
    assert page.eval_on_selector(".drawing img", "picture => picture.naturalWidth") > 0


def test_every_row_can_be_scrolled_to(page: "Page", zoo: Zoo):
    seen: set[str] = set()
    height = page.eval_on_selector("#grid", "grid => grid.scrollHeight")
    for top in range(0, height, 400):
        page.eval_on_selector("#grid", f"grid => {{ grid.scrollTop = {top} }}")
        page.evaluate("() => new Promise(requestAnimationFrame)")
        seen |= set(shown_ids(page))
    assert seen == set(zoo.ids)


def test_sorting_by_a_metric(page: "Page", zoo: Zoo):
    page.click("#networks thead th[data-column=recall] button")
    values = [float(text) for text in column(page, "recall")]
    assert values == sorted(values, reverse=True)
    assert page.get_attribute("th[data-column=recall]", "aria-sort") == "descending"
    page.click("#networks thead th[data-column=recall] button")
    values = [float(text) for text in column(page, "recall")]
    assert values == sorted(values)
    assert shown_ids(page)[0] == "owl_1"  # the network that always says no
    page.focus("#grid")
    page.keyboard.press("End")
    assert shown_ids(page)[-1] == "dog_1"  # failed, so without a recall: last in either order


def test_sorting_by_id_counts_as_people_do(page: "Page"):
    page.click("#networks thead th[data-column=id] button")
    assert shown_ids(page)[:3] == ["cat_0", "cat_1", "cat_2"]
    assert page.get_attribute("th[data-column=id]", "aria-sort") == "ascending"


def test_filters(page: "Page", zoo: Zoo):
    page.select_option("#class", "dog")
    assert count(page) == "60 of 300 networks"
    page.fill("#search", "DOG_1")
    assert count(page) == "11 of 300 networks"
    page.select_option("#finding", "failed")
    assert shown_ids(page) == ["dog_1"]
    page.fill("#search", "nothing")
    assert count(page) == "0 of 300 networks"
    page.focus("#grid")
    page.keyboard.press("Enter")  # opens nothing, and breaks nothing
    assert not page.is_visible("#card")
    page.click("#filters button[type=reset]")
    until(page, "document.getElementById('count').textContent", "300 of 300 networks")


def test_a_range_of_a_metric(page: "Page", zoo: Zoo):
    recalls = dict(zip(zoo.ids, zoo.models["recall"].to_pylist(), strict=True))
    page.select_option("#metric", "recall")
    page.fill("#least", "0.5")
    page.fill("#most", "0,8")
    expected = sum(value is not None and 0.5 <= value <= 0.8 for value in recalls.values())
    assert count(page) == f"{expected} of 300 networks"
    page.fill("#most", "much")
    assert page.get_attribute("#most", "aria-invalid") == "true"
    expected = sum(value is not None and value >= 0.5 for value in recalls.values())
    assert count(page) == f"{expected} of 300 networks"


def test_a_card(page: "Page", zoo: Zoo):
    page.click("#networks tbody tr[data-place='0']")
    page.wait_for_selector("#card[open]")
    assert page.inner_text("#card-title") == "cat_0"
    counts = page.eval_on_selector_all(
        ".confusion td strong", "cells => cells.map(cell => Number(cell.textContent))"
    )
    yes = POSITIVES["cat"]
    assert counts == [3, yes - 3, 1, IMAGES - yes - 1]
    curves = page.locator("#card svg.curve[role=img]")
    assert curves.count() == 2
    loss = zoo.history("cat_0").to_pydict()
    label = curves.nth(0).get_attribute("aria-label")
    ends = [float(end) for end in re.findall(r" at (-?[\d.]+)", label)]
    assert ends == pytest.approx([loss["training_loss"][-1], loss["validation_loss"][-1]], abs=0.01)
    assert page.locator("#card canvas").count() == 16


def test_the_kernels_are_the_weights(page: "Page", zoo: Zoo):
    page.click("#networks tbody tr[data-place='0']")
    page.wait_for_selector("#card canvas")
    shades = page.eval_on_selector(
        "#card canvas",
        "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, 3, 3).data)",
    )
    weights = zoo.weights("conv1.weight")[0, 0, 0]
    expected = 255 * (weights / abs(weights).max() + 1) / 2
    assert shades[::4] == pytest.approx(expected.ravel().tolist(), abs=255 / 14 / 2 + 1)


def test_a_failed_network_has_a_card(page: "Page"):
    page.fill("#search", "dog_1")
    page.click("#networks tbody tr[data-place='0']")
    page.wait_for_selector("#card[open]")
    text = page.inner_text("#card")
    assert "failed" in text
    assert "Unknown: the network has no metrics." in text
    assert "No value is finite." in text
    assert "weights that are not finite" in text


def test_the_keyboard_alone(page: "Page"):
    page.focus("#grid")
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "PageDown", "Home", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector("#card[open]")
    assert page.inner_text("#card-title") == "dog_0"
    page.keyboard.press("ArrowRight")
    until(page, "document.getElementById('card-title').textContent", "owl_0")
    page.keyboard.press("ArrowLeft")
    until(page, "document.getElementById('card-title').textContent", "dog_0")
    until(page, "location.hash", "#network=dog_0")
    page.keyboard.press("Escape")
    assert not page.is_visible("#card")
    until(page, "location.hash", "")
    until(page, "document.activeElement.id", "grid")
    page.keyboard.press("End")
    chosen = page.get_attribute("#grid", "aria-activedescendant")
    assert chosen == f"network-{NETWORKS - 1}"
    assert page.locator(f"#{chosen}").get_attribute("aria-selected") == "true"


def test_a_link_opens_a_card(browser: "Browser", report: Path):
    with browser.new_context() as context:
        page = opened(context.new_page(), report, "#network=rat_7")
        page.wait_for_selector("#card[open]")
        assert page.inner_text("#card-title") == "rat_7"
        page.goto(report.as_uri() + "#network=%ff")  # a broken one opens nothing
        assert page.is_visible("#grid")


def test_saving(page: "Page", zoo: Zoo):
    page.select_option("#class", "yak")
    with page.expect_download() as waiting:
        page.click("#save")
    rows = list(csv.DictReader(io.StringIO(waiting.value.path().read_text())))
    assert waiting.value.suggested_filename == "networks.csv"
    assert len(rows) == 60
    row = zoo.ids.index(rows[7]["id"])
    assert float(rows[7]["f1"]) == pytest.approx(zoo.models["f1"][row].as_py(), rel=1e-6)
    with page.expect_download() as waiting:
        page.click("a.csv")
    assert waiting.value.suggested_filename == "drawing.csv"
    assert "cat" in waiting.value.path().read_text()


def background(page: "Page") -> int:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_light_and_dark(browser: "Browser", report: Path):
    with browser.new_context(color_scheme="dark") as context:
        page = opened(context.new_page(), report)
        assert background(page) < 150
        page.click("#theme")
        assert page.inner_text("#theme") == "Theme: light"
        assert background(page) > 600
        page.reload()
        assert page.inner_text("#theme") == "Theme: light"
        page.click("#theme")
        assert background(page) < 150


@pytest.mark.parametrize("width", [320, 400, 800, 1280])
def test_nothing_is_wider_than_the_screen(browser: "Browser", report: Path, width: int):
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        page = opened(context.new_page(), report)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.click("#networks tbody tr[data-place='1']")
        page.wait_for_selector("#card[open]")
        assert page.evaluate("card.scrollWidth <= card.clientWidth")


def test_on_paper(page: "Page"):
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="print")
    assert not page.is_visible("#explorer-body")
    assert not page.is_visible("nav")
    assert page.is_visible("text=The explorer works on a screen")


def test_without_scripts(browser: "Browser", report: Path):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        assert page.is_visible("text=The explorer needs JavaScript")
        assert page.is_visible(".drawing img")
        assert not page.is_visible("#explorer-body")


def test_a_script_that_got_in_does_not_run(browser: "Browser", report: Path, tmp_path: Path):
    text = report.read_text("utf-8")
    worse = tmp_path / "worse.html"
    worse.write_text(
        text.replace("<main", "<script>window.harm = 1</script><img src=x onerror='harm = 1'><main")
    )
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(worse.as_uri())
        page.wait_for_selector("#networks tbody tr[data-place]")
        assert page.evaluate("window.harm") is None


def test_a_multi_class_zoo(browser: "Browser", tmp_path: Path):
    zoo = page_zoo(tmp_path / "zoo", recipe(networks_per_class=3, task={"kind": "multi-class"}))
    path = write_report(zoo, tmp_path / "report.html", [section()])
    with browser.new_context() as context:
        page = opened(context.new_page(), path)
        assert not page.is_visible("#class")
        page.click("#networks tbody tr[data-place='1']")
        page.wait_for_selector("#card[open]")
        assert "means over the classes alone" in page.inner_text("#card")
