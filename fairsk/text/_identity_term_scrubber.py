"""Texts without the terms that name a group."""

from sklearn.base import BaseEstimator, TransformerMixin

from fairsk.text._counterfactual_swap import TermFinder
from fairsk.text._tags import TextInputMixin
from fairsk.text._terms import TERM_SETS
from fairsk.text._validation import like_texts, read_texts
from fairsk.utils._sklearn import StrOptions


class IdentityTermScrubber(TextInputMixin, TransformerMixin, BaseEstimator):
    """Replace the terms that name a group by a mark.

    Parameters
    ----------
    terms : str or list of str, default="english_gender"
        The terms: all of "english_gender" or "chinese_gender", or a list of words and
        phrases. Case does not matter.
    replacement : str, default="_"
        What stands in their place.
    protect : list of str, default=()
        Phrases that stay as they are.

    See Also
    --------
    CounterfactualSwap : Swaps the terms instead.
    fairsk.preprocessing.ConceptEraser : Erases from embeddings what goes along with a
        group, too.

    Notes
    -----
    Scrubbing hides the group from people more than from models, which find it in other
    words: in the study below, a classifier told gender from scrubbed biographies in two
    of three cases.

    References
    ----------
    De-Arteaga, Romanov, Wallach, Chayes, Borgs, Chouldechova, Geyik, Kenthapadi & Kalai
    (2019). Bias in bios. FAT*.

    Examples
    --------
    >>> from fairsk.text import IdentityTermScrubber
    >>> IdentityTermScrubber().fit_transform(["Her father heard him."])
    ['_ _ heard _.']
    """

    _parameter_constraints: dict = {
        "terms": [StrOptions(set(TERM_SETS)), list, tuple],
        "replacement": [str],
        "protect": [list, tuple],
    }

    def __init__(self, terms="english_gender", *, replacement="_", protect=()):
        self.terms = terms
        self.replacement = replacement
        self.protect = protect

    def fit(self, X, y=None):
        """Check the texts; nothing is learnt from them.

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
        self._validate_params()
        self._compile()
        read_texts(X, owner=type(self).__name__, allow_empty=True)
        return self

    def transform(self, X):
        """Replace the terms.

        Parameters
        ----------
        X : list, Series or ndarray of shape (n_samples,) or (n_samples, 1)
            The texts.

        Returns
        -------
        X_scrubbed : of the type of X
            Texts without a term as they are.
        """
        self._validate_params()
        finder, protected = self._compile()

        def replace(match):
            found = match.group()
            return found if found.lower() in protected else self.replacement

        texts = read_texts(X, owner=type(self).__name__, allow_empty=True)
        return like_texts(X, [finder.substitute(replace, text) for text in texts])

    def _compile(self):
        protected = {phrase.lower() for phrase in self.protect}
        if isinstance(self.terms, str):
            pairs, rules, phrases = TERM_SETS[self.terms]
            terms = {term for pair in pairs for term in pair} | set(rules)
            protected |= set(phrases)
        else:
            terms = {str(term).lower() for term in self.terms} - {""}
        if not terms:
            raise ValueError(
                f"{type(self).__name__} needs a term to replace. Got terms="
                f"{self.terms!r}."
            )
        return TermFinder(terms | protected), protected

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags
