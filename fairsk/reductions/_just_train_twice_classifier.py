"""Fit a classifier a second time, with more weight on its mistakes."""

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.metaestimators import available_if

from fairsk.reductions._base import (
    DelegatingMixin,
    check_labels,
    estimator_has,
)
from fairsk.reductions._learner import (
    check_weights_matter,
    constant_classifier,
    fit_weighted,
    require_weights,
)
from fairsk.utils._factorize import factorize
from fairsk.utils._sklearn import (
    HasMethods,
    Interval,
    _check_sample_weight,
    _fit_context,
)
from fairsk.utils._validation import inherit_tags


class JustTrainTwiceClassifier(
    DelegatingMixin, MetaEstimatorMixin, ClassifierMixin, BaseEstimator
):
    r"""Classifier fitted twice, the second time with more weight on its errors (JTT).

    A first fit, which is weak by design, gets wrong what a shortcut does not explain:
    often the small groups. Its errors E weigh more in the second:

    .. math:: w_i' = w_i \,\bigl(1 + (\lambda_{up} - 1)\, 1[i \in E]\bigr).

    No group is needed, in `fit` or later; groups serve to choose `upweight`, by the
    worst of them.

    Parameters
    ----------
    estimator : classifier
        Its `fit` takes `sample_weight`. Of a pipeline the last step gets the weights.
    upweight : float, default=5.0
        The factor :math:`\lambda_{up}` of the weight of errors. 1 fits once more to the
        same weights.
    first_params : dict, default=None
        Parameters that the first fit changes, to stop it early or to regularise it:
        ``{"max_iter": 1}``.
    cv : int, splitter or iterable, default=None
        Folds whose held-out errors count, for an estimator that makes no errors on what
        it was fitted to. Each row is held out once. None takes the errors of one fit
        to all rows.

    Attributes
    ----------
    estimator_ : classifier
        The second fit.
    error_mask_ : bool ndarray of shape (n_samples,)
        Which rows of `fit` the first fit gets wrong.
    classes_ : ndarray of shape (n_classes,)
        The labels.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    ReweighingClassifier : Weights by group and label, where groups are known.
    DeepFeatureReweightingClassifier : Refits the last layer on balanced groups.

    Notes
    -----
    It helps where the errors of the first fit *are* the small groups, as with a feature
    that gives most labels away. Where they are noise, it fits the noise. The first fit
    must make errors: regularise it, or set `cv`.

    References
    ----------
    Liu et al. (2021). Just train twice: improving group robustness without training
    group information. ICML.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.reductions import JustTrainTwiceClassifier
    >>> X, y, group = make_biased_classification(random_state=0)
    >>> clf = JustTrainTwiceClassifier(LogisticRegression(), first_params={"C": 0.01})
    >>> float(clf.fit(X, y).error_mask_.mean().round(2))
    0.17
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "upweight": [Interval(Real, 0, None, closed="left")],
        "first_params": [dict, None],
        "cv": ["cv_object"],
    }

    def __init__(self, estimator, *, upweight=5.0, first_params=None, cv=None):
        self.estimator = estimator
        self.upweight = upweight
        self.first_params = first_params
        self.cv = cv

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sample_weight=None):
        """Fit the classifier twice.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,)
            The labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, which the factor of errors multiplies.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        require_weights(self.estimator, type(self).__name__)
        X, y = check_labels(self, X, y)
        weight = _check_sample_weight(sample_weight, X)
        self.classes_, _ = factorize(y)
        if len(self.classes_) > 1:
            check_weights_matter(self.estimator, X, type(self).__name__)
        self.error_mask_ = self._find_errors(X, y, weight)
        weight = weight * np.where(self.error_mask_, self.upweight, 1.0)
        self.estimator_ = fit_weighted(clone(self.estimator), X, y, weight)
        return self

    def _find_errors(self, X, y, weight):
        first = clone(self.estimator).set_params(**(self.first_params or {}))
        if self.cv is None:
            return fit_weighted(first, X, y, weight).predict(X) != y
        errors = np.zeros(len(y), dtype=bool)
        folds = check_cv(self.cv, y, classifier=True)
        folds = list(folds.split(np.zeros(len(y)), y))
        self._check_partition([held_out for _, held_out in folds], len(y))
        for kept, held_out in folds:
            part, label = _safe_indexing(X, kept), y[kept]
            if len(np.unique(label)) == 1:
                fitted = constant_classifier(part, label[0])
            else:
                fitted = fit_weighted(clone(first), part, label, weight[kept])
            predicted = fitted.predict(_safe_indexing(X, held_out))
            errors[held_out] = predicted != y[held_out]
        return errors

    def _check_partition(self, parts, n_samples):
        times = np.bincount(np.concatenate(parts), minlength=n_samples)
        if (times != 1).any():
            raise ValueError(
                f"{type(self).__name__} needs folds that hold out each row once. Got "
                f"{(times == 0).sum()} rows that are never held out and "
                f"{(times > 1).sum()} that are more than once. Set cv to a number or "
                "to a splitter such as StratifiedKFold."
            )

    @available_if(estimator_has("predict_log_proba"))
    def predict_log_proba(self, X):
        """Logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return self._delegate("predict_log_proba", X)

    def __sklearn_tags__(self):
        return inherit_tags(super().__sklearn_tags__(), self.estimator)
