"""Inventories of the kernels: what each stage is built of, process by process, and its resources."""
