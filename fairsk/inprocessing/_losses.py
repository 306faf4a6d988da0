"""Losses of samples, and the forms that outputs of a module may have."""

import torch
from torch.nn import functional


class SampleLoss(torch.nn.Module):
    """Base class of criteria: what outputs mean, and the loss of each sample.

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

    def __init__(
        self, n_classes, n_groups, criterion=torch.nn.CrossEntropyLoss, **kwargs
    ):
        super().__init__()
        self.penalty = self.last_penalty = None
        #: Factor of the loss of the samples of each class, (n_classes,) or None.
        self.class_weight = None
        self.n_classes = n_classes
        self.n_groups = n_groups
        self.per_sample = criterion(reduction="none", **kwargs)

    def outputs(self, y_pred, n_samples):
        """Logits of each class, or predictions, from what a module returned."""
        if self.n_classes is None:
            return target_values(y_pred, n_samples)
        return class_logits(y_pred, n_samples, self.n_classes)

    def weigh(self, losses, y_true, sample_weight=None):
        """Losses of the samples times the factors of their classes and their own."""
        if self.class_weight is not None:
            losses = losses * self.class_weight[y_true]
        return losses if sample_weight is None else losses * sample_weight

    def undefined(self, strata):
        """Whether a group lacks the samples that it is compared by.

        Parameters
        ----------
        strata : int ndarray of shape (..., n_groups, n_classes)
            Number of samples of each group and true class.

        Returns
        -------
        undefined : bool ndarray of shape (..., n_rates, n_groups) or None
            None where nothing is known of it.
        """
        undefined = getattr(self.penalty, "undefined", None)
        return None if undefined is None else undefined(strata)

    def data_loss(self, y_pred, y_true, groups, sample_weight=None):
        """Loss of the samples alone, without a term of fairness."""
        losses = self.per_sample(self.outputs(y_pred, len(y_true)), y_true)
        return self.weigh(losses, y_true, sample_weight).mean()

    def scores(self, y_pred, n_samples):
        """Class probabilities, or predictions as a column."""
        outputs = self.outputs(y_pred, n_samples)
        return outputs[:, None] if self.n_classes is None else outputs.softmax(dim=1)

    def margins(self, y_pred, n_samples):
        """Logit of class 1, or of each class against their mean, or predictions."""
        outputs = self.outputs(y_pred, n_samples)
        if self.n_classes is None:
            return outputs[:, None]
        if self.n_classes == 2:
            return outputs[:, 1:] - outputs[:, :1]
        return outputs - outputs.mean(dim=1, keepdim=True)


class PenalizedLoss(SampleLoss):
    r"""Mean loss of the samples plus a weighted fairness penalty.

    .. math:: \frac{1}{n} \sum_i w_i \,\ell(z_i, y_i)
        + \lambda \, \mathrm{penalty}(s(z), y, a, w)

    where the weights w have mean 1 over the training data, and s is the softmax for
    classes and the identity for regression.

    Parameters
    ----------
    penalty : torch.nn.Module
        Maps class probabilities (or predictions), targets, groups and weights to a
        number.
    n_classes : int or None
        Number of classes; None for regression.
    n_groups : int
        Number of groups; 0 for a continuous attribute. A single group is not penalised.
    fairness_weight : float, default=1.0
        The weight :math:`\lambda` of the penalty.
    criterion : class, default=torch.nn.CrossEntropyLoss
        Loss, as :class:`SampleLoss` takes it.
    **kwargs : dict
        Further arguments of `criterion`.
    """

    def __init__(
        self,
        penalty,
        n_classes,
        n_groups,
        fairness_weight=1.0,
        criterion=torch.nn.CrossEntropyLoss,
        **kwargs,
    ):
        super().__init__(n_classes, n_groups, criterion, **kwargs)
        #: Share of the fairness weight that a warm-up has reached.
        self.ramp = 1.0
        self.penalty = penalty
        self.fairness_weight = fairness_weight

    def forward(self, y_pred, y_true, groups, sample_weight=None):
        """Loss of a batch; the penalty alone stays in `last_penalty`."""
        loss = self.data_loss(y_pred, y_true, groups, sample_weight)
        self.last_penalty = None
        if self.fairness_weight and self.n_groups != 1:
            penalty = self.penalty(
                self.scores(y_pred, len(y_true)),
                y_true,
                groups,
                sample_weight,
                n_groups=self.n_groups,
            )
            self.last_penalty = penalty.detach()
            loss = loss + self.current_weight * penalty
        return loss

    @property
    def current_weight(self):
        """Weight of the penalty in the current epoch."""
        return self.ramp * self.fairness_weight


def class_logits(y_pred, n_samples, n_classes):
    """One logit for each class, from whatever form of logits a module returns.

    Parameters
    ----------
    y_pred : float tensor of shape (n_samples,), (n_samples, 1) or (n_samples, \
            n_classes), or tuple whose first element is one
        Output of the module. One column is the logit of class 1 of binary labels.
    n_samples, n_classes : int
        Numbers of samples and classes.

    Returns
    -------
    logits : float tensor of shape (n_samples, n_classes)
        Logits, such that their softmax is the class probabilities.
    """
    logits = y_pred[0] if isinstance(y_pred, tuple) else y_pred
    shape = tuple(logits.shape)
    if shape == (n_samples, n_classes):
        return logits
    if n_classes == 2 and shape in ((n_samples,), (n_samples, 1)):
        return functional.pad(logits.reshape(n_samples, 1), (1, 0))
    allowed = f"({n_samples}, {n_classes})"
    if n_classes == 2:
        allowed = f"({n_samples},), ({n_samples}, 1) or {allowed}"
    raise ValueError(
        f"`module` must return logits of shape {allowed} for {n_samples} samples of "
        f"{n_classes} classes. Got shape {shape}. Set the width of its last layer (a "
        "parameter named `n_classes` is filled in from the data)."
    )


def binary_logit(y_pred, n_samples):
    """The one logit that says all of two classes, where a module returns one.

    Parameters
    ----------
    y_pred : float tensor, or tuple whose first element is one
        Output of the module.
    n_samples : int
        Number of samples.

    Returns
    -------
    logit : float tensor of shape (n_samples,) or None
        Logit of class 1. None where there is another number of columns.
    """
    logits = y_pred[0] if isinstance(y_pred, tuple) else y_pred
    if logits.shape in ((n_samples, 1), (n_samples,)):
        return logits.view(n_samples)
    return None


def is_cross_entropy(per_sample):
    """Whether a loss is the plain cross entropy, of which a logit may be spared.

    Parameters
    ----------
    per_sample : torch.nn.Module
        The loss.

    Returns
    -------
    plain : bool
        False for one with weights or smoothed labels.
    """
    return (
        type(per_sample) is torch.nn.CrossEntropyLoss
        and per_sample.weight is None
        and per_sample.label_smoothing == 0
    )


def class_probabilities(y_pred):
    """Class probabilities by the logits that a module returned.

    Parameters
    ----------
    y_pred : float tensor of shape (n_samples,), (n_samples, 1) or (n_samples, \
            n_classes), or tuple whose first element is one
        Output of the module.

    Returns
    -------
    y_score : float64 tensor of shape (n_samples, n_classes)
        Rows sum to 1, which in float32 they would only up to 1e-7.
    """
    logits = y_pred[0] if isinstance(y_pred, tuple) else y_pred
    logits = logits.double().reshape(len(logits), -1)
    if logits.shape[1] > 2:
        return logits.softmax(dim=1)
    # The softmax of two columns, at a tenth of its time.
    positive = (logits[:, -1] - (logits[:, 0] if logits.shape[1] == 2 else 0)).sigmoid()
    return torch.stack((1 - positive, positive), dim=1)


def target_values(y_pred, n_samples=None):
    """One predicted value for each sample, from whatever form a module returns.

    Parameters
    ----------
    y_pred : float tensor of shape (n_samples,) or (n_samples, 1), or tuple whose \
            first element is one
        Output of the module.
    n_samples : int, default=None
        Number of samples to expect; None takes any.

    Returns
    -------
    values : float tensor of shape (n_samples,)
        Predictions.
    """
    values = y_pred[0] if isinstance(y_pred, tuple) else y_pred
    shape = tuple(values.shape)
    n_samples = shape[0] if n_samples is None else n_samples
    if shape not in ((n_samples,), (n_samples, 1)):
        raise ValueError(
            f"`module` must return predictions of shape ({n_samples},) or "
            f"({n_samples}, 1) for {n_samples} samples. Got shape {shape}. Set the "
            "width of its last layer to 1."
        )
    return values.reshape(n_samples)


def predicted_values(y_pred):
    """Predictions by what a module returned, in double precision.

    Parameters
    ----------
    y_pred : float tensor of shape (n_samples,) or (n_samples, 1), or tuple whose \
            first element is one
        Output of the module.

    Returns
    -------
    values : float64 tensor of shape (n_samples,)
        In float32 a large mean of the target would swallow their digits.
    """
    return target_values(y_pred).double()
