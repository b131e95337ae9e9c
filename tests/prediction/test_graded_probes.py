"""Images that are learned to part networks: what they tell of networks never seen."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from hyperzoo.architectures import Architecture, get_architecture, initial_parameters, varied
from hyperzoo.architectures.module import build_module
from hyperzoo.features.matrix import matrix_of, stacked, tensors_of
from hyperzoo.features.probes import logits_of
from hyperzoo.prediction.methods.graded_probes import GradedProbes

SMALL = get_architecture("smallcnn", 10)


def population(
    architecture: Architecture, count: int, first: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Networks that are, by shares from 0 to 1, one network or noise as large; and the shares."""
    own = initial_parameters(architecture, 7, "all", 0)
    shares = np.random.default_rng(first).random(count)
    networks = []
    for index, share in enumerate(shares):
        noise = initial_parameters(architecture, 0, "all", first + index)
        networks.append(
            {
                name: (3 * (share * own[name] + np.sqrt(1 - share**2) * noise[name])).astype("f4")
                for name in own
            }
        )
    return matrix_of(architecture, stacked(architecture, networks)), shares


def of_what_is_right(probes: GradedProbes, networks: NDArray[np.float32]) -> NDArray[np.float64]:
    """The chance of the right answer, [network, image], as the first columns have it."""
    answers = probes.transform(networks)[:, : probes.answers].reshape(len(networks), -1, 10)
    assert answers.shape[1] == probes.probes
    return np.exp(answers[:, np.arange(probes.probes), probes.labels.numpy()])


@pytest.fixture(scope="module")
def learned() -> GradedProbes:
    return GradedProbes(SMALL, probes=80, steps=60, batch=12).fit(*population(SMALL, 60))


def test_they_order_networks_that_they_have_not_seen(learned: GradedProbes):
    networks, shares = population(SMALL, 40, first=1000)
    chances = of_what_is_right(learned, networks)
    assert spearmanr(chances.mean(axis=1), shares)[0] > 0.6
    # The higher the grade, the fewer answer as its images want.
    by_grade = [chances[:, learned.grades == grade].mean() for grade in (0, 3, 7)]
    assert by_grade[0] > by_grade[2]
    assert by_grade[1] > by_grade[2]
    # Images that nobody learned tell nothing of the sort.
    idle = GradedProbes(SMALL, probes=80, steps=0).fit(networks, shares)
    unlearned = of_what_is_right(idle, networks).mean(axis=1)
    assert abs(spearmanr(unlearned, shares)[0]) < 0.4


def test_every_output_has_images_of_every_grade(learned: GradedProbes):
    pairs = set(zip(learned.labels.tolist(), learned.grades.tolist(), strict=True))
    assert pairs == {(label, grade) for label in range(10) for grade in range(8)}
    assert learned.images_.shape == (80, 1, 32, 32)
    assert 0 <= learned.images_.min() < 0.2 < 0.8 < learned.images_.max() <= 1


def test_the_first_columns_are_the_logarithms_of_all_chances(learned: GradedProbes):
    networks, _ = population(SMALL, 3, first=2000)
    found = learned.transform(networks)
    for network, row in zip(networks, found, strict=True):
        module = build_module(SMALL)
        torch.nn.utils.vector_to_parameters(torch.from_numpy(network), module.parameters())
        with torch.no_grad():
            logits = module(torch.from_numpy(learned.images_))
        wanted = logits.log_softmax(dim=1).clamp_min(-8).flatten()
        np.testing.assert_allclose(row[:800], wanted.numpy(), atol=1e-4)


def test_one_logit_says_yes_or_no():
    binary = get_architecture("smallcnn", 1)
    networks, shares = population(binary, 12)
    probes = GradedProbes(binary, probes=16, steps=2, batch=4).fit(networks, shares)
    images = torch.from_numpy(probes.images_)
    yes = logits_of(binary, tensors_of(binary, networks), images)[:, :, 0].sigmoid()
    wanted = torch.where(torch.arange(16) % 2 == 1, yes, 1 - yes).log().clamp_min(-8)
    np.testing.assert_allclose(probes.transform(networks)[:, :16], wanted.numpy(), atol=1e-5)


def test_a_network_of_unknown_activation_is_taken_for_the_better_one(learned: GradedProbes):
    drawn = varied(SMALL, activation="drawn")
    assert drawn.is_drawn
    probes = GradedProbes(drawn, probes=80)
    probes.images_ = learned.images_
    networks, _ = population(SMALL, 5, first=3000)
    found = of_what_is_right(probes, networks)
    read = []
    for own in ("relu", "tanh"):
        single = GradedProbes(varied(SMALL, activation=own), probes=80)
        single.images_ = learned.images_
        read.append(of_what_is_right(single, networks))
    better = np.argmax([own.mean(axis=1) for own in read], axis=0)
    np.testing.assert_allclose(found, np.stack(read)[better, np.arange(5)], atol=1e-5)
