"""Open synthesis of a generated project: structure, leaves, totals, report."""

from __future__ import annotations

import errno
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from hls_gen.errors import OpenSynthesisError, ProjectDamagedError
from hls_gen.manifest import changed_files, load_manifest
from hls_gen.toolchain.open.cache import ResultCache
from hls_gen.toolchain.open.cxx_values import NotUnderstoodError
from hls_gen.toolchain.open.mapping import map_leaves, mapping_key, yosys_version
from hls_gen.toolchain.open.report import kernel_report
from hls_gen.toolchain.open.structure import ProjectSources
from hls_gen.toolchain.open.totals import KernelParts, kernel_amounts, parts_of
from hls_gen.toolchain.open.units import LAWS, UnknownUnitError
from hls_gen.toolchain.processes import OnLog
from hls_gen.toolchain.project_folder import write_text
from spec.design_point import DesignPoint
from spec.device import Device
from spec.strict import validate
from spec.synthesis_report import KernelStep, SynthesisStepReport
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable
from spec.workload import Stage

REPORT = Path("reports/open_synthesis.json")
_LOG = Path("build/open/open_synthesis.log")


@dataclass(frozen=True, slots=True)
class OpenSynthesisOptions:
    """`cache_dir`: mapped leaves, shared by all projects and runs on this machine.

    `region_shares`: of each kernel's resources, in which region: stage -> region -> resource -> share, 1 in all.
    """

    cache_dir: Path
    timeout_s: float = 3600.0
    region_shares: Mapping[Stage, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)


def project_parts(project_dir: Path) -> dict[Stage, KernelParts]:
    """The parts of both kernels, from the project's sources.

    Raises:
        OpenSynthesisError: the sources have a form, or call a function, that is not known here.
    """
    sources = ProjectSources(project_dir, frozenset(LAWS))
    try:
        return {stage: parts_of(sources.kernel(stage)) for stage in get_args(Stage)}
    except (NotUnderstoodError, UnknownUnitError, KeyError, ValueError) as error:
        raise OpenSynthesisError(
            f"the project has something that open synthesis does not know: {error}",
            field="project",
            value=str(project_dir),
            rule="kernels of our C++ library, as generated",
            hint="generate the project anew with this version; --backend vitis takes any source",
        ) from error


def synthesize_open(
    project_dir: Path,
    options: OpenSynthesisOptions,
    *,
    timing: TimingTable = DEFAULT_TIMING_TABLE,
    on_log: OnLog | None = None,
) -> SynthesisStepReport:
    """Count what a project takes; also leaves `reports/open_synthesis.json` in it.

    Raises:
        ProjectDamagedError: no project, a file of it is missing, or its kernels were edited.
        ToolNotFoundError: pyosys is missing.
        OpenSynthesisError: Yosys failed, the sources are not understood, or project or cache can not be written.
    """
    project = Path(project_dir).resolve()
    try:
        return _synthesized(project, options, timing, on_log)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise OpenSynthesisError(
            f"{error.filename or project} can not be written: {error.strerror or error}",
            field="--cache" if str(error.filename or "").startswith(str(options.cache_dir)) else "project",
            value=str(error.filename or project),
            rule="project and cache are writable folders with some MB free",
            hint="make room, and run it again: what was mapped is kept" if full else "name another folder with --cache",
        ) from error


def _synthesized(
    project: Path, options: OpenSynthesisOptions, timing: TimingTable, on_log: OnLog | None
) -> SynthesisStepReport:
    started = time.monotonic()
    manifest = load_manifest(project)
    edited = [name for name in changed_files(project, manifest) if name.startswith(("src/", "include/"))]
    if edited:
        raise ProjectDamagedError(
            f"{edited[0]} was edited after generation",
            field="project",
            value=str(project),
            rule="leaf RTL of ours stands for the C++ of the library only as long as that is as generated",
            hint="generate the project anew; --backend vitis takes edited sources",
        )
    (project / REPORT).unlink(missing_ok=True)  # an old result must not outlive a failure
    lines: list[str] = []

    def log(line: str) -> None:
        lines.append(line)
        if on_log is not None:
            on_log(line)

    design, device = validate(DesignPoint, manifest.inputs.design), validate(Device, manifest.inputs.device)
    parts = project_parts(project)
    version = yosys_version()
    leaves = {one for kernel in parts.values() for one in kernel.leaves()}
    mapping = map_leaves(leaves, ResultCache(options.cache_dir), timeout_s=options.timeout_s, on_log=log)
    log(f"{len(leaves)} leaf units, {mapping.fresh} of them mapped now, yosys {version}")
    kernels = []
    for stage, kernel in parts.items():
        keys = sorted(mapping_key(one, version) for one in kernel.leaves())
        sources = {name: file.sha256 for name, file in manifest.files.items() if name.startswith(("src/", "include/"))}
        key = hashlib.sha256(json.dumps([keys, sources, timing.version], sort_keys=True).encode()).hexdigest()
        rows = kernel_amounts(kernel, mapping.counts, timing, device.dsp_kind)
        clock = getattr(design.clock_target_mhz, stage)
        kernels.append(
            KernelStep(
                stage=stage,
                kernel=stage,
                step="open_synthesis",
                key=key,
                status="succeeded",
                attempt=1,
                reused=mapping.fresh == 0,
                clock_mhz=clock,
                seconds=round(time.monotonic() - started, 3),
                log=_LOG.as_posix(),
                reports=(
                    kernel_report(
                        stage, rows, design, device, version, timing.version, options.region_shares.get(stage, {})
                    ),
                ),
            )
        )
    report = SynthesisStepReport(
        flexdse_version=manifest.flexdse_version,
        model_version=manifest.model_version,
        timing_table_version=manifest.timing_table_version,
        backend="open",
        step="open_synthesis",
        passed=True,
        tool="yosys",
        tool_version=version,
        vivado_version=None,
        part=device.part_number,
        kernels=tuple(kernels),
    )
    write_text(project / _LOG, "".join(f"{line}\n" for line in lines))
    write_text(project / REPORT, report.model_dump_json(by_alias=True, indent=1) + "\n")
    return report
