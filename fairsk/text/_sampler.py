"""The contract of samplers that add texts."""

import numpy as np
from imblearn.base import SamplerMixin
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length

from fairsk.text._tags import TextInputMixin
from fairsk.text._validation import like_texts, read_texts
from fairsk.utils._rows import take_rows
from fairsk.utils._sklearn import _fit_context


class TextSampler(TextInputMixin, SamplerMixin, BaseEstimator):
    """Base of the samplers that add texts made from those that are there.

    Subclasses write ``_fit_resample(texts, random_state)``, which returns the texts to
    add and the row that each was made from.
    """

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Check the texts.

        Parameters
        ----------
        X : list, Series or ndarray of shape (n_samples,) or (n_samples, 1)
            The texts.
        y : array-like of shape (n_samples,)
            The labels.

        Returns
        -------
        self : object
            The sampler.
        """
        self._check_texts(X, y)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_resample(self, X, y):
        """Add texts.

        Parameters
        ----------
        X : list, Series or ndarray of shape (n_samples,) or (n_samples, 1)
            The texts.
        y : array-like of shape (n_samples,)
            The labels.

        Returns
        -------
        X_resampled : of the type of X
            The texts, then those that were made.
        y_resampled : of the type of y
            Their labels.
        """
        texts = self._check_texts(X, y)
        random_state = check_random_state(getattr(self, "random_state", None))
        made, source = self._fit_resample(texts, random_state)
        # What is made from a row keeps all its metadata.
        rows = np.concatenate([np.arange(len(texts)), np.asarray(source, dtype=int)])
        self.sample_indices_ = rows
        return like_texts(X, texts + made), take_rows(y, rows)

    def _check_texts(self, X, y):
        texts = read_texts(X, owner=type(self).__name__)
        check_consistent_length(texts, y)
        return texts

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
