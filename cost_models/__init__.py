"""Analytical models of latency, resources, bandwidth, energy and quality: arrays of designs in, arrays out."""
