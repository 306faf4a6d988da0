"""Add texts as people misspell and shorten them."""

from numbers import Integral, Real

from fairsk.text._perturbations import PERTURBATIONS, perturb
from fairsk.text._sampler import TextSampler
from fairsk.utils._sklearn import Interval


class PerturbationAugmenter(TextSampler):
    """Add each text with small changes that leave its meaning as it is.

    Each word is changed with the probability `rate`, in one of the ways of `kinds`. A
    model should decide alike on both; one that does not may be less reliable for those
    who write otherwise.

    Parameters
    ----------
    kinds : list of str, default=("typo", "case", "delete")
        What may happen to a word: "typo" swaps, drops, doubles or mistypes a letter,
        "case" changes its case, "delete" leaves it out, "synonym" asks `synonyms`.
    rate : float, default=0.1
        Probability that a word is changed. At least one word of each text is.
    n_copies : int, default=1
        How many changed texts are made of each.
    synonyms : callable, default=None
        Called with a word, returns a list of words that may stand for it, empty where
        there are none.
    random_state : int, RandomState instance or None, default=None
        What is changed.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_resampled,)
        Position in the input of the text that each row is or was made from.

    See Also
    --------
    BackTranslationAugmenter : Says the same in other words.
    CounterfactualTextAugmenter : Says the same of other people.

    References
    ----------
    Ribeiro, Wu, Guestrin & Singh (2020). Beyond accuracy: behavioral testing of NLP
    models with CheckList. ACL.

    Examples
    --------
    >>> from fairsk.text import PerturbationAugmenter
    >>> augmenter = PerturbationAugmenter(["case"], rate=1.0, random_state=0)
    >>> augmenter.fit_resample(["a good day"], [1])
    (['a good day', 'A Good Day'], [1, 1])
    """

    _parameter_constraints: dict = {
        "kinds": [list, tuple],
        "rate": [Interval(Real, 0, 1, closed="both")],
        "n_copies": [Interval(Integral, 1, None, closed="left")],
        "synonyms": [callable, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        kinds=("typo", "case", "delete"),
        *,
        rate=0.1,
        n_copies=1,
        synonyms=None,
        random_state=None,
    ):
        self.kinds = kinds
        self.rate = rate
        self.n_copies = n_copies
        self.synonyms = synonyms
        self.random_state = random_state

    def _fit_resample(self, texts, random_state):
        self._check_kinds()
        made = [
            perturb(text, self.kinds, self.rate, random_state, self.synonyms)
            for _ in range(self.n_copies)
            for text in texts
        ]
        return made, [*range(len(texts))] * self.n_copies

    def _check_kinds(self):
        unknown = [kind for kind in self.kinds if kind not in PERTURBATIONS]
        if unknown or not self.kinds:
            raise ValueError(
                f"{type(self).__name__} needs `kinds` among {sorted(PERTURBATIONS)}. "
                f"Got {list(self.kinds)!r}."
            )
        if ("synonym" in self.kinds) != (self.synonyms is not None):
            raise ValueError(
                f"{type(self).__name__} needs 'synonym' among `kinds` and `synonyms` "
                f"together. Got kinds={list(self.kinds)!r} and "
                f"synonyms={self.synonyms!r}."
            )
