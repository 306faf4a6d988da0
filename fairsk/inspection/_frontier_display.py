"""What fairness costs: score against disparity, for all tolerances."""

import numpy as np
from scipy.spatial import ConvexHull

from fairsk.definitions import (
    DEFINITIONS,
    FairnessDefinition,
    get_definition,
    get_disparity,
)
from fairsk.groups import Groups
from fairsk.inspection._base import import_pyplot, response
from fairsk.metrics import OutcomeCounts
from fairsk.metrics._inputs import positive_index
from fairsk.metrics._resampling import bootstrap_cells
from fairsk.metrics._tests import mean_null_disparity
from fairsk.postprocessing._programme import get_objective

_TOLERANCES = np.linspace(0.0, 0.3, 31)
_DRAWS = 999


class FrontierDisplay:
    """Score against disparity of several predictors: what fairness costs.

    Each point is a predictor, such as one for each tolerance. The line joins those that
    no other beats in one of the two without losing in the other. The chosen one is
    marked, with the region that holds 95 % of its bootstrap replicates, and the grey
    band is what a perfectly fair predictor would show on these groups: points inside it
    differ by chance.

    It is made by :meth:`from_estimator`, :meth:`from_predictions`, :meth:`from_path` or
    :meth:`from_cv_results`.

    Parameters
    ----------
    disparity, score : ndarray of shape (n_points,)
        Disparity and score of each predictor.
    chosen : tuple of (float, float), default=None
        Disparity and score of the chosen one.
    region : ndarray of shape (n_vertices, 2), default=None
        Corners of its confidence region.
    noise_floor : float, default=None
        Disparity of a perfectly fair predictor.
    greater_is_fairer : bool, default=False
        Whether the fairer predictors are those of larger disparity, as of a ratio.
    disparity_name, score_name : str, default="disparity", "score"
        What the axes are called.

    Attributes
    ----------
    frontier_ : int ndarray
        Positions of the points of the line, from the fairest on.
    ax_, figure_ : matplotlib Axes and Figure
        Where it is drawn.
    line_ : matplotlib Line2D
        The line.

    See Also
    --------
    fairsk.postprocessing.ThresholdOptimizer : Whose `tolerance_path` gives the points.
    fairsk.model_selection.best_within : Chooses a point.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.inspection import FrontierDisplay
    >>> from fairsk.postprocessing import ThresholdOptimizer
    >>> X, y, group = make_biased_classification(1000, random_state=0)
    >>> model = ThresholdOptimizer(LogisticRegression(), tolerance=0.05)
    >>> model = model.fit(X[:500], y[:500], sensitive_features=group[:500])
    >>> display = FrontierDisplay.from_estimator(
    ...     model, X[500:], y[500:], sensitive_features=group[500:]
    ... )
    >>> len(display.disparity)
    31
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        disparity,
        score,
        *,
        chosen=None,
        region=None,
        noise_floor=None,
        greater_is_fairer=False,
        disparity_name="disparity",
        score_name="score",
    ):
        self.disparity = disparity
        self.score = score
        self.chosen = chosen
        self.region = region
        self.noise_floor = noise_floor
        self.greater_is_fairer = greater_is_fairer
        self.disparity_name = disparity_name
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, sensitive_features, tolerances=None, **kwargs
    ):
        """Show the path of a fitted classifier on data.

        Parameters
        ----------
        estimator : estimator
            Fitted classifier with `predict_path`: a
            :class:`~fairsk.postprocessing.ThresholdOptimizer`, for all tolerances, or a
            network that was trained for several weights. Its own predictions are the
            chosen point.
        X : array-like of shape (n_samples, n_features)
            Samples, which should be new ones.
        y : array-like of shape (n_samples,)
            Their true labels, of two classes.
        sensitive_features : array-like, Series, DataFrame or dict
            Their groups.
        tolerances : array-like of shape (n_points,), default=None
            Tolerances of a threshold optimiser; None takes 31 from 0 to 0.3.
        **kwargs : dict
            Those of :meth:`from_predictions`. `fairness` and `pos_label` default to
            those of the estimator.

        Returns
        -------
        display : FrontierDisplay
            The display, drawn.
        """
        if not hasattr(estimator, "predict_path"):
            raise ValueError(
                "FrontierDisplay needs an estimator with `predict_path`. Got "
                f"{type(estimator).__name__}. Pass the predictions of several models "
                "to `from_predictions`, or the results of a search to "
                "`from_cv_results`."
            )
        if hasattr(estimator, "tolerance_path"):
            tolerances = _TOLERANCES if tolerances is None else tolerances
            y_preds = estimator.predict_path(
                X, tolerances, sensitive_features=sensitive_features
            )
        else:
            y_preds = estimator.predict_path(X)
        given = {"fairness": _one_definition(estimator.fairness)}
        if getattr(estimator, "pos_label_", None) is not None:
            given["pos_label"] = estimator.pos_label_
        return cls.from_predictions(
            y,
            y_preds,
            sensitive_features=sensitive_features,
            chosen=response(estimator, X, sensitive_features, ("predict",)),
            **(given | kwargs),
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_preds,
        *,
        sensitive_features,
        chosen=None,
        fairness="demographic_parity",
        disparity="difference",
        score="accuracy",
        sample_weight=None,
        pos_label=None,
        confidence_level=0.95,
        random_state=0,
        ax=None,
        **kwargs,
    ):
        """Show the predictions of several models for the same samples.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels of two classes.
        y_preds : array-like of shape (n_points, n_samples), or list of such rows
            Predicted labels of each model.
        sensitive_features : array-like, Series, DataFrame or dict
            Groups of the samples.
        chosen : int or array-like of shape (n_samples,), default=None
            The chosen model: its position, or its predictions.
        fairness : str or FairnessDefinition, default="demographic_parity"
            The definition.
        disparity : str or Disparity, default="difference"
            How the groups become one number.
        score : str, dict or array-like of shape (2, 2), default="accuracy"
            What is best large: as the `objective` of
            :class:`~fairsk.postprocessing.ThresholdOptimizer`. Of a cost matrix the
            negative mean cost.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.
        pos_label : object, default=None
            The positive class.
        confidence_level : float or None, default=0.95
            Of the region of the chosen model; None draws none.
        random_state : int, Generator or RandomState, default=0
            Source of randomness of the region.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Those of :meth:`plot`.

        Returns
        -------
        display : FrontierDisplay
            The display, drawn.
        """
        measure = _Measure(get_definition(fairness), get_disparity(disparity), score)
        groups = Groups.from_columns(sensitive_features, owner=cls.__name__)
        rows = list(y_preds)
        if chosen is not None and np.ndim(chosen) > 0:
            rows, chosen = [*rows, chosen], len(rows)
        tables = [
            OutcomeCounts.from_arrays(
                y_true,
                y_pred,
                sensitive_features=groups,
                sample_weight=sample_weight,
                pos_label=pos_label,
                labels=np.unique(y_true),
                owner=cls.__name__,
            )
            for y_pred in rows
        ]
        pos_index = _binary_index(tables, pos_label, cls.__name__)
        counts = np.stack([table.counts[0] for table in tables])
        values = measure(counts, pos_index)
        region = None
        if chosen is not None and confidence_level is not None:
            region = measure.region(
                tables[chosen], pos_index, confidence_level, random_state
            )
        display = cls(
            *values[:, : len(y_preds)],
            chosen=None if chosen is None else tuple(values[:, chosen].tolist()),
            region=region,
            noise_floor=measure.noise_floor(
                tables[0 if chosen is None else chosen], pos_index
            ),
            **measure.names,
        )
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_path(cls, path, *, chosen=None, fairness=None, ax=None, **kwargs):
        """Show what `tolerance_path` returns: the scores thresholds were chosen on.

        Parameters
        ----------
        path : Bunch
            Of :meth:`~fairsk.postprocessing.ThresholdOptimizer.tolerance_path`.
        chosen : float, default=None
            The chosen tolerance; the nearest one of the path is marked.
        fairness : str, default=None
            Name of the definition; None takes the first of the path.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Those of :meth:`plot`.

        Returns
        -------
        display : FrontierDisplay
            The display, drawn.
        """
        name = next(iter(path.disparity)) if fairness is None else fairness
        if name not in path.disparity:
            raise ValueError(
                f"FrontierDisplay needs a definition of the path: "
                f"{list(path.disparity)}. Got {fairness!r}."
            )
        disparity = path.disparity[name]
        if chosen is not None:
            nearest = int(np.argmin(np.abs(path.tolerances - chosen)))
            chosen = (float(disparity[nearest]), float(path.objective[nearest]))
        display = cls(
            disparity,
            path.objective,
            chosen=chosen,
            greater_is_fairer=path.greater_is_fairer,
            disparity_name=_spaced(name),
            score_name="objective",
        )
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_cv_results(
        cls, cv_results, *, disparity, score="accuracy", chosen=None, ax=None, **kwargs
    ):
        """Show the mean scores of a search, or of the path of a network.

        Parameters
        ----------
        cv_results : dict of str to array-like
            `cv_results_` of a search, or `path_results_` or `frontier_` of
            :class:`~fairsk.inprocessing.FairMLPClassifierCV`.
        disparity, score : str
            Names of the scores, such as ``"neg_demographic_parity_difference"`` and
            "accuracy". Of a name that starts with ``"neg_"`` the sign is taken off; any
            other disparity is one whose larger values are the fairer ones.
        chosen : int, default=None
            Position of the chosen candidate (`best_index_`).
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Those of :meth:`plot`.

        Returns
        -------
        display : FrontierDisplay
            The display, drawn.
        """
        gaps, scores = (_mean_score(cv_results, name) for name in (disparity, score))
        is_loss = disparity.startswith("neg_")
        gaps = -gaps if is_loss else gaps
        display = cls(
            gaps,
            scores,
            chosen=None if chosen is None else (gaps[chosen], scores[chosen]),
            greater_is_fairer=not is_loss,
            disparity_name=_spaced(disparity.removeprefix("neg_")),
            score_name=_spaced(score),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, label=None, color="C0"):
        """Draw the points and the line.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw, such as that of another display; None makes a figure.
        label : str, default=None
            Name of the line, for a legend.
        color : str, default="C0"
            Colour.

        Returns
        -------
        display : FrontierDisplay
            Itself.
        """
        if ax is None:
            plt = import_pyplot(type(self).__name__)
            _, ax = plt.subplots(figsize=(5, 4), layout="constrained")
        fairer = -self.disparity if self.greater_is_fairer else self.disparity
        self.frontier_ = _not_beaten(fairer, self.score)
        if self.noise_floor is not None and not self.greater_is_fairer:
            ax.axvspan(0.0, self.noise_floor, color="0.92", zorder=0)
        beaten = np.setdiff1d(np.arange(len(self.score)), self.frontier_)
        ax.plot(self.disparity[beaten], self.score[beaten], "o", ms=3, color="0.75")
        (self.line_,) = ax.plot(
            self.disparity[self.frontier_],
            self.score[self.frontier_],
            "o-",
            ms=4,
            color=color,
            label=label,
        )
        if self.region is not None:
            ax.fill(*self.region.T, color=color, alpha=0.15, lw=0)
        if self.chosen is not None:
            ax.plot(*self.chosen, "*", ms=13, color=color, mec="k", zorder=4)
        ax.set(xlabel=self.disparity_name, ylabel=self.score_name)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class _Measure:
    """Disparity and score of tables of counts."""

    def __init__(self, definition, disparity, score):
        self.definition = definition
        self.disparity = disparity
        self.objective = get_objective(score)
        self.names = {
            "greater_is_fairer": disparity.greater_is_better,
            "disparity_name": _spaced(f"{definition.name}_{disparity.name}"),
            "score_name": _spaced(score) if isinstance(score, str) else "score",
        }

    def __call__(self, counts, pos_index):
        """Disparities and scores, stacked, of counts of shape (..., n_groups, 2, 2)."""
        # Objectives count class 1 as the positive one.
        flipped = counts if pos_index == 1 else counts[..., ::-1, ::-1]
        gap = self.definition.disparity(flipped, self.disparity, pos_index=1)
        return np.stack([gap, self.objective.values(flipped)])

    def noise_floor(self, table, pos_index):
        return mean_null_disparity(
            table, self.definition, self.disparity, pos_index, _DRAWS
        )

    def region(self, table, pos_index, level, random_state):
        """Hull of the share `level` of bootstrap replicates nearest to their mean."""
        parts = (table.counts[0], table.n_rows[0], table.n_squares[0])
        parts = parts if table.is_weighted else (parts[0],) * 3
        (drawn,) = bootstrap_cells(
            lambda tables: (self(tables, pos_index),), *parts, _DRAWS, random_state
        )
        drawn = drawn[:, np.isfinite(drawn).all(axis=0)].T
        spread = np.cov(drawn.T)
        if np.linalg.matrix_rank(spread) != 2:
            return None
        away = drawn - drawn.mean(axis=0)
        distance = np.einsum("ni,ij,nj->n", away, np.linalg.inv(spread), away)
        kept = drawn[distance <= np.quantile(distance, level)]
        return kept[ConvexHull(kept).vertices]


def _binary_index(tables, pos_label, owner):
    classes = tables[0].classes
    if len(classes) != 2 or any(table.classes != classes for table in tables):
        raise ValueError(
            f"{owner} needs labels of two classes. Got {tables[-1].classes}. Compare "
            "one class with the rest."
        )
    return positive_index(classes, pos_label, owner=owner)


def _one_definition(fairness):
    """The definition of an estimator; the first where it has several.

    Demographic parity where it has none: a penalty need not be one of a definition.
    """
    if isinstance(fairness, (list, tuple, dict)):
        fairness = next(iter(fairness), None)
    is_name = isinstance(fairness, str) and fairness in DEFINITIONS
    known = is_name or isinstance(fairness, FairnessDefinition)
    return fairness if known else "demographic_parity"


def _mean_score(cv_results, name):
    key = f"mean_test_{name}"
    if key not in cv_results:
        known = [k.removeprefix("mean_test_") for k in cv_results if "mean_test_" in k]
        raise ValueError(
            f"FrontierDisplay needs a score of the results: {known}. Got {name!r}."
        )
    return np.asarray(cv_results[key], dtype=float)


def _not_beaten(unfairness, score):
    """Positions of the points that none beats, from the fairest on."""
    order = np.lexsort((-score, unfairness))
    order = order[np.isfinite(unfairness[order]) & np.isfinite(score[order])]
    best_before = np.maximum.accumulate(np.append(-np.inf, score[order]))[:-1]
    return order[score[order] > best_before]


def _spaced(name):
    return name.replace("_", " ")
