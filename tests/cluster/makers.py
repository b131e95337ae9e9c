"""Zoos of several small parts, for workers: each size that a zoo has had begins a part."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hyperzoo.cluster.training import prepare_zoo
from hyperzoo.images import ImageSet, load_images
from hyperzoo.recipe import Recipe, parse_recipe
from hyperzoo.train import train_zoo
from hyperzoo.zoo import verify_zoo
from tests.helpers import few, part_files

Site = TypeVar("Site")

COMMAND = [sys.executable, "-c", "from hyperzoo.cli import main; main()"]
PARTS = 6


def tiny(networks_per_class: int = PARTS, epochs: int = 1) -> Recipe:
    return parse_recipe(
        {
            "name": "tiny",
            "networks_per_class": networks_per_class,
            "images": {"source": "digits", "channels": 1},
            "architecture": {"name": "smallcnn"},
            "training": {"epochs": epochs, "checkpoint_epochs": [1]},
        }
    )


def images() -> ImageSet:
    return few(load_images("digits", channels=1), 150, 60)


def prepared(folder: Path, parts: int = PARTS, epochs: int = 1) -> Path:
    """A zoo of so many parts of 10 networks, none of them trained."""
    for size in range(1, parts + 1):
        prepare_zoo(tiny(size, epochs), folder, images=images())
    return folder


def trained(folder: Path, parts: int = PARTS, epochs: int = 1) -> Path:
    """The same zoo, complete, by nothing of `hyperzoo.cluster`."""
    for size in range(1, parts + 1):
        train_zoo(tiny(size, epochs), folder, images=images())
    return folder


def command(*arguments: object, **others: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, **others
    )


def start(*arguments: object, **others: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **others,
    )


def wait_until(what: Callable[[], object], seconds: float = 300) -> None:
    """Wait for a state; the seconds only end a wait in vain, on however busy a machine."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.02)


def stand_in(folder: Path, name: str, script: str) -> None:
    """A program that does what a script of the shell says."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def running(
    site: Callable[[], AbstractContextManager[Site]], why_not: str, required: str
) -> Iterator[Site]:
    """A site that runs; where there can be none the tests are skipped, or fail if it is required.

    Args:
        site: starts it, and stops it.
        why_not: why it need not be tried; "" to try.
        required: the environment variable that makes it required.
    """
    with ExitStack() as stack:
        if not why_not:
            try:
                started = stack.enter_context(site())
            except (AssertionError, OSError) as error:
                why_not = f"{site.__name__} does not start here: {error}"
        if why_not:
            (pytest.fail if os.environ.get(required) else pytest.skip)(why_not)
        yield started


def assert_same(zoo: Path, reference: Path) -> None:
    """Byte-equal, sound, and nothing left over of how it came about."""
    found_files, wanted = part_files(zoo), part_files(reference)
    assert found_files.keys() == wanted.keys(), _said(zoo)
    assert [name for name in wanted if found_files[name] != wanted[name]] == []
    assert (zoo / "zoo.json").read_bytes() == (reference / "zoo.json").read_bytes()
    found = verify_zoo(zoo)
    assert (found.problems, found.notes, found.incomplete) == ((), (), ())
    hidden = {path.name for path in zoo.iterdir() if path.name.startswith(".")}
    assert hidden <= {".lock", ".cluster"}


def _said(zoo: Path) -> str:
    """What lies in a zoo's hidden folders and what its workers said, for who reads a failure."""
    hidden = sorted(str(path) for path in zoo.glob(".*/**/*"))
    logs = [f"{log}:\n{log.read_text()}" for log in sorted(zoo.glob(".cluster/run-*/logs/*"))]
    return "\n".join((*hidden, *logs))
