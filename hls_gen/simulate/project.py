"""Timed simulation of a generated project: cycles of both kernels for its model, with stalls, deadlocks and FIFO depths."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hls_gen.manifest import changed_files, load_manifest
from hls_gen.plan import plan_project
from hls_gen.planning.hmt import HMT_STEPS, hmt_step_names
from hls_gen.planning.hmt import SCALARS as HMT_SCALARS
from hls_gen.planning.host import HostArgument
from hls_gen.planning.types import KernelPlan, ProjectPlan
from hls_gen.simulate.build import InstrumentedSources, compiler_version, derived_schedule, remaining_s
from hls_gen.simulate.harness import kernel_main, scalar_values
from hls_gen.simulate.ports import port_timing
from hls_gen.simulate.result import Sizes, deadlock_of, loops_of, modules_of, ports_of, steps_of, streams_of
from hls_gen.simulate.schedule import PortTiming, ScheduledLoop, independent_sites, schedule_text, scheduled_loops
from hls_gen.simulate.solve import ITERATION_CYCLES, REGION_CYCLES, Solution, smallest_depths, solve
from hls_gen.simulate.styles import flushing_sites
from hls_gen.simulate.trace import Trace
from hls_gen.simulate.unit import empty_stage, run_recorder, stopped
from hls_gen.toolchain.project_folder import disk_errors, one_at_a_time, write_text
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.simulation_report import (
    SimulatedStage,
    SimulationFailure,
    SimulationReport,
    SmallestDepth,
    SourcePlace,
)
from spec.strict import validate
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable
from spec.workload import STAGES, Stage

REPORT_PATH = Path("reports/simulate.json")
BUILD_FOLDER = Path("build/simulate")
DEFAULT_TIMEOUT_S = 1800.0

PipelineStyle = Literal["stp", "flp"]
OnLog = Callable[[str], None]

_DECODE_STEPS = ("qkv", "attend", "gate_up", "down")
_PREFILL_STEPS = ("kv", "main")


@dataclass(frozen=True, slots=True)
class _Kernel:
    """What a run of one kernel needs."""

    plan: KernelPlan
    arguments: tuple[HostArgument, ...]
    ports: Mapping[str, PortTiming]


def simulate_project(
    project_dir: Path,
    *,
    prompt_tokens: int | None = None,
    position: int | None = None,
    layers: int | None = None,
    stages: Sequence[Stage] = STAGES,
    unbounded: bool = False,
    minimize_depths: bool = False,
    depths: Mapping[str, int] | None = None,
    pipeline_style: PipelineStyle = "stp",
    with_values: bool = False,
    timing: TimingTable = DEFAULT_TIMING_TABLE,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    on_log: OnLog | None = None,
) -> SimulationReport:
    """Cycles of a generated project; the report also goes to `reports/simulate.json` in it.

    `prompt_tokens`: of prefill (all but the last), those of the project's workload if None. `position`: of the decoded
    token, which attends to position + 1 keys; the first after the prompt if None. `layers`: the model's if None.
    `depths`: other FIFO depths, by stream. `unbounded`: also the cycles with FIFOs without bounds. `minimize_depths`:
    also the least depths that lose none. `with_values`: streams and integers carry values, which takes far longer
    and must give the same cycles, as no value steers a module of the library.

    A deadlock and every other fault of the project is a result, with file and line.

    Raises:
        ProjectDamagedError: no project, or a file of it is missing.
        InputError: a number that the project was not built for.
        ToolNotFoundError: clang is missing.
        CompileError: clang refused the source.
        SimulationTimeoutError: `timeout_s` passed.
        SimulationError: the simulation crashed, or could not write into the project.
    """
    started = time.monotonic()
    deadline = started + timeout_s
    project = Path(project_dir).resolve()
    manifest = load_manifest(project)
    modified = changed_files(project, manifest)
    inputs = manifest.inputs
    design = validate(DesignPoint, inputs.design)
    device = validate(Device, inputs.device)
    plan = plan_project(
        design, validate(ModelConfig, inputs.model), device, inputs.workload, inputs.seed, timing=timing
    )
    prompt_tokens = inputs.workload.prompt_tokens if prompt_tokens is None else prompt_tokens
    hmt = design.hmt
    kept = prompt_tokens - 1 if hmt is None else hmt.kept_tokens(prompt_tokens - 1)
    position = kept if position is None else position
    _check(plan, prompt_tokens, position, layers)
    for name in depths or {}:
        if name.split(".")[0] not in stages:
            raise InputError(
                "a depth of no stream of what is simulated",
                field="depths",
                value=name,
                rule=f"the name of a stream, which begins with its stage: {' or '.join(stages)}",
                hint="simulate its stage too, or leave it out",
            )
    layers = plan.model.n_layers if layers is None else layers
    log = on_log or (lambda line: None)
    with disk_errors("the timed simulation", project, free_mb=50), one_at_a_time(project / BUILD_FOLDER):
        before = (project / REPORT_PATH).read_text() if (project / REPORT_PATH).is_file() else None
        (project / REPORT_PATH).unlink(missing_ok=True)  # an old result must not outlive a failed run
        folder = project / BUILD_FOLDER
        roots = [project / "src", project / "include"]
        sources = InstrumentedSources(roots, folder)
        run = _Run(project, folder, roots, sources, plan, pipeline_style, with_values, unbounded, depths, deadline, log)
        found: list[SimulatedStage] = []
        smallest: list[SmallestDepth] = []
        for (_, kernel, _, arguments), stage in zip(plan.host.stages, STAGES, strict=True):
            if stage not in stages:
                continue
            own = _Kernel(kernel, arguments, port_timing(kernel, design, device, timing))
            try:
                result, least = run.stage(stage, own, prompt_tokens, position, layers, minimize_depths)
            except InputError:  # nothing of the project failed: the old result is as good as it was
                if before is not None:
                    write_text(project / REPORT_PATH, before)
                raise
            found.append(result)
            smallest += least
        report = SimulationReport(
            flexdse_version=manifest.flexdse_version,
            model_version=manifest.model_version,
            timing_table_version=timing.version,
            compiler_version=compiler_version(),
            pipeline_style=pipeline_style,
            passed=all(stage.passed for stage in found),
            seconds=round(time.monotonic() - started, 3),
            modified_files=modified,
            other_depths=dict(depths or {}),
            stages=tuple(found),
            smallest_depths=tuple(smallest),
        )
        write_text(project / REPORT_PATH, report.model_dump_json(by_alias=True, indent=1) + "\n")
    log(report.summary_line())
    return report


def _check(plan: ProjectPlan, prompt_tokens: int, position: int, layers: int | None) -> None:
    hmt = None if plan.prefill.hmt is None else plan.prefill.hmt.plugin
    if hmt is not None:
        segments, longest = hmt.segments(prompt_tokens - 1), hmt.longest_window_tokens(prompt_tokens - 1)
        if prompt_tokens < 1 or segments > hmt.max_segments or longest > plan.max_tokens:
            raise InputError(
                "more tokens than the project holds",
                field="prompt_tokens",
                value=prompt_tokens,
                rule=f"at most {hmt.max_segments} segments of {hmt.segment_tokens} tokens, windows of {plan.max_tokens} rows",
                hint="generate the project for a longer prompt",
            )
    elif not 1 <= prompt_tokens <= plan.max_tokens:
        raise InputError(
            "more tokens than the project holds",
            field="prompt_tokens",
            value=prompt_tokens,
            rule=f"1 to {plan.max_tokens}, the cache of the project",
            hint="generate the project for a longer context",
        )
    if not 0 <= position < plan.max_tokens:
        raise InputError(
            "a position that the cache does not hold",
            field="position",
            value=position,
            rule=f"0 to {plan.max_tokens - 1}",
            hint="generate the project for a longer context",
        )
    if layers is not None and not 1 <= layers <= plan.model.n_layers:
        raise InputError(
            "layers that the model does not have",
            field="layers",
            value=layers,
            rule=f"1 to {plan.model.n_layers}",
            hint="leave it out: all layers of the model",
        )


def _check_depths(stage: Stage, depths: Mapping[str, int], trace: Trace) -> None:
    """Streams are named after their stage; a depth of one that is not there would change nothing."""
    names = {stream.name for stream in trace.streams}
    for name in depths:
        of_a_stage = name.split(".")[0] in STAGES
        if not of_a_stage or (name.startswith(f"{stage}.") and name not in names):
            raise InputError(
                "no such stream",
                field="depths",
                value=name,
                rule="the name of a stream of the project, as reports/simulate.json lists it",
                hint=f"for example {min(names, default='')}",
            )


@dataclass(frozen=True, slots=True)
class _Solved:
    trace: Trace
    loops: dict[int, ScheduledLoop]
    solution: Solution
    unbounded: int | None
    schedule: Path


@dataclass(frozen=True, slots=True)
class _Run:
    project: Path
    folder: Path
    roots: list[Path]
    sources: InstrumentedSources
    plan: ProjectPlan
    style: PipelineStyle
    with_values: bool
    unbounded: bool
    depths: Mapping[str, int] | None
    deadline: float
    log: OnLog

    def stage(
        self, stage: Stage, kernel: _Kernel, prompt_tokens: int, position: int, layers: int, minimize: bool
    ) -> tuple[SimulatedStage, list[SmallestDepth]]:
        """One kernel, from its source to its cycles."""
        tokens = prompt_tokens - 1 if stage == "prefill" else 1
        clock = kernel.plan.clock_mhz
        numbers: dict[str, object] = {
            "stage": stage,
            "tokens": tokens,
            "position": position if stage == "decode" else None,
            "layers": layers,
            "clock_mhz": clock,
        }
        endless = self.sources.instrumentation.endless_loops()
        if endless:
            place = SourcePlace(file=endless[0].file, line=endless[0].line)
            failure = SimulationFailure(verdict="unbounded", message="a loop without a bound", place=place)
            return empty_stage(kernel.plan.function, failure, **numbers), []
        unit = f"{stage}.cpp"
        self.log(f"compiling {stage}")
        main = kernel_main(unit, kernel.plan.function, kernel.arguments)
        program = self.sources.program(f"src/{unit}", main, (), self.with_values, self.deadline, stage)
        self.log(f"deriving the intervals of {stage}")
        derived = derived_schedule(
            self.project / "src" / unit, self.roots, (), False, self.folder, remaining_s(self.deadline)
        )

        def scalars(run_tokens: int, run_layers: int) -> list[str]:
            values = {
                "tokens": run_tokens,
                "layers": run_layers,
                "first_token": 1,
                "first_position": position,
                "max_tokens": 1,
                "vocab": self.plan.model.vocab_size,
                "stop_token": -1,
                "top_k": 1,
                "inverse_temperature": 1,
                "seed": 1,
            }
            if self.plan.prefill.hmt is not None:
                sizes = self.plan.prefill.hmt.plugin
                values |= {name: getattr(sizes, name) for name in HMT_SCALARS}
            return scalar_values(kernel.arguments, values)

        def solved(name: str, run_tokens: int, run_layers: int) -> _Solved | SimulationFailure:
            output = self.folder / f"{name}.trace"
            trace = run_recorder(program, output, self.folder, scalars(run_tokens, run_layers), self.deadline)
            failure = stopped(trace, self.with_values)
            if failure is not None:
                return failure
            _check_depths(stage, self.depths or {}, trace)
            loops = scheduled_loops(trace, derived.loops)
            schedule = self.folder / f"{name}.schedule"
            independent = independent_sites(trace, derived)
            flushing = flushing_sites(trace, self.sources.sources, self.style)
            schedule.write_text(schedule_text(trace, loops, kernel.ports, flushing, self.depths, independent))
            solution, more = solve(output, schedule, self.deadline, unbounded=self.unbounded)
            return _Solved(trace, loops, solution, more, schedule)

        simulated = layers
        if stage == "prefill" and layers > 1 and tokens > 0:
            # Layers take turns through the same regions: where two layers were recorded alike, so are all.
            self.log("comparing two layers of prefill")
            few = min(tokens, 2 * self.plan.prefill.token_parallelism)
            pair = solved("prefill-layers", few, 2)
            if isinstance(pair, SimulationFailure):
                return empty_stage(kernel.plan.function, pair, layers_simulated=2, **numbers), []
            # Those of the layers: the steps of an HMT plug-in run once a window.
            names = _step_names(stage, len(pair.solution.order), self.plan, few, 2)
            order = [node for name, node in zip(names, pair.solution.order, strict=True) if name in _PREFILL_STEPS]
            step = len(_PREFILL_STEPS)
            alike = all(order[i : i + step] == order[i + step : i + 2 * step] for i in range(0, len(order), 2 * step))
            if pair.solution.cycles is not None and alike:
                simulated = 1
        self.log(f"simulating {stage}")
        result = solved(stage, tokens, simulated)
        numbers["layers_simulated"] = simulated
        if isinstance(result, SimulationFailure):
            return empty_stage(kernel.plan.function, result, **numbers), []
        missed, unknown = loops_of(result.loops, derived.loops)
        numbers |= {"loops_missed": missed, "loops_unknown": unknown}
        solution, trace = result.solution, result.trace
        if solution.cycles is None:
            failure = deadlock_of(solution.blocked, trace, self.depths)
            return empty_stage(kernel.plan.function, failure, **numbers), []
        repeated = layers - simulated
        names = _step_names(stage, len(solution.order), self.plan, tokens, simulated)
        per_layer = sum(
            solution.regions[node].cycles + REGION_CYCLES + ITERATION_CYCLES
            for name, node in zip(names, solution.order, strict=True)
            if name not in HMT_STEPS
        )
        cycles = solution.cycles + repeated * per_layer
        beyond = None
        if result.unbounded is not None:
            beyond = result.unbounded + round(repeated * per_layer * result.unbounded / max(1, solution.cycles))
        sizes = _sizes(names, solution, 1 + repeated)
        least = _least_depths(stage, result, self.deadline) if minimize else []
        return (
            empty_stage(
                kernel.plan.function,
                None,
                cycles=cycles,
                latency_s=cycles / (clock * 1e6),
                cycles_with_unbounded_fifos=beyond,
                steps=steps_of(sizes, solution, trace),
                modules=modules_of(sizes, solution, trace),
                streams=streams_of(sizes, solution, trace, self.depths),
                ports=ports_of(sizes, solution, trace, kernel.ports),
                **numbers,
            ),
            least,
        )


def _step_names(stage: Stage, regions: int, plan: ProjectPlan, tokens: int, layers: int) -> list[str]:
    """What the regions of a kernel are called: a region a step, or one for a whole token."""
    if stage == "prefill" and plan.prefill.hmt is not None:
        named = hmt_step_names(plan.prefill.hmt.plugin.segments(tokens), list(_PREFILL_STEPS) * layers)
        return named if len(named) == regions else [f"region {i}" for i in range(regions)]
    if stage == "prefill" and regions % len(_PREFILL_STEPS) == 0:
        return list(_PREFILL_STEPS) * (regions // len(_PREFILL_STEPS))
    inner, rest = divmod(regions - 2, len(_DECODE_STEPS))
    if stage == "decode" and regions > 2 and rest == 0:
        return ["embed", *(list(_DECODE_STEPS) * inner), "head"]
    return ["token"] if regions == 1 else [f"region {i}" for i in range(regions)]


def _sizes(names: list[str], solution: Solution, times: int) -> Sizes:
    counted: dict[tuple[str, int], int] = defaultdict(int)
    for name, node in zip(names, solution.order, strict=True):
        counted[name, node] += 1 if name in HMT_STEPS else times
    return Sizes(tuple((name, node, count) for (name, node), count in counted.items()))


def _least_depths(stage: Stage, solved: _Solved, deadline: float) -> list[SmallestDepth]:
    """An array of FIFOs has one declaration, so one depth."""
    groups: dict[str, list[int]] = defaultdict(list)
    depth: dict[str, int] = {}
    used = {s.number for region in solved.solution.regions.values() for s in region.streams if s.words}
    for stream in solved.trace.streams:
        if stream.number in used:
            name = re.sub(r"\[\d+\]", "", stream.name)
            groups[name].append(stream.number)
            depth[name] = stream.depth
    _, least = smallest_depths(solved.trace.path, solved.schedule, list(groups.values()), deadline)
    return [
        SmallestDepth(stage=stage, stream=name, depth=depth[name], smallest_depth=smallest)
        for name, smallest in zip(groups, least, strict=True)
    ]
