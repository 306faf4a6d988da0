"""Association tests of embeddings: WEAT on words, SEAT on sentences."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from fairsk.utils._sklearn import Interval, StrOptions, validate_params

# Partitions that are enumerated; more are drawn at random.
_MAX_EXACT = 200_000
_BLOCK = 20_000
_SETS = ("first_targets", "second_targets", "first_attributes", "second_attributes")


@dataclass(frozen=True)
class AssociationTestResult:
    """Outcome of an association test.

    Parameters
    ----------
    effect_size : float
        Cohen's d of the associations of the two sets of targets; positive where the
        first targets are nearer to the first attributes.
    statistic : float
        Sum of the associations of the first targets less that of the second.
    p_value : float
        Share of the partitions of the targets with a statistic at least as large.
    is_exact : bool
        Whether all partitions were counted, rather than some drawn.
    n_partitions : int
        Number of partitions.
    coverage : dict of {str: float}
        Share of the words of each set that have a vector.
    missing : list of str
        Words without one.
    associations : dict of {str: float}
        Association of each target with the first rather than the second attributes.
    """

    effect_size: float
    statistic: float
    p_value: float
    is_exact: bool
    n_partitions: int
    coverage: dict
    missing: list = field(repr=False)
    associations: dict = field(repr=False)


class AssociationTest:
    r"""Whether embeddings associate two sets of targets with two sets of attributes.

    The association of a target is the difference of its mean cosines with the two sets
    of attributes, :math:`s(w) = \bar\cos(w, A) - \bar\cos(w, B)`. The effect size is

    .. math:: d = \frac{\bar s(X) - \bar s(Y)}{\mathrm{std}_{w \in X \cup Y}\, s(w)}

    with n - 1 in the standard deviation, and the p-value is that of all ways to part
    the targets into sets of these sizes. On words this is WEAT, on sentences (see
    `templates`) SEAT.

    Parameters
    ----------
    first_targets, second_targets : list of str
        The targets X and Y, such as professions, or names.
    first_attributes, second_attributes : list of str
        The attributes A and B, such as words that name two groups.
    templates : list of str, default=None
        Sentences with a place ``{}`` into which every word goes, such as
        ``"This is a {}."``; a word then stands for all of them. None takes the words
        as they are.
    min_coverage : float, default=0.7
        Share of the words of every set that must have a vector.
    n_resamples : int, default=100000
        Number of partitions that are drawn where there are more than 200,000.
    alternative : {"greater", "two-sided"}, default="greater"
        "greater" asks whether the first targets are nearer to the first attributes;
        "two-sided" whether there is an association in either direction.
    random_state : int, RandomState instance or None, default=None
        Source of the drawn partitions.

    See Also
    --------
    PairedLikelihoodBias : The same question to a model that predicts tokens.

    Notes
    -----
    Effect sizes say how separate the sets are, not how large the difference is. They
    depend on the words; they predict poorly what a model does in its task. Read them as
    a question to ask of the task, and audit that.

    References
    ----------
    Caliskan, Bryson & Narayanan (2017). Semantics derived automatically from language
    corpora contain human-like biases. Science 356.

    May, Wang, Bordia, Bowman & Rudinger (2019). On measuring social biases in sentence
    encoders. NAACL.

    Examples
    --------
    >>> from fairsk.text import AssociationTest
    >>> vectors = {
    ...     "nurse": [1, 0.1], "clerk": [0.9, 0.2], "pilot": [0.2, 1], "cook": [0.1, 1],
    ...     "she": [1, 0], "her": [1, 0.1], "he": [0, 1], "his": [0.1, 1],
    ... }
    >>> test = AssociationTest(
    ...     ["nurse", "clerk"], ["pilot", "cook"], ["she", "her"], ["he", "his"]
    ... )
    >>> result = test.run(vectors)
    >>> round(result.effect_size, 2), round(result.p_value, 2)
    (1.73, 0.17)
    """

    @validate_params(
        {
            **{name: ["array-like"] for name in _SETS},
            "templates": ["array-like", None],
            "min_coverage": [Interval(Real, 0, 1, closed="both")],
            "n_resamples": [Interval(Integral, 1, None, closed="left")],
            "alternative": [StrOptions({"greater", "two-sided"})],
            "random_state": ["random_state"],
        },
        prefer_skip_nested_validation=True,
    )
    def __init__(
        self,
        first_targets,
        second_targets,
        first_attributes,
        second_attributes,
        *,
        templates=None,
        min_coverage=0.7,
        n_resamples=100_000,
        alternative="greater",
        random_state=None,
    ):
        self.first_targets = first_targets
        self.second_targets = second_targets
        self.first_attributes = first_attributes
        self.second_attributes = second_attributes
        self.templates = templates
        self.min_coverage = min_coverage
        self.n_resamples = n_resamples
        self.alternative = alternative
        self.random_state = random_state

    def run(self, embeddings):
        """Test embeddings.

        Parameters
        ----------
        embeddings : mapping, callable or transformer
            A mapping of words to vectors (a dict, or the vectors of gensim); a function
            of a list of str that returns an array; or a transformer of texts, such as
            :class:`TextEncoder`.

        Returns
        -------
        result : AssociationTestResult
            Effect size, p-value and coverage.
        """
        sets = {name: [str(w) for w in getattr(self, name)] for name in _SETS}
        vectors = self._embed(embeddings, sets)
        found = {
            name: [w for w in words if w in vectors] for name, words in sets.items()
        }
        missing = [w for words in sets.values() for w in words if w not in vectors]
        coverage = {name: len(found[name]) / max(len(sets[name]), 1) for name in _SETS}
        self._check_coverage(coverage, found, missing)
        first, second, *attributes = (
            np.array([vectors[w] for w in found[name]]) for name in _SETS
        )
        scores = associations(np.concatenate([first, second]), *attributes)
        sizes = len(first), len(second)
        p_value, n_partitions, is_exact = self._p_value(scores, sizes)
        words = found["first_targets"] + found["second_targets"]
        return AssociationTestResult(
            effect_size=effect_size(scores, sizes[0]),
            statistic=float(scores[: sizes[0]].sum() - scores[sizes[0] :].sum()),
            p_value=p_value,
            is_exact=is_exact,
            n_partitions=n_partitions,
            coverage=coverage,
            missing=missing,
            associations=dict(zip(words, scores.tolist())),
        )

    def _embed(self, embeddings, sets):
        """Unit vectors of the words, or of the mean of their sentences."""
        words = list(dict.fromkeys(w for words in sets.values() for w in words))
        if isinstance(embeddings, Mapping) or hasattr(embeddings, "key_to_index"):
            if self.templates is not None:
                raise ValueError(
                    "AssociationTest needs an encoder to embed sentences of "
                    "`templates`. Got a mapping of words. Set templates=None."
                )
            return {w: _unit(embeddings[w]) for w in words if w in embeddings}
        embed = getattr(embeddings, "transform", embeddings)
        templates = ["{}"] if self.templates is None else list(self.templates)
        unfit = [t for t in templates if "{}" not in t]
        if unfit:
            raise ValueError(
                "AssociationTest needs a place {} for the word in every template. Got "
                f"{unfit[0]!r}."
            )
        texts = [template.replace("{}", w) for w in words for template in templates]
        vectors = np.asarray(embed(texts), dtype=np.float64)
        vectors = _unit(vectors).reshape(len(words), len(templates), -1).mean(axis=1)
        return dict(zip(words, _unit(vectors)))

    def _check_coverage(self, coverage, found, missing):
        low = {k: v for k, v in coverage.items() if v < self.min_coverage}
        small = [name for name in _SETS if len(found[name]) < 2]
        if not low and not small:
            return
        name = min(low or small, key=coverage.get)
        raise ValueError(
            f"AssociationTest needs vectors of at least {self.min_coverage:.0%} of the "
            f"words of each set, and of two. Got {coverage[name]:.0%} of {name} "
            f"({len(found[name])} words); missing are {missing[:10]}. Take words that "
            "the embeddings know, or lower min_coverage and mistrust the result."
        )

    def _p_value(self, scores, sizes):
        n_targets = sum(sizes)
        n_partitions = comb(n_targets, sizes[0])
        observed = _difference(scores[: sizes[0]].sum(), scores.sum(), sizes)
        two_sided = self.alternative == "two-sided"
        is_exact = n_partitions <= _MAX_EXACT
        if is_exact:
            blocks = _all_sums(scores, sizes[0])
        else:
            n_partitions = self.n_resamples
            rng = check_random_state(self.random_state)
            blocks = _drawn_sums(scores, sizes[0], n_partitions, rng)
        tolerance = 1e-12 * max(np.abs(scores).max(), 1e-300) * n_targets
        n_as_large = 0
        for sums in blocks:
            drawn = _difference(sums, scores.sum(), sizes)
            if two_sided:
                n_as_large += int((np.abs(drawn) >= abs(observed) - tolerance).sum())
            else:
                n_as_large += int((drawn >= observed - tolerance).sum())
        if is_exact:  # the partition at hand is one of them
            return n_as_large / n_partitions, n_partitions, True
        return (n_as_large + 1) / (n_partitions + 1), n_partitions, False


def associations(targets, first, second):
    """Difference of the mean cosines of each target with two sets of attributes.

    Parameters
    ----------
    targets : ndarray of shape (n_targets, n_dimensions)
        Unit vectors.
    first, second : ndarray of shape (n_attributes, n_dimensions)
        Unit vectors.

    Returns
    -------
    scores : ndarray of shape (n_targets,)
        Positive where a target is nearer to the first set.
    """
    return targets @ (first.mean(axis=0) - second.mean(axis=0))


def effect_size(scores, n_first):
    """Difference of the means of two sets over the standard deviation of all.

    Parameters
    ----------
    scores : ndarray of shape (n_targets,)
        Associations, those of the first set first.
    n_first : int
        Size of the first set.

    Returns
    -------
    effect_size : float
        NaN where all associations are the same.
    """
    difference = scores[:n_first].mean() - scores[n_first:].mean()
    spread = scores.std(ddof=1)
    return float(difference / spread) if spread > 0 else float("nan")


def _difference(first_sum, total, sizes):
    """Difference of the means, given the sum over the first set."""
    return first_sum / sizes[0] - (total - first_sum) / sizes[1]


def _all_sums(scores, n_first):
    block = []
    for rows in combinations(range(len(scores)), n_first):
        block.append(rows)
        if len(block) == _BLOCK:
            yield scores[np.array(block)].sum(axis=1)
            block = []
    if block:
        yield scores[np.array(block)].sum(axis=1)


def _drawn_sums(scores, n_first, n_draws, rng):
    for start in range(0, n_draws, _BLOCK):
        keys = rng.uniform(size=(min(_BLOCK, n_draws - start), len(scores)))
        rows = np.argpartition(keys, n_first - 1, axis=1)[:, :n_first]
        yield scores[rows].sum(axis=1)


def _unit(vectors):
    vectors = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(norms > 0, norms, 1)
