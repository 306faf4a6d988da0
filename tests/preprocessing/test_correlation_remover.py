import numpy as np
import pandas as pd
import polars as pl
import pytest

from fairsk.preprocessing import CorrelationRemover


@pytest.fixture
def correlated(rng):
    group = rng.integers(3, size=500)
    X = rng.normal(size=(500, 4)) + group[:, None] * [1.0, -2.0, 0.0, 3.0]
    return X, group


def test_groups_have_the_same_means_afterwards_and_the_mean_stays(correlated):
    X, group = correlated
    out = CorrelationRemover().fit_transform(X, sensitive_features=group)
    for g in range(3):
        np.testing.assert_allclose(out[group == g].mean(0), X.mean(0), atol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_it_agrees_with_fairlearn_on_a_numeric_column(correlated, alpha):
    X, group = correlated
    both = np.column_stack([group + 0.5, X])
    fairlearn = pytest.importorskip("fairlearn.preprocessing")
    theirs = fairlearn.CorrelationRemover(sensitive_feature_ids=[0], alpha=alpha)
    ours = CorrelationRemover(group_by=0, alpha=alpha)
    np.testing.assert_allclose(
        ours.fit_transform(both), theirs.fit_transform(both), atol=1e-10
    )


def test_residuals_are_those_of_least_squares_on_all_columns(correlated, rng):
    X, group = correlated
    age = rng.uniform(20, 60, size=500)
    X = X + age[:, None]
    out = CorrelationRemover().fit_transform(
        X, sensitive_features={"group": group.astype(str), "age": age}
    )
    Z = np.column_stack([np.eye(3)[group], age])
    fit, *_ = np.linalg.lstsq(Z, X, rcond=None)
    np.testing.assert_allclose(out, X - Z @ fit + X.mean(0), atol=1e-9)


def test_collinear_and_constant_sensitive_columns_are_harmless(correlated, rng):
    X, group = correlated
    age = rng.uniform(20, 60, size=500)
    plain = {"group": group, "age": age}
    more = {**plain, "again": 2 * age - 1.5, "constant": np.full(500, 0.5)}
    np.testing.assert_allclose(
        CorrelationRemover().fit_transform(X, sensitive_features=more),
        CorrelationRemover().fit_transform(X, sensitive_features=plain),
        atol=1e-6,
    )


def test_weights_count_as_repetitions(correlated):
    X, group = correlated
    weight = np.arange(500) % 3
    rows = np.repeat(np.arange(500), weight)
    weighted = CorrelationRemover().fit(
        X, sensitive_features=group, sample_weight=weight
    )
    repeated = CorrelationRemover().fit(X[rows], sensitive_features=group[rows])
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-10)


def test_batches_give_the_same_as_one_fit_also_when_groups_are_new(correlated):
    X, group = correlated
    order = np.argsort(group, kind="stable")
    stream = CorrelationRemover()
    for rows in np.array_split(order, 7):
        stream.partial_fit(X[rows], sensitive_features=group[rows])
    whole = CorrelationRemover().fit(X, sensitive_features=group)
    np.testing.assert_allclose(stream.coef_, whole.coef_, atol=1e-10)
    assert stream.group_labels_ == whole.group_labels_


@pytest.mark.parametrize("to_frame", [pd.DataFrame, pl.DataFrame])
def test_sensitive_columns_of_a_frame_may_be_text(correlated, to_frame):
    X, group = correlated
    columns = {f"x{j}": X[:, j] for j in range(4)}
    frame = to_frame({"sex": np.array(list("fmx"))[group], **columns})
    remover = CorrelationRemover(group_by="sex")
    out = remover.fit_transform(frame)
    expected = CorrelationRemover().fit_transform(X, sensitive_features=group)
    np.testing.assert_allclose(out, expected, atol=1e-12)
    assert remover.get_feature_names_out().tolist() == list(columns)


def test_kept_columns_pass_unchanged(correlated):
    X, group = correlated
    both = np.column_stack([X[:, :2], group, X[:, 2:]])
    out = CorrelationRemover(group_by=2, keep_sensitive=True).fit_transform(both)
    np.testing.assert_array_equal(out[:, 2], group)
    dropped = CorrelationRemover(group_by=2).fit_transform(both)
    np.testing.assert_array_equal(np.delete(out, 2, axis=1), dropped)


def test_frames_come_out_with_names(correlated):
    X, group = correlated
    frame = pd.DataFrame(X, columns=list("abcd")).assign(g=group)
    out = CorrelationRemover(group_by="g").set_output(transform="pandas")
    assert list(out.fit_transform(frame).columns) == list("abcd")


def test_bad_input_raises(correlated):
    X, group = correlated
    with pytest.raises(ValueError, match="unseen group"):
        CorrelationRemover().fit(X, sensitive_features=group).transform(
            X, sensitive_features=group + 1
        )
    with pytest.raises(ValueError, match="alpha"):
        CorrelationRemover(alpha=1.5).fit(X, sensitive_features=group)
    with pytest.raises(ValueError, match="a feature besides the sensitive ones"):
        CorrelationRemover(group_by=[0, 1, 2, 3]).fit(X)
    age = np.where(group == 0, np.nan, 0.5)
    with pytest.raises(ValueError, match="missing or infinite"):
        CorrelationRemover().fit(X, sensitive_features={"age": age})
