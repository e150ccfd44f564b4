"""What can be done with projects and runs, without HTTP."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import Any

from api.access.principal import Principal
from api.conditional import check_unchanged
from api.described import Description
from api.idempotency import Answer, once
from api.jobs.service import request_cancel
from api.pagination import page_of
from api.problems import ConflictError, NotFoundError
from api.projects import presentation
from api.projects.presentation import COLLECTION
from api.projects.schemas import (
    GenerateOptions,
    Project,
    ProjectFile,
    ProjectInput,
    ProjectPage,
    Run,
    RunOptions,
    RunPage,
    Step,
)
from api.quotas import check_jobs, check_storage
from db.artifacts import ArtifactMissing, ArtifactStore
from db.job_state import JobState
from db.models import Artifact, Job
from db.models import Project as ProjectRow
from db.models import Run as RunRow
from db.paging import Position
from db.session import Database, UnitOfWork
from workers.enqueue import enqueue_generation, enqueue_project, enqueue_run

_MAX_SHOWN_BYTES = 4 * 2**20
_AGAIN = f"POST {COLLECTION}/{{}}:generate makes them again, the same"


def submit(database: Database, principal: Principal, wanted: ProjectInput, key: str | None) -> Answer:
    """Stores a project for the workers.

    Raises:
        ConflictError: the key was used for another request.
        QuotaError: there is no room for another job.
    """

    def do(work: UnitOfWork) -> Answer:
        check_jobs(work, principal)
        check_storage(work, principal)
        project, job = enqueue_project(
            work,
            design=wanted.design,
            model=wanted.model,
            device=wanted.device,
            workload=wanted.workload,
            owner=principal.owner,
            name=wanted.name,
            seed=wanted.seed,
            labels=wanted.labels,
            note=wanted.note,
            limits=wanted.limits.document(),
        )
        return presentation.project_answer(202, project, job)

    return once(database, principal.owner, f"POST {COLLECTION}", key, wanted, do)


def _found(work: UnitOfWork, owner: str, project_id: str) -> tuple[ProjectRow, Job]:
    found = work.projects.get_with_job(project_id, owner)
    if found is None:
        raise NotFoundError(
            "no such project",
            field="project_id",
            value=project_id,
            rule="must be the id of a project",
            hint=f"GET {COLLECTION} lists them",
        )
    return found


def _zip(work: UnitOfWork, row: ProjectRow) -> Artifact | None:
    return work.artifacts.get(row.artifact_id) if row.artifact_id is not None else None


def _shown(work: UnitOfWork, owner: str, project_id: str) -> Project:
    row, job = _found(work, owner, project_id)
    return presentation.detail(row, job, _zip(work, row))


def page(database: Database, owner: str, after: Position | None, limit: int, filters: Mapping[str, Any]) -> ProjectPage:
    """Projects, newest first."""
    with database.read() as work:
        rows = work.projects.page(owner, after, limit + 1, **filters)
        shown, cursor = page_of(rows, limit, lambda pair: Position(pair[0].created_at, pair[0].id))
        return ProjectPage(items=tuple(presentation.summary(*pair) for pair in shown), next_cursor=cursor)


def get(database: Database, owner: str, project_id: str) -> Project:
    """One project.

    Raises:
        NotFoundError: there is none of that id.
    """
    with database.read() as work:
        return _shown(work, owner, project_id)


def describe(database: Database, owner: str, project_id: str, changes: Description, if_match: str | None) -> Project:
    """Changes what is said about it.

    Raises:
        NotFoundError: there is none of that id.
        PreconditionError: it is not any more what `if_match` names.
    """
    with database.write() as work:
        check_unchanged(if_match, _shown(work, owner, project_id))
        work.projects.update(project_id, name=changes.name, labels=changes.labels, note=changes.note)
        work.session.expire_all()
        return _shown(work, owner, project_id)


def cancel(database: Database, owner: str, project_id: str, key: str | None) -> Answer:
    """Cancels the generation of a project.

    Raises:
        NotFoundError: there is none of that id.
        ConflictError: it has ended.
    """

    def do(work: UnitOfWork) -> Answer:
        request_cancel(work, _found(work, owner, project_id)[1], "project")
        work.session.expire_all()
        return Answer.of(202, _shown(work, owner, project_id))

    return once(database, owner, f"POST {COLLECTION}/{project_id}:cancel", key, None, do)


def generate(
    database: Database, principal: Principal, project_id: str, wanted: GenerateOptions, key: str | None
) -> Answer:
    """Makes the files of a project once more, where they are gone.

    Raises:
        NotFoundError: there is none of that id.
        ConflictError: its files are there, or about to be.
    """

    def do(work: UnitOfWork) -> Answer:
        row, job = _found(work, principal.owner, project_id)
        if not job.state.is_final or _zip(work, row) is not None:
            raise ConflictError(
                "the project is being generated" if not job.state.is_final else "the files of the project are there",
                field="state",
                value=job.state.value,
                rule="files are made again where they are gone",
                hint=f"GET {COLLECTION}/{project_id}/download has them once it succeeded",
            )
        check_jobs(work, principal)
        check_storage(work, principal)
        again = enqueue_generation(
            work, row, owner=principal.owner, priority=wanted.priority, limits=wanted.limits.document()
        )
        work.session.expire_all()
        return presentation.project_answer(202, row, again)

    return once(database, principal.owner, f"POST {COLLECTION}/{project_id}:generate", key, wanted, do)


def delete(database: Database, owner: str, project_id: str) -> None:
    """Deletes it with its runs and reports.

    Raises:
        NotFoundError: there is none of that id.
        ConflictError: it, or one of its runs, has not ended.
    """
    with database.write() as work:
        row, job = _found(work, owner, project_id)
        if not job.state.is_final or work.projects.has_unfinished_runs(project_id):
            raise ConflictError(
                "a job of the project is still to end",
                field="state",
                value=job.state.value,
                rule="only a project without queued or running jobs can be deleted",
                hint=f"cancel them first: GET {COLLECTION}/{project_id}/runs",
            )
        artifact_id = row.artifact_id
        for job_id in work.projects.delete(project_id):
            work.jobs.delete_final(job_id)
        if artifact_id is not None:
            work.artifacts.delete(artifact_id)


def run(
    database: Database, principal: Principal, project_id: str, step: Step, options: RunOptions, key: str | None
) -> Answer:
    """Stores a run of a tool on the project for the workers.

    Raises:
        NotFoundError: there is no project of that id.
        ConflictError: it is not generated.
    """

    def do(work: UnitOfWork) -> Answer:
        row, job = _found(work, principal.owner, project_id)
        if job.state is not JobState.SUCCEEDED:
            raise ConflictError(
                f"the project is {job.state.value}",
                field="state",
                value=job.state.value,
                rule="tools run on a project that is generated",
                hint=f"GET {COLLECTION}/{project_id} tells its state",
            )
        if _zip(work, row) is None:
            raise ConflictError(
                "the files of the project are gone",
                field="project_id",
                value=project_id,
                rule="tools run on the files of a project",
                hint=_AGAIN.format(project_id),
            )
        check_jobs(work, principal)
        check_storage(work, principal)
        given = options.model_dump(mode="json", exclude={"priority", "limits"}, exclude_none=True)
        limits = options.limits.document()
        found, run_job = enqueue_run(
            work, row, step, given, owner=principal.owner, priority=options.priority, limits=limits
        )
        return Answer.of(202, presentation.run(found, run_job), f"{COLLECTION}/{project_id}/runs/{found.id}")

    return once(database, principal.owner, f"POST {COLLECTION}/{project_id}:{step}", key, options, do)


def runs(
    database: Database,
    owner: str,
    project_id: str | None,
    after: Position | None,
    limit: int,
    filters: Mapping[str, Any],
) -> RunPage:
    """Runs on one project, or on all, newest first.

    Raises:
        NotFoundError: there is no project of that id.
    """
    with database.read() as work:
        if project_id is not None:
            _found(work, owner, project_id)
        rows = work.runs.page(owner, after, limit + 1, project_id=project_id, **filters)
        shown, cursor = page_of(rows, limit, lambda pair: Position(pair[0].created_at, pair[0].id))
        return RunPage(items=tuple(presentation.run(*pair) for pair in shown), next_cursor=cursor)


def get_run(database: Database, owner: str, project_id: str | None, run_id: str) -> Run:
    """One run.

    Raises:
        NotFoundError: there is none of that id on that project.
    """
    with database.read() as work:
        found: tuple[RunRow, Job] | None = work.runs.get_with_job(run_id, owner)
        if found is None or project_id not in (None, found[0].project_id):
            raise NotFoundError(
                "no such run",
                field="run_id",
                value=run_id,
                rule="must be the id of a run on this project",
                hint=f"GET {COLLECTION}/{project_id or '-'}/runs lists them",
            )
        return presentation.run(*found)


def zip_artifact(database: Database, owner: str, project_id: str) -> tuple[Artifact, str]:
    """The zip of a project, and a name for the file.

    Raises:
        NotFoundError: no such project.
        ConflictError: it is not generated.
        ArtifactMissing: its files are gone.
    """
    with database.read() as work:
        row, job = _found(work, owner, project_id)
        artifact = _zip(work, row)
    if artifact is None and job.state is JobState.SUCCEEDED:
        raise ArtifactMissing(
            "the files of the project are gone",
            field="project_id",
            value=project_id,
            rule="files are kept until their age or the quota ends them, or somebody deletes them",
            hint=_AGAIN.format(project_id),
        )
    if artifact is None:
        raise ConflictError(
            f"the project is {job.state.value}",
            field="state",
            value=job.state.value,
            rule="there are files once a project is generated",
            hint=f"GET {COLLECTION}/{project_id} tells its state",
        )
    return artifact, f"flexdse-{row.design_key}.zip"


def files(store: ArtifactStore, artifact: Artifact) -> tuple[ProjectFile, ...]:
    """The files in the zip, by path."""
    with store.open_read(artifact.sha256) as stream, zipfile.ZipFile(stream) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    return tuple(
        ProjectFile(path=entry.filename, size_bytes=entry.file_size)
        for entry in sorted(entries, key=lambda entry: entry.filename)
    )


def file(store: ArtifactStore, artifact: Artifact, path: str) -> bytes:
    """One file out of the zip: `path` names an entry of the archive, no place on any disk.

    Raises:
        NotFoundError: there is none of that path, or it is too large to be looked at.
    """
    with store.open_read(artifact.sha256) as stream, zipfile.ZipFile(stream) as archive:
        entry = archive.NameToInfo.get(path)
        if entry is None or entry.is_dir():
            raise NotFoundError(
                "no such file in the project",
                field="path",
                value=path,
                rule="must be the path of a file of the project",
                hint="GET .../files lists them",
            )
        if entry.file_size > _MAX_SHOWN_BYTES:
            raise NotFoundError(
                "the file is too large to be shown by itself",
                field="path",
                value=entry.file_size,
                rule=f"at most {_MAX_SHOWN_BYTES} bytes",
                hint="GET .../download has it",
            )
        with archive.open(entry) as content:
            return content.read(_MAX_SHOWN_BYTES)
