"""Reports of group metrics against fairlearn's MetricFrame, and their memory."""

import tracemalloc
from functools import partial

import numpy as np
from sklearn.metrics import accuracy_score, mean_absolute_error

from benchmarks.datasets import outcomes_of_sizes
from benchmarks.objective import Bar, Entry
from fairsk.metrics import group_metrics
from fairsk.utils._factorize import factorize

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy")
LIMIT = "limit: factorise, check the ranges, one np.bincount"
LARGEST = 10_000_000


def _run(n_samples, context):
    if n_samples == LARGEST:
        return _memory(n_samples)
    cases = {}
    for kind, data in _inputs(n_samples).items():
        y_true, y_pred, group = data
        cases[kind] = {"fairsk": partial(_ours, list(RATES), *data)}
        cases[kind][LIMIT] = partial(_limit, y_true, y_pred, group)
    functions = {"accuracy": accuracy_score, "error": mean_absolute_error}
    functions = {f"{name} {i}": f for name, f in functions.items() for i in (1, 2)}
    few = outcomes_of_sizes(n_samples, 10)
    cases["4 functions, 10 groups"] = {"fairsk": partial(_ours, functions, *few)}
    if "fairlearn" in context.peers:
        for kind, data in _inputs(n_samples).items():
            cases[kind]["fairlearn"] = partial(_peer, _peer_rates(), *data)
        cases["4 functions, 10 groups"]["fairlearn"] = partial(_peer, functions, *few)
    rows = []
    for kind, own in cases.items():
        reference = LIMIT if LIMIT in own else "fairsk"
        timed = context.compare(own, reference=reference)
        times = {row["case"]: row["milliseconds"] for row in timed}
        for row in timed:
            if row["case"] == "fairsk" and "fairlearn" in times:
                row["fairlearn / this"] = times["fairlearn"] / row["milliseconds"]
        rows += [{"input": kind} | row for row in timed]
    return rows


def _inputs(n_samples):
    y_true, y_pred, group = outcomes_of_sizes(n_samples, 20)
    names = np.array([f"name {i}" for i in range(5)])
    crossed = {"race": names[group % 5], "site": names[group // 5]}
    return {
        "20 integer groups": (y_true, y_pred, group),
        "two string columns": (y_true, y_pred, crossed),
    }


def _ours(metrics, y_true, y_pred, group):
    return group_metrics(metrics, y_true, y_pred, sensitive_features=group)


def _peer(metrics, y_true, y_pred, group):
    from fairlearn.metrics import MetricFrame

    frame = MetricFrame(
        metrics=metrics, y_true=y_true, y_pred=y_pred, sensitive_features=group
    )
    return frame.by_group


def _peer_rates():
    import fairlearn.metrics

    return {
        name: accuracy_score if name == "accuracy" else getattr(fairlearn.metrics, name)
        for name in RATES
    }


def _limit(y_true, y_pred, group):
    """What cannot be left out: code each column, check it, count once."""
    columns = list(group.values()) if isinstance(group, dict) else [group]
    cells, n_cells = 0, 1
    for column in (*columns, y_true, y_pred):
        labels, codes = factorize(column)
        if codes.min() < 0:
            raise ValueError("missing")
        cells = cells * len(labels) + codes.astype(np.intp)
        n_cells *= len(labels)
    return np.bincount(cells, minlength=n_cells)


def _memory(n_samples):
    """Memory at the peak, relative to that of the input arrays."""
    rows = []
    for dtype in (np.int8, np.int64):
        data = [column.astype(dtype) for column in outcomes_of_sizes(n_samples, 20)]
        for kind, weights in (("", None), (", weights", np.ones(n_samples))):
            size = sum(column.nbytes for column in data)
            size += 0 if weights is None else weights.nbytes
            tracemalloc.start()
            group_metrics(
                list(RATES),
                *data[:2],
                sensitive_features=data[2],
                sample_weight=weights,
            )
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            kind = f"20 {np.dtype(dtype).name} groups{kind}"
            rows.append({"input": kind, "case": "fairsk", "peak / input": peak / size})
    return rows


def _is(kind, *sizes):
    return lambda row: (
        row["case"] == "fairsk" and row["input"] == kind and row["n"] in sizes
    )


ENTRY = Entry(
    name="report",
    title="Four metrics of every group: group_metrics against MetricFrame",
    run=_run,
    sizes=(100_000, 1_000_000, LARGEST),
    peers=("fairlearn",),
    bars=(
        Bar(
            "20 integer groups: the limit",
            _is("20 integer groups", 100_000, 1_000_000),
            "ratio",
            at_most=3,
        ),
        Bar(
            "20 integer groups: faster than fairlearn",
            _is("20 integer groups", 100_000, 1_000_000),
            "fairlearn / this",
            at_least=300,
        ),
        Bar(
            "two string columns crossed: faster than fairlearn",
            _is("two string columns", 100_000, 1_000_000),
            "fairlearn / this",
            at_least=60,
        ),
        Bar(
            "arbitrary functions, 10 groups, 1e5 rows: faster than fairlearn",
            _is("4 functions, 10 groups", 100_000),
            "fairlearn / this",
            at_least=8,
        ),
        Bar(
            "memory beyond the inputs at 1e7 rows, of the inputs",
            lambda row: "peak / input" in row,
            "peak / input",
            at_most=3,
        ),
    ),
    notes="The metrics are "
    + ", ".join(f"`{name}`" for name in RATES)
    + "; the functions are scikit-learn's accuracy and mean absolute error, twice. The "
    "limit codes each column with our own coder.",
)
