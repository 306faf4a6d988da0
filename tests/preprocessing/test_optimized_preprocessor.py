import numpy as np
import pytest

from fairsk.preprocessing import OptimizedPreprocessor
from fairsk.preprocessing._optimized_preprocessor import _solve_map


@pytest.fixture
def unfair(rng):
    group, x = rng.integers(2, size=4000), rng.integers(3, size=(4000, 2))
    y = (rng.uniform(size=4000) < 0.2 + 0.3 * group + 0.15 * x[:, 0]).astype(int)
    return x, np.array(["no", "yes"])[y], group


def joint(mapper, X, y, group):
    """Exact distribution of cell and label of each group after the map."""
    cells = mapper._nearest_cell(mapper._bin(X))
    codes = np.searchsorted(mapper.classes_, y)
    return mapper.map_[group, cells, codes], cells, codes


def test_labels_are_fair_and_distortion_bounded_under_the_map(unfair):
    X, y, group = unfair
    mapper = OptimizedPreprocessor(tolerance=0.02, max_distortion=0.4)
    mapper.fit(X, y, sensitive_features=group)
    after, cells, codes = joint(mapper, X, y, group)
    rates = [after[group == g].sum(axis=1)[:, 1].mean() for g in (0, 1)]
    assert abs(rates[0] - rates[1]) <= 0.02 + 1e-6
    cost = mapper._distortion()[cells, codes]
    assert (after * cost).sum(axis=(1, 2)).max() <= 0.4 + 1e-6
    np.testing.assert_allclose(after.sum(axis=(1, 2)), 1)


def test_the_total_variation_is_that_of_the_map_and_optimal(unfair):
    X, y, group = unfair
    mapper = OptimizedPreprocessor(tolerance=0.05).fit(X, y, sensitive_features=group)
    after, cells, codes = joint(mapper, X, y, group)
    before = np.zeros(after.shape[1:])
    np.add.at(before, (cells, codes), 1 / len(y))
    distance = 0.5 * np.abs(after.mean(axis=0) - before).sum()
    assert mapper.total_variation_ == pytest.approx(distance, abs=1e-9)
    # A looser problem can only come nearer to the old distribution.
    looser = OptimizedPreprocessor(tolerance=0.2).fit(X, y, sensitive_features=group)
    assert looser.total_variation_ <= mapper.total_variation_ + 1e-9


def test_one_cell_is_solved_by_hand():
    # Without features only labels change; distortion lets each row change half.
    mass = np.array([[[0.4, 0.1]], [[0.1, 0.4]]])
    distortion = (1 - np.eye(2))[None, :, None, :]
    map_, distance = _solve_map(mass, distortion, 0.0, 1.0)
    after = np.einsum("acy,acydz->az", mass, map_)
    np.testing.assert_allclose(after, 0.25, atol=1e-9)
    assert distance == pytest.approx(0.0, abs=1e-9)


def test_draws_follow_the_map(unfair):
    X, y, group = unfair
    mapper = OptimizedPreprocessor(tolerance=0.02, random_state=0)
    mapper.fit(X, y, sensitive_features=group)
    X_new, y_new = mapper.transform_labels(X, y, sensitive_features=group)
    rates = [(y_new[group == g] == "yes").mean() for g in (0, 1)]
    assert abs(rates[0] - rates[1]) < 0.06
    assert (X_new == X).all(axis=1).mean() > 0.5
    out = mapper.transform(X, sensitive_features=group)
    np.testing.assert_array_equal(out, mapper.transform(X, sensitive_features=group))


def test_bounds_that_no_map_keeps_raise(unfair):
    X, y, group = unfair
    with pytest.raises(ValueError, match="bounds that some map keeps"):
        OptimizedPreprocessor(tolerance=0.0, max_distortion=0.01).fit(
            X, y, sensitive_features=group
        )


def test_too_many_cells_raise(rng):
    X, y = rng.normal(size=(500, 6)), rng.integers(2, size=500)
    with pytest.raises(ValueError, match="in at most `max_cells`=200 cells"):
        OptimizedPreprocessor().fit(X, y, sensitive_features=y)
