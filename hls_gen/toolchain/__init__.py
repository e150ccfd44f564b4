"""Programs that work on a generated project: compilers, simulators, synthesis."""
