"""Metrics of every group with their intervals and what chance alone would show."""

import numpy as np

from fairsk.inspection._base import group_name, import_pyplot, response
from fairsk.metrics import group_metrics
from fairsk.metrics._confidence import null_draws
from fairsk.metrics._intervals import nan_quantile


class GroupMetricsDisplay:
    """Metrics of every group, with intervals, beside what chance alone would show.

    One panel for each metric. A point is a group's value with its confidence interval,
    the line is the value of all samples together. The grey band is where 95 % of the
    values of a group of that size would lie if the predictor were fair: a point inside
    its band shows nothing.

    It is made by :meth:`from_estimator`, :meth:`from_predictions` or
    :meth:`from_result`.

    Parameters
    ----------
    result : GroupMetrics
        The report; of one stratum.
    intervals : GroupIntervals or None
        Confidence intervals of the values.
    null_low, null_high : ndarray of shape (n_columns, n_groups)
        Ends of the bands.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    axes_ : ndarray of matplotlib Axes
        One for each metric.

    See Also
    --------
    fairsk.metrics.group_metrics : The report that is shown.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from fairsk.inspection import GroupMetricsDisplay
    >>> rng = np.random.default_rng(0)
    >>> y_true, y_pred = rng.integers(2, size=(2, 300))
    >>> display = GroupMetricsDisplay.from_predictions(
    ...     y_true, y_pred, sensitive_features={"sex": rng.choice(["f", "m"], 300)}
    ... )
    >>> [axis.get_title() for axis in display.axes_]
    ['selection rate', 'true positive rate', 'false positive rate']
    >>> plt.close(display.figure_)
    """

    def __init__(self, result, *, intervals=None, null_low=None, null_high=None):
        self.result = result
        self.intervals = intervals
        self.null_low = null_low
        self.null_high = null_high

    @classmethod
    def from_estimator(cls, estimator, X, y, *, sensitive_features, **kwargs):
        """Show the predictions of a fitted classifier.

        Parameters
        ----------
        estimator : estimator
            Fitted classifier. It is handed the groups where it wants them.
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            Their true labels.
        sensitive_features : array-like, Series, DataFrame or dict
            Their groups.
        **kwargs : dict
            Those of :meth:`from_predictions`.

        Returns
        -------
        display : GroupMetricsDisplay
            The display, drawn.
        """
        y_pred = response(estimator, X, sensitive_features, ("predict",))
        return cls.from_predictions(
            y, y_pred, sensitive_features=sensitive_features, **kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        sensitive_features,
        metrics=("selection_rate", "true_positive_rate", "false_positive_rate"),
        sample_weight=None,
        y_score=None,
        pos_label=None,
        **kwargs,
    ):
        """Show predictions.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
            True and predicted labels.
        sensitive_features : array-like, Series, DataFrame or dict
            Groups of the samples.
        metrics : str, callable, tuple or dict, default=("selection_rate", \
"true_positive_rate", "false_positive_rate")
            As :func:`~fairsk.metrics.group_metrics` takes them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.
        y_score : array-like of shape (n_samples,), default=None
            Scores, for metrics that need them.
        pos_label : object, default=None
            The positive class.
        **kwargs : dict
            Those of :meth:`from_result`.

        Returns
        -------
        display : GroupMetricsDisplay
            The display, drawn.
        """
        result = group_metrics(
            metrics,
            y_true,
            y_pred,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            y_score=y_score,
            pos_label=pos_label,
        )
        return cls.from_result(result, **kwargs)

    @classmethod
    def from_result(
        cls,
        result,
        *,
        method="auto",
        confidence_level=0.95,
        n_resamples=None,
        random_state=0,
        ax=None,
        **kwargs,
    ):
        """Show a report.

        Parameters
        ----------
        result : GroupMetrics
            The report; of one stratum.
        method : str or None, default="auto"
            Method of the intervals; None for none. "auto" is "wilson" if every metric
            is a share of samples, else "bca", or "percentile" if one is called on rows.
        confidence_level : float, default=0.95
            Of the intervals.
        n_resamples : int, default=None
            Replicates of the intervals and of the null. None takes 9999, or 200 if a
            metric is called on rows.
        random_state : int, Generator or RandomState, default=0
            Source of randomness.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one for each metric; None makes a figure.
        **kwargs : dict
            Those of :meth:`plot`.

        Returns
        -------
        display : GroupMetricsDisplay
            The display, drawn.
        """
        if len(result.stratum_labels) > 1:
            raise ValueError(
                "GroupMetricsDisplay needs a report of one stratum. Got "
                f"{len(result.stratum_labels)}. Cross the control features with the "
                "sensitive ones, or show one stratum at a time."
            )
        _, on_rows = result._split_metrics()
        if method == "auto":
            others = "percentile" if on_rows else "bca"
            method = "wilson" if result._is_proportion().all() else others
        n_resamples = n_resamples or (200 if on_rows else 9999)
        intervals = None
        if method is not None:
            intervals = result.confidence_interval(
                method,
                confidence_level=confidence_level,
                n_resamples=n_resamples,
                random_state=random_state,
            )
        draws = np.ascontiguousarray(null_draws(result, n_resamples, random_state)[0])
        tail = (1 - confidence_level) / 2
        low, high = (nan_quantile(draws, q)[0] for q in (tail, 1 - tail))
        display = cls(result, intervals=intervals, null_low=low, null_high=high)
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, kind="point", color="C0"):
        """Draw the panels.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            One for each metric; None makes a figure.
        kind : {"point", "bar"}, default="point"
            How to draw the values.
        color : str, default="C0"
            Colour of the values.

        Returns
        -------
        display : GroupMetricsDisplay
            Itself.
        """
        names = self.result.names
        if kind not in ("point", "bar"):
            raise ValueError(
                "GroupMetricsDisplay needs `kind` to be 'point' or 'bar'. Got "
                f"{kind!r}."
            )
        if ax is None:
            height = 1.2 + 0.35 * len(self.result.group_labels)
            plt = import_pyplot("GroupMetricsDisplay")
            _, ax = plt.subplots(
                1,
                len(names),
                figsize=(3.2 * len(names) + 1, height),
                sharey=True,
                squeeze=False,
                layout="constrained",
            )
        self.axes_ = np.ravel(ax)
        if len(self.axes_) != len(names):
            raise ValueError(
                f"GroupMetricsDisplay needs {len(names)} axes, one for each metric. "
                f"Got {len(self.axes_)}."
            )
        self.figure_ = self.axes_[0].figure
        for column, axis in enumerate(self.axes_):
            self._draw(axis, column, kind, color)
        labels = [
            f"{group_name(label)} ({size:,})"
            for label, size in zip(self.result.group_labels, self.result.sizes[0])
        ]
        self.axes_[0].set_yticks(range(len(labels)), labels)
        self.axes_[0].invert_yaxis()
        return self

    def _draw(self, axis, column, kind, color):
        values = self.result.values[0, column]
        rows = np.arange(len(values))
        if self.null_low is not None:
            low, high = self.null_low[column], self.null_high[column]
            axis.barh(
                rows,
                high - low,
                left=low,
                height=0.8,
                color="0.85",
                label="if fair",
                zorder=0,
            )
        axis.axvline(
            self.result.overall_values[0, column], color="0.5", lw=1, label="overall"
        )
        if kind == "bar":
            axis.barh(rows, values, height=0.4, color=color, alpha=0.6)
        error = None
        if self.intervals is not None:
            ends = self.intervals.low_values, self.intervals.high_values
            low, high = (end[0, column] for end in ends)
            error = np.clip([values - low, high - values], 0, None)
        axis.errorbar(
            values, rows, xerr=error, fmt="o" if kind == "point" else "none",
            color=color, capsize=3, label="group",
        )  # fmt: skip
        axis.set_title(self.result.names[column].replace("_", " "))
