"""Rates of every group against the decision threshold."""

import numpy as np

from fairsk.definitions import RATES, FairnessDefinition, get_definition
from fairsk.inspection._base import import_pyplot, response, scores_by_group


class ThresholdSensitivityDisplay:
    """Rates of every group, and their disparity, against the decision threshold.

    One panel for each rate of the definition, with a curve for each group and one for
    everybody, and a last one with the disparity. All thresholds are swept at once: how
    far a conclusion depends on the threshold is seen.

    It is made by :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    thresholds : ndarray of shape (n_thresholds,)
        Rising scores; a sample is predicted positive from the threshold on.
    rates : dict of {str: dict of {str: ndarray}}
        Values of each rate by the label of the group, and "overall", at the thresholds.
    disparity : ndarray of shape (n_thresholds,)
        Disparity of the definition.
    disparity_name : str, default="difference"
        How the disparity is called.
    threshold : float, default=None
        Threshold in use, to be marked.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each rate, and one for the disparity.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    GroupRocDisplay : True against false positive rates.
    fairsk.postprocessing.ThresholdOptimizer : The best thresholds within a tolerance.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from fairsk.inspection import ThresholdSensitivityDisplay
    >>> rng = np.random.default_rng(0)
    >>> y, group = rng.integers(2, size=(2, 300))
    >>> display = ThresholdSensitivityDisplay.from_predictions(
    ...     y, y + rng.normal(size=300), sensitive_features=group
    ... )
    >>> len(display.axes_)
    2
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        thresholds,
        rates,
        disparity,
        *,
        disparity_name="difference",
        threshold=None,
    ):
        self.thresholds = thresholds
        self.rates = rates
        self.disparity = disparity
        self.disparity_name = disparity_name
        self.threshold = threshold

    @classmethod
    def from_estimator(cls, estimator, X, y, *, sensitive_features, **kwargs):
        """Show the scores of a fitted classifier.

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
        display : ThresholdSensitivityDisplay
            The display, drawn.
        """
        methods = ("predict_proba", "decision_function")
        y_score = response(estimator, X, sensitive_features, methods)
        return cls.from_predictions(
            y, y_score, sensitive_features=sensitive_features, **kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_score,
        *,
        sensitive_features,
        fairness="demographic_parity",
        disparity="difference",
        threshold=None,
        sample_weight=None,
        pos_label=None,
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
        fairness : str or FairnessDefinition, default="demographic_parity"
            The definition, or the name of a rate alone.
        disparity : str or Disparity, default="difference"
            How the groups become one number.
        threshold : float, default=None
            Threshold in use, to be marked.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.
        pos_label : object, default=None
            The positive class.
        ax : matplotlib Axes or array of them, default=None
            One for each rate and one for the disparity; None makes a figure.
        **kwargs : dict
            Those of :meth:`plot`.

        Returns
        -------
        display : ThresholdSensitivityDisplay
            The display, drawn.
        """
        parts = scores_by_group(
            y_true, y_score, sensitive_features, sample_weight, pos_label, cls.__name__
        )
        if fairness in RATES:
            fairness = FairnessDefinition(fairness, (RATES[fairness],))
        definition = get_definition(fairness)
        thresholds = np.unique(np.concatenate([part[1] for part in parts.values()]))
        counts = np.stack([_swept(*part, thresholds) for part in parts.values()], 1)
        with_all = np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1)
        names = [*parts, "overall"]
        values = definition.values(with_all)
        rates = {
            name: dict(zip(names, values[:, row].T))
            for row, name in enumerate(definition.value_names(2))
        }
        display = cls(
            thresholds,
            rates,
            definition.disparity(counts, disparity),
            disparity_name=getattr(disparity, "name", disparity),
            threshold=threshold,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the panels.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            One for each rate and one for the disparity; None makes a figure.
        **kwargs : dict
            Those of matplotlib's `plot`, for all curves.

        Returns
        -------
        display : ThresholdSensitivityDisplay
            Itself.
        """
        n_panels = len(self.rates) + 1
        if ax is None:
            plt = import_pyplot(type(self).__name__)
            _, ax = plt.subplots(
                1, n_panels, figsize=(4 * n_panels, 3.5), layout="constrained"
            )
        self.axes_ = np.ravel(ax)
        if len(self.axes_) != n_panels:
            raise ValueError(
                f"{type(self).__name__} needs {n_panels} axes, one for each rate and "
                f"one for the disparity. Got {len(self.axes_)}."
            )
        self.figure_ = self.axes_[0].figure
        for axis, (name, curves) in zip(self.axes_, self.rates.items()):
            for label, values in curves.items():
                own = {"color": "0.4", "ls": "--"} if label == "overall" else {}
                axis.plot(
                    self.thresholds,
                    values,
                    **{"label": label, "lw": 1.5} | own | kwargs,
                )
            axis.set_title(name.replace("_", " "))
        self.axes_[0].legend()
        last = self.axes_[-1]
        last.plot(self.thresholds, self.disparity, **{"color": "0.2"} | kwargs)
        last.set_title(self.disparity_name)
        for axis in self.axes_:
            axis.set_xlabel("threshold")
            if self.threshold is not None:
                axis.axvline(self.threshold, color="0.7", lw=1, zorder=0)
        return self


def _swept(y_true, y_score, weights, thresholds):
    """Counts of shape (n_thresholds, 2, 2) of one group, by one sort."""
    weights = np.ones(len(y_true)) if weights is None else weights
    order = np.argsort(y_score)
    below = np.searchsorted(y_score[order], thresholds)
    counts = np.empty((len(thresholds), 2, 2))
    for label in (0, 1):
        mass = np.append(0.0, np.cumsum((weights * (y_true == label))[order]))
        counts[:, label, 0] = mass[below]
        counts[:, label, 1] = mass[-1] - mass[below]
    # Sums of floats leave dust where nothing is left.
    return np.maximum(counts, 0.0)
