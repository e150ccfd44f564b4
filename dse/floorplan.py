"""Floorplan of a design: every unit of its bitstreams assigned to an SLR by an exact solver, or why that cannot be.

What a unit is and what each SLR holds: `cost_models.slr`; the wires between units: `cost_models.streams`; the solver:
`dse.placement`. Solved three times at most: at the predicted resources with no SLR fuller than one that was seen to
route, then up to the caps, then at the low end of the error bands. Only what does not fit even then is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from cost_models.arrays import ResourceArrays
from cost_models.bands import resource_band
from cost_models.clb import CLB_CAP, CLB_PER_LUT_FRACTION, CLB_ROUTED
from cost_models.evaluate import Context, price_decode, price_prefill
from cost_models.kernels.pieces import unit_pieces
from cost_models.resources import AXI_ADAPTERS, DATAFLOW_CONTROL
from cost_models.slr import (
    KINDS,
    LEVERS,
    SLL_CAP,
    adapters_of,
    attached_slr,
    slr_capacity,
)
from cost_models.stage_cost import StageCost
from cost_models.streams import Stream, adapter_unit, stage_streams
from dse.placement import (
    DETERMINISTIC_LIMIT,
    Assignment,
    Excess,
    Net,
    PlacementProblem,
    Unit,
    assign,
    least_excess,
    solver_name,
)
from spec.context_limit import check_context
from spec.design_batch import DecodeBatch, DesignBatch, PrefillBatch
from spec.design_point import DesignPoint, KernelPlacement
from spec.device import Device
from spec.errors import UnknownNameError
from spec.floorplan import BitstreamFloorplan, BoundaryUse, Floorplan, FloorplanStatus, RegionUse
from spec.model_config import ModelConfig
from spec.resources import RESOURCE_NAMES, ResourceVector
from spec.violation import Violation
from spec.workload import STAGES, Stage, Workload

_STATUS_ORDER: tuple[FloorplanStatus, ...] = ("placed", "within_band", "unknown", "refused")
ASSUMPTIONS = (
    "adapters stand in the SLR that their memory is attached to; every other unit may stand anywhere",
    "an array, an engine part or a group of lanes is one unit; dataflow control is divided among the units",
    "streams between SLRs are pipelined, as FlexLLM's floorplanner does; handshake wires are not counted",
    (
        f"placed: no SLR above {CLB_ROUTED:.0%} of its CLBs, the fullest seen to route; an SLR between that and the cap "
        f"of {CLB_CAP:.0%}, the first seen to fail, is within_band; the clock law sees the card's mean, not the fullest SLR"
    ),
)


@dataclass(frozen=True, slots=True)
class StageUnits:
    """The units of one stage: name, resources in the order of `KINDS`, the SLR it must be in; and their streams."""

    stage: Stage
    names: tuple[str, ...]
    demand: tuple[tuple[float, ...], ...]
    region: tuple[int | None, ...]
    module: tuple[str, ...]
    streams: tuple[Stream, ...]


def plan_floorplan(
    design: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    *,
    stage: Stage | None = None,
    max_kernels: int | None = None,
    optimise: bool = True,
    levers: bool = True,
    deterministic_limit: float = DETERMINISTIC_LIMIT,
) -> Floorplan:
    """The floorplan of every bitstream of a design, or of the one of `stage`.

    Args:
        design: its `kernels` with an SLR pin their modules; the others are left to the solver.
        model: the model it runs.
        device: the card.
        workload: buffers grow with the context.
        stage: the bitstream of this stage alone; a co-resident design has one for both.
        max_kernels: kernels of a bitstream, at most: the units of a stage in one SLR are one kernel.
        optimise: the fewest crossings, evenly filled; without it any assignment, a hundred times sooner.
        levers: say what a refused bitstream lacks, and try which single change would make it fit; without it, the verdict.
        deterministic_limit: the solver's time, in its own units of about a second; the answer depends on nothing else.

    Raises:
        ToolNotFoundError: OR-Tools is not installed.
        UnknownNameError: the design pins a module that its stage does not have.
    """
    check_context(model, workload, design.hmt)
    context = Context(model, device, workload, design.quant_scheme, hmt=design.hmt, system=design.system)
    batch = DesignBatch.from_points([design], device)

    def units(of: Stage) -> StageUnits:
        if of == "prefill":
            return stage_units(price_prefill(batch.prefill, context), batch.prefill, design, device)
        return stage_units(price_decode(batch.decode, context), batch.decode, design, device)

    solve = partial(assign, optimise=optimise, deterministic_limit=deterministic_limit)
    groups: tuple[tuple[Stage, ...], ...] = tuple((each,) for each in STAGES if stage in (None, each))
    if design.deployment == "co_resident":
        groups = (STAGES,)
    bitstreams = tuple(
        _bitstream([units(each) for each in group], device, max_kernels, solve, explain=levers) for group in groups
    )
    if levers and any(bitstream.status == "refused" for bitstream in bitstreams):
        bitstreams = tuple(
            _with_levers(bitstream, design, model, device, workload, max_kernels) for bitstream in bitstreams
        )
    worst = max((one.status for one in bitstreams), key=_STATUS_ORDER.index)
    return Floorplan(status=worst, solver=solver_name(), bitstreams=bitstreams, assumptions=ASSUMPTIONS)


def stage_units(
    cost: StageCost,
    batch: PrefillBatch | DecodeBatch,
    design: DesignPoint,
    device: Device,
    row: int = 0,
    resources: Mapping[str, ResourceArrays] | None = None,
) -> StageUnits:
    """The units of `design`, the one at `row` of a batch of one set of modules: modules divided into their pieces, and one
    unit of adapters a memory. `resources`: those of the batch by module, where they are known already.
    """
    stage = cost.stage
    names: list[str] = []
    demand: list[dict[str, float]] = []
    module_of: list[str] = []
    by_module: dict[str, list[str]] = {}
    shared: dict[str, float] = dict.fromkeys(RESOURCE_NAMES, 0.0)
    adapters: dict[str, float] = dict.fromkeys(RESOURCE_NAMES, 0.0)
    for module, arrays in (cost.module_resources if resources is None else resources).items():
        amounts = {name: float(array[row]) for name, array in arrays.items()}
        if module == AXI_ADAPTERS:
            adapters = amounts
        elif module == DATAFLOW_CONTROL:
            shared = amounts
        elif any(amounts.values()):
            number = unit_pieces(stage, module, batch)
            pieces = int(number if isinstance(number, int) else number[row])
            for i in range(pieces):
                name = f"{stage}.{module}_{i}" if pieces > 1 else f"{stage}.{module}"
                names.append(name)
                module_of.append(module)
                demand.append({kind: amount / pieces for kind, amount in amounts.items()})
                by_module.setdefault(module, []).append(name)
    total = {kind: sum(each[kind] for each in demand) for kind in RESOURCE_NAMES}
    # Control and small FIFOs in proportion to what each unit has of the kind; equally where none has any.
    demand = [
        {kind: amount + shared[kind] * (amount / total[kind] if total[kind] else 1 / len(demand))
         for kind, amount in each.items()}
        for each in demand
    ]  # fmt: skip
    region: list[int | None] = [None] * len(names)
    ports = [port for port in design.memory_map.ports if port.stage == stage]
    table, placed = batch.placements, int(batch.placement[row])
    kinds = {"hbm": table.hbm_ports, "ddr": table.ddr_ports}
    of = {kind: adapters_of(ports_of, batch.modules[0].process_granularity) for kind, ports_of in kinds.items()}
    for memory in ("hbm", "ddr"):
        there = [port for port in ports if port.memory == memory]
        if not there or (device.hbm if memory == "hbm" else device.ddr) is None:
            continue  # legality refuses ports on a memory that the card does not have
        names.append(adapter_unit(stage, memory))
        module_of.append(AXI_ADAPTERS)
        region.append(attached_slr(device, memory))
        demand.append(
            {
                kind: adapters[kind]
                * float(getattr(of[memory], kind)[placed])
                / max(sum(float(getattr(each, kind)[placed]) for each in of.values()), 1e-9)
                for kind in RESOURCE_NAMES
            }
        )
    _pin(design, stage, names, module_of, region, device)
    return StageUnits(
        stage=stage,
        names=tuple(names),
        demand=tuple(_kinds(each) for each in demand),
        region=tuple(region),
        module=tuple(module_of),
        streams=tuple(stage_streams(stage, design, by_module)),
    )


def _kinds(amounts: dict[str, float]) -> tuple[float, ...]:
    return (*(amounts[name] for name in RESOURCE_NAMES), CLB_PER_LUT_FRACTION * amounts["lut"])


def _pin(
    design: DesignPoint,
    stage: Stage,
    names: list[str],
    module_of: list[str],
    region: list[int | None],
    device: Device,
) -> None:
    slrs = [slr.name for slr in device.slrs]
    for i, kernel in enumerate(design.kernels):
        if kernel.slr is None or kernel.module.split(".")[0] != stage:
            continue
        modules = {f"{stage}.{module}" for module in module_of} | set(names)
        if kernel.slr not in slrs:
            raise UnknownNameError("SLR", kernel.slr, slrs, field=f"kernels[{i}].slr")
        if kernel.module != stage and kernel.module not in modules:
            raise UnknownNameError("module", kernel.module, sorted(modules), field=f"kernels[{i}].module")
        for u, name in enumerate(names):
            if module_of[u] == AXI_ADAPTERS:
                continue
            if kernel.module in (stage, name, f"{stage}.{module_of[u]}"):
                region[u] = slrs.index(kernel.slr)


def problem_of(
    stages: Sequence[StageUnits],
    device: Device,
    max_kernels: int | None = None,
    *,
    at_low_end: bool = False,
    clb_cap: float = CLB_CAP,
) -> PlacementProblem:
    """The assignment problem of one bitstream; `at_low_end`: every demand at the low end of its error band; `clb_cap`:
    fraction of the CLBs of an SLR that may be used.
    """
    scale = [1.0 + resource_band(kind, device)[0] if at_low_end else 1.0 for kind in KINDS]
    units: list[Unit] = []
    index: dict[str, int] = {}
    for group, each in enumerate(stages):
        for i, name in enumerate(each.names):
            index[name] = len(units)
            demand = tuple(amount * part for amount, part in zip(each.demand[i], scale, strict=True))
            units.append(Unit(name, demand, each.region[i], group=group))
    free = []
    for bits in _free_wires(device):
        free.append(None if bits is None else max(0, bits))
    nets = [
        Net(stream.bits, tuple(sorted({index[name] for name in stream.units})))
        for each in stages
        for stream in each.streams
    ]
    return PlacementProblem(
        kinds=KINDS,
        units=tuple(units),
        nets=tuple(net for net in nets if len(net.units) > 1),
        capacity=tuple(slr_capacity(slr, device, clb_cap) for slr in device.slrs),
        boundary_bits=tuple(free),
        max_kernels=max_kernels,
    )


def _free_wires(device: Device) -> list[int | None]:
    boundaries = len(device.slrs) - 1
    if device.sll_per_boundary is None:
        return [None] * boundaries
    shell = device.sll_shell or (0,) * boundaries
    return [int(SLL_CAP * device.sll_per_boundary) - used for used in shell]


Solve = Callable[[PlacementProblem], Assignment]


def settled(
    stages: Sequence[StageUnits], device: Device, max_kernels: int | None, solve: Solve
) -> tuple[FloorplanStatus, Assignment]:
    """What is to be said of one bitstream, and the assignment that shows it."""
    found = solve(problem_of(stages, device, max_kernels, clb_cap=CLB_ROUTED))
    if found.outcome == "assigned":
        return "placed", found
    for at_low_end in (False, True):
        found = solve(problem_of(stages, device, max_kernels, at_low_end=at_low_end))
        if found.outcome == "assigned":
            return "within_band", found
    return ("refused" if found.outcome == "impossible" else "unknown"), found


def _bitstream(
    stages: Sequence[StageUnits], device: Device, max_kernels: int | None, solve: Solve, *, explain: bool
) -> BitstreamFloorplan:
    status, found = settled(stages, device, max_kernels, solve)
    names = tuple(stage.stage for stage in stages)
    if not found.regions:
        return BitstreamFloorplan(
            stages=names,
            status=status,
            proven_optimal=False,
            placements=(),
            regions=(),
            boundaries=(),
            crossing_bits=None,
            shortfalls=_shortfalls(problem_of(stages, device, max_kernels, at_low_end=True), names, device)
            if explain and status == "refused"
            else (),
        )
    return _placed(problem_of(stages, device, max_kernels), stages, found, status, device)


def _placed(
    problem: PlacementProblem,
    stages: Sequence[StageUnits],
    found: Assignment,
    status: FloorplanStatus,
    device: Device,
) -> BitstreamFloorplan:
    used, bits = problem.used(found.regions), problem.crossings(found.regions)
    slrs = [slr.name for slr in device.slrs]
    placements = tuple(
        KernelPlacement(module=unit.name, kernel=f"{unit.name.split('.')[0]}_{slrs[r].lower()}", slr=slrs[r])
        for unit, r in zip(problem.units, found.regions, strict=True)
    )
    regions = []
    for r, slr in enumerate(device.slrs):
        shell = device.shell_in(slr).as_dict()
        counts = {name: used[r][k] + shell[name] for k, name in enumerate(RESOURCE_NAMES)}
        fractions = {f"{name}_fraction": counts[name] / max(getattr(slr.total, name), 1) for name in RESOURCE_NAMES}
        regions.append(
            RegionUse(
                slr=slr.name,
                modules=tuple(u.name for u, at in zip(problem.units, found.regions, strict=True) if at == r),
                used=ResourceVector(**{name: round(count) for name, count in counts.items()}),
                clb_fraction=CLB_PER_LUT_FRACTION * fractions["lut_fraction"],
                **fractions,
            )
        )
    shells = device.sll_shell or (0,) * len(bits)
    boundaries = tuple(
        BoundaryUse(
            boundary=f"{slrs[b]}-{slrs[b + 1]}",
            stream_bits=crossing,
            shell_bits=shells[b],
            available_bits=device.sll_per_boundary,
            fraction=(crossing + shells[b]) / device.sll_per_boundary if device.sll_per_boundary else None,
        )
        for b, crossing in enumerate(bits)
    )
    return BitstreamFloorplan(
        stages=tuple(stage.stage for stage in stages),
        status=status,
        proven_optimal=found.proven_optimal,
        placements=placements,
        regions=tuple(regions),
        boundaries=boundaries,
        crossing_bits=sum(bits),
        shortfalls=(),
    )


# Single changes that may make a stage fit: parameter, factor. Those of the parallelism cost speed.
_CHANGES: dict[Stage, tuple[tuple[str, float], ...]] = {
    "prefill": (
        ("ffn_weight_blocks", 2),
        ("ffn_weight_parallelism", 0.5),
        ("qkvo_weight_parallelism", 0.5),
        ("token_parallelism", 0.5),
    ),
    "decode": (
        ("engine_splits", 2),
        ("head_parallelism", 0.5),
        ("weight_parallelism", 0.5),
        ("block_parallelism", 0.5),
    ),
}


def _with_levers(
    bitstream: BitstreamFloorplan,
    design: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    max_kernels: int | None,
) -> BitstreamFloorplan:
    """A refused bitstream with the changes that do make it fit as the levers of its shortfalls."""
    if bitstream.status != "refused":
        return bitstream
    found = []
    for stage in bitstream.stages:
        for name, factor in _CHANGES[stage]:
            part = getattr(design, stage)
            before = getattr(part, name)
            after = int(before * factor)
            if after < 1 or (
                stage == "decode" and part.block_parallelism % max(part.engine_splits, after) and factor > 1
            ):
                continue
            changed = design.model_copy(update={stage: part.model_copy(update={name: after})})
            plan = plan_floorplan(changed, model, device, workload, stage=stage, max_kernels=max_kernels,
                                  optimise=False, levers=False)  # fmt: skip
            if plan.status != "refused":
                verb = "raise" if factor > 1 else "lower"
                found.append(f"{verb} {stage}.{name} from {before} to {after}")
    if not found:
        found = ["no single halving or division makes it fit: lower several of " + ", ".join(
            f"{stage}.{name}" for stage in bitstream.stages for name, factor in _CHANGES[stage] if factor < 1)]  # fmt: skip
    return bitstream.model_copy(
        update={
            "shortfalls": tuple(
                shortfall.model_copy(update={"levers": tuple(found)}) for shortfall in bitstream.shortfalls
            )
        }
    )


def _shortfalls(problem: PlacementProblem, stages: tuple[Stage, ...], device: Device) -> tuple[Violation, ...]:
    levers = tuple(dict.fromkeys(lever for stage in stages for lever in LEVERS[stage]))
    return tuple(_shortfall(excess, "+".join(stages), device, levers) for excess in least_excess(problem))


def _shortfall(excess: Excess, where: str, device: Device, levers: tuple[str, ...]) -> Violation:
    slrs = [slr.name for slr in device.slrs]
    if excess.boundary is not None:
        place = f"{slrs[excess.boundary]}-{slrs[excess.boundary + 1]}"
        kind, unit = "sll", "wires"
        levers = ("use fewer or narrower memory ports", *levers)
    else:
        place = slrs[excess.region or 0]
        kind, unit = excess.kind, "LUT sites of CLBs" if excess.kind == "clb" else excess.kind
    return Violation(
        constraint=f"floorplan_{kind}",
        where=f"{where} {place}",
        demand=excess.demand,
        bound=excess.bound,
        unit=unit,
        message=f"the best assignment of {where} still needs more {kind} of {place} than {device.name} has there, "
        "every estimate at the low end of its band",
        levers=levers,
    )
