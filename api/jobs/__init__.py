"""Jobs: what the workers have to do, do and did."""
