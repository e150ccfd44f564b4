"""Calibrations: corrections of the cost models, fitted on measurements."""
