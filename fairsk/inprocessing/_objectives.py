"""Training objectives with players beside the network: weights, multipliers.

Each is a module that :class:`~fairsk.inprocessing._net.FairNet` takes for its
criterion. What the other player holds are buffers, moved in the forward pass of a
training batch, so that a step needs no further loop and a GPU never waits.
"""

import numpy as np
import torch
from torch.nn import functional

from fairsk.definitions import group_counts
from fairsk.inprocessing._losses import (
    SampleLoss,
    binary_logit,
    is_cross_entropy,
)
from fairsk.penalties import DefinitionPenalty
from fairsk.penalties._running import DEFAULT_WINDOW, RunningMean


class Objective(SampleLoss):
    """Base class: the loss of each sample, and what the net asks of a criterion.

    Parameters
    ----------
    n_classes, n_groups, criterion : object
        As in :class:`SampleLoss`.
    **kwargs : dict
        Further arguments of `criterion`.
    """

    def __init__(self, n_classes, n_groups, **kwargs):
        super().__init__(n_classes, n_groups, **kwargs)
        self._spares_a_logit = n_classes == 2 and is_cross_entropy(self.per_sample)

    def losses(self, y_pred, y_true):
        """Outputs and loss of each sample, before any weights.

        Outputs are predictions or logits; of two classes the one logit may stay alone,
        which is the same loss in half of the operations.
        """
        if self._spares_a_logit:
            logit = binary_logit(y_pred, len(y_true))
            if logit is not None:
                target = y_true.to(logit.dtype)
                return logit, functional.binary_cross_entropy_with_logits(
                    logit, target, reduction="none"
                )
        outputs = self.outputs(y_pred, len(y_true))
        return outputs, self.per_sample(outputs, y_true)

    def mean_loss(self, y_pred, y_true, sample_weight=None):
        """Outputs, and the mean loss of the samples."""
        outputs, losses = self.losses(y_pred, y_true)
        return outputs, self.weigh(losses, y_true, sample_weight).mean()

    def data_loss(self, y_pred, y_true, groups, sample_weight=None):
        """Loss of the samples alone, without a term of fairness."""
        return self.mean_loss(y_pred, y_true, sample_weight)[1]

    def prepare(self, dataset, n_batches):
        """See all training data, and how many batches they are, before training."""

    def report(self):
        """Readings of the epoch, for the history."""
        return {}


def predicted_classes(outputs):
    """Index of the most probable class.

    Parameters
    ----------
    outputs : float tensor of shape (n_samples,) or (n_samples, n_classes)
        The one logit of two classes, or a logit for each class.

    Returns
    -------
    classes : bool or int tensor of shape (n_samples,)
        The first one of equals.
    """
    return outputs > 0 if outputs.ndim == 1 else outputs.argmax(dim=1)


def probabilities(outputs):
    """Probability of each class.

    Parameters
    ----------
    outputs : float tensor of shape (n_samples,) or (n_samples, n_classes)
        The one logit of two classes, or a logit for each class.

    Returns
    -------
    probabilities : float tensor of shape (n_samples, n_classes)
        Rows sum to 1.
    """
    if outputs.ndim == 2:
        return outputs.softmax(dim=1)
    return torch.stack((-outputs, outputs), dim=1).sigmoid()


class GroupObjective(Objective):
    """Base class of objectives that look at each group, or cell, by itself."""

    def __init__(self, n_classes, n_groups, **kwargs):
        super().__init__(n_classes, n_groups, **kwargs)
        #: A row with a one for each cell.
        self.register_buffer("places", torch.zeros(0))

    @property
    def n_cells(self):
        """Number of cells."""
        return self.n_groups

    def cells(self, y_true, groups):
        """Cell of each sample."""
        return groups

    def prepare(self, dataset, n_batches):
        """Number the cells; returns the mass of each."""
        self.places = torch.eye(self.n_cells).to(dataset.X)
        mass = self.mass(dataset.y, dataset.groups, weights_of(dataset))
        return mass.sum(dim=0)

    def undefined(self, strata):
        """Which groups have no sample; as :meth:`SampleLoss.undefined`."""
        return strata.sum(axis=-1)[..., None, :] == 0

    def mass(self, y_true, groups, sample_weight=None):
        """Weight of each sample in its cell, of shape (n_samples, n_cells)."""
        mass = self.places.index_select(0, self.cells(y_true, groups))
        return mass if sample_weight is None else mass * sample_weight[:, None]

    def sums(self, y_pred, y_true, groups, sample_weight=None):
        """Loss, error and mass of each cell in a batch, of shape (3, n_cells)."""
        outputs, losses = self.losses(y_pred, y_true)
        errors = self.errors(outputs, losses, y_true)
        rows = [self.weigh(losses, y_true), errors, torch.ones_like(errors)]
        return torch.stack(rows) @ self.mass(y_true, groups, sample_weight)

    def errors(self, outputs, losses, y_true):
        """What is counted as error of each sample."""
        return (predicted_classes(outputs) != y_true).to(losses)

    def data_loss(self, y_pred, y_true, groups, sample_weight=None):
        """Loss in the weights that the groups have, which stay as they are."""
        sums = self.sums(y_pred, y_true, groups, sample_weight)
        losses, _, _ = group_means(sums)
        return self.group_weights() @ losses


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

    def undefined(self, strata):
        """Which cells have no sample; as :meth:`SampleLoss.undefined`."""
        if self.by_label:
            return np.swapaxes(strata, -1, -2) == 0
        return super().undefined(strata)

    def prepare(self, dataset, n_batches):
        """Start from equal weights of the cells that have samples."""
        size = super().prepare(dataset, n_batches)
        self.log_weights = equal_log_weights(size > 0, size.dtype)
        self.cell_losses = torch.zeros_like(size)
        margins = self.adjustment / size.clamp(min=1e-12).sqrt()
        self.cell_margins = torch.where(size > 0, margins, 0.0)

    def forward(self, y_pred, y_true, groups, sample_weight=None):
        """Weighted loss of a batch."""
        _, losses = self.losses(y_pred, y_true)
        mass = self.mass(y_true, groups, sample_weight)
        total = mass.sum(dim=0)
        present = total > 0
        means = self.weigh(losses, y_true) @ mass / torch.where(present, total, 1.0)
        if self.training:
            self._move(means.detach(), present)
        return self.group_weights() @ means

    def group_weights(self):
        """Weights of the cells."""
        return self.log_weights.exp()

    def _move(self, means, present):
        """Let the weights of bad cells grow; one that is missing keeps its loss."""
        torch.where(present, means, self.cell_losses, out=self.cell_losses)
        gains = self.cell_losses
        if self.adjustment:
            gains = gains + self.cell_margins
        exponentiated_step_(self.log_weights, gains, self.step_size)

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
        for name in ("log_weights", "multipliers", "shares", "prices"):
            self.register_buffer(name, torch.zeros(n_groups))

    @property
    def verdict(self):
        """Names of what decides between epochs, the first one first."""
        if self.bound is None:
            return ("worst_error", "mean_loss")
        return ("violation", "mean_error", "mean_loss")

    def prepare(self, dataset, n_batches):
        """Start from equal weights, or from those of the data and no multipliers."""
        size = super().prepare(dataset, n_batches)
        self.shares = size / size.sum()
        self.log_weights = equal_log_weights(size > 0, size.dtype)
        self.multipliers, self.prices = torch.zeros(2, len(size)).to(size)
        self.running = RunningMean(min(DEFAULT_WINDOW, n_batches))

    def errors(self, outputs, losses, y_true):
        """What is counted as error of each sample."""
        if self.error == "log_loss":
            return losses.detach()
        return super().errors(outputs, losses, y_true)

    def forward(self, y_pred, y_true, groups, sample_weight=None):
        """Weighted loss of a batch."""
        sums = self.sums(y_pred, y_true, groups, sample_weight)
        if self.training:
            sums = self.running(sums)
        losses, errors, present = group_means(sums)
        self._move(errors.detach(), present)
        return self.group_weights() @ losses

    def _move(self, errors, present):
        """A step of the player of the weights, while training."""
        if self.bound is None:
            if self.training:
                exponentiated_step_(self.log_weights, errors, self.step_size)
            return
        excess = torch.where(present, errors - self.bound, 0.0)
        if self.training:
            self.multipliers.add_(excess, alpha=self.step_size).relu_()
        self.prices = torch.add(self.multipliers, excess, alpha=self.damping).relu_()

    def group_weights(self):
        """Weights of the groups, which sum to 1."""
        if self.bound is None:
            return self.log_weights.exp()
        # A mean: without it the step of the network would grow with the multipliers.
        return (self.shares + self.prices) / (1 + self.prices.sum())

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
        self.register_buffer("signs", torch.tensor([1.0, -1.0])[:, None, None])
        # Numerators and denominators of the rates, as (2, n_rates, n_cells).
        tables = np.stack(definition.class_tables(n_classes))
        self.register_buffer("tables", torch.as_tensor(tables).flatten(2))

    def prepare(self, dataset, n_batches):
        """Start without multipliers."""
        for name in ("multipliers", "signs", "tables"):
            setattr(self, name, getattr(self, name).to(dataset.X))
        self.multipliers = torch.zeros_like(self.multipliers)
        self.running = RunningMean(min(DEFAULT_WINDOW, n_batches))

    def sums(self, y_pred, y_true, groups, sample_weight=None):
        """Sum of the losses and counts of the predicted classes, flat in one tensor."""
        outputs, losses = self.losses(y_pred, y_true)
        losses = self.weigh(losses, y_true, sample_weight)
        counts = self._counts(outputs, y_true, groups, sample_weight)
        return torch.cat([losses.sum()[None], counts.flatten()])

    def undefined(self, strata):
        """Which rates are undefined; as :meth:`SampleLoss.undefined`."""
        return DefinitionPenalty(self.definition).undefined(strata)

    def _counts(self, outputs, y_true, groups, sample_weight):
        """Counts of the predicted classes."""
        hard = predicted_classes(outputs)
        if outputs.ndim == 1:
            hard = torch.stack((~hard, hard), dim=1)
        else:
            hard = functional.one_hot(hard, self.n_classes)
        return group_counts(
            groups,
            y_true,
            hard.to(outputs.dtype),
            n_groups=self.n_groups,
            n_classes=self.n_classes,
            sample_weight=sample_weight,
        )

    def forward(self, y_pred, y_true, groups, sample_weight=None):
        """Lagrangian of a batch."""
        outputs, losses = self.losses(y_pred, y_true)
        losses = self.weigh(losses, y_true)
        if self.n_groups > 1:
            cells = groups * self.n_classes + y_true
            with torch.no_grad():
                counts = self._counts(outputs, y_true, groups, sample_weight)
                counts = self.running(counts) if self.training else counts
                # The price is a sum over the samples, not a mean.
                costs = (len(y_true) * self._costs(counts)).index_select(0, cells)
            # The rates are linear: their price is one of each predicted class, by the
            # group and label of the sample.
            losses = losses + (costs * probabilities(outputs)).sum(dim=1)
        if sample_weight is not None:
            losses = losses * sample_weight
        return losses.mean()

    def _costs(self, counts):
        """What it costs to predict each class, by group and label.

        While training, the multipliers make their step before.
        """
        # Both totals of each rate, as (2, n_rates, n_groups).
        totals = self.tables @ counts.reshape(self.n_groups, -1).T
        numerators, mass = totals.unbind()
        present = mass > 0
        mass = torch.where(present, mass, 1.0)
        excess = self._excess(numerators / mass, present)
        if self.training:
            self.multipliers.add_(excess, alpha=self.step_size).relu_()
        prices = torch.add(self.multipliers, excess, alpha=self.damping).relu_()
        # Without mass there is no excess, but there may be multipliers.
        prices = torch.where(present, (self.signs * prices).sum(dim=0) / mass, 0.0)
        return (prices.T @ self.tables[0]).view(-1, self.n_classes)

    def _excess(self, values, present):
        """By how much each rate leaves a band around the middle of the groups."""
        high = torch.where(present, values, -torch.inf).amax(-1, keepdim=True)
        low = torch.where(present, values, torch.inf).amin(-1, keepdim=True)
        excess = self.signs * (values - (high + low) / 2) - self.tolerance / 2
        # A rate that fewer than two groups define compares nothing.
        compared = present & (present.sum(-1, keepdim=True) > 1)
        return torch.where(compared, excess, 0.0)

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


def exponentiated_step_(log_weights, gains, step_size):
    r"""A step of exponentiated gradient, in place.

    Parameters
    ----------
    log_weights : float tensor of shape (n_cells,)
        Logarithms of weights that sum to 1; becomes that of
        :math:`w_c \propto w_c \exp(\eta g_c)`.
    gains : float tensor of shape (n_cells,)
        What each cell gains.
    step_size : float
        :math:`\eta`.
    """
    log_weights.add_(gains, alpha=step_size)
    log_weights.copy_(log_weights.log_softmax(dim=0))


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
    mass = sums[2].detach()
    present = mass > 0
    losses, errors = (sums[:2] / torch.where(present, mass, 1.0)).unbind()
    return losses, errors, present


def largest(values, present):
    """Largest value of the cells that are present."""
    return torch.where(present, values, -torch.inf).max()
