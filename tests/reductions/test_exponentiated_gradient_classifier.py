import tracemalloc
import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from fairsk.datasets import make_biased_classification
from fairsk.definitions import DEFINITIONS, get_definition, group_counts
from fairsk.reductions import ExponentiatedGradientClassifier

LINEAR = [name for name, known in DEFINITIONS.items() if known.is_linear]
NOT_LINEAR = [name for name in DEFINITIONS if name not in LINEAR]


def discrete_problem(seed, n_groups=3, n_classes=2, n_values=6):
    """Rows of few distinct kinds, so that a tree can be any classifier."""
    rng = np.random.default_rng(seed)
    group = rng.integers(n_groups, size=300)
    kind = (rng.integers(n_values, size=300) + group) % n_values
    share = rng.dirichlet(np.ones(n_classes), size=(n_groups, n_values))
    y = np.array([rng.choice(n_classes, p=share[g, v]) for g, v in zip(group, kind)])
    weight = rng.integers(1, 4, size=300)
    return kind[:, None], y, group, weight


def best_error(kind, y, group, weight, definition, tolerance, n_classes):
    """The linear programme over all randomised classifiers of the kinds."""
    n_kinds, n_groups = kind.max() + 1, group.max() + 1
    mass = np.zeros((n_groups, n_kinds, n_classes))
    np.add.at(mass, (group, kind, y), weight)
    numerator, denominator = definition.class_tables(n_classes)
    total = np.einsum("ri,gki->rg", denominator[:, :, 0], mass)
    rates = np.einsum("rij,gki->rgkj", numerator, mass) / total[:, :, None, None]
    cost = np.einsum("ij,gki->kj", 1 - np.eye(n_classes), mass).ravel() / mass.sum()
    rows = [
        (of_rate[a] - of_rate[b]).ravel()
        for of_rate in rates
        for a in range(n_groups)
        for b in range(n_groups)
        if a != b
    ]
    one = np.kron(np.eye(n_kinds), np.ones(n_classes))
    result = linprog(cost, rows, [tolerance] * len(rows), one, np.ones(n_kinds))
    assert result.status == 0
    return result.fun


@pytest.mark.parametrize("fairness", LINEAR)
@pytest.mark.parametrize(("n_classes", "tolerance"), [(2, 0.0), (2, 0.1), (3, 0.1)])
@pytest.mark.parametrize("seed", range(3))
def test_the_error_is_that_of_the_best_randomised_classifier(
    fairness, n_classes, tolerance, seed
):
    X, y, group, weight = discrete_problem(seed, n_classes=n_classes)
    definition = get_definition(fairness)
    optimum = best_error(X[:, 0], y, group, weight, definition, tolerance, n_classes)
    model = ExponentiatedGradientClassifier(
        DecisionTreeClassifier(), fairness=fairness, tolerance=tolerance, max_iter=300
    ).fit(X, y, sensitive_features=group, sample_weight=weight)
    assert model.error_ == pytest.approx(optimum, abs=2e-3)
    assert model.error_ - model.duality_gap_ <= optimum + 1e-6
    assert max(model.disparity_.values()) <= tolerance + 1e-6


@pytest.mark.parametrize("fairness", LINEAR)
def test_the_tolerance_holds_for_the_probabilities_of_the_mixture(fairness):
    X, y, group = make_biased_classification(600, n_groups=4, random_state=1)
    labels = np.array(["no", "yes"])[y]
    model = ExponentiatedGradientClassifier(
        LogisticRegression(), fairness=fairness, tolerance=0.03
    ).fit(X, labels, sensitive_features=group)
    counts = group_counts(group, y, model.predict_proba(X), n_groups=4, n_classes=2)
    assert get_definition(fairness).disparity(counts) <= 0.03 + 1e-6
    assert model.classes_.tolist() == ["no", "yes"]


def test_predictions_repeat_and_belong_to_the_row():
    X, y, group = make_biased_classification(3000, random_state=0)
    model = ExponentiatedGradientClassifier(
        LogisticRegression(), random_state=0, tolerance=0.0
    ).fit(X, y, sensitive_features=group)
    y_pred = model.predict(X)
    rows = np.random.default_rng(0).permutation(len(X))[:500]
    np.testing.assert_array_equal(model.predict(X), y_pred)
    np.testing.assert_array_equal(model.predict(X[rows]), y_pred[rows])
    np.testing.assert_array_equal(model.predict(sparse.csr_array(X)), y_pred)
    mixed = model.predict_proba(X)[:, 1]
    assert y_pred.mean() == pytest.approx(mixed.mean(), abs=0.02)
    sure = (mixed < 1e-9) | (mixed > 1 - 1e-9)
    np.testing.assert_array_equal(y_pred[sure], mixed[sure] > 0.5)


def test_without_randomize_the_most_probable_class_is_predicted():
    X, y, group = make_biased_classification(500, random_state=0)
    model = ExponentiatedGradientClassifier(LogisticRegression(), randomize=False)
    model.fit(X, y, sensitive_features=group)
    expected = model.predict_proba(X).argmax(axis=1)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_half_the_bound_of_fairlearn_is_the_same_constraint():
    # fairlearn bounds the distance to the overall rate; with two groups of equal size
    # that is half the difference between the groups.
    X, y, group = make_biased_classification(2000, base_rate_gap=0.5, random_state=0)
    keep = np.concatenate([np.flatnonzero(group == g)[:900] for g in (0, 1)])
    X, y, group = X[keep], y[keep], group[keep]
    fairlearn = pytest.importorskip("fairlearn.reductions")
    constraint = fairlearn.DemographicParity(difference_bound=0.05)
    peer = fairlearn.ExponentiatedGradient(GaussianNB(), constraint, eps=1e-3, nu=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer.fit(X, y, sensitive_features=group)
        theirs = peer._pmf_predict(X)[:, 1]
    model = ExponentiatedGradientClassifier(GaussianNB(), tolerance=0.1)
    model.fit(X, y, sensitive_features=group)
    error = np.mean(np.where(y == 1, 1 - theirs, theirs))
    assert model.disparity_["selection_rate"] <= 0.1 + 1e-9
    assert model.error_ <= error + 2e-3


def test_a_tolerance_by_rate_is_kept_by_each():
    X, y, group, _ = discrete_problem(0)
    tolerance = {"true_positive_rate": 0.02, "false_positive_rate": 0.2}
    model = ExponentiatedGradientClassifier(
        DecisionTreeClassifier(), fairness="equalized_odds", tolerance=tolerance
    ).fit(X, y, sensitive_features=group)
    for rate, gap in model.disparity_.items():
        assert gap <= tolerance[rate] + 1e-6


def test_a_loose_tolerance_gives_the_plain_classifier():
    X, y, group = make_biased_classification(random_state=0)
    model = ExponentiatedGradientClassifier(LogisticRegression(), tolerance=1.0)
    model.fit(X, y, sensitive_features=group)
    plain = LogisticRegression().fit(X, y)
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    assert model.n_iter_ == 1


def test_warm_starts_change_the_cost_and_not_the_answer():
    X, y, group = make_biased_classification(random_state=0)

    class ColdLogisticRegression(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            self.__dict__.pop("coef_", None)
            return super().fit(X, y, sample_weight)

    warm, cold = (
        ExponentiatedGradientClassifier(estimator(tol=1e-8)).fit(
            X, y, sensitive_features=group
        )
        for estimator in (LogisticRegression, ColdLogisticRegression)
    )
    assert warm.error_ == pytest.approx(cold.error_, abs=1e-6)


def test_an_ensemble_is_not_started_warm():
    X, y, group = make_biased_classification(300, random_state=0)
    forest = RandomForestClassifier(5, max_depth=3, random_state=0)
    model = ExponentiatedGradientClassifier(forest, tolerance=0.02)
    model.fit(X, y, sensitive_features=group)
    assert max(model.disparity_.values()) <= 0.02 + 1e-6
    assert not model.estimators_[0].warm_start


def test_the_last_step_of_a_pipeline_gets_the_weights():
    X, y, group = make_biased_classification(random_state=0)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    model = ExponentiatedGradientClassifier(pipeline).fit(
        X, y, sensitive_features=group
    )
    assert model.disparity_["selection_rate"] <= 0.01 + 1e-6
    assert not pipeline[-1].warm_start


def test_a_learner_without_weights_learns_from_drawn_rows_if_asked():
    X, y, group = make_biased_classification(random_state=0)
    learner = KNeighborsClassifier(25)
    with pytest.raises(ValueError, match="resample=True"):
        ExponentiatedGradientClassifier(learner).fit(X, y, sensitive_features=group)
    model = ExponentiatedGradientClassifier(
        learner, resample=True, tolerance=0.02, random_state=0
    ).fit(X, y, sensitive_features=group)
    assert model.disparity_["selection_rate"] <= 0.02 + 1e-6


class DeafClassifier(ClassifierMixin, BaseEstimator):
    def fit(self, X, y, sample_weight=None):
        self.model_ = LogisticRegression().fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)


def test_a_learner_that_ignores_its_weights_is_found_out():
    X, y, group = make_biased_classification(random_state=0)
    with pytest.raises(ValueError, match="DeafClassifier predicts the same"):
        ExponentiatedGradientClassifier(DeafClassifier()).fit(
            X, y, sensitive_features=group
        )


@pytest.mark.parametrize("fairness", NOT_LINEAR)
def test_a_definition_that_is_not_linear_raises_and_lists_those_that_are(fairness):
    X, y, group = make_biased_classification(random_state=0)
    with pytest.raises(ValueError, match="linear in the predictions") as error:
        ExponentiatedGradientClassifier(LogisticRegression(), fairness=fairness).fit(
            X, y, sensitive_features=group
        )
    assert all(name in str(error.value) for name in LINEAR)


def test_bad_input_raises():
    X, y, group = make_biased_classification(random_state=0)
    for parameters, match in [
        ({"pos_label": 7}, r"one of the labels \[0, 1\]. Got 7"),
        ({"tolerance": {}}, "of each rate"),
        ({"fairness": "equalised"}, "Did you mean"),
    ]:
        with pytest.raises(ValueError, match=match):
            ExponentiatedGradientClassifier(LogisticRegression(), **parameters).fit(
                X, y, sensitive_features=group
            )


def test_too_few_fits_warn_with_the_gap():
    X, y, group = make_biased_classification(n_groups=4, random_state=0)
    model = ExponentiatedGradientClassifier(
        LogisticRegression(), fairness="equalized_odds", max_iter=3
    )
    with pytest.warns(ConvergenceWarning, match="Raise"):
        model.fit(X, y, sensitive_features=group)
    assert model.n_iter_ == 3


def test_fit_leaves_the_parameters_alone():
    X, y, group = make_biased_classification(random_state=0)
    inner = LogisticRegression()
    model = ExponentiatedGradientClassifier(inner)
    before = model.get_params()
    model.fit(X, y, sensitive_features=group)
    assert model.get_params() == before
    assert not hasattr(inner, "coef_")


def test_memory_does_not_grow_with_the_number_of_constraints():
    def peak(n_groups):
        X, y, group = make_biased_classification(
            20_000, n_groups=n_groups, n_features=2, n_informative=1, random_state=0
        )
        model = ExponentiatedGradientClassifier(
            GaussianNB(), fairness="equalized_odds", tolerance=0.05, max_iter=5
        )
        tracemalloc.start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # five fits are few
            model.fit(X, y, sensitive_features=group)
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return memory

    few, many = peak(2), peak(20)
    n_constraints = 2 * 2 * 20
    assert many < 1.2 * few
    assert many < 0.25 * 20_000 * n_constraints * 8
