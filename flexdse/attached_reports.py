"""Reports made elsewhere, attached to the project that they are of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from flexdse.measured_project import project_of, project_sha256
from hls_gen.manifest import load_manifest
from spec.attached_report import AttachedReport, Lineage
from spec.errors import FlexDSEError, InputError, echo
from spec.report_match import matched_report
from spec.strict import load_document, validate
from spec.workload import STAGES, Stage

FOLDER = "reports/attached"


def attach_report(file: Path, project: Path, stage: Stage | None = None) -> tuple[AttachedReport, Path]:
    """Parse `file`, hold it against the project and write it into `reports/attached`; (what was written, where).

    Raises:
        InputError: no report, or one of another part, clock or kernel, or of none that it names.
        ProjectDamagedError: not a project.
    """
    from hls_gen.reports import parse_report

    manifest = load_manifest(project)
    report = parse_report(file)
    where, checked = matched_report(
        report,
        part_number=str(manifest.inputs.device["part_number"]),
        clock_target_mhz={name: float(manifest.inputs.design["clock_target_mhz"][name]) for name in STAGES},
        stage=stage,
        source=str(file),
    )
    content = file.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    attached = AttachedReport(
        stage=where,
        file_name=file.name[:300],
        lineage=Lineage(
            model_version=manifest.model_version,
            timing_table_version=manifest.timing_table_version,
            design_key=manifest.inputs.design_key,
            project_sha256=project_sha256(project),
            run=f"{report.tool} {report.tool_version or '(version not said)'}",
            report_sha256=sha256,
        ),
        checked=checked,
        report=report,
    )
    project_of(project).attached(attached)  # refuses what cannot be this kernel
    target = project / FOLDER / f"{where}-{report.kind}-{sha256[:12]}.json"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_suffix(".part")
        scratch.write_text(
            json.dumps(attached.model_dump(mode="json", by_alias=True), indent=2) + "\n", encoding="utf-8"
        )
        scratch.replace(target)
    except OSError as error:
        raise FlexDSEError(
            f"cannot write {echo(str(target))}: {error.strerror or error}",
            field="--project",
            value=str(project),
            rule="the project's folder must be writable, and the disk have room",
            hint="free space or change the rights of the folder",
        ) from error
    return attached, target


def attached_reports(project: Path) -> list[AttachedReport]:
    """The reports attached to a project that are still of it, in the order of their names.

    Raises:
        InputError: one that is damaged, or that was attached to another state of the project.
    """
    found, now = [], project_sha256(project)
    for path in sorted((project / FOLDER).glob("*.json")):
        one = validate(AttachedReport, load_document(path, "attached report"))
        if one.lineage.project_sha256 != now:
            raise InputError(
                f"{path.name} was attached to another state of the project",
                field="lineage.project_sha256",
                value=one.lineage.project_sha256,
                rule=f"the hash of the project's manifest, {now}",
                hint="attach the report of the project as it is now, or remove the file",
                source=str(path),
            )
        found.append(one)
    return found
