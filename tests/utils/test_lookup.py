import numpy as np
import pytest

from fairsk.utils._lookup import _BLOCK, blocks, lookup


@pytest.mark.parametrize("n", [0, 1, _BLOCK - 1, _BLOCK, 2 * _BLOCK + 3])
def test_blocks_are_all_rows_in_order(n):
    rows = [row for part in blocks(n) for row in range(part.start, part.stop)]
    assert rows == list(range(n))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.intp])
@pytest.mark.parametrize(
    "table", [np.array([0.5, np.inf, -1.0]), np.array(["no", "yes", "?"])]
)
def test_lookup_is_indexing(rng, table, dtype):
    codes = rng.integers(-1, 3, 2 * _BLOCK + 5).astype(dtype)
    found = lookup(table, codes)
    np.testing.assert_array_equal(found, table[codes])
    assert found.dtype == table.dtype


def test_lookup_beyond_the_table_raises():
    with pytest.raises(IndexError):
        lookup(np.arange(2), np.array([0, 2], dtype=np.int8))
