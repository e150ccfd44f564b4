"""What was measured of a project: reports that were attached to it, its timed simulations and syntheses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from api.projects import service
from api.projects.schemas import ProjectMeasurements
from db.artifacts import ArtifactStore
from db.models import Project, Report
from db.session import Database
from spec.attached_report import AttachedReport, Lineage
from spec.calibration import Measurement
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.report_match import matched_report
from spec.simulation_report import SimulationReport
from spec.synthesis_report import SynthesisReport, SynthesisStepReport
from spec.workload import Stage, Workload

MANIFEST = "manifest.json"
ATTACHED = "imported"  # the step of reports that users bring
SIMULATED = "simulate"
SYNTHESIZED = ("open_synthesis", "csynth", "impl")


def project_sha256(database: Database, store: ArtifactStore, owner: str, project_id: str) -> str:
    """Hash of a project: of its manifest, which holds that of each file.

    Raises:
        NotFoundError: no such project.
        ConflictError: it is not generated.
        ArtifactMissing: its files are gone, and were made by a version that kept no hash.
    """
    with database.read() as work:
        found = work.projects.get_with_job(project_id, owner)
    if found is not None and found[0].manifest_sha256 is not None:
        return found[0].manifest_sha256
    artifact, _ = service.zip_artifact(database, owner, project_id)
    return hashlib.sha256(service.file(store, artifact, MANIFEST)).hexdigest()


def document_sha256(document: Any) -> str:
    """Hash of a JSON document, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def attached(
    row: Project, report: SynthesisReport, *, stage: Stage | None, file_name: str | None, project: str
) -> AttachedReport:
    """`report` with the lineage of the project of that hash, as `flexdse report import` writes it.

    Raises:
        InputError: it is of another part, clock or kernel, or names none.
    """
    design, device = DesignPoint.model_validate(row.design), Device.model_validate(row.device)
    clocks: dict[Stage, float] = {
        "prefill": design.clock_target_mhz.prefill,
        "decode": design.clock_target_mhz.decode,
    }
    where, checked = matched_report(report, part_number=device.part_number, clock_target_mhz=clocks, stage=stage)
    manifest = row.manifest or {}
    return AttachedReport(
        stage=where,
        file_name=file_name or f"{report.kind} report",
        lineage=Lineage(
            model_version=manifest["model_version"],
            timing_table_version=manifest["timing_table_version"],
            design_key=row.design_key,
            project_sha256=project,
            run=f"{report.tool} {report.tool_version or '(version not said)'}",
            report_sha256=document_sha256(report.model_dump(mode="json", by_alias=True)),
        ),
        checked=checked,
        report=report,
    )


def measurements(database: Database, store: ArtifactStore, owner: str, project_id: str) -> ProjectMeasurements:
    """Every measurement of a project, of the oldest report first; none where nothing was measured.

    Raises:
        NotFoundError: no such project.
        ConflictError: it is not generated, or its files are gone.
    """
    sha256 = project_sha256(database, store, owner, project_id)
    with database.read() as work:
        row = work.projects.get(project_id)
        reports = work.reports.of_project(project_id, owner, (ATTACHED, SIMULATED, *SYNTHESIZED))
    assert row is not None  # it was there a moment ago, by the same owner
    return ProjectMeasurements(items=tuple(_measured(row, reports, sha256)))


def _measured(row: Project, reports: Sequence[Report], sha256: str) -> list[Measurement]:
    from cost_models.measured import MeasuredProject  # loads NumPy

    project = MeasuredProject(
        DesignPoint.model_validate(row.design),
        ModelConfig.model_validate(row.model),
        Device.model_validate(row.device),
        Workload.model_validate(row.workload),
        sha256,
    )
    found: list[Measurement] = []
    for report in reports:
        schema, sha256 = report.document.get("schema"), document_sha256(report.document)
        if report.step == SIMULATED:
            found += project.simulated(SimulationReport.model_validate(report.document), sha256)
        elif schema == _schema_of(AttachedReport):
            found += project.attached(AttachedReport.model_validate(report.document))
        elif schema == _schema_of(SynthesisStepReport):
            found += project.step(SynthesisStepReport.model_validate(report.document), sha256)
    return found


def _schema_of(kind: type[AttachedReport] | type[SynthesisStepReport]) -> str:
    return str(kind.model_fields["schema_name"].default)


def measurements_of_all(
    database: Database, store: ArtifactStore | None, owner: str, project_ids: Sequence[str]
) -> list[Measurement]:
    """Those of several projects.

    Raises:
        NotFoundError: one is not there.
        ConflictError: one is not generated, or its files are gone.
        InputError: nothing was measured of one.
    """
    found: list[Measurement] = []
    for place, project_id in enumerate(project_ids):
        of_one = measurements(database, store, owner, project_id).items if store is not None else ()
        if not of_one:
            raise InputError(
                "nothing was measured of this project",
                field=f"projects[{place}]",
                value=project_id,
                rule="a timed simulation that passed, or an attached report of csynth or implementation",
                hint=f"POST /api/v1/projects/{project_id}:simulate, or POST /api/v1/reports with its project_id",
            )
        found += of_one
    return found
