"""Many networks of one shape trained as one: members share each batch.

A member is a fold and a fairness weight. All members of a fold see the same batches, so
the first layer of all of them is one wide product, and every later layer, the loss, the
penalty and the step of the optimizer is one operation for all. Members never mix: the
gradient of the sum of their objectives with respect to the parameters of one is that of
its own objective, and the optimizers work element by element. So each member is trained
exactly as it would be alone.

Shapes: F folds, L weights a fold, K = F L members in the order of the folds, B rows in
a batch, d features, C columns of logits.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional

from fairsk.inprocessing._device import is_out_of_memory
from fairsk.inprocessing._losses import class_logits
from fairsk.inprocessing._net import warmup_share
from fairsk.inprocessing._stacked_layers import (
    StackedLayers,
    Workspace,
    has_all,
    stacked_logits,
)
from fairsk.penalties import Penalty


@dataclass
class Fold:
    """What the members of a fold are trained on.

    Parameters
    ----------
    batches : Batches
        Batches of an epoch, drawn anew by each pass.
    n_samples : int
        Number of samples of an epoch.
    valid : GroupedDataset, default=None
        Samples whose loss decides when to stop; None takes the training loss.
    class_weight : float tensor of shape (n_classes,), default=None
        Factor of the loss of the samples of each class.
    """

    batches: object
    n_samples: int
    valid: object = None
    class_weight: object = None


@dataclass
class Member:
    """A trained network.

    Parameters
    ----------
    state : dict of str to tensor
        Parameters of the module, by their names in it.
    rows : list of dict
        What happened in each epoch: `train_loss`, `penalty`, `valid_loss`.
    diverged_epoch : int, default=None
        Epoch in which the loss was not finite.
    """

    state: dict
    rows: list = field(default_factory=list)
    diverged_epoch: int | None = None


class StackedPerceptron:
    """Multilayer perceptrons of one shape, their activations features first.

    Parameters
    ----------
    module : torch.nn.Sequential
        Linear layers with activations between them; all members start as it is.
    n_folds, n_weights : int
        Numbers of folds and of weights a fold.
    """

    def __init__(self, module, n_folds, n_weights):
        self.n_folds, self.n_weights = n_folds, n_weights
        n_members = n_folds * n_weights
        self.names, self.activations, copies = [], [], []
        for position, layer in enumerate(module):
            if not isinstance(layer, torch.nn.Linear):
                self.activations.append(layer)
                continue
            self.names += [f"{position}.weight", f"{position}.bias"]
            for tensor in (layer.weight, layer.bias[:, None]):
                copies.append(tensor.detach().expand(n_members, *tensor.shape))
        # The bias of the wide first layer is its last column, for an input of ones.
        copies = [torch.cat(copies[:2], dim=-1), *copies[2:]]
        self.parameters = [c.clone().requires_grad_() for c in copies]
        self._by_hand = has_all(self.activations)
        self._workspace = Workspace()

    def forward(self, X, folds=slice(None)):
        """Logits of all members of some folds.

        Parameters
        ----------
        X : float tensor of shape (F, B, d)
            Features.
        folds : slice, default=slice(None)
            The folds whose members are asked.

        Returns
        -------
        logits : float tensor of shape (F, L, B, C)
            Logits.
        """
        n_folds = len(X)
        layers = [self._of_folds(p, folds) for p in self.parameters]
        if X.device.type == "cpu" and not X.requires_grad and self._by_hand:
            with_grad = torch.is_grad_enabled()
            logits = (StackedLayers.apply if with_grad else stacked_logits)(
                X,
                self.n_weights,
                self.activations,
                self._workspace,
                *(layer.flatten(0, 1) for layer in layers),
            )
            return logits.view(n_folds, self.n_weights, *logits.shape[1:]).mT
        # The members of a fold have one input: their first layers are one wide layer.
        wide = layers[0].flatten(1, 2)
        hidden = torch.baddbmm(wide[..., -1:], wide[..., :-1], X.transpose(1, 2))
        hidden = hidden.view(n_folds * self.n_weights, -1, hidden.shape[-1])
        for position, activation in enumerate(self.activations, start=1):
            weight, bias = (p.flatten(0, 1) for p in layers[2 * position - 1 :][:2])
            hidden = torch.baddbmm(bias, weight, activation(hidden))
        return hidden.view(n_folds, self.n_weights, *hidden.shape[1:]).mT

    def _of_folds(self, parameter, folds):
        shape = (self.n_folds, self.n_weights, *parameter.shape[1:])
        return parameter.view(shape)[folds]

    def state(self, member, parameters=None):
        """State of one member, by the names that the parameters have in the module."""
        state = zip(self.names, self._by_name(parameters))
        return {name: t[member].detach().clone() for name, t in state}

    def unstacked(self):
        """Parameters of each member by their names in the module, with gradients."""
        by_member = zip(*(tensor.unbind() for tensor in self._by_name()))
        return [dict(zip(self.names, tensors)) for tensors in by_member]

    def _by_name(self, parameters=None):
        """Weights and biases of all members, in the order of their names."""
        first, *others = self.parameters if parameters is None else parameters
        tensors = [first[..., :-1], first[..., -1:], *others]
        return [
            tensor[..., 0] if name.endswith("bias") else tensor
            for name, tensor in zip(self.names, tensors)
        ]


class StackedModule:
    """Copies of any module, their parameters stacked, called through `torch.func`.

    Parameters
    ----------
    module : torch.nn.Module
        All members start as it is.
    n_folds, n_weights : int
        Numbers of folds and of weights a fold.
    """

    def __init__(self, module, n_folds, n_weights):
        check_stackable(module)
        self.n_folds, self.n_weights = n_folds, n_weights
        self.module = module
        members = (n_folds * n_weights,)
        named = dict(module.named_parameters())
        self.names = list(named)
        self.parameters = [
            tensor.detach().expand(*members, *tensor.shape).clone().requires_grad_()
            for tensor in named.values()
        ]
        self.buffers = dict(module.named_buffers())
        one_fold = torch.func.vmap(self._call, (0, None), randomness="different")
        self._vmapped = torch.func.vmap(one_fold, randomness="different")

    def _call(self, parameters, X):
        return torch.func.functional_call(
            self.module, {**dict(zip(self.names, parameters)), **self.buffers}, (X,)
        )

    def forward(self, X, folds=slice(None)):
        """Logits of all members of some folds; as :meth:`StackedPerceptron.forward`.

        Parameters
        ----------
        X : float tensor of shape (F, B, d)
            Features.
        folds : slice, default=slice(None)
            The folds whose members are asked.

        Returns
        -------
        logits : float tensor of shape (F, L, B, C)
            Logits.
        """
        shape = (self.n_folds, self.n_weights)
        parameters = [p.view(*shape, *p.shape[1:])[folds] for p in self.parameters]
        try:
            output = self._vmapped(parameters, X)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise ValueError(_cannot_stack(self.module, str(error))) from error
        logits = output[0] if isinstance(output, tuple) else output
        return logits[..., None] if logits.ndim == 3 else logits

    def state(self, member, parameters=None):
        """State of one member, by the names that the parameters have in the module."""
        tensors = self.parameters if parameters is None else parameters
        state = {n: t[member].detach().clone() for n, t in zip(self.names, tensors)}
        return state | {n: b.clone() for n, b in self.buffers.items()}

    def unstacked(self):
        """Parameters of each member by their names in the module, with gradients."""
        by_member = zip(*(tensor.unbind() for tensor in self.parameters))
        return [dict(zip(self.names, tensors)) for tensors in by_member]


def check_stackable(module):
    """Raise where a layer keeps statistics of its own batches.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    """
    for name, layer in module.named_modules():
        if getattr(layer, "track_running_stats", False):
            reason = (
                f"the layer {name!r} ({type(layer).__name__}) updates running "
                "statistics in each step; LayerNorm and GroupNorm do not, nor does "
                "track_running_stats=False"
            )
            raise ValueError(_cannot_stack(module, reason))


def _cannot_stack(module, reason):
    return (
        f"{type(module).__name__} needs layers that can be stacked (torch.func.vmap) "
        f"to train a whole path at once. {reason.rstrip('.')}. Change the layer, or "
        "search over fairness_weight by GridSearchCV and FairNetClassifier."
    )


class StackedLoss:
    """Objective of each member: mean loss plus its weight times the penalty.

    Parameters
    ----------
    penalty : torch.nn.Module
        Penalty that takes leading axes.
    weights : float tensor of shape (L,)
        Fairness weight of the members of a fold.
    n_classes, n_groups : int
        Numbers of classes and groups.
    per_sample : torch.nn.Module, default=None
        Loss of logits (rows, C) and classes (rows,) without reduction. None takes the
        cross entropy.
    class_weight : float tensor of shape (F, n_classes), default=None
        Factor of the loss of the samples of each class, in each fold.
    """

    def __init__(
        self,
        penalty,
        weights,
        n_classes,
        n_groups,
        per_sample=None,
        class_weight=None,
    ):
        self.penalty = penalty
        self.weights = weights
        self.n_classes = n_classes
        self.n_groups = n_groups
        self.per_sample = per_sample
        self.class_weight = class_weight
        #: Share of the weights that a warm-up has reached.
        self.ramp = 1.0
        self.is_penalized = n_groups > 1 and bool((weights > 0).any())

    def __call__(self, logits, y, groups, sample_weight, n_rows, folds=slice(None)):
        """Objective and penalty of each member.

        Parameters
        ----------
        logits : float tensor of shape (F, L, B, C)
            Logits.
        y, groups : int tensor of shape (F, B)
            Classes and groups.
        sample_weight : float tensor of shape (F, B) or None
            Weights.
        n_rows : int tensor of shape (F, 1) or int
            Number of rows of the batch of each fold.
        folds : slice, default=slice(None)
            The folds that these are.

        Returns
        -------
        objective, penalty : float tensor of shape (F, L)
            The penalty is None where no member has one.
        """
        y, groups = y[:, None], groups[:, None]
        weight = None if sample_weight is None else sample_weight[:, None]
        losses, probabilities = self._losses(logits, y)
        if self.class_weight is not None:
            losses = losses * self.class_weight[folds].gather(1, y[:, 0])[:, None]
        if weight is not None:
            losses = losses * weight
        objective = losses.sum(-1) / n_rows
        if not self.is_penalized:
            return objective, None
        penalty = self.penalty(probabilities, y, groups, weight, n_groups=self.n_groups)
        return objective + self.ramp * self.weights * penalty, penalty.detach()

    def _losses(self, logits, y):
        if logits.shape[-1] == 1 and self.n_classes == 2 and self.per_sample is None:
            # One logit spares the softmax of two, and gives the same numbers.
            z = logits[..., 0]
            target = y.to(z.dtype).expand(z.shape)
            losses = functional.binary_cross_entropy_with_logits(
                z, target, reduction="none"
            )
            if not self.is_penalized:
                return losses, None
            # Samples come last in memory, as they do in sums over them.
            return losses, torch.stack((-z, z), dim=-2).sigmoid().mT
        shape = logits.shape[:-1]
        rows = class_logits(logits.flatten(0, -2), math.prod(shape), self.n_classes)
        per_sample = self.per_sample or torch.nn.CrossEntropyLoss(reduction="none")
        losses = per_sample(rows, y.expand(shape).flatten()).view(shape)
        return losses, rows.softmax(-1).view(*shape, self.n_classes)


class Watch:
    """Stops each member where going on is pointless, as the monitor of one net does.

    Parameters
    ----------
    stack : StackedPerceptron or StackedModule
        The members.
    tol : float
        Least improvement of the loss that counts.
    patience : int or float
        Epochs without improvement before a member stops.
    restore : bool
        Whether a member ends with its best state rather than the last one.
    warmup : int, default=0
        First epochs, whose objective is another one and not compared.
    """

    def __init__(self, stack, *, tol, patience, restore, warmup=0):
        self.stack, self.tol, self.patience = stack, tol, patience
        self.restore, self.warmup = restore, warmup
        n_members = stack.n_folds * stack.n_weights
        self._best = np.full(n_members, np.inf)
        self._mark = np.full(n_members, np.inf)
        self._has_best = np.zeros(n_members, dtype=bool)
        self._stale = np.zeros(n_members, dtype=int)
        self._kept = [p.detach().clone() for p in stack.parameters]
        self.members = [None] * n_members
        self.rows = [[] for _ in range(n_members)]

    @property
    def active(self):
        """Members that still train."""
        return [k for k, member in enumerate(self.members) if member is None]

    def end_epoch(self, epoch, rows, watched):
        """Take note of an epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 1.
        rows : list of dict of length K
            What to record of each member.
        watched : ndarray of shape (K,)
            Loss that decides.
        """
        active = np.zeros(len(rows), dtype=bool)
        active[self.active] = True
        finite = self._finite() & np.array([np.isfinite(r["train_loss"]) for r in rows])
        compared = epoch > self.warmup
        watched = watched if compared else np.full(len(rows), np.inf)
        better = active & finite & ((watched < self._best) | ~self._has_best)
        better |= active & finite & (not compared)
        self._best[better] = watched[better]
        self._has_best |= better
        self._keep(better)
        improved = watched < self._mark - self.tol
        self._stale = np.where(improved | (not compared), 0, self._stale + 1)
        self._mark = np.fmin(self._mark, watched)
        for k in np.flatnonzero(active):
            self.rows[k].append(rows[k])
            if not finite[k]:
                self._finish(k, diverged_epoch=epoch)
            elif self._stale[k] >= self.patience:
                self._finish(k)

    def end(self):
        """All members, in order; those that still train end here."""
        for k in self.active:
            self._finish(k)
        return self.members

    def _finish(self, k, diverged_epoch=None):
        best = self.restore or diverged_epoch is not None
        state = self.stack.state(k, self._kept if best and self._has_best[k] else None)
        self.members[k] = Member(state, self.rows[k], diverged_epoch)

    def _finite(self):
        finite = [
            p.detach().flatten(1).isfinite().all(1) for p in self.stack.parameters
        ]
        return torch.stack(finite).all(0).cpu().numpy()

    def _keep(self, better):
        if better.all():
            for kept, current in zip(self._kept, self.stack.parameters):
                kept.copy_(current.detach())
        elif better.any():
            index = torch.from_numpy(np.flatnonzero(better))
            for kept, current in zip(self._kept, self.stack.parameters):
                index = index.to(kept.device)
                kept[index] = current.detach()[index]


def train(
    stack,
    folds,
    loss,
    optimizer,
    watch,
    *,
    max_iter,
    cosine,
    warmup=0,
    terms=None,
    log=None,
):
    """Train all members.

    Parameters
    ----------
    stack : StackedPerceptron or StackedModule
        The members.
    folds : list of Fold
        Their data. All have the same number of batches.
    loss : StackedLoss
        The objective.
    optimizer : torch.optim.Optimizer
        One that works element by element, on the parameters of the stack.
    watch : Watch
        What stops them.
    max_iter : int
        Number of epochs.
    cosine : bool
        Whether the learning rate falls to 0 along half a cosine.
    warmup : int, default=0
        Epochs in which the weights grow to their values.
    terms : StackedTerms, default=None
        What is added to the loss of a training batch.
    log : callable, default=None
        Told the number of the epoch, the members that train and their mean loss.

    Returns
    -------
    members : list of Member
        The trained networks.
    """
    if isinstance(loss.penalty, Penalty):
        loss.penalty.plan(len(folds[0].batches))
    rate = optimizer.param_groups[0]["lr"]
    for epoch in range(max_iter):
        if cosine:
            factor = (1 + math.cos(math.pi * epoch / max_iter)) / 2
            optimizer.param_groups[0]["lr"] = rate * factor
        loss.ramp = warmup_share(epoch + 1, warmup)
        rows = _epoch(stack, folds, loss, optimizer, terms)
        if folds[0].valid is not None:
            for row, value in zip(rows, _validate(stack, folds, loss)):
                row["valid_loss"] = value
        key = "train_loss" if folds[0].valid is None else "valid_loss"
        watched = np.array([row[key] for row in rows])
        watch.end_epoch(epoch + 1, rows, watched)
        if log is not None:
            log(epoch + 1, len(watch.active), watched.mean())
        if not watch.active:
            break
    return watch.end()


def _epoch(stack, folds, loss, optimizer, terms=None):
    """One pass over the batches; mean objective and penalty of each member."""
    _set_mode(stack, loss, training=True)
    totals, penalties, n_batches = 0.0, 0.0, 0
    for batches in zip(*(fold.batches for fold in folds), strict=True):
        total, penalty = _step(stack, batches, loss, optimizer, terms)
        # No `.item()` here: a GPU is waited for once an epoch.
        totals = totals + total
        if penalty is not None:
            penalties = penalties + penalty
        n_batches += 1
    n_samples = totals.new_tensor([[fold.n_samples] for fold in folds])
    means = (totals / n_samples).flatten().tolist()
    rows = [{"train_loss": mean, "train_batch_count": n_batches} for mean in means]
    if loss.is_penalized:
        for row, value in zip(rows, (penalties / n_batches).flatten().tolist()):
            row["penalty"] = value
    return rows


def _step(stack, batches, loss, optimizer, terms=None):
    """One step of all members; sum of the objective over the rows, and penalty."""
    X, y, groups, weight, n_rows = _stack_batches(batches)
    logits = stack.forward(X)
    objective, penalty = loss(logits, y, groups, weight, n_rows)
    if terms is not None:
        objective = objective + terms(stack, logits, batches, loss.ramp)
    for parameter in stack.parameters:  # at a tenth of the time of zero_grad
        parameter.grad = None
    objective.sum().backward()
    optimizer.step()
    return objective.detach() * n_rows, penalty


def _validate(stack, folds, loss):
    """Objective of each member on the validation samples of its fold."""
    _set_mode(stack, loss, training=False)
    values = []
    with torch.no_grad():
        for f, fold in enumerate(folds):
            X, y, groups, weight = _tensors(fold.valid[:])
            one = slice(f, f + 1)
            logits = stack.forward(X[None], one)
            weight = None if weight is None else weight[None]
            objective, _ = loss(logits, y[None], groups[None], weight, len(X), one)
            values.append(objective[0])
    return torch.cat(values).tolist()


def _set_mode(stack, loss, training):
    loss.penalty.train(training)
    if hasattr(stack, "module"):
        stack.module.train(training)


def _stack_batches(batches):
    """One batch of all folds, the shorter ones padded by rows of weight 0."""
    if len(batches) == 1:
        X, y, groups, weight = _tensors(batches[0])
        weight = None if weight is None else weight[None]
        return X[None], y[None], groups[None], weight, len(X)
    sizes = [len(y) for _, y in batches]
    largest = max(sizes)
    padded = min(sizes) < largest
    columns = []
    for batch in batches:
        X, y, groups, weight = _tensors(batch)
        if padded and weight is None:
            weight = X.new_ones(len(X))
        columns.append([_pad(t, largest) for t in (X, y, groups, weight)])
    X, y, groups, weight = (
        None if column[0] is None else torch.stack(column) for column in zip(*columns)
    )
    if not padded:
        return X, y, groups, weight, largest
    n_rows = torch.stack([X.new_full((1,), size) for size in sizes])
    return X, y, groups, weight, n_rows


def _tensors(batch):
    samples, y = batch
    return samples["X"], y, samples["groups"], samples["sample_weight"]


def _pad(tensor, n_rows):
    if tensor is None or len(tensor) == n_rows:
        return tensor
    missing = n_rows - len(tensor)
    return torch.cat((tensor, tensor.new_zeros((missing, *tensor.shape[1:]))))
