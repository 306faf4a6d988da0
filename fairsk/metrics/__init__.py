"""Measure fairness: named metrics and scorers for model selection."""
