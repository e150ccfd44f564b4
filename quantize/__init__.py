"""Rotation, rounding and packing of checkpoints into the integers that the hardware computes on."""
