"""Low-rank updates of linear layers, trained while the layers themselves stay."""

import math

import torch
from torch.nn import functional

# How the architectures call the projections to queries and values.
_TARGETS = {"query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "q", "v", "c_attn"}


class LoraLinear(torch.nn.Module):
    r"""A frozen linear layer plus a trained update of low rank.

    .. math:: W x + b + \frac{\alpha}{r}\, U D\, x

    U starts at zero, so that training starts from the frozen layer.

    Parameters
    ----------
    base : torch.nn.Module
        A linear layer, or GPT-2's, which holds its weight transposed. It is frozen.
    rank : int
        The rank r.
    alpha : float
        Scale of the update.

    References
    ----------
    Hu et al. (2022). LoRA: low-rank adaptation of large language models. ICLR.
    """

    def __init__(self, base, rank, alpha):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.is_transposed = not isinstance(base, torch.nn.Linear)
        n_out, n_in = base.weight.shape[:: -1 if self.is_transposed else 1]
        self.down = torch.nn.Parameter(base.weight.new_empty(rank, n_in))
        self.up = torch.nn.Parameter(base.weight.new_zeros(n_out, rank))
        self.scale = alpha / rank
        torch.nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x):
        """Output of the layer and of its update."""
        update = functional.linear(functional.linear(x, self.down), self.up)
        return self.base(x) + self.scale * update

    @torch.no_grad()
    def merge(self):
        """The frozen layer with the update added to its weight.

        Returns
        -------
        base : torch.nn.Module
            Gives the same output at the cost of the layer alone.
        """
        update = self.scale * self.up @ self.down
        self.base.weight += update.T if self.is_transposed else update
        return self.base


def add_lora(module, rank, alpha):
    """Freeze a module, and add updates to its projections to queries and values.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in place.
    rank : int
        Rank of each update.
    alpha : float
        Scale of the updates.

    Returns
    -------
    n_updates : int
        Number of layers that got one.
    """
    module.requires_grad_(False)
    found = [
        (parent, name, child)
        for parent in module.modules()
        for name, child in parent.named_children()
        if name in _TARGETS and getattr(child, "weight", torch.empty(0)).ndim == 2
    ]
    for parent, name, child in found:
        setattr(parent, name, LoraLinear(child, rank, alpha))
    return len(found)
