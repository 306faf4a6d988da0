"""From labels, predictions and sensitive features to codes and group counts."""

import sys
from dataclasses import dataclass

import numpy as np

from fairsk.definitions import group_counts
from fairsk.groups import Groups
from fairsk.utils._columns import as_array, as_column, factorize_column
from fairsk.utils._factorize import factorize, factorize_tensor, is_missing, small_codes
from fairsk.utils._namespace import is_torch

# Sets of labels whose positive class is 1 without being told.
_SELF_EVIDENT = ([0, 1], [-1, 1])


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The true class, the predicted class and the group of every sample, coded.

    Parameters
    ----------
    y_true, y_pred : int array or tensor of shape (n_samples,)
        Position in `classes` of each sample's true and predicted class.
    classes : list of length n_classes
        Class labels, sorted where possible.
    groups : Groups
        Group of each sample. Its codes are a tensor where the outcomes are tensors.
    sample_weight : array or tensor of shape (n_samples,) or None
        Weights.
    """

    y_true: np.ndarray
    y_pred: np.ndarray
    classes: list
    groups: Groups
    sample_weight: np.ndarray | None = None

    @property
    def device(self):
        """Device of the codes; None for ndarrays."""
        return _device_of(self.y_true)

    def counts(self):
        """Group counts of shape (n_groups, n_classes, n_classes)."""
        return group_counts(
            self.groups.codes,
            self.y_true,
            self.y_pred,
            n_groups=self.groups.n_groups,
            n_classes=len(self.classes),
            sample_weight=self.sample_weight,
        )


def code_outcomes(
    y_true,
    y_pred,
    *,
    sensitive_features,
    sample_weight=None,
    pos_label=None,
    labels=None,
    owner="metric",
):
    """Validate and code what a metric of hard predictions is given.

    Parameters
    ----------
    y_true, y_pred : array-like, Series or tensor of shape (n_samples,)
        True and predicted class labels. Tensors are coded on their device.
    sensitive_features : Groups, array-like, Series, DataFrame, dict or tensor
        Sensitive features, one or several columns of length n_samples.
    sample_weight : array-like or tensor of shape (n_samples,), default=None
        Non-negative weights.
    pos_label : object, default=None
        The positive class, where the caller has one. It may be missing from the data
        if at most one other class is there.
    labels : array-like, default=None
        Classes that there are, whether or not a sample has them. Those that occur are
        added, and labels within {0, 1} or within {-1, 1} are completed to the pair.
    owner : str, default="metric"
        Who asks, for the error messages.

    Returns
    -------
    outcomes : Outcomes
        Codes on the device of the tensors, if any of `y_true`, `y_pred` is one.
    """
    device = _device_of(y_true, y_pred)
    columns = {"y_true": y_true, "y_pred": y_pred}
    coded = [_code_labels(v, name, device, owner) for name, v in columns.items()]
    classes, (true_codes, pred_codes) = _join_classes(coded, pos_label, labels, owner)
    groups = code_groups(sensitive_features, device, owner)
    lengths = {"y_true": len(true_codes), "y_pred": len(pred_codes)}
    lengths["sensitive_features"] = len(groups)
    if sample_weight is not None:
        sample_weight = _check_weights(sample_weight, device, owner)
        lengths["sample_weight"] = len(sample_weight)
    if len(set(lengths.values())) > 1 or not len(true_codes):
        raise ValueError(
            f"{owner} needs one entry per sample in every argument, and a sample. Got "
            "the lengths "
            + ", ".join(f"{name}: {length}" for name, length in lengths.items())
            + "."
        )
    return Outcomes(true_codes, pred_codes, classes, groups, sample_weight)


def positive_index(classes, pos_label=None, *, owner="metric"):
    """Position of the positive class.

    Parameters
    ----------
    classes : list
        Class labels, as :class:`Outcomes` has them.
    pos_label : object, default=None
        The positive class. None takes 1 where the classes are {0, 1} or {-1, 1}; of
        other pairs it is an error, because which one is positive would be a guess.
    owner : str, default="metric"
        Who asks, for the error messages.

    Returns
    -------
    pos_index : int or None
        None for three classes or more without `pos_label`: each against the rest.
    """
    if pos_label is not None:
        if pos_label in classes:
            return classes.index(pos_label)
        raise ValueError(
            f"{owner} needs `pos_label` to be one of the labels {classes}. Got "
            f"{pos_label!r}."
        )
    if len(classes) > 2:
        return None
    if classes in _SELF_EVIDENT:
        return 1
    raise ValueError(
        f"{owner} needs to know which class is the positive one. Got the labels "
        f"{classes} and no `pos_label`. Pass `pos_label`, the label of the favourable "
        "(or detected) outcome; only labels in {0, 1} or {-1, 1} go without."
    )


def _device_of(*arrays):
    """Device of the tensors, an accelerator before the CPU; None without tensors."""
    devices = [array.device for array in arrays if is_torch(array)]
    return min(devices, key=lambda device: device.type == "cpu", default=None)


def _to_device(codes, device):
    if device is None or is_torch(codes):
        return codes if device is None else codes.to(device)
    return sys.modules["torch"].as_tensor(codes, device=device)


def _code_labels(values, name, device, owner):
    """Labels (a list) and codes of `y_true` or `y_pred`."""
    if is_torch(values):
        _check_1d(values, name, owner)
        labels, codes = factorize_tensor(values.detach().to(device))
    else:
        column = as_column(values)
        _check_1d(column, name, owner)
        labels, codes = factorize_column(column)
        labels = labels.tolist()
        n_missing = int((codes == -1).sum()) if codes.size and codes.min() < 0 else 0
        if n_missing:
            raise ValueError(
                f"{owner} needs a label for every sample. {name} is missing (None or "
                f"NaN) in {n_missing} of {len(codes)} samples. Drop these rows."
            )
        codes = _to_device(codes, device)
    _check_discrete(labels, name, owner)
    return labels, codes


def _check_1d(column, name, owner):
    shape = tuple(column.shape)
    if len(shape) != 1:
        raise ValueError(
            f"{owner} needs {name} of shape (n_samples,), one class label per sample. "
            f"Got shape {shape}. Flatten a column with `ravel()`; turn probabilities "
            "into labels first."
        )


def _check_discrete(labels, name, owner):
    for label in labels:
        if isinstance(label, float) and not label.is_integer():
            raise ValueError(
                f"{owner} needs class labels in {name}. Got the continuous value "
                f"{label!r}. Turn scores into labels first, for instance by a "
                "threshold."
            )


def _join_classes(coded, pos_label, labels, owner):
    """One list of classes for both columns, and the codes in it."""
    observed = coded[0][0]
    for more, _ in coded[1:]:
        observed = observed if more == observed else _union(observed, more, owner)
    if labels is not None:
        given = factorize(as_array(labels))[0].tolist()
        observed = given if given == observed else _union(given, observed, owner)
    classes = _complete(observed, pos_label)
    return classes, [_recode(own, codes, classes) for own, codes in coded]


def _complete(observed, pos_label):
    """Add the class that a small sample may lack, where it is known."""
    for pair in _SELF_EVIDENT:
        if all(label in pair for label in observed):
            return list(pair)
    if len(observed) == 1 and pos_label is not None and pos_label not in observed:
        return observed + [pos_label]
    return observed


def _union(observed, more, owner):
    joint = set(observed) | set(more)
    try:
        return sorted(joint)
    except TypeError:
        raise TypeError(
            f"{owner} needs labels of one type. Got {observed} and {more}. Convert "
            "y_true or y_pred."
        ) from None


def _recode(own, codes, classes):
    if own == classes[: len(own)]:
        return codes
    positions = [classes.index(label) for label in own]
    if is_torch(codes):
        return codes.new_tensor(positions)[codes]
    return small_codes(np.asarray(positions)[codes], len(classes))


def code_groups(sensitive_features, device, owner):
    """Groups whose codes are on `device` (ndarrays where it is None)."""
    if is_torch(sensitive_features) and device is not None:
        return _groups_of_tensor(sensitive_features.detach().to(device), owner)
    groups = Groups.from_columns(sensitive_features, owner=owner)
    if device is None:
        return groups
    return Groups(_to_device(groups.codes, device), groups.labels, groups.names)


def _groups_of_tensor(features, owner):
    """Groups whose codes stay on the device of the tensor."""
    if features.ndim == 1:
        labels, codes = factorize_tensor(features)
        names, n_missing = [0], sum(map(is_missing, labels))
    elif features.ndim == 2 and features.shape[1] > 0:
        rows, codes = features.unique(dim=0, return_inverse=True)
        labels = [tuple(row) if len(row) > 1 else row[0] for row in rows.tolist()]
        names, n_missing = list(range(features.shape[1])), int(rows.isnan().sum())
    else:
        raise ValueError(
            f"{owner} needs sensitive features of shape (n_samples,) or (n_samples, "
            f"n_columns). Got shape {tuple(features.shape)}."
        )
    if n_missing:
        raise ValueError(
            f"{owner} needs the group of each sample. The sensitive features are "
            f"missing in {int(features.isnan().sum())} places. Drop these rows, or "
            "fill them with a label of their own."
        )
    return Groups(codes, labels, names)


def _check_weights(sample_weight, device, owner):
    if is_torch(sample_weight) and device is not None:
        weights = sample_weight.detach().to(device).double()
    else:
        weights = np.asarray(as_column(sample_weight), dtype=np.float64)
        weights = _to_device(weights, device)
    if weights.ndim != 1:
        raise ValueError(
            f"{owner} needs `sample_weight` of shape (n_samples,). Got shape "
            f"{tuple(weights.shape)}."
        )
    # A NaN fails both comparisons.
    if len(weights) and not (weights.min() >= 0 and weights.max() < float("inf")):
        raise ValueError(
            f"{owner} needs finite `sample_weight` of at least 0. Got values from "
            f"{float(weights.min())} to {float(weights.max())}."
        )
    return weights
