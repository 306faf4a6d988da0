import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairsk.preprocessing import ConceptEraser
from fairsk.text import CounterfactualEraser, CounterfactualSwap, TextEncoder


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    who, job = np.array(["He", "She"]), np.array(["doctor", "nurse"])
    more = np.array(
        [
            "met",
            "saw",
            "was",
            "kind",
            "to",
            "the",
            "people",
            "and",
            "worked",
            "at",
            "on",
            "in",
        ]
    )
    groups = rng.integers(2, size=80)
    jobs = np.where(rng.random(80) < 0.8, groups, 1 - groups)
    texts = [
        f"{who[g]} is a {job[j]} {' '.join(rng.choice(more, 4))}."
        for g, j in zip(groups, jobs)
    ]
    return texts, np.array(["m", "f"])[groups], jobs


def test_it_is_the_eraser_fitted_to_both_texts_with_flipped_groups(data, tiny_bert):
    texts, groups, _ = data
    encoder = TextEncoder(tiny_bert)
    guarded = CounterfactualEraser(encoder, ConceptEraser())
    out = guarded.fit(texts, sensitive_features=groups).transform(texts)
    swapped = CounterfactualSwap().transform(texts)
    X = encoder.fit_transform(texts + swapped)
    flipped = np.where(groups == "m", "f", "m")
    eraser = ConceptEraser().fit(
        X, sensitive_features=np.concatenate([groups, flipped])
    )
    np.testing.assert_allclose(out, eraser.transform(X[: len(texts)]), atol=1e-5)
    assert guarded.coverage_ == 1.0
    assert guarded.group_labels_ == ["f", "m"]


def test_no_linear_probe_finds_the_group_in_the_pairs(data, tiny_bert):
    texts, groups, _ = data
    guarded = CounterfactualEraser(TextEncoder(tiny_bert), ConceptEraser())
    guarded.fit(texts, sensitive_features=groups)
    both = guarded.transform(texts + CounterfactualSwap().transform(texts))
    flipped = np.where(groups == "m", "f", "m")
    of_both = np.concatenate([groups, flipped])
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=1e4, max_iter=3000))
    assert probe.fit(both, of_both).score(both, of_both) <= 0.5 + 1e-9


def test_swap_moves_embeddings_less_and_the_label_stays(data, tiny_bert):
    texts, groups, jobs = data
    swapped = CounterfactualSwap().transform(texts)
    encoder = TextEncoder(tiny_bert)
    guarded = CounterfactualEraser(encoder, ConceptEraser())
    guarded.fit(texts, sensitive_features=groups)
    sign = np.where(groups == "m", 1, -1)[:, None]
    before, after = (
        embed.transform(texts) - embed.transform(swapped)
        for embed in (encoder, guarded)
    )
    assert np.abs((sign * after).mean(axis=0)).max() < 1e-5
    assert np.linalg.norm(after) < 0.9 * np.linalg.norm(before)
    scores = [
        LogisticRegression(C=100, max_iter=1000).fit(X, jobs).score(X, jobs)
        for X in (encoder.transform(texts), guarded.transform(texts))
    ]
    assert scores[1] >= scores[0] - 0.02


def test_weights_and_groups_from_texts(data, tiny_bert):
    texts, groups, _ = data
    guarded = CounterfactualEraser(
        TextEncoder(tiny_bert),
        ConceptEraser(),
        group_by=lambda texts: ["m" if t[0] == "H" else "f" for t in texts],
    )
    expected = guarded.fit(texts).transform(texts)
    passed = guarded.set_params(group_by=None).fit(texts, sensitive_features=groups)
    np.testing.assert_allclose(passed.transform(texts), expected)
    weight = np.zeros(len(texts))
    weight[:40] = 2.0
    weighted = guarded.fit(texts, sensitive_features=groups, sample_weight=weight)
    half = guarded.transform(texts)
    guarded.fit(texts[:40], sensitive_features=groups[:40])
    np.testing.assert_allclose(weighted.transform(texts), half)
    np.testing.assert_allclose(guarded.transform(texts), half, atol=1e-5)


def test_names_of_the_output(data, tiny_bert):
    texts, groups, _ = data
    guarded = CounterfactualEraser(TextEncoder(tiny_bert), ConceptEraser())
    frame = guarded.set_output(transform="pandas").fit(texts, sensitive_features=groups)
    assert frame.transform(texts).shape == (80, 16)


def test_it_needs_two_groups_and_an_eraser_of_pairs(data, tiny_bert):
    texts, groups, _ = data
    guarded = CounterfactualEraser(TextEncoder(tiny_bert), ConceptEraser())
    three = np.where(np.arange(80) % 3 == 0, "x", groups)
    with pytest.raises(ValueError, match=r"needs two groups.*Got 3"):
        guarded.fit(texts, sensitive_features=three)
    guarded = CounterfactualEraser(TextEncoder(tiny_bert), PCA(2))
    with pytest.raises(TypeError, match="sensitive_features"):
        guarded.fit(texts, sensitive_features=groups)
