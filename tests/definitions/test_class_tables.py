import numpy as np
import pytest

from fairsk.definitions import DEFINITIONS, RATES


@pytest.mark.parametrize("rate", RATES.values(), ids=RATES.keys())
@pytest.mark.parametrize(
    ("n_classes", "pos_index"), [(2, 1), (2, 0), (4, None), (4, 2)]
)
def test_class_tables_give_the_values_of_the_rate(rate, n_classes, pos_index, rng):
    counts = rng.integers(1, 9, size=(3, n_classes, n_classes))
    numerator, denominator = rate.class_tables(n_classes, pos_index)
    by_tables = np.einsum("rij,gij->rg", numerator, counts) / np.einsum(
        "rij,gij->rg", denominator, counts
    )
    np.testing.assert_allclose(by_tables, rate.values(counts, pos_index))


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS.keys())
@pytest.mark.parametrize("n_classes", [2, 3])
def test_class_tables_of_a_definition_stack_like_its_values(definition, n_classes, rng):
    counts = rng.integers(1, 9, size=(2, n_classes, n_classes))
    numerator, denominator = definition.class_tables(n_classes)
    by_tables = np.einsum("rij,gij->rg", numerator, counts) / np.einsum(
        "rij,gij->rg", denominator, counts
    )
    np.testing.assert_allclose(by_tables, definition.values(counts))
    same_columns = (denominator == denominator[:, :, :1]).all()
    assert definition.is_linear == same_columns
