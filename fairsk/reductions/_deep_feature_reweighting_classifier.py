"""Refit the last layer of a model on rows with balanced groups."""

from numbers import Integral, Real

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from fairsk.base import GroupAwareMixin
from fairsk.reductions._base import check_labels
from fairsk.utils._factorize import factorize
from fairsk.utils._rows import take_rows
from fairsk.utils._sklearn import (
    HasMethods,
    Interval,
    _fit_context,
)
from fairsk.utils._validation import check_predict_input, inherit_tags


class DeepFeatureReweightingClassifier(
    GroupAwareMixin, MetaEstimatorMixin, ClassifierMixin, BaseEstimator
):
    r"""Classifier whose last layer is refitted on rows with balanced groups (DFR).

    Networks that lean on a shortcut still learn the features that matter; only the
    last layer weighs them wrongly. So the model is fitted to one part of the rows, and
    a linear head to its features of the other part, with equally many rows of every
    cell of group and label. The head is the mean of `n_draws` logistic regressions, on
    standardised features of rows drawn anew.

    Parameters
    ----------
    encoder : transformer, default=None
        What makes features by `transform`: a
        :class:`~fairsk.text.FairTransformerClassifier`, a pipeline of transformers, or
        a fitted object in :class:`~sklearn.frozen.FrozenEstimator`, for which all rows
        go into the head. None takes X as it is.
    head : classifier, default=None
        A linear classifier with `coef_` and `intercept_`. None takes a logistic
        regression with an L2 penalty.
    reweighting_fraction : float, default=0.3
        Share of the rows that are kept from `encoder`, for the head.
    n_draws : int, default=10
        Number of balanced draws to average over.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.
    random_state : int, RandomState instance or None, default=None
        Source of the split and of the draws.

    Attributes
    ----------
    encoder_ : transformer or None
        The fitted model.
    coef_ : ndarray of shape (n_heads, n_outputs)
        Weights of the head on standardised features; one row for two classes.
    intercept_ : ndarray of shape (n_heads,)
        Intercepts.
    cell_size_ : int
        Number of rows of each group and label in a draw.
    classes_ : ndarray of shape (n_classes,)
        The labels.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    JustTrainTwiceClassifier : Needs no groups.

    Notes
    -----
    Every cell of group and label that has rows needs some among those that are kept
    for the head; the smallest decides how many rows a draw has.

    It takes no weights of samples: that each cell counts the same is the method.

    References
    ----------
    Kirichenko, Izmailov & Wilson (2023). Last layer re-training is sufficient for
    robustness to spurious correlations. ICLR.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.reductions import DeepFeatureReweightingClassifier
    >>> X, y, group = make_biased_classification(random_state=0)
    >>> clf = DeepFeatureReweightingClassifier(random_state=0)
    >>> clf.fit(X, y, sensitive_features=group).coef_.shape
    (1, 10)
    """

    _parameter_constraints: dict = {
        "encoder": [HasMethods(["fit", "transform"]), None],
        "head": [HasMethods(["fit", "predict"]), None],
        "reweighting_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "group_by": [str, int, list, tuple, callable, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        encoder=None,
        *,
        head=None,
        reweighting_fraction=0.3,
        n_draws=10,
        group_by=None,
        random_state=None,
    ):
        self.encoder = encoder
        self.head = head
        self.reweighting_fraction = reweighting_fraction
        self.n_draws = n_draws
        self.group_by = group_by
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sensitive_features=None):
        """Fit the model to one part of the rows, and the head to the other.

        Parameters
        ----------
        X : array-like, DataFrame or texts, of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,)
            The labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        X_raw = X
        X, y = check_labels(self, X, y)
        groups = self._check_groups(X_raw, sensitive_features)
        self.classes_, y_codes = factorize(y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes. Got 1 "
                f"class: {self.classes_[0]!r}."
            )
        rng = check_random_state(self.random_state)
        cells = groups.codes.astype(np.int64) * len(self.classes_) + y_codes
        # Numbered as they appear: what groups are called must not change the draws.
        cells = _by_appearance(cells)
        kept = self._fit_encoder(X, y, groups, cells, rng)
        features = self._features(take_rows(X, kept))
        self._fit_heads(features, y[kept], cells[kept], rng)
        return self

    def _fit_encoder(self, X, y, groups, cells, rng):
        """Fit the model. Returns the rows that are kept for the head."""
        everything = np.arange(len(y))
        if self.encoder is None or _is_frozen(self.encoder):
            self.encoder_ = self.encoder
            return everything
        kept = np.zeros(len(y), dtype=bool)
        for cell in np.unique(cells):
            rows = rng.permutation(np.flatnonzero(cells == cell))
            # Even a rare cell has a row on both sides, if it has two.
            n_kept = round(self.reweighting_fraction * len(rows))
            kept[rows[: min(max(n_kept, 1), max(len(rows) - 1, 1))]] = True
        rows = np.flatnonzero(~kept)
        metadata = {}
        if has_fit_parameter(self.encoder, "sensitive_features"):
            metadata["sensitive_features"] = groups.take(rows)
        self.encoder_ = clone(self.encoder)
        self.encoder_.fit(take_rows(X, rows), y[rows], **metadata)
        return np.flatnonzero(kept)

    def _features(self, X):
        if self.encoder_ is None:
            return check_array(X, dtype=np.float64, estimator=self, input_name="X")
        features = self.encoder_.transform(X)
        features = features.toarray() if hasattr(features, "toarray") else features
        return check_array(features, dtype=np.float64, input_name="features")

    def _fit_heads(self, features, y, cells, rng):
        present, sizes = np.unique(cells, return_counts=True)
        self.cell_size_ = int(sizes.min())
        by_cell = [np.flatnonzero(cells == cell) for cell in present]
        self.scaler_ = StandardScaler().fit(features)
        features = self.scaler_.transform(features)
        heads = []
        for _ in range(self.n_draws):
            rows = np.concatenate(
                [rng.choice(rows, self.cell_size_, replace=False) for rows in by_cell]
            )
            rows.sort()
            head = self._new_head().fit(features[rows], y[rows])
            if not hasattr(head, "coef_"):
                raise ValueError(
                    f"{type(self).__name__} needs a linear head, with coef_ and "
                    f"intercept_, to average its draws. Got {type(head).__name__}. "
                    "Choose a linear classifier, or None."
                )
            heads.append(head)
        self.coef_ = np.mean([head.coef_ for head in heads], axis=0)
        self.intercept_ = np.mean([head.intercept_ for head in heads], axis=0)

    def _new_head(self):
        if self.head is None:
            return LogisticRegression(max_iter=1000)
        return clone(self.head)

    def decision_function(self, X):
        """Logits of the averaged head.

        Parameters
        ----------
        X : array-like, DataFrame or texts, of shape (n_samples, n_features)
            The samples. Their groups are not needed.

        Returns
        -------
        y_score : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Logits; for two classes that of ``classes_[1]``.
        """
        check_is_fitted(self)
        features = self._features(check_predict_input(self, X))
        scores = self.scaler_.transform(features) @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : array-like, DataFrame or texts, of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        scores = self.decision_function(X)
        if scores.ndim == 2:
            return softmax(scores, axis=1)
        return np.column_stack([expit(-scores), expit(scores)])

    def predict(self, X):
        """Most probable label.

        Parameters
        ----------
        X : array-like, DataFrame or texts, of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            The labels.
        """
        most_probable = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_probable]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        return tags if self.encoder is None else inherit_tags(tags, self.encoder)


def _by_appearance(codes):
    """The codes, numbered anew in the order in which they appear."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return first.argsort().argsort()[inverse]


def _is_frozen(estimator):
    return type(estimator).__name__ == "FrozenEstimator"
