"""scikit-learn's checks of the penalised classifiers."""

import numpy as np
import torch
from sklearn.utils.estimator_checks import parametrize_with_checks

from fairsk.inprocessing import (
    FairMLPClassifier,
    FairMLPClassifierCV,
    FairNetClassifier,
    FairNetClassifierCV,
)


class RowSumIsOdd:
    """Two groups, by whether the features of a row have an odd sum, rounded down."""

    def __call__(self, X):
        X = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
        return np.floor(X.astype(float).sum(axis=1)) % 2

    def __repr__(self):  # without an address, which differs between test workers
        return "RowSumIsOdd()"


class Net(torch.nn.Sequential):
    def __init__(self, n_features, n_classes, hidden=10):
        super().__init__(
            torch.nn.Linear(n_features, hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(hidden, n_classes),
        )


FULL_BATCH = {
    "batch_size": 10_000,
    "max_iter": 40,
    "learning_rate_init": 0.05,
    "dtype": "float64",
    "group_by": RowSumIsOdd(),
    "device": "cpu",
}


@parametrize_with_checks(
    [
        FairMLPClassifier(hidden_layer_sizes=10, fairness_weight=0.1, **FULL_BATCH),
        FairNetClassifier(Net, fairness_weight=0.1, **FULL_BATCH),
        FairMLPClassifierCV([0.1, 0.2], 10, cv=2, **FULL_BATCH),
        FairNetClassifierCV(Net, [0.1, 0.2], cv=2, **FULL_BATCH),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
