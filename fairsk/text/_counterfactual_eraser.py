"""Embeddings without what changes when the group of a text is swapped."""

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils.validation import check_is_fitted

from fairsk.base import GroupAwareMixin
from fairsk.text._counterfactual_swap import CounterfactualSwap
from fairsk.text._tags import TextInputMixin
from fairsk.text._validation import read_texts
from fairsk.utils._sklearn import HasMethods, _fit_context


class CounterfactualEraser(
    TextInputMixin,
    GroupAwareMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    r"""Texts to embeddings that a swap of the group hardly moves.

    Each text is embedded as it is and as it would read of the other group, and an
    eraser is fitted to both, the latter with the group flipped. In these balanced data
    nothing but the swapped terms goes along with the group: with embeddings
    :math:`e(x)` and :math:`e(x')`, what is erased is the direction of :math:`E[s\,
    (e(x) - e(x'))]`, where s = 1 for one group and -1 for the other. An eraser of the
    texts as they are would also take what goes along with the group in these data, such
    as the profession.

    Parameters
    ----------
    encoder : transformer
        Texts to embeddings, such as :class:`TextEncoder`.
    eraser : transformer
        Its `fit` takes `sensitive_features` and `X_counterfactual`, such as that of
        :class:`fairsk.preprocessing.ConceptEraser`.
    swap : transformer, default=None
        Makes the counterfactual texts; None is ``CounterfactualSwap()``.
    group_by : callable, default=None
        Function of X that gives the two groups, where `sensitive_features` is not
        passed.

    Attributes
    ----------
    encoder_ : transformer
        The fitted encoder.
    eraser_ : transformer
        The fitted eraser.
    coverage_ : float
        Share of the texts of `fit` that have a counterfactual.
    group_labels_ : list of length 2
        The groups.

    See Also
    --------
    CounterfactualTextAugmenter : Shows the pairs to all later steps, the classifier
        included.
    fairsk.preprocessing.ConceptEraser : Erases all that goes along with the groups.

    Notes
    -----
    The swap is needed in `fit` only. Where a classifier still tells the groups apart,
    it does so by other words; whether that should count is not for the eraser to say.

    References
    ----------
    Belrose, Schneider-Joseph, Ravfogel, Cotterell, Raff & Biderman (2023). LEACE:
    perfect linear concept erasure in closed form. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.preprocessing import ConceptEraser
    >>> from fairsk.text import CounterfactualEraser, TextEncoder
    >>> def count_words(texts):
    ...     words = ["he", "she", "sings"]
    ...     return np.array([[t.split().count(w) for w in words] for t in texts])
    >>> encoder = TextEncoder(count_words, normalize=False)
    >>> texts = ["he runs", "she sings", "he runs", "she runs"]
    >>> guarded = CounterfactualEraser(encoder, ConceptEraser())
    >>> guarded.fit(texts, sensitive_features=["m", "f", "m", "f"]).transform(texts)
    array([[0.5, 0.5, 0. ],
           [0.5, 0.5, 1. ],
           [0.5, 0.5, 0. ],
           [0.5, 0.5, 0. ]], dtype=float32)
    """

    _parameter_constraints: dict = {
        "encoder": [HasMethods(["fit", "transform"])],
        "eraser": [HasMethods(["fit", "transform"])],
        "swap": [HasMethods(["fit", "transform"]), None],
        "group_by": [callable, None],
    }

    def __init__(self, encoder, eraser, *, swap=None, group_by=None):
        self.encoder = encoder
        self.eraser = eraser
        self.swap = swap
        self.group_by = group_by

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, *, sensitive_features=None, sample_weight=None):
        """Embed the texts and their counterfactuals, and learn what to erase.

        Parameters
        ----------
        X : list, Series or ndarray of shape (n_samples,) or (n_samples, 1)
            The texts.
        y : array-like of shape (n_samples,), default=None
            Labels, where the eraser heeds them.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The two groups.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        texts = read_texts(X, owner=type(self).__name__)
        groups = self._check_groups(X, sensitive_features)
        if groups.n_groups != 2:
            raise ValueError(
                f"{type(self).__name__} needs two groups, to know that of each "
                f"counterfactual. Got {groups.n_groups}: {groups.labels[:10]}. Pass "
                "data of both; of more, put "
                "CounterfactualTextAugmenter with `flip` before the encoder instead."
            )
        swap = CounterfactualSwap() if self.swap is None else clone(self.swap)
        swapped = list(swap.fit(texts).transform(texts))
        self.coverage_ = float(np.mean([a != b for a, b in zip(texts, swapped)]))
        self.encoder_ = clone(self.encoder).fit(texts)
        self.eraser_ = clone(self.eraser)
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.eraser_.fit(
            self.encoder_.transform(texts),
            y,
            sensitive_features=groups,
            X_counterfactual=self.encoder_.transform(swapped),
            **weight,
        )
        return self

    def transform(self, X):
        """Embeddings of texts, erased.

        Parameters
        ----------
        X : list, Series or ndarray of shape (n_samples,) or (n_samples, 1)
            The texts. Their groups are not needed.

        Returns
        -------
        embeddings : ndarray of shape (n_samples, n_dimensions)
            One row for each text.
        """
        check_is_fitted(self, "eraser_")
        texts = read_texts(X, owner=type(self).__name__)
        return self.eraser_.transform(self.encoder_.transform(texts))

    @property
    def _n_features_out(self):
        return self.eraser_.n_features_in_
