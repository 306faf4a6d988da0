"""Sphinx's side of `generate`: a directive, and the page of the API reference."""

from pathlib import Path

import generate
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles


class Generated(SphinxDirective):
    """Put the text of one of the functions of `generate` into a page."""

    required_arguments = 1
    optional_arguments = 2

    def run(self):
        """Parse the text where the directive stands."""
        results = Path(self.env.srcdir).parent / "benchmarks" / "results"
        texts = {
            "definitions": generate.definitions_table,
            "rates": generate.rates_table,
            "disparities": generate.disparities_table,
            "metrics": generate.metrics_table,
            "checks": generate.checks_table,
            "changelog": lambda: generate.changelog(Path(self.env.srcdir) / "changes"),
            "benchmark": lambda: generate.benchmark_table(results, self.arguments[1]),
            "comparison": lambda: generate.comparison_table(
                results, *self.arguments[1:]
            ),
        }
        text = texts[self.arguments[0]]()
        # What the text is made from may change while the page does not.
        self.env.note_reread()
        node = nodes.section(document=self.state.document)
        lines = StringList(text.splitlines(), source=f"generated {self.arguments[0]}")
        nested_parse_with_titles(self.state, lines, node)
        return node.children


def write_api_reference(app, config):
    """Write the pages of the API reference before autosummary looks for pages."""
    folder = Path(app.srcdir) / "api" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in generate.api_pages().items():
        page = folder / f"{name}.rst"
        if not page.exists() or page.read_text() != text:
            page.write_text(text)


def tidy_types(app, what, name, member, options, lines):
    """Tidy the types in a docstring before numpydoc reads it."""
    text = generate.join_types("\n".join(lines))
    lines[:] = map(generate.quote_attributes, text.split("\n"))


def skip_foreign(app, what, name, member, skip, options):
    """Leave out what classes inherit from other projects, which document it."""
    module = getattr(member, "__module__", None) or "fairsk"
    return skip or module.partition(".")[0] != "fairsk"


def setup(app):
    """Register with Sphinx."""
    app.add_directive("generated", Generated)
    app.connect("autodoc-process-docstring", tidy_types, priority=100)
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("config-inited", write_api_reference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
