"""Intervals and tests against the counting pass and against fairlearn's bootstrap."""

from functools import partial

from sklearn.metrics import accuracy_score

from benchmarks.datasets import outcomes_of_sizes
from benchmarks.objective import Bar, Entry
from fairsk.metrics import OutcomeCounts, disparity_test, group_metrics

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy")
COUNT = "count: group_metrics, point estimates alone"
N_RESAMPLES, N_GROUPS = 10_000, 10
# fairlearn is timed on few replicates and rows: a million rows would take hours.
PEER_RESAMPLES, PEER_ROWS = 3, 100_000


def _run(n_samples, context):
    y_true, y_pred, group = outcomes_of_sizes(n_samples, N_GROUPS)
    data = {"y_true": y_true, "y_pred": y_pred, "sensitive_features": group}
    counts = OutcomeCounts.from_arrays(**data)
    report = partial(group_metrics, list(RATES), **data)
    cases = {
        COUNT: report,
        "count and bootstrap": partial(_bootstrap, report, "percentile"),
        "count and BCa": partial(_bootstrap, report, "bca"),
        "count and Wilson": lambda: report().confidence_interval("wilson"),
    }
    for fairness in ("demographic_parity", "equalized_odds"):
        cases[f"test of counts: {fairness}"] = partial(
            disparity_test,
            counts,
            fairness=fairness,
            n_resamples=N_RESAMPLES,
            random_state=0,
        )
    rows = context.compare(cases, reference=COUNT)
    if "fairlearn" in context.peers and n_samples <= PEER_ROWS:
        rows += _peer_rows(context, data, report)
    return rows


def _bootstrap(report, method):
    return report().confidence_interval(method, n_resamples=N_RESAMPLES, random_state=0)


def _peer_rows(context, data, report):
    """Time of one replicate beyond the point estimates, of both."""
    import fairlearn.metrics

    rates = {
        name: accuracy_score if name == "accuracy" else getattr(fairlearn.metrics, name)
        for name in RATES
    }
    frame = partial(fairlearn.metrics.MetricFrame, metrics=rates, **data)
    cases = {
        "fairlearn: point estimates": frame,
        "fairlearn: and replicates": partial(
            frame, n_boot=PEER_RESAMPLES, ci_quantiles=[0.025, 0.975], random_state=0
        ),
        "fairsk: point estimates": report,
        "fairsk: and replicates": partial(_bootstrap, report, "percentile"),
    }
    rows = context.compare(cases, reference="fairsk: point estimates")
    times = {row["case"]: row["milliseconds"] for row in rows}
    each = {
        package: max(
            times[f"{package}: and replicates"] - times[f"{package}: point estimates"],
            1e-9,
        )
        / n_resamples
        for package, n_resamples in (
            ("fairlearn", PEER_RESAMPLES),
            ("fairsk", N_RESAMPLES),
        )
    }
    ratio = each["fairlearn"] / each["fairsk"]
    return [*rows, {"case": "one replicate", "fairlearn / this": ratio}]


def _is(case, n_samples):
    return lambda row: row["case"] == case and row["n"] == n_samples


ENTRY = Entry(
    name="inference",
    title="10,000 replicates of four metrics of ten groups",
    run=_run,
    sizes=(PEER_ROWS, 1_000_000),
    peers=("fairlearn",),
    bars=(
        Bar(
            "bootstrap with point estimates, 1e6 rows: the counting pass",
            _is("count and bootstrap", 1_000_000),
            "ratio",
            at_most=2,
        ),
        Bar(
            "one replicate: faster than fairlearn (1e5 rows)",
            _is("one replicate", PEER_ROWS),
            "fairlearn / this",
            at_least=10_000,
        ),
        *(
            Bar(
                f"permutation test of {name}, milliseconds beyond counting",
                _is(f"test of counts: {name}", 1_000_000),
                "milliseconds",
                at_most=100,
            )
            for name in ("demographic_parity", "equalized_odds")
        ),
    ),
    notes="The cells of the table of counts are drawn, on as many threads as there are "
    "cores; the time does not depend on the number of rows. fairlearn resamples the "
    f"rows: it is timed on {PEER_RESAMPLES} replicates.",
)
