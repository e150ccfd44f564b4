"""Initiation intervals of HLS C++ derived from the code: see derive.py for the method, report.py for the way in."""
