"""The Yosys commands that map a leaf. They are part of a result's key: a change maps everything anew."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hls_gen.toolchain.open.leaves import Leaf

FAMILY = "xcup"  # UltraScale+; Yosys has no Versal, for which LUTs and flip-flops of UltraScale+ stand in
TOP = "leaf_top"

# Of Yosys' thousand black boxes of primitives only those that a leaf can hold: all later passes walk through them.
_PRIMITIVES = ("DSP48E2", "RAMB18E2", "RAMB36E2", "URAM288")
# DSP slices and their registers are instantiated (arithmetic/dsp_multiply_accumulate.sv), so that the step between `prepare` and
# `coarse`, which infers them and for this family can not pack their registers, is left out. Hierarchical: each
# distinct module is mapped once. `:edif` runs to the end of mapping, with the checks that fix cell counts.
_SYNTH = f"synth_xilinx -family {FAMILY} -top {TOP} -noiopad -noclkbuf -uram"


@dataclass(frozen=True, slots=True)
class MappingCommands:
    """Commands in order; those of `memories` only where the leaf has some."""

    before: list[str]
    memories: list[str]
    after: list[str]


def mapping_commands(leaf: Leaf, sources: Sequence[Path], primitives: Path, netlist: Path) -> MappingCommands:
    """Commands that leave the netlist of `leaf` as JSON in `netlist`."""
    parameters = " ".join(f"-chparam {name} {value}" for name, value in leaf.parameters)
    return MappingCommands(
        before=[
            f"read_verilog -sv -defer {' '.join(map(str, sources))}",
            f"hierarchy -top {leaf.module} {parameters}",
            f"rename -top {TOP}",
            "read_verilog -lib -specify +/xilinx/cells_sim.v",
            f"read_verilog -lib {primitives}",
            f"hierarchy -check -top {TOP}",
            f"{_SYNTH} -run prepare:map_dsp",
            f"{_SYNTH} -run coarse:map_memory",
        ],
        memories=[f"{_SYNTH} -run map_memory:fine"],
        after=[f"{_SYNTH} -run fine:edif", f"write_json {netlist}"],
    )


def primitives_text(library: str) -> str:
    """The black boxes that leaves can hold, out of Yosys' whole `cells_xtra.v`."""
    found = [re.search(rf"^module {name}\b.*?^endmodule$", library, re.MULTILINE | re.DOTALL) for name in _PRIMITIVES]
    return "\n".join(match[0] for match in found if match) + "\n"
