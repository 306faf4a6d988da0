import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA

from fairsk.metrics import group_metrics
from fairsk.text import CompressionAudit, FairTransformerClassifier, compress
from fairsk.text._compression import Int8Linear

TEXTS = ["he is good", "she is sad", "the king said he saw", "she met the doctor"] * 10
Y = np.array([1, 0, 1, 0] * 10)
GROUPS = ["m", "m", "f", "f"] * 10


@pytest.fixture
def clf(tiny_bert):
    return FairTransformerClassifier(
        tiny_bert, n_layers=1, fairness_weight=0, max_iter=1, random_state=0,
        device="cpu",
    ).fit(TEXTS, Y)  # fmt: skip


def test_int8_is_integer_arithmetic(rng):
    linear = torch.nn.Linear(20, 5)
    x = torch.tensor(rng.normal(size=(7, 20)), dtype=torch.float32)
    weight = linear.weight.detach().numpy().astype(np.float64)
    w_scale = np.abs(weight).max(axis=1) / 127
    q_weight = np.rint(weight / w_scale[:, None]).astype(np.int64)
    rows = x.numpy().astype(np.float64)
    x_scale = np.abs(rows).max(axis=1) / 127
    q_rows = np.rint(rows / x_scale[:, None]).astype(np.int64)
    assert np.abs(q_weight).max() == np.abs(q_rows).max() == 127
    expected = (q_rows @ q_weight.T) * x_scale[:, None] * w_scale
    expected = expected + linear.bias.detach().numpy()
    found = Int8Linear(linear)(x).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    exact = linear(x).detach().numpy()
    assert 0 < np.abs(found - exact).max() < 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("method", ["bfloat16", "int8", "pruning", "pca"])
def test_the_original_stays_and_the_version_differs(clf, method):
    before = clf.predict_proba(TEXTS)
    small = compress(clf, method, X=TEXTS)
    after = small.predict_proba(TEXTS)
    np.testing.assert_array_equal(clf.predict_proba(TEXTS), before)
    assert np.abs(after - before).max() < 0.5
    assert clf.get_params() == clone(clf).get_params()
    again = pickle.loads(pickle.dumps(small)).predict_proba(TEXTS)
    np.testing.assert_allclose(again, after, atol=1e-6)
    if method == "pca":  # there are four texts, and more components than that
        np.testing.assert_allclose(after, before, atol=1e-4)
    else:
        assert np.abs(after - before).max() > 0


def test_pruning_sets_the_smallest_weights_to_zero(clf):
    small = compress(clf, "pruning", amount=0.5)
    for (name, layer), (_, whole) in zip(
        small.module_.named_modules(), clf.module_.named_modules()
    ):
        if isinstance(whole, torch.nn.Linear):
            zero = layer.weight == 0
            assert zero.float().mean().item() == pytest.approx(0.5, abs=0.05), name
            largest_cut = whole.weight[zero].abs().max()
            assert (whole.weight[~zero].abs() >= largest_cut).all()
    nothing = compress(clf, "pruning", amount=0.0)
    np.testing.assert_allclose(
        nothing.predict_proba(TEXTS), clf.predict_proba(TEXTS), atol=1e-6
    )
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        compress(clf, "pruning", amount=1.5)


def test_pca_is_that_of_the_embeddings(clf):
    small = compress(clf, "pca", amount=2, X=TEXTS)
    embeddings = clf.transform(TEXTS)
    pca = PCA(2).fit(embeddings)
    seen = pca.inverse_transform(pca.transform(embeddings))
    head = clf.module_.head
    logits = seen @ head.weight.detach().numpy().T + head.bias.detach().numpy()
    expected = torch.tensor(logits).softmax(dim=1).numpy()
    np.testing.assert_allclose(small.predict_proba(TEXTS), expected, atol=1e-5)
    with pytest.raises(ValueError, match="Pass those of training"):
        compress(clf, "pca")


def test_unknown_methods_raise(clf):
    with pytest.raises(ValueError, match="'int4'"):
        compress(clf, "int4")


def test_the_audit_counts_changes_by_group(rng):
    y = rng.integers(2, size=100)
    first, second = rng.integers(2, size=(2, 100))
    groups = rng.choice(list("abc"), size=100)
    audit = CompressionAudit(
        {"original": lambda X: first, "small": lambda X: second},
        metrics=["selection_rate", "accuracy"],
    )
    results = audit.run(y, y, sensitive_features=groups)
    assert list(results) == ["original", "small"]
    assert results["original"].changed == 0
    assert results["small"].changed == np.mean(first != second)
    for label, share in results["small"].changed_by_group.items():
        assert share == np.mean((first != second)[groups == label])
    expected = group_metrics(
        ["selection_rate", "accuracy"], y, second, sensitive_features=groups
    )
    assert results["small"].metrics.to_dict() == expected.to_dict()


def test_versions_of_a_classifier_are_audited(clf):
    versions = {"float32": clf}
    versions |= {name: compress(clf, name) for name in ("bfloat16", "int8", "pruning")}
    results = CompressionAudit(versions).run(TEXTS, Y, sensitive_features=GROUPS)
    assert all(0 <= result.changed <= 1 for result in results.values())


def test_bad_versions_raise():
    with pytest.raises(ValueError, match="at least one version"):
        CompressionAudit({}).run([1], [1], sensitive_features=["a"])
    with pytest.raises(ValueError, match=r"'small' returned shape \(1,\) for 2"):
        CompressionAudit({"small": lambda X: [1]}).run(
            [1, 2], [1, 0], sensitive_features=["a", "b"]
        )


def test_transposed_layers_of_gpt_are_linear_layers(tiny_gpt):
    clf = FairTransformerClassifier(
        tiny_gpt, n_layers=1, fairness_weight=0, max_iter=1, random_state=0,
        device="cpu",
    ).fit(TEXTS, Y)  # fmt: skip
    before = clf.predict_proba(TEXTS)
    whole = compress(clf, "pruning", amount=0.0)
    np.testing.assert_allclose(whole.predict_proba(TEXTS), before, atol=1e-6)
    pruned = dict(compress(clf, "pruning", amount=0.5).module_.named_modules())
    transposed = [
        (name, layer)
        for name, layer in clf.module_.named_modules()
        if type(layer).__name__ == "Conv1D"
    ]
    assert transposed
    for name, layer in transposed:
        kept = pruned[name].weight != 0
        assert kept.float().mean().item() == pytest.approx(0.5, abs=0.05), name
        torch.testing.assert_close(pruned[name].weight[kept], layer.weight.T[kept])
    rounded = compress(clf, "int8")
    assert any(isinstance(m, Int8Linear) for m in rounded.module_.body.modules())
    assert 0 < np.abs(rounded.predict_proba(TEXTS) - before).max() < 0.1
