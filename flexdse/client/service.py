"""The service as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from flexdse.client.connection import ARROW_STREAM, Connection, ServerEvent, ServiceError
from flexdse.client.resources import (
    RemoteExploration,
    RemoteJob,
    RemoteProject,
    RemoteSweep,
    pages,
    read_table,
)

if TYPE_CHECKING:
    import pyarrow as pa

Named = str | Mapping[str, Any]  # a name of the catalog (or of an upload), or a whole document


def connect(url: str, token: str | None = None, *, timeout_s: float = 60.0) -> Service:
    """The service at `url`, as `flexdse serve` prints it.

    The credential is the one in `url`, else `token` (or an API key), else FLEXDSE_TOKEN, else, where this user's own
    server answers there, the token of its data folder.

    Raises:
        InputError: not an address.
    """
    return Service(Connection(url, token, timeout_s=timeout_s))


class Service:
    """A FlexDSE service. Every refusal is a `ServiceError` with the field, value, rule and way out."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes every connection."""
        self.connection.close()

    # Catalog

    def devices(self) -> list[dict[str, Any]]:
        """Devices of the catalog and your own."""
        return list(self.connection.get("/devices")["items"])

    def models(self) -> list[dict[str, Any]]:
        """Models of the catalog and your own."""
        return list(self.connection.get("/models")["items"])

    def designs(self) -> list[dict[str, Any]]:
        """Published designs."""
        return list(self.connection.get("/designs")["items"])

    def upload_device(self, document: Mapping[str, Any]) -> str:
        """Keeps a device of your own; its name."""
        return str(self.connection.post("/devices", dict(document))["name"])

    def upload_model(self, name: str, config: Mapping[str, Any]) -> str:
        """Keeps a model of your own, from a config.json; its name."""
        return str(self.connection.post("/models", {"name": name, "config": dict(config)})["name"])

    # Pricing

    def evaluate(
        self, design: Named, model: Named, device: Named, *, prompt_tokens: int, output_tokens: int
    ) -> dict[str, Any]:
        """The whole evaluation of one design."""
        body = {"design": design, "model": model, "device": device, "workload": _workload(prompt_tokens, output_tokens)}
        answer: dict[str, Any] = self.connection.post("/designs:evaluate", body)
        return answer

    def evaluate_many(
        self,
        columns: pa.Table | Mapping[str, Any],
        *,
        design: str,
        model: str,
        device: str,
        prompt_tokens: int,
        output_tokens: int,
        metrics: Sequence[str] | None = None,
    ) -> pa.Table:
        """Metrics, `feasible` and `excess` of up to 10^6 designs: `design`, but for the values in `columns`.

        `columns`: an Arrow table, or name -> array, such as `prefill.token_parallelism`.
        """
        import pyarrow as pa

        table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        params: dict[str, Any] = {
            "design": design,
            "model": model,
            "device": device,
            "prompt_tokens": prompt_tokens,
            "output_tokens": output_tokens,
        }
        if metrics is not None:
            params["metrics"] = ",".join(metrics)
        answer = self.connection.request(
            "POST",
            "/designs:evaluate",
            params=params,
            content=sink.getvalue().to_pybytes(),
            headers={"Content-Type": ARROW_STREAM, "Accept": ARROW_STREAM},
        )
        return read_table(answer.content)

    # Explorations, projects, sweeps, jobs

    def explore(
        self,
        *,
        model: Named,
        device: Named,
        prompt_tokens: int,
        output_tokens: int,
        **request: Any,
    ) -> RemoteExploration:
        """Submits an exploration; the other fields (objectives, method, budget, ...) as in its request."""
        body = {"model": model, "device": device, "workload": _workload(prompt_tokens, output_tokens), **request}
        return RemoteExploration(self.connection, self.connection.post("/explorations", body))

    def exploration(self, exploration_id: str) -> RemoteExploration:
        """One exploration."""
        return RemoteExploration(self.connection, self.connection.get(f"/explorations/{exploration_id}"))

    def explorations(self, **filters: Any) -> Iterator[RemoteExploration]:
        """Explorations, newest first; filters: state, model, device, name_contains, label, sweep_id."""
        for one in pages(self.connection, "/explorations", **filters):
            yield RemoteExploration(self.connection, one)

    def generate(
        self, design: Named, model: Named, device: Named, *, prompt_tokens: int, output_tokens: int, **options: Any
    ) -> RemoteProject:
        """Submits the generation of an HLS project."""
        body = {
            "design": design,
            "model": model,
            "device": device,
            "workload": _workload(prompt_tokens, output_tokens),
            **options,
        }
        return RemoteProject(self.connection, self.connection.post("/projects", body))

    def submit_project(self, body: Mapping[str, Any], idempotency_key: str | None = None) -> RemoteProject:
        """Submits the body of POST /projects; under a key that was used before, the project of then.

        A project of then that was deleted since is submitted anew.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key is not None else {}
        project = RemoteProject(self.connection, self.connection.post("/projects", dict(body), headers=headers))
        if idempotency_key is None:
            return project
        try:
            project.refresh()
        except ServiceError as error:
            if error.http_status != 404:
                raise
            return self.submit_project(body)
        return project

    def project(self, project_id: str) -> RemoteProject:
        """One project."""
        return RemoteProject(self.connection, self.connection.get(f"/projects/{project_id}"))

    def projects(self, **filters: Any) -> Iterator[RemoteProject]:
        """Projects, newest first; filters: state, model, device, name_contains, label."""
        for one in pages(self.connection, "/projects", **filters):
            yield RemoteProject(self.connection, one)

    def sweep(self, **request: Any) -> RemoteSweep:
        """Submits a sweep: name, models, devices, workloads, seeds, search."""
        return RemoteSweep(self.connection, self.connection.post("/sweeps", request))

    def job(self, job_id: str) -> RemoteJob:
        """One job."""
        return RemoteJob(self.connection, self.connection.get(f"/jobs/{job_id}"))

    def jobs(self, **filters: Any) -> Iterator[RemoteJob]:
        """Jobs, newest first; filters: state, kind, queue."""
        for one in pages(self.connection, "/jobs", **filters):
            yield RemoteJob(self.connection, one)

    def calibrate(self, measurements: Sequence[Mapping[str, Any]], name: str = "") -> dict[str, Any]:
        """Fits corrections of the cost models on measurements, and keeps them."""
        body = {"name": name, "measurements": [dict(one) for one in measurements]}
        answer: dict[str, Any] = self.connection.post("/calibrations", body)
        return answer

    def events(self) -> Iterator[ServerEvent]:
        """What happens to all your jobs from now on."""
        return self.connection.events("/events")

    def openapi(self) -> dict[str, Any]:
        """The contract of the service."""
        document: dict[str, Any] = self.connection.get("/openapi.json")
        return document


def _workload(prompt_tokens: int, output_tokens: int) -> dict[str, int]:
    return {"prompt_tokens": prompt_tokens, "output_tokens": output_tokens}
