"""Do two engines make the same kind of networks?

    python benchmarks/engines_agree.py [--networks-per-class 30] [--out FOLDER]

Trains digits-lenet5 with the native and the torch engine and compares the distributions of accuracy
and AUC of each class by a two-sample Kolmogorov-Smirnov test. The engines draw the same initial
weights and orders, so networks of the same id also end up nearly alike: it prints how far apart.

docs/native-engine.md holds a result.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import ks_2samp

import hyperzoo as hz


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks-per-class", type=int, default=30)
    parser.add_argument("--out", type=Path, help="where to keep the two zoos")
    chosen = parser.parse_args()
    folder = chosen.out or Path(tempfile.mkdtemp())
    recipe = hz.load_recipe("digits-lenet5").with_changes(
        networks_per_class=chosen.networks_per_class
    )
    native, torch = (
        hz.train_zoo(recipe, folder / engine, engine=engine) for engine in ("native", "torch")
    )
    classes = np.array(native.models["class"].to_pylist())
    print("| class | accuracy: KS | p | AUC: KS | p |")
    print("|---|---|---|---|---|")
    for name in [*native.classes, "all"]:
        rows = (classes == name) | (name == "all")
        cells = []
        for metric in ("accuracy", "auc"):
            ours, theirs = (zoo.models[metric].to_numpy()[rows] for zoo in (native, torch))
            result = ks_2samp(ours, theirs, method="asymp")
            cells += [f"{result.statistic:.3f}", f"{result.pvalue:.2f}"]
        print(f"| {name} | " + " | ".join(cells) + " |")
    difference = np.abs(native.matrix() - torch.matrix())
    print(f"\n{len(native)} networks; weights differ by {difference.max():.2g} at most, ", end="")
    print(f"by {difference.mean():.2g} on average")


if __name__ == "__main__":
    main()
