"""Fitting and applying group thresholds on ready scores, next to the peers."""

import numpy as np
from scipy.optimize import isotonic_regression

from benchmarks import score_methods
from benchmarks.objective import Bar, Entry
from benchmarks.score_methods import ReadyScores, as_features
from benchmarks.scores import Scored

LEAST = "argsort and isotonic regression"
OURS = "fairsk fit"
TWO_RATES = "fairsk fit, equalized odds"
GATHER = "gather thresholds and compare"
# It searches a grid over all groups: 5 groups take minutes even for 200 rows.
MOST_GROUPS_OF_OXONFAIR = 4
PEERS = {
    "fairlearn": score_methods.fairlearn,
    "error_parity": score_methods.error_parity,
    "oxonfair": score_methods.oxonfair,
}


def random_scores(n_samples, n_groups, seed=0):
    """Calibrated scores that do not depend on the group."""
    rng = np.random.default_rng(seed)
    score = rng.random(n_samples)
    y = (rng.random(n_samples) < score).astype(int)
    return Scored(score, y, rng.integers(0, n_groups, n_samples))


def fit_thresholds(X, scored, **params):
    """fairsk's optimum (mixtures where they are best) on ready scores."""
    from fairsk.postprocessing import ThresholdOptimizer

    model = ThresholdOptimizer(
        ReadyScores().fit(X, scored.y),
        cv="prefit",
        response_method="decision_function",
        randomize=True,
        **params,
    )
    return model.fit(X, scored.y, sensitive_features=scored.group)


def _least(scored):
    order = np.argsort(scored.score)
    return isotonic_regression(scored.y[order].astype(float))


def _run(n_samples, context):
    rows = []
    for n_groups in (2, 5):
        scored = random_scores(n_samples, n_groups)
        X = as_features(scored.score)
        rows += _fits(X, scored, context, n_groups)
        rows += _predictions(X, scored, context, n_groups)
    return rows


def _fits(X, scored, context, n_groups):
    cases = {
        LEAST: lambda: _least(scored),
        OURS: lambda: fit_thresholds(X, scored),
        TWO_RATES: lambda: fit_thresholds(X, scored, fairness="equalized_odds"),
    }
    peers = {name: fit for name, fit in PEERS.items() if name in context.peers}
    if n_groups > MOST_GROUPS_OF_OXONFAIR:
        peers.pop("oxonfair", None)
    cases |= {
        f"{name} fit": lambda fit=fit: fit(scored, "demographic_parity", 0.02, 0)
        for name, fit in peers.items()
    }
    slow = [f"{name} fit" for name in peers]
    timed = _named(context.compare(cases, reference=LEAST, once=slow), "fit", n_groups)
    ours = next(row for row in timed if row["case"] == OURS)
    for row in timed:
        row["times ours"] = row["milliseconds"] / ours["milliseconds"]
    return timed


def _predictions(X, scored, context, n_groups):
    model = fit_thresholds(X, scored)
    cuts = model.thresholds_[:, 0]
    score, group = scored.score, scored.group
    cases = {
        GATHER: lambda: score >= cuts[group],
        "fairsk decide": lambda: model._policy.decide(score, group, X, 0),
        "fairsk predict": lambda: model.predict(X, sensitive_features=group),
    }
    return _named(context.compare(cases, reference=GATHER), "predict", n_groups)


def _named(rows, what, n_groups):
    return [{"groups": n_groups, "what": what, **row} for row in rows]


def _large(what, case):
    return lambda row: (
        row["what"] == what and row["case"] == case and row["n"] == 1_000_000
    )


ENTRY = Entry(
    name="thresholds",
    title="Group thresholds on ready scores: fit and prediction",
    run=_run,
    sizes=(100_000, 1_000_000),
    peers=tuple(PEERS),
    bars=(
        Bar(
            "fit over one argsort and one isotonic regression, 1e6 rows",
            _large("fit", OURS),
            "ratio",
            at_most=2,
        ),
        Bar(
            "equalized odds over one argsort and one isotonic regression, 1e6 rows",
            _large("fit", TWO_RATES),
            "ratio",
            at_most=2,
        ),
        Bar(
            "times faster than fairlearn, 1e6 rows",
            _large("fit", "fairlearn fit"),
            "times ours",
            at_least=50,
        ),
        *(
            Bar(
                f"times faster than {peer}, 1e6 rows",
                _large("fit", f"{peer} fit"),
                "times ours",
                at_least=1,
            )
            for peer in ("error_parity", "oxonfair")
        ),
        Bar(
            "decide over gathering and comparing, 1e6 rows",
            _large("predict", "fairsk decide"),
            "ratio",
            at_most=1.5,
        ),
    ),
    notes="Random scores, 2 and 5 groups; demographic parity where nothing else is "
    "said, at a tolerance of 0.02. A peer's fit is timed once; "
    "OxonFair sits 5 groups out, its grid takes minutes there for any number of rows. "
    "`predict` codes the "
    "groups and checks the scores, `decide` is what is left without.",
)
