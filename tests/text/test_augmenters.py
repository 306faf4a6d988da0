import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from fairsk.pipeline import Pipeline, make_pipeline
from fairsk.preprocessing import ConceptEraser
from fairsk.text import (
    BackTranslationAugmenter,
    CounterfactualSwap,
    CounterfactualTextAugmenter,
    IdentityTermScrubber,
    PerturbationAugmenter,
)

TEXTS = ["He is kind.", "She is here.", "It rains.", "Her dog ran.", "A man sat."]
LABELS = ["a", "b", "a", "b", "a"]
GROUPS = ["m", "f", "f", "f", "m"]


def group_of(texts):
    return np.where([bool(re.match(r"(She|Her)\b", t)) for t in texts], "f", "m")


def test_counterfactuals_are_appended_under_their_labels_and_flipped_groups():
    augmenter = CounterfactualTextAugmenter()
    texts, labels = augmenter.fit_resample(TEXTS, LABELS, sensitive_features=GROUPS)
    assert texts[:5] == TEXTS
    assert texts[5:] == ["She is kind.", "He is here.", "His dog ran.", "A woman sat."]
    assert labels == LABELS + ["a", "b", "b", "a"]
    assert augmenter.coverage_ == 0.8
    groups = np.array(GROUPS)[augmenter.group_indices_]
    assert groups.tolist() == GROUPS + ["f", "m", "m", "f"]
    assert augmenter.sample_indices_.tolist() == [0, 1, 2, 3, 4, -1, -1, -1, -1]
    assert augmenter.source_indices_.tolist() == [0, 1, 2, 3, 4, 0, 1, 3, 4]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_substitution_keeps_the_size_and_swaps_the_share(share):
    augmenter = CounterfactualTextAugmenter(
        method="substitute", share=share, random_state=0
    )
    texts, labels = augmenter.fit_resample(TEXTS, LABELS, sensitive_features=GROUPS)
    swapped = CounterfactualSwap().transform(TEXTS)
    made = augmenter.sample_indices_ < 0
    assert made.sum() == round(share * 4)
    assert labels == LABELS
    assert texts == [s if m else t for t, s, m in zip(TEXTS, swapped, made)]
    groups = np.array(GROUPS)[augmenter.group_indices_]
    assert ((groups != GROUPS) == made).all()


def test_groups_may_be_unknown_or_read_from_the_texts():
    augmenter = CounterfactualTextAugmenter()
    texts, _ = augmenter.fit_resample(TEXTS, LABELS)
    assert len(texts) == 9
    assert not hasattr(augmenter, "group_indices_")
    reads = CounterfactualTextAugmenter(group_by=group_of)
    reads.fit_resample(TEXTS, LABELS)
    assert group_of(TEXTS)[reads.group_indices_].tolist() == (
        ["m", "f", "m", "f", "m"] + ["f", "m", "m", "f"]
    )


def test_more_groups_need_a_flip_and_others_stay_alone():
    groups = ["m", "f", "none", "f", "m"]
    with pytest.raises(ValueError, match=r"the 3 group\(s\) .*Pass `flip`"):
        CounterfactualTextAugmenter().fit_resample(
            TEXTS, LABELS, sensitive_features=groups
        )
    augmenter = CounterfactualTextAugmenter(flip={"f": "m", "m": "none"})
    augmenter.fit_resample(TEXTS, LABELS, sensitive_features=groups)
    assert np.array(groups)[augmenter.group_indices_[5:]].tolist() == [
        *["none", "m", "m", "none"]
    ]
    absent = CounterfactualTextAugmenter(flip={"f": "x"})
    with pytest.raises(ValueError, match=r"Got none of \['x'\]"):
        absent.fit_resample(TEXTS, LABELS, sensitive_features=groups)


def test_single_group_cannot_be_flipped():
    with (
        pytest.warns(UserWarning, match="nothing is mitigated"),
        pytest.raises(ValueError, match=r"the 1 group\(s\) \['m'\]"),
    ):
        CounterfactualTextAugmenter().fit_resample(
            TEXTS, LABELS, sensitive_features=["m"] * 5
        )


def test_nothing_to_swap_warns():
    with pytest.warns(UserWarning, match="changes nothing: 0 of 2 texts"):
        texts, _ = CounterfactualTextAugmenter().fit_resample(["a b", "c"], [0, 1])
    assert texts == ["a b", "c"]


class Recorder(ClassifierMixin, BaseEstimator):
    """A classifier that remembers the groups that it was fitted with."""

    __metadata_request__fit = {"sensitive_features": True}

    def fit(self, X, y, sensitive_features=None):
        self.classes_ = np.unique(y)
        self.groups_ = list(sensitive_features)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.mark.parametrize("container", [list, np.array, pd.Series])
def test_pipeline_hands_the_flipped_groups_on(container):
    pipeline = Pipeline(
        [("augment", CounterfactualTextAugmenter()), ("model", Recorder())]
    )
    pipeline.fit(
        container(TEXTS),
        LABELS,
        augment__sensitive_features=GROUPS,
        model__sensitive_features=GROUPS,
    )
    assert pipeline[-1].groups_ == GROUPS + ["f", "m", "m", "f"]
    by_texts = make_pipeline(
        CounterfactualTextAugmenter(), Recorder(), group_by=group_of
    )
    by_texts.fit(container(TEXTS), LABELS)
    assert by_texts[-1].groups_ == ["m", "f", "m", "f", "m", "f", "m", "m", "f"]


def test_eraser_behind_the_augmenter_sees_balanced_pairs():
    """Only what the swap changes covaries with the flipped groups."""
    texts = ["he swims", "he swims", "he runs", "she runs", "she runs", "she swims"]
    vectorizer = CountVectorizer()
    pipeline = make_pipeline(
        CounterfactualTextAugmenter(),
        vectorizer,
        ToDense(),
        ConceptEraser(),
        LogisticRegression(),
        group_by=lambda texts: np.where([t[0] == "h" for t in texts], "m", "f"),
    )
    pipeline.fit(texts, [0, 1, 0, 1, 0, 1])
    erased = pipeline[:-1].transform(texts)
    columns = vectorizer.vocabulary_
    assert np.ptp(erased[:, columns["he"]]) < 1e-12
    # "swims" goes along with the group in these data, but the swap leaves it alone.
    assert np.ptp(erased[:, columns["swims"]]) == pytest.approx(1)


class ToDense(BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X.toarray()


# Perturbations.


@given(
    st.text(min_size=1, max_size=30).filter(lambda text: text.strip()),
    st.integers(0, 100),
    st.sampled_from(["typo", "case", "delete", "synonym"]),
    st.floats(0, 1),
)
def test_perturbed_text_keeps_a_word(text, seed, kind, rate):
    synonyms = None if kind != "synonym" else (lambda word: ["other"])
    augmenter = PerturbationAugmenter(
        [kind], rate=rate, synonyms=synonyms, random_state=seed
    )
    texts, labels = augmenter.fit_resample([text], [1])
    assert texts[0] == text
    assert texts[1].strip()
    assert labels == [1, 1]
    if re.search(r"\w", text):
        assert re.search(r"\w", texts[1])


@given(st.from_regex(r"\A\w{2,12}\Z"), st.integers(0, 100))
def test_a_typo_changes_the_word(word, seed):
    augmenter = PerturbationAugmenter(["typo"], rate=1.0, random_state=seed)
    assert augmenter.fit_resample([word], [1])[0][1] != word


def test_rate_is_the_share_of_words_changed():
    text = " ".join(["word"] * 2000)
    for rate in (0.1, 0.5):
        augmenter = PerturbationAugmenter(["case"], rate=rate, random_state=0)
        changed = augmenter.fit_resample([text], [0])[0][1].split()
        assert np.mean(np.array(changed) != "word") == pytest.approx(rate, abs=0.03)


def test_each_kind_does_what_it_says():
    text = "several words are here"

    def made(kind, **params):
        augmenter = PerturbationAugmenter([kind], rate=1.0, random_state=1, **params)
        return augmenter.fit_resample([text], [0])[0][1]

    assert made("case").lower() == text
    assert made("case") != text
    assert len(made("delete").split()) == 1
    assert made("synonym", synonyms=lambda w: ["x"] if w == "are" else []) == (
        "several words x here"
    )
    for before, after in zip(text.split(), made("typo").split()):
        assert abs(len(before) - len(after)) <= 1


def test_copies_keep_the_metadata_of_their_source():
    augmenter = PerturbationAugmenter(n_copies=2, random_state=0)
    texts, labels = augmenter.fit_resample(TEXTS, LABELS)
    assert len(texts) == 15
    assert augmenter.sample_indices_.tolist() == [*range(5)] * 3
    assert labels == LABELS * 3
    again = PerturbationAugmenter(n_copies=2, random_state=0)
    assert again.fit_resample(TEXTS, LABELS)[0] == texts


@pytest.mark.parametrize(
    "params",
    [{"kinds": ["typos"]}, {"kinds": []}, {"kinds": ["synonym"]}, {"synonyms": str}],
)
def test_bad_kinds_raise(params):
    with pytest.raises(ValueError, match="PerturbationAugmenter needs"):
        PerturbationAugmenter(**params).fit_resample(TEXTS, LABELS)


def test_back_translation_adds_what_came_back_changed():
    augmenter = BackTranslationAugmenter(
        lambda texts: [
            t.replace("kind", "nice").replace("It rains.", "") for t in texts
        ]
    )
    texts, labels = augmenter.fit_resample(np.array(TEXTS), np.array(LABELS))
    assert texts.tolist() == [*TEXTS, "He is nice."]
    assert labels.tolist() == [*LABELS, "a"]
    assert augmenter.sample_indices_.tolist() == [0, 1, 2, 3, 4, 0]


def test_translation_of_another_length_raises():
    for bad in (lambda texts: texts[1:], lambda texts: [None] * len(texts)):
        with pytest.raises(ValueError, match=r"a text for each text\. Got"):
            BackTranslationAugmenter(bad).fit_resample(TEXTS, LABELS)


# Scrubbing.


def test_scrubbed_texts_have_no_term_left():
    scrubber = IdentityTermScrubber(replacement="[X]")
    scrubbed = scrubber.fit_transform(
        ["HER heart", "the theme", "Mr. A's niece", "s/he"]
    )
    assert scrubbed == ["[X] heart", "the theme", "[X]. A's [X]", "s/he"]
    with pytest.warns(UserWarning, match="changes nothing"):
        CounterfactualSwap().fit(scrubbed)


def test_terms_of_the_user_are_scrubbed_unless_protected():
    scrubber = IdentityTermScrubber(["gay", "deaf"], protect=["gay Paris"])
    assert scrubber.transform(["Deaf in gay Paris, gay"]) == ["_ in gay Paris, _"]
    with pytest.raises(ValueError, match="needs a term to replace"):
        IdentityTermScrubber([]).transform(["a"])
