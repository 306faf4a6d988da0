"""Write the parts of the documentation that the package itself knows.

The API reference comes from the `__all__` of the public modules, the table of
definitions from their registry, and the changelog from its fragments: none of them can
be forgotten, and none is written twice.
"""

import importlib
import json
import pkgutil
import re
from inspect import getdoc, isclass, isfunction

import fairsk
from fairsk.definitions import DEFINITIONS, DISPARITIES, RATES
from fairsk.metrics import METRICS
from fairsk.utils.checks import CHECKS

KINDS = {"feature": "New", "enhancement": "Better", "fix": "Fixed"}
CELLS = {(0, 0): "TN", (0, 1): "FP", (1, 0): "FN", (1, 1): "TP"}


def public_modules():
    """Modules of fairsk that have an `__all__`, by their full name.

    Returns
    -------
    modules : dict of {str: module}
        Sorted by name.
    """
    names = [
        module.name
        for module in pkgutil.walk_packages(fairsk.__path__, "fairsk.")
        if not any(part.startswith("_") for part in module.name.split("."))
    ]
    modules = {name: importlib.import_module(name) for name in sorted(names)}
    return {name: mod for name, mod in modules.items() if hasattr(mod, "__all__")}


def api_pages():
    """Text of the pages of the API reference: an index and one page for each module.

    Returns
    -------
    pages : dict of {str: str}
        reStructuredText by the name of the page.
    """
    modules = public_modules()
    index = [*_title("API reference", "="), ".. list-table::", ""]
    for name, module in modules.items():
        index += [f"   * - :doc:`{name} <{name}>`", f"     - {_summary(module)}"]
    index += [
        "",
        ".. toctree::",
        "   :hidden:",
        "",
        *(f"   {name}" for name in modules),
    ]
    pages = {name: _module_page(name, module) for name, module in modules.items()}
    return {"index": "\n".join(index) + "\n", **pages}


def _module_page(name, module):
    lines = [*_title(name, "="), getdoc(module), "", f".. currentmodule:: {name}", ""]
    kinds = _kinds_of_members(module)
    for kind in ("Classes", "Functions"):
        if kinds[kind]:
            lines += [
                f".. rubric:: {kind}",
                "",
                ".. autosummary::",
                "   :toctree: .",
                "",
            ]
            lines += [f"   {member}" for member in kinds[kind]]
            lines += [""]
    if kinds["Objects"]:
        lines += [".. rubric:: Objects", ""]
        lines += [
            f"- ``{member}``, a :class:`~{_full_name(type(getattr(module, member)))}`"
            for member in kinds["Objects"]
        ]
        lines += [""]
    return "\n".join(lines)


def _summary(module):
    return getdoc(module).partition("\n\n")[0].replace("\n", " ")


def _full_name(cls):
    """Name by which the documentation knows a class: without its private module."""
    parts = [part for part in cls.__module__.split(".") if not part.startswith("_")]
    return ".".join([*parts, cls.__name__]) if parts != ["builtins"] else cls.__name__


def _kinds_of_members(module):
    kinds = {"Classes": [], "Functions": [], "Objects": []}
    for name in sorted(module.__all__, key=str.lower):
        member = getattr(module, name)
        kind = (
            "Classes"
            if isclass(member)
            else "Functions"
            if isfunction(member)
            else "Objects"
        )
        kinds[kind].append(name)
    return kinds


def join_types(docstring):
    """Join types that a backslash continues, which raw docstrings keep.

    Parameters
    ----------
    docstring : str
        The whole docstring.

    Returns
    -------
    docstring : str
        The same, with each declaration of a type on one line.
    """
    return re.sub(r"(?<=, )\\\n +", "", docstring)


def quote_attributes(line):
    """Quote what Sphinx would take for a link in the types of a docstring: `n_iter_`.

    Parameters
    ----------
    line : str
        Line of a docstring.

    Returns
    -------
    line : str
        The same, with quotes where it declares a type.
    """
    declared = re.fullmatch(r"( *[\w, *]+ : )(.+)", line)
    if not declared:
        return line
    name, types = declared.groups()
    return name + re.sub(r"(?<![`\w.])([a-z]\w*_)(?![`\w])", r"`\1`", types)


def definitions_table():
    """Table of the registered fairness definitions.

    Returns
    -------
    text : str
        reStructuredText.
    """
    rows = [["Definition, its rates and its paper", "What must hold for every group a"]]
    for name, definition in sorted(DEFINITIONS.items()):
        rates = ", ".join(f"``{rate.name}``" for rate in definition.rates)
        paper = f". {definition.reference}." if definition.reference else "."
        described = f"**{name}**\n\n       Of {rates}{paper}"
        rows.append([described, _math(definition.statement)])
    return _table(rows, widths=[40, 60])


def rates_table():
    """Table of the rates, as ratios of cells of the confusion table.

    Returns
    -------
    text : str
        reStructuredText.
    """
    rows = [["Name", "Formula", "Linear in the predictions"]]
    for name, rate in sorted(RATES.items()):
        formula = rf"\dfrac{{{_sum(rate.numerator)}}}{{{_sum(rate.denominator)}}}"
        rows.append([f"``{name}``", _math(formula), "yes" if rate.is_linear else "no"])
    return _table(rows, widths=[35, 45, 20])


def disparities_table():
    """Table of the disparities.

    Returns
    -------
    text : str
        reStructuredText.
    """
    rows = [["Name", "Formula", "Fair at"]]
    for name, disparity in sorted(DISPARITIES.items()):
        fair = "1" if disparity.greater_is_better else "0"
        rows.append([f"``{name}``", _math(disparity.formula), fair])
    return _table(rows, widths=[30, 50, 20])


def metrics_table():
    """Table of the metrics that `group_metrics` knows by name.

    Returns
    -------
    text : str
        reStructuredText.
    """
    rows = [["Name and paper", "Formula", "Values", "Of"]]
    for name, entry in METRICS.items():
        paper = f"\n\n       {entry.reference}." if entry.reference else ""
        metric = entry.metric
        source = "counts" if metric.on_counts else f"``{metric.prediction}``"
        rows.append([f"``{name}``{paper}", _math(entry.formula), entry.values, source])
    return _table(rows, widths=[35, 40, 13, 12])


def checks_table():
    """Table of the checks of fairness, and the promise that each holds one to.

    Returns
    -------
    text : str
        reStructuredText.
    """
    rows = [["Check", "Promise"]]
    rows += [[f"``{check.name}``", check.promise] for check in CHECKS]
    return _table(rows, widths=[40, 60])


def benchmark_table(folder, name):
    """Table that a benchmark wrote, with what it says of itself.

    Parameters
    ----------
    folder : Path
        Holds the results, ``<name>.json``.
    name : str
        Name of the benchmark.

    Returns
    -------
    text : str
        reStructuredText; how to write the table, where it was not written.
    """
    path = folder / f"{name}.json"
    if not path.exists():
        return (
            f"``python -m benchmarks.run {name}`` writes the table that belongs here."
        )
    result = json.loads(path.read_text())
    columns = list(dict.fromkeys(key for row in result["rows"] for key in row))
    rows = [[_cell(row.get(column, "")) for column in columns]
            for row in result["rows"]]  # fmt: skip
    widths = [
        max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))
    ]
    title = f"**{result['title']}** (benchmark ``{name}``)."
    parts = [title, _table([columns, *rows], widths), result["notes"]]
    return "\n\n".join(part for part in parts if part)


def comparison_table(folder, name, part):
    """Part of a table of methods on several data sets, one row a method.

    Parameters
    ----------
    folder : Path
        Holds the results, ``<name>.json``. Its rows say `part`, `data`, `method`;
        what a method reached is in the other columns, their spread in "+- ...".
    name : str
        Name of the benchmark.
    part : str
        Rows to take, besides those of the part "all".

    Returns
    -------
    text : str
        reStructuredText; how to write the table, where it was not written.
    """
    path = folder / f"{name}.json"
    if not path.exists():
        return benchmark_table(folder, name)
    result = json.loads(path.read_text())
    rows = [row for row in result["rows"] if row["part"] in ("all", part)]
    keys = {"n", "part", "data", "method", "seeds"}
    measures = [key for key in rows[0] if key not in keys and key[:2] != "+-"]
    cells = {
        (row["method"], row["data"]): " ".join(
            _share(row[m]) for m in measures if m in row
        )
        for row in rows
    }
    methods, data = (list(dict.fromkeys(column)) for column in zip(*cells))
    table = [["method", *data]]
    table += [[method, *(cells.get((method, d), "") for d in data)]
              for method in methods]  # fmt: skip
    title = f"**{', '.join(measures).capitalize()}** (benchmark ``{name}``)."
    text = _table(table, widths=[32, *([17] * len(data))])
    return "\n\n".join([title, text, result["notes"]])


def _share(value):
    """A number from 0 to 1 in few characters."""
    return f"{value:.3f}".removeprefix("0")


def _cell(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def changelog(folder):
    """Fragments of the changelog, those of the next release first.

    Parameters
    ----------
    folder : Path
        Holds the fragments ``<name>.<kind>.rst``, and one folder for each release.

    Returns
    -------
    text : str
        reStructuredText.
    """
    releases = [path for path in folder.iterdir() if path.is_dir()]
    releases.sort(key=lambda path: _version(path.name), reverse=True)
    titles = {folder: "Unreleased", **{path: path.name for path in releases}}
    lines = []
    for path, title in titles.items():
        lines += _title(title, "-")
        for kind, heading in KINDS.items():
            fragments = sorted(path.glob(f"*.{kind}.rst"))
            if fragments:
                lines += [f".. rubric:: {heading}", ""]
                lines += [_bullet(fragment.read_text()) for fragment in fragments]
                lines += [""]
    return "\n".join(lines)


def _version(name):
    return [int(part) if part.isdigit() else -1 for part in name.split(".")]


def _bullet(text):
    return "- " + text.strip().replace("\n", "\n  ")


def _title(text, underline):
    return [text, underline * len(text), ""]


def _math(formula):
    return f":math:`{formula}`" if formula else ""


def _sum(table):
    """Weighted sum of cells, such as "FP - 2 FN", in LaTeX."""
    formula = ""
    for (i, j), cell in CELLS.items():
        weight = table[i][j]
        if weight:
            sign = "-" if weight < 0 else "+"
            factor = "" if abs(weight) == 1 else f"{abs(weight):g} "
            term = rf"{factor}\mathrm{{{cell}}}"
            formula += f" {sign} {term}" if formula else f"{sign}{term}"
    return formula.removeprefix("+")


def _table(rows, widths):
    lines = [".. list-table::", "   :header-rows: 1"]
    lines += ["   :widths: " + " ".join(map(str, widths)), ""]
    for first, *others in rows:
        lines.append(f"   * - {first}")
        lines += [f"     - {cell}" for cell in others]
    return "\n".join(lines)
