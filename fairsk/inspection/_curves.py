"""What the displays of curves share: one curve for each group."""

import numpy as np

from fairsk.inspection._base import import_pyplot, response, scores_by_group


class GroupCurvesDisplay:
    """Base of the displays with one curve for each group.

    Subclasses set `_methods`, the response methods to take scores from, and write
    `_measure`, `_label` and `_decorate`.

    Parameters
    ----------
    curves : dict of {str: tuple}
        What is drawn of each group, by its label.
    """

    _methods = ("predict_proba", "decision_function")

    def __init__(self, curves):
        self.curves = curves

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
        display : object
            The display, drawn.
        """
        y_score = response(estimator, X, sensitive_features, cls._methods)
        return cls.from_predictions(
            y, y_score, sensitive_features=sensitive_features, **kwargs
        )

    @classmethod
    def _from_scores(
        cls, y_true, y_score, sensitive_features, sample_weight, pos_label, **options
    ):
        parts = scores_by_group(
            y_true, y_score, sensitive_features, sample_weight, pos_label, cls.__name__
        )
        return {name: cls._measure(*part, **options) for name, part in parts.items()}

    def plot(self, ax=None, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Those of matplotlib's `plot`, for all curves.

        Returns
        -------
        display : object
            Itself.
        """
        if ax is None:
            plt = import_pyplot(type(self).__name__)
            _, ax = plt.subplots(figsize=(5, 5), layout="constrained")
        ax.plot([0, 1], [0, 1], color="0.7", lw=1, ls="--")
        self.lines_ = [
            ax.plot(curve[0], curve[1], **{"label": self._label(name, curve)} | kwargs)[
                0
            ]
            for name, curve in self.curves.items()
            if np.isfinite(curve[1]).any()
        ]
        self._decorate(ax)
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        ax.legend(loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        return self
