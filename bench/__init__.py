"""Measures the reconciler, and what else a user might pick, in one run on one machine: `python -m bench --help`."""
