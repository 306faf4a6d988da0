"""All tolerances in one call, next to one fit."""

import numpy as np

from benchmarks.bench_thresholds import fit_thresholds, random_scores
from benchmarks.objective import Bar, Entry
from benchmarks.score_methods import as_features
from benchmarks.scores import Scored

FIT = "fit"
PATH = "tolerance_path of 100"
TOLERANCES = np.linspace(0, 0.3, 100)


def _run(n_samples, context):
    rows = []
    for n_groups in (2, 5):
        scored = _unequal_scores(n_samples, n_groups)
        X = as_features(scored.score)
        for fairness in ("demographic_parity", "equalized_odds"):
            model = fit_thresholds(X, scored, fairness=fairness)
            cases = {
                FIT: lambda X=X, s=scored, f=fairness: fit_thresholds(X, s, fairness=f),
                PATH: lambda m=model: m.tolerance_path(TOLERANCES),
            }
            timed = context.compare(cases, reference=FIT)
            rows += [{"groups": n_groups, "fairness": fairness, **r} for r in timed]
    return rows


def _unequal_scores(n_samples, n_groups):
    """Scores that are higher, and labels that are noisier, from group to group."""
    plain = random_scores(n_samples, n_groups)
    score = plain.score ** (1 + 0.4 * plain.group)
    rng = np.random.default_rng(1)
    flipped = rng.random(n_samples) < 0.05 * plain.group
    y = (rng.random(n_samples) < score).astype(int)
    return Scored(score, np.where(flipped, 1 - y, y), plain.group)


def _path_of(fairness):
    return lambda row: row["case"] == PATH and row["fairness"] == fairness


ENTRY = Entry(
    name="threshold_path",
    title="Thresholds at 100 tolerances in one call",
    run=_run,
    sizes=(100_000,),
    bars=tuple(
        Bar(
            f"path over one fit, {fairness}",
            _path_of(fairness),
            "ratio",
            at_most=2,
        )
        for fairness in ("demographic_parity", "equalized_odds")
    ),
    notes="Ready scores that differ between groups, so that the tolerance binds; "
    "tolerances from 0 to 0.3, each solved exactly.",
)
