"""Devices of the catalog."""
