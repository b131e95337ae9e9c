"""From `submit` to the first part in place, on a real Slurm of three nodes on this machine.

    python -m benchmarks.cluster_slurm [--rounds 5]

Parts of ten Small CNNs, trained for one epoch on 150 digits, so that next to nothing is training:
what is left is submitting, Slurm's scheduling, starting Python, and putting a part in place. Needs
Slurm and munge as Debian packs them. docs/cluster.md has a result.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from hyperzoo.images.npz import write_npz
from hyperzoo.population.machine import processor_name
from hyperzoo.zoo import open_zoo
from tests.cluster.makers import command, images, wait_until
from tests.cluster.slurm_site import Site, slurm_site

RECIPE = """
name = "tiny"
networks_per_class = 1
[images]
source = "digits"
channels = 1
[architecture]
name = "smallcnn"
[training]
epochs = 1
"""


def one_round(site: Site, folder: Path) -> tuple[float, float]:
    """Seconds until `submit` has returned, and until the first part is in place."""
    (folder / "tiny.toml").write_text(RECIPE)
    write_npz(images(), folder / "images.npz")
    zoo = folder / "zoo"
    arguments = [folder / "tiny.toml", "--images", folder / "images.npz", "--out", zoo]
    started = time.perf_counter()
    done = command("submit", *arguments, "--tasks", "1", env=site.environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    submitted = time.perf_counter() - started
    wait_until(lambda: open_zoo(zoo).is_complete)
    first = time.perf_counter() - started
    wait_until(site.is_idle)
    return submitted, first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    took = []
    with slurm_site() as site:
        for _ in range(parser.parse_args().rounds):
            with tempfile.TemporaryDirectory() as folder:
                took.append(one_round(site, Path(folder)))
    print(f"{processor_name()}, load {os.getloadavg()[1]:.1f}, {len(took)} rounds")
    for what, column in zip(("submit", "first part"), zip(*took, strict=True), strict=True):
        print(f"{what:12} least {min(column):5.1f} s, median {statistics.median(column):5.1f} s")


if __name__ == "__main__":
    main()
