"""How to train a penalised network: what stands behind the defaults."""

import os

import joblib
import numpy as np

from benchmarks.bench_inprocessing import (
    DISPARITIES,
    fit_and_read,
    fit_path,
    hsic,
    read_frontier,
)
from benchmarks.datasets import TASKS
from benchmarks.objective import Bar, Entry

FAIRNESS = ("demographic_parity", "equalized_odds")
TASK_NAMES = ("adult/sex", "law/white", "compas/2")
# Others than those that defaults were tried on.
SEEDS = (5, 6, 7)


def _mean_gap(fairness):
    return fairness


# What differs from the defaults: mean gap, batches of a twentieth (128 to 512), the
# learning rate down to 0 along half a cosine, the last step.
VARIANTS = {
    "defaults": fit_path(_mean_gap),
    "HSIC": fit_path(hsic),
    "batches of 64": fit_path(_mean_gap, batch_size=64),
    "batches of 2048": fit_path(_mean_gap, batch_size=2048),
    "constant learning rate": fit_path(_mean_gap, learning_rate="constant"),
    "early stopping": fit_path(_mean_gap, early_stopping=True),
    "warm-up of 10 epochs": fit_path(_mean_gap, fairness_warmup=10),
}

_memory = joblib.Memory(os.environ.get("FAIRSK_BENCHMARK_CACHE"), verbose=0)


@_memory.cache
def run_variant(name, task, fairness, seed, n_rows=None):
    """What :func:`fit_and_read` returns, of a variant."""
    return fit_and_read(VARIANTS[name], task, fairness, seed, n_rows)


def run(n_rows, context):
    """Rows of one task, definition and variant each."""
    tasks = TASK_NAMES if not context.quick else ("compas/2",)
    seeds = SEEDS if not context.quick else range(1)
    variants = VARIANTS if not context.quick else ("defaults",)
    rows = []
    for task in tasks:
        _, y, _ = TASKS[task].read()
        constant = max(np.mean(y), 1 - np.mean(y))
        for fairness in FAIRNESS:
            read, rises = {}, {}
            for name in variants:
                paths = [
                    run_variant(name, task, fairness, seed, n_rows) for seed in seeds
                ]
                runs = [run for path in paths for run in path]
                read[name] = read_frontier(runs, constant)
                rises[name] = float(np.mean([_rise(path) for path in paths]))
            rows += [
                {"task": task, "fairness": fairness, "training": name}
                | read[name]
                | {"rise": rises[name]}
                | {"points over the defaults": _ahead(read[name], read["defaults"])}
                for name in variants
            ]
    return rows + [_mean_of_tasks(rows, name) for name in variants]


def _mean_of_tasks(rows, name):
    """The row of a variant over all tasks and definitions."""
    rows = [row for row in rows if row["training"] == name]
    columns = [column for column, value in rows[0].items() if isinstance(value, float)]
    means = {c: float(np.mean([row[c] for row in rows])) for c in columns}
    return {"task": "mean", "fairness": "", "training": name} | means


def _rise(path):
    """How much the disparity rises where the weight does, on all steps together."""
    gaps = np.array([run["test_gap"] for run in path])
    return np.maximum(np.diff(gaps), 0).sum()


def _ahead(read, defaults):
    """Mean difference of accuracy over the disparities, in points."""
    return 100 * float(np.mean([read[key] - defaults[key] for key in read]))


ENTRY = Entry(
    name="training_defaults",
    title="How to train a penalised network",
    run=run,
    sizes=(12_000,),
    bars=(
        Bar(
            "points that another way of training gains, mean of the tasks",
            lambda row: row["task"] == "mean" and row["training"] != "defaults",
            "points over the defaults",
            at_most=0.2,
        ),
    ),
    notes=(
        f"Accuracy at the test disparities {DISPARITIES}, read as in the benchmark "
        "`inprocessing`: a path of 16 weights, chosen on validation data; at most "
        "12,000 rows, seeds 5 to 7. Each row changes one thing. `rise` adds up the "
        "steps of a path on which the disparity grows with the weight: a smooth path "
        "has few."
    ),
)
