"""Callbacks for games, whose loss does not say which epoch is the best."""

import math

import torch

from fairsk.inprocessing._net import Monitor, _copy_state, _is_finite

# Rows of one forward pass of a judgement.
_ROWS = 4096


class LastEpoch(Monitor):
    """Ends with the last state, or with that of the epoch before the loss broke."""

    def on_epoch_end(self, net, **kwargs):
        """Keep the state, or stop."""
        row = net.history[-1]
        if math.isfinite(row["train_loss"]) and _is_finite(net.module_):
            self.best_state_ = _copy_state(net.module_)
            _record(net, net.criterion_.report())
            return
        self.diverged_epoch_ = row["epoch"]
        net.stop_training_ = True


class BestEpoch(Monitor):
    """Ends with the state that the criterion judges best on all samples.

    The criterion has `sums` (of a batch), `judge` (named readings, from the sums over
    all batches) and `verdict`, the names of the readings that decide, the first one
    first; smaller is better. The readings go into the history.
    """

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Forget former fits."""
        super().on_train_begin(net, X, y, **kwargs)
        self.readings_ = None

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        """Judge the epoch and keep its state if it is the best, or stop."""
        row = net.history[-1]
        if not (math.isfinite(row["train_loss"]) and _is_finite(net.module_)):
            self.diverged_epoch_ = row["epoch"]
            net.stop_training_ = True
            return
        readings = _record(net, _judge(net, dataset_valid or dataset_train))
        names = net.criterion_.verdict
        rank = [readings[name] for name in names]
        if self.readings_ is None or rank < [self.readings_[name] for name in names]:
            self.readings_ = readings | {"epoch": row["epoch"]}
            self.best_state_ = _copy_state(net.module_)

    def on_train_end(self, net, X=None, y=None, **kwargs):
        """Go back to the best state."""
        if self.best_state_ is not None:
            net.module_.load_state_dict(self.best_state_)
        self.best_state_ = None


def _judge(net, dataset):
    """Readings of the criterion on a data set."""
    criterion, total = net.criterion_, 0
    net._set_training(False)
    with torch.inference_mode():
        for start in range(0, len(dataset), _ROWS):
            X, y = dataset[start : start + _ROWS]
            output = net.module_(X["X"])
            total = total + criterion.sums(output, y, X["groups"], X["sample_weight"])
        return criterion.judge(total)


def _record(net, readings):
    """Put readings into the history, from the device in one go."""
    if not readings:
        return {}
    values = torch.stack(list(readings.values())).tolist()
    for name, value in zip(readings, values):
        net.history.record(name, value)
    return dict(zip(readings, values))
