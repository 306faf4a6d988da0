import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.model_selection import cross_validate

from fairsk.metrics import get_scorer
from fairsk.text import ZeroShotClassifier
from fairsk.text._models import load_model

TEXTS = ["he is good", "she is sad", "the king said", "he is good"]
Y = [1, 0, 0, 1]
WORDS = {0: "bad", 1: "good person"}


def make(model, **params):
    return ZeroShotClassifier(
        model, **{"label_words": WORDS, "device": "cpu", **params}
    )


@pytest.mark.parametrize("calibrate", [False, True])
def test_probabilities_are_those_of_the_words_behind_the_prompt(tiny_gpt, calibrate):
    loaded = load_model(tiny_gpt, head="causal_lm")
    template = "{text} said"

    def log_likelihood(text, words):
        prompt = [2, *loaded.tokenizer(template.replace("{text}", text))["input_ids"]]
        answer = loaded.tokenizer(words)["input_ids"]
        ids = torch.tensor([prompt + answer])
        with torch.no_grad():
            rows = loaded.model(input_ids=ids).logits[0].log_softmax(-1)
        return sum(
            rows[len(prompt) + k - 1, token].item() for k, token in enumerate(answer)
        )

    clf = make(tiny_gpt, template=template, calibrate=calibrate, neutral_text="at")
    probability = clf.fit(TEXTS, Y).predict_proba(TEXTS)
    for text, row in zip(TEXTS, probability):
        scores = np.array([log_likelihood(text, WORDS[k]) for k in (0, 1)])
        if calibrate:
            scores -= [log_likelihood("at", WORDS[k]) for k in (0, 1)]
        np.testing.assert_allclose(row, softmax(scores), atol=1e-4)
    np.testing.assert_allclose(
        np.exp(clf.predict_log_proba(TEXTS)), probability, atol=1e-12
    )


def test_long_texts_lose_their_beginning(tiny_gpt):
    clf = make(tiny_gpt, template="{text}").fit(TEXTS, Y)
    long = "the " * 100 + TEXTS[0]
    longer = "the " * 200 + TEXTS[0]
    with pytest.warns(UserWarning, match="1 of 1 prompts are longer"):
        cut = clf.predict_proba([long])
    with pytest.warns(UserWarning, match="to their last"):
        np.testing.assert_allclose(cut, clf.predict_proba([longer]))


def test_it_is_scored_like_any_classifier():
    def log_likelihood(prompts, continuations):
        return [float(c.strip()[0] in p) for p, c in zip(prompts, continuations)]

    scores = cross_validate(
        make(log_likelihood),
        TEXTS * 5,
        Y * 5,
        scoring={
            "accuracy": "accuracy",
            "gap": get_scorer(
                "neg_demographic_parity_difference",
                group_by=lambda X: [t.split(" ")[0] for t in X],
            ),
        },
        cv=2,
    )
    assert np.isfinite(scores["test_gap"]).all()


def test_bad_parameters_raise(tiny_gpt):
    with pytest.raises(ValueError, match=r"every class.*none of \[1\]"):
        make(tiny_gpt, label_words={0: "bad"}).fit(TEXTS, Y)
    with pytest.raises(ValueError, match=r"a place \{text\}"):
        make(tiny_gpt, template="what?").fit(TEXTS, Y)


def test_words_that_fill_the_length_leave_no_prompt(tiny_gpt):
    loaded = load_model(tiny_gpt, head="causal_lm")
    tokens = loaded.tokenizer([" bad", " sad"])["input_ids"]
    assert len({len(ids) for ids in tokens}) == 1
    clf = make(
        tiny_gpt,
        label_words={0: "bad", 1: "sad"},
        template="{text}",
        max_length=len(tokens[0]) + 1,
    )
    with pytest.warns(UserWarning, match="2 of 2 prompts"):
        first, second = clf.fit(TEXTS, Y).predict_proba(["he is good", "she is sad"])
    np.testing.assert_allclose(first, second, atol=1e-6)
