"""One spelling of array code for numpy and torch, without importing torch.

Definitions are written once against the functions that numpy and torch share
(`xp.where`, `xp.sum(axis=)`, ...). A torch tensor can only exist where torch has
been imported already, so its module is found in `sys.modules`.
"""

import sys

import numpy as np

from fairsk.utils._sklearn import _convert_to_numpy


def is_torch(array):
    """Whether `array` is a torch tensor."""
    return type(array).__module__.partition(".")[0] == "torch"


def namespace(array):
    """Module (numpy or torch) whose functions apply to `array`."""
    return sys.modules["torch"] if is_torch(array) else np


def as_numpy(array):
    """`array` in host memory as an ndarray; ndarrays are returned as they are."""
    if is_torch(array):
        return array.detach().cpu().numpy()
    if hasattr(array, "__array_namespace__") and not isinstance(array, np.ndarray):
        # Arrays of a device do not become numpy's unasked.
        return _convert_to_numpy(array, array.__array_namespace__())
    return np.asarray(array)


def as_float(array):
    """`array` in a floating dtype; floating arrays are returned as they are."""
    if is_torch(array):
        return array if array.is_floating_point() else array.double()
    array = np.asarray(array)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def constant_like(values, array):
    """`values` (nested numbers) as an array of `array`'s kind, dtype and device."""
    if is_torch(array):
        return array.new_tensor(values)
    return np.asarray(values, dtype=array.dtype)
