"""Linear erasure: cost against the normal equations, leakage and distortion."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.objective import Bar, Entry
from fairsk.preprocessing import (
    ConceptEraser,
    CorrelationRemover,
    MeanProjection,
    NullspaceProjector,
)

NORMAL = "normal equations of features on groups"
MOMENTS = "normal equations of features and groups"


def _run(n_samples, context):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 100))
    group = rng.integers(2, size=n_samples)
    rows = _time(X, group, context)
    n_probe = min(n_samples, 4000)
    for n_groups in (2, 5):
        for dtype in (np.float32, np.float64):
            rows += _leakage(n_probe, n_groups, dtype, context)
    return rows


def _time(X, group, context):
    Z = np.eye(2)[group]

    def on_groups():
        centred = Z - Z.mean(0)
        cross = centred.T @ (X - X.mean(0))
        return np.linalg.pinv(centred.T @ centred) @ cross

    def all_moments():
        joint = np.hstack([X - X.mean(0), Z - Z.mean(0)])
        return joint.T @ joint

    cases = {
        NORMAL: on_groups,
        MOMENTS: all_moments,
        "fairsk CorrelationRemover": lambda: CorrelationRemover().fit(
            X, sensitive_features=group
        ),
        "fairsk ConceptEraser": lambda: ConceptEraser().fit(
            X, sensitive_features=group
        ),
    }
    if "fairlearn" in context.peers:
        from fairlearn.preprocessing import CorrelationRemover as Peer

        both = np.column_stack([group, X])
        cases["fairlearn CorrelationRemover"] = lambda: Peer(
            sensitive_feature_ids=[0]
        ).fit(both)
    if "concept_erasure" in context.peers:
        cases["concept-erasure LEACE"] = lambda: _fit_leace(X, group, 2)
    rows = context.compare(cases, reference=NORMAL)
    of_moments = next(r["milliseconds"] for r in rows if r["case"] == MOMENTS)
    for row in rows:
        row["ratio to all moments"] = row["milliseconds"] / of_moments
    return rows


def _fit_leace(X, group, n_groups):
    import torch
    from concept_erasure import LeaceFitter

    x = torch.as_tensor(X, dtype=torch.float64)
    z = torch.eye(n_groups, dtype=torch.float64)[torch.as_tensor(group)]
    fitter = LeaceFitter(x.shape[1], n_groups, dtype=torch.float64)
    return fitter.update(x, z).eraser, x


def _embeddings(n_samples, n_groups, dtype):
    """Correlated features with dead dimensions, as embeddings have."""
    rng = np.random.default_rng(n_groups)
    group = rng.integers(n_groups, size=n_samples)
    X = rng.normal(size=(n_samples, 60)) @ rng.normal(size=(60, 60))
    X += 3 * rng.normal(size=(n_groups, 60))[group]
    X[:, 5] = 1e-33 * rng.normal(size=n_samples) + 1e-30 * group
    X[:, 6], X[:, 7], X[:, 8] = 3.0, group, 1e3 + 1e-6 * group
    return X.astype(dtype), group


def _leakage(n_samples, n_groups, dtype, context):
    X, group = _embeddings(n_samples, n_groups, dtype)
    majority = np.bincount(group).max() / n_samples
    erased = {
        f"fairsk {type(eraser).__name__}": eraser.fit(
            X, sensitive_features=group
        ).transform(X)
        for eraser in (
            ConceptEraser(),
            MeanProjection(),
            NullspaceProjector(LogisticRegression(max_iter=3000), tol=0.05),
        )
    }
    if "concept_erasure" in context.peers:
        eraser, x = _fit_leace(X, group, n_groups)
        erased["concept-erasure LEACE"] = eraser(x).numpy()
    rows = []
    for name, out in erased.items():
        probe = LogisticRegression(C=1e4, max_iter=3000)
        scaled = StandardScaler().fit_transform(out.astype(np.float64))
        accuracy = probe.fit(scaled, group).score(scaled, group)
        rows.append(
            {
                "case": name,
                "groups": n_groups,
                "dtype": np.dtype(dtype).name,
                "probe accuracy - majority": float(accuracy - majority),
                "distortion": float(((out - X.astype(float)) ** 2).sum(1).mean()),
            }
        )
    least = min(row["distortion"] for row in rows)
    return [row | {"distortion / least": row["distortion"] / least} for row in rows]


def _is(case):
    return lambda row: row["case"] == case


ENTRY = Entry(
    name="erasure",
    title="Linear erasure of groups: time to fit, and what a probe finds after a "
    "scaler",
    run=_run,
    sizes=(100_000,),
    quick_sizes=(400,),
    peers=("fairlearn", "concept_erasure"),
    bars=(
        Bar(
            "CorrelationRemover 1e5 x 100, to the normal equations",
            _is("fairsk CorrelationRemover"),
            "ratio",
            at_most=2,
        ),
        Bar(
            "ConceptEraser 1e5 x 100, to the normal equations",
            _is("fairsk ConceptEraser"),
            "ratio to all moments",
            at_most=2,
        ),
        Bar(
            "linear probe after StandardScaler, above the majority",
            _is("fairsk ConceptEraser"),
            "probe accuracy - majority",
            at_most=0.0,
        ),
        Bar(
            "distortion to the least of all erasers",
            _is("fairsk ConceptEraser"),
            "distortion / least",
            at_most=1.0 + 1e-9,
        ),
    ),
    notes="LEACE needs the moments of all features; CorrelationRemover those with the "
    "groups only. The data have columns that are constant, nearly constant, and the "
    "group itself.",
)
