"""Reject option: all margins and cuts in one sweep, next to AIF360."""

import warnings

import numpy as np

from benchmarks.bench_thresholds import random_scores
from benchmarks.objective import Bar, Entry
from benchmarks.score_methods import ReadyScores, as_features

OURS = "fairsk fit"
PEER = "aif360 fit"


def _ours(X, scored):
    from fairsk.postprocessing import RejectOptionClassifier

    model = RejectOptionClassifier(ReadyScores().fit(X, scored.y), cv="prefit")
    return model.fit(X, scored.y, sensitive_features=scored.group)


def _aif360(scored):
    import pandas as pd
    from aif360.algorithms.postprocessing import RejectOptionClassification
    from aif360.datasets import BinaryLabelDataset

    frame = pd.DataFrame({"group": scored.group.astype(float), "label": scored.y})
    true = BinaryLabelDataset(
        df=frame, label_names=["label"], protected_attribute_names=["group"]
    )
    scores = true.copy()
    scores.scores = scored.score[:, None]
    model = RejectOptionClassification(
        unprivileged_groups=[{"group": 0.0}], privileged_groups=[{"group": 1.0}]
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return model.fit(true, scores)


def _run(n_samples, context):
    scored = random_scores(n_samples, 2)
    X = as_features(scored.score)
    cases = {OURS: lambda: _ours(X, scored)}
    # It is called with 5,000 rules of its own however few the rows.
    if "aif360" in context.peers and not context.quick:
        cases[PEER] = lambda: _aif360(scored)
    return context.compare(cases, reference=OURS, once=[PEER] if PEER in cases else [])


ENTRY = Entry(
    name="reject_option",
    title="Reject option on ready scores",
    run=_run,
    sizes=(100_000,),
    peers=("aif360",),
    bars=(
        Bar(
            "times faster than AIF360",
            lambda row: row["case"] == PEER,
            "ratio",
            at_least=1000,
        ),
    ),
    notes="Both as they come: fairsk tries 101 cuts with up to 100 margins each, "
    "AIF360 100 cuts with 50 margins. AIF360 is timed once.",
)
