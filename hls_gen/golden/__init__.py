"""The independent reference: a whole Llama in NumPy, bit for bit as spec/numerics.md says, and data to try it on."""
