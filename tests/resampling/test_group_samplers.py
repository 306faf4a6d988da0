"""What all samplers promise, and the pipeline relies on."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from imblearn.combine import SMOTEENN
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import NearMiss, RandomUnderSampler, TomekLinks
from scipy import sparse

from fairsk.datasets import make_biased_classification
from fairsk.resampling import (
    FairSMOTE,
    GroupMixup,
    GroupOverSampler,
    GroupSampler,
    GroupUnderSampler,
    Massaging,
    PreferentialSampler,
)

TAKING = [
    GroupOverSampler(random_state=0),
    GroupOverSampler(sampling_strategy="equal_cells", random_state=0),
    GroupUnderSampler(random_state=0),
    PreferentialSampler(),
    Massaging(),
    GroupSampler(RandomUnderSampler(random_state=0)),
    GroupSampler(RandomOverSampler(random_state=0)),
    GroupSampler(TomekLinks()),
    GroupSampler(NearMiss(n_neighbors=2)),
]
MAKING = [
    FairSMOTE(random_state=0, small_cells="duplicate"),
    FairSMOTE(random_state=0, small_cells="duplicate", situation_testing=True),
    GroupMixup(random_state=0),
    GroupSampler(SMOTE(random_state=0), small_cells="duplicate", random_state=0),
    GroupSampler(SMOTEENN(smote=SMOTE(k_neighbors=1, random_state=0))),
]


def problem(seed, n=80, n_groups=3):
    X, y, group = make_biased_classification(
        n, n_features=4, n_informative=2, n_groups=n_groups, random_state=seed
    )
    return X, np.array(["no", "yes"])[y], np.array(["a", "b", "c"])[group]


@pytest.mark.parametrize("sampler", TAKING + MAKING, ids=str)
def test_every_container_gives_the_same_rows_in_kind(sampler):
    X, y, group = problem(0)
    expected_X, expected_y = sampler.fit_resample(X, y, sensitive_features=group)
    names = list("abcd")
    for to_frame, to_series in ((pd.DataFrame, pd.Series), (pl.DataFrame, pl.Series)):
        frame = to_frame({name: X[:, j] for j, name in enumerate(names)})
        X_new, y_new = sampler.fit_resample(
            frame, to_series(y.tolist()), sensitive_features=group
        )
        assert isinstance(X_new, to_frame)
        assert isinstance(y_new, to_series)
        np.testing.assert_allclose(X_new.to_numpy(), expected_X)
        assert y_new.to_list() == expected_y.tolist()
    X_new, _ = sampler.fit_resample(sparse.csr_array(X), y, sensitive_features=group)
    assert sparse.issparse(X_new)
    assert X_new.shape == expected_X.shape


@pytest.mark.parametrize(
    "sampler", [s for s in TAKING + MAKING if "random_state" in s.get_params()], ids=str
)
def test_the_same_random_state_gives_the_same_rows(sampler):
    X, y, group = problem(1)
    sampler.set_params(random_state=0)
    first, _ = sampler.fit_resample(X, y, sensitive_features=group)
    again, _ = sampler.fit_resample(X, y, sensitive_features=group)
    np.testing.assert_array_equal(first, again)


def test_frames_keep_their_dtypes():
    X, y, group = problem(0)
    frame = pd.DataFrame(
        {
            "i": np.arange(80),
            "f": X[:, 0].astype(np.float32),
            "s": list("xy") * 40,
            "c": pd.Categorical(list("pqrs") * 20),
        }
    )
    for sampler in (GroupOverSampler(), GroupUnderSampler()):
        X_new, _ = sampler.fit_resample(frame, y, sensitive_features=group)
        assert X_new.dtypes.tolist() == frame.dtypes.tolist()
    numbers = frame[["i", "f"]]
    X_new, _ = FairSMOTE(small_cells="duplicate").fit_resample(
        numbers, y, sensitive_features=group
    )
    assert X_new.dtypes.tolist() == numbers.dtypes.tolist()


@pytest.mark.parametrize("sampler", TAKING + MAKING, ids=str)
def test_the_table_of_the_output_is_told(sampler):
    X, y, group = problem(0)
    _, y_new = sampler.fit_resample(X, y, sensitive_features=group)
    of_row = list(zip(group[sampler.group_indices_].tolist(), y_new.tolist()))
    expected = {cell: of_row.count(cell) for cell in set(of_row)}
    assert sampler.sampling_strategy_ == expected


@pytest.mark.parametrize("sampler", TAKING + MAKING, ids=str)
def test_rows_of_frames_are_numbered_anew(sampler):
    X, y, group = problem(0)
    index = np.random.default_rng(0).permutation(len(y)) + 7
    X_new, y_new = sampler.fit_resample(
        pd.DataFrame(X, index=index),
        pd.Series(y, index=index, dtype="category"),
        sensitive_features=group,
    )
    assert X_new.index.tolist() == y_new.index.tolist() == list(range(len(y_new)))
    assert y_new.dtype == pd.CategoricalDtype(["no", "yes"])


def test_one_label_raises():
    X, y, group = problem(0)
    with pytest.raises(ValueError, match=r"needs two classes. Got one class: \['no'\]"):
        GroupOverSampler().fit_resample(
            X, np.full(len(y), "no"), sensitive_features=group
        )
