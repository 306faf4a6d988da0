"""What a perfectly fair predictor would show on the groups of each task."""

import numpy as np

from benchmarks.bench_thresholds_quality import FAIRNESS, SEEDS
from benchmarks.datasets import TASKS
from benchmarks.objective import Entry
from benchmarks.scores import score_task
from fairsk.definitions import DEFINITIONS, group_counts
from fairsk.postprocessing._noise import noise_floor_of_counts


def _test_counts(task, seed, n_rows):
    """Counts of the unconstrained logistic regression on test rows."""
    test = score_task(task, seed, "logistic", n_rows=n_rows)["test"]
    return group_counts(
        test.group,
        test.y,
        (test.score > 0.5).astype(int),
        n_groups=int(test.group.max()) + 1,
        n_classes=2,
    )


def _run(n_rows, context):
    seeds = range(1) if context.quick else SEEDS
    rows = []
    for task in ["compas/2"] if context.quick else TASKS:
        tables = [_test_counts(task, seed, n_rows) for seed in seeds]
        for fairness in FAIRNESS:
            floors = [
                noise_floor_of_counts(t.astype(float), fairness, pos_index=1)
                for t in tables
            ]
            gaps = [DEFINITIONS[fairness].disparity(t) for t in tables]
            rows.append(
                {
                    "task": task,
                    "fairness": fairness,
                    "test rows": int(tables[0].sum()),
                    "smallest group": int(tables[0].sum(axis=(1, 2)).min()),
                    "noise floor": float(np.mean(floors)),
                    "unconstrained": float(np.mean(gaps)),
                }
            )
    return rows


ENTRY = Entry(
    name="noise_floor",
    title="Noise floor: the disparity that a perfectly fair predictor would show",
    run=_run,
    sizes=(None,),
    notes="Test rows (a fifth of the task) of seeds 5 to 9. The floor is the mean "
    "disparity when groups are permuted among the rows that the definition compares, "
    "with the rates of logistic regression, whose own disparity stands beside it. A "
    "reached disparity near the floor cannot be told from none.",
)
