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

_ANY_TEXTS = {"skip_check_array": True, "ensure_2d": False}


def holds_texts(X):
    """Whether X is a sequence of texts, rather than of rows with features.

    Parameters
    ----------
    X : object
        What was passed as X.

    Returns
    -------
    holds_texts : bool
        True for a list, tuple, Series or one-dimensional array whose first entry is a
        str.
    """
    if isinstance(X, (list, tuple)):
        return bool(X) and isinstance(X[0], str)
    shape = getattr(X, "shape", None)
    if shape is None or len(shape) != 1 or shape[0] == 0:
        return False
    first = X.iloc[0] if hasattr(X, "iloc") else X[0]
    return isinstance(first, str)


def check_fit_input(estimator, X, y):
    """Check what can be checked without knowing what the inner estimator takes.

    Parameters
    ----------
    estimator : estimator
        The meta-estimator. Gets `n_features_in_` and `feature_names_in_`.
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features), or \
            texts of shape (n_samples,)
        Frames stay what they are, since the inner estimator may select columns; so do
        texts, which have none.
    y : array-like of shape (n_samples,)
        The target.

    Returns
    -------
    X, y : array-like, ndarray
        Lists become arrays.
    """
    if holds_texts(X):
        X, y = validate_data(estimator, X, y, **_ANY_TEXTS)
        check_consistent_length(X, y)
        return X, column_or_1d(y, warn=True)
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
    if holds_texts(X):
        return validate_data(estimator, X, reset=False, **_ANY_TEXTS)
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
