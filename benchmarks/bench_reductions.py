"""Exponentiated gradient and fairness weights, against fairlearn and the limit."""

import time
import tracemalloc
import warnings
from functools import partial

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from benchmarks.datasets import make_encoder, split
from benchmarks.methods import join_parts
from benchmarks.objective import Bar, Entry
from fairsk.definitions import get_definition, group_counts
from fairsk.reductions import ExponentiatedGradientClassifier, compute_fairness_weight
from fairsk.reductions._costs import classification_game

TOLERANCE = 0.02
# fairlearn bounds the distance to the overall rate: two groups may be twice as far
# apart, so half of the tolerance asks for the same.
CONSTRAINTS = {
    "demographic_parity": "DemographicParity",
    "equalized_odds": "EqualizedOdds",
}


class Timed(LogisticRegression):
    """Logistic regression that adds up the time spent in it."""

    spent = 0.0

    def fit(self, X, y, sample_weight=None):
        start = time.perf_counter()
        super().fit(X, y, sample_weight=sample_weight)
        Timed.spent += time.perf_counter() - start
        return self

    def predict(self, X):
        start = time.perf_counter()
        y_pred = super().predict(X)
        Timed.spent += time.perf_counter() - start
        return y_pred


def _run(n_rows, context):
    rows = []
    for fairness in CONSTRAINTS:
        train, validation, test = split("adult/sex", 0, n_rows=n_rows)
        encoder = make_encoder()
        data = join_parts(train, validation)
        X, X_test = encoder.fit_transform(data.X), encoder.transform(test.X)
        cases, tolerance = {}, TOLERANCE
        if "fairlearn" in context.peers:
            cases["fairlearn"] = _fit_fairlearn
            # Ask for what fairlearn reaches, so that accuracies compare.
            reached = _measure(_fit_fairlearn, X, data, X_test, test, fairness)
            tolerance = min(reached["train gap"], TOLERANCE)
        cases["fairsk"] = partial(_fit_fairsk, tolerance=tolerance)
        found = {name: [] for name in cases}
        for _ in range(1 if context.quick else 3):
            for name, fit in cases.items():
                found[name].append(_measure(fit, X, data, X_test, test, fairness))
        best = {
            name: min(runs, key=lambda run: run["seconds"])
            for name, runs in found.items()
        }
        rows += _compare(fairness, best)
    rows += _weights(1000 if context.quick else 1_000_000, context)
    rows += _memory(1000 if context.quick else 1_000_000)
    return rows


def _compare(fairness, best):
    rows = []
    for name, run in best.items():
        row = {"case": f"{name} {fairness}", **run}
        peer = best.get("fairlearn")
        if name == "fairsk" and peer:
            row["time / fairlearn"] = run["seconds"] / peer["seconds"]
            row["accuracy lost"] = peer["test accuracy"] - run["test accuracy"]
            row["violation added"] = run["train gap"] - peer["train gap"]
        rows.append(row)
    return rows


def _measure(fit, X, data, X_test, test, fairness):
    Timed.spent = 0.0
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predict_proba, n_fits = fit(X, data.y, data.group, fairness)
    seconds = time.perf_counter() - start
    oracle = Timed.spent
    proba, proba_test = predict_proba(X), predict_proba(X_test)
    accuracy = np.mean(proba_test[np.arange(len(test.y)), test.y])
    return {
        "seconds": seconds,
        "fits": n_fits,
        "overhead": seconds / oracle - 1,
        "train gap": _gap(data, proba, fairness),
        "test gap": _gap(test, proba_test, fairness),
        "test accuracy": float(accuracy),
    }


def _gap(part, proba, fairness):
    labels, codes = np.unique(part.group.astype(str), return_inverse=True)
    counts = group_counts(codes, part.y, proba, n_groups=len(labels), n_classes=2)
    return float(get_definition(fairness).disparity(counts))


def _fit_fairsk(X, y, group, fairness, tolerance):
    model = ExponentiatedGradientClassifier(
        Timed(max_iter=1000), fairness=fairness, tolerance=tolerance
    ).fit(X, y, sensitive_features=group)
    return model.predict_proba, model.n_iter_


def _fit_fairlearn(X, y, group, fairness):
    from fairlearn import reductions

    constraint = getattr(reductions, CONSTRAINTS[fairness])
    model = reductions.ExponentiatedGradient(
        Timed(max_iter=1000), constraint(difference_bound=TOLERANCE / 2), eps=0.01
    )
    model.fit(X, y, sensitive_features=group)
    return model._pmf_predict, model.n_oracle_calls_


def _weights(n_rows, context):
    rng = np.random.default_rng(0)
    y, group = rng.integers(2, size=n_rows), rng.integers(2, size=n_rows)
    cells = 2 * group + y
    one_pass = "one bincount pass of ready codes, without weights"
    cases = {
        one_pass: lambda: np.bincount(cells, minlength=4),
        "bincount pass and a gather of floats": lambda: np.bincount(
            cells, minlength=4
        ).astype(float)[cells],
        "compute_fairness_weight": lambda: compute_fairness_weight(y, group),
    }
    return context.compare(cases, reference=one_pass)


def _memory(n_rows, n_groups=10):
    """Peak memory as a share of a dense rows x constraints matrix."""
    rng = np.random.default_rng(0)
    group = rng.integers(n_groups, size=n_rows).astype(np.int8)
    y, X = rng.integers(2, size=n_rows), rng.normal(size=(n_rows, 1))
    definition = get_definition("equalized_odds")

    def one_round():
        game = classification_game(
            definition, group, y, np.ones(n_rows), (n_groups, 2), None
        )
        game.relabel(X, rng.normal(size=len(game.value_names)))
        game.evaluate(y)

    def fit():
        ExponentiatedGradientClassifier(
            GaussianNB(), fairness=definition, max_iter=3
        ).fit(X, y, sensitive_features=group)

    rows = []
    for case, call in (("a round", one_round), ("a fit, naive Bayes", fit)):
        tracemalloc.start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        dense = n_rows * 2 * 2 * n_groups * 8
        rows.append(
            {
                "case": f"memory of {case}, {n_groups} groups, equalized odds",
                "bytes a row": peak / n_rows,
                "share of dense rows x constraints": peak / dense,
            }
        )
    return rows


def _is(case):
    return lambda row: row["case"] == case


ENTRY = Entry(
    name="reductions",
    title="Exponentiated gradient on Adult by sex (logistic regression), and weights",
    run=_run,
    sizes=(None,),
    quick_sizes=(400,),
    peers=("fairlearn",),
    bars=(
        Bar(
            "demographic parity, wall time to fairlearn's",
            _is("fairsk demographic_parity"),
            "time / fairlearn",
            at_most=0.5,
        ),
        Bar(
            "equalized odds, wall time to fairlearn's",
            _is("fairsk equalized_odds"),
            "time / fairlearn",
            at_most=0.75,
        ),
        Bar(
            "test accuracy lost against fairlearn",
            lambda row: True,
            "accuracy lost",
            at_most=0.002,
        ),
        Bar(
            "training violation above fairlearn's",
            lambda row: True,
            "violation added",
            at_most=1e-6,
        ),
        Bar(
            "training difference between groups, asked for 0.02",
            lambda row: row["case"].startswith("fairsk"),
            "train gap",
            at_most=TOLERANCE + 1e-6,
        ),
        Bar(
            "overhead beyond the estimator's fit and predict",
            lambda row: row["case"].startswith("fairsk"),
            "overhead",
            at_most=0.10,
        ),
        Bar(
            "weights of 1e6 rows, to one bincount pass",
            _is("compute_fairness_weight"),
            "ratio",
            at_most=3,
        ),
        Bar(
            "memory of a round and of a fit, to a dense rows x constraints matrix",
            lambda row: True,
            "share of dense rows x constraints",
            at_most=0.5,
        ),
    ),
    notes="fairlearn is asked for half of 0.02, since it bounds the distance to the "
    "overall rate; fairsk for the difference that fairlearn then reaches, at most 0.02."
    " Rates and accuracy are those of the mixture, in expectation.",
)
