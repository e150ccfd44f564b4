"""ProjectPlan: every number and name that a template prints. Frozen; templates compute nothing."""

from __future__ import annotations

from dataclasses import dataclass

from spec.memory_map import PortRole
from spec.workload import Stage


@dataclass(frozen=True, slots=True)
class PortPlan:
    """One m_axi port of a kernel."""

    name: str
    argument: str
    bundle: str
    bank: str
    width_bits: int
    burst_words: int
    csim_words: int


@dataclass(frozen=True, slots=True)
class ReservedPort:
    """A port of the memory map that serves modules outside of this project."""

    name: str
    roles: tuple[PortRole, ...]
    bank: str


@dataclass(frozen=True, slots=True)
class LinearPlan:
    """One linear layer on an engine. The C simulation computes `csim_d_out` channels: the first passes and the last."""

    name: str
    d_in: int
    d_out: int
    passes: int
    csim_d_out: int
    csim_passes: int
    expected_cycles: int


@dataclass(frozen=True, slots=True)
class ModuleCycles:
    """Expected cycles of one module for one linear layer, per token block (prefill) or per token (decode)."""

    stage: Stage
    module: str
    linear: str
    cycles: int
    law: str


@dataclass(frozen=True, slots=True)
class CsimCase:
    """One comparison of the C simulation: `tokens` x `d_out` values of a linear layer on a module."""

    stage: Stage
    module: str
    linear: str
    tokens: int
    d_in: int
    d_out: int
    full_d_out: int
    passes: int
    full_passes: int
    first_corner: int

    @property
    def values(self) -> int:
        """Compared values."""
        return self.tokens * self.d_out

    @property
    def folder(self) -> str:
        """Folder of its vectors within the project."""
        return f"vectors/{self.stage}/{self.linear}"


@dataclass(frozen=True, slots=True)
class KernelPlan:
    """What both stages' kernels have: a name, an instance, a clock, an activation port."""

    function: str
    instance: str
    slr: str | None
    clock_mhz: float
    clock_period_ns: str
    io_port: PortPlan
    reserved_ports: tuple[ReservedPort, ...]


@dataclass(frozen=True, slots=True)
class PrefillEnginePlan:
    """One systolic array with its quantizer, dequantizer and loaders."""

    name: str
    weight_parallelism: int
    sub_arrays: int
    columns: int
    max_d_in: int
    max_d_out: int
    weight_ports: tuple[PortPlan, ...]
    scale_port: PortPlan
    linears: tuple[LinearPlan, ...]


@dataclass(frozen=True, slots=True)
class PrefillPhase:
    """One call of the prefill kernel: which linear layer each engine computes (None: idle)."""

    name: str
    linears: tuple[LinearPlan | None, ...]


@dataclass(frozen=True, slots=True)
class PrefillPlan:
    """The prefill kernel."""

    kernel: KernelPlan
    token_parallelism: int
    engines: tuple[PrefillEnginePlan, ...]
    phases: tuple[PrefillPhase, ...]
    token_blocks: int
    csim_blocks: int
    operand_depth: int
    weight_depth: int
    activation_depth: int
    result_depth: int


@dataclass(frozen=True, slots=True)
class LaneUnitPlan:
    """One lane unit of the decode engine."""

    index: int
    group_offset: int
    port: int
    port_unit: int
    split: int
    split_unit: int


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """The decode kernel."""

    kernel: KernelPlan
    block_parallelism: int
    weight_parallelism: int
    engine_splits: int
    unit_lanes: int
    unit_groups: int
    units: tuple[LaneUnitPlan, ...]
    units_per_port: int
    units_per_split: int
    pairs: int
    max_d_in: int
    max_d_out: int
    weight_ports: tuple[PortPlan, ...]
    scale_port: PortPlan
    linears: tuple[LinearPlan, ...]
    csim_tokens: int
    operand_depth: int
    weight_depth: int
    activation_depth: int
    result_depth: int


@dataclass(frozen=True, slots=True)
class ProjectPlan:
    """The whole project."""

    model_name: str
    device_name: str
    part_number: str
    platform: str | None
    design_key: str
    prompt_tokens: int
    output_tokens: int
    seed: int
    timing_table_version: str
    loop_restart_cycles: int
    prefill: PrefillPlan
    decode: DecodePlan
    cycles: tuple[ModuleCycles, ...]
    csim_cases: tuple[CsimCase, ...]
    outside: tuple[str, ...]
