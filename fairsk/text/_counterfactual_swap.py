"""Each text as it would read of the other group."""

import re
import warnings
from collections.abc import Mapping

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from fairsk.text._tags import TextInputMixin
from fairsk.text._terms import TERM_SETS
from fairsk.text._validation import like_texts, read_texts
from fairsk.utils._sklearn import StrOptions, _fit_context

# A letter of a script that parts its words: no term begins or ends inside a word.
_LETTER = r"[^\W\u3040-\u30ff\u3400-\u9fff]"


class CounterfactualSwap(TextInputMixin, TransformerMixin, BaseEstimator):
    """Swap the terms that name a group for those of the other group.

    "He lost his keys" becomes "She lost her keys": what a model says of the one should
    hold for the other. Terms are swapped in both directions, the longest first, in the
    case that they are written in.

    Parameters
    ----------
    terms : str, mapping, list or callable, default="english_gender"
        The pairs: "english_gender", "chinese_gender", a mapping of terms to their
        counterparts (which go both ways), or a list of these; or a function of one text
        that returns its counterfactual, the text itself where it has none.
    protect : list of str, default=()
        Phrases that stay as they are, besides those that are known to mislead, such as
        the Chinese word for "other", which ends in "he".

    Attributes
    ----------
    coverage_ : float
        Share of the texts of `fit` that change.

    See Also
    --------
    CounterfactualTextAugmenter : Adds the swapped texts to the training data.
    fairsk.metrics.flip_rate : How many decisions change with the swap.

    Notes
    -----
    English needs to know whether "her" is "him" or "his". A rule reads the next words:
    in front of a noun it is possessive, in front of a preposition, an article, an
    auxiliary or punctuation it is not. It swaps all but a few pairs of the Winogender
    set as people did. Where a language is ambiguous, two swaps do not cancel: "told him
    stories" becomes "told her stories", which reads as "told his stories".

    Names stay as they are, and so does all that goes along with a group without naming
    it.

    References
    ----------
    Lu, Mardziel, Wu, Amancharla & Datta (2020). Gender bias in neural natural language
    processing.

    Rudinger, Naradowsky, Leonard & Van Durme (2018). Gender bias in coreference
    resolution. NAACL.

    Examples
    --------
    >>> from fairsk.text import CounterfactualSwap
    >>> swap = CounterfactualSwap()
    >>> swap.fit_transform(["She told him that the car was hers.", "His father left."])
    ['He told her that the car was his.', 'Her mother left.']
    >>> CounterfactualSwap("chinese_gender").fit_transform(["他和其他人"])
    ['她和其他人']
    """

    _parameter_constraints: dict = {
        "terms": [StrOptions(set(TERM_SETS)), Mapping, list, tuple, callable],
        "protect": [list, tuple],
    }

    def __init__(self, terms="english_gender", *, protect=()):
        self.terms = terms
        self.protect = protect

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Count the texts that change; nothing is learnt from them.

        Parameters
        ----------
        X : list, Series or ndarray of shape (n_samples,) or (n_samples, 1)
            The texts.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The transformer.
        """
        texts = read_texts(X, owner=type(self).__name__, allow_empty=True)
        swapped = self._swap(texts)
        self.coverage_ = float(np.mean([a != b for a, b in zip(texts, swapped)]))
        if self.coverage_ == 0:
            warnings.warn(
                f"{type(self).__name__} changes nothing: 0 of {len(texts)} texts have "
                f"a term of {self._name()} (coverage 0). Pass the `terms` of these "
                "texts.",
                UserWarning,
                stacklevel=3,
            )
        return self

    def transform(self, X):
        """Swap the terms.

        Parameters
        ----------
        X : list, Series or ndarray of shape (n_samples,) or (n_samples, 1)
            The texts.

        Returns
        -------
        X_swapped : of the type of X
            Texts without a term as they are.
        """
        self._validate_params()
        texts = read_texts(X, owner=type(self).__name__, allow_empty=True)
        return like_texts(X, self._swap(texts))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def _name(self):
        return repr(self.terms) if isinstance(self.terms, str) else "`terms`"

    def _swap(self, texts):
        swap = self._checked_call if callable(self.terms) else self._compile()
        distinct = {text: swap(text) for text in dict.fromkeys(texts)}
        return [distinct[text] for text in texts]

    def _checked_call(self, text):
        swapped = self.terms(text)
        if not isinstance(swapped, str):
            raise TypeError(
                f"{type(self).__name__} needs `terms` to return a text. Got "
                f"{type(swapped).__name__} for {text!r}. Return the text itself where "
                "it has no counterfactual."
            )
        return swapped

    def _compile(self):
        sets = self.terms if isinstance(self.terms, (list, tuple)) else [self.terms]
        counterparts, rules, protected = {}, {}, [*self.protect]
        for terms in sets:
            pairs, more_rules, phrases = _read_terms(terms, type(self).__name__)
            for pair in pairs:
                _add_pair(counterparts, pair, type(self).__name__)
            rules |= more_rules
            protected += phrases
        return _TermSwap(counterparts, rules, protected)


class _TermSwap:
    """Swap the terms of one text.

    Parameters
    ----------
    counterparts : dict of {str: str}
        Terms in small letters.
    rules : dict of {str: callable}
        Terms whose counterpart depends on where they stand.
    protected : list of str
        Phrases to leave alone.
    """

    def __init__(self, counterparts, rules, protected):
        self.counterparts = counterparts
        self.rules = rules
        self.protected = frozenset()
        known = {*counterparts, *rules}
        self.finder = TermFinder(known)
        phrases = {phrase.lower() for phrase in protected}
        images = {phrase: self(phrase) for phrase in phrases}
        # A swap must not make what the next one would leave alone.
        self.protected = phrases | {
            image
            for phrase, image in images.items()
            if phrase in known or image not in known
        }
        self.finder = TermFinder(known | self.protected)

    def __call__(self, text):
        """The text with its terms swapped."""

        def replace(match):
            found = match.group()
            term = found.lower()
            if term in self.protected:
                return found
            if term in self.rules:
                new = self.rules[term](text, match.start(), match.end())
            else:
                new = self.counterparts[term]
            return _in_case_of(found, new)

        return self.finder.substitute(replace, text)


class TermFinder:
    """Find terms as whole words, the longest first, in any case.

    Words are looked up rather than tried one by one: the time does not depend on how
    many terms there are.

    Parameters
    ----------
    terms : set of str
        Words and phrases in small letters.
    """

    def __init__(self, terms):
        self.terms = terms
        phrases = [t for t in terms if not re.fullmatch(f"{_LETTER}+", t)]
        phrases.sort(key=lambda term: (-len(term), term))
        parts = [_bounded(phrase) for phrase in phrases]
        self.pattern = re.compile("|".join([*parts, f"{_LETTER}+"]), re.IGNORECASE)

    def find(self, text):
        """Where the terms stand.

        Parameters
        ----------
        text : str
            The text.

        Yields
        ------
        match : re.Match
            Of each term.
        """
        for match in self.pattern.finditer(text):
            if match.group().lower() in self.terms:
                yield match

    def substitute(self, replace, text):
        """The text with each term replaced.

        Parameters
        ----------
        replace : callable
            Function of a match that returns a str.
        text : str
            The text.

        Returns
        -------
        substituted : str
            All else as it was.
        """

        def replace_term(match):
            found = match.group()
            return replace(match) if found.lower() in self.terms else found

        return self.pattern.sub(replace_term, text)


def _bounded(phrase):
    """Pattern of a phrase that neither begins nor ends inside a word."""
    before = f"(?<!{_LETTER})" if re.match(_LETTER, phrase[0]) else ""
    after = f"(?!{_LETTER})" if re.match(_LETTER, phrase[-1]) else ""
    return before + re.escape(phrase) + after


def _in_case_of(found, new):
    """The term in the case that the other one was written in."""
    if found.islower():
        return new
    if len(found) > 1 and found.isupper():
        return new.upper()
    if found[0].isupper() and (len(found) == 1 or found[1:].islower()):
        return new[0].upper() + new[1:]
    # Neither letters nor any case that would come back.
    return new if found == found.lower() else found


def _read_terms(terms, owner):
    if isinstance(terms, str):
        if terms not in TERM_SETS:
            raise ValueError(
                f"{owner} needs `terms` to name a set of {sorted(TERM_SETS)}. Got "
                f"{terms!r}."
            )
        return TERM_SETS[terms]
    if not isinstance(terms, Mapping):
        raise TypeError(
            f"{owner} needs `terms` to be a name, a mapping of terms to their "
            f"counterparts, or a list of these. Got {type(terms).__name__} among them."
        )
    pairs = list(terms.items())
    if not pairs or not all(isinstance(t, str) and t for pair in pairs for t in pair):
        raise ValueError(
            f"{owner} needs `terms` to map texts to texts. Got {dict(terms)!r}."
        )
    return pairs, {}, []


def _add_pair(counterparts, pair, owner):
    first, second = (term.lower() for term in pair)
    for term, other in ((first, second), (second, first)):
        if counterparts.get(term, other) != other:
            raise ValueError(
                f"{owner} needs each term in one pair, so that two swaps cancel. Got "
                f"{term!r} with {counterparts[term]!r} and {other!r}. Leave one out, "
                "or pass a function as `terms`."
            )
        counterparts[term] = other
