"""Conditional demographic disparity against loops and a paradox."""

import numpy as np
import pytest

from fairsk.definitions import UndefinedRateWarning
from fairsk.metrics import conditional_demographic_disparity


@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_weighted_mean_over_strata(weighted, rng):
    accepted, sex, site = rng.integers(2, size=(3, 300))
    weights = rng.random(300) if weighted else np.ones(300)
    result = conditional_demographic_disparity(
        accepted,
        sensitive_features=sex,
        control_features=site,
        sample_weight=weights if weighted else None,
    )
    for group in (0, 1):
        expected = 0.0
        for stratum in (0, 1):
            own = site == stratum
            shares = [
                np.average(sex[own & (accepted == y)] == group,
                           weights=weights[own & (accepted == y)])
                for y in (0, 1)
            ]  # fmt: skip
            expected += weights[own].sum() * (shares[0] - shares[1]) / weights.sum()
        assert result[group] == pytest.approx(expected)


def test_strata_dissolve_a_paradox():
    """Each department treats the sexes alike; one sex applies to the harder one."""
    department = np.repeat([0, 1], 200)
    sex = np.concatenate([np.repeat([0, 1], [160, 40]), np.repeat([0, 1], [40, 160])])
    accepted = np.zeros(400, dtype=int)
    for d, rate in ((0, 0.8), (1, 0.2)):
        for s in (0, 1):
            rows = np.flatnonzero((department == d) & (sex == s))
            accepted[rows[: int(rate * len(rows))]] = 1
    raw = conditional_demographic_disparity(accepted, sensitive_features=sex)
    within = conditional_demographic_disparity(
        accepted, sensitive_features=sex, control_features=department
    )
    assert raw[1] > 0.3
    assert within[1] == pytest.approx(0)


def test_strata_where_all_are_accepted_are_left_out():
    with pytest.warns(UndefinedRateWarning, match="undefined in 1 of 2 strata"):
        result = conditional_demographic_disparity(
            [1, 0, 1, 1],
            sensitive_features=list("abab"),
            control_features=[0, 0, 1, 1],
        )
    assert result["b"] == 1


def test_three_classes_raise():
    with pytest.raises(ValueError, match="labels of two classes"):
        conditional_demographic_disparity([0, 1, 2], sensitive_features=[0, 1, 1])
