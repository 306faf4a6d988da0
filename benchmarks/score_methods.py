"""Post-processors on ready scores: fairsk and its peers behind one signature.

Each function fits on the scores, labels and groups of some rows (`Scored`) and returns
``decide(score, group)``, which gives the 0 / 1 decisions of others; the fitted object
is its attribute `fitted`.
"""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

# What the peers call the definitions.
_ERROR_PARITY = {
    "demographic_parity": "demographic_parity",
    "equalized_odds": "equalized_odds",
    "equal_opportunity": "true_positive_rate_parity",
}
_FAIRLEARN = _ERROR_PARITY
_OXONFAIR = {
    "demographic_parity": "demographic_parity",
    "equalized_odds": "equalized_odds_max",
    "equal_opportunity": "equal_opportunity",
}


class ReadyScores(ClassifierMixin, BaseEstimator):
    """A fitted model whose score is the first column of X."""

    def fit(self, X, y):
        """Learn the labels."""
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        """Return the first column."""
        return X[:, 0]

    def predict_proba(self, X):
        """Scores that are probabilities."""
        return np.column_stack([1 - X[:, 0], X[:, 0]])


@dataclass(frozen=True)
class _Decide:
    fitted: object
    decide: Callable

    def __call__(self, score, group):
        return self.decide(score, group)


def as_features(score):
    """Score, and a column that tells rows of one score apart."""
    return np.column_stack([score, np.arange(len(score))])


def fairsk_thresholds(scored, fairness, tolerance, seed, **params):
    """Thresholds by fairsk, with further parameters of `ThresholdOptimizer`."""
    from fairsk.postprocessing import ThresholdOptimizer

    X = as_features(scored.score)
    model = ThresholdOptimizer(
        ReadyScores().fit(X, scored.y),
        fairness=fairness,
        tolerance=tolerance,
        cv="prefit",
        random_state=seed,
        **params,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rare groups
        model.fit(X, scored.y, sensitive_features=scored.group)
    return _Decide(
        model,
        lambda score, group: model.predict(
            as_features(score), sensitive_features=group
        ),
    )


def error_parity(scored, fairness, tolerance, seed):
    """Thresholds by error-parity."""
    from error_parity import RelaxedThresholdOptimizer

    optimizer = RelaxedThresholdOptimizer(
        predictor=lambda X: X[:, 0],
        constraint=_ERROR_PARITY[fairness],
        tolerance=tolerance,
        seed=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimizer.fit(scored.score[:, None], scored.y, group=scored.group)
    return _Decide(
        optimizer, lambda score, group: optimizer.predict(score[:, None], group=group)
    )


def fairlearn(scored, fairness, tolerance, seed):
    """Thresholds by fairlearn, whose equalized odds know no tolerance (flip off)."""
    from fairlearn.postprocessing import ThresholdOptimizer

    relaxed = {} if fairness == "equalized_odds" else {"tol": tolerance}
    optimizer = ThresholdOptimizer(
        estimator=ReadyScores().fit(scored.score[:2], scored.y[:2]),
        constraints=_FAIRLEARN[fairness],
        prefit=True,
        predict_method="decision_function",
        flip=False,
        **relaxed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimizer.fit(scored.score[:, None], scored.y, sensitive_features=scored.group)
    return _Decide(
        optimizer,
        lambda score, group: optimizer.predict(
            score[:, None], sensitive_features=group, random_state=seed
        ),
    )


def oxonfair(scored, fairness, tolerance, seed):
    """Thresholds by OxonFair."""
    from oxonfair import FairPredictor
    from oxonfair.utils import group_metrics

    def probability(X):
        return np.column_stack([1 - X[:, 0], X[:, 0]])

    def rows(score, group, y=None):
        # It asks for labels at prediction too, and does not read them.
        y = np.zeros(len(score)) if y is None else y
        return {"data": score[:, None], "groups": group, "target": y}

    logging.getLogger("oxonfair").setLevel(logging.ERROR)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        calibration = rows(scored.score, scored.group, scored.y)
        predictor = FairPredictor(probability, calibration)
        constraint = getattr(group_metrics, _OXONFAIR[fairness])
        predictor.fit(group_metrics.accuracy, constraint, tolerance)
    return _Decide(
        predictor,
        lambda score, group: np.asarray(predictor.predict(rows(score, group))),
    )
