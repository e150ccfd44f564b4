"""SynthesisReport: what a vendor tool says of a design, as a document. A value that it does not say is None with a reason, never 0.

Resources in the order `lut ff dsp bram_18k uram`; a block RAM tile of Vivado counts as two 18 kbit block RAMs. Clock periods
and slacks stay in ns, as the tools write them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field, model_validator

from spec.errors import InputError
from spec.strict import StrictModel
from spec.workload import Stage

# How far the design had come when the tool measured it. Values of two provenances are never mixed in one column.
SynthesisProvenance = Literal["open_synthesis", "csynth", "cosim", "post_synth", "post_place", "post_route"]
ReportKind = Literal[
    "open_synthesis",
    "csynth_xml",
    "csynth_rpt",
    "csynth_summary_rpt",
    "cosim_rpt",
    "export_xml",
    "export_rpt",
    "utilization_rpt",
    "slr_utilization_rpt",
    "accelerator_utilization_rpt",
    "timing_summary_rpt",
    "power_rpt",
]

_MAX_COUNT = 10**15  # cycles of a month at 400 MHz; anything larger is no measurement

Count = Annotated[int, Field(ge=0, le=_MAX_COUNT)]
Nanoseconds = Annotated[float, Field(ge=0, le=1e9)]
Slack = Annotated[float, Field(ge=-1e12, le=1e12)]
Watts = Annotated[float, Field(ge=0, le=1e6)]
Fraction = Annotated[float, Field(ge=0, le=1000)]
Reason = Annotated[str, Field(min_length=1)]


class Absent:
    """A value that a report does not give, and why."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


MeasuredT = TypeVar("MeasuredT", bound="Measured")


class Measured(StrictModel):
    """Values of a tool. `missing` names each one that is None, and says why."""

    _optional: ClassVar[frozenset[str]] = frozenset()  # sections that need no reason when they are None

    missing: dict[str, Reason] = {}

    @model_validator(mode="after")
    def _each_missing_value_has_a_reason(self) -> Measured:
        absent = {name for name in type(self).model_fields if getattr(self, name) is None} - self._optional
        if absent != set(self.missing):
            wrong = sorted(absent.symmetric_difference(self.missing))
            raise InputError(
                f"missing values and their reasons do not agree: {', '.join(wrong)}",
                field="missing",
                value=sorted(self.missing),
                rule="a reason for each value that is null, and for no other",
                hint=f"name exactly {', '.join(sorted(absent)) or 'nothing'}",
            )
        return self


def measured(model: type[MeasuredT], **values: object) -> MeasuredT:
    """`model` of `values`; where one is Absent it becomes None, and its reason goes to `missing`."""
    missing = {name: value.reason for name, value in values.items() if isinstance(value, Absent)}
    given = {name: None if name in missing else value for name, value in values.items()}
    return model(**given, missing=missing)


class ResourceCounts(Measured):
    """Counts of LUTs, flip-flops, DSP slices, 18 kbit block RAMs and UltraRAMs, as far as the report has them."""

    lut: Count | None
    ff: Count | None
    dsp: Count | None
    bram_18k: Count | None
    uram: Count | None


class ResourceFractions(Measured):
    """Used of available, 1 being all."""

    lut: Fraction | None
    ff: Fraction | None
    dsp: Fraction | None
    bram_18k: Fraction | None
    uram: Fraction | None


class Ordered(Measured):
    """Numbers from the least to the most, in the order of the fields."""

    @model_validator(mode="after")
    def _rising(self) -> Ordered:
        known = {name: getattr(self, name) for name in type(self).model_fields if name != "missing"}
        given = [value for value in known.values() if value is not None]
        if given != sorted(given):
            raise InputError(
                "the least is above the most",
                field=next(iter(known)),
                value=given,
                rule=f"{' <= '.join(known)}",
                hint="take the report anew from the tool",
            )
        return self


class CycleRange(Ordered):
    """Shortest and longest, in clock cycles."""

    min_cycles: Count | None
    max_cycles: Count | None


class CycleStatistics(Ordered):
    """Shortest, average and longest, in clock cycles."""

    min_cycles: Count | None
    avg_cycles: Count | None
    max_cycles: Count | None


class CountRange(Ordered):
    """Least and most iterations."""

    min: Count | None
    max: Count | None


class ClockReport(Measured):
    """The asked period, and what came of it: an estimate of C synthesis, or the achieved one of an implementation."""

    target_ns: Nanoseconds | None
    uncertainty_ns: Nanoseconds | None
    estimated_ns: Nanoseconds | None
    achieved_ns: Nanoseconds | None


class ModuleRow(Measured):
    """A module (HLS function). `issues` are what the tool complains about, such as `Timing Violation`.

    Of an open synthesis: equal processes together, `instances` of them, `resources` of all; see SynthesisReport.
    """

    _optional: ClassVar[frozenset[str]] = frozenset({"resources_at_least"})

    name: str
    instances: Count = 1
    pipeline: str | None
    latency: CycleRange
    interval: CycleRange
    estimated_clock_ns: Nanoseconds | None
    resources: ResourceCounts
    resources_at_least: ResourceCounts | None = None
    issues: tuple[str, ...] = ()


class LoopRow(Measured):
    """A loop of a module; `parent` is the loop around it, empty at the top."""

    module: str
    name: str
    parent: str
    pipelined: bool | None
    trip_count: CountRange
    latency: CycleRange
    depth: CycleRange
    ii_asked_cycles: Count | None
    ii_achieved_cycles: Count | None
    issues: tuple[str, ...] = ()


class InstanceRow(Measured):
    """A kernel or one of its instances in the implemented card."""

    name: str
    parent: str
    resources: ResourceCounts


class SlrRow(Measured):
    """One super logic region; `utilization` is that of `resources`, of an open synthesis their upper end."""

    _optional: ClassVar[frozenset[str]] = frozenset({"resources_at_least"})

    name: str
    resources: ResourceCounts
    resources_at_least: ResourceCounts | None = None
    utilization: ResourceFractions


class SlrCrossing(Measured):
    """Super long lines between two neighbouring regions."""

    between: tuple[str, str]
    sll_used: Count | None
    sll_available: Count | None


class ClockRow(Measured):
    """A clock of the implemented design; slacks are those of the paths within it."""

    name: str
    period_ns: Nanoseconds | None
    wns_ns: Slack | None
    tns_ns: Slack | None


class TimingSummary(Measured):
    """Slack of the whole design. `wns` worst negative (setup), `whs` worst hold, `wpws` worst pulse width; `t...` totals."""

    met: bool | None
    wns_ns: Slack | None
    tns_ns: Slack | None
    failing_endpoints: Count | None
    total_endpoints: Count | None
    whs_ns: Slack | None
    ths_ns: Slack | None
    wpws_ns: Slack | None
    tpws_ns: Slack | None
    clocks: tuple[ClockRow, ...] = ()


class PowerComponent(Measured):
    """One line of the on-chip components."""

    name: str
    power_w: Watts | None


class PowerReport(Measured):
    """Estimated power of the chip. `confidence` is the tool's own word for its inputs."""

    total_w: Watts | None
    dynamic_w: Watts | None
    static_w: Watts | None
    junction_c: Annotated[float, Field(ge=-300, le=1000)] | None
    confidence: str | None
    components: tuple[PowerComponent, ...] = ()


class CosimResult(Measured):
    """What RTL simulation said: whether the results agree with the C++, and the cycles of all transactions together."""

    rtl: Literal["verilog", "vhdl"] | None
    status: Literal["pass", "fail", "not_run"]
    total_execution_cycles: Count | None


class SynthesisReport(Measured):
    """One report file. `resources` are the design's, `available` the device's or, in the accelerator form, the user budget.

    An open synthesis knows LUT and FF as a range: `resources` is its upper end, `resources_at_least` its lower one.
    `assumptions` are what its numbers rest on.
    """

    _optional: ClassVar[frozenset[str]] = frozenset({"cosim", "resources_at_least"})

    schema_name: Annotated[Literal["flexdse/synthesis_report/v1"], Field(alias="schema")] = (
        "flexdse/synthesis_report/v1"
    )
    flexdse_version: str
    model_version: str
    timing_table_version: str
    provenance: SynthesisProvenance
    kind: ReportKind
    tool: str
    tool_version: str | None
    part: str | None
    top: str | None
    clock: ClockReport | None
    latency: CycleStatistics | None
    interval: CycleStatistics | None
    resources: ResourceCounts | None
    resources_at_least: ResourceCounts | None = None
    available: ResourceCounts | None
    available_per_slr: ResourceCounts | None
    timing: TimingSummary | None
    power: PowerReport | None
    cosim: CosimResult | None = None
    modules: tuple[ModuleRow, ...] = ()
    loops: tuple[LoopRow, ...] = ()
    instances: tuple[InstanceRow, ...] = ()
    slrs: tuple[SlrRow, ...] = ()
    slr_crossings: tuple[SlrCrossing, ...] = ()
    assumptions: tuple[str, ...] = ()


SynthesisStep = Literal["open_synthesis", "csim", "csynth", "cosim", "export", "impl", "link"]
SynthesisCause = Literal[
    "cancelled",
    "deadlock",
    "disk_full",
    "license",
    "lost",
    "missing_part",
    "missing_platform",
    "missing_synthesis",
    "out_of_memory",
    "report_damaged",
    "report_mismatch",
    "report_missing",
    "results_differ",
    "source_refused",
    "timeout",
    "timing_not_met",
    "tool_crashed",
    "tool_failed",
]


class StepArtifact(StrictModel):
    """A file that a step made, such as the kernel object. `path` is relative to the project."""

    path: str
    bytes: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StepFailure(StrictModel):
    """Why a step failed: its class, the line that says so, and a way out."""

    cause: SynthesisCause
    message: str
    way_out: str


class KernelStep(StrictModel):
    """One step of one kernel. `key` is the hash of sources, tool version, part, clock, flow and the steps before."""

    stage: Stage
    kernel: str
    step: SynthesisStep
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    status: Literal["running", "succeeded", "failed", "lost"]
    attempt: Annotated[int, Field(ge=1)]
    lost_attempts: Count = 0
    reused: bool = False
    clock_mhz: Annotated[float, Field(gt=0, le=10000)]
    seconds: Annotated[float, Field(ge=0)] = 0.0
    peak_memory_bytes: Annotated[
        Count | None,
        Field(description="of the tool and everything it started; null: ended before the first look at it"),
    ] = None
    log: str
    failure: StepFailure | None = None
    compared_values: Annotated[Count | None, Field(description="C simulation only")] = None
    differing_values: Annotated[Count | None, Field(description="C simulation only")] = None
    artifacts: tuple[StepArtifact, ...] = ()
    reports: tuple[SynthesisReport, ...] = ()


class SynthesisStepReport(StrictModel):
    """`reports/<step>.json` of a project: a step of all its kernels."""

    schema_name: Annotated[Literal["flexdse/synthesis_step/v1"], Field(alias="schema")] = "flexdse/synthesis_step/v1"
    flexdse_version: str
    model_version: str
    timing_table_version: str
    backend: Literal["vitis", "open"]
    step: SynthesisStep
    passed: bool
    tool: str
    tool_version: str
    vivado_version: Annotated[
        str | None, Field(description="null: no step that was asked for needs Vivado, none found")
    ]
    part: str
    kernels: tuple[KernelStep, ...]
