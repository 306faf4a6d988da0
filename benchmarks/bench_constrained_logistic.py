"""Constrained logistic regression: ours against scikit-lego's."""

import warnings

import numpy as np

from benchmarks.datasets import make_encoder, split
from benchmarks.objective import Bar, Entry
from fairsk.inprocessing import FairLogisticRegression

# Covariance of group and score that both may reach.
_COVARIANCE = 0.05


def run(size, context):
    """Time, objective and reached covariance of each."""
    train, _, _ = split("adult/sex", 0, n_rows=size)
    X = make_encoder().fit_transform(train.X).astype(float)
    codes = np.unique(train.group, return_inverse=True)[1]
    y = train.y.astype(int)
    share = codes.mean()
    # The covariance with a group of two is p (1 - p) times the difference of means.
    ours = FairLogisticRegression(tolerance=_COVARIANCE / (share * (1 - share)))
    cases = {"FairLogisticRegression": lambda: ours.fit(X, y, sensitive_features=codes)}
    models = {"FairLogisticRegression": ours}
    if "sklego" in context.peers:
        from sklego.linear_model import DemographicParityClassifier

        peer = DemographicParityClassifier(
            covariance_threshold=_COVARIANCE,
            sensitive_cols=[X.shape[1]],
            train_sensitive_cols=False,
            C=1.0,
        )
        with_group = np.c_[X, codes]

        def fit_peer():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # deprecations of its solver
                peer.fit(with_group, y)

        cases["scikit-lego"] = fit_peer
        models["scikit-lego"] = peer
    rows = context.compare(cases, reference="FairLogisticRegression")
    for row in rows:
        coef, intercept = _coefficients(models[row["case"]])
        score = X @ coef[: X.shape[1]] + intercept
        loss = np.logaddexp(0, -np.where(y == 1, 1, -1) * score).sum()
        row["objective"] = (loss + coef @ coef / 2) / len(y)
        row["covariance"] = abs(np.cov(score, codes, ddof=0)[0, 1])
    return rows


def _coefficients(model):
    model = getattr(model, "estimators_", [model])[0]
    return np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])


ENTRY = Entry(
    name="constrained_logistic",
    title="Logistic regression with a covariance constraint, Adult by sex",
    run=run,
    sizes=(None,),
    peers=("sklego",),
    bars=(
        Bar(
            "scikit-lego / FairLogisticRegression",
            lambda row: row["case"] == "scikit-lego",
            "ratio",
            at_least=5,
        ),
    ),
    notes=(
        f"Both minimise the same objective with C = 1 and a covariance of group and "
        f"log-odds of at most {_COVARIANCE}. `objective` is the mean over samples."
    ),
)
