"""ROC curve of every group, and where thresholds put the groups."""

import numpy as np
from sklearn.metrics import auc, roc_curve

from fairsk.inspection._base import group_name, scores_by_group
from fairsk.inspection._curves import GroupCurvesDisplay


class GroupRocDisplay(GroupCurvesDisplay):
    """ROC curve of every group, and where thresholds put the groups.

    Where the curves of two groups lie apart, no choice of thresholds gives both the
    better group's error rates. A point marks where the decision puts its group. A
    mixture of two thresholds lies on the line between what each does alone, which
    hollow points mark.

    It is made by :meth:`from_estimator`, :meth:`from_predictions` or
    :meth:`from_thresholds`.

    Parameters
    ----------
    curves : dict of {str: tuple}
        False positive rate, true positive rate, area, the rates of the decision or
        None, and those of each of its thresholds, of shape (n_thresholds, 2), or None,
        of each group by its label.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it is drawn.
    lines_ : list of matplotlib Line2D
        The curves.

    See Also
    --------
    fairsk.metrics.METRICS : `roc_auc` and `abroca` as numbers.
    fairsk.postprocessing.ThresholdOptimizer : The best thresholds within a tolerance.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from fairsk.inspection import GroupRocDisplay
    >>> rng = np.random.default_rng(0)
    >>> y, group = rng.integers(2, size=(2, 300))
    >>> display = GroupRocDisplay.from_predictions(
    ...     y, y + rng.normal(size=300), sensitive_features=group
    ... )
    >>> len(display.lines_)
    2
    >>> plt.close(display.figure_)
    """

    @classmethod
    def from_estimator(cls, estimator, X, y, *, sensitive_features, **kwargs):
        """Show the scores of a fitted classifier.

        Of a classifier that decides by group thresholds
        (:class:`~fairsk.postprocessing.ThresholdOptimizer`,
        :class:`~fairsk.postprocessing.FixedThresholdClassifier`) the scores of its base
        model are shown, with its thresholds.

        Parameters
        ----------
        estimator : estimator
            Fitted classifier. It is handed the groups where it wants them.
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            Their true labels, of two classes.
        sensitive_features : array-like, Series, DataFrame or dict
            Their groups.
        **kwargs : dict
            Those of :meth:`from_predictions`.

        Returns
        -------
        display : GroupRocDisplay
            The display, drawn.
        """
        if not hasattr(estimator, "threshold_weights_"):
            return super().from_estimator(
                estimator, X, y, sensitive_features=sensitive_features, **kwargs
            )
        given = {"threshold": _thresholds(estimator), "pos_label": estimator.pos_label_}
        y_score = estimator.base_scores(X, sensitive_features=sensitive_features)
        return cls.from_predictions(
            y, y_score, sensitive_features=sensitive_features, **(given | kwargs)
        )

    @classmethod
    def from_thresholds(cls, optimizer, *, ax=None, **kwargs):
        """Show the hulls that thresholds were solved on, with the solution.

        Parameters
        ----------
        optimizer : ThresholdOptimizer
            Fitted, and group aware. What thresholds and their mixtures can reach in a
            group, on the scores that they were chosen on, is the convex hull of its ROC
            curve. A single threshold may lie inside of it.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Those of :meth:`plot`.

        Returns
        -------
        display : GroupRocDisplay
            The display, drawn.
        """
        if not hasattr(optimizer, "threshold_weights_"):
            raise ValueError(
                f"{cls.__name__} needs a fitted ThresholdOptimizer with thresholds of "
                f"groups. Got {optimizer!r}. Fit it with `group_aware=True`."
            )
        curves = {}
        for label, hull, counts, thresholds, weights in zip(
            optimizer.group_labels_,
            optimizer.hulls_,
            optimizer.counts_,
            optimizer.thresholds_,
            optimizer.threshold_weights_,
        ):
            reached = _error_rates(hull.counts)
            false, true = _upper_hull(reached)
            parts = None
            if np.count_nonzero(weights) > 1:
                used = np.isin(hull.thresholds, thresholds[weights > 0])
                parts = reached[used]
            mark = _error_rates(counts)
            curves[group_name(label)] = (false, true, auc(false, true), mark, parts)
        return cls(curves).plot(ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_score,
        *,
        sensitive_features,
        sample_weight=None,
        pos_label=None,
        threshold=None,
        ax=None,
        **kwargs,
    ):
        """Show scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels of two classes.
        y_score : array-like of shape (n_samples,) or (n_samples, 2)
            Scores of the positive class, or probabilities of both.
        sensitive_features : array-like, Series, DataFrame or dict
            Groups of the samples.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.
        pos_label : object, default=None
            The positive class.
        threshold : float or dict, default=None
            Mark the rates of predicting the positive class from this score on. A dict
            gives each group, by its label, a threshold of its own, or a pair of arrays:
            thresholds, and the probability of using each.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Those of :meth:`plot`.

        Returns
        -------
        display : GroupRocDisplay
            The display, drawn. A group with one class has no curve.
        """
        groups = scores_by_group(
            y_true, y_score, sensitive_features, sample_weight, pos_label, cls.__name__
        )
        if isinstance(threshold, dict):
            own = {group_name(label): value for label, value in threshold.items()}
        else:
            own = dict.fromkeys(groups, threshold)
        curves = {name: _measure(*part, own.get(name)) for name, part in groups.items()}
        return cls(curves).plot(ax=ax, **kwargs)

    @staticmethod
    def _label(name, curve):
        return f"{name} (AUC = {curve[2]:.2f})"

    def _decorate(self, ax):
        drawn = [curve for curve in self.curves.values() if np.isfinite(curve[2])]
        for line, (*_, mark, parts) in zip(self.lines_, drawn):
            color = line.get_color()
            if parts is not None:
                ax.plot(*parts.T, "o--", color=color, mfc="w", lw=1, zorder=3)
            if mark is not None:
                ax.plot(*mark, "o", color=color, mec="k", zorder=4)
        ax.set(xlabel="false positive rate", ylabel="true positive rate")


def _thresholds(estimator):
    """Thresholds of each group and the probability of using each, by its label."""
    pairs = zip(estimator.thresholds_, estimator.threshold_weights_)
    return dict(zip(estimator.group_labels_, pairs))


def _upper_hull(points):
    """Vertices of the upper hull of (n_points, 2) from (0, 0) to (1, 1), by columns."""
    hull = []
    for point in points[np.lexsort((points[:, 1], points[:, 0]))]:
        while len(hull) > 1 and _turns_left(*hull[-2:], point):
            hull.pop()
        hull.append(point)
    return np.array(hull).T


def _turns_left(first, second, third):
    along, across = second - first, third - second
    return along[0] * across[1] - along[1] * across[0] >= 0


def _error_rates(counts):
    """False and true positive rate of counts of shape (..., 2, 2)."""
    return counts[..., 1] / counts.sum(axis=-1)


def _measure(y_true, y_score, weights, threshold):
    """Curve of one group, with the rates of its decision and of its thresholds."""
    weights = np.ones(len(y_true)) if weights is None else weights
    totals = np.bincount(y_true, weights, 2)
    if min(totals) == 0:
        return np.array([np.nan]), np.array([np.nan]), np.nan, None, None
    false, true, _ = roc_curve(y_true, y_score, sample_weight=weights)
    area = auc(false, true)
    if threshold is None:
        return false, true, area, None, None
    if not isinstance(threshold, tuple):
        threshold = [threshold], [1.0]
    cuts, chances = (np.asarray(part, dtype=float) for part in threshold)
    parts = np.stack(
        [np.bincount(y_true, weights * (y_score >= cut), 2) / totals for cut in cuts]
    )
    used = chances > 0
    mixed = parts[used] if used.sum() > 1 else None
    return false, true, area, chances @ parts, mixed
