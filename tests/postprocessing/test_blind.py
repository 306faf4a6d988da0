import numpy as np
import pytest
import sklearn
from scipy.optimize import linprog
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from fairsk.datasets import make_biased_classification
from fairsk.definitions import DEFINITIONS, group_counts
from fairsk.postprocessing import ThresholdOptimizer
from fairsk.postprocessing._blind import BlindRule
from fairsk.postprocessing._programme import Programme, get_objective, read_limits

LINEAR = sorted(name for name, d in DEFINITIONS.items() if d.is_linear)


@pytest.fixture(scope="module")
def data():
    return make_biased_classification(3000, proxy_strength=3.0, random_state=0)


def _population(rng, n=150, n_groups=3):
    """Rows whose probabilities are right on average: each stands for many people."""
    cells = rng.dirichlet(np.ones(2 * n_groups) * 0.7, size=n)
    return cells.reshape(n, n_groups, 2)


@pytest.mark.parametrize("tolerance", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("fairness", LINEAR)
def test_prices_solve_the_linear_programme_over_rows(rng, fairness, tolerance):
    cells = _population(rng)
    n_groups = cells.shape[1]
    limits = read_limits(fairness, tolerance)
    programme = Programme([], get_objective("accuracy"), limits, [])
    # One sample for every row, group and label, weighted by its probability.
    row, group, label = (part.ravel() for part in np.indices(cells.shape))
    rule, counts = BlindRule.fit(
        programme, cells[row], label == 1, group, cells.ravel(), True
    )
    reached = programme.objective.value(counts)
    for limit in limits:
        values = limit.rate.values(counts, 1)[0]
        assert np.ptp(values) <= tolerance + 2e-3
    # The oracle: an LP with one variable per row.
    share = cells.sum()
    gain = (cells[:, :, 1] - cells[:, :, 0]).sum(axis=1) / share
    rows, sides = [], []
    for limit in limits:
        up = np.array(limit.rate.numerator)[:, 1] - np.array(limit.rate.numerator)[:, 0]
        size = cells @ np.array(limit.rate.denominator)[:, 0].astype(float)
        base = (cells @ np.array(limit.rate.numerator)[:, 0].astype(float)).sum(axis=0)
        slope = (cells @ up.astype(float)) / size.sum(axis=0)
        base = base / size.sum(axis=0)
        for a in range(n_groups):
            for b in range(n_groups):
                if a != b:
                    rows.append(slope[:, a] - slope[:, b])
                    sides.append(tolerance - base[a] + base[b])
    best = linprog(-gain, A_ub=np.array(rows), b_ub=sides, bounds=(0, 1))
    constant = cells[:, :, 0].sum() / share
    assert reached == pytest.approx(constant - best.fun, abs=5e-3)
    assert rule.prices.shape == (len(limits) * n_groups,)


@pytest.mark.parametrize("randomize", [True, False])
def test_groups_are_needed_in_fit_only(data, randomize):
    X, y, group = data
    model = ThresholdOptimizer(
        LogisticRegression(), group_aware=False, tolerance=0.03, randomize=randomize
    )
    model.fit(X, y, sensitive_features=group)
    y_pred = model.predict(X)
    np.testing.assert_array_equal(y_pred, model.predict(X, sensitive_features=group))
    counts = group_counts(group, y, y_pred, n_groups=2, n_classes=2)
    assert DEFINITIONS["demographic_parity"].disparity(counts) < 0.05
    assert set(np.unique(model.predict_proba(X))) == {0.0, 1.0} or randomize
    aware = ThresholdOptimizer(LogisticRegression(), tolerance=0.03)
    aware.fit(X, y, sensitive_features=group)
    assert model.objective_value_ > aware.objective_value_ - 0.02


def test_groups_that_x_does_not_tell_warn(rng):
    X, y, group = make_biased_classification(
        2000, proxy_strength=0.0, base_rate_gap=0.0, random_state=0
    )
    # The labels of one group are noise, which X does not show. The bounds keep the
    # rule from deciding at random for everybody.
    y = np.where(group == 1, rng.integers(0, 2, len(y)), y)
    model = ThresholdOptimizer(
        LogisticRegression(),
        fairness="equal_opportunity",
        bounds={
            "true_positive_rate": (0.5, None),
            "false_positive_rate": (None, 0.3),
        },
        group_aware=False,
        tolerance=0.01,
    )
    with pytest.warns(UserWarning, match="cannot be told from X well enough"):
        model.fit(X, y, sensitive_features=group)


@pytest.mark.parametrize("reference", ["groups", "overall"])
def test_ceilings_hold_without_any_definition_and_next_to_one(data, reference):
    X, y, group = data
    bounds = {"false_positive_rate": (None, 0.15)}
    free = ThresholdOptimizer(
        LogisticRegression(), fairness=None, group_aware=False, randomize=False
    )
    free.fit(X, y, sensitive_features=group)
    plain = LogisticRegression().fit(X, y)
    np.testing.assert_array_equal(free.predict(X), plain.predict(X))
    for fairness in (None, "demographic_parity"):
        model = ThresholdOptimizer(
            LogisticRegression(),
            fairness=fairness,
            tolerance=0.05,
            reference=reference,
            bounds=bounds,
            group_aware=False,
        ).fit(X, y, sensitive_features=group)
        assert model.rates_["false_positive_rate"].max() <= 0.15 + 2e-3
        if fairness is not None:
            selected = model.rates_["selection_rate"]
            everybody = model.counts_[:, :, 1].sum() / model.counts_.sum()
            gap = np.ptp(selected)
            if reference == "overall":
                gap = np.abs(selected - everybody).max()
            assert gap <= 0.05 + 2e-3


def test_groups_are_requested_in_fit_only(data):
    X, y, group = data
    with sklearn.config_context(enable_metadata_routing=True):
        base = LogisticRegression().set_fit_request(sample_weight=True)
        model = ThresholdOptimizer(base, group_aware=False, random_state=0)
        model.set_fit_request(sample_weight=True)
        routing = model.get_metadata_routing()
        asked = ["sensitive_features"]
        assert routing.consumes("fit", asked) == {"sensitive_features"}
        assert routing.consumes("predict", asked) == set()
        assert routing.consumes("predict_proba", asked) == set()
        weight = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
        model.fit(X, y, sensitive_features=group, sample_weight=weight)
        routed = model.predict_proba(X)
    plain = clone(model).fit(X, y, sensitive_features=group, sample_weight=weight)
    np.testing.assert_array_equal(routed, plain.predict_proba(X))
    # The model of the group learns from the weights, too.
    cells = 2 * group + y
    expected = LogisticRegression().fit(X, cells, weight).coef_
    np.testing.assert_allclose(plain.group_estimator_.coef_, expected)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"objective": "f1"}, "objective that is linear"),
        ({"response_method": "decision_function"}, "needs probabilities"),
    ],
)
def test_what_needs_the_group_raises(data, params, message):
    X, y, group = data
    model = ThresholdOptimizer(LogisticRegression(), group_aware=False, **params)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, sensitive_features=group)
