"""Data that are hard to mend, and what every estimator says of them.

The estimators are discovered in the folders that mend data.
"""

import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_regressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.utils.metadata_routing import get_routing_for_object

from fairsk.datasets import make_biased_classification
from fairsk.definitions import UndefinedRateWarning
from fairsk.preprocessing import ConceptEraser, CorrelationRemover, MeanProjection
from fairsk.utils._cells import EmptyCellWarning
from tests.common.instances import fresh_instances


def of_folder(folder, **params):
    return [
        pytest.param(estimator, id=type(estimator).__name__)
        for estimator in fresh_instances(group_aware=True, **params)
        if type(estimator).__module__.startswith(f"fairsk.{folder}.")
    ]


SAMPLERS = of_folder("resampling")
REDUCTIONS = [p for p in of_folder("reductions") if hasattr(p.values[0], "estimator")]
TRANSFORMERS = [
    *of_folder("preprocessing"),
    *(p for p in of_folder("inprocessing") if hasattr(p.values[0], "fit_transform")),
]
# They balance no cells: Massaging makes the labels that a group lacks.
BALANCE_NOTHING = ("CounterfactualAugmenter", "Massaging")


@pytest.fixture
def biased():
    X, y, group = make_biased_classification(300, random_state=0)
    return X[:, :4], np.array(["no", "yes"])[y], np.array(["f", "m"])[group]


def leave(n_left, X, y, group):
    """All rows but those with label "yes" in group "m", of which few stay."""
    of_cell = np.flatnonzero((y == "yes") & (group == "m"))
    rows = np.setdiff1d(np.arange(len(y)), of_cell[n_left:])
    return X[rows], y[rows], group[rows]


@pytest.mark.parametrize(
    "sampler", [p for p in SAMPLERS if p.id not in BALANCE_NOTHING]
)
def test_a_sampler_names_an_empty_cell(sampler, biased):
    X, y, group = leave(0, *biased)
    with pytest.warns(EmptyCellWarning, match="none of label 'yes' in group 'm'"):
        _, y_new = sampler.fit_resample(X, y, sensitive_features=group)
    assert ("m", "yes") not in sampler.sampling_strategy_
    assert set(y_new[group[sampler.group_indices_] == "m"]) == {"no"}


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_reduction_names_an_empty_cell(reduction, biased):
    X, y, group = leave(0, *biased)
    if is_regressor(reduction):  # it has no cells
        y = (y == "yes").astype(float)
        assert np.isfinite(
            reduction.fit(X, y, sensitive_features=group).predict(X)
        ).all()
        return
    kind, match = EmptyCellWarning, "none of label 'yes' in group 'm'"
    if "fairness" in reduction.get_params():
        reduction.set_params(fairness="equalized_odds", tolerance=0.2)
        kind, match = UndefinedRateWarning, "true_positive_rate of group 'm'"
    with pytest.warns(kind, match=match):
        reduction.fit(X, y, sensitive_features=group)
    assert set(reduction.predict(X)) <= {"no", "yes"}


@pytest.mark.parametrize("small_cells", ["raise", "duplicate"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_cell_with_one_row_is_copied_or_named(sampler, small_cells, biased):
    X, y, group = leave(1, *biased)
    can_copy = "small_cells" in sampler.get_params()
    if can_copy:
        sampler.set_params(small_cells=small_cells)
    if can_copy and small_cells == "raise":
        with pytest.raises(ValueError, match="label 'yes' in group 'm' has 1 "):
            sampler.fit_resample(X, y, sensitive_features=group)
        return
    X_new, _ = sampler.fit_resample(X, y, sensitive_features=group)
    assert np.isfinite(X_new).all()


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_cell_with_one_row_is_no_obstacle_to_a_reduction(reduction, biased):
    X, y, group = leave(1, *biased)
    if is_regressor(reduction):
        y = (y == "yes").astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a tolerance may be out of reach
        reduction.fit(X, y, sensitive_features=group)
    assert len(reduction.predict(X)) == len(X)


@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_a_constant_column_stays_finite_and_constant(transformer, biased):
    X, y, group = biased
    X = X.copy()
    X[:, 1] = 3.7
    transformer.fit(X, y, sensitive_features=group)
    needs_groups = get_routing_for_object(transformer).consumes(
        "transform", ["sensitive_features"]
    )
    out = transformer.transform(
        X, **({"sensitive_features": group} if needs_groups else {})
    )
    assert np.isfinite(out).all()
    if out.shape == X.shape:  # neither a code nor a selection
        np.testing.assert_allclose(out[:, 1], 3.7)


class Deaf(BaseEstimator):
    """Takes weights and learns without them."""

    def fit(self, X, y, sample_weight=None):
        self.model_ = self._model().fit(X, y)
        self.classes_ = getattr(self.model_, "classes_", None)
        return self

    def predict(self, X):
        return self.model_.predict(X)


class DeafClassifier(ClassifierMixin, Deaf):
    _model = LogisticRegression


class DeafRegressor(RegressorMixin, Deaf):
    _model = LinearRegression


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_an_estimator_that_ignores_its_weights_is_found_out(reduction, biased):
    X, y, group = biased
    deaf = DeafClassifier()
    if is_regressor(reduction):
        deaf, y = DeafRegressor(), (y == "yes").astype(float)
    reduction.set_params(estimator=deaf)
    with pytest.raises(ValueError, match=f"{type(deaf).__name__} predicts the same"):
        reduction.fit(X, y, sensitive_features=group)


@pytest.mark.parametrize(
    "reduction", [p for p in REDUCTIONS if not is_regressor(p.values[0])]
)
def test_an_estimator_that_weighs_its_classes_alike_heeds_weights(reduction, biased):
    X, y, group = biased
    reduction.set_params(estimator=LogisticRegression(class_weight="balanced"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a tolerance may be out of reach
        reduction.fit(X, y, sensitive_features=group)
    assert set(reduction.predict(X)) == {"no", "yes"}


@pytest.mark.parametrize(
    "transformer",
    [CorrelationRemover(), ConceptEraser(), MeanProjection()],
    ids=lambda transformer: type(transformer).__name__,
)
def test_collinear_sensitive_columns_change_nothing(transformer, biased, rng):
    X, _, group = biased
    age = rng.uniform(20, 60, size=len(X))
    plain = {"sex": group, "age": age}
    more = {**plain, "title": np.where(group == "f", "Ms", "Mr"), "months": 12 * age}
    np.testing.assert_allclose(
        transformer.fit_transform(X, sensitive_features=more),
        transformer.fit_transform(X, sensitive_features=plain),
        atol=1e-6,
    )
