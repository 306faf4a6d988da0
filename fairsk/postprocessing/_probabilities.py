"""What post-processors share that give new probabilities instead of decisions."""

import numpy as np
from scipy.special import expit

from fairsk.postprocessing._base import BasePostprocessor


class BaseProbabilityPostprocessor(BasePostprocessor):
    """Base of post-processors whose outcome is a probability of the positive class.

    Subclasses write `_fit_scores` as :class:`BasePostprocessor` has it, and
    `_probability(y_score, groups, X)`, the new probability of each row.
    """

    @property
    def _gives_probabilities(self):
        """Whether the scores lie in [0, 1]."""
        return self._response_name() != "decision_function"

    def _as_probability(self, y_score):
        """Scores as probabilities: 0.5 is where the base model changes its mind."""
        if self._gives_probabilities:
            return np.asarray(y_score, dtype=float)
        return expit(y_score)

    def predict_proba(self, X, *, sensitive_features=None):
        """Probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of each sample; None reads them from X by `group_by`.

        Returns
        -------
        probability : ndarray of shape (n_samples, 2)
            Probability of each of `classes_`.
        """
        return self._both(X, sensitive_features, "predict_proba")

    def predict(self, X, *, sensitive_features=None):
        """Predict the more probable class.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of each sample; None reads them from X by `group_by`.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Predicted labels.
        """
        probability = self._both(X, sensitive_features, "predict")
        return self.classes_[probability.argmax(axis=1)]

    def _both(self, X, sensitive_features, method):
        y_score = self._score(X, sensitive_features, method)
        groups = self._check_groups(X, sensitive_features, reset=False)
        positive = self._probability(y_score, groups, X)
        columns = [1.0 - positive, positive]
        return np.column_stack(columns if self._pos_index == 1 else columns[::-1])
