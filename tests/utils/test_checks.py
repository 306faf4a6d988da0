"""Sound toy estimators pass every check, and each check fails on one that is broken."""

import warnings

import numpy as np
import pandas as pd
import pytest
from imblearn.base import BaseSampler
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
    TransformerMixin,
    clone,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.utils.validation import validate_data

from fairsk.base import GroupAwareMixin
from fairsk.groups import Groups
from fairsk.utils import checks
from fairsk.utils.checks import check_fair_estimator, parametrize_with_fair_checks


class Reweigher(GroupAwareMixin, ClassifierMixin, BaseEstimator):
    """Weighs the samples such that label and group are independent."""

    def __init__(self, estimator=None, group_by=None, random_state=None):
        self.estimator = estimator
        self.group_by = group_by
        self.random_state = random_state

    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        X_raw = X
        X, y = validate_data(self, X, y)
        groups = self._check_groups(X_raw, sensitive_features)
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        self.classes_, y_codes = np.unique(y, return_inverse=True)
        self.estimator_ = clone(self.estimator)
        self.estimator_.fit(X, y, weight * self.balance(groups, y_codes, weight))
        return self

    def balance(self, groups, y_codes, weight):
        table = np.zeros((groups.n_groups, 2))
        np.add.at(table, (groups.codes, y_codes), weight)
        fair = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
        ratio = np.divide(fair, table, out=np.ones_like(table), where=table > 0)
        return ratio[groups.codes, y_codes]

    def predict(self, X):
        return self.estimator_.predict(validate_data(self, X, reset=False))

    def predict_proba(self, X):
        return self.estimator_.predict_proba(validate_data(self, X, reset=False))


class Centerer(GroupAwareMixin, BaseEstimator):
    """Takes the mean of its group off a row, which needs the group at prediction."""

    def __init__(self, group_by=None):
        self.group_by = group_by

    def fit(self, X, y=None, *, sensitive_features=None):
        X_raw = X
        X = validate_data(self, X)
        groups = self._check_groups(X_raw, sensitive_features)
        codes = range(groups.n_groups)
        means = [X[groups.codes == code].mean(axis=0) for code in codes]
        self.means_ = np.array(means) - X.mean(axis=0)
        return self

    def center(self, X, sensitive_features):
        groups = self._check_groups(X, sensitive_features, reset=False)
        return validate_data(self, X, reset=False) - self.means_[groups.codes]


class CenteringTransformer(TransformerMixin, Centerer):
    __metadata_request__transform = {"sensitive_features": True}

    def transform(self, X, *, sensitive_features=None):
        return self.center(X, sensitive_features)


class CenteringRegressor(RegressorMixin, Centerer):
    __metadata_request__predict = {"sensitive_features": True}

    def __init__(self, estimator=None, group_by=None):
        self.estimator = estimator
        self.group_by = group_by

    def fit(self, X, y, *, sensitive_features=None):
        super().fit(X, sensitive_features=sensitive_features)
        X, y = validate_data(self, X, y)
        self.estimator_ = clone(self.estimator).fit(X, y)
        return self

    def predict(self, X, *, sensitive_features=None):
        return self.estimator_.predict(self.center(X, sensitive_features))


class CellRepeater(GroupAwareMixin, BaseSampler):
    """Repeats rows until all cells of label and group are of one size."""

    __metadata_request__fit_resample = {"sensitive_features": True}
    _sampling_type = "bypass"
    _parameter_constraints: dict = {"group_by": "no_validation"}

    def __init__(self, group_by=None):
        super().__init__()
        self.group_by = group_by

    def fit_resample(self, X, y, *, sensitive_features=None):
        self._sensitive_features, self._X = sensitive_features, X
        return super().fit_resample(X, y)

    def _fit_resample(self, X, y):
        groups = self._check_groups(self._X, self._sensitive_features)
        del self._X, self._sensitive_features
        cells = list(zip(groups.codes.tolist(), y.tolist()))
        rows_of = {cell: [] for cell in cells}
        for row, cell in enumerate(cells):
            rows_of[cell].append(row)
        largest = max(map(len, rows_of.values()))
        rows = np.concatenate([np.resize(rows, largest) for rows in rows_of.values()])
        self.sample_indices_ = rows
        return X[rows], y[rows]


SOUND = [
    Reweigher(LogisticRegression(tol=1e-8)),
    CenteringTransformer(),
    CenteringRegressor(LinearRegression()),
    CellRepeater(),
]


@parametrize_with_fair_checks(SOUND)
def test_sound_estimators_pass_every_check(estimator, check):
    check(estimator)


def test_kinds_of_estimators_get_the_checks_that_apply():
    names = {
        type(estimator): {check.name for check in checks._checks_for(estimator)}
        for estimator in SOUND
    }
    assert "check_weight_is_repetition" in names[Reweigher]
    assert "check_weight_is_repetition" not in names[CellRepeater]
    assert "check_string_labels" not in names[CenteringRegressor]
    assert "check_bad_groups_at_predict_raise" in names[CenteringTransformer]
    assert "check_bad_groups_at_predict_raise" not in names[Reweigher]
    assert "check_permuted_rows" not in names[CellRepeater]


# One broken estimator or more for each check.


class FavoursFirstLabel(Reweigher):
    def balance(self, groups, y_codes, weight):
        return super().balance(groups, y_codes, weight) * (1 + (groups.codes == 0))


class OrdersByLabel(CellRepeater):
    def _fit_resample(self, X, y):
        codes = Groups.from_columns(self._sensitive_features).codes
        X, y = super()._fit_resample(X, y)
        order = np.argsort(codes[self.sample_indices_], kind="stable")
        self.sample_indices_ = self.sample_indices_[order]
        return X[order], y[order]


class SilentOnOneGroup(Reweigher):
    def _warn_single_group(self, groups):
        pass


class AlwaysShrinks(Reweigher):
    def __init__(self, fairness_weight=1.0, group_by=None):
        self.fairness_weight = fairness_weight
        self.group_by = group_by

    @property
    def estimator(self):
        return LogisticRegression(C=1 / (1 + 100 * self.fairness_weight))


class ChangesPlainModel(Reweigher):
    def balance(self, groups, y_codes, weight):
        return super().balance(groups, y_codes, weight) * (1 + 5 * y_codes)


class ReadsOtherColumn(Reweigher):
    def _read_groups(self, X, sensitive_features):
        if sensitive_features is None:
            sensitive_features = np.asarray(X)[:, 0] > 0
        return super()._read_groups(X, sensitive_features)


class PrefersGroupBy(Reweigher):
    def _read_groups(self, X, sensitive_features):
        if self.group_by is not None:
            sensitive_features = None
        return super()._read_groups(X, sensitive_features)


class IgnoresWeights(Reweigher):
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        return super().fit(X, y, sensitive_features=sensitive_features)


class DrawsByPosition(Reweigher):
    def predict_proba(self, X):
        noise = np.random.default_rng(0).random(len(X))
        return super().predict_proba(X) * noise[:, None]


class InventsGroups(Reweigher):
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        if sensitive_features is None and self.group_by is None:
            sensitive_features = np.arange(len(X)) % 2
        return super().fit(
            X, y, sensitive_features=sensitive_features, sample_weight=sample_weight
        )


class FillsMissing(Reweigher):
    def _read_groups(self, X, sensitive_features):
        filled = pd.Series(sensitive_features).fillna("missing")
        return super()._read_groups(X, filled)


class CutsGroups(Reweigher):
    def _read_groups(self, X, sensitive_features):
        return super()._read_groups(X, np.resize(sensitive_features, len(X)))


class GuessesUnseen(CenteringTransformer):
    def _check_groups(self, X, sensitive_features=None, **options):
        if not options.get("reset", True):
            options["unseen"] = "code"
        return super()._check_groups(X, sensitive_features, **options)


class NeedsNoGroupsAtTransform(CenteringTransformer):
    def transform(self, X, *, sensitive_features=None):
        if sensitive_features is None:
            return validate_data(self, X, reset=False)
        return super().transform(X, sensitive_features=sensitive_features)


class DoesNothing(Reweigher):
    def balance(self, groups, y_codes, weight):
        return np.ones(len(weight))


class TransformsNothing(CenteringTransformer):
    def center(self, X, sensitive_features):
        self._check_groups(X, sensitive_features, reset=False)
        return validate_data(self, X, reset=False)


class CentersNothing(CenteringRegressor):
    center = TransformsNothing.center


class RepeatsNothing(CellRepeater):
    def _fit_resample(self, X, y):
        super()._fit_resample(X, y)
        self.sample_indices_ = np.arange(len(y))
        return X, y


class FitsItsParameter(Reweigher):
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        super().fit(
            X, y, sensitive_features=sensitive_features, sample_weight=sample_weight
        )
        self.estimator.fit(np.asarray(X), np.asarray(y))
        return self


class SetsItsParameter(Reweigher):
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        super().fit(
            X, y, sensitive_features=sensitive_features, sample_weight=sample_weight
        )
        self.random_state = 7
        return self


class CannotPickle(Reweigher):
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        self.rule_ = lambda: None
        return super().fit(
            X, y, sensitive_features=sensitive_features, sample_weight=sample_weight
        )


class LearnsOnPickling(Reweigher):
    def __setstate__(self, state):
        super().__setstate__(state)
        self.estimator_.coef_ = self.estimator_.coef_ * 1.1


class UsesGlobalState(Reweigher):
    def balance(self, groups, y_codes, weight):
        noise = np.random.rand(len(weight))  # noqa: NPY002
        return super().balance(groups, y_codes, weight) * noise


class NeedsNumbers(Reweigher):
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        y = np.asarray(y).astype(float)
        return super().fit(
            X, y, sensitive_features=sensitive_features, sample_weight=sample_weight
        )


class PredictsCodes(Reweigher):
    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


class TwoGroupsOnly(Reweigher):
    def balance(self, groups, y_codes, weight):
        if groups.n_groups > 2:
            raise ValueError("more than two groups")
        return super().balance(groups, y_codes, weight)


class FirstColumnOnly(Reweigher):
    def _read_groups(self, X, sensitive_features):
        if getattr(sensitive_features, "ndim", 1) == 2:
            sensitive_features = np.asarray(sensitive_features)[:, 0]
        return super()._read_groups(X, sensitive_features)


class AlignsIndex(Reweigher):
    def _read_groups(self, X, sensitive_features):
        if isinstance(sensitive_features, pd.Series):
            sensitive_features = sensitive_features.reindex(X.index)
        return super()._read_groups(X, sensitive_features)


BROKEN = [
    ("check_relabelled_groups", FavoursFirstLabel),
    ("check_relabelled_groups", OrdersByLabel),
    ("check_single_group_warns", SilentOnOneGroup),
    ("check_single_group_has_no_penalty", AlwaysShrinks),
    ("check_single_group_is_plain_estimator", ChangesPlainModel),
    ("check_both_ways_to_pass_groups", ReadsOtherColumn),
    ("check_both_ways_to_pass_groups", PrefersGroupBy),
    ("check_weight_is_repetition", IgnoresWeights),
    ("check_permuted_rows", DrawsByPosition),
    ("check_no_groups_raise", InventsGroups),
    ("check_missing_groups_raise", FillsMissing),
    ("check_group_length", CutsGroups),
    ("check_bad_groups_at_predict_raise", GuessesUnseen),
    ("check_bad_groups_at_predict_raise", NeedsNoGroupsAtTransform),
    ("check_disparity_falls", DoesNothing),
    ("check_disparity_falls", TransformsNothing),
    ("check_disparity_falls", CentersNothing),
    ("check_disparity_falls", RepeatsNothing),
    ("check_parameters_untouched", FitsItsParameter),
    ("check_parameters_untouched", SetsItsParameter),
    ("check_clone_and_pickle", CannotPickle),
    ("check_clone_and_pickle", LearnsOnPickling),
    ("check_same_random_state", UsesGlobalState),
    ("check_string_labels", NeedsNumbers),
    ("check_string_labels", PredictsCodes),
    ("check_many_groups", TwoGroupsOnly),
    ("check_many_groups", FirstColumnOnly),
    ("check_containers_agree", AlignsIndex),
]


def construct(cls):
    estimator = cls()
    if "estimator" in estimator.get_params():
        regressor = issubclass(cls, RegressorMixin)
        estimator.set_params(
            estimator=LinearRegression() if regressor else LogisticRegression(tol=1e-8)
        )
    return estimator


@pytest.mark.parametrize(("name", "cls"), BROKEN)
def test_each_check_fails_on_an_estimator_that_breaks_its_promise(name, cls):
    estimator = construct(cls)
    (check,) = [c for c in checks._checks_for(estimator) if c.name == name]
    with pytest.raises(
        AssertionError, match=f"^{name} fails for {cls.__name__}, which promises: "
    ):
        check(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(AssertionError, match=r"^check_\w+ fails"):
            check_fair_estimator(estimator)


def test_every_check_has_an_estimator_that_breaks_it():
    assert {name for name, _ in BROKEN} == {check.name for check in checks.CHECKS}
