import numpy as np
import pytest
from scipy.stats import binom
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from fairsk.datasets import make_biased_classification
from fairsk.definitions import DEFINITIONS, RATES
from fairsk.postprocessing import ThresholdOptimizer
from fairsk.postprocessing._certificate import (
    CertificateError,
    certify,
    disparity_p_value,
    pair_p_value,
)
from fairsk.postprocessing._programme import InfeasibleError, Limit


def _limit(tolerance, disparity="difference"):
    return Limit("x", RATES["selection_rate"], tolerance, disparity)


def _counts(hits, sizes):
    hits, sizes = np.asarray(hits, float), np.asarray(sizes, float)
    counts = np.zeros((len(hits), 2, 2))
    counts[:, 0, 1], counts[:, 0, 0] = hits, sizes - hits
    return counts


@pytest.mark.parametrize("disparity", ["difference", "ratio"])
@pytest.mark.parametrize(("n_a", "n_b"), [(20, 30), (40, 12)])
def test_error_of_the_test_is_at_most_its_level_at_every_boundary(n_a, n_b, disparity):
    limit = _limit(0.1, disparity)
    a, b = np.arange(n_a + 1), np.arange(n_b + 1)
    p_values = np.array([[pair_p_value(x, n_a, y, n_b, limit) for y in b] for x in a])
    for rate_b in np.linspace(0.01, 0.89, 12):
        rate_a = limit.highest(rate_b)
        chance = np.outer(binom.pmf(a, n_a, rate_a), binom.pmf(b, n_b, rate_b))
        for level in (0.05, 0.2):
            assert chance[p_values <= level].sum() <= level


def test_p_value_of_several_groups_is_that_of_the_worst_pair():
    limit = _limit(0.1)
    counts = _counts([300, 330, 345], [1000, 1000, 1000])
    pairs = [
        pair_p_value(a, 1000, b, 1000, limit)
        for a in (300, 330, 345)
        for b in (300, 330, 345)
        if a != b
    ]
    assert disparity_p_value(counts, [limit]) == max(pairs)
    assert disparity_p_value(_counts([3, 0], [9, 0]), [limit]) == 1.0


def test_boldest_candidate_before_the_first_failure_is_taken():
    limit = _limit(0.1)
    gaps = {0.0: 0, 0.5: 40, 0.8: 300, 1.0: 0}
    candidates = [(share, share) for share in gaps]
    rule, certificate = certify(
        candidates,
        lambda share: _counts([300, 300 + gaps[share]], [1000, 1000]),
        [limit],
        0.95,
    )
    assert rule == certificate.solved_tolerance == 0.5
    assert certificate.p_value <= 0.05
    assert certificate.n_test == 2000


def test_true_disparity_is_within_tolerance_as_often_as_promised():
    # A population whose rates are known: the score is uniform, and its groups differ.
    limit, confidence, rng = _limit(0.05), 0.8, np.random.default_rng(0)
    gaps = np.linspace(0, 0.08, 5)  # true disparity of each candidate
    violations = 0
    for _ in range(60):

        def count(k):
            hits = [rng.binomial(800, 0.3), rng.binomial(900, 0.3 + gaps[k])]
            return _counts(hits, [800, 900])

        try:
            taken, _ = certify([(k, k) for k in range(5)], count, [limit], confidence)
        except CertificateError:
            continue
        violations += gaps[taken] > 0.05
    assert violations <= 60 * 0.2 + 3 * np.sqrt(60 * 0.2 * 0.8)


@pytest.fixture(scope="module")
def population():
    return make_biased_classification(30_000, random_state=1)


@pytest.mark.parametrize("cv", ["prefit", 0.5])
@pytest.mark.parametrize("fairness", ["demographic_parity", "equalized_odds"])
def test_certified_disparity_holds_on_the_population(population, cv, fairness):
    X, y, group = population
    rows = slice(0, 6_000)
    base = LogisticRegression()
    if cv == "prefit":
        base.fit(X[-2000:], y[-2000:])
    model = ThresholdOptimizer(
        base, fairness=fairness, tolerance=0.12, cv=cv, confidence=0.95, random_state=0
    )
    model.fit(X[rows], y[rows], sensitive_features=group[rows])
    certificate = model.certificate_
    assert certificate.n_test == pytest.approx(3000, abs=4)
    assert 0 <= certificate.solved_tolerance <= 1
    assert "within 0.12" in certificate.statement
    y_pred = model.predict(X[6_000:], sensitive_features=group[6_000:])
    counts = np.zeros((2, 2, 2))
    np.add.at(counts, (group[6_000:], y[6_000:], y_pred), 1)
    assert DEFINITIONS[fairness].disparity(counts) <= 0.12


def test_candidates_that_are_infeasible_are_passed_over(population):
    X, y, group = (part[:6_000] for part in population)
    model = ThresholdOptimizer(
        LogisticRegression(),
        bounds={"true_positive_rate": (0.8, None), "false_positive_rate": (None, 0.22)},
        cv=0.5,
        confidence=0.95,
        tolerance=0.2,
        random_state=0,
    ).fit(X, y, sensitive_features=group)
    assert model.certificate_.solved_tolerance > 0
    exact = clone(model).set_params(tolerance=0.0, confidence=None)
    with pytest.raises(InfeasibleError):
        exact.fit(X, y, sensitive_features=group)


def test_too_few_rows_raise_and_say_how_many_would_do(population):
    X, y, group = population
    model = ThresholdOptimizer(
        LogisticRegression(), tolerance=0.05, cv=0.5, confidence=0.95, random_state=0
    )
    with pytest.raises(CertificateError, match="would do") as error:
        model.fit(X[:600], y[:600], sensitive_features=group[:600])
    asked = int(str(error.value).split("about ")[1].split(" would")[0])
    assert asked > 600
    enough = slice(0, 2 * asked)
    model.fit(X[enough], y[enough], sensitive_features=group[enough])
    assert model.certificate_.n_test == pytest.approx(asked, abs=4)


@pytest.mark.parametrize(
    ("params", "weight", "message"),
    [
        ({"cv": 5}, None, "rows that the thresholds do not see"),
        ({"cv": 0.5}, 1.0, "unweighted rows"),
        ({"cv": 0.5, "group_aware": False}, None, "group-aware"),
        ({"cv": 0.5, "fairness": None}, None, "proportions"),
    ],
)
def test_certificate_that_cannot_be_given_raises(population, params, weight, message):
    X, y, group = (part[:2000] for part in population)
    weight = None if weight is None else np.full(len(y), weight)
    model = ThresholdOptimizer(LogisticRegression(), confidence=0.9, **params)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, sensitive_features=group, sample_weight=weight)
