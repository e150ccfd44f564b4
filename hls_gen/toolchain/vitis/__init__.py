"""AMD's tools on a generated project: C simulation, C synthesis, co-simulation, export, implementation, link."""

from __future__ import annotations

from hls_gen.toolchain.vitis.driver import synthesize_project
from hls_gen.toolchain.vitis.jobs import SynthesisOptions

__all__ = ["SynthesisOptions", "synthesize_project"]
