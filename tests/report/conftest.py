"""A headless browser for the tests of pages."""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Chromium, driven by Playwright: what .ci/run installs, and `make install` does not."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed: pip install playwright")
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        _missing("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        # Chromium's sandbox needs rights that containers and root do not have.
        chromium = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


def _missing(reason: str) -> NoReturn:
    if os.environ.get("HYPERZOO_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)
