"""How well fresh classifiers read the group from some features."""

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def default_probes(seed, is_continuous=False):
    """A linear probe and a network with 64 hidden units, on standardised features.

    Parameters
    ----------
    seed : int
        Seed of the network's first weights.
    is_continuous : bool, default=False
        Whether they read a number, in place of groups.

    Returns
    -------
    probes : dict of {str: estimator}
        "linear" and "mlp".
    """
    network = {"tol": 1e-3, "max_iter": 1000, "random_state": seed}
    if is_continuous:
        probes = {"linear": Ridge(1e-3), "mlp": MLPRegressor((64,), **network)}
    else:
        linear = LogisticRegression(max_iter=2000)
        probes = {"linear": linear, "mlp": MLPClassifier((64,), **network)}
    return {
        name: make_pipeline(StandardScaler(), probe) for name, probe in probes.items()
    }


def probe_accuracy(probe, X, codes, cv, seed):
    """Balanced accuracy of a probe on folds that it was not fitted to.

    Parameters
    ----------
    probe : classifier
        The probe, which is cloned.
    X : ndarray of shape (n_samples, n_features)
        Features.
    codes : int ndarray of shape (n_samples,)
        Group of each sample; at least two samples of each group.
    cv : int
        Largest number of folds, stratified by group.
    seed : int
        Seed of the folds.

    Returns
    -------
    accuracy : float
        That of chance where there is one group.
    """
    if len(np.unique(codes)) == 1:
        return 1.0
    predicted = _cross_fitted(probe, X, codes, cv, seed)
    return float(balanced_accuracy_score(codes, predicted))


def leakage(accuracy, n_groups):
    """Balanced accuracy beyond chance: 0 for chance, 1 for no error.

    Parameters
    ----------
    accuracy : float
        Balanced accuracy.
    n_groups : int
        Number of groups.

    Returns
    -------
    leakage : float
        In [0, 1].
    """
    chance = 1 / n_groups
    if n_groups == 1:
        return 0.0
    return float(max((accuracy - chance) / (1 - chance), 0.0))


def probe_leakage(probe, X, attribute, cv, seed):
    """What a fresh probe reads of an attribute.

    Parameters
    ----------
    probe : classifier or regressor
        The probe, which is cloned.
    X : ndarray of shape (n_samples, n_features)
        Features.
    attribute : ndarray of shape (n_samples,)
        Codes of groups, or, as floats, numbers.
    cv : int
        Largest number of folds.
    seed : int
        Seed of the folds.

    Returns
    -------
    leakage : float
        0 nothing, 1 all: balanced accuracy beyond chance, or the share of the variance
        that is explained.
    """
    if np.issubdtype(attribute.dtype, np.floating):
        return fresh_knowledge(probe, X, attribute, cv, seed)
    accuracy = probe_accuracy(probe, X, attribute, cv, seed)
    return leakage(accuracy, len(np.unique(attribute)))


def fresh_knowledge(probe, X, attribute, cv, seed):
    """What a fresh probe knows of an attribute, in units of its loss.

    Parameters
    ----------
    probe : classifier or regressor
        The probe, which is cloned.
    X : ndarray of shape (n_samples, n_features)
        Features.
    attribute : ndarray of shape (n_samples,)
        Codes of groups, or, as floats, numbers.
    cv : int
        Largest number of folds.
    seed : int
        Seed of the folds.

    Returns
    -------
    knowledge : float
        0 nothing, 1 all: of the log loss of groups that count the same, or of the
        variance of numbers.
    """
    if np.issubdtype(attribute.dtype, np.floating):
        predicted = _cross_fitted(probe, X, attribute, cv, seed)
        left = np.mean((attribute - predicted) ** 2) / attribute.var()
        return float(max(1 - left, 0.0))
    _, codes, sizes = np.unique(attribute, return_inverse=True, return_counts=True)
    told = _cross_fitted(probe, X, codes, cv, seed, "predict_proba")
    # As if the groups had been of one size.
    told = told / sizes
    told = told[np.arange(len(codes)), codes] / told.sum(axis=1)
    losses = -np.log(np.maximum(told, np.finfo(float).tiny))
    mean = np.mean(np.bincount(codes, losses) / sizes)
    return float(max(1 - mean / np.log(len(sizes)), 0.0))


def _cross_fitted(probe, X, attribute, cv, seed, method="predict"):
    if np.issubdtype(attribute.dtype, np.floating):
        folds = KFold(min(cv, len(attribute)), shuffle=True, random_state=seed)
    else:
        smallest = np.unique(attribute, return_counts=True)[1].min()
        folds = StratifiedKFold(min(cv, int(smallest)), shuffle=True, random_state=seed)
    return cross_val_predict(clone(probe), X, attribute, cv=folds, method=method)
