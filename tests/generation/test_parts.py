"""What the methods share: rows, alignment, spans and behaviour."""

import numpy as np
import pytest
import torch

from hyperzoo.architectures import get_architecture, initial_parameters
from hyperzoo.cores import one_thread
from hyperzoo.generation import Split
from hyperzoo.generation.aligned import aligned_classes, aligned_training, class_means, fresh_starts
from hyperzoo.generation.behaviour import pixels, row_logits, task_loss
from hyperzoo.generation.matrix import network_of, networks_of, rows_of
from hyperzoo.generation.methods.flow_matching import directions_of, outside
from hyperzoo.generation.span import span_of
from hyperzoo.generation.training_set import TrainingSet, training_set
from hyperzoo.population.evaluate import evaluate
from tests.prediction.makers import NOISE, planted_zoo

SMALLCNN = get_architecture("smallcnn", 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    zoo = planted_zoo(tmp_path_factory.mktemp("planted") / "zoo")
    return training_set(zoo, Split(training=4, held_out=2, fresh=2), None)


def test_rows_are_networks_and_back(data: TrainingSet):
    rows = rows_of(SMALLCNN, data.weights)
    assert rows.shape == (20, SMALLCNN.parameter_count)
    np.testing.assert_array_equal(rows[3, :9], data.weights["conv1.weight"][3, 0, 0].ravel())
    for name, tensor in networks_of(SMALLCNN, rows).items():
        np.testing.assert_array_equal(tensor, data.weights[name])
        np.testing.assert_array_equal(network_of(SMALLCNN, rows[7])[name], data.weights[name][7])


def test_aligned_networks_of_a_class_differ_by_noise_alone(data: TrainingSet):
    """The makers shuffle units; what is left after alignment is the noise that they add."""
    noise = rows_of(
        SMALLCNN, {n: t[None] for n, t in initial_parameters(SMALLCNN, 0, "", 0).items()}
    )
    expected = np.sqrt(2) * NOISE * np.linalg.norm(noise)
    for rows in (rows_of(SMALLCNN, aligned_classes(data)), aligned_training(data).rows):
        for label in range(len(data.classes)):
            first, second = rows[data.labels == label][:2]
            assert np.linalg.norm(first - second) == pytest.approx(expected, rel=0.15)


def test_fresh_starts_are_initial_weights_in_the_order_of_the_reference(data: TrainingSet):
    reference = aligned_training(data).reference
    starts = fresh_starts(SMALLCNN, reference, 0, 3)
    plain = [
        initial_parameters(SMALLCNN, 0, "", index, "generation/fit/initialisation")
        for index in range(3)
    ]
    rows = rows_of(SMALLCNN, {name: np.stack([one[name] for one in plain]) for name in plain[0]})
    np.testing.assert_array_equal(np.sort(starts, axis=1), np.sort(rows, axis=1))
    assert (starts @ reference > rows @ reference).all()


def test_a_span_holds_what_its_directions_hold():
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    true = random.normal(size=(2, 50))
    rows = random.normal(size=(40, 2)) @ true + 10.0 * labels[:, None]
    rows = rows.astype(np.float32)
    span = span_of(rows, labels, 5)
    assert span.directions.shape == (2, 50)
    assert span.left == pytest.approx(0, abs=1e-2)  # single precision
    again = span.means[labels] + span.coordinates @ span.directions
    np.testing.assert_allclose(again, rows, atol=1e-4)
    np.testing.assert_allclose(np.square(span.coordinates).mean(axis=0), 1, rtol=1e-5)
    np.testing.assert_array_equal(span.means, class_means(rows, labels))
    short = span_of(rows, labels, 1)
    missing = rows - short.means[labels] - short.coordinates @ short.directions
    assert short.left == pytest.approx(np.sqrt(np.square(missing).sum() / 40), rel=1e-4)


def test_what_lies_outside_of_a_span_is_orthogonal_and_as_long_as_asked():
    random = np.random.default_rng(1)
    start, mean, directions = (
        random.normal(size=shape).astype(np.float32) for shape in (50, 50, (3, 50))
    )
    rest = outside(start, mean, directions, 2.5)
    assert np.linalg.norm(rest) == pytest.approx(2.5, rel=1e-5)
    np.testing.assert_allclose(np.vstack([directions, mean]) @ rest, 0, atol=1e-5)
    assert rest @ start > 0


@pytest.mark.parametrize(
    ("networks", "classes", "kept"),
    [(500, 10, 8), (400, 10, 4), (40, 10, 1), (6, 1, 1), (300, 1, 9)],
)
def test_directions_keep_the_file_small(networks: int, classes: int, kept: int):
    assert directions_of(networks, classes) == kept


def test_rows_answer_as_their_networks_do(data: TrainingSet):
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 1)).astype(np.uint8)
    rows = torch.from_numpy(rows_of(SMALLCNN, data.weights)[:2])
    with one_thread():
        assert torch.get_num_threads() == 1
        logits = row_logits(SMALLCNN, rows, pixels(images)).numpy()
    each = [{name: tensor[place] for name, tensor in data.weights.items()} for place in (0, 1)]
    np.testing.assert_allclose(logits, np.stack(list(evaluate(SMALLCNN, each, images))), atol=1e-5)


def test_the_task_loss_is_cross_entropy():
    logits = torch.tensor([[[0.0], [2.0]]])
    expected = (np.log(2) + np.log1p(np.exp(2.0))) / 2
    assert float(task_loss(logits, torch.tensor([[1, 0]]))) == pytest.approx(expected)
    several = torch.tensor([[[0.0, 1.0, 0.0]]])
    expected = np.log(2 + np.e) - 1
    assert float(task_loss(several, torch.tensor([[1]]))) == pytest.approx(expected)
