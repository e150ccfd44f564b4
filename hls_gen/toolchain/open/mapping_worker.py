"""Maps leaves in a process of its own: `python -m hls_gen.toolchain.open.mapping_worker FILE`.

A request is a line of JSON, a leaf; an answer is a line `flexdse-mapped: ` and JSON. Yosys writes to the same stream, and a
mistake in it ends the process, not the caller.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hls_gen.toolchain.open.leaves import Leaf, leaf
from hls_gen.toolchain.open.mapping_script import TOP, mapping_commands, primitives_text
from hls_gen.toolchain.open.netlist import Mapped, count
from hls_gen.toolchain.open.rtl import sources_of

ANSWER = "flexdse-mapped: "


def main(requests: Path) -> None:
    """Map each leaf of the file, one a line."""
    import pyosys  # type: ignore[import-untyped]
    from pyosys import libyosys

    library = Path(pyosys.__file__).parent / "share" / "xilinx" / "cells_xtra.v"
    with tempfile.TemporaryDirectory(prefix="flexdse-yosys-") as name:
        folder = Path(name)
        primitives = folder / "primitives.v"
        primitives.write_text(primitives_text(library.read_text()))
        for line in requests.read_text().splitlines():
            request = json.loads(line)
            mapped = _map(libyosys, leaf(request["module"], **request["parameters"]), primitives, folder)
            sys.stdout.write(f"\n{ANSWER}{json.dumps({'leaf': request, 'mapped': asdict(mapped)})}\n")
            sys.stdout.flush()


def _map(yosys: Any, one: Leaf, primitives: Path, folder: Path) -> Mapped:
    netlist, selected = folder / "netlist.json", folder / "memories"
    commands = mapping_commands(one, sources_of(one.module), primitives, netlist)
    design = yosys.Design()

    def run(lines: list[str]) -> None:
        for command in lines:
            yosys.run_pass(command, design)

    run(commands.before)
    yosys.run_pass(f"tee -q -o {selected} select -list t:$mem*", design)
    if selected.read_text().strip():
        run(commands.memories)
    run(commands.after)
    return count(json.loads(netlist.read_text()), TOP)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
