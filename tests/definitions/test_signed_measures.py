"""Norms of signed measures against scipy and the definitions, for numpy and torch."""

import numpy as np
import pytest
import torch
from scipy import stats

from fairsk.definitions import _signed_measures as sm
from fairsk.definitions import wasserstein_distance


@pytest.fixture
def batch(rng):
    scores = np.round(rng.uniform(size=80), 2)  # with ties
    return scores, rng.integers(3, size=80), rng.uniform(0.1, 2, 80)


def test_contrasts_sum_to_zero_and_leave_out_empty_groups(batch):
    _, codes, weight = batch
    mass = sm.group_mass(codes, 4, weight)
    np.testing.assert_allclose(mass.sum(1), weight)
    for reference, defined in (("pairs", 3), ("overall", 3)):
        measure, present = sm.contrasts(mass, reference)
        assert present.sum() == defined
        np.testing.assert_allclose(measure[:, present].sum(0), 0, atol=1e-12)


def test_wasserstein_is_that_of_scipy_and_of_the_definitions(batch):
    scores, codes, weight = batch
    measure, _ = sm.contrasts(sm.group_mass(codes, 3, weight))
    norms = sm.wasserstein(scores, measure)
    parts = [(scores[codes == g], weight[codes == g]) for g in range(3)]
    expected = [
        stats.wasserstein_distance(parts[g][0], parts[h][0], parts[g][1], parts[h][1])
        for g, h in ((0, 1), (0, 2), (1, 2))
    ]
    np.testing.assert_allclose(norms, expected)
    _, largest = wasserstein_distance(scores, codes, n_groups=3, sample_weight=weight)
    assert norms.max() == pytest.approx(largest)


@pytest.mark.parametrize("kernel", ["gaussian", "laplacian"])
@pytest.mark.parametrize("n_scores", [1, 3])
def test_numpy_and_torch_agree(batch, kernel, n_scores, rng):
    scores, codes, weight = batch
    columns = rng.uniform(size=(5, 80, n_scores))
    results = []
    for array in (np.asarray, torch.as_tensor):
        mass = sm.group_mass(array(codes), 3, array(weight))
        measure, _ = sm.contrasts(mass, "overall")
        results.append(
            [
                sm.wasserstein(array(scores), measure),
                sm.squared_energy(array(scores), measure),
                sm.squared_mmd(array(columns), measure, 0.2, kernel),
                sm.distances(array(columns)),
            ]
        )
    for ours, theirs in zip(*results):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-12)
