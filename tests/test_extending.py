"""The recipes of the guide, built from the code on the page."""

import gzip
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone

from fairsk.datasets import _base, make_biased_classification
from fairsk.definitions import DEFINITIONS, get_definition
from fairsk.inprocessing import FairMLPClassifier

PAGE = Path(__file__).parents[1] / "doc" / "guide" / "extending.rst"


def code_blocks(section, language="python"):
    """Code of a section of the page, block by block."""
    parts = re.split(r"^(.+)\n-{3,}$", PAGE.read_text(), flags=re.M)
    text = parts[parts.index(section) + 1]
    pattern = rf"^( *)\.\. code-block:: {language}\n\n((?:\1   .*\n|\n)+)"
    blocks = [match[2] for match in re.finditer(pattern, text, re.M)]
    assert blocks
    return [textwrap.dedent(block) for block in blocks]


def run_section(section, **names):
    namespace = {"__name__": "recipe", **names}
    for block in code_blocks(section):
        exec(block, namespace)
    return namespace


@pytest.fixture(autouse=True)
def _restored_registry():
    before = dict(DEFINITIONS)
    yield
    DEFINITIONS.clear()
    DEFINITIONS.update(before)


def test_new_definition_is_known_by_name_and_right():
    recipe = run_section("A new definition")
    assert get_definition("over_selection_parity") is recipe["over_selection_parity"]
    # group a has one false positive in two, group b one false negative in two
    assert recipe["gap"] == 0.5 - (-0.5)
    X, y, groups = make_biased_classification(random_state=0)
    network = FairMLPClassifier(fairness="over_selection_parity", max_iter=2)
    network.fit(X, y, sensitive_features=groups)
    assert network.net_.history[-1, "penalty"] > 0


def test_new_penalty_is_right_and_trains():
    recipe = run_section("A new penalty")
    X, y, groups = recipe["X"], recipe["y"], recipe["groups"]
    network, penalty = recipe["network"], recipe["SquaredCovariance"]()

    score = network.predict_proba(X)
    covariances = [np.cov(score[:, 1], groups == g, bias=True)[0, 1] for g in (0, 1)]
    tensors = [torch.as_tensor(array) for array in (score, y, groups)]
    value = penalty(*tensors, n_groups=2).item()
    assert value == pytest.approx(np.square(covariances).sum())
    weight = np.repeat([1, 3], len(y) // 2)
    twice = [tensor.repeat_interleave(torch.as_tensor(weight), 0) for tensor in tensors]
    weighted = penalty(*tensors, torch.as_tensor(weight).double(), n_groups=2).item()
    assert weighted == pytest.approx(penalty(*twice, n_groups=2).item())

    plain = clone(network).set_params(fairness_weight=0)
    plain.fit(X, y, sensitive_features=groups)
    tensors[0] = torch.as_tensor(plain.predict_proba(X))
    assert value < 0.1 * penalty(*tensors, n_groups=2).item()


def test_new_data_set_loads_from_its_two_files(tmp_path, monkeypatch):
    (table,) = code_blocks("A new data set", "text")
    for folder in ["data", "descr"]:
        (tmp_path / folder).mkdir()
    (tmp_path / "data" / "bank.csv.gz").write_bytes(
        gzip.compress(table.strip().encode())
    )
    (tmp_path / "descr" / "bank.rst").write_text("**Origin.** A page of the guide.")
    monkeypatch.setattr(_base, "FOLDER", tmp_path)

    load_bank = run_section("A new data set")["load_bank"]
    bank = load_bank(as_frame=False)
    assert bank.feature_names == ["age", "job", "sex"]
    assert bank.target.tolist() == [0, 1]
    assert bank.sensitive_features.tolist() == [
        ["female", "under_60"],
        ["male", "from_60"],
    ]
    assert bank.data[0].tolist() == [31, "clerk", "female"]
    assert np.isnan(bank.data[1, 1])
    assert bank.DESCR.startswith("**Origin.**")
    X, _ = load_bank(drop_sensitive=True, return_X_y=True)
    assert list(X) == ["job"]
