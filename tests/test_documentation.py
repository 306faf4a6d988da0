"""Generated parts of the documentation: complete, and in order."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from fairsk.definitions import DEFINITIONS, DISPARITIES, RATES
from fairsk.metrics import METRICS
from fairsk.utils.checks import CHECKS

DOC = Path(__file__).parents[1] / "doc"


@pytest.fixture(scope="module", name="generate")
def fixture_generate():
    spec = importlib.util.spec_from_file_location(
        "generate", DOC / "_ext" / "generate.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_name_is_in_the_reference(generate):
    pages = generate.api_pages()
    for name, module in generate.public_modules().items():
        assert f":doc:`{name} <{name}>`" in pages["index"]
        for member in module.__all__:
            assert re.search(rf"^(   {member}|- ``{member}``.*)$", pages[name], re.M)


def test_private_modules_are_not_in_the_reference(generate):
    modules = generate.public_modules()
    assert "fairsk.definitions" in modules
    assert not [name for name in modules if "._" in name]


@pytest.mark.parametrize(
    ("table", "registry"),
    [
        ("definitions_table", DEFINITIONS),
        ("rates_table", RATES),
        ("disparities_table", DISPARITIES),
    ],
)
def test_tables_have_a_row_with_formula_for_each_entry(generate, table, registry):
    header, *rows = getattr(generate, table)().split("   * - ")[1:]
    assert len(rows) == len(registry)
    for name, row in zip(sorted(registry), rows):
        assert name in row
        assert row.count(":math:`") == 1
        assert row.count("\n     - ") == header.count("\n     - ")


def test_every_check_is_in_the_table_with_its_promise(generate):
    table = generate.checks_table()
    for check in CHECKS:
        assert f"   * - ``{check.name}``\n     - {check.promise}" in table


def test_rates_are_written_as_ratios_of_cells(generate):
    rates = generate.rates_table()
    tpr = r"\dfrac{\mathrm{TP}}{\mathrm{FN} + \mathrm{TP}}"
    assert f"``true_positive_rate``\n     - :math:`{tpr}`\n     - yes" in rates


def test_negative_and_repeated_cells_keep_their_weight(generate):
    assert generate._sum(((0, 1), (-2, 0))) == r"\mathrm{FP} - 2 \mathrm{FN}"
    assert generate._sum(((0.5, 0), (0, 1))) == r"0.5 \mathrm{TN} + \mathrm{TP}"
    assert generate._sum(((-1, 0), (0, 0))) == r"-\mathrm{TN}"


def test_changelog_sorts_releases_and_kinds(generate, tmp_path):
    fragments = {
        "b.fix.rst": "Mended.",
        "a.feature.rst": "Made\nanew.",
        "0.10.0/c.enhancement.rst": "Tenth.",
        "0.9.0/d.feature.rst": "Ninth.",
        "README.md": "How to.",
    }
    for name, text in fragments.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    text = generate.changelog(tmp_path)
    in_order = [
        "Unreleased",
        ".. rubric:: New",
        "- Made\n  anew.",
        ".. rubric:: Fixed",
        "- Mended.",
        "0.10.0",
        "- Tenth.",
        "0.9.0",
        "- Ninth.",
    ]
    positions = [text.index(part) for part in in_order]
    assert positions == sorted(positions)
    assert "How to" not in text


def test_table_of_a_benchmark_has_its_rows_and_notes(generate, tmp_path):
    rows = [{"case": "ours", "ratio": 1.23456}, {"case": "a peer", "n": 10, "ok": True}]
    result = {"title": "How fast", "rows": rows, "notes": "On one machine."}
    (tmp_path / "speed.json").write_text(json.dumps(result))
    text = generate.benchmark_table(tmp_path, "speed")
    assert text.startswith("**How fast** (benchmark ``speed``).")
    assert "   * - case\n     - ratio\n     - n\n     - ok" in text
    assert "   * - ours\n     - 1.23\n     - \n     - " in text
    assert "   * - a peer\n     - \n     - 10\n     - yes" in text
    assert text.endswith("On one machine.")
    assert "benchmarks.run slow``" in generate.benchmark_table(tmp_path, "slow")


def test_a_comparison_has_a_row_for_each_method_of_its_part(generate, tmp_path):
    rows = [
        {
            "n": 9,
            "seeds": 5,
            "part": part,
            "data": data,
            "method": method,
            "gain": gain,
            "+- g": 0,
        }
        for part, data, method, gain in [
            ("all", "adult", "plain", 0.5),
            ("one", "adult", "ours", 0.25),
            ("two", "adult", "theirs", 0.75),
            ("one", "law", "ours", 1.0),
        ]
    ]
    result = {"title": "How fair", "rows": rows, "notes": "On test data."}
    (tmp_path / "fair.json").write_text(json.dumps(result))
    text = generate.comparison_table(tmp_path, "fair", "one")
    assert text.startswith("**Gain** (benchmark ``fair``).")
    assert "   * - method\n     - adult\n     - law\n" in text
    assert "   * - plain\n     - .500\n     - \n" in text
    assert "   * - ours\n     - .250\n     - 1.000" in text
    assert "theirs" not in text
    assert "benchmarks.run slow``" in generate.comparison_table(tmp_path, "slow", "x")


def test_every_fragment_has_a_kind(generate):
    for path in (DOC / "changes").rglob("*.rst"):
        assert path.name.split(".")[-2] in generate.KINDS, path.name
        assert path.read_text().strip()


@pytest.mark.parametrize(
    ("line", "quoted"),
    [
        ("coef_ : array of shape (n_in_,)", "coef_ : array of shape (`n_in_`,)"),
        ("x : list of length `n_iter_`", "x : list of length `n_iter_`"),
        ("x, y : n_iter_, or :ref:`a_`", "x, y : `n_iter_`, or :ref:`a_`"),
        ("What n_iter_ is.", "What n_iter_ is."),
    ],
)
def test_attributes_are_quoted_where_a_type_names_them(generate, line, quoted):
    assert generate.quote_attributes("    " + line) == "    " + quoted


def test_continued_types_are_joined(generate):
    continued = "x : {1, 2}, \\\n        default=1\n    .. math:: a, \\\\\n    b"
    joined = "x : {1, 2}, default=1\n    .. math:: a, \\\\\n    b"
    assert generate.join_types(continued) == joined


def test_every_named_metric_is_in_the_table_with_a_formula(generate):
    _, *rows = generate.metrics_table().split("   * - ")[1:]
    assert len(rows) == len(METRICS)
    for name, row in zip(METRICS, rows):
        assert row.startswith(f"``{name}``")
        assert ":math:`" in row
