"""How to train a penalised network: what stands behind the defaults."""

import os

import joblib
import numpy as np

from benchmarks.bench_inprocessing import (
    DISPARITIES,
    SEEDS,
    fit_and_read,
    fit_path,
    hsic,
    read_frontier,
)
from benchmarks.datasets import TASKS
from benchmarks.objective import Bar, Entry

FAIRNESS = ("demographic_parity", "equalized_odds")
TASK_NAMES = ("adult/sex", "compas/2")


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
            read = {}
            for name in variants:
                runs = [
                    run
                    for seed in seeds
                    for run in run_variant(name, task, fairness, seed, n_rows)
                ]
                read[name] = read_frontier(runs, constant)
            rows += [
                {"task": task, "fairness": fairness, "training": name}
                | read[name]
                | {"points over the defaults": _ahead(read[name], read["defaults"])}
                for name in variants
            ]
    return rows


def _ahead(read, defaults):
    """Mean difference of accuracy over the disparities, in points."""
    return 100 * float(np.mean([read[key] - defaults[key] for key in read]))


ENTRY = Entry(
    name="training_defaults",
    title="How to train a penalised network",
    run=run,
    sizes=(None,),
    bars=(
        Bar(
            "points that another way of training gains over the defaults",
            lambda row: row["training"] != "defaults",
            "points over the defaults",
            at_most=0.2,
        ),
    ),
    notes=(
        f"Accuracy at the test disparities {DISPARITIES}, read as in the benchmark "
        "`inprocessing`: a path of 16 weights, chosen on validation data, five seeds. "
        "Each row changes one thing."
    ),
)
