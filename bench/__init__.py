"""Benchmarks: each a ratio measured side by side in one run, printed and written to bench/results."""
