"""What an adversary is and sees, and how much it knows of the group."""

import numpy as np
import torch

from fairsk.definitions import DEFINITIONS
from fairsk.inprocessing._perceptron import MultilayerPerceptron


def blind_perceptron(layer_sizes, activation):
    """A perceptron whose outputs are 0 at first, whatever the groups are called.

    Parameters
    ----------
    layer_sizes : list of int
        Widths, from what it sees to one logit for each group.
    activation : str
        Name of the activation.

    Returns
    -------
    perceptron : MultilayerPerceptron
        Its last layer is zero: nothing depends on which group comes first.
    """
    perceptron = MultilayerPerceptron(layer_sizes, activation)
    with torch.no_grad():
        perceptron[-1].weight.zero_()
        perceptron[-1].bias.zero_()
    return perceptron


class _Reversal(torch.autograd.Function):
    """The identity, whose gradient is turned round and weighted."""

    @staticmethod
    def forward(ctx, tensor, weight):
        ctx.weight = weight
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.weight * gradient, None


def reverse_gradient(tensor, weight):
    """The tensor, whose gradient is turned round and weighted (Ganin et al., 2016).

    Parameters
    ----------
    tensor : float tensor
        What an adversary is to see.
    weight : float
        Scale of the gradient.

    Returns
    -------
    tensor : float tensor
        The same values.
    """
    return _Reversal.apply(tensor, weight)


def label_strata(definition, n_classes, owner):
    """The samples among which a code must be independent of the group.

    Parameters
    ----------
    definition : FairnessDefinition
        The definition.
    n_classes : int
        Number of classes.
    owner : str
        Who asks, for the error message.

    Returns
    -------
    strata : bool ndarray of shape (n_strata, n_classes)
        The classes of each stratum. If the code is independent of the group among the
        samples of each, then the definition holds for all predictions from it.
    """
    if not _follows_from_independence(definition):
        known = [n for n, d in DEFINITIONS.items() if _follows_from_independence(d)]
        raise ValueError(
            f"{owner} needs a definition that compares predictions among all samples, "
            f"or among those of a label. Got {definition.name!r}, which does not "
            f"follow from an independent code. Take one of {known}."
        )
    if not definition.conditions_on_label:
        return np.ones((1, n_classes), dtype=bool)
    _, denominator = definition.class_tables(n_classes)
    return np.unique(denominator[:, :, 0] != 0, axis=0)


def _follows_from_independence(definition):
    """Whether each rate is that of a prediction, given one set of true labels."""
    if not definition.is_linear:
        return False
    for rate in definition.rates:
        rows = [
            np.divide(a, b[0]) for a, b in zip(rate.numerator, rate.denominator) if b[0]
        ]
        if any((row != rows[0]).any() for row in rows):
            return False
    return True


def stratum_shares(cells, strata, adversary_loss="log_loss"):
    r"""Factor of the adversary's loss of a sample by group, class and stratum.

    What the adversary knows is the number of strata less the weighted mean of its
    losses, over the samples of the data, times these factors.

    Parameters
    ----------
    cells : ndarray of shape (n_groups, n_classes)
        Weight of the samples of each group and class.
    strata : bool ndarray of shape (n_strata, n_classes)
        The classes of each stratum.
    adversary_loss : {"log_loss", "absolute_error"}, default="log_loss"
        The loss of the adversary.

    Returns
    -------
    shares : ndarray of shape (n_groups, n_classes, n_compared)
        Of the strata that have samples of two groups. Each group counts the same.
    """
    mass = cells @ strata.T
    n_present = (mass > 0).sum(axis=0)
    compared = n_present > 1
    mass, strata = mass[:, compared], strata[compared]
    n_present = n_present[compared]
    is_log = adversary_loss == "log_loss"
    worst = n_present * np.log(n_present) if is_log else n_present - 1.0
    factor = np.divide(cells.sum(), mass, out=np.zeros_like(mass), where=mass > 0)
    return (factor / worst)[:, None] * strata.T


def each_stratum(code, n_strata):
    """What the adversary sees of each sample in each stratum.

    Parameters
    ----------
    code : float tensor of shape (n_samples, n_components)
        What it is to read the group from.
    n_strata : int
        Number of strata.

    Returns
    -------
    seen : float tensor of shape (n_samples, n_strata, n_components + n_strata)
        The code and the stratum. In a stratum that is not its own a sample counts
        nothing, by the factors of :func:`stratum_shares`.
    """
    strata = torch.eye(n_strata).to(code).expand(len(code), -1, -1)
    return torch.cat([code[:, None].expand(-1, n_strata, -1), strata], dim=2)


def known_of_groups(told, groups, y, sample_weight, shares, adversary_loss="log_loss"):
    """What the adversary knows: 0 nothing, 1 all, summed over the strata.

    Parameters
    ----------
    told : float tensor of shape (n_samples, n_strata, n_groups)
        Logits of the groups.
    groups, y : int tensor of shape (n_samples,)
        Group and class of each sample.
    sample_weight : float tensor of shape (n_samples,) or None
        Weights, of mean 1 over the data.
    shares : float tensor of shape (n_groups, n_classes, n_strata)
        Factors, as :func:`stratum_shares` returns them.
    adversary_loss : {"log_loss", "absolute_error"}, default="log_loss"
        The loss of the adversary.

    Returns
    -------
    known : float tensor of shape ()
        Batches add up to the value of all data, on average.
    """
    told = told.log_softmax(dim=2)
    told = told[torch.arange(len(told), device=told.device), :, groups]
    losses = -told if adversary_loss == "log_loss" else 1 - told.exp()
    factor = shares[groups, y]
    if sample_weight is not None:
        factor = factor * sample_weight[:, None]
    return shares.shape[2] - (factor * losses).sum() / len(told)
