"""Zoos trained by a real Ray of several nodes: killed, cut off, without token, with other code."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperzoo.images.npz import write_npz
from hyperzoo.zoo import open_zoo
from tests.cluster.makers import COMMAND, assert_same, images, prepared, running, wait_until
from tests.cluster.ray_site import ADDRESS, HEAD, Node, Site, ray_site, why_not
from tests.cluster.test_slurm import RECIPE

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    yield from running(ray_site, why_not(), "HYPERZOO_REQUIRE_RAY")


# A signal that comes after the first part and before the second, however fast the machine is.
ENDED_AFTER_A_PART = """
import os
from hyperzoo.cli import main
from hyperzoo.zoo import ZooWriter

take_bundles = ZooWriter.take_bundles

def take_and_end(writer):
    taken = take_bundles(writer)
    if taken.parts:
        os.kill(os.getpid(), {signal:d})
    return taken

ZooWriter.take_bundles = take_and_end
main()
"""


def train(
    site: Site,
    zoo: Path,
    address: str | None = ADDRESS,
    where: int = 0,
    ended_by: signal.Signals | None = None,
    **environment: str,
) -> "subprocess.Popen[str]":
    """`hyperzoo train --on ray` on the head's machine, of a zoo of three longer parts.

    Args:
        ended_by: the signal that the driver gets as soon as it has delivered one part.
    """
    command = COMMAND
    if ended_by is not None:
        command = [sys.executable, "-c", ENDED_AFTER_A_PART.format(signal=ended_by)]
    recipe, pictures = zoo.parent / "tiny.toml", zoo.parent / "images.npz"
    if not recipe.exists():
        recipe.write_text(RECIPE.format(networks=3, epochs=20))
        write_npz(images(), pictures)
        prepared(zoo, parts=3, epochs=20)
    arguments = ["train", recipe, "--images", pictures, "--out", zoo, "--on", "ray"]
    if address is not None:
        arguments += ["--ray-address", address]
    return subprocess.Popen(
        site.inside([*command, *map(str, arguments)], where),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=site.environment | environment,
    )


def finish(process: "subprocess.Popen[str]", seconds: float = 350) -> tuple[int, str]:
    _, said = process.communicate(timeout=seconds)
    return process.returncode, said


def frozen(*nodes: Node) -> None:
    """Nodes in the middle of a part: each is stopped as soon as it has begun one.

    Which begins first must not make its part, and then the other's, before the other has begun.
    """

    def all_stopped() -> bool:
        for node in nodes:
            if not node.stopped:
                node.stop_work()
        return all(node.stopped for node in nodes)

    wait_until(all_stopped)


def test_without_the_token(site: Site, tmp_path: Path):
    code, said = finish(train(site, tmp_path / "zoo", RAY_AUTH_MODE="disabled"))
    assert code == 1
    assert f"can't reach a Ray cluster at {ADDRESS}" in said
    assert "RAY_AUTH_MODE=token" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("other", ["another version", "none"])
def test_a_node_with_other_code_is_refused_by_name(site: Site, tmp_path: Path, other: str):
    package = tmp_path / "other" / "hyperzoo"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    if other == "another version":
        (package / "version.py").write_text('VERSION = "0.0.9"\n')
    node = site.start_node(1, PYTHONPATH=str(tmp_path / "other"))  # not beside the driver
    try:
        code, said = finish(train(site, tmp_path / "zoo"))
    finally:
        node.leave()
    assert code == 1
    expected = "has hyperzoo 0.0.9, the driver has" if "version" in other else "has no hyperzoo"
    assert f"node {os.uname().nodename} {expected}" in said
    assert len(open_zoo(tmp_path / "zoo")) == 0


def test_nodes_that_are_too_small(site: Site, tmp_path: Path):
    """The head computes nothing, and is alone."""
    code, said = finish(train(site, tmp_path / "zoo"))
    assert code == 1
    assert "no node of the Ray cluster has 1 CPUs: the largest has 0" in said


def test_a_node_and_then_the_driver_killed(site: Site, tmp_path: Path, long_reference: Path):
    zoo = tmp_path / "zoo"
    near, far = site.start_node(0), site.start_node(1)
    try:
        driver = train(site, zoo, ended_by=signal.SIGKILL)
        frozen(near, far)
        far.cut_power()
        near.go_on()
        code, said = finish(driver)
        assert code == -signal.SIGKILL, said
        assert len(open_zoo(zoo)) == 10
        code, said = finish(train(site, zoo))
        assert code == 0, said
        assert_same(zoo, long_reference)
    finally:
        near.leave()


ENDS_WITH_THE_FIRST_STEPS = """
from hyperzoo.cluster.on_ray import OnRay
from hyperzoo.train import train_zoo
from tests.cluster.makers import images, tiny

def meter(progress):
    if progress.epochs:
        print(progress.networks, progress.epochs, flush=True)
        raise SystemExit

train_zoo(tiny(1, 2000), {zoo!r}, images=images(), on=OnRay(address={address!r}), meter=meter)
"""


def test_progress_shows_before_a_part_is_done(site: Site, tmp_path: Path):
    node = site.start_node(0)
    code = ENDS_WITH_THE_FIRST_STEPS.format(zoo=str(tmp_path / "zoo"), address=ADDRESS)
    try:
        done = subprocess.run(
            site.inside([sys.executable, "-c", code]),
            capture_output=True,
            text=True,
            env=site.environment,
            timeout=350,
            check=False,
        )
    finally:
        node.leave()
    assert done.returncode == 0, done.stderr
    networks, epochs = map(int, done.stdout.split())
    assert networks == 0
    assert 0 < epochs < 10 * 2000


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_keeps_what_is_there(site: Site, tmp_path: Path, long_reference: Path):
    zoo = tmp_path / "zoo"
    node = site.start_node()
    try:
        code, said = finish(train(site, zoo, ended_by=signal.SIGINT))
        assert code == 130
        assert "10 of 30 networks are kept in" in said
        assert "--on ray" in said
        wait_until(lambda: not node.working())
        code, said = finish(train(site, zoo))
        assert code == 0, said
        assert_same(zoo, long_reference)
    finally:
        node.leave()


@pytest.mark.usefixtures("site")  # where none can run, this is skipped too
def test_a_pulled_cable(tmp_path: Path, long_reference: Path):
    """The far node works on, unheard; with Ray's own settings it is lost after about a minute.

    Ray would start its task again after seven; so docs/cluster.md says what ends this sooner.
    """
    zoo = tmp_path / "zoo"
    with ray_site(keepalive={}) as patient:
        patient.start_node(0)
        far = patient.start_node(1)
        driver = train(patient, zoo)
        frozen(*patient.nodes[1:])
        patient.pull_the_cable()
        for node in patient.nodes[1:]:
            node.go_on()
        code, said = finish(driver, 300)  # by itself Ray would take 417 s to start it again
        assert code == 0, said
        assert far.process.poll() is None
        assert_same(zoo, long_reference)


def test_a_local_ray_listens_on_loopback_alone(site: Site, tmp_path: Path, long_reference: Path):
    """In a namespace with another address and a way out: without one, Ray finds only loopback."""
    zoo = tmp_path / "zoo"
    way = ["default", "via", HEAD]
    subprocess.run(site.inside(["ip", "route", "add", *way], 1), check=True)
    try:
        assert site.listening(1) == set()
        driver = train(site, zoo, None, 1)
        seen: set[str] = set()

        def ended() -> bool:
            seen.update(site.listening(1))
            return driver.poll() is not None

        wait_until(ended)
        code, said = finish(driver)
        assert code == 0, said
        assert seen == {"127.0.0.1"}
        assert "listens on" not in said
        assert_same(zoo, long_reference)
    finally:
        subprocess.run(site.inside(["ip", "route", "del", *way], 1), check=True)
