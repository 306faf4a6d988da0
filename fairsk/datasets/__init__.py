"""Data sets: `load_*` are bundled, `make_*` are generated."""

from fairsk.datasets._generators import make_biased_classification
from fairsk.datasets._loaders import (
    load_adult,
    load_compas,
    load_german_credit,
    load_law_school,
)

__all__ = [
    "load_adult",
    "load_compas",
    "load_german_credit",
    "load_law_school",
    "make_biased_classification",
]
