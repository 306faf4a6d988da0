"""Fit an estimator with weights, again and again, as cheaply as it allows."""

import copy
import inspect
import warnings

import numpy as np
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import has_fit_parameter

from fairsk.utils._sklearn import _routing_enabled

RESAMPLE_INSTEAD = ", or one whose fit has no `sample_weight`, with `resample=True`"
RESAMPLE = ", or set `resample=True` to draw rows in proportion to their weight instead"


class WeightedLearner:
    """Fits clones of an estimator to weighted samples.

    Parameters
    ----------
    estimator : estimator
        The estimator; pipelines get the weights in their last step.
    owner : str
        Who asks, for the error messages.
    resample : bool, default=False
        Whether an estimator without `sample_weight` is fitted on rows drawn in
        proportion to their weight.
    random_state : RandomState, default=None
        Source of these draws.
    """

    def __init__(self, estimator, *, owner, resample=False, random_state=None):
        self.owner = owner
        self.resample = resample and not takes_weight(estimator)
        self.random_state = random_state
        self._template = estimator
        self._working = None
        if not self.resample:
            require_weights(estimator, owner, remedy=RESAMPLE)

    def fit(self, X, y, sample_weight):
        """Fit to the weighted samples.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            The samples.
        y : ndarray of shape (n_samples,)
            The target.
        sample_weight : ndarray of shape (n_samples,)
            Weights, not all 0.

        Returns
        -------
        fitted : estimator
            A fitted estimator that later calls leave alone.
        """
        if is_classifier(self._template):
            weighed = np.unique(y[sample_weight > 0])
            if len(weighed) == 1:
                return constant_classifier(X, weighed[0])
        if self._working is None:
            self._working = clone(self._template)
        if self.resample:
            self._fit_resampled(X, y, sample_weight)
        else:
            fit_weighted(self._working, X, y, sample_weight)
        fitted = copy.deepcopy(self._working)
        if not start_warm(self._working):
            self._working = None
        return fitted

    def _fit_resampled(self, X, y, sample_weight):
        share = sample_weight / sample_weight.sum()
        rows = self.random_state.choice(len(share), size=len(share), p=share)
        if is_classifier(self._template):
            # The rarest class may be drawn never; it has a weight, so it has a row.
            first = [np.flatnonzero(y == k)[0] for k in np.unique(y[share > 0])]
            rows = np.concatenate([rows, first])
        self._working.fit(_safe_indexing(X, rows), y[rows])

    def check_weights_matter(self, X):
        """Raise if the estimator takes weights and ignores them.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            The samples.
        """
        if not self.resample:
            check_weights_matter(self._template, X, self.owner, remedy=RESAMPLE_INSTEAD)


def check_weights_matter(estimator, X, owner, remedy=""):
    """Raise if the estimator takes weights and ignores them.

    Some rows of X are given twice, with both labels. Whatever the estimator believes,
    it must side with the label that weighs more.

    Parameters
    ----------
    estimator : estimator
        An estimator or a pipeline. Clones of it are fitted.
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        The samples.
    owner : str
        Who asks.
    remedy : str, default=""
        What else than another estimator can be done.
    """
    n_rows = min(_n_rows(X), 50)
    block = _safe_indexing(X, np.tile(np.arange(n_rows), 2))
    everywhere = np.repeat([0.9, 0.1], n_rows)
    # Where an estimator weighs its classes alike, only the rows can differ.
    of_row = np.where(np.arange(n_rows) % 2, 0.9, 0.1)
    by_row = np.concatenate([of_row, 1 - of_row])
    if not any(_heeds(estimator, block, weight) for weight in (everywhere, by_row)):
        raise ValueError(
            f"{owner} needs an estimator that heeds `sample_weight`. "
            f"{type(final_step(estimator)).__name__} predicts the same whichever of "
            f"two contradicting labels weighs more. Choose another{remedy}."
        )


def _heeds(estimator, block, sample_weight):
    """Whether predictions change when the two halves exchange their weights."""
    y = np.repeat([0, 1], len(sample_weight) // 2)
    answers = []
    for weight in (sample_weight, 1 - sample_weight):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = fit_weighted(clone(estimator), block, y, weight)
            answers.append(np.asarray(fitted.predict(block), dtype=float))
    return not np.allclose(*answers)


def require_weights(estimator, owner, remedy=""):
    """Raise if `fit` of the estimator has no `sample_weight`.

    Parameters
    ----------
    estimator : estimator
        An estimator or a pipeline.
    owner : str
        Who asks.
    remedy : str, default=""
        What else than another estimator can be done.
    """
    if not takes_weight(estimator):
        raise ValueError(
            f"{owner} needs an estimator whose fit takes `sample_weight`. Got "
            f"{type(final_step(estimator)).__name__}. Choose another{remedy}."
        )


def fit_weighted(estimator, X, y, sample_weight):
    """Fit the estimator, or the last step of a pipeline, with weights.

    Parameters
    ----------
    estimator : estimator
        The estimator. It is fitted in place.
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        The samples.
    y : ndarray of shape (n_samples,)
        The target.
    sample_weight : ndarray of shape (n_samples,)
        The weights.

    Returns
    -------
    estimator : estimator
        The same.
    """
    path, step = [], estimator
    while hasattr(step, "steps"):
        name, inner = step.steps[-1]
        path, step = [*path, name], inner
    key = "__".join([*path, "sample_weight"])
    # The weights are all that is passed, and the step they are for is known: no
    # request of any other step has a say.
    with config_context(enable_metadata_routing=_routing_enabled() and not path):
        return estimator.fit(X, y, **{key: sample_weight})


def takes_weight(estimator):
    """Whether `fit` of the estimator, or of the last step, has `sample_weight`.

    Parameters
    ----------
    estimator : estimator
        An estimator or a pipeline.

    Returns
    -------
    takes_weight : bool
        Also true where it stands behind keyword arguments of a meta-estimator.
    """
    step = final_step(estimator)
    if has_fit_parameter(step, "sample_weight"):
        return True
    parameters = inspect.signature(step.fit).parameters.values()
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return takes_any and hasattr(step, "estimator") and takes_weight(step.estimator)


def final_step(estimator):
    """The last step of a pipeline, or the estimator itself.

    Parameters
    ----------
    estimator : estimator
        An estimator or a pipeline.

    Returns
    -------
    step : estimator
        Never a pipeline.
    """
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    return estimator


def start_warm(estimator):
    """Switch warm starts on where they mean "begin at the last solution".

    For ensembles the same parameter means "add more members" and would keep those that
    were fitted to other weights.

    Parameters
    ----------
    estimator : fitted estimator
        The estimator.

    Returns
    -------
    warm : bool
        Whether the next fit begins at this one.
    """
    step = final_step(estimator)
    has_coefficients = hasattr(step, "coef_") or hasattr(step, "coefs_")
    if not (has_coefficients and "warm_start" in step.get_params(deep=False)):
        return False
    step.set_params(warm_start=True)
    return True


def constant_classifier(X, label):
    """Classifier that always answers `label`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The samples.
    label : object
        The answer.

    Returns
    -------
    fitted : DummyClassifier
        The classifier.
    """
    dummy = DummyClassifier(strategy="constant", constant=label)
    return dummy.fit(_safe_indexing(X, [0]), np.array([label]))


def _n_rows(X):
    return X.shape[0] if hasattr(X, "shape") else len(X)
