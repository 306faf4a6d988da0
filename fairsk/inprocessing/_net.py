"""The skorch net that all estimators share: batches, monitoring, callbacks."""

import copy
import math

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback

from fairsk.inprocessing._batches import Batches, GroupedDataset, StratifiedBatches
from fairsk.inprocessing._losses import PenalizedLoss, class_probabilities
from fairsk.penalties import Penalty


class FairNet(NeuralNet):
    """Net of skorch on samples that carry their group and weight.

    The differences to :class:`skorch.NeuralNet`: batches are slices of tensors, the
    loss is read once an epoch, so that a GPU never waits, the history has the mean
    `penalty` of an epoch, and training stops at a loss that is not finite.

    Parameters
    ----------
    module : class or instance of torch.nn.Module
        The network; an instance is copied.
    criterion : class, default=PenalizedLoss
        Loss of ``(y_pred, y_true, groups, sample_weight)``.
    module_dtype : torch.dtype, default=torch.float32
        Floating dtype of the network.
    loss_terms : list of LossTerm, default=()
        What is added to the loss of a training batch.
    **kwargs : dict
        Parameters of :class:`skorch.NeuralNet`.
    """

    def __init__(
        self,
        module,
        criterion=PenalizedLoss,
        *,
        module_dtype=torch.float32,
        loss_terms=(),
        iterator_train=StratifiedBatches,
        iterator_valid=Batches,
        dataset=GroupedDataset,
        train_split=None,
        predict_nonlinearity=class_probabilities,
        **kwargs,
    ):
        self.module_dtype = module_dtype
        self.loss_terms = loss_terms
        super().__init__(
            module,
            criterion,
            iterator_train=iterator_train,
            iterator_valid=iterator_valid,
            dataset=dataset,
            train_split=train_split,
            predict_nonlinearity=predict_nonlinearity,
            **kwargs,
        )

    def initialize_module(self):
        """Make the module; an instance is copied, so that fits start alike."""
        super().initialize_module()
        if self.module_ is self.module:
            self.module_ = copy.deepcopy(self.module)
        self.module_ = self.module_.to(self.module_dtype)
        return self

    def get_split_datasets(self, X, y=None, **fit_params):
        """Training and validation data; a pair of data sets is taken as it is."""
        if isinstance(X, tuple):
            return X
        return super().get_split_datasets(X, y, **fit_params)

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train for a number of epochs, or until a callback sets `stop_training_`."""
        self.check_data(X, y)
        self.check_training_readiness()
        train, valid = self.get_split_datasets(X, y)
        iterators = (
            self.get_iterator(train, training=True),
            None if valid is None else self.get_iterator(valid, training=False),
        )
        if isinstance(self.criterion_.penalty, Penalty):
            self.criterion_.penalty.plan(len(iterators[0]))
        on_epoch = {"dataset_train": train, "dataset_valid": valid}
        self.stop_training_ = False
        #: In how many batches of this call each group lacked what is compared.
        self.n_lacking_ = 0
        for _ in range(self.max_epochs if epochs is None else epochs):
            self.notify("on_epoch_begin", **on_epoch)
            self.run_single_epoch(iterators[0], True, "train", self.train_step)
            self.run_single_epoch(iterators[1], False, "valid", self.validation_step)
            lacking = self.lacking(iterators[0])
            self.n_lacking_ = self.n_lacking_ + lacking.sum(axis=0)
            self.history.record("undefined_batches", int(lacking.any(axis=1).sum()))
            self.notify("on_epoch_end", **on_epoch)
            if self.stop_training_:
                break
        return self

    def lacking(self, iterator):
        """Groups that batches lack, or some of their classes, though the data do not.

        Parameters
        ----------
        iterator : StratifiedBatches
            Batches of an epoch.

        Returns
        -------
        lacking : bool ndarray of shape (n_batches, n_groups)
            Whether a batch cannot define what a group is compared by.
        """
        criterion = self.criterion_
        none = np.zeros((len(iterator), max(criterion.n_groups, 1)), dtype=bool)
        if criterion.n_groups < 2 or not hasattr(iterator, "strata_counts"):
            return none
        strata = iterator.strata_counts(criterion.n_groups, criterion.n_classes or 1)
        undefined = criterion.undefined(strata)
        if undefined is None:
            return none
        # What all of the data cannot define is said elsewhere, and not avoidable.
        return (undefined & ~criterion.undefined(strata.sum(axis=0))).any(axis=1)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One pass over the batches; their losses are recorded at the end."""
        if iterator is None:
            return
        losses, penalties = [], []
        self._set_training(training)
        try:
            for batch in iterator:
                self.notify("on_batch_begin", batch=batch, training=training)
                step = step_fn(batch, **fit_params)
                self.history.record_batch(f"{prefix}_batch_size", len(batch[1]))
                losses.append(step["loss"].detach())
                if self.criterion_.last_penalty is not None:
                    penalties.append(self.criterion_.last_penalty)
                self.notify("on_batch_end", batch=batch, training=training, **step)
        finally:  # also where Ctrl-C cuts the epoch short
            self._record_losses(prefix, losses)
        self.history.record(f"{prefix}_batch_count", len(losses))
        if training and penalties:
            self.history.record("penalty", torch.stack(penalties).mean().item())

    def _record_losses(self, prefix, losses):
        if not losses:
            return
        batches = [
            batch for batch in self.history[-1]["batches"]
            if f"{prefix}_batch_size" in batch
        ]  # fmt: skip
        for batch, loss in zip(batches, torch.stack(losses).tolist()):
            batch[f"{prefix}_loss"] = loss

    def _set_training(self, training=True):
        # Walking through all submodules for every batch costs more than it should.
        if self.module_.training != training:
            super()._set_training(training)

    def notify(self, method_name, **cb_kwargs):
        """Call a hook of the net, and of the callbacks that have one of their own.

        Three hooks a batch, of all callbacks, cost as much as the loss does.
        """
        getattr(self, method_name)(self, **cb_kwargs)
        for _, callback in self.callbacks_:
            hook = getattr(callback, method_name)
            idle = getattr(Callback, method_name, None)
            if getattr(hook, "__func__", hook) is not idle:
                hook(self, **cb_kwargs)

    def infer(self, x, **fit_params):
        """Output of the module for a batch."""
        return self.module_(x["X"], **fit_params)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Loss of a batch, with the penalty and, in training, the loss terms."""
        loss = self.criterion_(y_pred, y_true, X["groups"], X["sample_weight"])
        if training and self.loss_terms:
            loss = loss + self.added_loss(y_pred, y_true, X)
        return loss

    def added_loss(self, y_pred, y_true, X):
        """Sum of the loss terms of a training batch, which the criterion has seen."""

        def respond(features):
            return self.respond_again(features, y_pred)

        terms = (
            term(respond, self.criterion_, X, y_true, y_pred)
            for term in self.loss_terms
        )
        return sum(terms)

    def respond_again(self, X, y_pred):
        """Output of the module for features that are not those of the data.

        Statistics that a layer keeps of its inputs, as batch norm does, are of the
        data alone: they change in copies, which are thrown away.
        """
        buffers = {name: b.clone() for name, b in self.module_.named_buffers()}
        if not buffers:
            return self.module_(X)
        return torch.func.functional_call(self.module_, buffers, (X,))

    def predict(self, X):
        """Index of the most probable class, or value, for callbacks of skorch."""
        outputs = self.predict_proba(X)
        return outputs if outputs.ndim == 1 else outputs.argmax(axis=1)


class Monitor(Callback):
    """Keeps the best state of a net and stops where going on is pointless.

    Parameters
    ----------
    key : {"train_loss", "valid_loss"}, default="train_loss"
        What is watched.
    tol : float, default=1e-4
        Least improvement that counts.
    patience : int or float, default=10
        Epochs without improvement before the net stops.
    restore : bool, default=False
        Whether training ends with the best state rather than the last one. A loss that
        is not finite always does.
    warmup : int, default=0
        First epochs, whose objective is another one and not compared.
    """

    def __init__(
        self, key="train_loss", tol=1e-4, patience=10, restore=False, warmup=0
    ):
        self.key = key
        self.tol = tol
        self.patience = patience
        self.restore = restore
        self.warmup = warmup

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Forget former fits; what a fit goes on from is the first state to keep."""
        self.best_loss_ = self._mark = math.inf
        self.best_state_ = _copy_state(net.module_) if len(net.history) else None
        self.diverged_epoch_ = None
        self._n_stale = 0

    def on_epoch_end(self, net, **kwargs):
        """Keep the state if it is the best, and decide whether to stop."""
        row = net.history[-1]
        if not (math.isfinite(row["train_loss"]) and _is_finite(net.module_)):
            self.diverged_epoch_ = row["epoch"]
            net.stop_training_ = True
            return
        if row["epoch"] <= self.warmup:
            self.best_state_ = _copy_state(net.module_)
            return
        loss = row[self.key]
        if loss < self.best_loss_ or self.best_state_ is None:
            self.best_loss_ = loss
            self.best_state_ = _copy_state(net.module_)
        self._n_stale = 0 if loss < self._mark - self.tol else self._n_stale + 1
        self._mark = min(self._mark, loss)
        net.stop_training_ |= self._n_stale >= self.patience

    def on_train_end(self, net, X=None, y=None, **kwargs):
        """Go back to the best state where asked to, or where the last one is broken."""
        broken = self.diverged_epoch_ is not None
        if self.best_state_ is not None and (self.restore or broken):
            net.module_.load_state_dict(self.best_state_)
        self.best_state_ = None


class Warmup(Callback):
    """Raises the weight of the penalty in equal steps, from 0 to its value.

    Parameters
    ----------
    n_epochs : int
        Number of epochs that it takes, counted from the cold start.
    """

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, **kwargs):
        """Set the share of the weight."""
        net.criterion_.ramp = warmup_share(len(net.history), self.n_epochs)


def warmup_share(epoch, n_epochs):
    """Share of the fairness weight in an epoch.

    Parameters
    ----------
    epoch : int
        Number of the epoch, from 1.
    n_epochs : int
        Epochs of the warm-up; the first one after it has the whole weight.

    Returns
    -------
    share : float
        In [0, 1].
    """
    return 1.0 if epoch > n_epochs else (epoch - 1) / n_epochs


class CosineDecay(Callback):
    r"""Lowers the learning rate along half a cosine, from its initial value to 0.

    Epoch t of T has the factor :math:`(1 + \cos(\pi t / T)) / 2`.

    Parameters
    ----------
    n_epochs : int
        Number of epochs T of a fit.
    """

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Remember where to start."""
        self._epoch = 0
        self._initial = [group["lr"] for group in net.optimizer_.param_groups]

    def on_epoch_begin(self, net, **kwargs):
        """Set the learning rate of the epoch."""
        factor = (1 + math.cos(math.pi * self._epoch / self.n_epochs)) / 2
        self._epoch += 1
        for group, initial in zip(net.optimizer_.param_groups, self._initial):
            group["lr"] = initial * factor

    def on_train_end(self, net, X=None, y=None, **kwargs):
        """Put the initial rate back, for a fit that goes on."""
        for group, initial in zip(net.optimizer_.param_groups, self._initial):
            group["lr"] = initial


def _is_finite(module):
    state = [p for p in module.state_dict().values() if p.is_floating_point()]
    return not state or bool(torch.stack([p.isfinite().all() for p in state]).all())


def _copy_state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}
