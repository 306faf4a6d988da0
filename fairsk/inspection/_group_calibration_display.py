"""Reliability diagram of every group."""

import numpy as np

from fairsk.inspection._curves import GroupCurvesDisplay


class GroupCalibrationDisplay(GroupCurvesDisplay):
    """Reliability diagram of every group: what a score promises against what happens.

    Where the curves lie apart, the same score means another risk in another group.

    It is made by :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    curves : dict of {str: tuple}
        Mean probability and share of positives in each bin of each group, by its
        label.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it is drawn.
    lines_ : list of matplotlib Line2D
        The curves.

    See Also
    --------
    fairsk.metrics.METRICS : `calibration_error` as a number.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from fairsk.inspection import GroupCalibrationDisplay
    >>> rng = np.random.default_rng(0)
    >>> score, group = rng.random(400), rng.integers(2, size=400)
    >>> y = (rng.random(400) < score).astype(int)
    >>> display = GroupCalibrationDisplay.from_predictions(
    ...     y, score, sensitive_features=group
    ... )
    >>> len(display.lines_)
    2
    >>> plt.close(display.figure_)
    """

    _methods = ("predict_proba",)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_score,
        *,
        sensitive_features,
        sample_weight=None,
        pos_label=None,
        n_bins=10,
        strategy="uniform",
        ax=None,
        **kwargs,
    ):
        """Show probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels of two classes.
        y_score : array-like of shape (n_samples,) or (n_samples, 2)
            Probabilities of the positive class, or of both.
        sensitive_features : array-like, Series, DataFrame or dict
            Groups of the samples.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.
        pos_label : object, default=None
            The positive class.
        n_bins : int, default=10
            Bins of the probabilities.
        strategy : {"uniform", "quantile"}, default="uniform"
            Bins of equal width, or of equal numbers of samples in each group.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Those of :meth:`plot`.

        Returns
        -------
        display : GroupCalibrationDisplay
            The display, drawn.
        """
        y_score = np.asarray(y_score, dtype=float)
        if not (y_score.min() >= 0 and y_score.max() <= 1):
            raise ValueError(
                "GroupCalibrationDisplay needs probabilities in [0, 1]. Got values "
                f"from {y_score.min()} to {y_score.max()}."
            )
        if strategy not in ("uniform", "quantile"):
            raise ValueError(
                "GroupCalibrationDisplay needs `strategy` to be 'uniform' or "
                f"'quantile'. Got {strategy!r}."
            )
        curves = cls._from_scores(
            y_true,
            y_score,
            sensitive_features,
            sample_weight,
            pos_label,
            n_bins=n_bins,
            strategy=strategy,
        )
        return cls(curves).plot(ax=ax, **{"marker": "o", "ms": 4} | kwargs)

    @staticmethod
    def _measure(y_true, y_score, weights, *, n_bins, strategy):
        edges = np.linspace(0, 1, n_bins + 1)
        if strategy == "quantile":
            edges = np.quantile(y_score, edges)
        bins = np.searchsorted(edges[1:-1], y_score)
        weights = np.ones(len(y_true)) if weights is None else weights
        mass, promised, happened = (
            np.bincount(bins, weights * part, minlength=n_bins)
            for part in (1.0, y_score, y_true)
        )
        filled = mass > 0
        return promised[filled] / mass[filled], happened[filled] / mass[filled]

    @staticmethod
    def _label(name, curve):
        return name

    def _decorate(self, ax):
        ax.set(xlabel="mean predicted probability", ylabel="share of positives")
