"""Named metrics against fairlearn's and against the least work that could do it."""

from functools import partial

import numpy as np

from benchmarks.datasets import outcomes_of_sizes
from benchmarks.objective import Bar, Entry
from fairsk import metrics
from fairsk.definitions import demographic_parity
from fairsk.metrics._inputs import code_outcomes

METRICS = ("demographic_parity_difference", "equalized_odds_difference")
LIMIT = "limit: check the ranges, np.bincount of ready codes"


def _limit(y_true, y_pred, codes, cells):
    """What cannot be left out, given one ready code per row."""
    for column in (y_true, y_pred, codes):
        if column.min() < 0 or column.max() > 1:
            raise ValueError("out of range")
    return np.bincount(cells, minlength=8)


def _run(n_samples, context):
    rows = []
    for kind in ("integer", "string"):
        y_true, y_pred, group = outcomes_of_sizes(
            n_samples, 2, strings=kind == "string"
        )
        codes = np.unique(group, return_inverse=True)[1]
        cells = (codes * 2 + y_true) * 2 + y_pred
        cases = {LIMIT: partial(_limit, y_true, y_pred, codes, cells)}
        for name in METRICS:
            cases[f"fairsk {name}"] = _call(metrics, name, y_true, y_pred, group)
        if "fairlearn" in context.peers:
            import fairlearn.metrics

            for name in METRICS:
                cases[f"fairlearn {name}"] = _call(
                    fairlearn.metrics, name, y_true, y_pred, group
                )
        cases |= _parts(y_true, y_pred, group)
        timed = context.compare(cases, reference=LIMIT)
        rows += _with_speedup([{"groups": kind} | row for row in timed])
    return rows


def _call(module, name, y_true, y_pred, group):
    return partial(getattr(module, name), y_true, y_pred, sensitive_features=group)


def _parts(y_true, y_pred, group):
    """The steps of a named metric, to say where its time goes."""

    code = partial(code_outcomes, y_true, y_pred, sensitive_features=group)
    outcomes = code()
    counts = outcomes.counts()
    return {
        "step: check and code": code,
        "step: count": outcomes.counts,
        "step: rates and disparity": partial(demographic_parity.disparity, counts),
    }


def _with_speedup(rows):
    """Beside each of our figures, how many times faster than fairlearn it is."""
    times = {row["case"]: row["milliseconds"] for row in rows}
    for row in rows:
        package, _, name = row["case"].partition(" ")
        peer = times.get(f"fairlearn {name}")
        if package == "fairsk" and peer is not None:
            row["fairlearn / this"] = peer / row["milliseconds"]
    return rows


def _is(case, n_samples, kind):
    return lambda row: (row["case"], row["n"], row["groups"]) == (case, n_samples, kind)


_OURS = "fairsk demographic_parity_difference"
ENTRY = Entry(
    name="metrics",
    title="Named metrics against fairlearn's, two groups",
    run=_run,
    sizes=(10_000, 100_000, 1_000_000),
    peers=("fairlearn",),
    bars=(
        Bar(
            "demographic parity, 1e6 rows, integer groups: the limit",
            _is(_OURS, 1_000_000, "integer"),
            "ratio",
            at_most=2,
        ),
        Bar(
            "demographic parity, 1e6 rows, integer groups: faster than fairlearn",
            _is(_OURS, 1_000_000, "integer"),
            "fairlearn / this",
            at_least=100,
        ),
        Bar(
            "demographic parity, 1e6 rows, string groups: faster than fairlearn",
            _is(_OURS, 1_000_000, "string"),
            "fairlearn / this",
            at_least=10,
        ),
    ),
    notes="`ratio` is the time relative to the limit at the same size: the minimum and "
    "maximum of each column, and `np.bincount` of one ready code per row. The steps "
    "are those of demographic parity.",
)
