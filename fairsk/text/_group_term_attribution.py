"""How much the group terms of a text sway the decision about it."""

from dataclasses import dataclass, field
from numbers import Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fairsk.text._counterfactual_swap import TermFinder
from fairsk.text._terms import TERM_SETS
from fairsk.text._validation import read_texts
from fairsk.utils._sklearn import HasMethods, StrOptions, validate_params


@dataclass(frozen=True)
class TermAttribution:
    """What the group terms do to the decision about one text.

    Parameters
    ----------
    text : str
        The text.
    score : float
        Its score.
    terms : list of str
        The terms in it, as they are written.
    spans : list of tuple of int
        Where each begins and ends.
    attributions : ndarray of shape (n_terms,)
        Score of the text less that without the term.
    joint : float
        Score of the text less that without all of its terms.
    is_decisive : bool
        Whether the decision is another one without the terms.
    """

    text: str
    score: float
    terms: list
    spans: list
    attributions: np.ndarray
    joint: float
    is_decisive: bool


@dataclass(frozen=True)
class GroupTermResult:
    """What the group terms do to the decisions about all texts.

    Parameters
    ----------
    decisive_share : float
        Share of the texts with a term whose decision is another one without.
    coverage : float
        Share of the texts that have a term.
    by_term : dict of {str: float}
        Mean attribution of each term, in small letters, the largest in size first.
    counts : dict of {str: int}
        How often each occurs.
    texts : list of TermAttribution
        Each text, in order.
    """

    decisive_share: float
    coverage: float
    by_term: dict
    counts: dict
    texts: list = field(repr=False)


class GroupTermAttribution:
    r"""Attribute decisions about texts to their group terms, by occlusion.

    Each group term of a text is replaced, one at a time and all together, and the model
    is asked again:

    .. math:: \phi_j = f(x) - f(x \setminus t_j), \qquad
        \phi = f(x) - f(x \setminus \{t_1, \ldots\}).

    It explains single decisions, and adds up to what a model makes of each term.

    Parameters
    ----------
    estimator : fitted classifier or callable
        Its `predict_proba` takes texts; or a function of a list of str that returns one
        number for each.
    terms : str or list of str, default="english_gender"
        The group terms: the name of a set that :class:`CounterfactualSwap` knows, or a
        list.
    replacement : str, default="person"
        What stands in for a term. It should read naturally, and tell no group.
    pos_label : object, default=None
        The class whose probability is explained; None takes the last one.
    threshold : float, default=0.5
        Score from which on the decision is positive.

    See Also
    --------
    CounterfactualSwap : Replaces terms by those of the other group.
    IdentityTermScrubber : Removes them for good.

    Notes
    -----
    A text without its pronouns is no natural text: a model may change its mind for that
    alone. Compare with :func:`~fairsk.metrics.flip_rate` of swapped texts.

    References
    ----------
    Li, Monroe & Jurafsky (2016). Understanding neural networks through representation
    erasure.

    Examples
    --------
    >>> from fairsk.text import GroupTermAttribution
    >>> def score(texts):
    ...     return [0.4 + 0.3 * ("he " in t) for t in texts]
    >>> result = GroupTermAttribution(score, terms=["he", "his"]).run(
    ...     ["he lost his keys", "nobody came"]
    ... )
    >>> result.texts[0].terms, result.texts[0].attributions.round(1)
    (['he', 'his'], array([0.3, 0. ]))
    >>> result.decisive_share, result.coverage
    (1.0, 0.5)
    """

    @validate_params(
        {
            "estimator": [HasMethods("predict_proba"), callable],
            "terms": [StrOptions(set(TERM_SETS)), list, tuple],
            "replacement": [str],
            "pos_label": "no_validation",
            "threshold": [Real],
        },
        prefer_skip_nested_validation=True,
    )
    def __init__(
        self,
        estimator,
        *,
        terms="english_gender",
        replacement="person",
        pos_label=None,
        threshold=0.5,
    ):
        self.estimator = estimator
        self.terms = terms
        self.replacement = replacement
        self.pos_label = pos_label
        self.threshold = threshold

    def run(self, X):
        """Attribute the decisions about texts.

        Parameters
        ----------
        X : list, Series, ndarray or DataFrame of shape (n_samples,) or (n_samples, 1)
            Texts.

        Returns
        -------
        result : GroupTermResult
            Attributions by text and by term.
        """
        texts = read_texts(X, owner=type(self).__name__)
        finder, protected = self._compile()
        spans = [_find(finder, protected, text) for text in texts]
        variants = [self._variants(text, found) for text, found in zip(texts, spans)]
        # Many texts without a term are one: each is scored once.
        distinct = list(dict.fromkeys(v for row in variants for v in row))
        scores = dict(zip(distinct, self._score(distinct)))
        rows = [
            self._attribute(text, found, [scores[v] for v in row])
            for text, found, row in zip(texts, spans, variants)
        ]
        return self._summarise(rows)

    def _compile(self):
        if isinstance(self.terms, str):
            pairs, rules, phrases = TERM_SETS[self.terms]
            terms = {term for pair in pairs for term in pair} | set(rules)
            protected = {phrase.lower() for phrase in phrases}
        else:
            terms, protected = {str(t).lower() for t in self.terms} - {""}, set()
        if not terms:
            raise ValueError(
                f"{type(self).__name__} needs a term. Got terms={self.terms!r}."
            )
        return TermFinder(terms | protected), protected

    def _variants(self, text, spans):
        """The text; without each term; and without all of them."""
        alone = [text[:start] + self.replacement + text[end:] for start, end in spans]
        without = text
        for start, end in reversed(spans):
            without = without[:start] + self.replacement + without[end:]
        return [text, *alone, without]

    def _score(self, texts):
        if not hasattr(self.estimator, "predict_proba"):
            scores = np.asarray(self.estimator(texts), dtype=np.float64)
        else:
            check_is_fitted(self.estimator)
            scores = self.estimator.predict_proba(texts)[:, self._position()]
        if scores.shape != (len(texts),):
            raise ValueError(
                f"{type(self).__name__} needs one score for each text. Got shape "
                f"{scores.shape} for {len(texts)} texts."
            )
        return scores.tolist()

    def _position(self):
        if self.pos_label is None:
            return -1
        classes = list(self.estimator.classes_)
        if self.pos_label not in classes:
            raise ValueError(
                f"{type(self).__name__} needs `pos_label` among the classes {classes}. "
                f"Got {self.pos_label!r}."
            )
        return classes.index(self.pos_label)

    def _attribute(self, text, spans, scores):
        whole, *alone, without = scores
        return TermAttribution(
            text=text,
            score=whole,
            terms=[text[start:end] for start, end in spans],
            spans=spans,
            attributions=whole - np.array(alone, dtype=np.float64),
            joint=whole - without,
            is_decisive=(whole >= self.threshold) != (without >= self.threshold),
        )

    def _summarise(self, rows):
        with_terms = [row for row in rows if row.terms]
        by_term = {}
        for row in with_terms:
            for term, value in zip(row.terms, row.attributions):
                by_term.setdefault(term.lower(), []).append(float(value))
        means = {term: float(np.mean(values)) for term, values in by_term.items()}
        order = sorted(means, key=lambda term: -abs(means[term]))
        decisive = [row.is_decisive for row in with_terms]
        return GroupTermResult(
            decisive_share=float(np.mean(decisive)) if decisive else float("nan"),
            coverage=len(with_terms) / len(rows),
            by_term={term: means[term] for term in order},
            counts={term: len(by_term[term]) for term in order},
            texts=rows,
        )


def _find(finder, protected, text):
    return [
        match.span()
        for match in finder.find(text)
        if match.group().lower() not in protected
    ]
