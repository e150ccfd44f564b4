"""Compiler flags, in one place for csim, the project's Makefile and the Vitis scripts."""

from __future__ import annotations

from spec.csim_report import CsimMode

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

# The fast mode: native integers from the same templates. A short run is over before -O3 would have been compiled.
FAST_FLAGS = ("-DFLEXDSE_FAST_CSIM",)

# A whole model through the kernels: vectorised for the machine that runs it.
WHOLE_MODEL_FLAGS = (
    *FAST_FLAGS,
    "-O3",
    "-march=native",
    "-Wno-array-bounds",  # GCC 12 at -O3 sees accesses behind a word in loops that it unrolled once too often
)


def mode_flags(mode: CsimMode) -> tuple[str, ...]:
    """What a mode of C simulation adds to the other flags; a later -O wins."""
    return FAST_FLAGS if mode == "fast" else ()
