"""Validation that leaves frames to the estimators that know their columns."""

import narwhals.stable.v1 as nw
from sklearn.utils import get_tags
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


def inherit_tags(tags, estimator):
    """Take over from an inner estimator what it says of its input.

    Parameters
    ----------
    tags : Tags
        Of the outer estimator.
    estimator : estimator
        The inner one.

    Returns
    -------
    tags : Tags
        The same object.
    """
    inner = get_tags(estimator).input_tags
    for name in ("sparse", "allow_nan", "string", "categorical"):
        setattr(tags.input_tags, name, getattr(inner, name))
    return tags
