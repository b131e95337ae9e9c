import numpy as np
import pytest

from hyperzoo.errors import PredictionError
from hyperzoo.prediction.splits import (
    LastOfEachClass,
    check_classes,
    first_of_each_class,
    last_of_each_class,
    split_networks,
)

IDS = [f"{name}_{index}" for index in range(10) for name in ("cat", "dog", "owl")]
LABELS = [network_id.split("_")[0] for network_id in IDS]


def named(rows: np.ndarray, ids: list[str] = IDS) -> list[str]:
    return [ids[row] for row in rows]


def test_thirty_percent_of_every_class_test():
    cut = split_networks(IDS, LABELS, seed=0, repeat=0)
    assert sorted([*cut.train, *cut.test]) == list(range(30))
    assert sorted(LABELS[row] for row in cut.test) == ["cat"] * 3 + ["dog"] * 3 + ["owl"] * 3


def test_a_split_hangs_on_ids_and_seed_alone():
    cut = split_networks(IDS, LABELS, seed=1, repeat=2)
    backward = split_networks(IDS[::-1], LABELS[::-1], seed=1, repeat=2)
    assert named(cut.test) == named(backward.test, IDS[::-1])
    assert named(cut.train) == named(backward.train, IDS[::-1])
    # These are the networks for ever: results of other versions stay comparable.
    assert sorted(named(cut.test)) == PINNED
    others = [split_networks(IDS, LABELS, seed=s, repeat=r) for s, r in ((1, 3), (2, 2))]
    assert all(named(other.test) != named(cut.test) for other in others)


PINNED = ["cat_5", "cat_7", "cat_9", "dog_0", "dog_1", "dog_8", "owl_1", "owl_6", "owl_8"]


def test_of_four_networks_one_tests():
    cut = split_networks(IDS[:12], LABELS[:12], seed=0, repeat=0)
    assert (len(cut.train), len(cut.test)) == (9, 3)


def test_a_stratum_of_one_network_is_for_training():
    cut = split_networks([*IDS[:9], "yak_0"], [*LABELS[:9], "yak"], seed=0, repeat=0)
    assert 9 in cut.train
    assert len(cut.test) == 3


def test_too_little_to_split_is_refused():
    with pytest.raises(PredictionError, match=r"of at least two, but all networks are of class 'c"):
        check_classes(["cat", "cat"])
    with pytest.raises(PredictionError, match=r"naming the optimizer .* two, but there are none"):
        check_classes([], "optimizer")
    with pytest.raises(PredictionError, match=r"at least 4 .*too few: dog \(2\), owl \(2\)"):
        check_classes([*LABELS[:6], "cat", "cat"])
    check_classes(["cat", "dog"], least=1)


def test_first_and_last_of_each_class():
    labels = np.array(["b", "a", "b", "a", "a", "c"], dtype=object)
    assert first_of_each_class(labels, 2).tolist() == [0, 1, 2, 3, 5]
    assert last_of_each_class(labels, 0.5).tolist() == [2, 3, 4]
    ((fitted, held_out),) = LastOfEachClass().split(labels, labels)
    assert (fitted.tolist(), held_out.tolist()) == ([0, 1, 3, 5], [2, 4])


def test_no_fold_of_single_networks():
    with pytest.raises(PredictionError, match=r"at least 2 training networks"):
        next(LastOfEachClass().split(np.zeros(2), np.array(["a", "b"])))
