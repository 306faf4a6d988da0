import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from fairsk.preprocessing import ConceptEraser, MeanProjection, NullspaceProjector


def make(n_groups=2, n=3000, d=12, seed=0):
    rng = np.random.default_rng(seed)
    group = rng.integers(n_groups, size=n)
    mixing = rng.normal(size=(d, d))
    X = rng.normal(size=(n, d)) @ mixing + rng.normal(size=(n_groups, d))[group]
    return X, group


def with_dead_columns(X, group, rng):
    residue = 1e-33 * rng.normal(size=len(X)) + 1e-30 * group
    level = np.full(len(X), 3.7)
    return np.column_stack([X, residue, level, group, 1e4 + 1e-6 * group, X[:, 0]])


def linear_accuracy(X, group):
    X = StandardScaler().fit_transform(X.astype(np.float64))
    probe = LogisticRegression(C=1e4, max_iter=5000).fit(X, group)
    return probe.score(X, group)


@pytest.mark.parametrize("n_groups", [2, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("Eraser", [ConceptEraser, MeanProjection])
def test_no_linear_probe_beats_the_constant_even_after_a_scaler(
    n_groups, dtype, Eraser, rng
):
    X, group = make(n_groups)
    X = with_dead_columns(X, group, rng).astype(dtype)
    erased = Eraser().fit(X, sensitive_features=group).transform(X)
    assert erased.dtype == dtype
    assert linear_accuracy(X, group) > 0.8
    assert linear_accuracy(erased, group) == np.bincount(group).max() / len(group)


@given(st.integers(2, 5), st.integers(2, 8), st.integers(0, 100))
def test_the_covariance_with_the_groups_vanishes(n_groups, d, seed):
    X, group = make(n_groups, n=80, d=d, seed=seed)
    erased = ConceptEraser().fit(X, sensitive_features=group).transform(X)
    Z = np.eye(n_groups)[group]
    cross = (erased - erased.mean(0)).T @ (Z - Z.mean(0)) / len(X)
    assert np.abs(cross).max() <= 1e-12 * np.abs(X).max()
    np.testing.assert_allclose(erased.mean(0), X.mean(0), atol=1e-10)


def test_it_is_the_map_of_the_paper(rng):
    X, group = make(3)
    Z = np.eye(3)[group]
    sigma = np.cov(X.T, bias=True)
    cross = (X - X.mean(0)).T @ (Z - Z.mean(0)) / len(X)
    values, vectors = np.linalg.eigh(sigma)
    W = vectors / np.sqrt(values) @ vectors.T
    P = W @ cross @ np.linalg.pinv(W @ cross, rcond=1e-10)
    expected = X - (X - X.mean(0)) @ (np.linalg.inv(W) @ P @ W).T
    erased = ConceptEraser().fit(X, sensitive_features=group).transform(X)
    moved = ((erased - X) ** 2).sum()
    # The columns' units may differ and the optimum stays the same.
    assert moved == pytest.approx(((expected - X) ** 2).sum(), rel=1e-9)
    np.testing.assert_allclose(erased, expected, atol=1e-8)


def test_it_agrees_with_the_authors_implementation():
    concept_erasure = pytest.importorskip("concept_erasure")
    X, group = make(4)
    x, z = torch.tensor(X), torch.eye(4, dtype=torch.float64)[group]
    theirs = concept_erasure.LeaceEraser.fit(x, z, shrinkage=False)(x).numpy()
    ours = ConceptEraser().fit(X, sensitive_features=group).transform(X)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("n_groups", [2, 4])
def test_no_other_linear_eraser_moves_the_samples_less(n_groups):
    X, group = make(n_groups)
    least = ConceptEraser().fit(X, sensitive_features=group)
    moved = ((least.transform(X) - X) ** 2).sum()
    for other in (MeanProjection(), NullspaceProjector(tol=0.02)):
        erased = other.fit(X, sensitive_features=group).transform(X)
        assert moved <= ((erased - X) ** 2).sum() * (1 + 1e-9)


def test_a_continuous_concept_becomes_uncorrelated():
    X, _ = make()
    age = X[:, 0] + np.random.default_rng(1).normal(size=len(X))
    erased = ConceptEraser().fit(X, sensitive_features={"age": age}).transform(X)
    for column in erased.T:
        assert abs(np.corrcoef(column, age)[0, 1]) < 1e-10


def test_within_each_label_the_groups_have_the_same_mean():
    X, group = make(3)
    y = np.array(["no", "yes"])[(np.arange(len(X)) % 3 > 0) * 1]
    X[:, 0] += 3 * (y == "yes")
    eraser = ConceptEraser(condition_on_label=True)
    erased = eraser.fit(X, y, sensitive_features=group).transform(X)
    for label in ("no", "yes"):
        means = [erased[(y == label) & (group == g)].mean(0) for g in range(3)]
        np.testing.assert_allclose(means, [means[0]] * 3, atol=1e-10)


def test_preserving_the_label_keeps_its_covariance_and_erases_the_group():
    X, group = make()
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    plain = ConceptEraser().fit(X, sensitive_features=group).transform(X)
    eraser = ConceptEraser(preserve_label=True).fit(X, y, sensitive_features=group)
    erased = eraser.transform(X)

    def covariance(X, of):
        return (X - X.mean(0)).T @ (of - of.mean()) / len(X)

    np.testing.assert_allclose(covariance(erased, group), 0, atol=1e-10)
    np.testing.assert_allclose(covariance(erased, y), covariance(X, y), atol=1e-10)
    assert np.abs(covariance(plain, y) - covariance(X, y)).max() > 1e-3
    assert 0 < eraser.entanglement_ < 0.95


@pytest.mark.parametrize("variant", [None, "condition_on_label", "preserve_label"])
def test_entangled_label_and_group_warn(variant):
    X, group = make()
    y = np.where(np.arange(len(group)) % 50 == 0, 1 - group, group)
    eraser = ConceptEraser(**({variant: True} if variant else {}))
    with pytest.warns(UserWarning, match="canonical correlation"):
        eraser.fit(X, y, sensitive_features=group)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_the_entanglement_is_the_canonical_correlation(kind, weighted, rng):
    X, group = make(3, n=800, d=6)
    X[:, 5] = 4.0
    y = X @ [1.0, 0.5, 0, 0, 0, 0] + rng.normal(size=800)
    y = y if kind == "numbers" else np.digitize(y, [-1.0, 1.0])
    weight = rng.integers(1, 4, size=800) if weighted else np.ones(800, dtype=int)
    eraser = ConceptEraser()
    eraser.fit(X, y, sensitive_features=group, sample_weight=weight)
    rows = np.repeat(np.arange(800), weight)
    # Bases of what predicts either, from regressions on the features.
    live = X[rows, :5] - X[rows, :5].mean(0)
    targets = np.eye(3)[group[rows]], y[rows, None]
    if kind == "classes":
        targets = targets[0], np.eye(3)[y[rows]]
    bases = []
    for target in targets:
        centred = target - target.mean(0)
        fitted = live @ np.linalg.lstsq(live, centred, rcond=None)[0]
        left, singular, _ = np.linalg.svd(fitted, full_matrices=False)
        bases.append(left[:, singular > 1e-8 * singular[0]])
    expected = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)[0]
    assert eraser.entanglement_ == pytest.approx(expected, abs=1e-8)
    plain = ConceptEraser().fit(X, sensitive_features=group, sample_weight=weight)
    np.testing.assert_array_equal(eraser.transform(X), plain.transform(X))


@pytest.mark.parametrize(
    "y", [np.arange(300).astype(str), np.full(300, np.nan), np.ones((300, 2))]
)
def test_labels_that_span_everything_or_nothing_are_not_compared(y):
    X, group = make(n=300)
    assert not hasattr(
        ConceptEraser().fit(X, y, sensitive_features=group), "entanglement_"
    )


def test_labels_that_are_noise_do_not_warn(rng):
    X, group = make(n=3000, d=1)
    y = rng.permutation(3000) % 2
    eraser = ConceptEraser().fit(X, y, sensitive_features=group)
    assert eraser.entanglement_ == 0


def test_counterfactual_pairs_are_a_fit_on_both_rows():
    X, group = make(n=400)
    other = X + np.where(group == 0, 1.0, -1.0)[:, None] * np.arange(12)
    paired = ConceptEraser().fit(X, sensitive_features=group, X_counterfactual=other)
    both = np.vstack([X, other]), np.concatenate([group, 1 - group])
    stacked = ConceptEraser().fit(both[0], sensitive_features=both[1])
    np.testing.assert_allclose(paired.transform(X), stacked.transform(X), atol=1e-9)
    with pytest.raises(ValueError, match="needs two groups"):
        ConceptEraser().fit(
            X, sensitive_features=np.arange(400) % 3, X_counterfactual=other
        )


def test_weights_count_as_repetitions():
    X, group = make(n=300)
    weight = np.arange(300) % 3
    rows = np.repeat(np.arange(300), weight)
    weighted = ConceptEraser().fit(X, sensitive_features=group, sample_weight=weight)
    repeated = ConceptEraser().fit(X[rows], sensitive_features=group[rows])
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-9)


@pytest.mark.parametrize("by_label", [False, True])
def test_batches_and_merged_shards_give_the_same_as_one_fit(by_label):
    X, group = make(4, n=1000)
    y = np.arange(1000) % 3 > 0
    names = np.array(list("dbca"))[group]
    order = np.argsort(names, kind="stable")  # groups appear one after the other
    whole = ConceptEraser(condition_on_label=by_label)
    expected = whole.fit(X, y, sensitive_features=names).transform(X)
    stream = ConceptEraser(condition_on_label=by_label)
    shards = []
    for rows in np.array_split(order, 6):
        stream.partial_fit(X[rows], y[rows], sensitive_features=names[rows])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a shard may have one group
            shard = ConceptEraser(condition_on_label=by_label)
            shards.append(shard.fit(X[rows], y[rows], sensitive_features=names[rows]))
    merged = shards[-1]
    for shard in shards[:-1]:
        merged.merge(shard)
    np.testing.assert_allclose(stream.transform(X), expected, atol=1e-8)
    np.testing.assert_allclose(merged.transform(X), expected, atol=1e-8)


def test_features_named_by_group_by_are_left_out():
    X, group = make(n=200)
    frame = pd.DataFrame(X).add_prefix("x").assign(sex=np.array(list("fm"))[group])
    eraser = ConceptEraser(group_by="sex").set_output(transform="pandas")
    out = eraser.fit_transform(frame)
    assert list(out.columns) == [f"x{j}" for j in range(12)]
    expected = ConceptEraser().fit(X, sensitive_features=group).transform(X)
    np.testing.assert_allclose(out, expected, atol=1e-12)


def test_variants_that_need_labels_say_so():
    X, group = make(n=100)
    for parameter in ("condition_on_label", "preserve_label"):
        with pytest.raises(ValueError, match="requires y to be passed"):
            ConceptEraser(**{parameter: True}).fit(X, sensitive_features=group)


def test_merging_what_does_not_fit_raises():
    X, group = make(n=100)
    ours = ConceptEraser().fit(X, sensitive_features=group)
    theirs = ConceptEraser().fit(X[:, :3], sensitive_features=group)
    with pytest.raises(ValueError, match="same columns"):
        ours.merge(theirs)
