"""Which instances the common tests check, and what single checks need of them.

An estimator that is not named here is constructed by its defaults, with a linear model
where it needs an `estimator`: whatever the public packages gain is covered.
"""

from inspect import signature

import numpy as np
import torch
from sklearn.base import RegressorMixin
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import get_tags

from fairsk.base import GroupAwareMixin
from fairsk.preprocessing import ConceptEraser, ConceptProbe
from fairsk.text import TextEncoder
from fairsk.utils.discovery import all_estimators


class Stripes:
    """Two groups, by whether the features of a row have an odd sum, rounded down."""

    def __call__(self, X):
        X = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
        return np.floor(np.nan_to_num(X.astype(float)).sum(axis=1)) % 2

    def __repr__(self):  # without an address, which differs between test workers
        return "Stripes()"


class Net(torch.nn.Sequential):
    def __init__(self, n_features, n_classes=1, hidden=10):
        super().__init__(
            torch.nn.Linear(n_features, hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(hidden, n_classes),
        )


def count_vowels(texts):
    """The smallest encoder of texts."""
    return np.array(
        [[text.lower().count(vowel) for vowel in "aeiou"] for text in texts]
    )


def reverse_words(texts):
    """The smallest paraphraser."""
    return [" ".join(text.split()[::-1]) for text in texts]


def stack_counts(texts):
    """The smallest model with two layers."""
    return np.stack([count_vowels(texts), 0.0 * count_vowels(texts)])


def count_shared_letters(prompts, continuations):
    """The smallest language model."""
    return [
        float(len(set(prompt) & set(words)))
        for prompt, words in zip(prompts, continuations)
    ]


# Nothing depends on how many rows a batch holds, so weights can equal repetitions.
FULL_BATCH = {
    "batch_size": 10_000,
    "max_iter": 40,
    "learning_rate_init": 0.05,
    "dtype": "float64",
    "device": "cpu",
}

# Parameters of each instance, by the name of the class.
INSTANCES = {
    "FairGradientBoostingClassifier": [{"max_iter": 40}],
    "FairMLPClassifier": [{"hidden_layer_sizes": 10, **FULL_BATCH}],
    "FairMLPClassifierCV": [
        {
            "fairness_weights": [0.1, 1.0],
            "hidden_layer_sizes": 10,
            "cv": 2,
            **FULL_BATCH,
        }
    ],
    "FairMLPRegressor": [{"hidden_layer_sizes": 10, **FULL_BATCH}],
    "FairNetRegressor": [{"module": Net, **FULL_BATCH}],
    "FairNetClassifier": [{"module": Net, **FULL_BATCH}],
    "FairNetClassifierCV": [
        {"module": Net, "fairness_weights": [0.1, 1.0], "cv": 2, **FULL_BATCH}
    ],
    "ConditionedFairMLPClassifier": [
        {
            "hidden_layer_sizes": 10,
            "max_fairness_weight": 1.0,
            **FULL_BATCH,
        }
    ],
    # A step an epoch: the players beside the network need larger ones.
    "GroupDROClassifier": [{"hidden_layer_sizes": 10, "step_size": 0.5, **FULL_BATCH}],
    "MinimaxClassifier": [{"hidden_layer_sizes": 10, "step_size": 0.5, **FULL_BATCH}],
    "LagrangianNetClassifier": [{"module": Net, "tolerance": 0.1, **FULL_BATCH}],
    "AdversarialClassifier": [
        {
            "hidden_layer_sizes": 10,
            "fairness_weight": 5.0,
            **FULL_BATCH,
            "optimizer": "sgd",
            "learning_rate_init": 0.5,
            "adversary_learning_rate_init": 1.0,
        }
    ],
    "AdversarialRegressor": [
        {
            "hidden_layer_sizes": 10,
            **FULL_BATCH,
            "optimizer": "sgd",
            "learning_rate_init": 0.1,
            "adversary_learning_rate_init": 0.3,
        }
    ],
    # Adam would amplify rounding, in gradients that all but vanish.
    "AdversarialRepresentation": [
        {
            "n_components": 3,
            "hidden_layer_sizes": 10,
            "fairness_weight": 5.0,
            **FULL_BATCH,
            "optimizer": "sgd",
            "learning_rate_init": 0.3,
        }
    ],
    "DeepFeatureReweightingClassifier": [
        {},
        {"encoder": PCA(), "n_draws": 1},
    ],
    # All in one batch: neither weights nor the order of rows may matter.
    "FairTransformerClassifier": [
        {
            "model": count_vowels,
            "train": "head",
            "head_learning_rate_init": 0.1,
            "max_iter": 20,
            "batch_size": 10_000,
            "dropout": 0.0,
            "device": "cpu",
        }
    ],
    "FairSMOTE": [{"small_cells": "duplicate"}],
    "GroupSampler": [{"small_cells": "duplicate"}],
    # Its loss is not convex: many steps amplify the rounding of the first.
    "FairRepresentation": [{"n_prototypes": 3, "max_iter": 10}],
    "OptimizedPreprocessor": [{"n_bins": 2, "max_cells": 1000}],
    "ConceptProbe": [{"probes": {"linear": LogisticRegression()}}],
    "GroupCalibratedClassifier": [
        {},
        {"method": "isotonic", "min_samples": 20},
        {"method": "temperature"},
    ],
    "MulticalibratedClassifier": [
        {},
        {"auditor": DecisionTreeRegressor(max_depth=2, min_samples_leaf=20)},
    ],
    "BackTranslationAugmenter": [{"translate": reverse_words}],
    "CounterfactualEraser": [
        {"encoder": TextEncoder(count_vowels), "eraser": ConceptEraser()}
    ],
    "TextEncoder": [{"model": count_vowels}],
    "ThresholdOptimizer": [
        {},
        {"randomize": True, "tolerance": 0.1},
        {"group_aware": False, "cv": 2},
    ],
    "LayerwiseProbe": [
        {
            "model": stack_counts,
            "probe": ConceptProbe({"linear": LogisticRegression()}, cv=2),
        }
    ],
    "ZeroShotClassifier": [{"model": count_shared_letters}],
    # Steps are fitted in place, which breaks two of scikit-learn's checks for its own
    # pipeline too. tests/test_pipeline.py holds ours to all that the others keep.
    "Pipeline": [],
}

# A draw between models is not always what their mean finds most probable, and fairness
# between groups that are the label in disguise costs accuracy.
ACCURATE = {"check_classifiers_train": {"randomize": False, "tolerance": 1.0}}

# Parameters that a single check needs, by the names of the class and of the check.
PER_CHECK = {
    # A draw between models is not the model of the largest mean probability.
    "ExponentiatedGradientClassifier": ACCURATE,
    "FairLogisticRegression": {"check_classifiers_train": {"fairness_weight": 0.01}},
    # It is as fair as the thresholds that it is given.
    "FixedThresholdClassifier": {
        "check_disparity_falls": {
            "thresholds": {"a": 0.5, "b": 0.2},
            "default_threshold": 0.5,
        }
    },
    "ThresholdOptimizer": ACCURATE,
}


def fresh_instances(*, group_aware=False, of_texts=False, **params):
    """Instances of all estimators, or of those that compare groups.

    Those of tables, or those of texts: no check of the other kind can feed them.
    """
    instances = [
        _construct(cls, {**given, **_taken(cls, params)})
        for name, cls in all_estimators()
        if issubclass(cls, GroupAwareMixin) or not group_aware
        for given in INSTANCES.get(name, [{}])
    ]
    return [
        estimator
        for estimator in instances
        if get_tags(estimator).input_tags.two_d_array is not of_texts
    ]


def _taken(cls, params):
    return {name: params[name] for name in params if name in signature(cls).parameters}


def _construct(cls, given):
    if "estimator" in signature(cls).parameters and "estimator" not in given:
        is_regressor = issubclass(cls, RegressorMixin)
        # Exact: several fits add up what a loose tolerance leaves.
        classifier = LogisticRegression(solver="newton-cg", tol=1e-10)
        given["estimator"] = LinearRegression() if is_regressor else classifier
    return cls(**given)


def for_check(estimator, check):
    """The estimator as the check of that name needs it."""
    needed = PER_CHECK.get(type(estimator).__name__, {}).get(check, {})
    return estimator.set_params(**needed)
