"""Refit rule of a search: the best score within limits."""

import re
import warnings
from dataclasses import dataclass
from numbers import Real

import numpy as np

from fairsk.definitions import DISPARITIES


def best_within(score, limits, *, one_standard_error=False, margin=0.0):
    r"""Make a rule for `refit` that takes the best score within limits.

    Among the candidates whose mean test value keeps every limit, the one of the best
    mean test `score` is chosen. If there is none, it is the one that violates its worst
    limit least, with a `UserWarning` that says by how much.

    Parameters
    ----------
    score : str
        Key of the scorer to maximise, as in the search's `scoring`. The search's only
        scorer has the key "score".
    limits : dict of str to float or (low, high)
        Key of a scorer, and the limit for it.

        - A number limits a disparity. It is a floor for keys that end with the name of
          a disparity of which more is fairer, such as ``"..._ratio"``; and a ceiling on
          the magnitude for keys that end with the name of one of which less is fairer,
          such as ``"..._difference"``.
        - A pair ``(low, high)`` limits the value of any scorer from both sides, with
          None for no limit on that side. Other keys, such as ``"accuracy"``, need it.

        The prefix ``neg_`` of a key, which marks a scorer with the sign flipped, may be
        left out; a pair then limits the value with its sign flipped back.
    one_standard_error : bool, default=False
        Whether to take the fairest of all candidates that keep the limits and whose
        score is at most one standard error below the best of them. The fairest is the
        one that is furthest inside its nearest limit. The standard error is that of the
        best candidate's mean over the folds.
    margin : float, default=0.0
        How many standard errors (over the folds, each candidate's own) a value must
        stay inside a limit to keep it. What holds on average over folds holds on new
        data about half of the time; a margin of 1 makes it five times in six, as far as
        the folds are independent.

    Returns
    -------
    rule : callable
        Maps `cv_results_` to the index of the chosen candidate, for the parameter
        `refit` of `GridSearchCV` or `RandomizedSearchCV`. It can be pickled.

    See Also
    --------
    fairsk.model_selection.FairStratifiedKFold : Folds in which no group is missing.

    Notes
    -----
    With value :math:`v` and limits :math:`l \le v \le h`, a candidate's excess is the
    largest of :math:`l - v` and :math:`v - h` over all its limits. A candidate keeps
    the limits if its excess is at most 0; "least violating" and "fairest" both mean the
    smallest excess. Ties go to the better score, then to the candidate that stands
    first. NaN keeps no limit, and a NaN score is never chosen.

    Successive halving takes one scorer only, and never calls `refit` (scikit-learn 1.6
    to 1.9). There, call the rule on `cv_results_`: it looks at the candidates of the
    last iteration.

    Examples
    --------
    >>> from fairsk.model_selection import best_within
    >>> rule = best_within("accuracy", {"demographic_parity_difference": 0.05})
    >>> rule({
    ...     "mean_test_accuracy": [0.86, 0.84, 0.80],
    ...     "mean_test_neg_demographic_parity_difference": [-0.18, -0.04, -0.01],
    ... })
    1
    """
    if not isinstance(limits, dict) or not limits:
        raise ValueError(
            "best_within needs `limits` as a dict of scorer key to limit. "
            f"Got {limits!r}."
        )
    limits = {
        key: tuple(limit) if isinstance(limit, list) else limit
        for key, limit in limits.items()
    }
    for key, limit in limits.items():
        _check_limit(key, limit)
    if not isinstance(margin, Real) or not margin >= 0:
        raise ValueError(f"best_within needs a `margin` of at least 0. Got {margin!r}.")
    return _BestWithin(score, limits, one_standard_error, margin)


@dataclass(frozen=True)
class _BestWithin:
    score: str
    limits: dict
    one_standard_error: bool
    margin: float

    def __call__(self, cv_results):
        score = _mean(cv_results, self.score)
        excess = np.max(
            [self._excess(cv_results, *item) for item in self.limits.items()], axis=0
        )
        candidates = _candidates(cv_results, score)
        within = candidates[excess[candidates] <= 0]
        if len(within) == 0:
            chosen = _first(candidates, excess, -score)
            self._warn(cv_results, chosen)
            return chosen
        chosen = _first(within, -score, excess)
        if self.one_standard_error:
            error = _standard_error(cv_results, self.score)[chosen]
            near = within[score[within] >= score[chosen] - error]
            chosen = _first(near, excess, -score)
        return chosen

    def _excess(self, cv_results, key, limit):
        """How far each candidate is outside of one limit; inside, it is negative."""
        column, sign = _find(cv_results, key)
        value = sign * _mean(cv_results, column)
        low, high = _bounds(key, limit)
        if not isinstance(limit, tuple):
            value = np.abs(value)
        outside = np.maximum(low - value, value - high)
        if self.margin:
            outside = outside + self.margin * _standard_error(cv_results, column)
        return np.where(np.isnan(outside), np.inf, outside)

    def _warn(self, cv_results, chosen):
        broken = []
        for key, limit in self.limits.items():
            excess = self._excess(cv_results, key, limit)[chosen]
            if excess > 0:
                far = f"by {excess:.3g}" if np.isfinite(excess) else "which is NaN"
                broken.append(f"{key} {far}")
        params = cv_results.get("params")
        which = f"{chosen} {params[chosen]}" if params is not None else f"{chosen}"
        warnings.warn(
            f"best_within finds no candidate within the limits {self.limits}. The "
            f"least violating one is candidate {which}, which misses "
            f"{' and '.join(broken)}. Widen the limits, or search further.",
            UserWarning,
            stacklevel=3,
        )


def _check_limit(key, limit):
    if isinstance(limit, tuple):
        numbers = [bound for bound in limit if bound is not None]
        if len(limit) != 2 or not numbers or not all(map(_is_number, numbers)):
            raise ValueError(
                "best_within needs a pair (low, high) of numbers, or None on one side."
                f" Got {limit!r} for {key!r}."
            )
        if len(numbers) == 2 and not limit[0] <= limit[1]:
            raise ValueError(
                f"best_within needs low <= high. Got {limit!r} for {key!r}."
            )
        return
    if not _is_number(limit):
        raise ValueError(
            f"best_within needs a number or a pair (low, high) as limit. Got {limit!r} "
            f"for {key!r}."
        )
    if limit < 0:
        raise ValueError(
            f"best_within limits the magnitude of a disparity. Got {limit!r} for "
            f"{key!r}. Give it without the sign, or a pair (low, high)."
        )
    _bounds(key, limit)


def _is_number(bound):
    return isinstance(bound, Real) and not np.isnan(bound)


def _bounds(key, limit):
    """Lower and upper bound on the value that `limit` stands for."""
    if isinstance(limit, tuple):
        low, high = limit
        return -np.inf if low is None else low, np.inf if high is None else high
    for name, disparity in DISPARITIES.items():
        if key == name or key.endswith(f"_{name}"):
            return (limit, np.inf) if disparity.greater_is_better else (-np.inf, limit)
    raise ValueError(
        f"best_within cannot tell whether {limit!r} is a floor or a ceiling for "
        f"{key!r}, which ends with none of {sorted(DISPARITIES)}. Give a pair: (low, "
        "None) is a floor and (None, high) a ceiling."
    )


def _find(cv_results, key):
    """Key of the scorer's columns, and the sign that turns them into `key`."""
    for column, sign in ((key, 1), (f"neg_{key}", -1)):
        if f"mean_test_{column}" in cv_results:
            return column, sign
    known = [
        name.removeprefix("mean_test_")
        for name in cv_results
        if name.startswith("mean_test_")
    ]
    raise ValueError(
        f"best_within needs the scorer {key!r} in the search. Got the scorers "
        f"{sorted(known)}. Add it to `scoring`."
    )


def _mean(cv_results, key):
    column, _ = _find(cv_results, key)
    return np.asarray(cv_results[f"mean_test_{column}"], dtype=float)


def _standard_error(cv_results, key):
    """Standard error of each candidate's mean over the folds."""
    column, _ = _find(cv_results, key)
    pattern = re.compile(rf"split\d+_test_{re.escape(column)}")
    folds = [values for name, values in cv_results.items() if pattern.fullmatch(name)]
    if len(folds) < 2:
        raise ValueError(
            f"best_within needs at least 2 folds for a standard error. Got {len(folds)}"
            f" for {column!r}. Use more folds, or neither `one_standard_error` nor "
            "`margin`."
        )
    return np.std(np.array(folds, dtype=float), axis=0, ddof=1) / np.sqrt(len(folds))


def _candidates(cv_results, score):
    """Candidates that can win: those with a score, of the last iteration if any."""
    eligible = ~np.isnan(score)
    if "iter" in cv_results:
        iteration = np.asarray(cv_results["iter"])
        eligible &= iteration == iteration.max()
    if not eligible.any():
        raise ValueError(
            "best_within needs a candidate with a score. Got NaN for all of them. "
            "Search with error_score='raise' to see why."
        )
    return np.flatnonzero(eligible)


def _first(candidates, *keys):
    """Candidate that comes first when sorted by the keys, the first key first."""
    order = np.lexsort([key[candidates] for key in reversed(keys)])
    return int(candidates[order[0]])
