"""Takes a generated project through the tools, step by step, and goes on where an earlier run stopped."""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hls_gen.manifest import ProjectManifest, changed_files, load_manifest
from hls_gen.toolchain.processes import OnLog
from hls_gen.toolchain.project_folder import write_text
from hls_gen.toolchain.vitis.causes import WAYS_OUT, classify, failure
from hls_gen.toolchain.vitis.errors import ProjectBusyError, StepNotPossibleError, SynthesisStepError
from hls_gen.toolchain.vitis.find import Tool, Vitis, find_vitis, find_vivado, require_vivado
from hls_gen.toolchain.vitis.jobs import (
    DEFAULT_TIMEOUT_S,
    NEEDS,
    STEPS,
    WORK_FOLDER,
    KernelJob,
    SynthesisOptions,
    kernel_jobs,
    ordered_steps,
    refuse_foreign_link,
)
from hls_gen.toolchain.vitis.outputs import Outcome, collect, stale_outputs
from hls_gen.toolchain.vitis.records import load_record, save_record, step_key, still_holds
from hls_gen.toolchain.vitis.runner import Ended, await_end_of_tool, held, run_guarded
from hls_gen.toolchain.vitis.scripts import script_path, script_text, step_command, tool_folder
from hls_gen.toolchain.vitis.shared import SharedResults
from spec.synthesis_report import KernelStep, SynthesisStep, SynthesisStepReport

_LOCK_PATIENCE_S = 2.0
_NO_TOOL_PROJECT = "taken-from-another-folder"  # a file where the tool's project would be
_NEEDS_VIVADO: tuple[SynthesisStep, ...] = ("export", "impl")  # to package and to implement
_REPORT_NAMES: dict[SynthesisStep, str] = {"csim": "vitis_csim"}  # reports/csim.json is that of g++


def report_path(step: SynthesisStep) -> Path:
    """Where the report of a step stands in a project."""
    return Path("reports") / f"{_REPORT_NAMES.get(step, step)}.json"


def synthesize_project(
    project_dir: Path,
    options: SynthesisOptions | None = None,
    *,
    on_log: OnLog | None = None,
    cancel: threading.Event | None = None,
) -> tuple[SynthesisStepReport, ...]:
    """Run the steps for both kernels; each also leaves `reports/<step>.json` in the project.

    A step whose sources, tool version, part, clock and flow are those of an earlier success is not run again.

    Raises:
        ProjectDamagedError: no project, or a file of it is missing.
        InputError: an unknown step, a part, clock or path that can not be.
        ToolNotFoundError: Vitis HLS, Vivado or the linker is missing.
        StepNotPossibleError: a step builds on one that was neither asked for nor done.
        ProjectBusyError: another synthesis of this project runs.
        SynthesisStepError: a step failed; its cause is classified.
    """
    given = options or SynthesisOptions()
    project = Path(project_dir).resolve()
    manifest = load_manifest(project)
    steps = ordered_steps(given.steps)
    jobs = kernel_jobs(project, manifest, given)
    refuse_foreign_link(steps, given, jobs)
    vitis = find_vitis()
    packaging = tuple(step for step in steps if step in _NEEDS_VIVADO)
    vivado = require_vivado(packaging) if packaging else find_vivado()
    if "link" in steps:
        for job in jobs:
            step_command(job, "link", vitis)  # hours before it is needed: is the linker there?
    log = on_log or _silent
    log(f"{vitis.name}, Vivado {vivado.version if vivado else 'not found'}, part {jobs[0].part}")
    for name in changed_files(project, manifest):
        log(f"note: {name} was edited after generation")
    with _locked(project):
        run = _Run(manifest, jobs, vitis, vivado, given, log, cancel)
        return tuple(run.step(step) for step in steps)


def _built_on(step: SynthesisStep) -> tuple[SynthesisStep, ...]:
    """The steps that need the result of `step`, directly or not."""
    direct = [later for later in STEPS if NEEDS.get(later) == step]
    return tuple(one for later in direct for one in (later, *_built_on(later)))


def _silent(_line: str) -> None:
    return


@contextmanager
def _locked(project: Path) -> Iterator[None]:
    folder = project / WORK_FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder / ".lock", _LOCK_PATIENCE_S) as free:
            if not free:
                raise ProjectBusyError(
                    "another synthesis of this project runs",
                    field="project",
                    value=str(project),
                    rule="one synthesis of a project at a time",
                    hint="wait for it, or copy the project",
                )
            yield
    except OSError as error:
        raise _not_written(error, project) from error


def _not_written(error: OSError, project: Path) -> SynthesisStepError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return SynthesisStepError(
        f"the project can not be written: {error.strerror or error}",
        cause="disk_full" if full else "tool_failed",
        field="project",
        value=str(project),
        rule="a writable folder with room for the tools: some GB",
        hint=WAYS_OUT["disk_full"] if full else "copy the project to a folder that can be written",
    )


class _Run:
    """One call of the driver. The project is locked meanwhile."""

    def __init__(
        self,
        manifest: ProjectManifest,
        jobs: tuple[KernelJob, ...],
        vitis: Vitis,
        vivado: Tool | None,
        options: SynthesisOptions,
        log: OnLog,
        cancel: threading.Event | None,
    ) -> None:
        self._manifest = manifest
        self._jobs = jobs
        self._vitis = vitis
        self._vivado = vivado
        self._options = options
        self._log = log
        self._cancel = cancel
        self._keys: dict[tuple[str, SynthesisStep], str] = {}
        self._shared = SharedResults(options.shared)

    def step(self, step: SynthesisStep) -> SynthesisStepReport:
        """A step of all kernels, up to the first that fails."""
        done: list[KernelStep] = []
        (self._jobs[0].project / report_path(step)).unlink(missing_ok=True)  # an old result must not outlive a failure
        for job in self._jobs:
            done.append(self._kernel(job, step))
            if done[-1].failure is not None:
                break
        report = self._report(step, done)
        write_text(self._jobs[0].project / report_path(step), report.model_dump_json(by_alias=True, indent=1) + "\n")
        if done[-1].failure is not None:
            raise self._error(done[-1], report)
        return report

    def _report(self, step: SynthesisStep, done: list[KernelStep]) -> SynthesisStepReport:
        return SynthesisStepReport(
            flexdse_version=self._manifest.flexdse_version,
            model_version=self._manifest.model_version,
            timing_table_version=self._manifest.timing_table_version,
            backend="vitis",
            step=step,
            passed=len(done) == len(self._jobs) and all(one.status == "succeeded" for one in done),
            tool=self._vitis.hls.path.name,
            tool_version=self._vitis.hls.version,
            vivado_version=self._vivado.version if self._vivado else None,
            part=self._jobs[0].part,
            kernels=tuple(done),
        )

    def _error(self, record: KernelStep, report: SynthesisStepReport) -> SynthesisStepError:
        assert record.failure is not None
        log_file = self._jobs[0].project / record.log
        return SynthesisStepError(
            f"{record.step} of {record.kernel} failed ({record.failure.cause.replace('_', ' ')}): {record.failure.message}"
            f"\n{_tail_of(log_file)}",
            cause=record.failure.cause,
            report=report,
            field=record.step,
            value=record.kernel,
            rule=f"{record.step} ends with a result; the whole log: {record.log}",
            hint=record.failure.way_out,
        )

    def _key(self, job: KernelJob, step: SynthesisStep) -> str:
        known = self._keys.get((job.kernel, step))
        if known is None:
            before = NEEDS.get(step)
            known = step_key(job, step, self._vitis, self._vivado, self._key(job, before) if before else None)
            self._keys[job.kernel, step] = known
        return known

    def _require(self, job: KernelJob, step: SynthesisStep) -> None:
        before = NEEDS.get(step)
        record = load_record(job, before) if before else None
        if before is None or (record is not None and still_holds(job, record, self._key(job, before))):
            return
        raise StepNotPossibleError(
            f"{step} of {job.kernel} builds on {before}, which is not done for these sources, part, clock and tool",
            field="steps",
            value=step,
            rule=f"{before} before {step}",
            hint=f"run with --steps {','.join(one for one in STEPS if one in (before, step))}",
        )

    def _kernel(self, job: KernelJob, step: SynthesisStep) -> KernelStep:
        """The result of a step, from an earlier run or from the tool."""
        self._require(job, step)
        key = self._key(job, step)
        earlier = self._settle(job, load_record(job, step))
        if earlier is not None and not self._options.restart and still_holds(job, earlier, key):
            self._log(f"{step} {job.kernel}: done before with the same sources, tool, part and clock")
            return earlier.model_copy(update={"reused": True})
        with self._shared.turn(key, self._cancel) as waited:
            if waited:
                self._log(f"{step} {job.kernel}: waited for another run of the same")
            if not self._options.restart and (found := self._from_elsewhere(job, step, key)) is not None:
                return found
            return self._made(job, step, key, earlier)

    def _from_elsewhere(self, job: KernelJob, step: SynthesisStep, key: str) -> KernelStep | None:
        """The result that another project on this machine has made of the same."""
        found = self._shared.find(job, key)
        if found is None:
            return None
        self._await_tool(job)
        self._forget_later(job, step)
        if step in ("csim", "csynth"):
            shutil.rmtree(tool_folder(job, step), ignore_errors=True)  # of other sources
        self._shared.copy_files(job, found)
        if step == "csynth":
            (tool_folder(job, step) / _NO_TOOL_PROJECT).touch()
        self._log(f"{step} {job.kernel}: done before in another folder with the same sources, tool, part and clock")
        (job.folder / "logs").mkdir(parents=True, exist_ok=True)
        (job.project / found.log).write_text("not run here: the result of an equal project\n")
        save_record(job, found)
        return found.model_copy(update={"reused": True})

    def _forget_later(self, job: KernelJob, step: SynthesisStep) -> None:
        for later in _built_on(step):  # no longer good, nor what they say
            (job.folder / "records" / f"{later}.json").unlink(missing_ok=True)
            (job.project / report_path(later)).unlink(missing_ok=True)

    def _made(self, job: KernelJob, step: SynthesisStep, key: str, earlier: KernelStep | None) -> KernelStep:
        """The result of a step by the tool."""
        self._forget_later(job, step)
        record = KernelStep(
            stage=job.stage,
            kernel=job.kernel,
            step=step,
            key=key,
            status="running",
            attempt=earlier.attempt + 1 if earlier is not None and earlier.key == key else 1,
            lost_attempts=earlier.lost_attempts if earlier is not None and earlier.key == key else 0,
            clock_mhz=job.clock_mhz,
            log=(job.folder / "logs" / f"{step}.log").relative_to(job.project).as_posix(),
        )
        save_record(job, record)
        self._log(f"{step} {job.kernel}: started at {job.clock_mhz:g} MHz")
        try:
            ended, outcome = self._run(job, step)
        except BaseException as error:
            if not isinstance(
                error, Exception
            ):  # Ctrl-C, or a request to end: the tool is gone, and we can still say so
                stopped = {"status": "failed", "failure": failure("cancelled", f"{step} was interrupted")}
                with suppress(OSError):
                    save_record(job, record.model_copy(update=stopped))
            raise
        record = record.model_copy(
            update={
                "status": "succeeded" if outcome.failure is None else "failed",
                "seconds": round(ended.seconds, 3),
                "peak_memory_bytes": ended.peak_memory_bytes,
                **outcome._asdict(),
            }
        )
        save_record(job, record)
        self._log(f"{step} {job.kernel}: {record.status} after {record.seconds:.0f} s")
        self._share(job, record)
        return record

    def _share(self, job: KernelJob, record: KernelStep) -> None:
        try:
            self._shared.put(job, record)
        except OSError as error:  # the result stands in the project all the same
            self._log(f"note: {record.step} of {job.kernel} is not kept for other projects: {error.strerror or error}")

    def _settle(self, job: KernelJob, record: KernelStep | None) -> KernelStep | None:
        """A step that still counts as running, though nobody holds the project: its runner was killed."""
        if record is None or record.status != "running":
            return record
        lost = record.model_copy(
            update={
                "status": "lost",
                "lost_attempts": record.lost_attempts + 1,
                "failure": failure("lost", f"attempt {record.attempt} of {record.step} was killed with its runner"),
            }
        )
        save_record(job, lost)
        self._log(f"{record.step} {job.kernel}: attempt {record.attempt} was lost, starting again")
        return lost

    def _run(self, job: KernelJob, step: SynthesisStep) -> tuple[Ended, Outcome]:
        for missing in self._missing_in_tool_project(job, step):
            ended, outcome = self._again(job, missing)
            if outcome.failure is not None:
                return ended, outcome
        ended, outcome = self._tool(job, step, with_csynth=False)
        forgotten = outcome.failure is not None and outcome.failure.cause == "missing_synthesis"
        if forgotten and self._vitis.generation == "vitis_hls":
            self._log(f"{step} {job.kernel}: the tool does not see its synthesis, so both run in one go")
            ended, outcome = self._tool(job, step, with_csynth=True)
        return ended, outcome

    def _missing_in_tool_project(self, job: KernelJob, step: SynthesisStep) -> tuple[SynthesisStep, ...]:
        """What the tool must run here first: its own project can not move, so that of a result from elsewhere is missing."""
        if not (tool_folder(job, "csynth") / _NO_TOOL_PROJECT).exists():
            return ()
        if step == "link":
            return ("csynth", "export") if job.is_versal else ()  # slashkit links the core in the tool's project
        return ("csynth",) if NEEDS.get(step) == "csynth" else ()

    def _again(self, job: KernelJob, step: SynthesisStep) -> tuple[Ended, Outcome]:
        """Run a step whose result was taken from elsewhere, and bring back what stood in the folder that it makes anew."""
        self._log(f"{step} {job.kernel}: runs here too, the tool needs its own project for what follows")
        ended, outcome = self._tool(job, step, with_csynth=False)
        if outcome.failure is None:
            record = load_record(job, step)
            assert record is not None
            save_record(job, record.model_copy(update=outcome._asdict()))
            for later in _built_on(step):
                record = load_record(job, later)
                found = self._shared.find(job, record.key) if record is not None else None
                if found is not None:
                    self._shared.copy_files(job, found)
        return ended, outcome

    def _await_tool(self, job: KernelJob) -> None:
        job.folder.mkdir(parents=True, exist_ok=True)
        if not await_end_of_tool(job.tool_lock):
            raise ProjectBusyError(
                f"a tool of an earlier run of {job.kernel} does not end",
                field="project",
                value=str(job.project),
                rule="one tool for a kernel at a time",
                hint="end the processes that work in build/vitis of the project",
            )

    def _tool(self, job: KernelJob, step: SynthesisStep, *, with_csynth: bool) -> tuple[Ended, Outcome]:
        self._await_tool(job)
        (job.folder / "logs").mkdir(parents=True, exist_ok=True)
        if step in ("csim", "csynth"):
            shutil.rmtree(tool_folder(job, step), ignore_errors=True)
        for path in stale_outputs(job, step, self._vitis):
            path.unlink(missing_ok=True)
        if step != "link":
            write_text(
                script_path(job, step, self._vitis),
                script_text(job, step, self._vitis, with_csynth=with_csynth),
            )
        timeout_s = self._options.timeout_s or DEFAULT_TIMEOUT_S[step]
        ended = run_guarded(
            step_command(job, step, self._vitis),
            job.folder,
            timeout_s=timeout_s,
            memory_limit_bytes=self._options.memory_limit_bytes,
            log_file=job.folder / "logs" / f"{step}.log",
            lock=job.tool_lock,
            on_log=self._log,
            cancel=self._cancel,
        )
        if ended.how == "exit" and ended.code == 0:
            return ended, collect(job, step, self._vitis, ended, self._manifest.csim, self._log)
        why = classify(ended, step, timeout_s, self._options.memory_limit_bytes)
        if why.cause == "timing_not_met":  # the tool may leave its reports all the same
            measured = collect(job, step, self._vitis, ended, self._manifest.csim, self._log)
            return ended, measured._replace(failure=why)
        return ended, Outcome(why)


def _tail_of(log_file: Path) -> str:
    """The last lines of a log, for an error message."""
    try:
        with log_file.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line[:300] for line in text.splitlines() if line.strip() and not line.startswith("@case ")]
    return "\n".join(lines[-20:])
