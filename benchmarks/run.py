"""Run the benchmarks: `python -m benchmarks.run [NAME ...] [--quick] [--list]`.

Every figure in the documentation comes from here. Ratios travel between machines,
seconds do not, so an entry compares things with each other in one interleaved run.

How to add an entry
-------------------
1. Write `benchmarks/bench_<name>.py` with a module-level `ENTRY = Entry(...)`; it is
   found by its file name, nothing else is to be edited.
2. `Entry.run(size, context)` returns a list of rows (dicts: column -> text or number)
   for one size; all rows of an entry make one table. `sizes` are those of a full run,
   `quick_sizes` (200 rows by default) those of the test suite.
3. Time with `context.compare({"ours": f, "peer": g}, reference="ours")`: it interleaves
   the calls, takes the smallest time of each, and returns one row for each.
4. Import peers inside `run`, behind `if "fairlearn" in context.peers:`, and name them
   in `Entry.peers`; one that is not installed is reported, and the rest still runs.
   Those that the `benchmarks` extra leaves out are in `requirements-peers.txt`.
5. A bar is `Bar("what", where, column, at_most=2)` in `Entry.bars`, where `where(row)`
   says which rows it is about: the worst figure is reported, met or not.
6. Take data from `datasets.TASKS`, methods from `methods.METHODS` (`register_method`),
   quality readings from `objective`, so that figures of different entries compare.
"""

import argparse
import importlib
import json
import pkgutil
import sys
from pathlib import Path

import benchmarks
from benchmarks.objective import Context, describe_machine, installed_versions

RESULTS = Path(__file__).parent / "results"


def find_entries():
    """All entries by name, from every module `bench_*`."""
    modules = pkgutil.iter_modules(benchmarks.__path__)
    names = [m.name for m in modules if m.name.startswith("bench_")]
    entries = [importlib.import_module(f"benchmarks.{n}").ENTRY for n in sorted(names)]
    return {entry.name: entry for entry in entries}


def run_entry(entry, *, quick=False, log=print):
    """Run one entry.

    Parameters
    ----------
    entry : Entry
        The entry.
    quick : bool, default=False
        Whether to run it only once and on little data, to see that it works.
    log : callable, default=print
        Told of progress.

    Returns
    -------
    result : dict
        Rows, bars, missing peers, versions and machine, ready for JSON.
    """
    context = Context(entry.peers, quick=quick)
    rows = []
    for size in entry.quick_sizes if quick else entry.sizes:
        log(f"{entry.name}: size {size} ...", flush=True)
        named = {"n": "all" if size is None else size}
        rows += [named | row for row in entry.run(size, context)]
    return {
        "name": entry.name,
        "title": entry.title,
        "rows": rows,
        "bars": [] if quick else [bar.judge(rows) for bar in entry.bars],
        "not_installed": sorted(context.missing),
        "notes": entry.notes,
        "versions": installed_versions(entry.peers),
        "machine": describe_machine(),
    }


def to_markdown(result):
    """The result as a page: table, bars, versions."""
    parts = [f"# {result['title']}", table(result["rows"])]
    if result["bars"]:
        parts.append("## Bars\n\n" + table(result["bars"]))
    if result["not_installed"]:
        parts.append("Not installed: " + ", ".join(result["not_installed"]) + ".")
    if result["notes"]:
        parts.append(result["notes"])
    versions = ", ".join(f"{name} {v}" for name, v in result["versions"].items())
    parts.append(f"{result['machine']}. {versions}.")
    return "\n\n".join(parts) + "\n"


def table(rows):
    """Rows (dicts) as a Markdown table with the union of their columns."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[_cell(row.get(column, "")) for column in columns] for row in rows]
    lines = [columns, ["---"] * len(columns), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", help="entries to run, all by default")
    parser.add_argument("--quick", action="store_true", help="little data, no results")
    parser.add_argument("--list", action="store_true", help="list the entries and end")
    options = parser.parse_args(arguments)
    entries = find_entries()
    unknown = sorted(set(options.names) - set(entries))
    if unknown:
        parser.error(f"no entry named {unknown}; there are {sorted(entries)}")
    for name in options.names or entries:
        if options.list:
            print(f"{name}: {entries[name].title}")
            continue
        result = run_entry(entries[name], quick=options.quick)
        print(to_markdown(result))
        if not options.quick:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
            (RESULTS / f"{name}.md").write_text(to_markdown(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
