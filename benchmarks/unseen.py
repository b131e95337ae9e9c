"""Networks for a class that no network was trained on, by K of its images, beside baselines.

    python benchmarks/unseen.py --out FOLDER [--images digits] [--classes eight,five]
        [--subsets 20] [--parts brightness=3] [--epochs 3] [--batch-size 64] [--draws 5]
        [--slow 20] [--ks 1,5,20,100] [--judge ZOO]

Each class is left out in turn: a zoo of subsets of the others is trained without its images, a
generator is fitted on it, and K training images of the class are drawn. AUC is that of the class's
validation images against those of all other classes. All ways have the same K images, and the same
NEGATIVES training images of seen classes. `--slow` names the Ks for which networks are trained and
fine-tuned, on the first draw. `--parts` divides every class, so that zoos have more tasks. Seconds
are the processor's, on one thread.

`--judge` names a zoo of one-vs-all networks of the same images that was trained on all classes: ten
networks of each class, by the generator that never saw it and 20 of its images, are judged together
by the zoo's held-out networks, and the verdict is written into the folder.

Zoos and generators stay in the folder, and figures go to FOLDER/figures.jsonl, a line after every
draw: the same command goes on where it was stopped, and a larger --draws, or more --ks or
--classes, add to what is there. `--images` is any place that images come from; of Imagenette an npz
file, or `imagenette`. docs/unseen-classes.md has results.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from hyperzoo.generation.from_images import ImageGenerator, fit, load_image_generator
from hyperzoo.generation.registry import FROM_IMAGES
from hyperzoo.images import ImageSet, load_images_at
from hyperzoo.population import evaluate
from hyperzoo.recipe import parse_recipe
from hyperzoo.train import images_of_task, train_zoo
from hyperzoo.zoo import Zoo

NEGATIVES = 500
"""Training images of seen classes that every way has."""

JUDGED_NETWORKS, JUDGED_IMAGES = 10, 20
"""Networks of each class that the judge is given, and images that each is made from."""

STRENGTHS = (0.01, 0.1, 1.0)
"""C of logistic regressions; the best by the figure itself counts, in the baseline's favour."""

MOST_STEPS = 200
"""Of their fit; on pixels that is not always its end."""

STEPS, FRESH_STEPS, BATCH, RATE = (1, 10, 100), 100, 128, 1e-3
"""Adam's, of fine-tuned networks and of a fresh one."""

Answers = NDArray[np.float64]
Figures = dict[str, dict[int, list[tuple[int, str, float, float]]]]


def recipe_without(images: ImageSet, arguments: argparse.Namespace, name: str) -> hz.Recipe:
    """A zoo of subsets of one or two classes, without a class."""
    source = "digits" if arguments.images == "digits" else "npz"
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
                "subsets": arguments.subsets,
                "exclude": [name],
            }
            | ({"parts": arguments.parts} if arguments.parts else {}),
            "architecture": {"name": "lenet5"},
            "training": {"batch_size": arguments.batch_size, "epochs": arguments.epochs},
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
        self.asked_features = generator.features(self.asked)
        self.truth = images.validation_labels == label

    def auc(self, said: Answers) -> float:
        """Of answers to the validation images."""
        return float(roc_auc_score(self.truth, said))

    def ways(self, given: NDArray[np.uint8], slow: bool) -> Iterator[tuple[str, float, float]]:
        """Name, AUC and seconds (to have the network, without asking it) of every way.

        Seconds are the processor's, so that what else runs does not count.
        """
        for head in FROM_IMAGES:
            begin = time.process_time()
            made = self.generator.by(head).sample(given, 1)
            seconds = time.process_time() - begin
            network = {name: tensor[0] for name, tensor in made.items()}
            said = next(iter(evaluate(self.zoo.architecture, [network], self.asked)))
            yield f"generated, {head}", self.auc(said[:, 0].astype(float)), seconds
            weights, _ = self.generator.by(head).last_layer(given)
            yield f"aim, {head}", self.auc(self.asked_features @ weights), seconds
        truth = np.repeat([1, 0], [len(given), len(self.negatives)])
        shown = np.concatenate([given, self.negatives])
        for name, take in (
            ("logistic regression on pixels", lambda i: i.reshape(len(i), -1) / 255.0),
            ("logistic regression on the trunk", self.generator.features),
        ):
            begin = time.process_time()
            scaler = StandardScaler().fit(take(shown))
            columns, found = scaler.transform(take(shown)), []
            for strength in STRENGTHS:
                model = LogisticRegression(C=strength, class_weight="balanced", max_iter=MOST_STEPS)
                found.append(model.fit(columns, truth))
            seconds = (time.process_time() - begin) / len(STRENGTHS)
            asked = scaler.transform(take(self.asked))
            yield name, max(self.auc(own.decision_function(asked)) for own in found), seconds
        begin = time.process_time()
        features = self.generator.features(given).mean(axis=0)
        head = features - self.generator.features(self.negatives).mean(axis=0)
        seconds = time.process_time() - begin
        yield "prototype", self.auc(self.asked_features @ head), seconds
        begin = time.process_time()
        nearest = self._nearest(given)
        seconds = time.process_time() - begin
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
            begin = time.process_time()
            rows = np.concatenate([generator.choice(pool, BATCH // 2) for pool in pools])
            logits = forward(architecture, weights, pixels(shown[rows]))[:, 0]
            wanted = torch.from_numpy(truth[rows]).float()
            loss = functional.binary_cross_entropy_with_logits(logits, wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seconds += time.process_time() - begin
            if step in steps:
                with torch.no_grad():
                    said = forward(architecture, weights, pixels(self.asked))[:, 0]
                yield f"{name}, {step} steps", self.auc(said.numpy().astype(float)), seconds


class Kept:
    """The figures of all draws, in a file that is added to.

    Args:
        folder: where it lies.
        settings: what figures depend on; a folder of others is refused.
    """

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        about, self._path = folder / "settings.json", folder / "figures.jsonl"
        if about.exists() and json.loads(about.read_text()) != settings:
            raise SystemExit(
                f"{folder} has figures of other settings: {about.read_text()}; give another folder"
            )
        about.write_text(json.dumps(settings))
        self.rows: list[dict[str, Any]] = []
        if self._path.exists():
            lines = self._path.read_text().splitlines(keepends=True)
            whole = [line for line in lines if line.endswith("\n")]  # a kill cuts the last short
            self._path.write_text("".join(whole))
            self.rows = [json.loads(line) for line in whole]

    def has(self, name: str, k: int, draw: int, slow: bool) -> bool:
        """Whether a draw was done, with networks that are trained if these are asked for."""
        return any(
            (row["class"], row["k"], row["draw"]) == (name, k, draw) and row["slow"] >= slow
            for row in self.rows
        )

    def add(self, row: dict[str, Any]) -> None:
        """Keep a draw's figures."""
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self.rows.append(row)

    def figures(self, names: list[str], ks: list[int]) -> Figures:
        """Way -> K -> draws, of these classes and Ks; of a draw that was done twice the last."""
        last = {(row["class"], row["k"], row["draw"]): row for row in self.rows}
        found: Figures = defaultdict(lambda: defaultdict(list))
        for (name, k, draw), row in last.items():
            if name in names and k in ks:
                for way, auc, seconds in row["ways"]:
                    found[way][k].append((draw, name, auc, seconds))
        return found


def judge_class(arguments: argparse.Namespace, images: ImageSet, name: str, kept: Kept) -> None:
    """Add the figures of one class that are not there yet."""
    own = int((images.train_labels == images.class_names.index(name)).sum())
    wanted = [
        (k, draw, draw == 0 and k in arguments.slow)
        for k in arguments.ks
        for draw in range(arguments.draws if k < own else 1)
    ]
    wanted = [(k, draw, slow) for k, draw, slow in wanted if not kept.has(name, k, draw, slow)]
    if not wanted:
        print(f"{name}: done before", flush=True)
        return
    trial = Trial(*_fitted(arguments, images, name), images, name)
    for k, draw, slow in wanted:
        begin = time.perf_counter()
        rows = np.random.default_rng([k, draw]).permutation(trial.own)[:k]
        ways = list(trial.ways(trial.images[rows], slow))
        kept.add({"class": name, "k": k, "draw": draw, "slow": slow, "ways": ways})
        print(f"{name}: K = {k}, draw {draw}: {time.perf_counter() - begin:.0f} s", flush=True)


def _fitted(
    arguments: argparse.Namespace, images: ImageSet, name: str
) -> tuple[Zoo, ImageGenerator]:
    """The zoo without a class, and the generator of its file, made where there are none yet."""
    begin = time.perf_counter()
    recipe = recipe_without(images, arguments, name)
    zoo = train_zoo(recipe, arguments.out / f"without-{name}", images=images)
    trained, file = time.perf_counter(), arguments.out / f"without-{name}.safetensors"
    if file.exists() and load_image_generator(file).fitted_on.recipe_digest == recipe.digest:
        generator = load_image_generator(file)
    else:
        generator = fit(zoo, images=images_of_task(recipe, images))
        generator.save(file)
    fitted = time.perf_counter()
    print(f"{name}: zoo {trained - begin:.0f} s, fit {fitted - trained:.0f} s", flush=True)
    return zoo, generator


def judge_together(
    arguments: argparse.Namespace, images: ImageSet, names: list[str]
) -> hz.generation.Judgement:
    """The judge's verdict on networks of every class, each by the generator that never saw it."""
    made = {}
    for name in names:
        trial = Trial(*_fitted(arguments, images, name), images, name)
        rows = np.random.default_rng([JUDGED_IMAGES, 0]).permutation(trial.own)[:JUDGED_IMAGES]
        made[name] = trial.generator.sample(trial.images[rows], JUDGED_NETWORKS)
    return hz.generation.judge(
        made, hz.open_zoo(arguments.judge), images=images, name="networks of unseen classes"
    )


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


def _parts(text: str) -> dict[str, int]:
    return {name: int(count) for name, count in (own.split("=") for own in text.split(","))}


def main(words: list[str] | None = None) -> None:
    """Judge every class, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", default="digits")
    parser.add_argument("--classes", default=None)
    parser.add_argument("--subsets", type=int, default=20)
    parser.add_argument("--parts", type=_parts, default=None)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--ks", type=_numbers, default=[1, 5, 20, 100])
    parser.add_argument("--judge", type=Path, default=None)
    parser.add_argument("--slow", type=_numbers, default=[20])
    arguments = parser.parse_args(words)
    images = load_images_at(arguments.images)
    names = arguments.classes.split(",") if arguments.classes else sorted(images.class_names)
    if unknown := sorted(set(names) - set(images.class_names)):
        parser.error(f"no class {unknown[0]}; the images have {', '.join(images.class_names)}")
    settings = {
        "fingerprint": images.fingerprint,
        "subsets": arguments.subsets,
        "epochs": arguments.epochs,
        "batch_size": arguments.batch_size,
    }
    if arguments.parts:
        settings["parts"] = arguments.parts
    kept = Kept(arguments.out, settings)
    with one_thread():
        for name in names:
            judge_class(arguments, images, name, kept)
        if arguments.judge is not None:
            verdict = judge_together(arguments, images, names)
            verdict.write(arguments.out / "judged")
            print(verdict.text)
    print(table(kept.figures(names, arguments.ks), arguments.ks))


if __name__ == "__main__":
    main()
