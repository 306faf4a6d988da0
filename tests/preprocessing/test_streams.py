"""Batches of a long stream: they teach what one fit teaches, in constant memory."""

import tracemalloc

import numpy as np
import pytest
from sklearn.base import clone

from fairsk.preprocessing import ConceptEraser, CorrelationRemover, MeanProjection

BATCH = 100_000


@pytest.fixture(scope="module", params=[3, pytest.param(100, marks=pytest.mark.slow)])
def stream(request):
    """Rows whose mean is far from 0 and drifts, where sums of squares would cancel."""
    rng = np.random.default_rng(0)
    n_rows = request.param * BATCH
    group = rng.integers(3, size=n_rows)
    X = rng.normal(size=(n_rows, 5)) @ rng.normal(size=(5, 5))
    X += 1e4 + np.linspace(0, 50, n_rows)[:, None] + group[:, None] * [1, -1, 0, 2, 0]
    return X, group


@pytest.mark.parametrize(
    ("transformer", "learnt"),
    [
        (CorrelationRemover(), lambda fitted: fitted.coef_),
        (ConceptEraser(), lambda fitted: fitted.eraser_.left @ fitted.eraser_.right),
        (MeanProjection(), lambda fitted: fitted.eraser_.left @ fitted.eraser_.right),
    ],
    ids=lambda parameter: type(parameter).__name__,
)
def test_a_stream_gives_what_one_fit_gives_in_constant_memory(
    transformer, learnt, stream
):
    X, group = stream
    whole = learnt(clone(transformer).fit(X, sensitive_features=group))
    transformer = clone(transformer)
    peaks = []
    for start in range(0, len(X), BATCH):
        rows = slice(start, start + BATCH)
        tracemalloc.start()
        transformer.partial_fit(X[rows], sensitive_features=group[rows])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    np.testing.assert_allclose(learnt(transformer), whole, rtol=1e-7, atol=1e-9)
    assert max(peaks[1:]) < 1.1 * peaks[1]
    batch = X[:BATCH].nbytes
    assert max(peaks) < batch
