"""SimulationReport: cycles of a project's kernels by timed simulation, in `reports/simulate.json` of a project."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spec.strict import StrictModel
from spec.workload import Stage

Cycles = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
StallCause = Literal["empty", "full", "memory"]

Verdict = Literal[
    "deadlock",
    "past_input",
    "unread",
    "two_owners",
    "unbounded",
    "unsupported",
    "requirement",
]


class SourcePlace(StrictModel):
    """A line of the project's sources; empty and 0 where it is not known."""

    file: str
    line: Count

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class BlockedProcess(StrictModel):
    """A process that waits for ever. `in_ring`: it is one of those that wait for each other in a circle.

    `other_has_ended`: nobody is left who could serve it.
    """

    process: str
    waits_to: Literal["read", "write"]
    stream: str
    depth: Count
    place: SourcePlace
    in_ring: bool
    other_has_ended: bool

    def __str__(self) -> str:
        state = "empty" if self.waits_to == "read" else f"full, depth {self.depth}"
        return f"{self.process} waits to {self.waits_to} {self.stream} ({state}) at {self.place}"


class SimulationFailure(StrictModel):
    """Why there are no cycles. `blocked`: of a deadlock, those of the ring first."""

    verdict: Verdict
    message: str
    place: SourcePlace
    blocked: tuple[BlockedProcess, ...] = ()


class SimulatedModule(StrictModel):
    """The processes of one function in a stage, over all steps.

    `working_cycles`: from start to end without waiting, not for processes within it either, of the busiest of its `processes`. The `*_stall_cycles` are sums over
    them: waiting for a word (empty), for a free place (full), for memory.
    `critical_cycles`: the part of the stage's cycles that is its work, along the critical path.
    """

    module: str
    processes: Count
    working_cycles: Cycles
    critical_cycles: Cycles
    empty_stall_cycles: Cycles
    full_stall_cycles: Cycles
    memory_stall_cycles: Cycles


class SimulatedStream(StrictModel):
    """One FIFO, over all steps. `used_depth`: the places that this run's schedule needs; as many lose nothing.

    `full_stall_cycles` above 0: its writer waited for a place.
    """

    stream: str
    depth: Count
    used_depth: Count
    words: Count
    empty_stall_cycles: Cycles
    full_stall_cycles: Cycles
    writer: str | None
    reader: str | None


class SimulatedMemoryPort(StrictModel):
    """One m_axi port. `stall_cycles`: of processes that waited for it. `cycles_per_word` by the port law, at least 1."""

    port: str
    stall_cycles: Cycles
    critical_cycles: Cycles
    cycles_per_word: Annotated[float, Field(ge=1)]


class CriticalPart(StrictModel):
    """A piece of the critical path of a step: the work of a process, the latency of a stream, a memory."""

    kind: Literal["process", "stream", "memory"]
    name: str
    cycles: Cycles
    fraction: Fraction


class SimulatedStep(StrictModel):
    """One dataflow region. Equal ones are solved once: nothing is left in FIFOs and ports between two of them."""

    name: str
    times: Annotated[int, Field(ge=1)]
    cycles: Annotated[Cycles, Field(description="of one of them")]
    place: SourcePlace
    critical: tuple[CriticalPart, ...]


class SimulatedLoop(StrictModel):
    """A loop whose derived interval is not the one it asks for, or is not known."""

    function: str
    place: SourcePlace
    loop: str
    requested: Annotated[int, Field(ge=1)] | None
    derived: Annotated[int, Field(ge=1)] | None
    reason: str


class SimulatedStage(StrictModel):
    """One kernel. `cycles`, `latency_s`: None where it stopped, see `failure`.

    Prefill: all of `tokens`; decode: the one token at `position`, over all `layers`. `layers_simulated`: the others repeat the
    last of them, which equals the one before in everything that was recorded.
    """

    stage: Stage | Literal["unit"]
    kernel: str
    tokens: Count
    position: Count | None
    layers: Count
    layers_simulated: Count
    clock_mhz: Annotated[float, Field(gt=0)] | None
    cycles: Cycles | None
    latency_s: Annotated[float, Field(ge=0)] | None
    cycles_with_unbounded_fifos: Annotated[
        Cycles | None, Field(description="the same run with FIFOs without bounds; None where not asked for")
    ] = None
    steps: tuple[SimulatedStep, ...]
    modules: tuple[SimulatedModule, ...]
    streams: tuple[SimulatedStream, ...]
    ports: tuple[SimulatedMemoryPort, ...]
    loops_missed: tuple[SimulatedLoop, ...]
    loops_unknown: tuple[SimulatedLoop, ...]
    failure: SimulationFailure | None

    @property
    def passed(self) -> bool:
        """Whether the stage ran to its end."""
        return self.failure is None


class SmallestDepth(StrictModel):
    """The least depth of the FIFOs of one name (an array's together) at which no cycle is lost, the others as found."""

    stage: Stage | Literal["unit"]
    stream: str
    depth: Count
    smallest_depth: Annotated[int, Field(ge=1)]


class SimulationReport(StrictModel):
    """The result of one timed simulation."""

    schema_name: Annotated[Literal["flexdse/simulation_report/v1"], Field(alias="schema")] = (
        "flexdse/simulation_report/v1"
    )
    flexdse_version: str
    model_version: str
    timing_table_version: str
    provenance: Literal["timed_sim"] = "timed_sim"
    compiler_version: str
    pipeline_style: Literal["stp", "flp"]
    passed: Annotated[bool, Field(description="each stage ran to its end; intervals may be missed all the same")]
    seconds: Annotated[float, Field(ge=0)]
    modified_files: tuple[str, ...]
    other_depths: Annotated[
        dict[str, int], Field(description="FIFO depths that were simulated in place of the project's own, by stream")
    ] = {}
    stages: tuple[SimulatedStage, ...]
    smallest_depths: tuple[SmallestDepth, ...] = ()

    def stage(self, name: str) -> SimulatedStage | None:
        """The stage of that name, if it was simulated."""
        return next((stage for stage in self.stages if stage.stage == name), None)

    def summary_line(self) -> str:
        """`simulate: PASS (prefill N cycles, decode N cycles)`, the first failure, or how many loops miss their interval."""
        for stage in self.stages:
            if stage.failure is not None:
                return f"simulate: FAIL ({stage.kernel}: {stage.failure.verdict}: {stage.failure.message})"
        cycles = ", ".join(f"{stage.kernel} {stage.cycles:,} cycles" for stage in self.stages)
        unknown = sum(len(stage.loops_unknown) for stage in self.stages)
        if unknown:
            cycles += f"; {_loops(unknown)} of unknown interval simulated as asked"
        if self.intervals_missed:
            return f"simulate: INTERVALS MISSED by {_loops(self.intervals_missed)}, simulated at what they can have ({cycles})"
        return f"simulate: PASS ({cycles})"

    @property
    def intervals_missed(self) -> int:
        """Loops that cannot have the interval that they ask for."""
        return sum(len(stage.loops_missed) for stage in self.stages)


def _loops(number: int) -> str:
    return f"{number} loop{'' if number == 1 else 's'}"
