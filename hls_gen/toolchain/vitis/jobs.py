"""What is to be done: the steps and their order, and for each kernel its part, clock, flow and folders."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from hls_gen.manifest import ProjectManifest
from spec.errors import InputError, UnknownNameError, echo
from spec.synthesis_report import SynthesisStep
from spec.workload import STAGES, Stage

STEPS: tuple[SynthesisStep, ...] = (
    "csim",
    "csynth",
    "cosim",
    "export",
    "impl",
    "link",
)  # in the order in which they run
DEFAULT_STEPS: tuple[SynthesisStep, ...] = ("csim", "csynth", "cosim", "export")
NEEDS: dict[SynthesisStep, SynthesisStep] = {"cosim": "csynth", "export": "csynth", "impl": "csynth", "link": "export"}

# A kernel of ours takes minutes to hours; a step that takes longer than this hangs.
DEFAULT_TIMEOUT_S: dict[SynthesisStep, float] = {
    "csim": 3600.0,
    "csynth": 6 * 3600.0,
    "cosim": 48 * 3600.0,
    "export": 3 * 3600.0,
    "impl": 24 * 3600.0,
    "link": 48 * 3600.0,
}

WORK_FOLDER = Path("build/vitis")

_MAX_MHZ = 2000.0
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{3,60}")
_PATH = re.compile(r"[A-Za-z0-9_./+@%,=:-]+")


@dataclass(frozen=True, slots=True)
class SynthesisOptions:
    """What the user may choose. None: as the project says, or the default of the step.

    `shared`: folder of results that other projects of this machine may use and have made; None: none.
    """

    steps: tuple[str, ...] = DEFAULT_STEPS
    part: str | None = None
    clock_mhz: float | None = None
    timeout_s: float | None = None
    memory_limit_bytes: int | None = None
    restart: bool = False
    shared: Path | None = None


@dataclass(frozen=True, slots=True)
class KernelJob:
    """One kernel of a project. `folder` holds everything that the tools write for it."""

    project: Path
    stage: Stage
    kernel: str
    part: str
    clock_mhz: float
    platform: str | None

    @property
    def folder(self) -> Path:
        """Where the tools work."""
        return self.project / WORK_FOLDER / self.kernel

    @property
    def tool_lock(self) -> Path:
        """Held by the guard until nothing of a tool is left."""
        return self.folder / ".tool.lock"

    @property
    def period_ns(self) -> str:
        """As the tools want it: rounded down, never slower than asked for."""
        return f"{math.floor(1e6 / self.clock_mhz) / 1e3:.3f}"

    @property
    def is_versal(self) -> bool:
        """Versal cards such as the V80 have no xclbin: their kernels are IP blocks of the Vivado flow."""
        return self.part.lower().startswith("xcv80")

    @property
    def flow(self) -> str:
        """Flow target of the HLS tool."""
        return "vivado" if self.is_versal else "vitis"

    @property
    def export_format(self) -> str:
        """What the linker of the card takes."""
        return "ip_catalog" if self.is_versal else "xo"

    @property
    def kernel_object(self) -> Path:
        """The exported kernel."""
        return self.folder / f"{self.kernel}{'.zip' if self.is_versal else '.xo'}"


def ordered_steps(names: tuple[str, ...]) -> tuple[SynthesisStep, ...]:
    """The steps in the order in which they run.

    Raises:
        InputError: an unknown step, or none.
    """
    for name in names:
        if name not in STEPS:
            raise UnknownNameError("step", name, STEPS, field="steps")
    if not names:
        raise InputError("no step", field="steps", value="", rule=f"some of {', '.join(STEPS)}", hint="name a step")
    return tuple(step for step in STEPS if step in names)


def kernel_jobs(project: Path, manifest: ProjectManifest, options: SynthesisOptions) -> tuple[KernelJob, ...]:
    """Both kernels of a project.

    Raises:
        InputError: a part, clock or path that the tools can not take.
    """
    device = manifest.inputs.device
    part = options.part or str(device.get("part_number") or "")
    if not _PART.fullmatch(part):
        raise InputError(
            f"{echo(part)} is no part", field="part", value=part, rule="a part number as Vivado names it",
            hint="give one such as xcu280-fsvh2892-2L-e",
        )  # fmt: skip
    if not _PATH.fullmatch(str(project)):
        raise InputError(
            "Vitis HLS can not work in this folder",
            field="project",
            value=str(project),
            rule="a path of plain letters and digits: the tools refuse spaces and break on other characters",
            hint="copy the project to a plain path",
        )
    clocks = manifest.inputs.design.get("clock_target_mhz")
    platform = device.get("platform")
    return tuple(
        KernelJob(
            project=project,
            stage=stage,
            kernel=stage,
            part=part,
            clock_mhz=_clock(options.clock_mhz if options.clock_mhz is not None else (clocks or {}).get(stage)),
            platform=str(platform) if platform else None,
        )
        for stage in STAGES
    )


def _clock(mhz: object) -> float:
    if not isinstance(mhz, int | float) or not 0 < mhz <= _MAX_MHZ:
        raise InputError(
            f"{echo(mhz)} is no clock", field="clock_mhz", value=mhz, rule=f"above 0, at most {_MAX_MHZ:g} MHz",
            hint="give the kernel clock in MHz, such as 300",
        )  # fmt: skip
    return float(mhz)


def refuse_foreign_link(
    steps: tuple[SynthesisStep, ...], options: SynthesisOptions, jobs: tuple[KernelJob, ...]
) -> None:
    """The connectivity of the project is written for its own card and clock: only these can be linked.

    Raises:
        InputError: another part or clock, or a card without a platform.
    """
    if "link" not in steps:
        return
    if options.part is not None or options.clock_mhz is not None:
        raise InputError(
            "link takes part and clock from the project",
            field="part" if options.part is not None else "clock_mhz",
            value=options.part if options.part is not None else options.clock_mhz,
            rule="no other part or clock with the step link: the connectivity is generated for the project's",
            hint="generate the project for that card or clock, or leave out link",
        )
    for job in jobs:
        if not job.is_versal and job.platform is None:
            raise InputError(
                f"no platform is known for {job.part}",
                field="platform",
                value=None,
                rule="a device with a Vitis platform, or a V80",
                hint="name the platform in the device file and generate the project anew, or leave out link",
            )
