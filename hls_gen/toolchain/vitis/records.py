"""What was done already: a record for each step of a kernel, and the key that says whether it still holds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from hls_gen.toolchain.project_folder import write_text
from hls_gen.toolchain.vitis.find import Tool, Vitis
from hls_gen.toolchain.vitis.jobs import KernelJob
from hls_gen.toolchain.vitis.scripts import script_text
from spec.errors import InputError
from spec.strict import parse_json, validate
from spec.synthesis_report import KernelStep, StepArtifact, SynthesisStep

_KEY_FORM = 1  # raised when records of older versions must not be used again

# A failure that the same inputs would give again after hours; everything else may go better the next time.
FINAL_FAILURES = ("timing_not_met",)


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def artifact(project: Path, path: Path) -> StepArtifact:
    """A file of the project that a step made."""
    return StepArtifact(path=path.relative_to(project).as_posix(), bytes=path.stat().st_size, sha256=file_hash(path))


def _sources(job: KernelJob, step: SynthesisStep) -> dict[str, str]:
    """Hash of every file that the step reads."""
    project = job.project
    if step == "link":
        return {"connectivity": file_hash(project / "vitis" / f"{job.stage}.cfg")}
    paths = [*sorted((project / "include").rglob("*.hpp")), *sorted((project / "src").glob("*.[ch]pp"))]
    if step in ("csim", "cosim"):
        paths += [*sorted((project / "tb").glob("*.[ch]pp")), *sorted((project / "vectors" / job.stage).rglob("*.bin"))]
    return {path.relative_to(project).as_posix(): file_hash(path) for path in paths}


def step_key(
    job: KernelJob, step: SynthesisStep, vitis: Vitis, vivado: Tool | None, before: str | None
) -> str:  # fmt: skip
    """Hash of everything that the result depends on; `before` is the key of the step that it builds on."""
    inputs = {
        "form": _KEY_FORM,
        "step": step,
        "generation": vitis.generation,
        "tool_version": vitis.hls.version,
        "vivado_version": vivado.version if vivado and step not in ("csim", "csynth") else None,
        "part": job.part,
        "clock_period_ns": job.period_ns,
        "flow": job.flow,
        "script": script_text(job, step, vitis).replace(str(job.project), "<project>"),
        "sources": _sources(job, step),
        "before": before,
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _path(job: KernelJob, step: SynthesisStep) -> Path:
    return job.folder / "records" / f"{step}.json"


def load_record(job: KernelJob, step: SynthesisStep) -> KernelStep | None:
    """The record of a step; None where there is none that can be read."""
    try:
        return validate(KernelStep, parse_json(_path(job, step).read_text()))
    except (OSError, InputError, UnicodeDecodeError):
        return None


def save_record(job: KernelJob, record: KernelStep) -> None:
    """Remember how a step stands."""
    write_text(_path(job, record.step), record.model_dump_json(by_alias=True, indent=1) + "\n")


def still_holds(job: KernelJob, record: KernelStep, key: str) -> bool:
    """Whether the result of a record can be used again: the same inputs, and its files as they were."""
    final = record.failure is not None and record.failure.cause in FINAL_FAILURES
    if record.key != key or not (record.status == "succeeded" or final):
        return False
    for made in record.artifacts:
        path = job.project / made.path
        if not path.is_file() or path.stat().st_size != made.bytes or file_hash(path) != made.sha256:
            return False
    return True
