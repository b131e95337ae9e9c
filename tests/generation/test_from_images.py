from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from hyperzoo.errors import GenerationError
from hyperzoo.generation.from_images import ImageGenerator, fit, heads, steps
from hyperzoo.generation.from_images.heads import (
    Seen,
    by_boundary,
    by_density,
    by_retrieval,
    fitted_writer,
)
from hyperzoo.generation.from_images.steps import Stepper, fitted_stepper
from hyperzoo.generation.projecting.unseen import moved
from hyperzoo.generation.registry import FROM_IMAGES
from hyperzoo.images import ImageSet
from hyperzoo.population import evaluate
from hyperzoo.train import train_zoo
from hyperzoo.zoo import Zoo
from tests.generation.makers import digits
from tests.test_train import recipe


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return digits()


def gaussians(generator: np.random.Generator) -> Seen:
    """Three classes that differ along the first axis; the second varies most and tells nothing."""
    labels = np.repeat([0, 1, 2], 100)
    values = generator.standard_normal((300, 4)) * [0.1, 3.0, 0.1, 0.1]
    values[:, 0] += labels
    return Seen(values=values, labels=labels)


def test_the_density_looks_past_what_varies_within_classes():
    generator = np.random.default_rng(0)
    seen = gaussians(generator)
    positives = generator.standard_normal((5, 4)) * [0.1, 3.0, 0.1, 0.1] + [4.0, 0, 0, 0]
    head = by_density(positives, seen, 1e-4)
    assert abs(head[0]) > 20 * abs(head[1])
    asked = generator.standard_normal((200, 4)) * [0.1, 3.0, 0.1, 0.1] + [4.0, 0, 0, 0]
    assert (asked @ head).min() > (seen.values @ head).max()


def test_the_boundary_is_that_of_a_balanced_logistic_regression(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(heads, "NEWTON_STEPS", 20)
    generator = np.random.default_rng(0)
    seen = gaussians(generator)
    positives = generator.standard_normal((10, 4)) + np.array([2.0, 0, 1.0, 0])
    scale = seen.scales()
    columns = (np.concatenate([positives, seen.values]) - seen.values.mean(axis=0)) / scale
    # scikit-learn adds up weights, of 155 for either side: C = 1 / (STRENGTH * 310).
    model = LogisticRegression(C=1 / (heads.STRENGTH * 310), class_weight="balanced", tol=1e-10)
    expected = model.fit(columns, np.repeat([1, 0], [10, 300])).coef_[0] / scale
    np.testing.assert_allclose(by_boundary(positives, seen), expected, rtol=1e-3, atol=1e-4)


def test_a_unit_that_seen_images_leave_silent_gets_no_weight_without_bounds():
    seen = gaussians(np.random.default_rng(0))
    silent = Seen(values=np.column_stack([seen.values, np.zeros(300)]), labels=seen.labels)
    scales = silent.scales()
    assert scales[1] == pytest.approx(seen.values[:, 1].std())
    assert scales[4] == pytest.approx(heads.LEAST_SCALE * silent.values.std(axis=0).mean())
    positives = np.array([[0.0, 0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0, 1.0]])
    assert 0 < by_boundary(positives, silent)[4] < 100


def test_retrieval_takes_the_task_that_says_yes():
    tasks = np.array([[9.0, 0.0], [0.0, 9.0]])
    positives = np.array([[0.1, 2.0], [0.3, 2.0]])
    np.testing.assert_allclose(by_retrieval(positives, tasks, np.zeros(2)), [0, 9], atol=1e-4)


def test_the_order_of_images_is_no_matter_to_the_writer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(heads, "EPISODES", 20)
    generator = np.random.default_rng(0)
    writer = fitted_writer(gaussians(generator), generator)
    given = generator.standard_normal((7, 4))
    np.testing.assert_allclose(writer.head(given), writer.head(given[::-1]), rtol=1e-9)
    assert not np.allclose(writer.head(given), writer.head(given[:2]))


def test_steps_are_those_of_gradient_descent():
    generator = np.random.default_rng(0)
    given, others = (torch.from_numpy(generator.standard_normal((n, 3))) for n in (4, 9))
    start = torch.tensor([0.5, -1.0, 0.2], dtype=torch.float64)
    lengths = torch.from_numpy(generator.standard_normal((2, 3)))
    stepper = Stepper(seen=gaussians(generator), start=start, lengths=lengths)
    head = start.clone()
    for own in lengths:
        head.requires_grad_()
        yes = functional.softplus(-(given @ head)).mean()
        no = functional.softplus(others @ head).mean()
        (slope,) = torch.autograd.grad((yes + no) / 2, head)
        head = (head - own.exp() * slope).detach()
    np.testing.assert_allclose(stepper.stepped(given, others), head, rtol=1e-12)


def test_learned_steps_look_where_seen_classes_differ(monkeypatch: pytest.MonkeyPatch):
    """All classes differ along one axis of many, of which one image says little."""
    generator = np.random.default_rng(0)

    def images(label: float, count: int) -> NDArray[np.float64]:
        values = generator.standard_normal((count, 30))
        values[:, 0] = 3 * label + values[:, 0]
        return values

    seen = Seen(
        values=np.concatenate([images(label, 60) for label in range(6)]),
        labels=np.repeat(np.arange(6), 60),
    )
    monkeypatch.setattr(steps, "EPISODES", 150)
    learned = fitted_stepper(seen, generator)
    assert learned.start.shape == (31,)
    plain = Stepper(
        seen=seen,
        start=torch.zeros(31, dtype=torch.float64),
        lengths=torch.zeros((steps.STEPS, 31), dtype=torch.float64),
    )
    truth, asked = np.repeat([1, 0], [200, 360]), np.concatenate([images(6, 200), seen.values])
    given = [images(6, 1) for _ in range(10)]
    scores = [
        np.mean([roc_auc_score(truth, asked @ own.head(few)) for few in given])
        for own in (learned, plain)
    ]
    assert scores[0] > scores[1] + 0.02
    turned = np.concatenate(given)
    np.testing.assert_allclose(learned.head(turned), learned.head(turned[::-1]), rtol=1e-9)


def test_images_are_moved_by_a_pixel():
    images = np.arange(2 * 5 * 5, dtype=np.uint8).reshape(2, 5, 5, 1)
    for image, source in zip(moved(images, np.random.default_rng(3), 1), images, strict=True):
        shifts = [(d, r) for d in (-1, 0, 1) for r in (-1, 0, 1)]
        inner = [source[1 + d : 4 + d, 1 + r : 4 + r] for d, r in shifts]
        assert any(np.array_equal(image[1:4, 1:4], own) for own in inner)


@pytest.mark.parametrize("head", FROM_IMAGES)
def test_networks_of_a_class_that_none_was_trained_on(
    generator: ImageGenerator, images: ImageSet, head: str
):
    own = images.train_images[images.train_labels == 0][:20]
    made = generator.by(head).sample(own, 2, seed=3)
    again = generator.by(head).sample(own, 1, seed=3)
    truth = images.validation_labels == 0
    for place in range(2):
        network = {name: tensor[place] for name, tensor in made.items()}
        said = next(iter(evaluate(generator.architecture, [network], images.validation_images)))
        if head != "retrieval":  # which can only say what seen tasks say
            assert roc_auc_score(truth, said[:, 0]) > 0.8
    for name, tensor in made.items():
        assert np.array_equal(tensor[0], again[name][0])
        assert not np.array_equal(tensor[0], tensor[1])


def test_what_is_refused(generator: ImageGenerator, tasks: Zoo, images: ImageSet):
    with pytest.raises(GenerationError, match=r"expected one or more uint8 images of shape"):
        generator.sample(images.train_images[:0], 1)
    with pytest.raises(GenerationError, match=r"count: expected 1 to .*, got 0"):
        generator.sample(images.train_images[:1], 0)
    wrong: Any
    for wrong in (1.5, "0", True, None):
        with pytest.raises(GenerationError, match="count: expected a whole number, got"):
            generator.sample(images.train_images[:1], wrong)
        with pytest.raises(GenerationError, match="seed: expected a whole number, got"):
            generator.sample(images.train_images[:1], 1, seed=wrong)
        with pytest.raises(GenerationError, match="seed: expected a whole number, got"):
            fit(tasks, images=images, seed=wrong)
        with pytest.raises(GenerationError, match="images: expected one or more uint8 images of"):
            generator.sample(wrong, 1)
    with pytest.raises(GenerationError, match="give the same images"):
        fit(tasks, images=images)
    with pytest.raises(GenerationError, match=r"no method 'bound' .*did you mean 'boundary'"):
        generator.by("bound")


def test_networks_with_several_outputs_are_refused(images: ImageSet, tmp_path: Path):
    chosen = recipe(networks_per_class=1, task={"kind": "multi-class"}, training={"epochs": 1})
    zoo = train_zoo(chosen, tmp_path / "zoo", images=images)
    with pytest.raises(GenerationError, match="give a zoo of kind subset-vs-rest"):
        fit(zoo, images=replace(images))
