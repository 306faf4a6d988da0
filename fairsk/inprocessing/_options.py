"""Loss terms beside the penalty: attacks, paths between groups, pairs of people.

Each is called with the network, the criterion and a training batch, and returns what is
added to the objective. Validation losses are without them.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real

import torch

from fairsk.penalties import get_penalty
from fairsk.penalties._base import mean_defined, score_columns
from fairsk.utils._sklearn import Interval


class LossTerm:
    """Base class of loss terms."""

    def prepare(self, dataset, feature_names=None):
        """The term for a data set, before training.

        Parameters
        ----------
        dataset : GroupedDataset
            The training samples.
        feature_names : ndarray of str, default=None
            Names of the features.

        Returns
        -------
        term : LossTerm
            A copy, where it learns anything from the data.
        """
        return self

    def __call__(self, module, criterion, samples, y_true, y_pred):
        """Value of the term on a batch.

        Parameters
        ----------
        module : callable
            The network, on features.
        criterion : SampleLoss
            The objective, for the meaning of outputs.
        samples : dict
            `X`, `groups` and `sample_weight` of the batch.
        y_true : tensor of shape (n_samples,)
            Classes or target values.
        y_pred : tensor
            Output of the module on the batch.

        Returns
        -------
        value : tensor of shape ()
            What to add to the objective.
        """
        raise NotImplementedError


@dataclass
class AdversarialExamples(LossTerm):
    r"""Train on attacked samples too: half the loss is that of the worst neighbours.

    The neighbours lie within :math:`\epsilon` of every feature, and within its range.
    One step takes :math:`x + \epsilon\,\mathrm{sign}\nabla_x \ell` (FGSM); more are
    projected gradient steps.

    Parameters
    ----------
    epsilon : float
        Largest change of a feature.
    n_steps : int, default=1
        Number of gradient steps.
    """

    epsilon: float
    n_steps: int = 1

    def prepare(self, dataset, feature_names=None):
        """Learn the range of each feature."""
        term = copy.copy(self)
        term.low, term.high = dataset.X.amin(0), dataset.X.amax(0)
        return term

    def __call__(self, module, criterion, samples, y_true, y_pred):
        """Half the loss that the attack adds."""
        X = self.attack(module, criterion, samples, y_true)
        groups, weight = samples["groups"], samples["sample_weight"]
        attacked = criterion.data_loss(module(X), y_true, groups, weight)
        plain = criterion.data_loss(y_pred, y_true, groups, weight)
        return 0.5 * (attacked - plain)

    def attack(self, module, criterion, samples, y_true):
        """Features of the attacked samples."""
        X, groups, weight = (samples[k] for k in ("X", "groups", "sample_weight"))
        low = torch.maximum(X - self.epsilon, self.low)
        high = torch.minimum(X + self.epsilon, self.high)
        # Several steps are shorter, but may still reach across the whole box.
        step = self.epsilon * min(1.0, 2.5 / self.n_steps)
        attacked = X
        for _ in range(self.n_steps):
            attacked = attacked.detach().requires_grad_()
            loss = criterion.data_loss(module(attacked), y_true, groups, weight)
            (gradient,) = torch.autograd.grad(loss, attacked)
            moved = attacked.detach() + step * gradient.sign()
            attacked = torch.minimum(torch.maximum(moved, low), high)
        return attacked


@dataclass
class FairMixup(LossTerm):
    r"""Mean slope of the score along straight paths from one group to another.

    .. math:: \lambda \sum_{g < h} \Bigl| \mathrm{E}\,
        \frac{d}{dt} s\bigl((1 - t) x_g + t x_h\bigr) \Bigr|

    averaged over the pairs of groups, at a t from Beta(alpha, alpha) that all paths of
    a batch share. The integral of the slope over t is the gap between the mean scores
    of the groups, so a small slope all along the way is a small gap that also holds
    between the samples. (With a t for each path, slopes up here and down there would
    cancel, and nothing but the gap would be left.)

    Parameters
    ----------
    alpha : float
        Parameter of the Beta distribution.
    n_groups : int
        Number of groups.
    n_classes : int, default=None
        Number of classes, if paths join samples of one class; None joins any.

    References
    ----------
    Chuang & Mroueh (2021), Fair mixup: fairness via interpolation.
    """

    alpha: float
    n_groups: int
    n_classes: int | None = None

    def __call__(self, module, criterion, samples, y_true, y_pred):
        """Weighted mean of the absolute mean slopes."""
        X, groups = samples["X"], samples["groups"]
        order = torch.randperm(len(X)).to(X.device, non_blocking=True)
        cells, joined = self._cells(groups, groups[order], y_true, y_true[order])
        if samples["sample_weight"] is not None:
            weight = samples["sample_weight"]
            joined = joined * weight * weight[order]
        # A path leads from the group of the lower code to the other.
        swap = (groups > groups[order])[:, None]
        start = torch.where(swap, X[order], X)
        stop = torch.where(swap, X, X[order])
        scores, t = self._scores_between(module, criterion, start, stop)
        values = []
        for column in scores.unbind(-1):
            (slope,) = torch.autograd.grad(column.sum(), t, create_graph=True)
            values.append(self._mean_slopes(slope, cells, joined.to(slope.dtype)))
        return criterion.current_weight * sum(values) / len(values)

    def _cells(self, first, second, y_first, y_second):
        """Pair of groups (and class) of each path, and whether it counts."""
        low, high = torch.minimum(first, second), torch.maximum(first, second)
        cells, joined = low * self.n_groups + high, low != high
        if self.n_classes is None:
            return cells, joined
        return cells * self.n_classes + y_first, joined & (y_first == y_second)

    def _scores_between(self, module, criterion, start, stop):
        # Drawn on the CPU, so that all devices see the same, and none has to be read to
        # be checked.
        alpha = torch.tensor(self.alpha, dtype=start.dtype)
        t = torch.distributions.Beta(alpha, alpha, validate_args=False).sample()
        # A place for each path, to differentiate by, though it is the same for all.
        t = t.to(start.device, non_blocking=True)
        t = t.repeat(len(start)).requires_grad_()
        between = start + t[:, None] * (stop - start)
        return score_columns(criterion.scores(module(between), len(start))), t

    def _mean_slopes(self, slope, cells, weight):
        n_cells = self.n_groups**2 * (self.n_classes or 1)
        mass = slope.new_zeros(n_cells).index_add(0, cells, weight)
        total = slope.new_zeros(n_cells).index_add(0, cells, weight * slope)
        defined = mass > 0
        means = total / torch.where(defined, mass, 1.0)
        return mean_defined(means.abs(), defined)


@dataclass
class LipschitzPairing(LossTerm):
    r"""Individual fairness: similar samples get similar scores.

    .. math:: \mathrm{weight} \cdot \mathrm{E}\,
        \max\bigl(0, \lVert s(x) - s(x')\rVert_1 - L \lVert x - x'\rVert_2\bigr)

    over random pairs of samples of a batch.

    Parameters
    ----------
    constant : float, default=1.0
        The constant L: by how much scores may differ per unit of distance.
    weight : float, default=1.0
        Weight of the term.
    columns : list of int or str, default=None
        Features that say who is similar; None takes all. Leave sensitive features out.

    References
    ----------
    Dwork et al. (2012), Fairness through awareness.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.inprocessing import FairMLPClassifier, LipschitzPairing
    >>> X, y, groups = make_biased_classification(random_state=0)
    >>> clf = FairMLPClassifier(
    ...     individual_fairness=LipschitzPairing(0.5, weight=5.0), random_state=0
    ... )
    >>> clf.fit(X, y, sensitive_features=groups).predict(X).shape
    (1000,)
    """

    constant: float = 1.0
    weight: float = 1.0
    columns: list | None = None

    def prepare(self, dataset, feature_names=None):
        """Find the columns."""
        term = copy.copy(self)
        if self.columns is not None:
            n_features = dataset.X.shape[1]
            term.columns = [
                _position(c, n_features, feature_names, type(self).__name__)
                for c in self.columns
            ]
        return term

    def __call__(self, module, criterion, samples, y_true, y_pred):
        """Mean excess over the Lipschitz bound."""
        X = samples["X"] if self.columns is None else samples["X"][:, self.columns]
        scores = score_columns(criterion.scores(y_pred, len(X)))
        order = torch.randperm(len(X)).to(X.device, non_blocking=True)
        apart = (scores - scores[order]).abs().sum(1)
        distance = (X - X[order]).square().sum(1).sqrt()
        excess = torch.relu(apart - self.constant * distance)
        weight = samples["sample_weight"]
        if weight is not None:
            excess = excess * weight * weight[order]
        return self.weight * excess.mean()


@dataclass
class CounterfactualPairing(LossTerm):
    r"""Individual fairness: a sample and its counterfactual get the same logit.

    .. math:: \mathrm{weight} \cdot \mathrm{E}\,|z(x) - z(x')|

    with the logit z (of class 1; of each class against their mean; for regression the
    prediction) and a counterfactual x' that differs in what must not matter.

    Parameters
    ----------
    counterfactual : callable or dict
        Maps a tensor of features (n_samples, n_features) to that of the
        counterfactuals; or values to replace, by column:
        ``{"sex": {0: 1, 1: 0}}``, as they stand in X.
    weight : float, default=1.0
        Weight of the term.

    Notes
    -----
    To swap one column says that nothing else would be different, which is seldom what
    is meant. A function may change the features that depend on it too.

    References
    ----------
    Garg et al. (2019), Counterfactual fairness in text classification through
    robustness.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.inprocessing import CounterfactualPairing, FairMLPClassifier
    >>> X, y, groups = make_biased_classification(random_state=0)
    >>> X = np.column_stack([groups, X])
    >>> swap = CounterfactualPairing({0: {0: 1, 1: 0}}, weight=10.0)
    >>> clf = FairMLPClassifier(individual_fairness=swap, random_state=0)
    >>> clf = clf.fit(X, y, sensitive_features=groups)
    >>> swapped = np.column_stack([1 - groups, X[:, 1:]])
    >>> bool(abs(clf.predict_proba(X) - clf.predict_proba(swapped)).mean() < 0.02)
    True
    """

    counterfactual: Callable | dict
    weight: float = 1.0

    def prepare(self, dataset, feature_names=None):
        """Find the columns, and check that there is something to replace."""
        if callable(self.counterfactual):
            return self
        term = copy.copy(self)
        term.counterfactual = _Replace(self.counterfactual, dataset.X, feature_names)
        return term

    def __call__(self, module, criterion, samples, y_true, y_pred):
        """Mean distance of the logits."""
        X = samples["X"]
        other = self.counterfactual(X)
        if tuple(other.shape) != tuple(X.shape):
            raise ValueError(
                "CounterfactualPairing needs `counterfactual` to return one row for "
                f"each sample, of shape {tuple(X.shape)}. Got {tuple(other.shape)}."
            )
        apart = criterion.margins(y_pred, len(X)) - criterion.margins(
            module(other), len(X)
        )
        apart = apart.abs().mean(1)
        weight = samples["sample_weight"]
        return self.weight * (apart if weight is None else apart * weight).mean()


class _Replace:
    """Replaces values of columns."""

    def __init__(self, table, X, feature_names):
        self.columns = []
        for column, values in table.items():
            at = _position(column, X.shape[1], feature_names, "CounterfactualPairing")
            old, new = (X.new_tensor(list(v)) for v in (values, values.values()))
            if not torch.isin(X[:, at], old).any():
                shown = X[:, at].unique()[:5].tolist()
                raise ValueError(
                    "CounterfactualPairing needs values that occur in the column "
                    f"{column!r}. Got {list(values)}; the column has {shown}. Give "
                    "them as they stand in X, after any scaling."
                )
            self.columns.append((at, old, new))

    def __call__(self, X):
        X = X.clone()
        for at, old, new in self.columns:
            hit = X[:, at, None] == old
            X[:, at] = torch.where(hit.any(1), hit.to(X.dtype) @ new, X[:, at])
        return X


def _position(column, n_features, feature_names, owner):
    names = [] if feature_names is None else list(feature_names)
    if column in names:
        return names.index(column)
    if isinstance(column, Integral) and -n_features <= column < n_features:
        return int(column)
    raise ValueError(
        f"{owner} needs a column of X. Got {column!r}; X has {n_features} columns"
        f"{f' named {names}' if names else ' without names'}."
    )


class LossOptionsMixin:
    """The parameters that add loss terms to a network."""

    _parameter_constraints: dict = {
        "robustness_epsilon": [Interval(Real, 0, None, closed="left")],
        "robustness_steps": [Interval(Integral, 1, None, closed="left")],
        "mixup_alpha": [Interval(Real, 0, None, closed="left")],
        "individual_fairness": [LossTerm, list, None],
    }

    def _loss_terms(self, dataset):
        terms = []
        if self.robustness_epsilon:
            terms.append(
                AdversarialExamples(self.robustness_epsilon, self.robustness_steps)
            )
        if self.mixup_alpha and self.fairness_weight:
            terms.append(self._mixup())
        terms += self._individual_terms()
        names = getattr(self, "feature_names_in_", None)
        return [term.prepare(dataset, names) for term in terms]

    def _mixup(self):
        if self.group_labels_ == []:
            raise ValueError(
                f"{type(self).__name__} needs groups, between which mixup_alpha draws "
                "paths. Got a continuous sensitive feature. Set mixup_alpha=0, or cut "
                "the feature into intervals, whose labels are groups."
            )
        within = self._n_classes and self._compares_within_classes
        return FairMixup(
            self.mixup_alpha,
            len(self.group_labels_),
            self._n_classes if within else None,
        )

    @property
    def _compares_within_classes(self):
        penalty = get_penalty(self.fairness, self.disparity)
        # A plain module cannot tell.
        return getattr(penalty, "conditions_on_label", False)

    def _individual_terms(self):
        given = self.individual_fairness
        terms = given if isinstance(given, list) else [given] if given else []
        for term in terms:
            if not isinstance(term, LossTerm):
                raise ValueError(
                    f"{type(self).__name__} needs individual_fairness to be a "
                    "LipschitzPairing, a CounterfactualPairing or a list of these. "
                    f"Got {term!r}."
                )
        return terms


def balanced_class_weight(dataset, n_classes):
    r"""Weight :math:`n / (K n_k)` of each class, as ``"balanced"`` asks.

    Parameters
    ----------
    dataset : GroupedDataset
        The training samples; their weights count instead of them.
    n_classes : int
        Number of classes K.

    Returns
    -------
    class_weight : float tensor of shape (n_classes,)
        1 for a class without samples.
    """
    mass = torch.bincount(dataset.y, dataset.sample_weight, n_classes)
    mass = mass.to(dataset.X.dtype)
    present = mass > 0
    balanced = mass.sum() / (present.sum() * torch.where(present, mass, 1.0))
    return torch.where(present, balanced, 1.0)
