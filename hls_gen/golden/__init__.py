"""The independent reference: integer-exact linear layers in NumPy, and the data to try them on."""
