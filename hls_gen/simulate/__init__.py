"""Timed simulation: runs the unmodified C++ of a project once, records what its processes do, and solves for the cycles."""
