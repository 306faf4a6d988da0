"""Fair prototypes against fairlearn's."""

import warnings

import numpy as np

from benchmarks.datasets import make_encoder, split
from benchmarks.objective import Bar, Entry
from fairsk.preprocessing import FairRepresentation

FACTORS = {"reconstruction_weight": 0.01, "label_weight": 1.0, "fairness_weight": 1.0}


def _run(n_rows, context):
    train, _, _ = split("adult/sex", 0)
    X = make_encoder().fit_transform(train.X)[:n_rows]
    y, group = train.y[:n_rows], train.group[:n_rows]
    n_iter = 2 if context.quick else 50
    models = {}

    def ours():
        models["fairsk FairRepresentation"] = FairRepresentation(
            10, max_iter=n_iter, tol=0.0, random_state=0, **FACTORS
        ).fit(X, y, sensitive_features=group)

    def theirs():
        from fairlearn.preprocessing import PrototypeRepresentationLearner

        model = PrototypeRepresentationLearner(
            10,
            reconstruct_weight=FACTORS["reconstruction_weight"],
            target_weight=FACTORS["label_weight"],
            fairness_weight=FACTORS["fairness_weight"],
            max_iter=n_iter,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            models["fairlearn"] = model.fit(X, y, sensitive_features=group)

    cases = {"fairsk FairRepresentation": ours}
    if "fairlearn" in context.peers:
        cases["fairlearn"] = theirs
    # The peer takes minutes a call; one is enough.
    context.seconds = 0.0
    rows = context.compare(cases, reference="fairsk FairRepresentation")
    losses = {name: _loss(model, X, y, group) for name, model in models.items()}
    least = min(losses.values())
    for row in rows:
        row["n_iter"] = models[row["case"]].n_iter_
        row["loss"] = losses[row["case"]]
        row["loss - least"] = losses[row["case"]] - least
    return rows


def _loss(model, X, y, group):
    """Fairlearn's objective for the parameters of either model."""
    if hasattr(model, "prototype_labels_"):
        prototypes, alpha = model.prototypes_, model.feature_weight_
        labels = model.prototype_labels_[:, 1]
    else:
        prototypes, alpha, labels = model._prototypes_, model._alpha_, model.coef_
    distance = ((X**2) @ alpha)[:, None] - 2 * X @ (alpha * prototypes).T
    distance += (alpha * prototypes**2).sum(axis=1)
    M = np.exp(-(distance - distance.min(axis=1, keepdims=True)))
    M /= M.sum(axis=1, keepdims=True)
    share = np.clip(M @ labels, 1e-15, 1 - 1e-15)
    cross_entropy = -np.mean(np.where(y == 1, np.log(share), np.log(1 - share)))
    means = [M[group == g].mean(axis=0) for g in np.unique(group)]
    return float(
        FACTORS["reconstruction_weight"]
        * np.mean(((X - M @ prototypes) ** 2).sum(axis=1))
        + FACTORS["label_weight"] * cross_entropy
        + FACTORS["fairness_weight"] * np.mean(np.abs(means[0] - means[1]))
    )


ENTRY = Entry(
    name="representation",
    title="Fair prototypes of Adult rows: 50 iterations of L-BFGS",
    run=_run,
    sizes=(10_000,),
    quick_sizes=(100,),
    peers=("fairlearn",),
    bars=(
        Bar(
            "fairlearn's time to ours, 1e4 rows",
            lambda row: row["case"] == "fairlearn",
            "ratio",
            at_least=50,
        ),
        Bar(
            "loss above the smaller one",
            lambda row: row["case"].startswith("fairsk"),
            "loss - least",
            at_most=0.0,
        ),
    ),
    notes="Both losses are computed by fairlearn's formula. fairlearn differentiates "
    "numerically: one gradient costs a thousand evaluations.",
)
