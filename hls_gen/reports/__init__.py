"""Reports of Vivado HLS, Vitis HLS and Vivado, read into typed documents."""

from __future__ import annotations

from hls_gen.reports.detect import parse_report

__all__ = ["parse_report"]
