"""Penalties made of penalties: sums, one feature at a time, a memory of batches."""

import copy
import difflib
from collections import deque
from inspect import signature
from numbers import Real

import numpy as np
import torch

from fairsk.definitions import DEFINITIONS, FairnessDefinition
from fairsk.penalties._base import PENALTIES, Penalty
from fairsk.penalties._definition import DefinitionPenalty
from fairsk.penalties._running import WindowedPenalty


class PenaltySum(Penalty):
    r"""Weighted sum of penalties, :math:`\sum_m \lambda_m \, \mathrm{penalty}_m`.

    Parameters
    ----------
    penalties : list of str, FairnessDefinition or Penalty
        The penalties.
    weights : list of float, default=None
        Non-negative weight of each penalty; None takes 1 for all.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import PenaltySum
    >>> penalty = PenaltySum(["demographic_parity", "wasserstein"], [1.0, 2.0])
    >>> y_score = torch.tensor([0.9, 0.7, 0.2, 0.4])
    >>> y_true = torch.tensor([1, 1, 0, 1])
    >>> groups = torch.tensor([0, 0, 1, 1])
    >>> round(penalty(y_score, y_true, groups).item(), 3)
    1.5
    """

    def __init__(self, penalties, weights=None):
        super().__init__()
        weights = [1.0] * len(penalties) if weights is None else list(weights)
        if not penalties or len(weights) != len(penalties) or min(weights) < 0:
            raise ValueError(
                "PenaltySum needs at least one penalty and a non-negative weight for "
                f"each. Got {len(penalties)} penalties and the weights {weights}."
            )
        self.penalties = torch.nn.ModuleList(get_penalty(p) for p in penalties)
        self.weights = weights

    @property
    def takes_continuous_groups(self):
        """Whether every penalty takes a continuous attribute."""
        return all(p.takes_continuous_groups for p in self.penalties)

    @property
    def takes_regression(self):
        """Whether every penalty can do without classes."""
        return all(p.takes_regression for p in self.penalties)

    @property
    def conditions_on_label(self):
        """Whether every penalty compares samples of one class."""
        return all(p.conditions_on_label for p in self.penalties)

    @property
    def largest_weight(self):
        """Weight of the sum at which the first of the penalties has its own."""
        ends = [
            penalty.largest_weight / weight
            for weight, penalty in zip(self.weights, self.penalties)
            if weight and hasattr(penalty, "largest_weight")
        ]
        return min(ends, default=Penalty.largest_weight)

    def forward(self, y_score, y_true, groups, sample_weight=None, *, n_groups=None):
        """Penalty of a batch; parameters as in :meth:`Penalty.forward`."""
        return sum(
            weight * penalty(y_score, y_true, groups, sample_weight, n_groups=n_groups)
            for weight, penalty in zip(self.weights, self.penalties)
        )

    def undefined(self, strata):
        """What any of the penalties cannot compare; see :meth:`Penalty.undefined`."""
        return np.concatenate([p.undefined(strata) for p in self.penalties], axis=-2)

    def warn_undefined(self, strata, group_labels):
        """Warn of what any of the penalties cannot compare."""
        for penalty in self.penalties:
            penalty.warn_undefined(strata, group_labels)

    def plan(self, n_batches):
        """Tell all penalties how many batches an epoch has."""
        for penalty in self.penalties:
            penalty.plan(n_batches)
        return self

    def bind(self, group_labels):
        """Tell all penalties the labels of the groups."""
        for penalty in self.penalties:
            penalty.bind(group_labels)
        return self


class _WrappedPenalty(Penalty):
    """A penalty around another one, which it calls on other samples than the batch.

    It hands on no `plan` of itself: the penalty sees other samples than one batch after
    another.
    """

    def __init__(self, penalty):
        super().__init__()
        self.penalty = get_penalty(penalty)

    @property
    def takes_continuous_groups(self):
        """Whether the wrapped penalty takes a continuous attribute."""
        return self.penalty.takes_continuous_groups

    @property
    def takes_regression(self):
        """Whether the wrapped penalty can do without classes."""
        return self.penalty.takes_regression

    @property
    def conditions_on_label(self):
        """Whether the wrapped penalty compares samples of one class."""
        return self.penalty.conditions_on_label

    @property
    def largest_weight(self):
        """That of the wrapped penalty."""
        return getattr(self.penalty, "largest_weight", Penalty.largest_weight)

    def undefined(self, strata):
        """What the wrapped penalty cannot compare; see :meth:`Penalty.undefined`."""
        return self.penalty.undefined(strata)

    def warn_undefined(self, strata, group_labels):
        """Warn of what the wrapped penalty cannot compare."""
        self.penalty.warn_undefined(strata, group_labels)

    def bind(self, group_labels):
        """Tell the wrapped penalty the labels of the groups."""
        self.penalty.bind(group_labels)
        return self


class EachFeaturePenalty(_WrappedPenalty):
    """Mean of a penalty over the sensitive features, each on its own.

    Several sensitive features are crossed by default: every combination is a group, and
    small ones make noisy penalties. This compares the values of each feature instead;
    it is weaker, since a model can be fair to each feature and unfair to a combination.

    Parameters
    ----------
    penalty : str, FairnessDefinition or Penalty
        The penalty of one feature.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import EachFeaturePenalty
    >>> penalty = EachFeaturePenalty("demographic_parity")
    >>> labels = [("f", "old"), ("f", "young"), ("m", "old"), ("m", "young")]
    >>> _ = penalty.bind(labels)
    >>> y_score = torch.tensor([1.0, 0.0, 0.0, 1.0])
    >>> groups = torch.tensor([0, 1, 2, 3])
    >>> y_true = torch.tensor([0, 0, 0, 0])
    >>> penalty(y_score, y_true, groups).item()  # sex and age are fair ...
    0.0
    >>> penalty.penalty(y_score, y_true, groups).item()  # ... but not together
    1.0
    """

    #: A continuous attribute has no features of its own to compare.
    takes_continuous_groups = False

    def __init__(self, penalty="demographic_parity"):
        super().__init__(penalty)
        self.register_buffer("codes", None)
        self.sizes = None
        # One copy for each feature: what a penalty remembers is about one feature.
        self.copies = torch.nn.ModuleList()

    def bind(self, group_labels):
        """Read off the labels which value of each feature a group has.

        Parameters
        ----------
        group_labels : list of length n_groups
            Labels; tuples of one value for each feature.

        Returns
        -------
        self : EachFeaturePenalty
            The same object.
        """
        tuples = [x if isinstance(x, tuple) else (x,) for x in group_labels]
        columns = [_number(column) for column in zip(*tuples)]
        device = None if self.codes is None else self.codes.device
        self.codes = torch.tensor(columns, device=device)
        self.sizes = [max(column) + 1 for column in columns]
        if len(self.copies) != len(columns):
            self.copies = torch.nn.ModuleList(
                copy.deepcopy(self.penalty) for _ in columns
            )
        return self

    def plan(self, n_batches):
        """Tell the penalty of every feature how many batches an epoch has."""
        for penalty in self.copies:
            if isinstance(penalty, Penalty):
                penalty.plan(n_batches)
        return self

    def forward(self, y_score, y_true, groups, sample_weight=None, *, n_groups=None):
        """Penalty of a batch; parameters as in :meth:`Penalty.forward`."""
        if self.codes is None:
            raise ValueError(
                "EachFeaturePenalty needs to know the features of the groups. Call "
                "`bind(group_labels)` first."
            )
        codes = self.codes.to(groups.device)
        values = [
            penalty(y_score, y_true, column[groups], sample_weight, n_groups=size)
            for penalty, column, size in zip(self.copies, codes, self.sizes)
        ]
        return sum(values) / len(values)

    def undefined(self, strata):
        """What cannot be compared for some feature; see :meth:`Penalty.undefined`."""
        rows = []
        for column, size in zip(self.codes.tolist(), self.sizes):
            member = np.eye(size)[column]
            joined = np.einsum("...gk,gv->...vk", strata, member).astype(int)
            rows.append(self.penalty.undefined(joined)[..., column])
        return np.concatenate(rows, axis=-2)

    def warn_undefined(self, strata, group_labels):
        """Warn of nothing: a combination without samples is no matter here."""


class MemoryPenalty(_WrappedPenalty):
    r"""A penalty on the batch together with the scores of the last batches.

    A gap in a small batch is mostly noise: with m samples of the smaller group the
    standard error of a rate is about :math:`\frac{1}{2} m^{-1/2}`, and being absolute
    or squared the penalty is biased upwards by it. Penalties of sums average these over
    a window of batches by themselves. For the others, such as distances of
    distributions, the scores of the last batches are kept here, without gradient, and
    the penalty is taken on all of them together. The gradient flows through the current
    batch and is multiplied by the number of batches, so that the same `fairness_weight`
    means the same.

    Parameters
    ----------
    penalty : str or Penalty, default="wasserstein"
        The penalty, one that sees the batch alone.
    window : int, default=10
        Number of batches, the current one included; at most those of an epoch. They
        should be few enough that the network has not changed much since.

    See Also
    --------
    DefinitionPenalty : Has a window of its own.

    Notes
    -----
    In evaluation mode (``penalty.eval()``) the memory is neither used nor filled.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import MemoryPenalty
    >>> penalty = MemoryPenalty("wasserstein", window=2)
    >>> y_true, groups = torch.tensor([0, 1]), torch.tensor([0, 1])
    >>> penalty(torch.tensor([0.0, 1.0]), y_true, groups).item()
    1.0
    >>> penalty(torch.tensor([0.0, 0.0]), y_true, groups).item()
    0.5
    """

    def __init__(self, penalty="wasserstein", window=10):
        super().__init__(penalty)
        if window < 1:
            raise ValueError(f"MemoryPenalty needs window >= 1. Got {window}.")
        if isinstance(self.penalty, WindowedPenalty):
            raise ValueError(
                "MemoryPenalty needs a penalty that sees the batch alone. "
                f"{type(self.penalty).__name__} averages its sums over batches: set "
                "its `window`."
            )
        self.window = window
        self._memory = deque(maxlen=window - 1)

    def plan(self, n_batches):
        """Say how many batches an epoch has; see :meth:`Penalty.plan`."""
        reach = min(self.window, n_batches)
        self._memory = deque(self._memory, maxlen=reach - 1)
        return self

    def bind(self, group_labels):
        """Forget all batches, and tell the penalty the labels of the groups."""
        self._memory.clear()
        return super().bind(group_labels)

    def forward(self, y_score, y_true, groups, sample_weight=None, *, n_groups=None):
        """Penalty of a batch; parameters as in :meth:`Penalty.forward`."""
        if not self.training:
            return self.penalty(
                y_score, y_true, groups, sample_weight, n_groups=n_groups
            )
        if y_score.ndim == 1:
            y_score = y_score[:, None]
        batch = (y_score, y_true, groups, sample_weight)
        columns = list(zip(*self._memory, batch))
        value = self.penalty(
            _join(columns[0], -2), *(_join(c, -1) for c in columns[1:]),
            n_groups=n_groups,
        )  # fmt: skip
        n_samples = sum(scores.shape[-2] for scores in columns[0])
        scale = n_samples / y_score.shape[-2]
        self._memory.append(tuple(None if x is None else x.detach() for x in batch))
        # The value is that of all batches; its gradient stands for all of them too.
        return value.detach() + scale * (value - value.detach())

    def extra_repr(self):
        """Text that `repr` shows between the brackets."""
        return f"window={self.window}"


def _join(parts, axis):
    return None if parts[0] is None else torch.cat(parts, dim=axis)


def _number(column):
    position = {value: code for code, value in enumerate(dict.fromkeys(column))}
    return [position[value] for value in column]


def split_weights(items):
    """Penalties and weights of a list of penalties or (penalty, weight) pairs.

    Parameters
    ----------
    items : list
        Penalties, or tuples of a penalty and its weight.

    Returns
    -------
    penalties : list
        The penalties.
    weights : list of float
        Their weights, 1 where none is given.
    """
    pairs = [
        item
        if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], Real)
        else (item, 1.0)
        for item in items
    ]
    return [penalty for penalty, _ in pairs], [float(weight) for _, weight in pairs]


def get_penalty(fairness, disparity="difference"):
    """Penalty that `fairness` stands for.

    Parameters
    ----------
    fairness : str, FairnessDefinition, torch.nn.Module or list
        Name of a registered definition or penalty; a definition; a penalty, which is
        copied; or a list of these, each with or without a weight:
        ``["equalized_odds", ("hsic", 10.0)]``.
    disparity : str or Disparity, default="difference"
        How the values of the groups become one number, for definitions and penalties
        that have one value for each group.

    Returns
    -------
    penalty : torch.nn.Module
        The penalty.

    Examples
    --------
    >>> from fairsk.penalties import get_penalty
    >>> get_penalty("wasserstein")
    WassersteinPenalty()
    """
    if isinstance(fairness, torch.nn.Module):
        return copy.deepcopy(fairness)
    if isinstance(fairness, list):
        penalties, weights = split_weights(fairness)
        return PenaltySum([get_penalty(p, disparity) for p in penalties], weights)
    if isinstance(fairness, FairnessDefinition):
        return DefinitionPenalty(fairness, disparity)
    if isinstance(fairness, str):
        if fairness in DEFINITIONS:
            return DefinitionPenalty(fairness, disparity)
        if fairness in PENALTIES:
            return _make(PENALTIES[fairness], disparity)
    known = sorted([*DEFINITIONS, *PENALTIES])
    close = difflib.get_close_matches(str(fairness), known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        "`fairness` must be a FairnessDefinition, a penalty, a list of them, or one of "
        f"{known}. Got {fairness!r}.{hint}"
    )


def _make(kind, disparity):
    """A penalty by its name, with the disparity if it has one."""
    if "disparity" in signature(kind).parameters:
        return kind(disparity=disparity)
    return kind()
