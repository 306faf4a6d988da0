"""What networks say of a training that went wrong."""

import warnings

import torch

from fairsk.definitions import UndefinedRateWarning
from fairsk.inprocessing._device import PREDICT_ROWS
from fairsk.penalties import Penalty, get_penalty

# Share of batches that may lack a rate before the user hears of it.
_MAX_UNDEFINED = 0.5

# Scores that spread less say nothing of anyone, unless too few steps were made to learn
# anything. A class with this share of the samples may be all that is predicted.
_LEAST_SPREAD = 0.01
_LEAST_STEPS = 50
_MAX_MAJORITY = 0.9


class CollapseWarning(UserWarning):
    """A network met its penalty by telling nobody apart."""


class TrainingReportsMixin:
    """Warnings of rates, losses and predictions that are no good."""

    def _warn_undefined(self, dataset):
        """Warn of rates that a group cannot define, as it lacks a class."""
        if len(self.group_labels_) < 2:
            return
        strata = dataset.count_strata(len(self.group_labels_), self._n_classes or 1)
        present = strata.any(axis=1)
        labels = [g for g, here in zip(self.group_labels_, present) if here]
        penalty = get_penalty(self.fairness, self.disparity)
        if isinstance(penalty, Penalty):  # a plain module cannot tell
            penalty.bind(labels).warn_undefined(strata[present], labels)

    def _report(self, net, n_before, batch_size):
        """Warn of what went wrong in the epochs of this call."""
        rows = [row for row in net.history[n_before:] if "train_loss" in row]
        epoch = dict(net.callbacks_)["monitor"].diverged_epoch_
        if epoch is not None:
            self._report_divergence(epoch, is_first=n_before + len(rows) == 1)
        n_batches = sum(row["train_batch_count"] for row in rows)
        lacking = [row for row in rows if row["undefined_batches"]]
        n_undefined = sum(row["undefined_batches"] for row in lacking)
        if self._compares_groups and n_undefined > _MAX_UNDEFINED * n_batches:
            counts = zip(self.group_labels_, net.n_lacking_)
            warnings.warn(
                f"{type(self).__name__} could compare all groups in only "
                f"{n_batches - n_undefined} of {n_batches} batches. The others, first "
                f"in epoch {lacking[0]['epoch']}, had no sample of the group(s) "
                f"{[label for label, n in counts if n]}, or none of a class of theirs. "
                f"Raise batch_size (now {batch_size}).",
                UndefinedRateWarning,
                stacklevel=5,
            )

    @property
    def _compares_groups(self):
        """Whether training asks how groups differ."""
        return bool(self.fairness_weight)

    def _warn_collapse(self, dataset, stacklevel, owner=None):
        """Warn of a penalty that is met by predictions which tell nobody apart."""
        penalised = self.fairness_weight and len(self.group_labels_) != 1
        n_steps = sum(row.get("train_batch_count", 0) for row in self.net_.history)
        if not penalised or n_steps < _LEAST_STEPS:
            return
        rows = slice(PREDICT_ROWS)
        self.net_._set_training(False)
        with torch.inference_mode():
            outputs = self._link(self._respond(dataset.X[rows]))
        reason = self._collapse(outputs, dataset.y[rows])
        if reason:
            warnings.warn(
                f"{owner or type(self).__name__} {reason}: the penalty is met by "
                f"telling nobody apart. {self._milder}, or choose it by a score that "
                f"a constant cannot win, such as {self._fair_score}.",
                CollapseWarning,
                stacklevel=stacklevel + 1,
            )

    def _respond(self, X):
        """Output of the module, as it would predict."""
        return self.net_.module_(X)

    @property
    def _milder(self):
        """How to ask for less fairness."""
        return (
            f"Lower fairness_weight (now {self.fairness_weight:g}), raise it over some "
            "epochs by fairness_warmup"
        )

    def _report_divergence(self, epoch, is_first):
        advice = "Lower learning_rate_init, or scale the features."
        if "fairness_weight" in self.get_params(deep=False):
            advice = (
                "Lower learning_rate_init, scale the features, or lower "
                "fairness_weight."
            )
        if is_first:
            raise ValueError(
                f"{type(self).__name__} needs a finite loss. It was not finite in the "
                f"first epoch. {advice}"
            )
        warnings.warn(
            f"The loss of {type(self).__name__} was not finite in epoch {epoch}. "
            f"Training stopped with the best state before. {advice}",
            UserWarning,
            stacklevel=6,
        )


def collapse_of_classes(probabilities, y, classes):
    """What is wrong with probabilities that say nothing.

    Parameters
    ----------
    probabilities : float tensor of shape (n_samples, n_classes)
        Predictions.
    y : int tensor of shape (n_samples,)
        Index of the true class of each sample.
    classes : list of length n_classes
        Class labels.

    Returns
    -------
    reason : str or None
        None where nothing is wrong.
    """
    if probabilities.std(dim=0).max() < _LEAST_SPREAD:
        return "gives everyone the same scores"
    predicted = probabilities.argmax(dim=1)
    largest_share = (torch.bincount(y) / len(y)).max()
    if (predicted == predicted[0]).all() and largest_share < _MAX_MAJORITY:
        return f"predicts the class {classes[predicted[0]]!r} for everyone"
    return None


def collapse_of_values(values, y):
    """What is wrong with predictions that do not vary, while the target does.

    Parameters
    ----------
    values, y : float tensor of shape (n_samples,)
        Predictions and target, standardised.

    Returns
    -------
    reason : str or None
        None where nothing is wrong.
    """
    if y.std() > _LEAST_SPREAD > values.std():
        return "predicts the same for everyone"
    return None
