"""Reports made elsewhere, attached to the project that they are of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from hls_gen.manifest import MANIFEST_NAME, ProjectManifest, load_manifest
from spec.attached_report import AttachedReport, Lineage
from spec.errors import FlexDSEError, InputError, echo
from spec.strict import load_document, validate
from spec.synthesis_report import SynthesisReport
from spec.workload import STAGES, Stage

FOLDER = "reports/attached"
CLOCK_TOLERANCE = 0.01  # a target printed to a hundredth of a nanosecond


def project_sha256(project: Path) -> str:
    """Hash of a project: of its manifest, which holds that of each file."""
    return hashlib.sha256((project / MANIFEST_NAME).read_bytes()).hexdigest()


def attach_report(file: Path, project: Path, stage: Stage | None = None) -> tuple[AttachedReport, Path]:
    """Parse `file`, hold it against the project and write it into `reports/attached`; (what was written, where).

    Raises:
        InputError: no report, or one of another part, clock or kernel, or of none that it names.
        ProjectDamagedError: not a project.
    """
    from hls_gen.reports import parse_report

    manifest = load_manifest(project)
    report = parse_report(file)
    checked = [_check_part(report, manifest, file)]
    where = _stage(report, stage, file)
    checked += [f"kernel {where}", _check_clock(report, manifest, where, file)]
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
        checked=tuple(checked),
        report=report,
    )
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


def _refuse(file: Path, what: str, value: object, rule: str, hint: str) -> InputError:
    return InputError(what, field="report", value=value, rule=rule, hint=hint, source=str(file))


def _check_part(report: SynthesisReport, manifest: ProjectManifest, file: Path) -> str:
    expected = str(manifest.inputs.device["part_number"]).lower()
    if report.part is None:
        raise _refuse(file, "the report names no part", None, f"a report for {expected}",
                      "attach one that names its part (csynth.xml, report_utilization)")  # fmt: skip
    part = report.part.lower()
    # Reports shorten a part to its device, package and speed grade, with or without dashes: a prefix of one another.
    one, other = part.replace("-", ""), expected.replace("-", "")
    if not (one.startswith(other) or (len(one) >= 12 and other.startswith(one))):
        raise _refuse(file, "the report is of another part", report.part, f"the project's part, {expected}",
                      "attach it to a project for that part")  # fmt: skip
    return f"part {report.part}"


def _stage(report: SynthesisReport, stage: Stage | None, file: Path) -> Stage:
    named = [name for name in STAGES if report.top is not None and name in report.top.lower()]
    if stage is None:
        if len(named) != 1:
            raise _refuse(file, "the report's top does not say which kernel it is of", report.top,
                          "a top with prefill or decode in its name", "name it: --stage prefill or --stage decode")  # fmt: skip
        return named[0]
    if named and stage not in named:
        raise _refuse(file, f"the report is not of the {stage} kernel", report.top, f"a top of {stage}",
                      f"leave --stage out, or give --stage {named[0]}")  # fmt: skip
    return stage


def _check_clock(report: SynthesisReport, manifest: ProjectManifest, stage: Stage, file: Path) -> str:
    target = report.clock.target_ns if report.clock is not None else None
    if target is None:
        return "no clock: the report names none"
    asked = 1000.0 / float(manifest.inputs.design["clock_target_mhz"][stage])
    if abs(target / asked - 1) > CLOCK_TOLERANCE:
        raise _refuse(file, f"the report is of another clock than the project's {stage}", f"{target:g} ns",
                      f"{asked:.3f} ns within {CLOCK_TOLERANCE:.0%}",
                      "synthesize at the project's clock, or generate a project with that clock target")  # fmt: skip
    return f"clock {target:g} ns"
