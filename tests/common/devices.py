"""What finds, without a GPU, that a host would have to wait for it."""

import torch
from torch.overrides import TorchFunctionMode

_MAKERS = (torch.tensor, torch.as_tensor, torch.Tensor.new_tensor)
_MOVERS = (torch.Tensor.to, torch.Tensor.type_as, torch.Tensor.copy_)


class NoUploads(TorchFunctionMode):
    """Raises where numbers of the host are copied to the `meta` device.

    A GPU is waited for, unless the copy is non-blocking. That nothing comes back needs
    no watching: tensors of this device have no values, and to read one raises.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        from_host = func in _MAKERS or (
            func in _MOVERS
            and any(isinstance(x, torch.Tensor) and not x.is_meta for x in args)
            and not kwargs.get("non_blocking")
        )
        if from_host and isinstance(result, torch.Tensor) and result.is_meta:
            raise RuntimeError(f"{func.__name__} copies numbers to a device.")
        return result
