"""Models of the catalog."""
