import pytest
from sklearn.linear_model import LogisticRegression

from fairsk.preprocessing import ConceptProbe
from fairsk.text import LayerwiseProbe, TextEncoder

TEXTS = ["he is good", "she is good", "he said at last", "she saw the king"] * 10
GROUPS = ["m", "f"] * 20
PROBE = ConceptProbe({"linear": LogisticRegression()}, random_state=0)


def test_each_layer_is_probed_as_its_embeddings_are(tiny_bert):
    probe = LayerwiseProbe(tiny_bert, probe=PROBE, device="cpu", batch_size=7)
    probe.fit(TEXTS, sensitive_features=GROUPS)
    assert probe.n_layers_ == 3
    for layer in range(3):
        encoder = TextEncoder(tiny_bert, layer=layer, normalize=False, device="cpu")
        expected = PROBE.fit(encoder.fit_transform(TEXTS), sensitive_features=GROUPS)
        assert probe.leakage_["linear"][layer] == pytest.approx(
            expected.leakage_["linear"]
        )


def test_the_best_layer_tells_the_label_and_not_the_group(rng):
    group = rng.integers(2, size=200)
    label = rng.integers(2, size=200)
    layers = rng.normal(size=(3, 200, 2))
    layers[1, :, 0] += 5 * group
    layers[1:, :, 1] += 5 * label
    probe = LayerwiseProbe(lambda texts: layers, random_state=0)
    texts = [f"text {i}" for i in range(200)]
    probe.fit(texts, label, sensitive_features=group)
    assert probe.best_layer() == 2
    assert probe.leakage_["linear"][1] > 0.9 > 0.3 > probe.leakage_["linear"][2]
    probe.fit(texts, sensitive_features=group)
    assert probe.label_leakage_ is None
    with pytest.raises(ValueError, match="Pass y"):
        probe.best_layer()


def test_groups_may_come_from_a_function_of_the_texts(tiny_bert):
    by_pronoun = LayerwiseProbe(
        tiny_bert, probe=PROBE, device="cpu", group_by=lambda X: [t[0] for t in X]
    )
    assert by_pronoun.fit(TEXTS).group_labels_ == ["h", "s"]


def test_texts_that_are_cut_are_counted(tiny_bert):
    probe = LayerwiseProbe(tiny_bert, probe=PROBE, device="cpu", max_length=5)
    texts = ["he " * 9, *TEXTS[1:]]
    message = "LayerwiseProbe cuts texts after 5 tokens.* of 40 distinct texts"
    with pytest.warns(UserWarning, match=message):
        probe.fit(texts, sensitive_features=GROUPS)
