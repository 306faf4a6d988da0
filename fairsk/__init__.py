"""Measure and reduce unfairness between groups of people, inside scikit-learn."""

__version__ = "0.1.0.dev0"
