import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.metrics import mean_absolute_error, r2_score

from hyperzoo.prediction import number_scores
from hyperzoo.prediction.yardstick import Answers, yardstick_of

CLASSES = np.array(["a", "b"] * 15, dtype=object)


@pytest.fixture
def answers() -> Answers:
    generator = np.random.default_rng(0)
    wanted = generator.normal(size=30)
    return Answers(wanted=wanted, said=wanted + generator.normal(size=30) / 2, classes=CLASSES)


def test_scores_are_those_of_the_libraries(answers: Answers):
    scores = yardstick_of("number", []).scores(answers)
    assert scores["r2"] == pytest.approx(r2_score(answers.wanted, answers.said))
    assert scores["tau"] == pytest.approx(kendalltau(answers.wanted, answers.said).statistic)
    assert scores["mae"] == pytest.approx(mean_absolute_error(answers.wanted, answers.said))


def test_who_names_the_class_alone_knows_nothing_within_it():
    wanted = np.where(CLASSES == "a", 0.2, 0.8) + np.arange(30) / 1000
    said = np.where(CLASSES == "a", 0.2, 0.8)
    assert number_scores.r2(wanted, said) > 0.99
    assert number_scores.tau(wanted, said) > 0.6
    assert number_scores.tau_within(wanted, said, CLASSES) == 0
    assert number_scores.tau_within(wanted, -wanted, CLASSES) == -1


def test_equal_numbers_have_no_order():
    same, different = np.ones(4), np.arange(4.0)
    assert number_scores.r2(same, same) == 1
    assert number_scores.r2(same, different) == 0
    assert number_scores.tau(same, different) == 0


def test_an_interval_holds_the_mean_and_is_wider_where_splits_disagree(answers: Answers):
    good = (answers.wanted, answers.said)
    bad = (answers.wanted, answers.said[::-1])
    alike = number_scores.interval(number_scores.r2, [good, good])
    apart = number_scores.interval(number_scores.r2, [good, bad])
    found = number_scores.r2(*good)
    assert alike[0] < found < alike[1] <= 1
    assert alike[1] - alike[0] < 1 < apart[1] - apart[0]
    # Student's t of two splits, corrected: 12.706 x sqrt((1/2 + 3/7) x variance).
    scores = [found, number_scores.r2(*bad)]
    reach = 12.7062 * np.sqrt((1 / 2 + 3 / 7) * np.var(scores, ddof=1))
    assert apart[0] == pytest.approx(np.mean(scores) - reach, rel=1e-4)


def test_perfect_answers_have_a_point_for_an_interval():
    wanted = np.arange(10.0)
    low, high = number_scores.interval(number_scores.tau, [(wanted, wanted)] * 3)
    assert (low, high) == pytest.approx((1, 1))
