"""Scores of base models on the tasks, so that post-processors are fed the same.

`FAIRSK_BENCHMARK_CACHE` names a folder that keeps them between runs.
"""

import os
from dataclasses import dataclass

import joblib
import numpy as np
from sklearn.model_selection import StratifiedKFold

from benchmarks.datasets import make_base_model, split
from benchmarks.methods import join_parts

memory = joblib.Memory(os.environ.get("FAIRSK_BENCHMARK_CACHE"), verbose=0)


@dataclass(frozen=True)
class Scored:
    """Scores, labels and group codes of some rows."""

    score: np.ndarray
    y: np.ndarray
    group: np.ndarray


@memory.cache
def score_task(task, seed, base, n_folds=5, n_rows=None):
    """Out-of-fold, validation and test scores of a base model.

    Returns
    -------
    scored : dict of str to Scored
        `out_of_fold`: train and validation rows by models of other folds; `test`: by
        the model of all of them. `validation` and `test_of_train`: by the model of the
        training rows only.
    """
    train, validation, test = split(task, seed, n_rows=n_rows)
    both = join_parts(train, validation)
    labels = np.unique(both.group)

    def scored(model, part):
        score = model.predict_proba(part.X)[:, 1]
        return Scored(score, part.y, np.searchsorted(labels, part.group))

    model = make_base_model(base, seed).fit(train.X, train.y)
    result = {
        "validation": scored(model, validation),
        "test_of_train": scored(model, test),
        "test": scored(make_base_model(base, seed).fit(both.X, both.y), test),
    }
    score = np.empty(len(both.y))
    cells = np.searchsorted(labels, both.group) * 2 + both.y
    cells = np.where(np.bincount(cells)[cells] >= n_folds, cells, both.y)
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    for fit, held_out in folds.split(cells, cells):
        fold = make_base_model(base, seed).fit(both.X.iloc[fit], both.y[fit])
        score[held_out] = fold.predict_proba(both.X.iloc[held_out])[:, 1]
    codes = np.searchsorted(labels, both.group)
    return result | {"out_of_fold": Scored(score, both.y, codes)}
