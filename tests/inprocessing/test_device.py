"""Where networks compute, and what happens where memory runs out."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from fairsk.inprocessing import (
    FairMLPClassifier,
    FairMLPClassifierCV,
    FairMLPRegressor,
    FairNetClassifierCV,
)
from fairsk.inprocessing import _stacked as stacked
from fairsk.inprocessing._device import is_out_of_memory, map_chunks, resolve_device

QUICK = {"max_iter": 3, "random_state": 0, "device": "cpu", "batch_size": 100}
NO_MEMORY = {
    "cuda": torch.cuda.OutOfMemoryError("CUDA out of memory."),
    "cpu": RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"),
}


class SmallDevice:
    """Refuses what is larger than its memory, and counts what it has refused."""

    def __init__(self, memory, error=NO_MEMORY["cuda"]):
        self.memory, self.error, self.n_refused = memory, error, 0

    def check(self, size):
        if size > self.memory:
            self.n_refused += 1
            raise self.error


@pytest.mark.parametrize("error", NO_MEMORY.values(), ids=NO_MEMORY)
def test_chunks_are_halved_until_they_fit(error):
    device = SmallDevice(100, error)
    sizes = []

    def double(rows):
        device.check(len(rows))
        sizes.append(len(rows))
        return 2 * rows

    rows = torch.arange(1000)
    assert (map_chunks(double, rows, 512) == 2 * rows).all()
    assert device.n_refused == 3
    assert set(sizes[:-1]) == {64}


def test_other_errors_and_single_rows_are_raised():
    def fail(rows):
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="multiplied"):
        map_chunks(fail, torch.arange(10))
    with pytest.raises(torch.cuda.OutOfMemoryError):
        map_chunks(lambda rows: SmallDevice(0).check(1), torch.arange(10))
    assert not is_out_of_memory(RuntimeError("shapes"))


def test_no_rows_are_one_empty_chunk():
    assert map_chunks(torch.neg, torch.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("kind", [FairMLPClassifier, FairMLPRegressor])
def test_predictions_are_the_same_on_a_small_device(biased, monkeypatch, kind):
    X, y, groups = biased
    model = kind(8, **QUICK).fit(X, y, sensitive_features=groups)
    expected = model.predict(X)
    device = SmallDevice(50)
    forward = model.net_.module_.forward

    def refuse(chunk):
        device.check(len(chunk))
        return forward(chunk)

    monkeypatch.setattr(model.net_.module_, "forward", refuse)
    np.testing.assert_array_equal(model.predict(X), expected)
    assert device.n_refused > 0
    device.memory = 0
    with pytest.raises(MemoryError, match="single row does not fit"):
        model.predict(X)


def small_stacks(monkeypatch, device):
    """Make stacks of more members than the device holds fail, in the second step."""

    def guarded(self, X, folds=slice(None), _forward=None):
        self._n_calls = getattr(self, "_n_calls", 0) + 1
        if self._n_calls > 1:
            device.check(self.n_folds * self.n_weights)
        return _forward(self, X, folds)

    for kind in (stacked.StackedPerceptron, stacked.StackedModule):
        original = kind.forward
        monkeypatch.setattr(
            kind,
            "forward",
            lambda self, X, folds=slice(None), f=original: guarded(self, X, folds, f),
        )


def make_linear(n_features):
    return torch.nn.Linear(n_features, 1)


@pytest.mark.parametrize("memory", [1, 2, 5])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_path_in_parts_is_the_path_at_once(biased, monkeypatch, memory, early_stopping):
    X, y, groups = biased
    params = {"cv": 2, "early_stopping": early_stopping, "dtype": "float64", **QUICK}
    for path in (
        FairMLPClassifierCV([0, 0.5, 2], hidden_layer_sizes=4, **params),
        FairNetClassifierCV(make_linear, [0, 0.5, 2], **params),
    ):
        expected = clone(path).fit(X, y, sensitive_features=groups)
        device = SmallDevice(memory)
        with monkeypatch.context() as patch:
            small_stacks(patch, device)
            path.fit(X, y, sensitive_features=groups)
        assert device.n_refused > 0
        np.testing.assert_allclose(
            path.predict_proba_path(X), expected.predict_proba_path(X), atol=1e-12
        )


def test_training_that_cannot_be_split_names_the_remedy(biased, monkeypatch):
    X, y, groups = biased
    small_stacks(monkeypatch, SmallDevice(0))
    path = FairMLPClassifierCV([0, 1], hidden_layer_sizes=4, cv=2, **QUICK)
    with pytest.raises(MemoryError, match=r"One network at a time.*batch_size"):
        path.fit(X, y, sensitive_features=groups)

    def refuse(*args, **kwargs):
        raise NO_MEMORY["cuda"]

    monkeypatch.setattr(torch.nn.Linear, "forward", refuse)
    with pytest.raises(MemoryError, match=r"'cpu'.*Lower batch_size"):
        FairMLPClassifier(8, **QUICK).fit(X, y, sensitive_features=groups)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_absent_cuda_names_the_remedy():
    assert resolve_device("auto", "Net") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"Net needs a CUDA device.*device='auto'"):
        resolve_device("cuda", "Net")
