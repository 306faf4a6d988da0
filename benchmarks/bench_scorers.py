"""Scoring with groups: our scorers against fairlearn's functions in make_scorer."""

from functools import partial

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import check_scoring, make_scorer

from benchmarks.datasets import outcomes_of_sizes
from benchmarks.objective import Bar, Entry
from fairsk.metrics import demographic_parity_difference, get_scorer

NAMES = ("demographic_parity", "equalized_odds")
FUNCTION = "demographic_parity_difference called by itself"


class ColumnClassifier(ClassifierMixin, BaseEstimator):
    """Predicts what stands in the only column, so that scoring is all that is timed."""

    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X):
        return X[:, 0]


def _run(n_samples, context):
    y_true, y_pred, group = outcomes_of_sizes(n_samples, 2)
    X = y_pred[:, None]
    estimator = ColumnClassifier().fit(X, y_true)
    cases = {
        FUNCTION: partial(
            demographic_parity_difference, y_true, y_pred, sensitive_features=group
        )
    }
    with sklearn.config_context(enable_metadata_routing=True):
        for package, scorers in _scorers(context).items():
            for label, scoring in scorers.items():
                cases[f"{package}: {label}"] = partial(
                    check_scoring(estimator, scoring),
                    estimator,
                    X,
                    y_true,
                    sensitive_features=group,
                )
        rows = context.compare(cases, reference=FUNCTION)
    return rows


def _scorers(context):
    ours = {
        f"{name} difference": get_scorer(f"neg_{name}_difference") for name in NAMES
    }
    scorers = {"fairsk": _one_and_all(ours)}
    if "fairlearn" in context.peers:
        import fairlearn.metrics

        theirs = {}
        for name in NAMES:
            function = getattr(fairlearn.metrics, f"{name}_difference")
            scorer = make_scorer(function, greater_is_better=False)
            scorer.set_score_request(sensitive_features=True)
            theirs[f"{name} difference"] = scorer
        scorers["fairlearn in make_scorer"] = _one_and_all(theirs)
    return scorers


def _one_and_all(scorers):
    first = NAMES[0] + " difference"
    return {first: scorers[first], "both differences": scorers}


ENTRY = Entry(
    name="scorers",
    title="Scorers of fairness, two integer groups",
    run=_run,
    sizes=(10_000, 100_000, 1_000_000),
    peers=("fairlearn",),
    bars=(
        Bar(
            "what a scorer adds to its metric at 1e6 rows",
            lambda row: (
                row["n"] == 1_000_000
                and row["case"] == "fairsk: demographic_parity difference"
            ),
            "ratio",
            at_most=1.2,
        ),
    ),
    notes="The predictor returns a ready column, so that only scoring is timed.",
)
