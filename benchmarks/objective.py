"""What is measured: time as ratios in one run, accuracy against disparity."""

import importlib.metadata
import importlib.util
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fairsk.definitions import DEFINITIONS, group_counts

PACKAGES = ("fairsk", "scikit-learn", "numpy", "scipy", "torch", "skorch")
# Disparities up to here count for the area under the frontier.
LARGEST_DISPARITY = 0.10


@dataclass(frozen=True)
class Bar:
    """A figure that an entry should reach.

    Parameters
    ----------
    what : str
        The claim, for the report.
    where : callable
        Maps a row to whether the bar is about it.
    column : str
        The column with the figure.
    at_most, at_least : float, default=None
        The bar.
    """

    what: str
    where: Callable
    column: str
    at_most: float | None = None
    at_least: float | None = None

    def judge(self, rows):
        """The row of the report: the worst figure of the rows it is about."""
        figures = [
            row[self.column] for row in rows if self.column in row and self.where(row)
        ]
        if self.at_most is not None:
            bar, worst, met = f"<= {self.at_most:g}", max, np.less_equal
        else:
            bar, worst, met = f">= {self.at_least:g}", min, np.greater_equal
        limit = self.at_most if self.at_most is not None else self.at_least
        if not figures:
            return {"bar": self.what, "asked": bar, "reached": "not measured"}
        figure = worst(figures)
        return {
            "bar": self.what,
            "asked": bar,
            "reached": float(figure),
            "met": bool(met(figure, limit)),
        }


@dataclass(frozen=True)
class Entry:
    """One benchmark; `benchmarks/run.py` says how to add one.

    Parameters
    ----------
    name : str
        Name on the command line and of the files with the results.
    title : str
        What is compared, in one sentence.
    run : callable
        ``run(size, context)`` returns the rows (dicts) of one size.
    sizes : tuple
        Sizes of a full run, such as numbers of rows.
    quick_sizes : tuple, default=(200,)
        Sizes of a run that only shows that the entry works.
    peers : tuple of str, default=()
        Other packages that it compares with, by the name they are imported by.
    bars : tuple of Bar, default=()
        What should be reached.
    notes : str, default=""
        What a reader must know, in Markdown.
    """

    name: str
    title: str
    run: Callable
    sizes: tuple
    quick_sizes: tuple = (200,)
    peers: tuple = ()
    bars: tuple = ()
    notes: str = ""


@dataclass
class Context:
    """What an entry is told about the run.

    Parameters
    ----------
    wanted : tuple of str
        Peers that the entry would compare with.
    quick : bool, default=False
        Whether everything is to be called only once.
    seconds : float, default=5
        Time to spend on one case of a comparison.
    """

    wanted: tuple = ()
    quick: bool = False
    seconds: float = 5.0
    peers: set = field(init=False)

    def __post_init__(self):
        self.peers = {p for p in self.wanted if importlib.util.find_spec(p)}

    @property
    def missing(self):
        """Peers that are not installed."""
        return set(self.wanted) - self.peers

    def compare(self, cases, *, reference, once=()):
        """Time the cases against each other.

        Parameters
        ----------
        cases : dict of callable
            What to time, by name; called without arguments.
        reference : str
            The case that the ratios are relative to.
        once : iterable of str, default=()
            Cases that take so long that one call has to do.

        Returns
        -------
        rows : list of dict
            `case`, `milliseconds` (smallest of all calls) and `ratio` to the reference.
        """
        seconds = 0 if self.quick else self.seconds
        best = smallest_times(
            {name: call for name, call in cases.items() if name not in once},
            seconds=seconds,
        )
        best |= smallest_times({name: cases[name] for name in once}, seconds=0)
        return [
            {
                "case": name,
                "milliseconds": 1000 * best[name],
                "ratio": best[name] / best[reference],
            }
            for name in cases
        ]


def smallest_times(cases, *, seconds, max_calls=200):
    """Smallest time of each case in seconds, from interleaved calls.

    Every round calls each case once, so that a slow spell of the machine meets them
    all; a case sits out once it has had its time (and three calls, unless `seconds` is
    0: then it is called once).
    """
    best = dict.fromkeys(cases, np.inf)
    spent, min_calls = dict.fromkeys(cases, 0.0), 3 if seconds else 1
    for round_number in range(max_calls):
        for name, call in cases.items():
            if round_number >= min_calls and spent[name] >= seconds:
                continue
            start = time.perf_counter()
            call()
            elapsed = time.perf_counter() - start
            spent[name] += elapsed
            best[name] = min(best[name], elapsed)
    return best


def accuracy_and_gaps(y_true, y_pred, group):
    """Accuracy and, for every definition, the difference between groups.

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n_samples,)
        Labels 0 and 1.
    group : ndarray of shape (n_samples,)
        Group of each sample.

    Returns
    -------
    readings : dict of str to float
        "accuracy" and the name of each definition.
    """
    labels, codes = np.unique(group, return_inverse=True)
    counts = group_counts(
        codes,
        np.asarray(y_true, dtype=int),
        np.asarray(y_pred, dtype=int),
        n_groups=len(labels),
        n_classes=2,
    )
    readings = {name: float(d.disparity(counts)) for name, d in DEFINITIONS.items()}
    readings["accuracy"] = float(np.mean(np.asarray(y_true) == np.asarray(y_pred)))
    return readings


def select_by_validation(runs, limit):
    """Best run of each seed by validation accuracy within the limit (reading VAL).

    Parameters
    ----------
    runs : list of dict
        With `seed`, and accuracy and gap on validation and test data: `val_accuracy`,
        `val_gap`, `test_accuracy`, `test_gap`.
    limit : float
        Largest gap on the validation data.

    Returns
    -------
    chosen : list of dict
        At most one run a seed; a seed without a run within the limit has none.
    """
    chosen = []
    for seed in sorted({run["seed"] for run in runs}):
        allowed = [r for r in runs if r["seed"] == seed and r["val_gap"] <= limit]
        if allowed:
            chosen.append(max(allowed, key=lambda run: run["val_accuracy"]))
    return chosen


def frontier_points(runs, limits, constant_accuracy):
    """Mean (test gap, test accuracy) of what VAL selects at each limit (FRONTIER).

    A seed without a run within the limit counts as the constant classifier, whose gap
    is 0 and whose accuracy is `constant_accuracy`.
    """
    n_seeds = len({run["seed"] for run in runs})
    points = []
    for limit in limits:
        chosen = select_by_validation(runs, limit)
        lacking = n_seeds - len(chosen)
        gap = sum(run["test_gap"] for run in chosen) / n_seeds
        accuracy = sum(run["test_accuracy"] for run in chosen)
        points.append((gap, (accuracy + lacking * constant_accuracy) / n_seeds))
    return points


def concave_envelope(points):
    """Upper concave, non-decreasing envelope of points (disparity, accuracy).

    Returns
    -------
    vertices : list of tuple
        By increasing disparity; between them the envelope is linear, after the last it
        is flat.
    """
    vertices = []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if vertices and y <= vertices[-1][1]:
            continue
        while len(vertices) > 1 and _below(vertices[-2], vertices[-1], (x, y)):
            vertices.pop()
        vertices.append((x, y))
    return vertices


def _below(left, middle, right):
    """Whether the middle point is on or below the chord of its neighbours."""
    run, rise = right[0] - left[0], right[1] - left[1]
    return (middle[1] - left[1]) * run <= rise * (middle[0] - left[0])


def frontier_area(points, constant_accuracy, unconstrained_accuracy):
    """Area HV under the frontier, 0 for the constant classifier, at most about 1.

    The area between the envelope and the constant classifier's accuracy over
    disparities from 0 to 0.10, relative to what the unconstrained accuracy would have
    at no disparity.
    """
    vertices = concave_envelope([(0.0, constant_accuracy), *points])
    x, y = np.array(vertices).T
    grid = np.union1d(np.clip(x, 0, LARGEST_DISPARITY), [0.0, LARGEST_DISPARITY])
    height = np.interp(grid, x, y) - constant_accuracy
    area = float(np.sum(np.diff(grid) * (height[1:] + height[:-1]) / 2))
    return area / (LARGEST_DISPARITY * (unconstrained_accuracy - constant_accuracy))


def installed_versions(peers=()):
    """Version of each package that a result may depend on."""
    versions = {"Python": platform.python_version()}
    distributions = importlib.metadata.packages_distributions()
    for name in (*PACKAGES, *peers):
        name = distributions.get(name, [name])[0]
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def describe_machine():
    """Processor, number of cores and system in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    cores = cores or os.cpu_count()
    return f"{_processor()}, {cores} cores, {platform.system()} {platform.machine()}"


def _processor():
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
