"""Where and in what pieces networks compute: devices, seeds, sizes of batches."""

from contextlib import contextmanager
from inspect import signature

import torch

# Rows of one forward pass at predict: the activations stay in the cache.
PREDICT_ROWS = 4096


@contextmanager
def seeded(seed, device):
    """Seed torch on the CPU and on one device, and put back what was there.

    Parameters
    ----------
    seed : int
        Seed.
    device : torch.device
        The device; no other is touched.
    """
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def resolve_device(device, owner):
    """The torch device of a parameter `device`.

    Parameters
    ----------
    device : str or torch.device
        Name of a device, or "auto": CUDA where there is one, otherwise the CPU.
    owner : str
        Who asks, for the error message.

    Returns
    -------
    device : torch.device
        A device that is there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"{owner} needs a CUDA device for device={str(device)!r}. torch finds "
            "none. Set device='auto' or 'cpu', or install torch with CUDA."
        )
    return device


def choose_batch_size(batch_size, n_samples):
    """The number of samples of a batch that a parameter `batch_size` stands for.

    Parameters
    ----------
    batch_size : int or "auto"
        Samples of a batch; "auto" takes a twentieth, but at least 128 and at most 512.
    n_samples : int
        Number of samples.

    Returns
    -------
    batch_size : int
        At most `n_samples`.
    """
    if batch_size != "auto":
        return min(batch_size, n_samples)
    # Small data need more steps than large batches would give, and no noisier ones.
    return min(max(n_samples // 20, 128), 512, n_samples)


def can_fuse(optimizer, device):
    """Whether the optimizer has one fused step for all parameters on the device."""
    try:
        has_option = "fused" in signature(optimizer).parameters
    except (TypeError, ValueError):
        return False
    return has_option and device.type in ("cpu", "cuda")


def is_out_of_memory(error):
    """Whether an error says that a device, or the host, has no memory left.

    Parameters
    ----------
    error : RuntimeError
        What torch raised.

    Returns
    -------
    out_of_memory : bool
        Of the allocators of CUDA and of the CPU, which have no class in common.
    """
    is_cuda = isinstance(error, torch.cuda.OutOfMemoryError)
    return is_cuda or "can't allocate memory" in str(error)


@contextmanager
def explain_out_of_memory(owner, device, remedy):
    """Say what to do where memory runs out and nothing smaller is exact.

    Parameters
    ----------
    owner : str
        Who needs the memory.
    device : torch.device
        Where.
    remedy : str
        What the user can change.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryError(
            f"{owner} needs more memory than there is on the device {str(device)!r}. "
            f"{remedy}"
        ) from error


def map_chunks(function, rows, n_rows=PREDICT_ROWS):
    """Apply a function of single rows to all of them, a chunk at a time.

    Parameters
    ----------
    function : callable
        Maps a tensor of rows to one of as many rows.
    rows : tensor of shape (n_samples, ...)
        The rows.
    n_rows : int, default=PREDICT_ROWS
        Rows of a chunk. It is halved whenever memory runs out.

    Returns
    -------
    outputs : tensor of shape (n_samples, ...)
        In the order of the rows.
    """
    outputs, start = [], 0
    while start < len(rows) or not outputs:
        try:
            outputs.append(function(rows[start : start + n_rows]))
            start += n_rows
        except RuntimeError as error:
            if n_rows == 1 or not is_out_of_memory(error):
                raise
            n_rows //= 2
    return torch.cat(outputs)
