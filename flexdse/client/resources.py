"""What lives on a service: explorations, projects, sweeps, jobs, each with what can be done with it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexdse.client.connection import ARROW_STREAM, Connection, ServerEvent
from spec.errors import FlexDSEError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

OnEvent = Callable[[ServerEvent], None]


class JobFailed(FlexDSEError):
    """The job behind a resource failed or was cancelled."""

    code = "job_failed"


class Resource:
    """One resource; `document` is what the service said of it last."""

    collection = ""

    def __init__(self, connection: Connection, document: dict[str, Any]) -> None:
        self._connection = connection
        self.document = document

    @property
    def id(self) -> str:
        """Its id on the service."""
        return str(self.document["id"])

    @property
    def path(self) -> str:
        """Its path below /api/v1."""
        return f"{self.collection}/{self.id}"

    def refresh(self) -> dict[str, Any]:
        """Asks for its document anew."""
        self.document = self._connection.get(self.path)
        return self.document

    def delete(self) -> None:
        """Deletes it."""
        self._connection.request("DELETE", self.path)

    def describe(
        self, *, name: str | None = None, labels: Sequence[str] | None = None, note: str | None = None
    ) -> None:
        """Changes what is said about it; what is None stays."""
        changes = {"name": name, "labels": list(labels) if labels is not None else None, "note": note}
        body = {field: value for field, value in changes.items() if value is not None}
        self.document = self._connection.request("PATCH", self.path, json=body).json()


class _WithJob(Resource):
    @property
    def state(self) -> str:
        """queued, running, succeeded, failed or cancelled, as the service said last."""
        return str(self.document["state"])

    @property
    def job(self) -> RemoteJob:
        """The job that works on it."""
        return RemoteJob(self._connection, self._connection.get(f"/jobs/{self.document['job_id']}"))

    def cancel(self) -> None:
        """Asks for its end."""
        self._connection.post(f"{self.path}:cancel")

    def wait(self, on_event: OnEvent | None = None) -> None:
        """Waits until its job ends.

        Raises:
            JobFailed: it did not succeed.
            NoAnswer: the service is away for minutes.
        """
        for event in self._connection.events(f"/jobs/{self.document['job_id']}/log/events"):
            if on_event is not None:
                on_event(event)
        self._check()

    def _check(self) -> None:
        self.refresh()
        if self.state != "succeeded":
            error = self.document.get("error") or {}
            raise JobFailed(
                f"the job {self.document['job_id']} {self.state}: {error.get('detail') or self.document.get('cause')}",
                hint=f"its log: GET /api/v1/jobs/{self.document['job_id']}/log",
            )


class RemoteJob(Resource):
    """One job."""

    collection = "/jobs"

    @property
    def state(self) -> str:
        """queued, running, succeeded, failed or cancelled, as the service said last."""
        return str(self.document["state"])

    def cancel(self) -> None:
        """Asks for its end."""
        self.document = self._connection.post(f"{self.path}:cancel")

    def retry(self) -> None:
        """Puts it back into the queue."""
        self.document = self._connection.post(f"{self.path}:retry")

    def log(self) -> str:
        """What its process printed."""
        after, lines = 0, []
        while True:
            part = self._connection.get(f"{self.path}/log", params={"after": after, "limit": 5000})
            lines += [line["text"] for line in part["lines"]]
            if part["next_after"] is None or not part["lines"]:
                return "".join(f"{line}\n" for line in lines)
            after = part["next_after"]

    def follow(self) -> Iterator[str]:
        """Its log, line by line, until it ends."""
        for event in self._connection.events(f"{self.path}/log/events"):
            if event.event == "line":
                yield str(event.data["text"])


class RemoteExploration(_WithJob):
    """One exploration."""

    collection = "/explorations"

    def wait(self, on_event: OnEvent | None = None) -> None:
        """Waits until it ends; `on_event` hears of its states and of its progress with the front so far."""
        for event in self._connection.events(f"{self.path}/events"):
            if on_event is not None:
                on_event(event)
        self._check()

    def front_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The front as an Arrow table."""
        return self._table("front", {}, columns)

    def front(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The front as a data frame: index, key, the numbers of the designs, every metric."""
        frame: pd.DataFrame = self.front_table(columns).to_pandas()
        return frame

    def entries(self) -> list[dict[str, Any]]:
        """The front with whole designs: the elements of front.json."""
        entries, cursor = [], None
        while True:
            params: dict[str, Any] = {"limit": 1000, "fields": "design,metrics"}
            part = self._connection.get(f"{self.path}/front", params=params | ({"cursor": cursor} if cursor else {}))
            entries += part["entries"]
            cursor = part["next_cursor"]
            if cursor is None:
                return entries

    def evaluations(
        self, columns: Sequence[str] | None = None, *, sample: int | None = None, seed: int = 0
    ) -> pd.DataFrame:
        """Every design that was priced, or a sample of them."""
        params = {"seed": seed} | ({"sample": sample} if sample is not None else {})
        frame: pd.DataFrame = self._table("evaluations", params, columns).to_pandas()
        return frame

    def report(self, index: int) -> dict[str, Any]:
        """The whole evaluation of one design of the front."""
        report: dict[str, Any] = self._connection.get(f"{self.path}/front/{index}/report")
        return report

    def generate(self, index: int, **options: Any) -> RemoteProject:
        """The HLS project of one design of the front."""
        return RemoteProject(
            self._connection, self._connection.post(f"{self.path}:generate", {"index": index, **options})
        )

    def suggest(self, count: int = 1, lease_s: float = 86_400.0) -> list[dict[str, Any]]:
        """Which designs to measure next: index, key, design, metrics."""
        answer = self._connection.post(f"{self.path}:suggest", {"count": count, "lease_s": lease_s})
        return list(answer["designs"])

    def tell(self, key: str, metrics: Mapping[str, float], *, provenance: str, source: str) -> dict[str, Any]:
        """What was measured of a design; all measurements so far, beside the predictions."""
        told = {"key": key, "metrics": dict(metrics), "provenance": provenance, "source": source}
        answer: dict[str, Any] = self._connection.post(f"{self.path}:tell", {"measurements": [told]})
        return answer

    def _table(self, what: str, params: dict[str, Any], columns: Sequence[str] | None) -> pa.Table:
        if columns is not None:
            params = {**params, "columns": ",".join(columns)}
        return read_table(
            self._connection.request(
                "GET", f"{self.path}/{what}", params=params, headers={"Accept": ARROW_STREAM}
            ).content
        )


class RemoteProject(_WithJob):
    """One generated project."""

    collection = "/projects"

    def download(self, target: Path | str) -> Path:
        """The project as a zip at `target`."""
        return self._connection.download(f"{self.path}/download", Path(target))

    def run(self, step: str, **options: Any) -> RemoteRun:
        """Runs csim, simulate or synthesize on it."""
        return RemoteRun(self._connection, self._connection.post(f"{self.path}:{step}", options))


class RemoteRun(_WithJob):
    """One run of a tool on a project."""

    @property
    def path(self) -> str:
        """Its path below /api/v1."""
        return f"/projects/{self.document['project_id']}/runs/{self.id}"

    @property
    def passed(self) -> bool | None:
        """Whether the tool was content; None without a report."""
        return self.document["passed"]  # type: ignore[no-any-return]

    def cancel(self) -> None:
        """Asks for its end."""
        self._connection.post(f"/jobs/{self.document['job_id']}:cancel")

    def reports(self) -> list[dict[str, Any]]:
        """What the tool reported, step by step."""
        listed = self._connection.get("/reports", params={"run_id": self.id})["items"]
        return [self._connection.get(f"/reports/{one['id']}")["document"] for one in reversed(listed)]


class RemoteSweep(Resource):
    """One sweep."""

    collection = "/sweeps"

    def explorations(self) -> list[RemoteExploration]:
        """Its explorations, newest first."""
        return [
            RemoteExploration(self._connection, one)
            for one in pages(self._connection, "/explorations", sweep_id=self.id)
        ]

    def cancel(self) -> None:
        """Asks for the end of all that has not ended."""
        self._connection.post(f"{self.path}:cancel")


def pages(connection: Connection, path: str, **filters: Any) -> Iterator[dict[str, Any]]:
    """Everything in a list, page by page."""
    params = {name: value for name, value in filters.items() if value is not None} | {"limit": 200}
    while True:
        page = connection.get(path, params=params)
        yield from page["items"]
        if page["next_cursor"] is None:
            return
        params["cursor"] = page["next_cursor"]


def read_table(content: bytes) -> pa.Table:
    """The table of an Arrow stream."""
    import pyarrow as pa

    with pa.ipc.open_stream(io.BytesIO(content)) as reader:
        return reader.read_all()
