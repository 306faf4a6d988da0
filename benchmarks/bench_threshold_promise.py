"""How often the true disparity exceeds the tolerance, by certificate and without."""

import numpy as np
from sklearn.model_selection import train_test_split

from benchmarks import score_methods
from benchmarks.bench_threshold_optimum import expected_counts
from benchmarks.datasets import TASKS, make_base_model
from benchmarks.objective import Bar, Entry
from benchmarks.score_methods import as_features
from benchmarks.scores import Scored, memory
from fairsk.definitions import DEFINITIONS, RATES
from fairsk.postprocessing._certificate import CertificateError

TASK_NAMES = ("adult/sex", "compas/2", "law/white")
FAIRNESS = ("demographic_parity",)
TOLERANCES = (0.02, 0.05, 0.1)
N_DRAWS = 200
# Decisions of a peer that draws anew at each call are averaged.
_REPEATS = 5
PLAIN, CERTIFIED = "fairsk, confidence=None", "fairsk, confidence=0.95"


def _fairsk(scored, fairness, tolerance, seed, **params):
    fit = score_methods.fairsk_thresholds
    decide = fit(scored, fairness, tolerance, seed, **params)
    return lambda rows: decide.fitted.predict_proba(
        as_features(rows.score), sensitive_features=rows.group
    )[:, 1]


def _certified(scored, fairness, tolerance, seed):
    return _fairsk(scored, fairness, tolerance, seed, confidence=0.95)


def _fairlearn(scored, fairness, tolerance, seed):
    fitted = score_methods.fairlearn(scored, fairness, tolerance, seed).fitted
    return lambda rows: np.asarray(
        fitted._pmf_predict(rows.score[:, None], sensitive_features=rows.group)
    )[:, 1]


def _error_parity(scored, fairness, tolerance, seed):
    decide = score_methods.error_parity(scored, fairness, tolerance, seed)
    return lambda rows: np.mean(
        [decide(rows.score, rows.group) for _ in range(_REPEATS)], axis=0
    )


def _oxonfair(scored, fairness, tolerance, seed):
    decide = score_methods.oxonfair(scored, fairness, tolerance, seed)
    return lambda rows: decide(rows.score, rows.group).astype(float)


# Name: the package it needs, how it is fitted, what it can limit by a tolerance.
_BOTH = ("demographic_parity", "equalized_odds")
METHODS = {
    CERTIFIED: (None, _certified, _BOTH),
    PLAIN: (None, _fairsk, _BOTH),
    "OxonFair": ("oxonfair", _oxonfair, _BOTH),
    "error-parity": ("error_parity", _error_parity, _BOTH),
    "fairlearn": ("fairlearn", _fairlearn, _BOTH[:1]),
}


@memory.cache
def population(task):
    """Scores of rows that the base model was not trained on: the population."""
    X, y, group = TASKS[task].read()
    codes = np.searchsorted(np.unique(group), group)
    train, rest = train_test_split(
        np.arange(len(y)), test_size=0.5, stratify=2 * codes + y, random_state=0
    )
    model = make_base_model("logistic", 0).fit(X.iloc[train], y[train])
    return Scored(model.predict_proba(X.iloc[rest])[:, 1], y[rest], codes[rest])


@memory.cache
def run_cell(task, fairness, tolerance, method, n_rows, n_draws):
    """True disparity and accuracy of each draw; NaN where a certificate is refused."""
    everybody = population(task)
    _, fit, _ = METHODS[method]
    found = np.full((n_draws, 2), np.nan)
    for draw in range(n_draws):
        chosen = np.random.default_rng(draw).integers(len(everybody.y), size=n_rows)
        rows = Scored(
            everybody.score[chosen], everybody.y[chosen], everybody.group[chosen]
        )
        try:
            probability = fit(rows, fairness, tolerance, draw)
        except CertificateError:
            continue
        counts = expected_counts(probability(everybody), everybody)
        accuracy = RATES["accuracy"].values(counts.sum(axis=0, keepdims=True), 1)
        found[draw] = DEFINITIONS[fairness].disparity(counts), accuracy[0, 0]
    return found


def _run(n_rows, context):
    n_draws = 1 if context.quick else N_DRAWS
    tolerances = (0.1,) if context.quick else TOLERANCES
    tasks = ("compas/2",) if context.quick else TASK_NAMES
    rows = []
    for fairness in FAIRNESS:
        for task in tasks:
            for tolerance in tolerances:
                rows += _compare(fairness, task, tolerance, n_rows, n_draws, context)
    return rows


def _compare(fairness, task, tolerance, n_rows, n_draws, context):
    found = {
        name: run_cell(task, fairness, tolerance, name, n_rows, n_draws)
        for name, (peer, _, can_ask) in METHODS.items()
        if fairness in can_ask and (peer is None or peer in context.peers)
    }
    rows = []
    for name, (disparity, accuracy) in ((n, f.T) for n, f in found.items()):
        granted = np.isfinite(disparity)
        row = {"fairness": fairness, "task": task, "tolerance": tolerance}
        row |= {
            "method": name,
            "refused": float(np.mean(~granted)),
            "above tolerance": float(np.mean(disparity > tolerance + 1e-9)),
        }
        if granted.any():
            paid = (found[PLAIN][:, 1] - accuracy)[granted]
            row |= {
                "true disparity": float(disparity[granted].mean()),
                "accuracy": float(accuracy[granted].mean()),
                "points paid": 100 * float(paid.mean()),
            }
        rows.append(row)
    return rows


ENTRY = Entry(
    name="threshold_promise",
    title="How often the true disparity exceeds the tolerance",
    run=_run,
    sizes=(10_000,),
    peers=("fairlearn", "error_parity", "oxonfair"),
    bars=(
        Bar(
            "share of runs above the tolerance with confidence=0.95",
            lambda row: row["method"] == CERTIFIED,
            "above tolerance",
            at_most=0.05,
        ),
    ),
    notes="A simulation with known truth: the population are the scores that logistic "
    "regression gives to half of the data set, having been trained on the other half; "
    "200 times n calibration rows are drawn from it with replacement, and disparity "
    "and accuracy are those on the population itself. `refused`: no certificate is "
    "possible (the error says how many rows would do). `points paid`: accuracy lost "
    "against confidence=None in the same runs.",
)
