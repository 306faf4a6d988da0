"""Every benchmark still runs, on little data."""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import objective, run
from benchmarks.datasets import TASKS, split

ENTRIES = run.find_entries()


def quietly(*args, **kwargs):
    """Stands in for print."""


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES.keys())
@pytest.mark.filterwarnings("default")
def test_entry_runs_on_little_data(entry):
    result = run.run_entry(entry, quick=True, log=quietly)
    assert result["rows"]
    json.dumps(result)
    assert run.to_markdown(result).startswith(f"# {entry.title}")


def test_a_missing_peer_is_reported_and_the_rest_runs():
    def compare(size, context):
        assert "no_such_package" not in context.peers
        return context.compare({"ours": int}, reference="ours")

    entry = objective.Entry(
        "name", "Title", compare, sizes=(1,), peers=("no_such_package",)
    )
    result = run.run_entry(entry, quick=True, log=quietly)
    assert result["not_installed"] == ["no_such_package"]
    assert "Not installed: no_such_package." in run.to_markdown(result)


def test_a_bar_judges_the_worst_row_that_it_is_about():
    rows = [{"case": "a", "ratio": 1.5}, {"case": "a", "ratio": 2.5}, {"case": "b"}]
    bar = objective.Bar("a", lambda row: row["case"] == "a", "ratio", at_most=2)
    assert bar.judge(rows) == {
        "bar": "a", "asked": "<= 2", "reached": 2.5, "met": False
    }  # fmt: skip
    bar = objective.Bar("a", lambda row: row["case"] == "a", "ratio", at_least=1)
    assert bar.judge(rows)["reached"] == 1.5
    assert bar.judge(rows)["met"]
    assert bar.judge([])["reached"] == "not measured"


def test_unknown_entry_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        run.main(["no_such_entry"])
    assert "metrics" in capsys.readouterr().err


def test_command_line_lists_the_entries():
    command = [sys.executable, "-m", "benchmarks.run", "--list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [line.partition(":")[0] for line in listed.splitlines()] == list(ENTRIES)


@pytest.mark.parametrize("task", TASKS)
def test_split_is_60_20_20_and_disjoint(task):
    parts = split(task, 0)
    n_rows = sum(len(part.y) for part in parts)
    shares = [len(part.y) / n_rows for part in parts]
    np.testing.assert_allclose(shares, [0.6, 0.2, 0.2], atol=0.001)
    rows = np.concatenate([part.X.index for part in parts])
    assert len(np.unique(rows)) == n_rows
    for label in (0, 1):
        for group in np.unique(parts[0].group):
            share = [np.mean((p.y == label) & (p.group == group)) for p in parts]
            np.testing.assert_allclose(share, share[0], atol=0.002)


def test_sizes_and_groups_of_the_tasks_are_the_published_ones():
    sizes = {name: len(task.read()[1]) for name, task in TASKS.items()}
    groups = {name: len(np.unique(task.read()[2])) for name, task in TASKS.items()}
    assert sizes["compas/2"] == 5278
    assert groups == {
        "adult/sex": 2, "adult/race": 5, "compas/2": 2, "compas/4": 4,
        "german/sex": 2, "law/white": 2,
    }  # fmt: skip


def test_concave_envelope_matches_brute_force(rng):
    points = rng.random((30, 2))
    vertices = np.array(objective.concave_envelope(points.tolist()))
    for x in np.linspace(points[:, 0].min(), 1, 20):
        chords = [
            y1 + (y2 - y1) * (x - x1) / (x2 - x1)
            for x1, y1 in points
            for x2, y2 in points
            if x1 <= x <= x2 and x1 < x2
        ]
        left = points[points[:, 0] <= x, 1]
        expected = max([*chords, *left])
        np.testing.assert_allclose(np.interp(x, *vertices.T), expected)


def test_frontier_area_of_known_shapes():
    # The unconstrained accuracy at no disparity: a full rectangle.
    assert np.isclose(objective.frontier_area([(0.0, 0.9)], 0.7, 0.9), 1.0)
    # A straight line from the constant classifier at 0 to the best at 0.10.
    assert np.isclose(objective.frontier_area([(0.1, 0.9)], 0.7, 0.9), 0.5)
    # Half of the way at the end of the range.
    assert np.isclose(objective.frontier_area([(0.2, 0.9)], 0.7, 0.9), 0.25)
    assert objective.frontier_area([], 0.7, 0.9) == 0.0


def test_validation_selects_the_most_accurate_run_within_the_limit():
    runs = [
        {"seed": seed, "val_gap": gap, "val_accuracy": accuracy, "test_gap": gap,
         "test_accuracy": accuracy - 0.01}
        for seed in (0, 1)
        for gap, accuracy in [(0.02 + seed, 0.7), (0.01 + seed, 0.6), (0.3, 0.9)]
    ]  # fmt: skip
    chosen = objective.select_by_validation(runs, 0.05)
    assert [run["val_accuracy"] for run in chosen] == [0.7]
    # Seed 1 has no run within the limit: it counts as the constant classifier.
    (point,) = objective.frontier_points(runs, [0.05], constant_accuracy=0.5)
    np.testing.assert_allclose(point, [0.01, (0.69 + 0.5) / 2])
