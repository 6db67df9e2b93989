from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from unetscope.errors import InputError
from unetscope.evaluation import paired_significance

nan = math.nan


def two_way(draw, seeds, images, *, of_seed, of_image, rest=1.0):
    """Differences without a true mean, with effects of these standard deviations."""
    return (
        of_seed * draw.normal(size=(seeds, 1))
        + of_image * draw.normal(size=(1, images))
        + rest * draw.normal(size=(seeds, images))
    )


def plain_t(differences, confidence=0.95):
    """What would be said if all values were independent."""
    return stats.ttest_1samp(differences.ravel(), 0).confidence_interval(confidence)


@pytest.mark.parametrize(
    ("seeds", "images", "of_seed", "of_image"),
    [
        (2, 20, 1.0, 0.5),
        (3, 10, 0.0, 0.0),
        (3, 20, 0.5, 1.0),
        (3, 60, 0.3, 0.0),
        (5, 30, 0.3, 1.0),
        (8, 6, 0.2, 1.0),
    ],
)
def test_the_interval_holds_the_truth_as_often_as_it_claims(seeds, images, of_seed, of_image):
    draw = np.random.default_rng([seeds, images])
    trials = [two_way(draw, seeds, images, of_seed=of_seed, of_image=of_image) for _ in range(400)]
    found = [paired_significance(trial) for trial in trials]
    covered = np.mean([each.low <= 0 <= each.high for each in found])
    # With 400 trials, three standard errors of 95 % are 3.3 %; it may hold the truth more often.
    assert covered >= 0.917
    # Half of 5 % lies on each side, and three standard errors are 2.3 %.
    assert np.mean([each.verdict == "better" for each in found]) <= 0.048
    assert np.mean([each.verdict == "worse" for each in found]) <= 0.048
    if of_seed or of_image:
        plain = [plain_t(trial) for trial in trials]
        assert np.mean([each.low <= 0 <= each.high for each in plain]) < 0.85
    else:
        # The price of not knowing that seeds and images do not matter is bounded.
        width = np.median([each.high - each.low for each in found])
        assert width < 3 * np.median([np.ptp(plain_t(trial)) for trial in trials])


def test_a_difference_that_is_there_is_found():
    draw = np.random.default_rng(4)
    trials = [two_way(draw, 3, 30, of_seed=0.1, of_image=0.5) for _ in range(100)]
    verdicts = [paired_significance(trial + 1.0).verdict for trial in trials]
    assert verdicts.count("better") >= 90
    assert "worse" not in verdicts


def test_the_formula_by_hand():
    # Means of seeds 1 and 3, of images 1, 2 and 3; rest ±1 in two cells of each row.
    differences = np.array([[1.0, 1.0, 1.0], [1.0, 3.0, 5.0]])
    found = paired_significance(differences)
    # MS_seed = 3 · 2 = 6 (1 degree), MS_image = 2 · 1 = 2 (2 degrees), MS_rest = 4 / 2 = 2.
    half = math.sqrt(6 / 6) * stats.t.ppf(0.975, 1)
    assert found.mean == 2
    assert (found.low, found.high) == (pytest.approx(2 - half), pytest.approx(2 + half))
    assert found.p == pytest.approx(2 * stats.t.sf(2 / math.sqrt(6 / 6), 1))
    assert (found.seeds, found.images, found.groups, found.unit) == (2, 3, 3, "image")
    assert found.remarks == ()
    assert found.over == "2 seeds, 3 images"


def test_the_larger_image_effect_adds_its_own_part():
    differences = np.array([[0.0], [2.0]]) + np.array([[0.0, 4.0, 8.0]])
    found = paired_significance(differences)
    # No rest: MS_seed / 6 = 3 · 2 / 6 = 1 with 1 degree, MS_image / 6 = 2 · 16 / 6 with 2 degrees.
    half = math.sqrt(1 * stats.t.ppf(0.975, 1) ** 2 + 16 / 3 * stats.t.ppf(0.975, 2) ** 2)
    assert found.high - found.mean == pytest.approx(half)


def test_seeds_and_images_are_treated_alike():
    differences = two_way(np.random.default_rng(1), 3, 8, of_seed=1, of_image=1)
    one, other = paired_significance(differences), paired_significance(differences.T)
    assert (one.mean, one.low, one.p) == (pytest.approx(other.mean), pytest.approx(other.low), other.p)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_p_and_interval_agree(confidence):
    draw = np.random.default_rng(2)
    for _ in range(40):
        found = paired_significance(
            two_way(draw, 3, 6, of_seed=0.2, of_image=0.5) + 0.8, confidence=confidence
        )
        assert (found.p < 1 - confidence) == (found.verdict != "not shown")
    # Where p is the risk, the interval ends at 0.
    differences = two_way(draw, 3, 6, of_seed=0.2, of_image=0.5) + 2
    at_zero = paired_significance(differences, confidence=1 - paired_significance(differences).p)
    assert at_zero.low == pytest.approx(0, abs=1e-9)


def test_one_seed_is_a_paired_t_test():
    scores = np.array([[0.1, 0.3, -0.1, 0.2, 0.25]])
    found, expected = paired_significance(scores), stats.ttest_1samp(scores[0], 0)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.low == pytest.approx(expected.confidence_interval().low)
    assert found.remarks == ("one seed: this says nothing about other trainings",)


def test_one_image_is_a_paired_t_test_over_seeds():
    scores = np.array([[0.1], [0.3], [0.2]])
    found = paired_significance(scores)
    assert found.p == pytest.approx(stats.ttest_1samp(scores[:, 0], 0).pvalue)
    assert found.remarks == ("one image: this says nothing about other images",)


def test_a_single_value_says_nothing():
    found = paired_significance([[0.5]])
    assert (found.mean, found.verdict) == (0.5, "not shown")
    assert all(map(math.isnan, (found.low, found.high, found.p)))
    assert len(found.remarks) == 2


@pytest.mark.parametrize(
    "differences",
    [np.zeros((3, 4)), np.full((3, 4), 0.1), np.full((1, 4), 0.1), [[1.1, -0.9], [-0.9, 1.1]]],
    ids=["all zero", "all equal", "one seed", "effects cancel"],
)
def test_no_spread_shows_nothing(differences):
    found = paired_significance(differences)
    assert found.verdict == "not shown"
    assert math.isnan(found.p)
    assert math.isnan(found.low)
    assert "no spread" in found.remarks[-1]


def test_rounding_is_no_spread():
    # 0.9 − 0.8 and 0.4 − 0.3 differ in their last bit.
    assert paired_significance([[0.9 - 0.8, 0.4 - 0.3, 0.2 - 0.1]]).verdict == "not shown"


def test_a_large_and_certain_difference():
    found = paired_significance(1 + 1e-6 * np.random.default_rng(0).normal(size=(3, 20)))
    assert found.verdict == "better"
    assert 0 < found.p < 1e-9


def test_images_where_a_score_is_undefined_are_left_out():
    found = paired_significance([[1.0, nan, 2.0, 1.0], [1.5, 9.0, 2.0, nan]], groups=["a", "b", "c", "d"])
    kept = paired_significance([[1.0, 2.0], [1.5, 2.0]])
    assert (found.mean, found.p, found.images) == (kept.mean, kept.p, 2)
    assert found.remarks == ("2 images left out: the score is undefined there for some training",)


@pytest.mark.parametrize("differences", [[[nan, nan], [nan, 1.0]], np.zeros((2, 0))])
def test_nothing_defined(differences):
    found = paired_significance(differences)
    assert math.isnan(found.mean)
    assert (found.images, found.verdict, found.wilcoxon) == (0, "not shown", None)
    assert found.remarks == ("the score is undefined for every image",)


def test_groups_are_the_unit_if_there_are_enough():
    draw = np.random.default_rng(3)
    differences = two_way(draw, 3, 5, of_seed=0.1, of_image=1)
    # Three images of each of 5 patients that say the same, one image of a sixth.
    repeated = np.concatenate([np.repeat(differences, 3, axis=1), [[1.0]] * 3], axis=1)
    names = [*np.repeat(list("abcde"), 3), "f"]
    found = paired_significance(repeated, groups=names)
    expected = paired_significance(np.concatenate([differences, [[1.0]] * 3], axis=1))
    assert (found.mean, found.p) == (pytest.approx(expected.mean), pytest.approx(expected.p))
    assert found.wilcoxon == expected.wilcoxon
    assert (found.images, found.groups, found.unit) == (16, 6, "group")
    assert found.over == "3 seeds, 16 images of 6 groups"
    assert "each of the 6 groups has the same weight" in found.remarks[0]


def test_images_of_one_group_are_not_independent():
    draw, names = np.random.default_rng(5), np.repeat(list("abcdefgh"), 6).tolist()
    grouped, apart = [], []
    for _ in range(300):
        trial = np.repeat(two_way(draw, 3, 8, of_seed=0.1, of_image=1, rest=0), 6, axis=1)
        trial += 0.3 * draw.normal(size=trial.shape)
        grouped.append(paired_significance(trial, groups=names).verdict)
        apart.append(paired_significance(trial).verdict)
    assert grouped.count("not shown") >= 0.913 * 300
    assert apart.count("not shown") < 0.7 * 300


def test_few_groups_are_said():
    differences = two_way(np.random.default_rng(3), 2, 8, of_seed=0.1, of_image=1)
    found = paired_significance(differences, groups=list("aaaabbbb"))
    assert found.p == paired_significance(differences).p
    assert (found.groups, found.unit) == (2, "image")
    assert found.remarks == ("8 images of 2 groups: this says nothing about other groups",)
    assert paired_significance(differences, groups=list("abcdefgh")).remarks == ()


def test_smaller_can_be_better():
    differences = -1 + 0.01 * np.random.default_rng(0).normal(size=(3, 8))
    assert paired_significance(differences).verdict == "worse"
    closer = paired_significance(differences, smaller_is_better=True)
    assert closer.verdict == "better"
    assert closer.mean < 0
    assert paired_significance(-differences, smaller_is_better=True).verdict == "worse"


def test_wilcoxon_is_over_images_with_the_mean_of_the_seeds():
    differences = np.array([[0.1, 0.2, 0.3, -0.1, 0.0], [0.1, 0.4, 0.1, -0.3, 0.0]])
    found = paired_significance(differences)
    assert found.wilcoxon == pytest.approx(stats.wilcoxon([0.1, 0.3, 0.2, -0.2]).pvalue)
    assert paired_significance(np.zeros((2, 3))).wilcoxon is None


@pytest.mark.parametrize(
    ("differences", "settings", "message"),
    [
        (np.zeros(3), {}, r"shape \(3,\)"),
        (np.zeros((0, 3)), {}, r"shape \(0, 3\)"),
        ([[1.0, math.inf]], {}, "infinite values"),
        (np.zeros((2, 3)), {"groups": ["a"]}, "1 group name for 3 images"),
        (np.zeros((2, 3)), {"confidence": 95}, "the confidence is 95"),
    ],
)
def test_what_cannot_be_judged_is_refused(differences, settings, message):
    with pytest.raises(InputError, match=message):
        paired_significance(differences, **settings)
