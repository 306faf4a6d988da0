"""Labels without their noise: the probability of a positive given score and group.

The curve is logistic in the score, with a bend at the middle, and an offset and a slope
of each group that a normal prior holds near everybody's: a group of ten rows gets the
curve of all, one of ten thousand its own.
"""

import numpy as np
from scipy.special import expit, logit

# Probabilities of the base model are this far from 0 and 1.
_CLIP = 1e-6
# Precision of the priors of the common curve (vague) and of the groups' own part.
_COMMON, _OWN = 1e-2, 1.0
_MAX_STEPS = 50


def smooth_labels(
    y_score, positive, group_codes, n_groups, sample_weight, *, is_probability
):
    """Probability of a positive given score and group.

    Parameters
    ----------
    y_score : ndarray of shape (n_samples,)
        Scores that the base model gave to rows it was not trained on.
    positive : bool ndarray of shape (n_samples,)
        Whether each row is a positive.
    group_codes : int ndarray of shape (n_samples,)
        Group of each row.
    n_groups : int
        Number of groups.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    is_probability : bool
        Whether scores are probabilities; their log-odds are taken then.

    Returns
    -------
    chance : ndarray of shape (n_samples,)
        Probabilities; where the base model is calibrated in every group, they are near
        its own.
    """
    weight = np.ones(len(y_score)) if sample_weight is None else sample_weight
    odds = logit(np.clip(y_score, _CLIP, 1 - _CLIP)) if is_probability else y_score
    spread = np.sqrt(np.average(odds**2, weights=weight))
    odds = odds / (spread or 1.0)
    own = np.eye(n_groups)[group_codes]
    columns = [np.ones(len(odds)), odds, np.maximum(odds, 0.0)]
    features = np.column_stack([*columns, own, own * odds[:, None]])
    precision = np.repeat([_COMMON, _OWN], [len(columns), 2 * n_groups])
    return expit(features @ _maximise(features, positive, weight, precision))


def _maximise(features, positive, weight, precision):
    """Coefficients of the largest penalised log-likelihood, by Newton's method."""

    def loss(coefficients):
        margin = features @ coefficients
        fit = np.logaddexp(0.0, margin) - positive * margin
        return weight @ fit + 0.5 * precision @ coefficients**2

    coefficients = np.zeros(features.shape[1])
    value = loss(coefficients)
    for _ in range(_MAX_STEPS):
        chance = expit(features @ coefficients)
        gradient = features.T @ (weight * (chance - positive))
        gradient += precision * coefficients
        curvature = (features.T * (weight * chance * (1 - chance))) @ features
        step = np.linalg.solve(curvature + np.diag(precision), gradient)
        while loss(coefficients - step) > value + 1e-12 * abs(value):
            step /= 2
        coefficients = coefficients - step
        value = loss(coefficients)
        if np.abs(step).max() < 1e-10:
            break
    return coefficients
