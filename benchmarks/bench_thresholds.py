"""Fitting and applying group thresholds on ready scores, next to the peers."""

import warnings

import numpy as np
from scipy.optimize import isotonic_regression

from benchmarks.bench_thresholds_quality import ReadyScores, as_features
from benchmarks.objective import Bar, Entry

LEAST = "argsort and isotonic regression"
OURS = "fairsk fit"
GATHER = "gather thresholds and compare"


def _scores(n_samples, n_groups):
    rng = np.random.default_rng(0)
    score = rng.random(n_samples)
    y = (rng.random(n_samples) < score).astype(int)
    return score, y, rng.integers(0, n_groups, n_samples)


def _fit(X, y, group, **params):
    from fairsk.postprocessing import ThresholdOptimizer

    model = ThresholdOptimizer(
        ReadyScores().fit(X, y),
        cv="prefit",
        response_method="decision_function",
        randomize=True,
        **params,
    )
    return model.fit(X, y, sensitive_features=group)


def _least(score, y):
    order = np.argsort(score)
    return isotonic_regression(y[order].astype(float))


def _fairlearn(X, y, group):
    from fairlearn.postprocessing import ThresholdOptimizer

    return ThresholdOptimizer(
        estimator=ReadyScores().fit(X[:2], y[:2]),
        constraints="demographic_parity",
        prefit=True,
        predict_method="decision_function",
    ).fit(X, y, sensitive_features=group)


def _error_parity(X, y, group):
    from error_parity import RelaxedThresholdOptimizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RelaxedThresholdOptimizer(
            predictor=lambda rows: rows[:, 0], constraint="demographic_parity"
        ).fit(X, y, group=group)


def _reject_option(X, y, group):
    from fairsk.postprocessing import RejectOptionClassifier

    model = RejectOptionClassifier(ReadyScores().fit(X, y), cv="prefit")
    return model.fit(X, y, sensitive_features=group)


def _run(n_samples, context):
    rows = []
    for n_groups in (2, 5):
        score, y, group = _scores(n_samples, n_groups)
        X = as_features(score)
        cases = {LEAST: lambda s=score, y=y: _least(s, y)}
        cases[OURS] = lambda X=X, y=y, g=group: _fit(X, y, g)
        cases["fairsk fit, two rates"] = lambda X=X, y=y, g=group: _fit(
            X, y, g, fairness="equalized_odds"
        )
        if "fairlearn" in context.peers:
            cases["fairlearn fit"] = lambda X=X, y=y, g=group: _fairlearn(X, y, g)
        if "error_parity" in context.peers:
            cases["error-parity fit"] = lambda X=X, y=y, g=group: _error_parity(X, y, g)
        rows += _named(context.compare(cases, reference=LEAST), "fit", n_groups)
        model = _fit(X, y, group)
        path = {
            OURS: cases[OURS],
            "tolerance_path of 100": lambda m=model: m.tolerance_path(
                np.linspace(0, 0.3, 100)
            ),
            "reject option fit": lambda X=X, y=y, g=group: _reject_option(X, y, g),
        }
        rows += _named(context.compare(path, reference=OURS), "path", n_groups)
        cuts = model.thresholds_[:, 0]
        predict = {
            GATHER: lambda s=score, g=group, c=cuts: s >= c[g],
            "fairsk decide": lambda s=score, g=group, X=X, m=model: m._policy.decide(
                s, g, X, 0
            ),
            "fairsk predict": lambda X=X, g=group, m=model: m.predict(
                X, sensitive_features=g
            ),
        }
        rows += _named(context.compare(predict, reference=GATHER), "predict", n_groups)
    return rows


def _named(rows, what, n_groups):
    return [{"groups": n_groups, "what": what, **row} for row in rows]


def _row(what, case):
    return lambda row: row["what"] == what and row["case"] == case


ENTRY = Entry(
    name="thresholds",
    title="Group thresholds on ready scores: fit, path and prediction",
    run=_run,
    sizes=(100_000, 1_000_000),
    peers=("fairlearn", "error_parity"),
    bars=(
        Bar(
            "fit over one argsort and one isotonic regression, 1e6 rows",
            lambda row: _row("fit", OURS)(row) and row["n"] == 1_000_000,
            "ratio",
            at_most=2,
        ),
        Bar(
            "path of 100 tolerances over one fit, 1e5 rows",
            lambda row: (
                _row("path", "tolerance_path of 100")(row) and row["n"] == 100_000
            ),
            "ratio",
            at_most=2,
        ),
        Bar(
            "decide over gathering and comparing",
            _row("predict", "fairsk decide"),
            "ratio",
            at_most=1.5,
        ),
    ),
    notes="Random scores; demographic parity where nothing else is said. `predict` "
    "codes the groups and checks the scores, `decide` is what is left without.",
)
