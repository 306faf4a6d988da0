"""Rows and metadata agree behind every sampler of imbalanced-learn and of ours.

The samplers are discovered; those that are not named here have their defaults.
"""

import warnings

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.over_sampling import SMOTE
from imblearn.utils.testing import all_estimators as all_of_imblearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression

from fairsk import resampling
from fairsk.pipeline import Pipeline
from fairsk.resampling import GroupSampler
from fairsk.utils.discovery import all_estimators

FEW = {"smote": SMOTE(k_neighbors=2, random_state=0)}
# Parameters of each instance, by the name of the class.
INSTANCES = {
    "ADASYN": [{"n_neighbors": 3}],
    "ClusterCentroids": [{}, {"voting": "hard"}],
    "InstanceHardnessThreshold": [{"estimator": LogisticRegression(), "cv": 3}],
    "KMeansSMOTE": [{"kmeans_estimator": 1, "cluster_balance_threshold": 0.0}],
    "NearMiss": [{"version": 1}, {"version": 2}, {"version": 3}],
    "RandomOverSampler": [{}, {"shrinkage": 0.1}],
    "RandomUnderSampler": [{}, {"replacement": True}],
    "SMOTE": [{"k_neighbors": 2}],
    "SMOTEENN": [FEW],
    "SMOTENC": [{"categorical_features": [2]}],
    "SMOTETomek": [FEW],
    # Ours
    "CounterfactualAugmenter": [{}, {"group_by": [3, 4, 5]}],
    "FairSMOTE": [
        {"small_cells": "duplicate"},
        {"small_cells": "duplicate", "situation_testing": True},
    ],
    "GroupMixup": [{}, {"within_label": False}],
    "GroupOverSampler": [{}, {"sampling_strategy": "equal_cells"}],
    "GroupSampler": [{"small_cells": "duplicate"}],
}


# A failing seed needs no smaller one.
FEW_EXAMPLES = settings(max_examples=3, phases=[Phase.reuse, Phase.generate])


def instances(classes):
    for name, cls in classes:
        for given_params in INSTANCES.get(name, [{}]):
            sampler = cls(**given_params)
            if "random_state" in sampler.get_params():
                sampler.set_params(random_state=0)
            yield sampler


# imbalanced-learn finds what is imported into its modules, too.
THEIRS = list(instances(all_of_imblearn("sampler")))
# Those of texts make texts.
OURS = list(
    instances(
        (name, cls)
        for name, cls in all_estimators("sampler")
        if cls.__module__.startswith("fairsk.resampling.")
    )
)
WITHIN_STRATA = [
    GroupSampler(clone(sampler), small_cells="duplicate", random_state=0)
    for sampler in THEIRS
]


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what it is fitted to."""

    __metadata_request__fit = {"sensitive_features": True, "sample_weight": True}

    def fit(self, X, y, sensitive_features=None, sample_weight=None):
        self.X_, self.y_, self.classes_ = X, y, np.unique(y)
        self.groups_, self.weight_ = sensitive_features, sample_weight
        return self


def problem(seed):
    """Rows from which label and group can be read, in columns of little weight."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat([0, 1, 2], [60, 36, 24]))
    y = (rng.random(120) < 0.3 + 0.2 * (group == 1)).astype(int)
    X = rng.normal(size=(120, 2)) + 0.5 * y[:, None] + 0.3 * group[:, None]
    # 1/1024: sums and differences of equal values are exact.
    marks = np.column_stack([np.eye(3)[group], y]) / 1024
    X = np.column_stack([X, rng.integers(3, size=120), marks])
    return X, np.array(["no", "yes"])[y], np.array(list("abc"))[group]


def fit(sampler, X, y, **metadata):
    """The sampler in a pipeline, and the recorder behind it."""
    pipe = Pipeline([("sample", clone(sampler)), ("model", Recorder())])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pipe.fit(X, y, **metadata)
        except (ValueError, RuntimeError) as error:
            # Not every draw of the data can be resampled in every way.
            assume("Pipeline needs" in str(error))
            raise
    return pipe[0], pipe[1]


@pytest.mark.parametrize("sampler", THEIRS, ids=str)
@FEW_EXAMPLES
@given(seed=st.integers(0, 10_000))
def test_a_sampler_that_knows_no_groups_tells_its_rows_or_raises(sampler, seed):
    X, y, group = problem(seed)
    y = (y == "yes").astype(int)  # some of them take no other labels
    weight = np.arange(len(y)) / 7
    metadata = {"model__sensitive_features": group, "model__sample_weight": weight}
    fitted, final = fit(sampler, X, y)
    assert final.groups_ is None
    if not hasattr(fitted, "sample_indices_"):
        with pytest.raises(ValueError, match="does not tell `sample_indices_`"):
            fit(sampler, X, y, **metadata)
        return
    _, final = fit(sampler, X, y, **metadata)
    rows = np.rint(7 * final.weight_).astype(int)
    if not getattr(sampler, "shrinkage", None):  # which moves the rows it copies
        np.testing.assert_array_equal(final.X_, X[rows])
    np.testing.assert_array_equal(final.groups_, group[rows])
    np.testing.assert_array_equal(final.y_, y[rows])


@pytest.mark.parametrize("sampler", OURS + WITHIN_STRATA, ids=str)
@FEW_EXAMPLES
@given(seed=st.integers(0, 10_000))
def test_rows_groups_and_weights_agree_with_the_row_or_the_stratum(sampler, seed):
    X, y, group = problem(seed)
    weight = np.arange(len(y)) / 7
    groups = {"sample__sensitive_features": group, "model__sensitive_features": group}
    weights = {"sample__sensitive_features": group, "model__sample_weight": weight}
    fitted, final = fit(sampler, X, y, **groups)
    origin = fitted.sample_indices_
    taken = origin >= 0
    np.testing.assert_array_equal(final.X_[taken], X[origin[taken]])
    np.testing.assert_array_equal(final.groups_[taken], group[origin[taken]])
    flipped = np.isin(origin, getattr(fitted, "flipped_", []))
    label = np.where(2 * 1024 * final.X_[:, -1] > 1, "yes", "no")
    mixed = taken if getattr(sampler, "within_label", True) is False else slice(None)
    np.testing.assert_array_equal((final.y_ != label)[mixed], flipped[mixed])
    # Only the metadata say that a counterfactual row without marks is of a group.
    if getattr(sampler, "group_by", None) or not hasattr(sampler, "mapping"):
        read = np.array(list("abc"))[final.X_[:, 3:6].argmax(axis=1)]
        np.testing.assert_array_equal(final.groups_, read)
    if not taken.all():
        with pytest.raises(ValueError, match="`sample_weight` of made rows"):
            fit(sampler, X, y, **weights)
        return
    _, final = fit(sampler, X, y, **weights)
    np.testing.assert_array_equal(final.weight_, weight[origin])


def test_every_sampler_is_found():
    names = {type(sampler).__name__ for sampler in THEIRS}
    assert {"SMOTENC", "ADASYN", "NearMiss", "TomekLinks"} <= names
    assert {SMOTEENN, SMOTETomek} <= {type(sampler) for sampler in THEIRS}
    assert {type(sampler) for sampler in OURS} == {
        getattr(resampling, name) for name in resampling.__all__
    }
