"""Versions that are stamped into every result."""

from __future__ import annotations

FLEXDSE_VERSION = "0.1.0"

# Raised whenever a cost law or a coefficient changes; results of two versions are never mixed.
MODEL_VERSION = "6"
