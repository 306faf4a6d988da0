"""One spelling of array code for numpy and torch, without importing torch.

Definitions are written once against the functions that numpy and torch share
(`xp.where`, `xp.sum(axis=)`, ...). A torch tensor can only exist where torch has
been imported already, so its module is found in `sys.modules`.
"""

import sys

import numpy as np


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
        array = _to_host(array)
    return np.asarray(array)


def _to_host(array):
    """An array of the array API in host memory; a device does not give it unasked."""
    if hasattr(array, "get"):  # as CuPy spells it
        return array.get()
    namespace_info = getattr(array.__array_namespace__(), "__array_namespace_info__", 0)
    if namespace_info and hasattr(array, "to_device"):
        return array.to_device(namespace_info().default_device())
    return array


def as_float(array):
    """`array` in a floating dtype; floating arrays are returned as they are."""
    if is_torch(array):
        return array if array.is_floating_point() else array.double()
    array = np.asarray(array)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def constant_like(values, array):
    """`values` (nested numbers) as an array of `array`'s kind, dtype and device."""
    if is_torch(array):
        if isinstance(values, float):  # filled there: a copy would wait for a GPU
            return array.new_full((), values)
        return array.new_tensor(values)
    return np.asarray(values, dtype=array.dtype)
