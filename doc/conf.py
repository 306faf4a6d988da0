"""Configuration of Sphinx."""

import sys
import warnings
from pathlib import Path

import fairsk

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "fairsk"
copyright = "2026, The fairsk developers"
author = "The fairsk developers"
version = release = fairsk.__version__

extensions = [
    "mathml",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "generated",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "changes", "examples"]
extlinks = {
    "doi": ("https://doi.org/%s", "doi:%s"),
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
}
default_role = "literal"

templates_path = ["_templates"]
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    # The main job comes first.
    "within_subsection_order": "FileNameSortKey",
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
}
# Without a screen: figures are drawn for the page, not shown.
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "fairsk"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["fairsk.css"]
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {
    "install": [],
    "changelog": [],
}
