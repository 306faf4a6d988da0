"""What small batches do to a penalty, and what each remedy mends.

`FAIRSK_BENCHMARK_CACHE` names a folder that keeps what was fitted between runs, so that
a run that was cut short goes on where it ended.
"""

import os
import warnings

import joblib
import numpy as np
import torch

from benchmarks.datasets import make_encoder, split
from benchmarks.objective import Bar, Entry, accuracy_and_gaps
from fairsk.definitions import UndefinedRateWarning
from fairsk.inprocessing import CollapseWarning, FairNetClassifier
from fairsk.penalties import (
    DefinitionPenalty,
    MemoryPenalty,
    WassersteinPenalty,
    get_penalty,
)

_TASK, _WEIGHT = "adult/sex", 1.0
_FAIRNESS = ("demographic_parity", "equalized_odds", "wasserstein")
_SMALL, _LARGE = 64, 512
# Size of the batches, whether they are stratified, and whether there is a window.
_WAYS = {
    f"plain, {_SMALL}": (_SMALL, False, False),
    f"stratified, {_SMALL}": (_SMALL, True, False),
    f"window, {_SMALL}": (_SMALL, False, True),
    f"stratified + window, {_SMALL}": (_SMALL, True, True),
    f"plain, {_LARGE}": (_LARGE, False, False),
    f"stratified + window, {_LARGE}": (_LARGE, True, True),
}

_memory = joblib.Memory(os.environ.get("FAIRSK_BENCHMARK_CACHE"), verbose=0)


class _Net(torch.nn.Sequential):
    def __init__(self, n_features):
        super().__init__(
            torch.nn.Linear(n_features, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 32),
            torch.nn.ReLU(),
            torch.nn.Linear(32, 1),
        )


def run(size, context):
    """Rows of each way to draw batches and to remember them, for each penalty."""
    seeds, max_iter = ((0,), 2) if context.quick else (range(5), 15)
    rows = []
    for fairness in _FAIRNESS:
        for way in _WAYS:
            cells = [read_cell(fairness, way, seed, size, max_iter) for seed in seeds]
            row = {k: float(np.mean([cell[k] for cell in cells])) for k in cells[0]}
            row["disparity_std"] = float(np.std([cell["disparity"] for cell in cells]))
            rows.append({"fairness": fairness, "way": way, **row})
    return rows


@_memory.cache
def read_cell(fairness, way, seed, n_rows, max_iter):
    """Penalty of the batches and of the data, accuracy and disparity of one fit.

    Parameters
    ----------
    fairness : str
        Name of the penalty.
    way : str
        Key of `_WAYS`.
    seed : int
        Seed of the split and of the training.
    n_rows : int
        Number of rows of Adult.
    max_iter : int
        Number of epochs.

    Returns
    -------
    readings : dict of str to float
        By column.
    """
    parts = _prepared(_TASK, seed, n_rows)
    batch_size, stratify, windowed = _WAYS[way]
    penalty = _penalty(fairness, windowed)
    return _fit_and_read(parts, seed, penalty, batch_size, stratify, max_iter)


def _penalty(fairness, windowed):
    if fairness == "wasserstein":
        return MemoryPenalty(fairness) if windowed else WassersteinPenalty()
    return DefinitionPenalty(fairness, window=None if windowed else 1)


def _prepared(task, seed, size):
    train, _, test = split(task, seed, n_rows=size)
    encoder = make_encoder().fit(train.X)
    return [(encoder.transform(p.X), p.y, p.group) for p in (train, test)]


def _fit_and_read(parts, seed, penalty, batch_size, stratify, max_iter):
    (X, y, group), test = parts
    net = FairNetClassifier(
        _Net,
        fairness=penalty,
        fairness_weight=_WEIGHT,
        batch_size=min(batch_size, len(y)),
        iterator_train__stratify=stratify,
        optimizer__weight_decay=1e-4,
        max_iter=max_iter,
        random_state=seed,
        device="cpu",
    )
    with warnings.catch_warnings():
        # Plain batches lack groups, which is the point.
        warnings.simplefilter("ignore", UndefinedRateWarning)
        warnings.simplefilter("ignore", CollapseWarning)
        net.fit(X, y, sensitive_features=group)
    # A memory holds several batches; the data are one.
    plain = getattr(penalty, "penalty", penalty)
    codes = np.unique(group, return_inverse=True)[1]
    actual = get_penalty(plain).eval()(
        torch.from_numpy(net.predict_proba(X)),
        torch.from_numpy(y),
        torch.from_numpy(codes),
    )
    readings = accuracy_and_gaps(test[1], net.predict(test[0]), test[2])
    compared = getattr(plain, "fairness", None)
    gap = readings["demographic_parity" if compared is None else compared.name]
    return {
        "penalty_seen": net.net_.history[-1, "penalty"],
        "penalty_actual": float(actual),
        "accuracy": readings["accuracy"],
        "disparity": gap,
    }


def _is_way(way):
    return lambda row: row["way"] == way


ENTRY = Entry(
    name="batches",
    title="Small batches: plain, stratified, and with a window of batches",
    run=run,
    sizes=(12_000,),
    quick_sizes=(1000,),
    bars=(
        Bar(
            f"accuracy of stratified batches with a window, {_SMALL}",
            _is_way(f"stratified + window, {_SMALL}"),
            "accuracy",
            at_least=0.82,
        ),
    ),
    notes=(
        "Adult by sex, 12,000 rows, 60/20/20 splits, means over 5 seeds of the test "
        f"rows, 15 epochs, fairness weight {_WEIGHT:g}. "
        "`penalty_seen` is the mean of the penalty over the batches of the last epoch, "
        "`penalty_actual` that of all training rows at its end: the difference is "
        "noise, for which training pays. The penalty of a definition has its window, "
        "which averages counts; the Wasserstein distance is wrapped in a memory of "
        "scores, and judged by demographic parity."
    ),
)
