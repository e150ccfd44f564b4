"""Jobs with leases that generate, simulate and synthesize what a search promotes."""
