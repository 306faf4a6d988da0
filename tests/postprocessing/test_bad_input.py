"""What every post-processor says of bad input. The post-processors are found."""

import inspect

import numpy as np
import pytest
from sklearn.base import RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression

from fairsk import postprocessing
from fairsk.datasets import make_biased_classification
from fairsk.definitions import DEFINITIONS, UndefinedRateWarning
from fairsk.postprocessing import RejectOptionClassifier, ThresholdOptimizer
from fairsk.postprocessing._base import BaseScorePostprocessor

POSTPROCESSORS = [
    cls
    for _, cls in inspect.getmembers(postprocessing, inspect.isclass)
    if issubclass(cls, BaseScorePostprocessor)
]
every_postprocessor = pytest.mark.parametrize("cls", POSTPROCESSORS)


class Changed(LogisticRegression):
    """Probabilities times a factor."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def predict_proba(self, X):
        return self.factor * super().predict_proba(X)


class ChangedRegression(LinearRegression):
    """Predictions times a factor."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def predict(self, X):
        return self.factor * super().predict(X)


def make(cls, factor=1.0, **params):
    is_regressor = issubclass(cls, RegressorMixin)
    return cls((ChangedRegression if is_regressor else Changed)(factor), **params)


@pytest.fixture(scope="module", name="data")
def fixture_data():
    return make_biased_classification(600, n_groups=3, random_state=0)


@every_postprocessor
@pytest.mark.parametrize("factor", [2.0, np.nan])
def test_scores_outside_their_range_raise(cls, factor, data):
    X, y, group = data
    if issubclass(cls, RegressorMixin) and factor == 2.0:
        return  # any finite number will do
    message = r"needs (probabilities in \[0, 1\]|finite predictions)\. Got "
    model = make(cls, factor)
    if "cv" not in inspect.signature(cls).parameters:  # no score is read in `fit`
        model.fit(X, y, sensitive_features=group)
    respond = model.predict if hasattr(model, "estimator_") else model.fit
    rows = (X,) if hasattr(model, "estimator_") else (X, y)
    with pytest.raises(ValueError, match=f"{cls.__name__} {message}"):
        respond(*rows, sensitive_features=group)


@every_postprocessor
def test_prefit_estimator_that_is_not_fitted_raises(cls, data):
    X, y, group = data
    has_cv = "cv" in inspect.signature(cls).parameters
    prefit = {"cv": "prefit"} if has_cv else {"prefit": True}
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        make(cls, **prefit).fit(X, y, sensitive_features=group)


@every_postprocessor
def test_bad_weights_raise(cls, data):
    X, y, group = data
    weight = np.where(group == 2, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"weight 0 alone in the group\(s\) \[2\]"):
        make(cls).fit(X, y, sensitive_features=group, sample_weight=weight)
    for bad, message in ((-weight, "Negative"), (weight[1:], "sample_weight")):
        with pytest.raises(ValueError, match=message):
            make(cls).fit(X, y, sensitive_features=group, sample_weight=bad)


@every_postprocessor
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_constant_scores_are_predicted_from(cls, data):
    X, y, group = data
    model = make(cls).fit(np.zeros_like(X), y, sensitive_features=group)
    y_pred = model.predict(np.zeros_like(X), sensitive_features=group)
    assert np.isfinite(y_pred).all()


@pytest.mark.parametrize("cls", [ThresholdOptimizer, RejectOptionClassifier])
def test_constant_scores_warn_where_they_should_rank(cls, data):
    X, y, group = data
    # The mean of everybody, whatever the row.
    base = LogisticRegression().fit(np.zeros_like(X), y)
    with pytest.warns(UserWarning, match="do not rank the samples"):
        cls(base, cv="prefit").fit(np.zeros_like(X), y, sensitive_features=group)


@pytest.mark.parametrize(
    "cls",
    [c for c in POSTPROCESSORS if "fairness" in inspect.signature(c).parameters],
)
def test_group_without_a_label_that_is_needed_is_named(cls, data):
    X, y, group = data
    y = np.where(group == 2, 0, y)
    model = make(cls, fairness="equal_opportunity")
    if cls is ThresholdOptimizer:  # it promises to hold the tolerance in every group
        with pytest.raises(ValueError, match=r"label\(s\) \[1\].*Got none in group 2"):
            model.fit(X, y, sensitive_features=group)
        return
    with pytest.warns(UndefinedRateWarning, match=r"true_positive_rate.*2"):
        model.fit(X, y, sensitive_features=group)


@pytest.mark.parametrize("allowed", [-0.1, 1.5, np.nan])
def test_tolerance_of_a_definition_outside_its_range_raises(allowed, data):
    X, y, group = data
    name = next(name for name, d in DEFINITIONS.items() if d.is_linear)
    model = make(ThresholdOptimizer, fairness={name: allowed})
    with pytest.raises(ValueError, match=rf"tolerance of '{name}' must be in \[0, 1\]"):
        model.fit(X, y, sensitive_features=group)


def test_labels_of_more_than_two_classes_are_named(data):
    X, _, group = data
    y = np.arange(len(X)) % 3
    with pytest.raises(ValueError, match=r"Got 3 class\(es\): \[0, 1, 2\]"):
        make(ThresholdOptimizer).fit(X, y, sensitive_features=group)


def test_infeasible_demands_name_the_pair_and_what_would_do(data):
    X, y, group = data
    bounds = {"true_positive_rate": (0.99, None), "false_positive_rate": (None, 0.01)}
    model = make(ThresholdOptimizer, bounds=bounds)
    pair = r"true_positive_rate in \[0\.99, 1\] and false_positive_rate in \[0, 0\.01\]"
    with pytest.raises(ValueError, match=f"{pair}. Loosen `bounds`"):
        model.fit(X, y, sensitive_features=group)
    # Floors that one group reaches only by a higher selection rate.
    floor = {"true_positive_rate": (0.97, None)}
    model = make(
        ThresholdOptimizer,
        fairness=["demographic_parity", "predictive_equality"],
        bounds={**floor, "false_positive_rate": (None, 0.6)},
        tolerance=0.0,
        random_state=0,
    )
    with pytest.raises(ValueError, match="No thresholds satisfy") as error:
        model.fit(X, y, sensitive_features=group)
    nearest = float(str(error.value).split("tolerance is ")[1].split(";")[0])
    model.set_params(tolerance=nearest).fit(X, y, sensitive_features=group)
    model.set_params(tolerance=nearest - 0.01)
    with pytest.raises(ValueError, match="No thresholds satisfy"):
        model.fit(X, y, sensitive_features=group)
