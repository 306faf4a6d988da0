"""Integer codes for labels and groups, in as few passes as the dtype allows."""

import numpy as np

# Wider integer ranges are sparse: sorting them beats a table of their range.
_MAX_TABLE = 1 << 16


def factorize(values):
    """Code the distinct values of a 1d array.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        Booleans, numbers, strings or objects.

    Returns
    -------
    labels : ndarray of shape (n_labels,)
        Distinct values, sorted where they can be sorted, without the missing ones.
    codes : ndarray of shape (n_samples,)
        Position in `labels` of every value, in the smallest integer dtype that
        holds it; -1 where the value is missing (NaN, None, NaT, NA).
    """
    kind = values.dtype.kind
    if kind == "b":
        return _factorize_bool(values)
    if kind in "iu":
        return _factorize_integers(values)
    if kind == "f":
        return _factorize_floats(values)
    if kind == "U":
        return _factorize_strings(values)
    if kind == "O":
        return _factorize_objects(values)
    return _factorize_sorted(values)


def factorize_tensor(values):
    """Code the distinct values of a torch tensor, on its device.

    Parameters
    ----------
    values : tensor of shape (n_samples,)
        Booleans or numbers.

    Returns
    -------
    labels : list of length n_labels
        Distinct values, sorted; a NaN stays a value.
    codes : tensor of shape (n_samples,)
        Position in `labels` of every value.
    """
    if len(values) and not values.is_floating_point():
        integers = values.long()
        low, high = integers.min().item(), integers.max().item()
        if high - low < _MAX_TABLE:
            codes = integers - low
            observed = codes.bincount() > 0
            labels = [low + position for position in observed.nonzero()[:, 0].tolist()]
            if len(labels) <= high - low:
                codes = (observed.long().cumsum(0) - 1)[codes]
            return labels, codes
    labels, codes = values.unique(return_inverse=True)
    return labels.tolist(), codes


def is_missing(value):
    """Whether a scalar stands for a missing value (NaN, None, NaT, NA)."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating, np.datetime64)) and value != value


def small_codes(codes, n_labels):
    """`codes` in the smallest integer dtype that holds -1 and `n_labels` - 1."""
    return codes.astype(np.min_scalar_type(-max(n_labels, 1)), copy=False)


def keep_observed(labels, codes):
    """Drop the labels that no row has, and close the gaps in the codes."""
    observed = np.zeros(len(labels) + 1, dtype=bool)
    observed[codes] = True
    observed = observed[:-1]  # the last slot collected the code -1
    if observed.all():
        return labels, codes
    table = np.append(np.cumsum(observed) - 1, -1)
    kept = [label for label, keep in zip(labels, observed) if keep]
    if isinstance(labels, np.ndarray):
        kept = labels[observed]
    return kept, small_codes(table[codes], len(kept))


def _factorize_bool(values):
    labels, codes = np.array([False, True]), values.view(np.int8)
    return keep_observed(labels, codes)


def _factorize_integers(values):
    if values.size == 0:
        return values[:0], values.astype(np.int8)
    if values.dtype.itemsize > 1 and 0 <= np.bitwise_or.reduce(values) < 128:
        # No value has a bit beyond a byte: further passes over fewer bytes.
        labels, codes = _factorize_integers(values.astype(np.int8))
        return labels.astype(values.dtype), codes
    low, high = values.min(), values.max()
    width = int(high) - int(low) + 1
    if width > _MAX_TABLE:
        return _factorize_sorted(values)
    labels = low + np.arange(width).astype(values.dtype)
    offset = values
    if low != 0:
        # int8 - int8 could overflow; 64 bits cannot, since the width is small.
        wide = min(2 * values.dtype.itemsize, 8)
        signed = values.dtype.kind == "i"
        offset = (values.astype(f"i{wide}", copy=False) if signed else values) - low
    codes = small_codes(offset, width)
    # Two neighbouring integers that are minimum and maximum are both observed.
    return (labels, codes) if width <= 2 else keep_observed(labels, codes)


def _factorize_floats(values):
    if values.size == 0:
        return values, values.astype(np.int8)
    # A NaN anywhere makes both NaN. Beyond 2**53 floats are no exact integers.
    low, high = float(values.min()), float(values.max())
    if low > -(2.0**53) and high < 2.0**53 and high - low < _MAX_TABLE:
        integers = values.astype(np.int64)
        if np.array_equal(integers, values):
            labels, codes = _factorize_integers(integers)
            return labels.astype(values.dtype), codes
    return _factorize_sorted(values)


def _factorize_sorted(values):
    labels, codes = np.unique(values, return_inverse=True)
    missing = np.array([is_missing(label) for label in labels], dtype=bool)
    if missing.any():  # numpy sorts NaN and NaT last
        first = int(np.argmax(missing))
        labels, codes = labels[:first], np.where(codes < first, codes, -1)
    return labels, small_codes(codes, len(labels))


def _factorize_strings(values):
    # Few distinct strings are the rule: one comparison each beats a sort of the rows.
    head = np.unique(values[:1000])
    if len(head) > 16:
        return _factorize_sorted(values)
    codes = np.full(values.shape, -1, dtype=np.int8)
    for code, label in enumerate(head):
        codes[values == label] = code
    if (codes == -1).any():
        return _factorize_sorted(values)
    return head, codes


def _factorize_objects(values):
    rows = values.tolist()
    # A mapping rather than a set keeps unsortable labels in order of appearance.
    distinct = [value for value in dict.fromkeys(rows) if not is_missing(value)]
    try:
        distinct = sorted(distinct)
    except TypeError:
        distinct = sorted(distinct, key=_type_and_text)
    code_of = {value: code for code, value in enumerate(distinct)}
    codes = np.fromiter(
        (code_of.get(value, -1) for value in rows), dtype=np.intp, count=len(rows)
    )
    labels = np.empty(len(distinct), dtype=object)
    labels[:] = distinct
    return labels, small_codes(codes, len(distinct))


def _type_and_text(value):
    return type(value).__name__, str(value)
