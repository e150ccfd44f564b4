"""The REST interface: one folder per resource."""
