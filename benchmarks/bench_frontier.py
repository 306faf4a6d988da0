"""Accuracy against disparity: every registered method on every task."""

import numpy as np

from benchmarks.datasets import BASE_MODELS, TASKS, split
from benchmarks.methods import METHODS
from benchmarks.objective import (
    Entry,
    accuracy_and_gaps,
    frontier_area,
    frontier_points,
)

FAIRNESS = ("demographic_parity", "equalized_odds", "equal_opportunity")
LIMITS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 1.0)


def run_methods(task, *, methods, bases, fairness, seeds, n_rows=None):
    """Fit and score methods on one task.

    Returns
    -------
    runs : list of dict
        One run for each method, base model, setting and seed, as
        :func:`benchmarks.objective.select_by_validation` takes them.
    """
    runs = []
    for seed in seeds:
        train, validation, test = split(task, seed, n_rows=n_rows)
        for method in methods:
            for base in bases:
                for setting in method.settings:
                    predict = method.fit(
                        base, train, validation, fairness, setting, seed
                    )
                    run = {"method": method.name, "base": base, "setting": setting}
                    run["seed"] = seed
                    for name, part in (("val", validation), ("test", test)):
                        y_pred = predict(part.X, part.group)
                        readings = accuracy_and_gaps(part.y, y_pred, part.group)
                        run[f"{name}_accuracy"] = readings["accuracy"]
                        run[f"{name}_gap"] = readings[fairness]
                    runs.append(run)
    return runs


def _run(n_rows, context):
    tasks = ["compas/2"] if context.quick else list(TASKS)
    bases = ["logistic"] if context.quick else list(BASE_MODELS)
    seeds = range(1) if context.quick else range(5)
    rows = []
    for task in tasks:
        _, y, _ = TASKS[task].read()
        constant = max(np.mean(y), 1 - np.mean(y))
        for fairness in FAIRNESS:
            rows += _areas(task, fairness, constant, bases, seeds, n_rows, context)
    return rows


def _areas(task, fairness, constant, bases, seeds, n_rows, context):
    options = {"bases": bases, "fairness": fairness, "seeds": seeds, "n_rows": n_rows}
    plain = run_methods(task, methods=[METHODS["unconstrained"]], **options)
    ((_, best),) = frontier_points(plain, [np.inf], constant)
    rows = []
    for method in METHODS.values():
        if method.peer is not None and method.peer not in context.peers:
            continue
        if method.fairness and fairness not in method.fairness:
            continue
        runs = plain
        if method.name != "unconstrained":
            runs = run_methods(task, methods=[method], **options)
        area = frontier_area(frontier_points(runs, LIMITS, constant), constant, best)
        rows.append(
            {"task": task, "fairness": fairness, "method": method.name, "HV": area}
        )
    return rows


ENTRY = Entry(
    name="frontier",
    title="Area under the frontier of accuracy over disparity (HV)",
    run=_run,
    sizes=(None,),
    peers=tuple({method.peer for method in METHODS.values() if method.peer}),
    notes="HV: 0 is the constant classifier, about 1 the unconstrained accuracy at no "
    "disparity at all. Five seeds, all base models, selected on validation data.",
)
