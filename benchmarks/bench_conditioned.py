"""One network for every fairness weight, next to a path of networks."""

from time import perf_counter

import numpy as np

from benchmarks.datasets import make_encoder, split
from benchmarks.objective import Entry, accuracy_and_gaps
from fairsk.inprocessing import ConditionedFairMLPClassifier, FairMLPClassifierCV

_FAIRNESS = "demographic_parity"
_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)


def run(size, context):
    """Rows of each method and weight: accuracy, disparity, and seconds of a fit."""
    seeds = (0,) if context.quick else (0, 1, 2)
    readings = {}
    for seed in seeds:
        parts = split("adult/sex", seed, n_rows=size)
        for name, fit in (("path", _fit_path), ("conditioned", _fit_conditioned)):
            for weight, row in zip(_WEIGHTS, _read(fit, seed, parts)):
                readings.setdefault((name, weight), []).append(row)
    return [
        {"method": name, "fairness_weight": weight, **_summary(rows)}
        for (name, weight), rows in readings.items()
    ]


def _read(fit, seed, parts):
    """Accuracy, disparity and seconds of the fit, for every weight."""
    train, _, test = parts
    encoder = make_encoder().fit(train.X)
    X = encoder.transform(train.X).astype(np.float32)
    start = perf_counter()
    predict = fit(X, train, seed)
    seconds = perf_counter() - start
    for y_pred in predict(encoder.transform(test.X).astype(np.float32)):
        scores = accuracy_and_gaps(test.y, y_pred, test.group)
        yield scores["accuracy"], scores[_FAIRNESS], seconds


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
        "Test data of a 60/20/20 split of 20,000 rows, 3 seeds. The path fits six "
        "networks on all training data and as many on each of three folds, of 30 "
        "epochs; the conditioned network is one, of 60 epochs."
    ),
)
