import re

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fairsk.datasets import load_short_bios
from fairsk.text import GroupTermAttribution


@pytest.fixture(scope="module")
def bios():
    return load_short_bios(as_frame=False, drop_sensitive=True)


@pytest.fixture(scope="module")
def linear(bios):
    texts = bios.data[:, 0].tolist()
    return make_pipeline(CountVectorizer(), LogisticRegression()).fit(
        texts, bios.target
    )


def test_attributions_of_a_linear_model_are_its_weights(bios, linear):
    vectorizer, model = linear
    weights = dict(zip(vectorizer.get_feature_names_out(), model.coef_[0]))

    def logit(texts):
        return linear.decision_function(texts)

    audit = GroupTermAttribution(logit, replacement="", threshold=0.0)
    result = audit.run(bios.data[:20, 0])
    for row in result.texts:
        assert {t.lower() for t in row.terms} <= {"he", "she", "his", "her", "him"}
        expected = [weights[term.lower()] for term in row.terms]
        np.testing.assert_allclose(row.attributions, expected, atol=1e-10)
        assert row.joint == pytest.approx(sum(expected))
    for term, value in result.by_term.items():
        assert value == pytest.approx(weights[term])


def test_decisive_terms_are_those_that_change_the_decision(bios, linear):
    texts = bios.data[:200, 0].tolist()
    result = GroupTermAttribution(linear, replacement="person").run(texts)
    without = [
        re.sub(r"\b(he|she|his|her|him)\b", "person", text, flags=re.IGNORECASE)
        for text in texts
    ]
    changed = linear.predict(texts) != linear.predict(without)
    assert result.coverage == 1
    assert result.decisive_share == pytest.approx(changed.mean())
    assert [row.is_decisive for row in result.texts] == changed.tolist()
    assert 0.05 < result.decisive_share < 0.6


def test_spans_and_case_and_texts_without_terms():
    result = GroupTermAttribution(lambda ts: [float(len(t)) for t in ts]).run(
        ["HE saw Her.", "The cherry."]
    )
    first, second = result.texts
    assert first.terms == ["HE", "Her"]
    assert [first.text[a:b] for a, b in first.spans] == first.terms
    assert second.terms == []
    assert second.joint == 0
    assert result.counts == {"he": 1, "her": 1}
    assert result.coverage == 0.5


def test_the_class_is_named(bios, linear):
    texts = bios.data[:5, 0]
    last = GroupTermAttribution(linear).run(texts)
    first = GroupTermAttribution(linear, pos_label=0).run(texts)
    np.testing.assert_allclose(
        [row.joint for row in first.texts], [-row.joint for row in last.texts]
    )
    with pytest.raises(ValueError, match="pos_label"):
        GroupTermAttribution(linear, pos_label="nurse").run(texts)


def test_bad_scores_and_terms_raise():
    with pytest.raises(ValueError, match="one score for each text"):
        GroupTermAttribution(lambda ts: [1.0]).run(["he", "she"])
    with pytest.raises(ValueError, match="needs a term"):
        GroupTermAttribution(len, terms=[]).run(["he"])
