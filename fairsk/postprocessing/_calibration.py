"""Calibration curves of binary scores, with weights."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

# The logit of a probability stays within about 23 of 0.
_CLIP = 1e-10


def as_logits(y_score, is_probability):
    """Scores in the unit of log odds."""
    if is_probability:
        return logit(np.clip(y_score, _CLIP, 1.0 - _CLIP))
    return np.asarray(y_score, dtype=float)


@dataclass(frozen=True)
class LogitLine:
    """Probability whose log odds are a line in the logits."""

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, logits):
        return expit(self.slope * logits + self.intercept)


@dataclass(frozen=True, eq=False)
class Steps:
    """Probability that is interpolated between the steps of isotonic regression."""

    logits: np.ndarray
    values: np.ndarray

    def __call__(self, logits):
        return np.interp(logits, self.logits, self.values)


def fit_sigmoid(logits, positive, weights):
    """Line by maximum likelihood, of the targets that Platt (1999) takes."""
    total = weights.sum()
    hits = weights[positive].sum()
    target = np.where(positive, (hits + 1) / (hits + 2), 1 / (total - hits + 2))
    # Every row once as a positive and once as a negative is a soft target.
    line = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8)
    line.fit(
        np.concatenate([logits, logits])[:, None],
        np.repeat([1, 0], len(logits)),
        np.concatenate([weights * target, weights * (1 - target)]),
    )
    return LogitLine(float(line.coef_[0, 0]), float(line.intercept_[0]))


def fit_temperature(logits, positive, weights):
    """One factor for all logits by maximum likelihood."""
    signed = np.where(positive, logits, -logits)

    def loss(log_slope):
        return weights @ np.logaddexp(0.0, -np.exp(log_slope) * signed)

    found = minimize_scalar(
        loss, bounds=(-10.0, 10.0), method="bounded", options={"xatol": 1e-8}
    )
    return LogitLine(float(np.exp(found.x)))


def fit_isotonic(logits, positive, weights):
    """Rising steps by least squares."""
    kept = weights > 0
    steps = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    steps.fit(logits[kept], positive[kept].astype(float), weights[kept])
    return Steps(steps.X_thresholds_, steps.y_thresholds_)


CALIBRATIONS = {
    "sigmoid": fit_sigmoid,
    "isotonic": fit_isotonic,
    "temperature": fit_temperature,
}


def calibrate_groups(method, logits, positive, groups, weights, min_samples):
    """A calibration curve for each group.

    Parameters
    ----------
    method : str
        A key of `CALIBRATIONS`.
    logits : ndarray of shape (n_samples,)
        Scores in the unit of log odds.
    positive : bool ndarray of shape (n_samples,)
        Whether a row is a positive.
    groups : Groups
        Groups of the rows.
    weights : ndarray of shape (n_samples,)
        Their weights.
    min_samples : float
        Groups of less weight, or of one class, take the curve of everybody.

    Returns
    -------
    curves : list of callable, of length n_groups
        Maps logits to probabilities. A single group keeps its probabilities.
    pooled : list of int
        Positions of the groups that take the curve of everybody.
    """
    if groups.n_groups == 1:
        return [LogitLine()], []
    mass = np.bincount(groups.codes, weights, minlength=groups.n_groups)
    hits = np.bincount(groups.codes, weights * positive, minlength=groups.n_groups)
    alone = (mass >= min_samples) & (hits > 0) & (hits < mass)
    everybody = CALIBRATIONS[method](logits, positive, weights)
    curves = [everybody] * groups.n_groups
    for group in np.flatnonzero(alone):
        own = groups.codes == group
        curves[group] = CALIBRATIONS[method](logits[own], positive[own], weights[own])
    return curves, np.flatnonzero(~alone).tolist()


def apply_curves(curves, logits, group_codes):
    """Calibrated probability of each row by the curve of its group."""
    probability = np.empty(len(logits))
    for group, curve in enumerate(curves):
        own = group_codes == group
        probability[own] = curve(logits[own])
    return probability
