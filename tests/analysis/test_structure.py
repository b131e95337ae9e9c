import numpy as np
import pytest
from sklearn.decomposition import PCA

from hyperzoo.analysis.structure import structure
from hyperzoo.errors import AnalysisError


def cloud(networks: int, parameters: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    scales = np.linspace(3, 0.1, parameters)
    return (1 + scales * random.standard_normal((networks, parameters))).astype(np.float32)


def test_components_of_a_small_zoo_are_exact():
    matrix = cloud(40, 60)
    found = structure(lambda: [matrix[:7], matrix[7:]], np.zeros(40, int), 1, count=3).components
    exact = PCA(3, svd_solver="full").fit(matrix.astype(float))
    assert found.shares == pytest.approx(exact.explained_variance_ratio_, rel=1e-5)
    assert np.abs(found.scores) == pytest.approx(np.abs(exact.transform(matrix)), abs=1e-3)
    assert (found.scores[np.abs(found.scores).argmax(axis=0), range(3)] > 0).all()


def test_components_of_a_large_zoo_are_close():
    # More networks than the sample that the first axes come from; three strong directions.
    random = np.random.default_rng(1)
    strong = random.standard_normal((1500, 3)) @ random.standard_normal((3, 200))
    matrix = (strong + random.standard_normal((1500, 200))).astype(np.float32)
    blocks = [matrix[i : i + 100] for i in range(0, 1500, 100)]
    found = structure(lambda: blocks, np.zeros(1500, int), 1, count=3).components
    exact = PCA(3, svd_solver="full").fit(matrix.astype(float))
    assert found.shares == pytest.approx(exact.explained_variance_ratio_, rel=1e-3)


def test_distances_are_those_of_all_pairs():
    matrix, labels = cloud(30, 20), np.repeat([0, 1, 2], 10)
    matrix[labels == 1] += 2
    found = structure(lambda: [matrix[:11], matrix[11:]], labels, 4).distances
    gaps = ((matrix[:, None].astype(float) - matrix[None]) ** 2).sum(axis=2)
    same = labels[:, None] == labels
    other = ~np.eye(30, dtype=bool)
    assert found.within == pytest.approx(np.sqrt(gaps[same & other].mean()), rel=1e-5)
    assert found.between == pytest.approx(np.sqrt(gaps[~same].mean()), rel=1e-5)
    for a, b in [(0, 0), (0, 1), (2, 1)]:
        own = (labels[:, None] == a) & (labels == b) & other
        assert found.classes[a, b] == pytest.approx(np.sqrt(gaps[own].mean()), rel=1e-5)
    assert np.isnan(found.classes[3]).all()
    total = ((matrix - matrix.mean(0)) ** 2).sum()
    means = np.stack([matrix[labels == c].mean(0) for c in range(3)])[labels]
    assert found.share == pytest.approx(((means - matrix.mean(0)) ** 2).sum() / total, rel=1e-4)
    assert found.share_by_chance == pytest.approx(2 / 29)


def test_equal_networks_and_a_single_one():
    same = structure(lambda: [np.ones((4, 5), np.float32)], [0, 0, 1, 1], 2)
    assert same.components.shares.tolist() == pytest.approx([0, 0])
    assert same.distances.within == same.distances.between == 0
    one = structure(lambda: [np.ones((1, 5), np.float32)], [0], 1)
    assert one.components.scores.shape == (1, 1)
    assert np.isnan(one.distances.within)


def test_labels_must_fit():
    with pytest.raises(AnalysisError, match="there are no networks to study"):
        structure(lambda: [], [], 1)
    with pytest.raises(AnalysisError, match="expected 5 networks, got 4"):
        structure(lambda: [cloud(4, 3)], [0] * 5, 1)
