"""Composed units as RTL of our own beside the timed simulation of the same units' C++.

A unit is a pair of files of `hls_gen/rtl/bench/cases`: C++ that composes functions of the library, and SystemVerilog that does the
same with the modules of `hls_gen/rtl`; a case is a unit, and the values of its parameters where it has some. The RTL is written by hand: its pipelines are as deep as their operators'
registers, and nothing in it comes from the derived schedule that the timed simulation runs on.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hls_gen.simulate.schedule import PortTiming
from hls_gen.simulate.unit import simulate_unit
from hls_gen.toolchain.open.rtl import RTL_FOLDER, simulation_sources
from hls_gen.toolchain.open.verilator import BENCH_INCLUDE, build_bench, run_bench

CASES_FOLDER = RTL_FOLDER / "bench" / "cases"
_TOP = "truth_bench"
_WARNINGS = ("UNOPTFLAT", "WIDTH", "PINMISSING", "BLKSEQ")
_MOST_CYCLES = 20_000  # ten times the longest case: what has not ended by then never does

# What memory_burst.sv has as parameters.
_PORTS = {"memory": PortTiming(cycles_per_word=2.0, latency_cycles=64, response_cycles=64, prefetched_words=32)}


@dataclass(frozen=True, slots=True)
class ComposedCase:
    """One unit, or with `parameters` the unit of that name in `parametrized`. `deadlocks`: it is meant to stand still for
    ever, in both.
    """

    name: str
    deadlocks: bool = False
    parametrized: str = ""
    parameters: tuple[tuple[str, int], ...] = ()
    told: str = ""

    @property
    def unit(self) -> str:
        """The name of its pair of files."""
        return self.parametrized or self.name

    @property
    def title(self) -> str:
        """What it is."""
        return self.told or self._text("cpp").splitlines()[0].removeprefix("// ")

    @property
    def rtl(self) -> str:
        """Module case_<unit>."""
        return self._text("sv")

    @property
    def instance(self) -> str:
        """The module and its parameters, as an instance of it begins."""
        values = ", ".join(f".{name}({value})" for name, value in self.parameters)
        return f"case_{self.unit} #({values})" if values else f"case_{self.unit}"

    @property
    def includes(self) -> str:
        """The headers of its C++."""
        return "".join(f"{line}\n" for line in self._text("cpp").splitlines() if line.startswith("#include"))

    @property
    def body(self) -> str:
        """Its C++ without them: parameters, functions and `top`."""
        lines = [line for line in self._text("cpp").splitlines() if not line.startswith("#include")]
        given = [f"constexpr int {name} = {value};" for name, value in self.parameters]
        return "".join(f"{line}\n" for line in (*given, *lines))

    def _text(self, suffix: str) -> str:
        return (CASES_FOLDER / f"{self.unit}.{suffix}").read_text()


def _fork_join(
    name: str, told: str, *, words: int, interval: int, skip_depth: int, deadlocks: bool = False
) -> ComposedCase:
    parameters = (("WORDS", words), ("INTERVAL", interval), ("SKIP_DEPTH", skip_depth))
    return ComposedCase(name, deadlocks, "fork_join", parameters, told)


CASES = (
    ComposedCase("systolic_int4"),
    ComposedCase("systolic_int8"),
    ComposedCase("gemv_int4"),
    ComposedCase("gemv_slow_weights"),
    ComposedCase("hadamard_serial"),
    ComposedCase("hadamard_streaming"),
    ComposedCase("softmax"),
    ComposedCase("quantizer_chain"),
    ComposedCase("rms_norm"),
    ComposedCase("chain_slow_sink"),
    ComposedCase("chain_bursts"),
    _fork_join(
        "fork_join_deep",
        "A fork, two adders on one way and a FIFO on the other, a join: the FIFO holds what the adders keep.",
        words=200,
        interval=1,
        skip_depth=24,
    ),
    _fork_join(
        "fork_join_exact",
        "The same, fed at a third of the rate, with just as many places as it takes not to stop.",
        words=120,
        interval=3,
        skip_depth=17,
    ),
    _fork_join(
        "fork_join_deadlock",
        "The same with too few places: the pipeline of the adders stands still while the fork waits for room, for ever.",
        words=120,
        interval=3,
        skip_depth=9,
        deadlocks=True,
    ),
    ComposedCase("memory_burst"),
)


@dataclass(frozen=True, slots=True)
class RtlRun:
    """A unit of RTL under Verilator. `cycles` of its region, None: it never ended. `differing` and `missing` values of its sinks."""

    cycles: int | None
    values: int
    differing: int
    missing: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """RTL and timed simulation of one unit. `verdict` of a simulation that does not end."""

    case: ComposedCase
    rtl: RtlRun
    simulated_cycles: int | None
    verdict: str

    @property
    def difference_cycles(self) -> int | None:
        """Simulated - RTL."""
        if self.simulated_cycles is None or self.rtl.cycles is None:
            return None
        return self.simulated_cycles - self.rtl.cycles

    @property
    def passed(self) -> bool:
        """Equal values; cycles within 1 % or 2, whichever is more; a unit that must deadlock does, in both."""
        if self.case.deadlocks:
            return self.rtl.cycles is None and self.verdict == "deadlock"
        difference = self.difference_cycles
        if difference is None or self.rtl.cycles is None or self.rtl.values == 0:
            return False
        return self.rtl.differing == self.rtl.missing == 0 and abs(difference) <= max(2.0, 0.01 * self.rtl.cycles)


def rtl_cycles(cases: Sequence[ComposedCase], cache: Path, *, timeout_s: float = 900.0) -> dict[str, RtlRun]:
    """Simulates the RTL of the cases together, each to its end.

    Raises:
        ToolNotFoundError: Verilator or g++ is missing.
        CompileError, SimulationError, SimulationTimeoutError: a tool failed.
    """
    sources = {f"case_{case.unit}.sv": case.rtl for case in cases} | {f"{_TOP}.sv": _wrapper(cases)}
    program = build_bench(
        _TOP,
        sources,
        _bench(cases),
        cache,
        rtl=simulation_sources(),
        headers=(BENCH_INCLUDE,),
        warnings=_WARNINGS,
        timeout_s=timeout_s,
    )
    rows = run_bench(program, [str(_MOST_CYCLES)], timeout_s=timeout_s)
    return {row["name"]: RtlRun(row["cycles"], row["values"], row["differing"], row["missing"]) for row in rows}


def _port_bits(case: ComposedCase) -> tuple[int, int]:
    """Sinks, and bits of a sink's data."""
    fire = re.search(r"output logic \[(\d+):0\] fire", case.rtl)
    data = re.search(r"output logic \[(\d+):0\] data", case.rtl)
    if fire is None or data is None:
        raise ValueError(f"case_{case.name} has no ports fire and data")
    sinks = int(fire[1]) + 1
    return sinks, (int(data[1]) + 1) // sinks


def _wrapper(cases: Sequence[ComposedCase]) -> str:
    header, body = ["input logic clk", "input logic reset", "input logic start"], []
    for case in cases:
        sinks, bits = _port_bits(case)
        header += [
            f"output logic {case.name}_finished",
            f"output logic [{sinks - 1}:0] {case.name}_fire",
            f"output logic [{sinks * bits - 1}:0] {case.name}_data",
        ]
        body.append(
            f"  {case.instance} {case.name} (.clk, .reset, .start, .finished({case.name}_finished), .fire({case.name}_fire), "
            f".data({case.name}_data));"
        )
    return f"module {_TOP} (\n  " + ",\n  ".join(header) + "\n);\n" + "\n".join(body) + "\nendmodule\n"


_BENCH = """\
{includes}#include "composed.hpp"
#include "V{top}.h"

using namespace flexdse_hls;
using flexdse_bench::sink_of;
using flexdse_bench::source_of;

{bodies}
int main(int, char** arguments) {{
  using namespace flexdse_bench;
  V{top} model;
  std::vector<unit> units;
{units}  return run_units(model, units, std::atol(arguments[1]));
}}
"""


def _bench(cases: Sequence[ComposedCase]) -> str:
    includes = sorted({line for case in cases for line in case.includes.splitlines()})
    units = []
    for case in cases:
        _, bits = _port_bits(case)
        call = f"[] {{ unit_{case.name}::top({_memory(case)}); }}" if not case.deadlocks else "nullptr"
        model = f"model.{case.name}"
        units.append(
            f'  units.emplace_back("{case.name}", model.{case.name}_finished, {model}_fire, {model}_data, {bits}, {call});\n'
        )
    return _BENCH.format(
        includes="".join(f"{line}\n" for line in includes),
        top=_TOP,
        bodies="".join(f"namespace unit_{case.name} {{\n{case.body}}}\n" for case in cases),
        units="".join(units),
    )


def _memory(case: ComposedCase) -> str:
    """The argument of a top that reads memory: words as memory_reader.sv makes them."""
    return "flexdse_bench::numbered_words().data()" if "top(const hbm_word<128>*" in case.body else ""


_SIMULATED = """\
{includes}#include "flexdse_hls/dataflow.hpp"
#include "flexdse_simulate/drivers.hpp"

using namespace flexdse_hls;
template <class S>
void source_of(S& stream, int words, int interval, unsigned) {{
  flexdse_simulate::source(stream, words, interval);
}}
template <class S>
void sink_of(S& stream, int words, int interval, int) {{
  flexdse_simulate::sink(stream, words, interval);
}}

{body}"""


def simulated_cycles(case: ComposedCase, cache: Path, *, timeout_s: float = 900.0) -> tuple[int | None, str]:
    """Cycles of the region in the timed simulation, and the verdict where there are none.

    Raises:
        ToolNotFoundError: there is no clang.
        CompileError, SimulationError, SimulationTimeoutError: a tool failed.
    """
    with tempfile.TemporaryDirectory(prefix="flexdse-truth-") as name:
        source = Path(name) / case.name / f"{case.name}.cpp"
        source.parent.mkdir()
        source.write_text(_SIMULATED.format(includes=case.includes, body=case.body))
        folder = cache / f"simulated-{case.name}"
        stage = simulate_unit(source, ports=_PORTS, folder=folder, timeout_s=timeout_s)
    if stage.failure is not None:
        return None, stage.failure.verdict
    return stage.steps[0].cycles, ""


def compare(cases: Sequence[ComposedCase], cache: Path) -> list[Comparison]:
    """RTL and timed simulation of each case. `cache`: keeps what was compiled.

    Raises:
        ToolNotFoundError: Verilator, g++ or clang is missing.
        CompileError, SimulationError, SimulationTimeoutError: a tool failed.
    """
    runs = rtl_cycles(cases, cache)
    found = []
    for case in cases:
        cycles, verdict = simulated_cycles(case, cache)
        found.append(Comparison(case, runs[case.name], cycles, verdict))
    return found
