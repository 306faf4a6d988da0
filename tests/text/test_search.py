"""One search from raw strings to thresholds, and what it embeds."""

import sys
from importlib import import_module

import numpy as np
import pytest
import sklearn
from joblib.externals.loky import cloudpickle_wrapper
from sklearn.model_selection import GridSearchCV

from fairsk.inprocessing import FairLogisticRegression
from fairsk.metrics import get_scorer, make_counterfactual_scorer
from fairsk.pipeline import Pipeline
from fairsk.postprocessing import ThresholdOptimizer
from fairsk.preprocessing import ConceptEraser
from fairsk.text import (
    CounterfactualSwap,
    CounterfactualTextAugmenter,
    TextEncoder,
    _cache,
)

WORDS = ["met", "saw", "was", "kind", "to", "the", "people", "and", "worked", "at"]


def read_group(texts):
    """Group by the first word; a function of a module, so that workers find it."""
    return np.array(["f" if text.startswith(("She", "Her")) else "m" for text in texts])


class CountingModel:
    """The tiny encoder, which writes down what it is asked for."""

    def __init__(self, directory, log):
        self.directory = directory
        self.log = str(log)
        self.fingerprint = f"counting {directory}"

    def __call__(self, texts):
        with open(self.log, "a") as log:
            log.writelines(text + "\n" for text in texts)
        return TextEncoder(self.directory, cache=False).transform(texts)

    def texts(self):
        with open(self.log) as log:
            return log.read().splitlines()


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    words = np.array(
        [
            "met",
            "saw",
            "was",
            "kind",
            "to",
            "the",
            "people",
            "and",
            "worked",
            "at",
            "on",
            "in",
        ]
    )
    groups = rng.integers(2, size=90)
    y = (rng.random(90) < 0.3 + 0.4 * groups).astype(int)
    texts = [
        f"{['She', 'He'][g]} {['helped', 'judged'][label]} "
        f"{' '.join(rng.choice(words, 5))}."
        for g, label in zip(groups, y)
    ]
    return texts, y, np.array(["f", "m"])[groups]


def make_search(encoder, *, n_jobs=None, group_by=None):
    classifier = FairLogisticRegression(tolerance=None)
    model = Pipeline(
        [
            ("swap", CounterfactualTextAugmenter()),
            ("encode", encoder),
            ("erase", ConceptEraser()),
            ("decide", ThresholdOptimizer(classifier, cv=2, random_state=0)),
        ],
        group_by=group_by,
    )
    scoring = {
        "accuracy": get_scorer("accuracy", group_by=group_by),
        "disparity": get_scorer("neg_demographic_parity_difference", group_by=group_by),
        "flips": make_counterfactual_scorer(CounterfactualSwap(), group_by=group_by),
    }
    return GridSearchCV(
        model,
        {
            "decide__estimator__fairness_weight": [0.0, 1.0],
            "decide__tolerance": [0.05, 0.2],
        },
        scoring=scoring,
        refit="accuracy",
        cv=2,
        n_jobs=n_jobs,
        error_score="raise",
    )


def distinct(texts):
    return sorted({*texts, *CounterfactualSwap().transform(texts)})


@pytest.mark.parametrize("routing", [True, False])
def test_search_embeds_each_distinct_text_once(data, tiny_bert, tmp_path, routing):
    texts, y, groups = data
    _cache.forget_embeddings()
    model = CountingModel(tiny_bert, tmp_path / "log")
    encoder = TextEncoder(model)
    with sklearn.config_context(enable_metadata_routing=routing):
        if routing:
            search = make_search(encoder)
            search.fit(texts, y, sensitive_features=groups)
        else:
            search = make_search(encoder, group_by=read_group)
            search.fit(texts, y)
    assert sorted(model.texts()) == distinct(texts)
    for name in ("accuracy", "disparity", "flips"):
        assert np.isfinite(search.cv_results_[f"mean_test_{name}"]).all()
    assert len(search.cv_results_["params"]) == 4


def test_both_ways_to_pass_groups_agree(data, tiny_bert):
    texts, y, groups = data
    encoder = TextEncoder(tiny_bert)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = make_search(encoder).fit(texts, y, sensitive_features=groups)
    read = make_search(encoder, group_by=read_group).fit(texts, y)
    for name in ("accuracy", "disparity"):
        np.testing.assert_allclose(
            routed.cv_results_[f"mean_test_{name}"],
            read.cv_results_[f"mean_test_{name}"],
        )


@pytest.mark.slow
def test_workers_embed_each_distinct_text_once(data, tiny_bert, tmp_path):
    texts, y, _ = data
    # Workers cannot import a test module. joblib brings its pickler along, or not.
    pickler = import_module(cloudpickle_wrapper.dumps.__module__.rpartition(".")[0])
    pickler.register_pickle_by_value(sys.modules[__name__])
    model = CountingModel(tiny_bert, tmp_path / "log")
    encoder = TextEncoder(model, cache=tmp_path / "cache")
    search = make_search(encoder, n_jobs=2, group_by=read_group)
    search.fit(texts, y)
    assert sorted(model.texts()) == distinct(texts)
