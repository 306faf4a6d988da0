"""What each fairness weight of the network gives up and gains, on Adult."""

import numpy as np
from sklearn.pipeline import make_pipeline

from benchmarks.datasets import make_encoder, split
from benchmarks.objective import Bar, Entry, accuracy_and_gaps
from fairsk.inprocessing import FairMLPClassifier

_WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 2.0, 4.0)
_DEFINITIONS = ("demographic_parity", "equalized_odds")
# Disparity that some weight should keep, and the accuracy it should have then.
_ASKED = {"demographic_parity": (0.02, 0.83), "equalized_odds": (0.05, 0.84)}


def run(size, context):
    """Rows of mean and spread over seeds for each definition and weight."""
    seeds = (0,) if context.quick else range(5)
    splits = {seed: split("adult/sex", seed, n_rows=size) for seed in seeds}
    rows = [
        {"fairness": fairness, "fairness_weight": weight, **_summary(readings)}
        for fairness in _DEFINITIONS
        for weight, readings in _path(fairness, splits).items()
    ]
    return rows + [_reached(fairness, rows) for fairness in _DEFINITIONS]


def _path(fairness, splits):
    """Test accuracy and disparity, shape (n_seeds, 2), for every weight."""
    return {
        weight: np.array(
            [_fit_and_read(fairness, weight, s, splits[s]) for s in splits]
        )
        for weight in _WEIGHTS
    }


def _fit_and_read(fairness, weight, seed, parts):
    train, _, test = parts
    classifier = FairMLPClassifier(
        fairness=fairness, fairness_weight=weight, random_state=seed, device="cpu"
    )
    model = make_pipeline(make_encoder(), classifier)
    model.fit(train.X, train.y, fairmlpclassifier__sensitive_features=train.group)
    readings = accuracy_and_gaps(test.y, model.predict(test.X), test.group)
    return readings["accuracy"], readings[fairness]


def _summary(readings):
    mean, spread = readings.mean(axis=0), readings.std(axis=0)
    return {
        "accuracy": float(mean[0]),
        "accuracy_std": float(spread[0]),
        "disparity": float(mean[1]),
        "disparity_std": float(spread[1]),
    }


def _reached(fairness, rows):
    """Best accuracy of a weight that keeps the disparity asked for."""
    limit, _ = _ASKED[fairness]
    kept = [
        row["accuracy"]
        for row in rows
        if row["fairness"] == fairness and row["disparity"] <= limit
    ]
    return {
        "fairness": fairness,
        "fairness_weight": f"best with disparity <= {limit:g}",
        "best_accuracy": max(kept, default=0.0),
    }


def _is_about(fairness):
    return lambda row: row["fairness"] == fairness


ENTRY = Entry(
    name="weights",
    title="Accuracy and disparity of FairMLPClassifier along the fairness weight",
    run=run,
    sizes=(None,),
    bars=tuple(
        Bar(
            f"accuracy on Adult at {fairness} difference <= {limit:g}",
            _is_about(fairness),
            "best_accuracy",
            at_least=accuracy,
        )
        for fairness, (limit, accuracy) in _ASKED.items()
    ),
    notes=(
        "Adult by sex, 60/20/20 splits of 5 seeds, default settings, fitted on the "
        "training rows and read on the test rows: mean and standard deviation over the "
        "seeds. The last rows choose the weight by the mean on the test rows, to say "
        "what the path contains; a user chooses on validation data."
    ),
)
