"""The search: legal values, objectives, samplers, exact fronts, shortlists and sweeps."""
