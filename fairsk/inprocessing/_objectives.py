"""Training objectives with players beside the network: weights, multipliers.

Each is a module that :class:`~fairsk.inprocessing._net.FairNet` takes for its
criterion. What the other player holds are buffers, moved in the forward pass of a
training batch, so that a step needs no further loop and a GPU never waits.
"""

import torch
from torch.nn import functional

from fairsk.definitions import group_counts
from fairsk.definitions._signed_measures import group_mass
from fairsk.inprocessing._net import class_logits, target_values
from fairsk.penalties._running import DEFAULT_WINDOW, RunningMean


class Objective(torch.nn.Module):
    """Base class: the loss of each sample, and what the net asks of a criterion.

    Parameters
    ----------
    n_classes : int or None
        Number of classes; None for regression.
    n_groups : int
        Number of groups; 0 for a continuous attribute.
    criterion : class, default=torch.nn.CrossEntropyLoss
        Loss of logits and classes, or of predictions and targets, that takes
        ``reduction="none"``.
    **kwargs : dict
        Further arguments of `criterion`.
    """

    penalty = None
    last_penalty = None

    def __init__(
        self, n_classes, n_groups, criterion=torch.nn.CrossEntropyLoss, **kwargs
    ):
        super().__init__()
        self.n_classes = n_classes
        self.n_groups = n_groups
        self.per_sample = criterion(reduction="none", **kwargs)

    def losses(self, y_pred, y_true):
        """Logits (predictions in regression) and loss of each sample."""
        if self.n_classes is None:
            outputs = target_values(y_pred, len(y_true))
        else:
            outputs = class_logits(y_pred, len(y_true), self.n_classes)
        return outputs, self.per_sample(outputs, y_true)

    def prepare(self, dataset, n_batches):
        """See all training data, and how many batches they are, before training."""

    def report(self):
        """Readings of the epoch, for the history."""
        return {}


class GroupObjective(Objective):
    """Base class of objectives that look at each group, or cell, by itself."""

    @property
    def n_cells(self):
        """Number of cells."""
        return self.n_groups

    def cells(self, y_true, groups):
        """Cell of each sample."""
        return groups

    def sums(self, y_pred, y_true, groups, sample_weight=None):
        """Loss, error and mass of each cell in a batch, of shape (3, n_cells)."""
        logits, losses = self.losses(y_pred, y_true)
        ones = torch.ones_like(losses)
        weight = ones if sample_weight is None else sample_weight
        mass = group_mass(self.cells(y_true, groups), self.n_cells, weight)
        return torch.stack([losses, self.errors(logits, losses, y_true), ones]) @ mass

    def errors(self, logits, losses, y_true):
        """What is counted as error of each sample."""
        return (logits.argmax(dim=1) != y_true).to(losses)

    def cell_sizes(self, dataset):
        """Mass of each cell in a data set."""
        cells = self.cells(dataset.y, dataset.groups)
        return group_mass(cells, self.n_cells, weights_of(dataset)).sum(0)


class GroupDROLoss(GroupObjective):
    r"""Losses of the cells, in weights that grow with them.

    .. math:: \sum_c q_c L_c, \qquad
        q_c \propto q_c \exp(\eta (L_c + C / \sqrt{n_c}))

    Parameters
    ----------
    n_classes, n_groups : int
        Numbers of classes and groups.
    by_label : bool, default=False
        Whether the cells are groups crossed with labels.
    step_size : float, default=0.01
        :math:`\eta`.
    adjustment : float, default=0.0
        C.
    **kwargs : dict
        Arguments of :class:`Objective`.
    """

    def __init__(
        self,
        n_classes,
        n_groups,
        *,
        by_label=False,
        step_size=0.01,
        adjustment=0.0,
        **kwargs,
    ):
        super().__init__(n_classes, n_groups, **kwargs)
        self.by_label = by_label
        self.step_size = step_size
        self.adjustment = adjustment
        # Logarithms: a weight that was small for long can grow again.
        for name in ("log_weights", "cell_losses", "cell_margins"):
            self.register_buffer(name, torch.zeros(self.n_cells))

    #: Names of what decides between epochs, the first one first.
    verdict = ("worst_loss", "mean_loss")

    @property
    def n_cells(self):
        """Number of cells."""
        return self.n_groups * (self.n_classes if self.by_label else 1)

    def cells(self, y_true, groups):
        """Cell of each sample."""
        return groups * self.n_classes + y_true if self.by_label else groups

    def prepare(self, dataset, n_batches):
        """Start from equal weights of the cells that have samples."""
        size = self.cell_sizes(dataset)
        self.log_weights = equal_log_weights(size > 0, size.dtype)
        self.cell_losses = torch.zeros_like(size)
        margins = self.adjustment / size.clamp(min=1e-12).sqrt()
        self.cell_margins = torch.where(size > 0, margins, 0.0)

    def forward(self, y_pred, y_true, groups, sample_weight=None):
        """Weighted loss of a batch."""
        sums = self.sums(y_pred, y_true, groups, sample_weight)
        means, _, present = group_means(sums)
        if self.training:
            self._move(means.detach(), present)
        return self.log_weights.exp() @ means

    def _move(self, means, present):
        """Let the weights of bad cells grow; one that is missing keeps its loss."""
        self.cell_losses = torch.where(present, means, self.cell_losses)
        gains = self.cell_losses + self.cell_margins
        self.log_weights = exponentiated_step(self.log_weights, gains, self.step_size)

    def judge(self, sums):
        """Readings over all samples, by the sums over them."""
        means, errors, present = group_means(sums)
        return {
            "mean_loss": sums[0].sum() / sums[2].sum(),
            "worst_loss": largest(means, present),
            "worst_error": largest(errors, present),
        }

    def report(self):
        """Readings of the epoch, for the history."""
        return {"worst_loss": self.cell_losses.max()}


class MinimaxLoss(GroupObjective):
    r"""Losses of the groups, in weights that follow what their errors are.

    The players and their steps are those of :class:`MinimaxClassifier`.

    Parameters
    ----------
    n_classes, n_groups : int
        Numbers of classes and groups.
    bound : float, default=None
        The error that no group may exceed; None makes the largest as small as possible.
    error : {"zero_one", "log_loss"}, default="zero_one"
        What counts as error.
    step_size : float, default=0.1
        Step size of the weights.
    damping : float, default=1.0
        Weight of the present violation of the bound beside the multipliers.
    **kwargs : dict
        Arguments of :class:`Objective`.
    """

    def __init__(
        self,
        n_classes,
        n_groups,
        *,
        bound=None,
        error="zero_one",
        step_size=0.1,
        damping=1.0,
        **kwargs,
    ):
        super().__init__(n_classes, n_groups, **kwargs)
        self.bound = bound
        self.error = error
        self.step_size = step_size
        self.damping = damping
        # Loss, error and mass of each group in a batch.
        self.running = RunningMean()
        for name in ("log_weights", "multipliers", "shares"):
            self.register_buffer(name, torch.zeros(n_groups))

    @property
    def verdict(self):
        """Names of what decides between epochs, the first one first."""
        if self.bound is None:
            return ("worst_error", "mean_loss")
        return ("violation", "mean_error", "mean_loss")

    def prepare(self, dataset, n_batches):
        """Start from equal weights, or from those of the data and no multipliers."""
        size = self.cell_sizes(dataset)
        self.shares = size / size.sum()
        self.log_weights = equal_log_weights(size > 0, size.dtype)
        self.multipliers = torch.zeros_like(size)
        self.running = RunningMean(min(DEFAULT_WINDOW, n_batches))

    def errors(self, logits, losses, y_true):
        """What is counted as error of each sample."""
        if self.error == "log_loss":
            return losses.detach()
        return super().errors(logits, losses, y_true)

    def forward(self, y_pred, y_true, groups, sample_weight=None):
        """Weighted loss of a batch."""
        sums = self.sums(y_pred, y_true, groups, sample_weight)
        if self.training:
            sums = self.running(sums)
        losses, errors, present = group_means(sums)
        return self._weights(errors.detach(), present) @ losses

    def _weights(self, errors, present):
        """Weights of the groups, after a step of their player while training."""
        if self.bound is None:
            if self.training:
                self.log_weights = exponentiated_step(
                    self.log_weights, errors, self.step_size
                )
            return self.log_weights.exp()
        excess = torch.where(present, errors - self.bound, 0.0)
        if self.training:
            self.multipliers = functional.relu(
                self.multipliers + self.step_size * excess
            )
        prices = functional.relu(self.multipliers + self.damping * excess)
        # A mean: without it the step of the network would grow with the multipliers.
        return (self.shares + prices) / (1 + prices.sum())

    def judge(self, sums):
        """Readings over all samples, by the sums over them."""
        _, errors, present = group_means(sums)
        mean_loss, mean_error = sums[:2].sum(-1) / sums[2].sum()
        worst = largest(errors, present)
        bound = worst if self.bound is None else self.bound
        return {
            "mean_loss": mean_loss,
            "mean_error": mean_error,
            "worst_error": worst,
            "violation": functional.relu(worst - bound),
        }


class LagrangianLoss(Objective):
    r"""Loss plus multipliers times the rates of the groups.

    The players and their steps are those of :class:`LagrangianNetClassifier`.

    Parameters
    ----------
    definition : FairnessDefinition
        A linear definition.
    n_classes, n_groups : int
        Numbers of classes and groups.
    tolerance : float
        Largest difference between groups.
    step_size : float, default=0.3
        Step size of the multipliers.
    damping : float, default=5.0
        Weight of the present violation beside the multipliers.
    **kwargs : dict
        Arguments of :class:`Objective`.
    """

    #: Names of what decides between epochs, the first one first.
    verdict = ("violation", "mean_loss")

    def __init__(
        self,
        definition,
        n_classes,
        n_groups,
        *,
        tolerance,
        step_size=0.3,
        damping=5.0,
        **kwargs,
    ):
        super().__init__(n_classes, n_groups, **kwargs)
        self.definition = definition
        self.tolerance = tolerance
        self.step_size = step_size
        self.damping = damping
        n_rates = len(definition.value_names(n_classes))
        # Counts of the predicted classes.
        self._shape = (n_groups, n_classes, n_classes)
        self.running = RunningMean()
        # Of a rate that is too high in a group, and of one that is too low.
        self.register_buffer("multipliers", torch.zeros(2, n_rates, n_groups))
        tables = zip(("numerators", "denominators"), definition.class_tables(n_classes))
        for name, table in tables:
            self.register_buffer(name, torch.as_tensor(table))

    def prepare(self, dataset, n_batches):
        """Start without multipliers."""
        for name in ("multipliers", "numerators", "denominators"):
            setattr(self, name, getattr(self, name).to(dataset.X))
        self.multipliers = torch.zeros_like(self.multipliers)
        self.running = RunningMean(min(DEFAULT_WINDOW, n_batches))

    def sums(self, y_pred, y_true, groups, sample_weight=None):
        """Sum of the losses and counts of the predicted classes, flat in one tensor."""
        logits, losses = self.losses(y_pred, y_true)
        if sample_weight is not None:
            losses = losses * sample_weight
        counts = self._counts(logits, y_true, groups, sample_weight)
        return torch.cat([losses.sum()[None], counts.flatten()])

    def _counts(self, logits, y_true, groups, sample_weight):
        hard = functional.one_hot(logits.detach().argmax(dim=1), self.n_classes)
        return group_counts(
            groups,
            y_true,
            hard.to(logits),
            n_groups=self.n_groups,
            n_classes=self.n_classes,
            sample_weight=sample_weight,
        )

    def forward(self, y_pred, y_true, groups, sample_weight=None):
        """Lagrangian of a batch."""
        logits, losses = self.losses(y_pred, y_true)
        if self.n_groups > 1:
            with torch.no_grad():
                counts = self._counts(logits, y_true, groups, sample_weight)
                counts = self.running(counts) if self.training else counts
                costs = self._costs(counts)
            # The rates are linear: their price is one of each predicted class, by the
            # group and label of the sample. It is a sum over the samples, not a mean.
            priced = costs[groups, y_true] * logits.softmax(dim=1)
            losses = losses + len(y_true) * priced.sum(dim=1)
        if sample_weight is not None:
            losses = losses * sample_weight
        return losses.mean()

    def _costs(self, counts):
        """What it costs to predict each class, by group and label.

        While training, the multipliers make their step before.
        """
        excess = self._excess(self.definition.values(counts))
        if self.training:
            self.multipliers = functional.relu(
                self.multipliers + self.step_size * excess
            )
        above, below = functional.relu(self.multipliers + self.damping * excess)
        mass = torch.einsum("rij,gij->rg", self.denominators.to(counts), counts)
        prices = torch.where(mass > 0, (above - below) / mass, 0.0)
        return torch.einsum("rg,rij->gij", prices, self.numerators.to(counts))

    def _excess(self, values):
        """By how much each rate leaves a band around the middle of the groups."""
        missing = values.isnan()
        high = torch.where(missing, -torch.inf, values).amax(-1, keepdim=True)
        low = torch.where(missing, torch.inf, values).amin(-1, keepdim=True)
        deviation = values - (high + low) / 2
        excess = torch.stack([deviation, -deviation]) - self.tolerance / 2
        # A rate that fewer than two groups define compares nothing.
        alone = (~missing).sum(-1, keepdim=True) < 2
        return torch.where(missing | alone, 0.0, excess)

    def judge(self, sums):
        """Readings over all samples, by the sums over them."""
        counts = sums[1:].view(self._shape)
        disparity = self.definition.disparity(counts)
        disparity = torch.where(disparity.isnan(), 0.0, disparity)
        return {
            "mean_loss": sums[0] / counts.sum(),
            "disparity": disparity,
            "violation": functional.relu(disparity - self.tolerance),
        }


def exponentiated_step(log_weights, gains, step_size):
    r"""Weights on the simplex after a step of exponentiated gradient.

    Parameters
    ----------
    log_weights : float tensor of shape (n_cells,)
        Logarithms of weights that sum to 1.
    gains : float tensor of shape (n_cells,)
        What each cell gains.
    step_size : float
        :math:`\eta`.

    Returns
    -------
    log_weights : float tensor of shape (n_cells,)
        Logarithms of :math:`w_c \propto w_c \exp(\eta g_c)`.
    """
    return (log_weights + step_size * gains).log_softmax(dim=0)


def equal_log_weights(present, dtype):
    """Logarithms of equal weights of the cells that are present."""
    weights = torch.zeros(len(present), dtype=dtype, device=present.device)
    return weights.masked_fill(~present, -torch.inf).log_softmax(dim=0)


def weights_of(dataset):
    """Weights of the samples of a data set, of the dtype of its features."""
    if dataset.sample_weight is None:
        return dataset.X.new_ones(len(dataset))
    return dataset.sample_weight


def group_means(sums):
    """Means of loss and error in each group, 0 in an empty one, and who is present."""
    losses, errors, mass = sums
    present = mass.detach() > 0
    divisor = torch.where(present, mass.detach(), 1.0)
    return losses / divisor, errors / divisor, present


def largest(values, present):
    """Largest value of the cells that are present."""
    return torch.where(present, values, -torch.inf).max()
