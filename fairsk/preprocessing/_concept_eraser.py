"""Least-squares concept erasure: no linear model finds the groups afterwards."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from fairsk.preprocessing._concept import Concept, ConceptMixin, as_label_concept
from fairsk.preprocessing._erasure import entanglement, erase
from fairsk.preprocessing._features import FeatureSplitMixin
from fairsk.preprocessing._moments import Moments, pool
from fairsk.utils._columns import as_array, as_column
from fairsk.utils._factorize import factorize
from fairsk.utils._sklearn import _check_sample_weight, _fit_context

# Cosine from which erasing the group erases most of what predicts the label.
_ENTANGLED = 0.95


class LinearEraser(ConceptMixin, FeatureSplitMixin, TransformerMixin, BaseEstimator):
    """Base of the erasers that are fitted to moments.

    Subclasses say in `_solve` what they make of `parts_`: the moments of all rows, or
    of each label where `_by_label` is set.
    """

    _parameter_constraints: dict = {
        "group_by": [str, int, list, tuple, callable, None],
        "keep_sensitive": ["boolean"],
    }
    _by_label = False

    def fit(
        self,
        X,
        y=None,
        *,
        sensitive_features=None,
        sample_weight=None,
        X_counterfactual=None,
    ):
        """Learn what to erase.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,), default=None
            Labels, where the method heeds them.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The concept: groups, or numbers on a scale.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.
        X_counterfactual : array-like of shape (n_samples, n_features), default=None
            Each sample as it would be in the other one of two groups.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        self.__dict__.pop("parts_", None)
        self.partial_fit(
            X,
            y,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            X_counterfactual=X_counterfactual,
        )
        self._warn_single_concept()
        if y is not None:
            self._compare_with_label(X, y, sample_weight)
        return self

    def _compare_with_label(self, X, y, sample_weight):
        """Warn of what `fit` does to the label, where that can be said."""

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X,
        y=None,
        *,
        sensitive_features=None,
        sample_weight=None,
        X_counterfactual=None,
    ):
        """Learn from one more batch of a stream.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,), default=None
            Labels, where the method heeds them.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The concept. Groups may be new.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.
        X_counterfactual : array-like of shape (n_samples, n_features), default=None
            Each sample as it would be in the other one of two groups.

        Returns
        -------
        self : object
            The fitted transformer, the same as `fit` on all batches together.
        """
        first = not hasattr(self, "parts_")
        features = self._check_features(X, reset=first)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, features)
        labels = self._check_label(y, features)
        n_known = 0 if first else len(self.group_labels_)
        concept = self._check_concept(X, sensitive_features, reset=first, extend=True)
        if first:
            self.parts_ = {}
            self._dtype = features.dtype
        for part in self.parts_.values():
            part.insert_targets(n_known, concept.n_groups - n_known)
        self._accumulate(features, concept, labels, sample_weight)
        if X_counterfactual is not None:
            other = self._check_features(X_counterfactual, reset=False)
            check_consistent_length(features, other)
            self._accumulate(other, self._flip(concept), labels, sample_weight)
        self._learn()
        return self

    def _check_label(self, y, features):
        if y is None:
            if self._by_label:
                raise ValueError(
                    f"{type(self).__name__} requires y to be passed, but the target y "
                    "is None: with these parameters it erases within each label, or "
                    "keeps what predicts it."
                )
            return None
        y = as_array(as_column(y)) if not hasattr(y, "to_numpy") else y.to_numpy()
        check_consistent_length(features, y)
        return y if self._by_label else None

    def _accumulate(self, features, concept, labels, sample_weight):
        if labels is None:
            classes, codes = [None], np.zeros(len(features), dtype=int)
        else:
            classes, codes = factorize(np.ravel(labels))
            classes = list(classes)
        for k, label in enumerate(classes):
            rows = slice(None) if len(classes) == 1 else np.flatnonzero(codes == k)
            if label not in self.parts_:
                self.parts_[label] = Moments(features.shape[1], concept.n_columns)
            part = Concept(
                concept.codes[rows], concept.n_groups, concept.continuous[rows]
            )
            weight = None if sample_weight is None else sample_weight[rows]
            self.parts_[label].update(features[rows], part, weight)

    def _flip(self, concept):
        if concept.n_groups != 2 or concept.continuous.shape[1]:
            raise ValueError(
                f"{type(self).__name__} needs two groups to know the group of "
                f"`X_counterfactual`. Got {concept.n_groups} groups and "
                f"{concept.continuous.shape[1]} continuous features. Fit on the "
                "stacked rows with their `sensitive_features` instead."
            )
        return Concept(1 - concept.codes, 2, concept.continuous)

    def merge(self, other):
        """Add what another eraser learnt from other rows.

        Parameters
        ----------
        other : same class
            Fitted to the same features. It stays as it is.

        Returns
        -------
        self : object
            As if fitted to the rows of both.
        """
        check_is_fitted(self, "parts_")
        check_is_fitted(other, "parts_")
        if (
            self.n_features_in_ != other.n_features_in_
            or self._continuous_names != other._continuous_names
            or self.group_names_in_ != other.group_names_in_
        ):
            raise ValueError(
                f"{type(self).__name__} can merge what was fitted to the same "
                f"columns. Got {other.n_features_in_} features and the sensitive "
                f"features {other.group_names_in_ + other._continuous_names}, and has "
                f"{self.n_features_in_} and "
                f"{self.group_names_in_ + self._continuous_names}."
            )
        n_known = len(self.group_labels_)
        new = [
            label for label in other.group_labels_ if label not in self.group_labels_
        ]
        self.group_labels_ = self.group_labels_ + new
        for part in self.parts_.values():
            part.insert_targets(n_known, len(new))
        for label, part in other.parts_.items():
            moved = self._in_our_order(part, other)
            if label in self.parts_:
                self.parts_[label].merge(moved)
            else:
                self.parts_[label] = moved
        self._learn()
        return self

    def _in_our_order(self, part, other):
        n_groups, n_theirs = len(self.group_labels_), len(other.group_labels_)
        n_targets = n_groups + len(self._continuous_names)
        moved = Moments(part.n_features, n_targets - n_groups + n_theirs)
        moved.merge(part)
        moved.insert_targets(n_theirs, n_groups - n_theirs)
        order = {label: k for k, label in enumerate(other.group_labels_)}
        missing = iter(range(n_theirs, n_groups))
        positions = [
            order[label] if label in order else next(missing)
            for label in self.group_labels_
        ]
        moved.reorder_targets([*positions, *range(n_groups, n_targets)])
        return moved

    def _learn(self):
        self.eraser_ = self._solve()
        self.rank_ = self.eraser_.rank

    def transform(self, X):
        """Erase the concept.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples. Their groups are not needed.

        Returns
        -------
        X_transformed : ndarray of shape (n_samples, n_features_out)
            The samples without the concept, of the same mean.
        """
        check_is_fitted(self)
        features = self._check_features(X, reset=False)
        return self._give_back(X, self.eraser_(features))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.target_tags.required = self._by_label
        return tags


class MeanProjection(LinearEraser):
    r"""Project out the directions in which the group means differ (SAL).

    With an orthonormal basis U of the columns of :math:`\Sigma_{XZ}`,

    .. math:: x \mapsto x - U U^T (x - E x).

    For two groups that is the direction between their means. It is the projection in
    the space as it is, where :class:`ConceptEraser` first whitens it: the guarantee is
    the same, the samples move more.

    Parameters
    ----------
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the sensitive features where
        `sensitive_features` is not passed.
    keep_sensitive : bool, default=False
        Whether columns that `group_by` names pass unchanged or are left out.

    Attributes
    ----------
    eraser_ : Eraser
        The map.
    rank_ : int
        Number of directions that are erased.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features, sensitive ones included.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    ConceptEraser : Moves the samples least.
    NullspaceProjector : Projects out one classifier after the other.

    References
    ----------
    Shao, Ziser & Cohen (2023). Gold doesn't always glitter: spectral removal of linear
    and nonlinear guarded attribute information. EACL.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.preprocessing import MeanProjection
    >>> X = np.array([[0.0, 1.0], [0.0, 3.0], [2.0, 1.0], [2.0, 3.0]])
    >>> MeanProjection().fit(X, sensitive_features=["a", "a", "b", "b"]).transform(X)
    array([[1., 1.],
           [1., 3.],
           [1., 1.],
           [1., 3.]])
    """

    def __init__(self, *, group_by=None, keep_sensitive=False):
        self.group_by = group_by
        self.keep_sensitive = keep_sensitive

    def _solve(self):
        (moments,) = self.parts_.values()
        mean = moments.mean[: moments.n_features]
        return erase(
            moments.covariance, moments.cross, mean, whiten=False, dtype=self._dtype
        )


class ConceptEraser(LinearEraser):
    r"""Erase a concept so that no linear model finds it, at the least change (LEACE).

    With :math:`W = \Sigma_{XX}^{-1/2}` and the orthogonal projection P on the columns
    of :math:`W \Sigma_{XZ}`,

    .. math:: x \mapsto x - W^{+} P W (x - E x).

    After it the features have no covariance with the concept Z, so that no linear
    classifier of the groups has a smaller loss than the best constant one; and of all
    affine maps with this property it has the least :math:`E\|x - r(x)\|^2`.

    Parameters
    ----------
    condition_on_label : bool, default=False
        Whether to erase, within each label, what tells the groups apart, and leave
        what the label explains. Needs y.
    preserve_label : bool, default=False
        Whether to keep the covariance of features and label unchanged (SPLINCE), at the
        price of moving the samples more. Needs y, whose values count as classes.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the sensitive features where
        `sensitive_features` is not passed.
    keep_sensitive : bool, default=False
        Whether columns that `group_by` names pass unchanged or are left out.

    Attributes
    ----------
    eraser_ : Eraser
        The map.
    rank_ : int
        Number of directions that are erased.
    entanglement_ : float
        Where `fit` was given y: the largest canonical correlation between what is
        erased and what predicts the label, 0 to 1. It is 0 where the features hardly
        predict the label.
    parts_ : dict of Moments
        Moments of all rows, or of each label.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features, sensitive ones included.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    CorrelationRemover : Needs the group at `transform`, and moves the samples less
        still (oracle LEACE).
    MeanProjection : The same without whitening.
    ConceptProbe : What is left, also for models that are not linear.

    Notes
    -----
    The guarantee is about linear models, on the data of `fit`: a network may well find
    the group again, and so may a linear model on a part of the rows, if few rows of
    great leverage are what makes the covariance vanish. Let :class:`ConceptProbe` say.

    Where the same directions tell the group and the label, erasing the one erases the
    other. A warning says so if `fit` is given y, which changes nothing else as long as
    `condition_on_label` and `preserve_label` are off. Labels of more classes than there
    are features, and no numbers, are not looked at.

    Columns that do not vary, or of which nothing but rounding residue is left, become
    exactly constant. Otherwise a scaler behind this step would blow the residue up, and
    it does tell the group.

    Fitted to pairs (`X_counterfactual`), the cross-covariance sees only what changes
    with the group, not what goes along with it in these data.

    References
    ----------
    Belrose, Schneider-Joseph, Ravfogel, Cotterell, Raff & Biderman (2023). LEACE:
    perfect linear concept erasure in closed form. NeurIPS.

    Holstege, Ravfogel & Wouters (2025). Preserving task-relevant information under
    linear concept removal.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.preprocessing import ConceptEraser
    >>> rng = np.random.default_rng(0)
    >>> group = rng.integers(2, size=1000)
    >>> X = rng.normal(size=(1000, 3)) + group[:, None] * [2.0, 1.0, 0.0]
    >>> erased = ConceptEraser().fit(X, sensitive_features=group).transform(X)
    >>> gap = erased[group == 1].mean(axis=0) - erased[group == 0].mean(axis=0)
    >>> bool(np.abs(gap).max() < 1e-12)
    True
    """

    _parameter_constraints: dict = {
        **LinearEraser._parameter_constraints,
        "condition_on_label": ["boolean"],
        "preserve_label": ["boolean"],
    }
    __metadata_request__fit = {"sensitive_features": True, "X_counterfactual": True}
    __metadata_request__partial_fit = __metadata_request__fit

    def __init__(
        self,
        *,
        condition_on_label=False,
        preserve_label=False,
        group_by=None,
        keep_sensitive=False,
    ):
        self.condition_on_label = condition_on_label
        self.preserve_label = preserve_label
        self.group_by = group_by
        self.keep_sensitive = keep_sensitive

    @property
    def _by_label(self):
        return self.condition_on_label or self.preserve_label

    def _solve(self):
        parts = list(self.parts_.values())
        if not self._by_label:
            (whole,) = parts
            return erase(whole.covariance, whole.cross, _mean(whole), dtype=self._dtype)
        whole, label_cross = self._between_labels(parts)
        if self.condition_on_label:
            # Each label's own cross-covariance, so that none of them tells the group.
            covariance = pool(parts)
            cross = np.hstack([part.cross for part in parts])
        else:
            covariance, cross = whole.covariance, whole.cross
        mean = _mean(whole)
        self._check_entanglement(covariance, cross, label_cross, mean)
        keep = label_cross if self.preserve_label else None
        return erase(covariance, cross, mean, keep=keep, dtype=self._dtype)

    def _compare_with_label(self, X, y, sample_weight):
        if self._by_label:  # they were compared on the way
            return
        features = self._check_features(X, reset=False)
        label = as_label_concept(y, features.shape[1])
        if label is None:
            return
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, features)
        of_label = Moments(features.shape[1], label.n_columns, full=False)
        of_label.update(features, label, sample_weight)
        variance = np.diag(of_label.target_covariance)
        (whole,) = self.parts_.values()
        self._check_entanglement(
            whole.covariance,
            whole.cross,
            _in_deviations(of_label.cross, variance),
            _mean(whole),
        )

    def _between_labels(self, parts):
        """Moments of all rows, and the covariance of features and label indicators."""
        whole = Moments(parts[0].n_features, len(parts[0].mean) - parts[0].n_features)
        for part in parts:
            whole.merge(part)
        shares = np.array([part.weight / whole.weight for part in parts])
        label_cross = [s * (_mean(p) - _mean(whole)) for s, p in zip(shares, parts)]
        return whole, _in_deviations(
            np.column_stack(label_cross), shares * (1 - shares)
        )

    def _check_entanglement(self, covariance, cross, label_cross, mean):
        self.entanglement_ = entanglement(
            covariance, cross, label_cross, mean, self._dtype
        )
        if self.entanglement_ > _ENTANGLED:
            warnings.warn(
                f"{type(self).__name__} needs features that tell the label and the "
                "groups apart. A direction that predicts the one predicts the other "
                f"(canonical correlation {self.entanglement_:.3f}), so erasing the "
                "groups erases the label, or preserving it leaves little of the rest. "
                "Collect features of the label, or mend the predictions instead.",
                UserWarning,
                stacklevel=4,
            )


def _in_deviations(cross, variance):
    """Covariances with targets in units of the targets' standard deviations."""
    return cross / np.sqrt(np.where(variance > 0, variance, 1.0))


def _mean(moments):
    return moments.mean[: moments.n_features]
