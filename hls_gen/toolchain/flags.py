"""Compiler flags, in one place for csim, the project's Makefile and the Vitis scripts."""

from __future__ import annotations

# What the numerics need (spec/numerics.md): no fused multiply-add.
CXX_FLAGS = ("-std=c++17", "-ffp-contract=off")

CSIM_FLAGS = (
    "-O1",  # -O2 compiles a third longer and simulates no faster (both kernels of flexllm-u280)
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unknown-pragmas",  # HLS pragmas
    "-Wno-unused-label",  # loop labels, which the tools show
    # The default constructor of AMD's ap_int masks its own unset bits; inlined into our code it looks like ours.
    "-Wno-uninitialized",
    "-Wno-maybe-uninitialized",
)
