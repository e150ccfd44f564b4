"""Projects and runs as the outside sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.catalog_names import DesignField, DeviceField, ModelField
from api.described import Labels, Name, Note
from api.job_limits import NO_LIMITS, LimitsField
from api.problems import Problem
from db.job_state import JobState
from spec.calibration import Measurement
from spec.csim_report import CsimMode
from spec.design_point import DesignPoint
from spec.strict import StrictModel
from spec.workload import Stage, Workload


class ProjectInput(StrictModel):
    """A project to generate. Design, model and device are names of the catalog (or of uploads) or whole documents."""

    design: DesignField
    model: ModelField
    device: DeviceField
    workload: Workload
    name: Name = ""
    labels: Labels = ()
    note: Note = ""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="of the golden vectors")] = 0
    limits: LimitsField = NO_LIMITS


class ProjectSummary(StrictModel):
    """One line of the list of projects."""

    id: str
    job_id: str
    name: str
    state: JobState
    model: str
    device: str
    workload: Workload
    design_key: str
    labels: Labels
    created_at: datetime
    finished_at: datetime | None


class Project(ProjectSummary):
    """One project. `manifest` and `download` are null until its job succeeded."""

    note: Note
    seed: int
    design: DesignPoint
    manifest: Annotated[dict[str, Any] | None, Field(description="manifest.json of the project")]
    download: Annotated[str | None, Field(description="path of the zip")]
    download_bytes: int | None
    cause: str | None
    error: Problem | None


class ProjectPage(StrictModel):
    """Projects, newest first."""

    items: tuple[ProjectSummary, ...]
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next page; null on the last")]


Step = Literal["csim", "simulate", "synthesize"]


class RunOptions(StrictModel):
    """How to run a tool. There is no path and no command here: the worker knows its tools."""

    priority: Annotated[int, Field(ge=-10, le=10, description="higher goes first")] = 0
    limits: LimitsField = NO_LIMITS


class CsimOptions(RunOptions):
    """How to simulate in C."""

    mode: Annotated[CsimMode, Field(description="strict: ap_int of exact widths; fast: native integers")] = "fast"


class GenerateOptions(RunOptions):
    """How to make the files again: nothing but how the job is treated."""


class SimulateOptions(RunOptions):
    """How to simulate with time. What is null is as the project says."""

    prompt_tokens: Annotated[int | None, Field(ge=1, le=2**31, description="of the prefill run")] = None
    position: Annotated[int | None, Field(ge=0, le=2**31, description="context of the decode step")] = None
    layers: Annotated[int | None, Field(ge=1, le=10_000)] = None
    stages: Annotated[tuple[Stage, ...] | None, Field(min_length=1, max_length=2)] = None
    unbounded: Annotated[bool, Field(description="also the cycles with FIFOs without bounds")] = False
    minimize_depths: Annotated[bool, Field(description="also the least FIFO depths that lose no cycle")] = False
    depths: Annotated[
        dict[str, Annotated[int, Field(ge=1, le=2**20)]] | None,
        Field(max_length=1000, description="other FIFO depths, by stream"),
    ] = None
    pipeline_style: Annotated[
        Literal["stp", "flp"], Field(description="stp: pipelines stall as a whole; flp: they flush")
    ] = "stp"
    with_values: Annotated[bool, Field(description="compute with values too: slow, for a check")] = False
    timeout_s: Annotated[float | None, Field(ge=1, le=604_800)] = None


class SynthesizeOptions(RunOptions):
    """How to synthesize. What is null is as the worker has it."""

    backend: Literal["auto", "vitis", "open"] = "auto"
    steps: Annotated[
        tuple[Literal["csim", "csynth", "cosim", "export", "impl", "link"], ...] | None,
        Field(min_length=1, max_length=6, description="of the vendor's tools"),
    ] = None
    part: Annotated[
        str | None, Field(pattern=r"^[A-Za-z0-9-]{1,64}$", description="another part than the project's")
    ] = None
    clock_mhz: Annotated[float | None, Field(gt=0, le=1500, description="another clock, for both kernels")] = None
    timeout_s: Annotated[float | None, Field(ge=1, le=604_800, description="time limit of each step")] = None


class Run(StrictModel):
    """One run of a tool on a project. `passed` is null until it ended with a report."""

    id: str
    job_id: str
    project_id: str
    step: Step
    state: JobState
    passed: bool | None
    options: dict[str, Any]
    artifact_id: Annotated[str | None, Field(description="log and reports as a zip, see /artifacts")]
    cause: str | None
    error: Problem | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RunPage(StrictModel):
    """Runs, newest first."""

    items: tuple[Run, ...]
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next page; null on the last")]


class ProjectMeasurements(StrictModel):
    """What tools measured of a project, each beside what the models of now predict, as POST /calibrations takes it."""

    items: tuple[Measurement, ...]


class ProjectFile(StrictModel):
    """A file of a project."""

    path: str
    size_bytes: int


class ProjectFiles(StrictModel):
    """The files of a project, by path."""

    items: tuple[ProjectFile, ...]
