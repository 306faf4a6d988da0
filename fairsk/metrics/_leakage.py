"""How well fresh classifiers read the group from some features."""

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def default_probes(seed):
    """A linear probe and a network with 64 hidden units, on standardised features.

    Parameters
    ----------
    seed : int
        Seed of the network's first weights.

    Returns
    -------
    probes : dict of {str: classifier}
        "linear" and "mlp".
    """
    return {
        "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        "mlp": make_pipeline(
            StandardScaler(),
            MLPClassifier((64,), tol=1e-3, max_iter=1000, random_state=seed),
        ),
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
    _, sizes = np.unique(codes, return_counts=True)
    if len(sizes) == 1:
        return 1.0
    folds = StratifiedKFold(min(cv, int(sizes.min())), shuffle=True, random_state=seed)
    predicted = cross_val_predict(clone(probe), X, codes, cv=folds)
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
