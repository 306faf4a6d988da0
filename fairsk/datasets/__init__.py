"""Data sets: `load_*` are bundled, or in other packages; `make_*` are generated."""

from fairsk.datasets._generators import make_biased_classification
from fairsk.datasets._loaders import (
    load_adult,
    load_compas,
    load_german_credit,
    load_law_school,
    load_short_bios,
)
from fairsk.datasets._text_corpora import (
    load_bbq,
    load_bug,
    load_crows_pairs,
    load_reddit_bias,
    load_winogender,
)

__all__ = [
    "load_adult",
    "load_bbq",
    "load_bug",
    "load_compas",
    "load_crows_pairs",
    "load_german_credit",
    "load_law_school",
    "load_reddit_bias",
    "load_short_bios",
    "load_winogender",
    "make_biased_classification",
]
