"""Where the coefficients of elements, FIFOs and crossbars come from: `make bench-elements` maps them with yosys.

Maps `benchmarks/rtl/elements.sv` and, if its package can be installed, TAPA's FIFO and crossbar for UltraScale+ and writes
build/bench/elements.json: LUT cells, LUT after pairing, FF, DSP of each. yosys packs no DSP registers for UltraScale+, so
multipliers are mapped to the DSP of the 7 series, a stand-in of equal use here (27 x 18), before the rest is mapped.
A count, not a netlist for the card; no clock follows from it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.record import bench_record

OUTPUT = Path("build/bench/elements.json")
RTL = Path("benchmarks/rtl/elements.sv")
TAPA, TAPA_FOLDER = "tapa==0.0.20240825.1", Path("build/bench/peer-tapa")
ASSETS = TAPA_FOLDER / "tapa/assets/verilog"
CROSSBAR = ("axi_crossbar", "axi_crossbar_addr", "axi_crossbar_rd", "axi_crossbar_wr", "axi_register_rd",
            "axi_register_wr", "arbiter", "priority_encoder")  # fmt: skip
OWN: tuple[tuple[str, dict[str, int]], ...] = (
    ("element_1d", {"B": 4, "ACC": 21, "PACKED": 1}),
    ("element_1d", {"B": 8, "ACC": 24, "PACKED": 0}),
    ("element_2d", {"B": 4, "ACC": 19, "PACKED": 1}),
    ("element_2d", {"B": 8, "ACC": 24, "PACKED": 0}),
    ("row", {"N": 16, "B": 4, "ACC": 21, "KIND": 0}),
    ("row", {"N": 16, "B": 4, "ACC": 21, "KIND": 1}),
    ("row", {"N": 16, "B": 4, "ACC": 21, "KIND": 2}),
    ("row", {"N": 16, "B": 8, "ACC": 24, "KIND": 2}),
)


def script(top: str, files: list[Path], parameters: dict[str, Any], out: Path) -> str:
    """The yosys commands. The DSP map of the 7 series takes 25 x 18; here 27 x 18."""
    chosen = " ".join(f"-chparam {name} {value}" for name, value in parameters.items())
    flow = f"synth_xilinx -family xcup -top {top} -flatten -noiopad -noclkbuf -uram"
    reads = "\n".join(f"read_verilog -sv {file}" for file in files)
    return f"""{reads}
hierarchy -check -top {top} {chosen}
{flow} -run begin:map_dsp
memory_dff
alumacc -macc-only
maccmap -unmap
opt_clean
techmap -map +/mul2dsp.v -map {out.parent}/dsp27x18.v -D DSP_A_MAXWIDTH=27 -D DSP_B_MAXWIDTH=18 -D DSP_A_MINWIDTH=2 -D DSP_B_MINWIDTH=2 -D DSP_Y_MINWIDTH=9 -D DSP_SIGNEDONLY=1 -D DSP_NAME=$__MUL27X18
select a:mul2dsp
setattr -unset mul2dsp
opt_expr -fine
wreduce
select -clear
xilinx_dsp -family xc7
chtype -set $mul t:$__soft_mul
{flow} -run coarse:edif
write_json {out}
"""


def mapped(top: str, files: list[Path], parameters: dict[str, Any]) -> dict[str, Any]:
    """LUT cells, LUT after pairing, FF and DSP of a module."""
    import pyosys  # type: ignore[import-untyped]

    with tempfile.TemporaryDirectory() as folder:
        out, commands = Path(folder) / "net.json", Path(folder) / "map.ys"
        seven = Path(pyosys.__file__).parent / "share/xilinx/xc7_dsp_map.v"
        (Path(folder) / "dsp27x18.v").write_text(seven.read_text().replace("__MUL25X18", "__MUL27X18"))
        commands.write_text(script(top, files, parameters, out))
        code = f"from pyosys import libyosys as y\ny.run_pass('script {commands}', y.Design())"
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=600)
        cells = json.loads(out.read_text())["modules"][top]["cells"]
    count: dict[str, int] = defaultdict(int)
    for cell in cells.values():
        count[cell["type"]] += 1
    luts = sum(n for kind, n in count.items() if kind.startswith("LUT") or kind == "INV")
    return {
        "module": top,
        "parameters": parameters,
        "lut_cells": luts,
        "lut": luts - pairs(cells),
        "ff": sum(n for kind, n in count.items() if kind.startswith("FD")),
        "dsp": sum(n for kind, n in count.items() if kind.startswith("DSP")),
    }


def pairs(cells: dict[str, Any]) -> int:
    """Pairs of LUTs that share a LUT6 with two outputs: at most five inputs together. Greedy, most shared inputs first; a
    LUT that feeds a carry chain stays alone.
    """
    inputs: dict[str, frozenset[int]] = {}
    output: dict[int, str] = {}
    for name, cell in cells.items():
        if not (cell["type"].startswith("LUT") or cell["type"] == "INV"):
            continue
        bits = {port: [b for b in wires if isinstance(b, int)] for port, wires in cell["connections"].items()}
        inputs[name] = frozenset(
            b for port, wires in bits.items() if cell["port_directions"][port] == "input" for b in wires
        )
        output.update(
            {b: name for port, wires in bits.items() if cell["port_directions"][port] == "output" for b in wires}
        )
    for cell in cells.values():
        if cell["type"].startswith("CARRY"):
            for bit in cell["connections"].get("S", []):
                inputs.pop(output.get(bit, ""), None)
    users: dict[int, set[str]] = defaultdict(set)
    for name, used in inputs.items():
        for bit in used:
            users[bit].add(name)
    taken: set[str] = set()
    found = 0
    for name in sorted(inputs, key=lambda n: (-len(inputs[n]), n)):
        if name in taken or len(inputs[name]) > 5:
            continue
        near = {other for bit in inputs[name] for other in users[bit]} - taken - {name}
        fitting = [other for other in near if len(inputs[name] | inputs[other]) <= 5]
        if fitting:
            best = max(fitting, key=lambda other: (len(inputs[name] & inputs[other]), other))
            taken |= {name, best}
            found += 1
    return found


def tapa_assets() -> bool:
    """Whether TAPA's Verilog is there, fetched once as its package."""
    if not ASSETS.is_dir():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(TAPA_FOLDER), TAPA]
        if subprocess.run(install, check=False, capture_output=True, timeout=300).returncode:
            return False
    return ASSETS.is_dir()


def main() -> None:
    """Map, print, write."""
    jobs = [(top, [RTL], dict(parameters)) for top, parameters in OWN]
    if tapa_assets():
        files = [ASSETS / f"{name}.v" for name in CROSSBAR]
        for width in (128, 256, 512):
            shape: dict[str, Any] = {"S_COUNT": 2, "M_COUNT": 1, "DATA_WIDTH": width, "ADDR_WIDTH": 64, "S_ID_WIDTH": 1,
                                     "M_ADDR_WIDTH": 64, "M_ISSUE": 16, "S_THREADS": "64'h0000000100000001"}  # fmt: skip
            jobs.append(("axi_crossbar", files, shape))
        jobs.append(("fifo_bram", [ASSETS / "fifo_bram.v"], {"DATA_WIDTH": 257, "DEPTH": 512, "ADDR_WIDTH": 9}))
        jobs.append(("fifo_srl", [ASSETS / "fifo_srl.v"], {"DATA_WIDTH": 257, "DEPTH": 2}))
    found = []
    for top, files, parameters in jobs:
        row = mapped(top, files, parameters)
        found.append(row)
        named = " ".join(f"{k}={v}" for k, v in parameters.items())
        sys.stdout.write(
            f"{top} {named}: {row['lut']} LUT ({row['lut_cells']} cells), {row['ff']} FF, {row['dsp']} DSP\n"
        )
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps({**bench_record(seed=None), "mapped": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
