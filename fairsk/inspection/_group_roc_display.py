"""ROC curve of every group."""

import numpy as np
from sklearn.metrics import auc, roc_curve

from fairsk.inspection._curves import GroupCurvesDisplay


class GroupRocDisplay(GroupCurvesDisplay):
    """ROC curve of every group.

    Where the curves of two groups lie apart, no choice of thresholds gives both the
    better group's error rates. Points mark where one threshold puts the groups.

    It is made by :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    curves : dict of {str: tuple}
        False positive rate, true positive rate, area, and the rates at the threshold or
        None, of each group by its label.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it is drawn.
    lines_ : list of matplotlib Line2D
        The curves.

    See Also
    --------
    fairsk.metrics.METRICS : `roc_auc` and `abroca` as numbers.

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
        threshold : float, default=None
            Mark the rates of predicting the positive class from this score on.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Those of :meth:`plot`.

        Returns
        -------
        display : GroupRocDisplay
            The display, drawn. A group with one class has no curve.
        """
        curves = cls._from_scores(
            y_true,
            y_score,
            sensitive_features,
            sample_weight,
            pos_label,
            threshold=threshold,
        )
        return cls(curves).plot(ax=ax, **kwargs)

    @staticmethod
    def _measure(y_true, y_score, weights, *, threshold):
        weights = np.ones(len(y_true)) if weights is None else weights
        totals = [weights[y_true == k].sum() for k in (0, 1)]
        if min(totals) == 0:
            return np.array([np.nan]), np.array([np.nan]), np.nan, None
        false, true, _ = roc_curve(y_true, y_score, sample_weight=weights)
        mark = None
        if threshold is not None:
            chosen = y_score >= threshold
            mark = [weights[chosen & (y_true == k)].sum() / totals[k] for k in (0, 1)]
        return false, true, auc(false, true), mark

    @staticmethod
    def _label(name, curve):
        return f"{name} (AUC = {curve[2]:.2f})"

    def _decorate(self, ax):
        drawn = [curve for curve in self.curves.values() if np.isfinite(curve[2])]
        for line, (*_, mark) in zip(self.lines_, drawn):
            if mark is not None:
                ax.plot(*mark, "o", color=line.get_color())
        ax.set(xlabel="false positive rate", ylabel="true positive rate")
