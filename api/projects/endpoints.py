"""/projects."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse

from api.artifacts.content import content_of
from api.conditional import etag_of_model
from api.deps import DatabaseDep, IdempotencyKeyHeader, OwnerDep, PageDep, PrincipalDep, RequiredStoreDep
from api.described import Description, DeviceIs, IfMatch, LabelIs, ModelIs, NameContains
from api.openapi_parts import ACCEPTED
from api.problems import BODY_PROBLEMS, responses
from api.projects import measured, service
from api.projects.schemas import (
    CsimOptions,
    GenerateOptions,
    Project,
    ProjectFiles,
    ProjectInput,
    ProjectMeasurements,
    ProjectPage,
    Run,
    RunOptions,
    RunPage,
    SimulateOptions,
    Step,
    SynthesizeOptions,
)
from api.strict_route import StrictRoute
from db.job_state import JobState

router = APIRouter(prefix="/projects", tags=["projects"], route_class=StrictRoute)

ProjectId = Annotated[str, Path(max_length=64)]
RunId = Annotated[str, Path(max_length=64)]
_ALL_PROJECTS = "-"
StateIs = Annotated[JobState | None, Query(description="only those in this state")]


@router.post("", status_code=202, response_model=Project, responses={202: ACCEPTED, **responses(*BODY_PROBLEMS, 409)})
def create_project(
    body: Annotated[ProjectInput, Body()],
    database: DatabaseDep,
    principal: PrincipalDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Generate the HLS project of a design."""
    return service.submit(database, principal, body, idempotency_key).response()


@router.get("", responses=responses(422))
def list_projects(
    database: DatabaseDep,
    owner: OwnerDep,
    page: PageDep,
    state: StateIs = None,
    model: ModelIs = None,
    device: DeviceIs = None,
    name_contains: NameContains = None,
    label: LabelIs = None,
) -> ProjectPage:
    """Projects, newest first."""
    filters = {"state": state, "model": model, "device": device, "name_contains": name_contains, "label": label}
    return service.page(database, owner, page.after, page.limit, filters)


@router.get("/{project_id}", responses=responses(404))
def get_project(project_id: ProjectId, database: DatabaseDep, owner: OwnerDep, response: Response) -> Project:
    """One project: its design, manifest and state."""
    shown = service.get(database, owner, project_id)
    response.headers["ETag"] = etag_of_model(shown)
    return shown


@router.patch("/{project_id}", responses=responses(*BODY_PROBLEMS, 404, 412))
def describe_project(
    project_id: ProjectId,
    body: Annotated[Description, Body()],
    database: DatabaseDep,
    owner: OwnerDep,
    if_match: IfMatch = None,
) -> Project:
    """Change its name, labels or note."""
    return service.describe(database, owner, project_id, body, if_match)


@router.delete("/{project_id}", status_code=204, responses=responses(404, 409))
def delete_project(project_id: ProjectId, database: DatabaseDep, owner: OwnerDep) -> None:
    """Delete a project with its runs, reports and files."""
    service.delete(database, owner, project_id)


@router.post("/{project_id}:cancel", status_code=202, response_model=Project, responses=responses(404, 409, 422))
def cancel_project(
    project_id: ProjectId, database: DatabaseDep, owner: OwnerDep, idempotency_key: IdempotencyKeyHeader = None
) -> JSONResponse:
    """Cancel the generation of a project."""
    return service.cancel(database, owner, project_id, idempotency_key).response()


@router.post(
    "/{project_id}:generate",
    status_code=202,
    response_model=Project,
    responses={202: ACCEPTED, **responses(*BODY_PROBLEMS, 404, 409)},
)
def generate_project(
    project_id: ProjectId,
    body: Annotated[GenerateOptions, Body()],
    database: DatabaseDep,
    principal: PrincipalDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Make the files of a project again, the same, where their age, the quota or somebody took them."""
    return service.generate(database, principal, project_id, body, idempotency_key).response()


@router.get(
    "/{project_id}/download",
    response_class=Response,
    responses={
        200: {
            "description": "The project",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        },
        304: {"description": "Not modified"},
        **responses(404, 409, 410),
    },
)
def download_project(
    project_id: ProjectId, database: DatabaseDep, store: RequiredStoreDep, owner: OwnerDep
) -> StreamingResponse:
    """The whole project as a zip."""
    artifact, file_name = service.zip_artifact(database, owner, project_id)
    return content_of(store, artifact, file_name)


@router.get("/{project_id}/files", responses=responses(404, 409, 410))
def list_project_files(
    project_id: ProjectId, database: DatabaseDep, store: RequiredStoreDep, owner: OwnerDep
) -> ProjectFiles:
    """The files of a project."""
    artifact, _ = service.zip_artifact(database, owner, project_id)
    return ProjectFiles(items=service.files(store, artifact))


@router.get(
    "/{project_id}/files/{path:path}",
    response_class=Response,
    responses={
        200: {
            "description": "The file, as plain text whatever it is",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **responses(404, 409, 410),
    },
)
def get_project_file(
    project_id: ProjectId,
    path: Annotated[str, Path(max_length=1000)],
    database: DatabaseDep,
    store: RequiredStoreDep,
    owner: OwnerDep,
) -> Response:
    """One file of a project."""
    artifact, _ = service.zip_artifact(database, owner, project_id)
    return Response(service.file(store, artifact, path), media_type="text/plain; charset=utf-8")


@router.get("/{project_id}/measurements", responses=responses(404, 409, 410))
def list_project_measurements(
    project_id: ProjectId, database: DatabaseDep, store: RequiredStoreDep, owner: OwnerDep
) -> ProjectMeasurements:
    """What timed simulations and attached reports measured of a project, beside the predictions, with its lineage."""
    return measured.measurements(database, store, owner, project_id)


def _run(
    database: DatabaseDep, principal: PrincipalDep, project_id: str, step: Step, options: RunOptions, key: str | None
) -> JSONResponse:
    return service.run(database, principal, project_id, step, options, key).response()


_RUN_RESPONSES = {202: ACCEPTED, **responses(*BODY_PROBLEMS, 404, 409)}


@router.post("/{project_id}:csim", status_code=202, response_model=Run, responses=_RUN_RESPONSES)
def csim_project(
    project_id: ProjectId,
    body: Annotated[CsimOptions, Body()],
    database: DatabaseDep,
    principal: PrincipalDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Prove the project bit-exact in C simulation."""
    return _run(database, principal, project_id, "csim", body, idempotency_key)


@router.post("/{project_id}:simulate", status_code=202, response_model=Run, responses=_RUN_RESPONSES)
def simulate_project(
    project_id: ProjectId,
    body: Annotated[SimulateOptions, Body()],
    database: DatabaseDep,
    principal: PrincipalDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Measure the cycles of the project in timed simulation."""
    return _run(database, principal, project_id, "simulate", body, idempotency_key)


@router.post("/{project_id}:synthesize", status_code=202, response_model=Run, responses=_RUN_RESPONSES)
def synthesize_project(
    project_id: ProjectId,
    body: Annotated[SynthesizeOptions, Body()],
    database: DatabaseDep,
    principal: PrincipalDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Synthesize the project."""
    return _run(database, principal, project_id, "synthesize", body, idempotency_key)


@router.get("/{project_id}/runs", responses=responses(404, 422))
def list_runs(
    project_id: ProjectId,
    database: DatabaseDep,
    owner: OwnerDep,
    page: PageDep,
    step: Annotated[Step | None, Query(description="only those of this step")] = None,
    state: StateIs = None,
) -> RunPage:
    """Runs of tools on a project (`-`: on every project), newest first."""
    project = project_id if project_id != _ALL_PROJECTS else None
    return service.runs(database, owner, project, page.after, page.limit, {"step": step, "state": state})


@router.get("/{project_id}/runs/{run_id}", responses=responses(404))
def get_run(project_id: ProjectId, run_id: RunId, database: DatabaseDep, owner: OwnerDep) -> Run:
    """One run of a tool."""
    return service.get_run(database, owner, project_id if project_id != _ALL_PROJECTS else None, run_id)
