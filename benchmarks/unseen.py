"""Networks for a class that no network was trained on, by K of its images, beside baselines.

    python benchmarks/unseen.py --out FOLDER [--images digits] [--classes eight,five]
        [--subsets 20] [--epochs 3] [--draws 5] [--slow 20] [--ks 1,5,20,100]

Each class is left out in turn: a zoo of subsets of the others is trained without its images (kept
in the folder, so that a second run does without), a generator is fitted on it, and K training
images of the class are drawn. AUC is that of the class's validation images against those of all
other classes. All ways have the same K images, and the same NEGATIVES training images of seen
classes. `--slow` names the Ks for which networks are trained and fine-tuned, on the first draw.
Figures go to FOLDER/unseen.json after every class. docs/unseen-classes.md has results.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

import hyperzoo as hz
from hyperzoo.architectures import initial_parameters
from hyperzoo.architectures.forward import forward
from hyperzoo.cores import one_thread
from hyperzoo.generation.behaviour import pixels
from hyperzoo.generation.from_images import ImageGenerator, fit
from hyperzoo.generation.registry import FROM_IMAGES
from hyperzoo.images import ImageSet, load_images_at
from hyperzoo.population import evaluate
from hyperzoo.recipe import parse_recipe
from hyperzoo.train import train_zoo
from hyperzoo.zoo import Zoo

NEGATIVES = 500
"""Training images of seen classes that every way has."""

STRENGTHS = (0.01, 0.1, 1.0)
"""C of logistic regressions; the best by the figure itself counts, in the baseline's favour."""

MOST_STEPS = 200
"""Of their fit; on pixels that is not always its end."""

STEPS, FRESH_STEPS, BATCH, RATE = (1, 10, 100), 100, 128, 1e-3
"""Adam's, of fine-tuned networks and of a fresh one."""

Answers = NDArray[np.float64]
Figures = dict[str, dict[int, list[tuple[int, str, float, float]]]]


def recipe_without(
    images: ImageSet, source: str, name: str, subsets: int, epochs: int
) -> hz.Recipe:
    """A zoo of subsets of one or two classes, without a class."""
    height, _, channels = images.image_shape
    return parse_recipe(
        {
            "name": f"without-{name}",
            "networks_per_class": 1,
            "images": {"source": source, "size": height, "channels": channels}
            | ({} if source == "digits" else {"path": "given"}),
            "task": {
                "kind": "subset-vs-rest",
                "positives": [1, 2],
                "subsets": subsets,
                "exclude": [name],
            },
            "architecture": {"name": "lenet5"},
            "training": {"batch_size": 64, "epochs": epochs},
        }
    )


class Trial:
    """One class left out: what all ways are given, and what they are asked."""

    def __init__(self, zoo: Zoo, generator: ImageGenerator, images: ImageSet, name: str) -> None:
        self.zoo, self.generator = zoo, generator
        label = images.class_names.index(name)
        self.own = np.flatnonzero(images.train_labels == label)
        others = np.flatnonzero(images.train_labels != label)
        chosen = np.random.default_rng(0).permutation(others)[:NEGATIVES]
        self.images, self.negatives = images.train_images, images.train_images[chosen]
        self.asked = images.validation_images
        self.truth = images.validation_labels == label

    def auc(self, said: Answers) -> float:
        """Of answers to the validation images."""
        return float(roc_auc_score(self.truth, said))

    def ways(self, given: NDArray[np.uint8], slow: bool) -> Iterator[tuple[str, float, float]]:
        """Name, AUC and seconds (to have the network, without asking it) of every way."""
        for head in FROM_IMAGES:
            begin = time.perf_counter()
            made = self.generator.by(head).sample(given, 1)
            seconds = time.perf_counter() - begin
            network = {name: tensor[0] for name, tensor in made.items()}
            said = next(iter(evaluate(self.zoo.architecture, [network], self.asked)))
            yield f"generated, {head}", self.auc(said[:, 0].astype(float)), seconds
            weights, _ = self.generator.by(head).last_layer(given)
            yield f"aim, {head}", self.auc(self.generator.features(self.asked) @ weights), seconds
        truth = np.repeat([1, 0], [len(given), NEGATIVES])
        shown = np.concatenate([given, self.negatives])
        for name, take in (
            ("logistic regression on pixels", lambda i: i.reshape(len(i), -1) / 255.0),
            ("logistic regression on the trunk", self.generator.features),
        ):
            begin = time.perf_counter()
            scaler = StandardScaler().fit(take(shown))
            columns, found = scaler.transform(take(shown)), []
            for strength in STRENGTHS:
                model = LogisticRegression(C=strength, class_weight="balanced", max_iter=MOST_STEPS)
                found.append(model.fit(columns, truth))
            seconds = (time.perf_counter() - begin) / len(STRENGTHS)
            asked = scaler.transform(take(self.asked))
            yield name, max(self.auc(own.decision_function(asked)) for own in found), seconds
        begin = time.perf_counter()
        features = self.generator.features(given).mean(axis=0)
        head = features - self.generator.features(self.negatives).mean(axis=0)
        seconds = time.perf_counter() - begin
        yield "prototype", self.auc(self.generator.features(self.asked) @ head), seconds
        begin = time.perf_counter()
        nearest = self._nearest(given)
        seconds = time.perf_counter() - begin
        said = next(iter(evaluate(self.zoo.architecture, [nearest], self.asked)))
        yield "nearest network", self.auc(said[:, 0].astype(float)), seconds
        if slow:
            fresh = initial_parameters(self.zoo.architecture, 1, "fresh", 0)
            yield from self._trained("trained", fresh, shown, truth, (FRESH_STEPS,))
            yield from self._trained("fine-tuned", nearest, shown, truth, STEPS)

    def _nearest(self, given: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """The network that says yes to the images most, beside what it says to negatives."""
        shown = np.concatenate([given, self.negatives])
        networks = [self.zoo.arrays(own) for own in self.zoo.ids]
        best = [
            said[: len(given)].mean() - said[len(given) :].mean()
            for said in evaluate(self.zoo.architecture, networks, shown)
        ]
        return networks[int(np.argmax(best))]

    def _trained(
        self,
        name: str,
        start: dict[str, NDArray[np.float32]],
        shown: NDArray[np.uint8],
        truth: NDArray[np.int64],
        steps: tuple[int, ...],
    ) -> Iterator[tuple[str, float, float]]:
        architecture, seconds = self.zoo.architecture, 0.0
        weights = {key: torch.from_numpy(own.copy()).requires_grad_() for key, own in start.items()}
        optimizer = torch.optim.Adam(weights.values(), lr=RATE)
        generator = np.random.default_rng(0)
        pools = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
        for step in range(1, steps[-1] + 1):
            begin = time.perf_counter()
            rows = np.concatenate([generator.choice(pool, BATCH // 2) for pool in pools])
            logits = forward(architecture, weights, pixels(shown[rows]))[:, 0]
            wanted = torch.from_numpy(truth[rows]).float()
            loss = functional.binary_cross_entropy_with_logits(logits, wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seconds += time.perf_counter() - begin
            if step in steps:
                with torch.no_grad():
                    said = forward(architecture, weights, pixels(self.asked))[:, 0]
                yield f"{name}, {step} steps", self.auc(said.numpy().astype(float)), seconds


def judged_class(arguments: argparse.Namespace, images: ImageSet, name: str) -> Figures:
    """The figures of one class: way -> K -> draws, each with AUC and seconds."""
    begin = time.perf_counter()
    recipe = recipe_without(images, arguments.source, name, arguments.subsets, arguments.epochs)
    folder = arguments.out / f"without-{name}"
    zoo = train_zoo(recipe, folder, images=images)
    trained = time.perf_counter()
    generator = fit(zoo, images=images.without([name]))
    fitted = time.perf_counter()
    print(f"{name}: zoo {trained - begin:.0f} s, fit {fitted - trained:.0f} s", flush=True)
    trial = Trial(zoo, generator, images, name)
    figures: Figures = defaultdict(lambda: defaultdict(list))
    for k in arguments.ks:
        for draw in range(arguments.draws if k < len(trial.own) else 1):
            rows = np.random.default_rng([k, draw]).permutation(trial.own)[:k]
            slow = draw == 0 and k in arguments.slow
            for way, auc, seconds in trial.ways(trial.images[rows], slow):
                figures[way][k].append((draw, name, auc, seconds))
    return figures


def table(figures: Figures, ks: list[int]) -> str:
    """Mean AUC over classes by K, with the lowest and highest mean of a draw, and seconds."""
    lines = [
        "| | " + " | ".join(f"K = {k}" for k in ks) + " | seconds |",
        "|---" * (len(ks) + 2) + "|",
    ]
    for way, by_k in figures.items():
        cells = []
        for k in ks:
            draws = defaultdict(list)
            for draw, _, auc, _ in by_k.get(k, []):
                draws[draw].append(auc)
            means = [float(np.mean(own)) for own in draws.values()]
            cells.append(
                f"{np.mean(means):.3f} ({min(means):.3f} to {max(means):.3f})" if means else ""
            )
        seconds = np.median([own[3] for k in by_k for own in by_k[k]])
        lines.append(f"| {way} | " + " | ".join(cells) + f" | {seconds:.3f} |")
    return "\n".join(lines)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main(words: list[str] | None = None) -> None:
    """Judge every class, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", default="digits")
    parser.add_argument("--classes", default=None)
    parser.add_argument("--subsets", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--ks", type=_numbers, default=[1, 5, 20, 100])
    parser.add_argument("--slow", type=_numbers, default=[20])
    arguments = parser.parse_args(words)
    arguments.source = "digits" if arguments.images == "digits" else "npz"
    images = load_images_at(arguments.images)
    names = arguments.classes.split(",") if arguments.classes else sorted(images.class_names)
    figures: Figures = defaultdict(lambda: defaultdict(list))
    with one_thread():
        for name in names:
            for way, by_k in judged_class(arguments, images, name).items():
                for k, own in by_k.items():
                    figures[way][k] += own
            (arguments.out / "unseen.json").write_text(json.dumps(figures, indent=1))
    print(table(figures, arguments.ks))


if __name__ == "__main__":
    main()
