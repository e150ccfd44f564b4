"""Explorations: submit, watch, read the front."""
