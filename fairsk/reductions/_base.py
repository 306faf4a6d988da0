"""What the reductions share: validation that leaves X to the estimator, delegation."""

import narwhals.stable.v1 as nw
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

_ANY_ARRAY = {
    "dtype": None,
    "accept_sparse": ["csr", "csc"],
    "ensure_all_finite": False,
}


def check_fit_input(estimator, X, y):
    """Check what can be checked without knowing what the inner estimator takes.

    Parameters
    ----------
    estimator : estimator
        The meta-estimator. Gets `n_features_in_` and `feature_names_in_`.
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Frames stay what they are, since the inner estimator may select columns.
    y : array-like of shape (n_samples,)
        The target.

    Returns
    -------
    X, y : array-like, ndarray
        Lists become arrays.
    """
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        X, y = validate_data(estimator, X, y, skip_check_array=True)
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "f":
            assert_all_finite(y, input_name="y")
        check_consistent_length(X, y)
        return X, y
    return validate_data(estimator, X, y, **_ANY_ARRAY)


def check_predict_input(estimator, X):
    """Check features, names and shape against those of fit.

    Parameters
    ----------
    estimator : fitted estimator
        The meta-estimator.
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        The samples.

    Returns
    -------
    X : array-like
        Lists become arrays.
    """
    check_is_fitted(estimator)
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return validate_data(estimator, X, reset=False, skip_check_array=True)
    return validate_data(estimator, X, reset=False, **_ANY_ARRAY)


def check_labels(estimator, X, y):
    """`check_fit_input` for classifiers."""
    X, y = check_fit_input(estimator, X, y)
    check_classification_targets(y)
    return X, y


def check_target(estimator, X, y):
    """`check_fit_input` for regressors: y becomes float."""
    X, y = check_fit_input(estimator, X, y)
    return X, y.astype(float)


def inherit_tags(tags, estimator):
    """Take over from the inner estimator what it says of its input."""
    inner = get_tags(estimator)
    tags.input_tags.sparse = inner.input_tags.sparse
    tags.input_tags.allow_nan = inner.input_tags.allow_nan
    return tags


def estimator_has(method):
    """Condition for `available_if`: the inner estimator has `method`."""

    def check(self):
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class DelegatingMixin:
    """Predicts by one fitted estimator, `estimator_`."""

    def predict(self, X):
        """Predict by the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            The predictions.
        """
        return self._delegate("predict", X)

    @available_if(estimator_has("predict_proba"))
    def predict_proba(self, X):
        """Probability of each class by the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return self._delegate("predict_proba", X)

    @available_if(estimator_has("decision_function"))
    def decision_function(self, X):
        """Decision values of the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y_score : ndarray of shape (n_samples,) or (n_samples, n_classes)
            The decision values.
        """
        return self._delegate("decision_function", X)

    def _delegate(self, method, X):
        X = check_predict_input(self, X)
        return getattr(self.estimator_, method)(X)
