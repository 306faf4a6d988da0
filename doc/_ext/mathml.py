"""Formulas as MathML, which browsers show without a script from the network."""

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


def visit_inline(translator, node):
    """Write the formula of a `math` role."""
    translator.body.append(_convert(node, as_block=False))
    raise nodes.SkipNode


def visit_block(translator, node):
    """Write the formula of a `math` directive."""
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    translator.body.append(_convert(node, as_block=True) + "</div>\n")
    raise nodes.SkipNode


def _convert(node, as_block):
    formula = node.astext()
    if r"\\" in formula:
        formula = rf"\begin{{aligned}} {formula} \end{{aligned}}"
    try:
        return tex2mathml(formula, as_block=as_block)
    except MathError as error:
        logger.warning("no MathML for %r: %s", formula, error, location=node)
        return formula


def setup(app):
    """Register with Sphinx."""
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(visit_inline, None),
        block_renderers=(visit_block, None),
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
