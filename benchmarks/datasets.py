"""The tasks: data, groups, splits and base models that every comparison shares."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fairsk.datasets import (
    load_adult,
    load_compas,
    load_german_credit,
    load_law_school,
)

# Adult's survey weight, and the score that others made of the COMPAS features.
_LEFT_OUT = ("fnlwgt", "decile_score")


@dataclass(frozen=True)
class Task:
    """Data and the groups that are compared.

    Parameters
    ----------
    name : str
        Data set / groups.
    load : callable
        Loads the data set, a Bunch.
    group : callable
        Maps the frame of sensitive features to the group of each row; rows whose group
        is missing are left out.
    """

    name: str
    load: Callable
    group: Callable

    def read(self):
        """Features, labels in {0, 1} and group labels of all rows."""
        bunch = self.load(as_frame=True)
        group = self.group(bunch.sensitive_features).astype(object)
        rows = group.notna().to_numpy()
        X = bunch.data.drop(columns=[c for c in _LEFT_OUT if c in bunch.data])
        y = bunch.target.to_numpy()
        return X[rows].reset_index(drop=True), y[rows], group[rows].to_numpy()


@dataclass(frozen=True)
class Part:
    """Rows of a task: features, labels and groups."""

    X: pd.DataFrame
    y: np.ndarray
    group: np.ndarray


def _compas_two(frame):
    return frame["race"].where(frame["race"].isin(["African-American", "Caucasian"]))


def _compas_four(frame):
    return frame["race"].astype(object).replace(["Asian", "Native American"], "Other")


def _white(frame):
    return (frame["race"] == "White").map({True: "White", False: "other"})


TASKS = {
    task.name: task
    for task in (
        Task("adult/sex", load_adult, lambda frame: frame["sex"]),
        Task("adult/race", load_adult, lambda frame: frame["race"]),
        Task("compas/2", load_compas, _compas_two),
        Task("compas/4", load_compas, _compas_four),
        Task("german/sex", load_german_credit, lambda frame: frame["sex"]),
        Task("law/white", load_law_school, _white),
    )
}


def split(task, seed, *, n_rows=None):
    """60/20/20 split of a task, stratified on label x group.

    Parameters
    ----------
    task : str
        Key of `TASKS`.
    seed : int
        Seed of the split.
    n_rows : int, default=None
        Take only so many rows, drawn by the same seed.

    Returns
    -------
    train, validation, test : Part
        A method may use the first two as it likes; the last is only scored.
    """
    X, y, group = TASKS[task].read()
    rows = np.arange(len(y))
    if n_rows is not None and n_rows < len(y):
        rows = np.random.default_rng(seed).choice(len(y), n_rows, replace=False)
    strata = _strata(y, group, rows)
    train, rest = train_test_split(
        rows, test_size=0.4, stratify=strata[rows], random_state=seed
    )
    strata = _strata(y, group, rest)
    validation, test = train_test_split(
        rest, test_size=0.5, stratify=strata[rest], random_state=seed
    )
    return tuple(Part(X.iloc[r], y[r], group[r]) for r in (train, validation, test))


def _strata(y, group, rows):
    """Label x group, where `rows` hold enough of it to be split, else the label."""
    cells = pd.Series([f"{label} {g}" for label, g in zip(y, group)])
    sizes = cells.iloc[rows].value_counts()
    return np.where(cells.map(sizes).fillna(0) >= 5, cells, y.astype(str))


BASE_MODELS = {
    "logistic": lambda seed: LogisticRegression(C=1.0, max_iter=1000),
    "boosting": lambda seed: HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=15, random_state=seed
    ),
    "network": lambda seed: MLPClassifier(
        (64, 64), early_stopping=True, random_state=seed
    ),
}


def make_base_model(name, seed):
    """Pipeline of encoder and base model, unfitted; `name` is a key of BASE_MODELS."""
    return make_pipeline(make_encoder(), BASE_MODELS[name](seed))


def make_encoder():
    """Scaled numbers and one-hot categories, as a dense array."""
    return make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_exclude="number"),
        ),
    )


def outcomes_of_sizes(n_samples, n_groups, *, strings=False, seed=0):
    """Random labels, predictions and groups, to time metrics on.

    Returns
    -------
    y_true, y_pred, group : ndarray of shape (n_samples,)
        Labels 0 and 1 (int64); the group as an integer or a string.
    """
    rng = np.random.default_rng(seed)
    group = rng.integers(n_groups, size=n_samples)
    y_true = rng.integers(2, size=n_samples)
    y_pred = np.where(rng.random(n_samples) < 0.8, y_true, 1 - y_true)
    if strings:
        group = np.array([f"group {i}" for i in range(n_groups)])[group]
    return y_true, y_pred, group
