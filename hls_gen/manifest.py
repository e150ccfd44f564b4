"""manifest.json of a project: its inputs, versions, what C simulation must compare, and the hash of each file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from hls_gen.errors import ProjectDamagedError
from hls_gen.planning.types import ProjectPlan
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError, echo
from spec.model_config import ModelConfig
from spec.strict import StrictModel, load_document, validate
from spec.versions import FLEXDSE_VERSION, MODEL_VERSION
from spec.workload import Stage, Workload

MANIFEST_NAME = "manifest.json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# Relative, below the project, without `..`: a manifest from elsewhere must not point out of its folder.
FilePath = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$", max_length=400)
]


class ManifestFile(StrictModel):
    """One file as it was generated."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class ManifestCase(StrictModel):
    """A comparison that C simulation has to make."""

    stage: Stage
    module: str
    linear: Annotated[str, Field(description="name of the values in the reference's trace")]
    values: Annotated[int, Field(ge=1)]


class ManifestCycles(StrictModel):
    """Expected cycles of a module for a linear layer: per token block in prefill, per token in decode;
    of the HMT plug-in per step.
    """

    stage: Stage
    module: str
    linear: str
    cycles: Annotated[int, Field(ge=1)]
    law: str


class ManifestInputs(StrictModel):
    """What the project was generated from; the documents as they were given."""

    design_key: str
    design: dict[str, Any]
    model: dict[str, Any]
    device: dict[str, Any]
    workload: Workload
    seed: Annotated[int, Field(ge=0)]


class ProjectManifest(StrictModel):
    """The whole document."""

    schema_name: Annotated[Literal["flexdse/project/v1"], Field(alias="schema")] = "flexdse/project/v1"
    flexdse_version: str
    model_version: str
    timing_table_version: str
    inputs: ManifestInputs
    csim: tuple[ManifestCase, ...]
    expected_cycles: tuple[ManifestCycles, ...]
    files: dict[FilePath, ManifestFile]

    def to_text(self) -> str:
        """JSON, the same bytes for the same project."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"


def _planned(plan: ProjectPlan) -> list[ManifestCase]:
    """The comparisons by stage, module and name; the values of several tokens or blocks together."""
    values: dict[tuple[Stage, str, str], int] = {}
    for case in plan.csim.cases:
        key = (case.stage, case.module, case.linear)
        values[key] = values.get(key, 0) + case.compared
    return [ManifestCase(stage=s, module=m, linear=name, values=count) for (s, m, name), count in values.items()]


def make_manifest(
    plan: ProjectPlan,
    design: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    written: dict[str, ManifestFile],
) -> ProjectManifest:
    """The manifest of a project whose files are `written`."""
    return ProjectManifest(
        flexdse_version=FLEXDSE_VERSION,
        model_version=MODEL_VERSION,
        timing_table_version=plan.timing_table_version,
        inputs=ManifestInputs(
            design_key=plan.design_key,
            design=design.model_dump(mode="json", by_alias=True),
            model=model.model_dump(mode="json", by_alias=True),
            device=device.model_dump(mode="json", by_alias=True),
            workload=workload,
            seed=plan.seed,
        ),
        csim=tuple(_planned(plan)),
        expected_cycles=tuple(
            ManifestCycles(stage=row.stage, module=row.module, linear=row.linear, cycles=row.cycles, law=row.law)
            for row in plan.cycles
        ),
        files=dict(sorted(written.items())),
    )


def describe(content: bytes) -> ManifestFile:
    """Hash and size of a file's content."""
    return ManifestFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def load_manifest(project_dir: Path) -> ProjectManifest:
    """The manifest of a project.

    Raises:
        ProjectDamagedError: the folder holds no manifest of ours.
    """
    path = project_dir / MANIFEST_NAME
    if not path.is_file():
        raise ProjectDamagedError(
            f"{echo(str(project_dir))} is no generated project",
            field="project",
            value=str(project_dir),
            rule=f"a project folder holds {MANIFEST_NAME}",
            hint="generate it anew",
        )
    try:
        return validate(ProjectManifest, load_document(path, "manifest"))
    except InputError as error:
        raise ProjectDamagedError(
            f"the manifest of {echo(str(project_dir))} is damaged: {error.message}",
            field=error.field,
            rule="as generated",
            hint="generate the project anew",
            source=error.source,
            line=error.line,
        ) from error


def changed_files(project_dir: Path, manifest: ProjectManifest) -> tuple[str, ...]:
    """Files whose content is not that of the manifest.

    Raises:
        ProjectDamagedError: a file is missing or unreadable.
    """
    changed = []
    for name, recorded in manifest.files.items():
        try:
            content = (project_dir / name).read_bytes()
        except OSError as error:
            raise ProjectDamagedError(
                f"{name} of the project can not be read: {error.strerror}",
                field="project",
                value=str(project_dir),
                rule=f"all {len(manifest.files)} files of {MANIFEST_NAME} are there",
                hint="generate the project anew",
            ) from error
        if describe(content) != recorded:
            changed.append(name)
    return tuple(changed)
