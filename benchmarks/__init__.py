"""Benchmarks: performance and accuracy claims, each by a make target; not installed."""
