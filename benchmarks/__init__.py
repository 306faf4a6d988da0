"""Benchmarks: one registry of entries, run by `python -m benchmarks.run`."""
