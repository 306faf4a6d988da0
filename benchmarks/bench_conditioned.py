"""One network for every fairness weight, next to a path of networks.

`FAIRSK_BENCHMARK_CACHE` names a folder that keeps what was fitted between runs, so that
a run that was cut short goes on where it ended.
"""

import os
import time

import joblib
import numpy as np
import torch

from benchmarks.datasets import make_encoder, split
from benchmarks.objective import Entry, accuracy_and_gaps
from fairsk.inprocessing import ConditionedFairMLPClassifier, FairMLPClassifierCV

_FAIRNESS = "demographic_parity"
_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)


_memory = joblib.Memory(os.environ.get("FAIRSK_BENCHMARK_CACHE"), verbose=0)


def run(size, context):
    """Rows of each method and weight: accuracy, disparity, and seconds of a fit."""
    seeds = range(1 if context.quick else 5)
    readings = {}
    for seed in seeds:
        for name in _METHODS:
            for weight, row in zip(_WEIGHTS, read_cell(name, seed, size)):
                readings.setdefault((name, weight), []).append(row)
    return [
        {"method": name, "fairness_weight": weight, **_summary(rows)}
        for (name, weight), rows in readings.items()
    ]


@_memory.cache
def read_cell(name, seed, n_rows):
    """Accuracy, disparity and processor seconds of the fit, for every weight.

    Parameters
    ----------
    name : str
        Key of `_METHODS`.
    seed : int
        Seed of the split and of the training.
    n_rows : int
        Number of rows of Adult.

    Returns
    -------
    rows : list of tuple
        In the order of `_WEIGHTS`, on the test rows.
    """
    train, _, test = split("adult/sex", seed, n_rows=n_rows)
    encoder = make_encoder().fit(train.X)
    X = encoder.transform(train.X).astype(np.float32)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        start = time.process_time()
        predict = _METHODS[name](X, train, seed)
        seconds = time.process_time() - start
    finally:
        torch.set_num_threads(n_threads)
    rows = []
    for y_pred in predict(encoder.transform(test.X).astype(np.float32)):
        scores = accuracy_and_gaps(test.y, y_pred, test.group)
        rows.append((scores["accuracy"], scores[_FAIRNESS], seconds))
    return rows


def _fit_path(X, train, seed):
    path = FairMLPClassifierCV(
        _WEIGHTS, fairness=_FAIRNESS, cv=3, random_state=seed, device="cpu"
    )
    path.fit(X, train.y, sensitive_features=train.group)
    return path.predict_path


def _fit_conditioned(X, train, seed):
    network = ConditionedFairMLPClassifier(
        fairness=_FAIRNESS, random_state=seed, device="cpu"
    )
    network.fit(X, train.y, sensitive_features=train.group)
    return lambda X: (network.predict(X, fairness_weight=w) for w in _WEIGHTS)


_METHODS = {"path": _fit_path, "conditioned": _fit_conditioned}


def _summary(rows):
    accuracy, disparity, seconds = np.array(rows).T
    return {
        "accuracy": float(accuracy.mean()),
        "disparity": float(disparity.mean()),
        "accuracy_std": float(accuracy.std()),
        "disparity_std": float(disparity.std()),
        "fit_seconds": float(seconds.min()),
    }


ENTRY = Entry(
    name="conditioned",
    title="ConditionedFairMLPClassifier next to the path, on Adult by sex",
    run=run,
    sizes=(20_000,),
    notes=(
        "Test data of a 60/20/20 split of 20,000 rows, means and standard deviations "
        "over 5 seeds. The path fits six "
        "networks on all training data and as many on each of three folds, of 30 "
        "epochs; the conditioned network is one, of 60 epochs. Seconds are of the "
        "processor, one thread, the smallest of the fits."
    ),
)
