"""Puts a zoo's performance table beside the published one, as Markdown.

    python benchmarks/reproduction.py ZOO

The zoo is one of the recipe imagenette-lenet5, of any size; docs/reproduction.md holds a result.
"""

import argparse

import hyperzoo as hz
from hyperzoo.analysis import performance
from hyperzoo.analysis.published import PUBLISHED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("zoo")
    zoo = hz.open_zoo(parser.parse_args().zoo)
    metrics = ("accuracy", "precision", "recall", "f1")
    print("| class | " + " | ".join(f"{m}: ours | published | difference" for m in metrics) + " |")
    print("|---|" + "---|" * 3 * len(metrics))
    worst = dict.fromkeys(metrics, (0.0, 0.0))
    for row in performance(zoo).to_pylist():
        if row["class"] not in PUBLISHED:
            continue
        cells = []
        for metric in metrics:
            ours, published = row[f"{metric}_avg"], PUBLISHED[row["class"]][metric][2]
            difference = ours - published
            low, high = worst[metric]
            worst[metric] = (min(low, difference), max(high, difference))
            cells += [f"{ours:.3f}", f"{published:.3f}", f"{difference:+.3f}"]
        print(f"| {row['class']} | " + " | ".join(cells) + " |")
    print(f"\n{len(zoo)} networks. Differences of the class averages:")
    for metric, (low, high) in worst.items():
        print(f"- {metric}: {low:+.3f} to {high:+.3f}")


if __name__ == "__main__":
    main()
