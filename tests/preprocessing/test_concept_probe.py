import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from fairsk.preprocessing import ConceptEraser, ConceptProbe


def test_a_network_finds_what_a_linear_probe_misses(rng):
    X = rng.normal(size=(600, 2))
    group = (X[:, 0] * X[:, 1] > 0).astype(int)
    probe = ConceptProbe(random_state=0, cv=3).fit(X, sensitive_features=group)
    assert probe.leakage_["linear"] < 0.15
    assert probe.leakage_["mlp"] > 0.5


def test_leakage_is_one_for_a_group_that_is_a_column_and_zero_for_noise(rng):
    group = rng.integers(3, size=600)
    known = np.column_stack([np.eye(3)[group], rng.normal(size=600)])
    probes = {"linear": LogisticRegression()}
    probe = ConceptProbe(probes, random_state=0)
    assert probe.fit(known, sensitive_features=group).leakage_["linear"] == 1.0
    noise = rng.normal(size=(600, 3))
    assert probe.fit(noise, sensitive_features=group).leakage_["linear"] < 0.1
    assert probe.score(noise, sensitive_features=group) > 0.9


def test_it_scores_transformers_under_cross_validation(rng):
    group = rng.integers(2, size=400)
    frame = pd.DataFrame(rng.normal(size=(400, 3)) + 2 * group[:, None])
    frame = frame.add_prefix("x").assign(g=group)
    probe = ConceptProbe({"linear": LogisticRegression()}, group_by="g", random_state=0)
    eraser = ConceptEraser(group_by="g")
    scores = cross_val_score(eraser, frame, scoring=probe.score_transformer)
    assert scores.min() > 0.7
    kept = ConceptEraser(group_by="g", keep_sensitive=True)
    leaked = cross_val_score(kept, frame, scoring=probe.score_transformer)
    assert leaked.max() < 0.1


def test_a_group_of_one_raises(rng):
    with pytest.raises(ValueError, match="two samples of each group"):
        ConceptProbe().fit(rng.normal(size=(5, 2)), sensitive_features=[0, 0, 0, 0, 1])
