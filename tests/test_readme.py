"""The code of the README, run as it stands on a part of the rows."""

import re
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.utils import Bunch

from fairsk import datasets
from fairsk.metrics import demographic_parity_difference

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(name="blocks")
def fixture_blocks():
    return re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.M | re.S)


@pytest.fixture(name="adult")
def fixture_adult(monkeypatch):
    adult = datasets.load_adult()
    rows = np.random.default_rng(0).permutation(len(adult.data))[:2000]
    part = Bunch(
        **{
            key: value.iloc[rows] if hasattr(value, "iloc") else value
            for key, value in adult.items()
        }
    )
    monkeypatch.setattr(datasets, "load_adult", lambda: part)
    return part


@pytest.fixture(autouse=True)
def _restored_configuration():
    with sklearn.config_context():
        yield


def test_both_examples_tune_the_weight_alike_and_keep_the_limit(blocks, adult):
    namespace, gaps = {}, []
    for block in blocks:
        exec(block, namespace)
        search = namespace["search"]
        gaps.append(-search.cv_results_["mean_test_neg_demographic_parity_difference"])
        assert gaps[-1][search.best_index_] <= 0.05 < gaps[-1][0]
        y_pred = search.predict(adult.data)
        sex = adult.sensitive_features["sex"]
        gap = demographic_parity_difference(
            adult.target, y_pred, sensitive_features=sex
        )
        assert gap < 0.06
    routed, unrouted = gaps
    np.testing.assert_allclose(routed, unrouted)


def test_examples_are_short(blocks):
    for block in blocks:
        lines = [line for line in block.splitlines() if line.strip()]
        assert len(lines) <= 30
        assert max(map(len, lines)) <= 88
