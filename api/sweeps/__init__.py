"""Sweeps: one submission, many explorations."""
