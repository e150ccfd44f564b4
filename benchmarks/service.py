"""The interface under load: fronts, lists, a million evaluations, two hundred listeners; one server process.

    make bench-service

Writes build/bench/service.json. `reference` is GET /healthz of the same run, asked in turn with the lists: what a
request costs that does nothing.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pyarrow as pa

from benchmarks.record import bench_record
from db.data_folder import database_url, prepare_home
from db.job_state import JobState
from db.migrations import upgrade
from db.repositories.explorations import ResultVersions, StoredFrontEntry
from db.session import Database
from dse.progress import MAX_FRONT_POINTS
from dse.space import design_space
from flexdse.client import connect
from flexdse.serve import Address, start_background
from spec import catalog
from spec.exploration import ExplorationRequest
from spec.exploration_result import SearchRecord
from spec.metrics import METRICS
from spec.workload import Workload
from workers.enqueue import enqueue_exploration

SEED = 7
TARGET = Path("build/bench/service.json")
MODEL, DEVICE, DESIGN = "llama-3.2-1b", "u280", "flexllm-u280"
TOKENS = 1024
FRONT_DESIGNS = 10_000
EXPLORATIONS = 300
BATCH_DESIGNS = 1_000_000
ASKED = 300
LISTENERS = 200
EVENTS_PER_S = 10.0
LISTEN_S = 10.0
LEASE = timedelta(minutes=10)
EVALUATIONS = re.compile(rb'"evaluations":([0-9]+)')
ARROW = {"Accept": "application/vnd.apache.arrow.stream"}

BARS = {
    "front_p99_s": 0.050,
    "list_p99_s": 0.020,
    "batch_designs_per_s": 300_000.0,
    "sse_api_p99_s": 0.100,
    "validate_p99_s": 0.300,
}


def request_of(name: str) -> ExplorationRequest:
    """An exploration of the benchmark."""
    return ExplorationRequest(
        name=name,
        model=catalog.load_model(MODEL),
        device=catalog.load_device(DEVICE),
        workload=Workload(prompt_tokens=TOKENS, output_tokens=TOKENS),
    )


def front_entries(count: int) -> list[StoredFrontEntry]:
    """A front of that many designs, each document as large as a real one."""
    document = catalog.load_design(DESIGN).model_dump(mode="json", by_alias=True)
    rng = np.random.default_rng(SEED)
    entries = []
    for index in range(count):
        document["prefill"]["token_parallelism"] = 1 + index % 64
        metrics = {name: float(value) for name, value in zip(METRICS, rng.random(len(METRICS)), strict=True)}
        entries.append(StoredFrontEntry(index, f"{index:016x}", json.dumps(document), json.dumps(metrics)))
    return entries


def fill(database: Database) -> str:
    """Explorations that ended, one of them with the large front; its id."""
    record = SearchRecord(
        space_size=1,
        evaluations=1,
        feasible_evaluations=1,
        seconds=1.0,
        designs_per_s=1.0,
        exact=True,
        hypervolume=None,
        exact_hypervolume=None,
        hypervolume_ratio=None,
        reference_point=(),
        ideal_point=(),
    )
    versions = ResultVersions("0", "0", "0")
    last = ""
    for number in range(EXPLORATIONS):
        with database.write() as work:
            row, job = enqueue_exploration(work, request_of(f"number {number}"), owner="local")
            held = work.jobs.claim(kinds=[job.kind], queues=[job.queue], holder="bench", lease=LEASE)
            assert held is not None
            assert work.jobs.save_progress(held.id, held.attempt, progress_of(1, 1), LEASE)
            front = front_entries(FRONT_DESIGNS) if number == EXPLORATIONS - 1 else []
            work.explorations.publish(row.id, front, record, versions)
            work.jobs.finish(held.id, held.attempt, JobState.SUCCEEDED)
            last = row.id
    return last


def progress_of(number: int, total: int) -> dict[str, Any]:
    """A word of a search about its progress, as long as the longest real one."""
    return {
        "phase": "search",
        "evaluations": number,
        "total": total,
        "designs_per_s": 1.0,
        "eta_s": None,
        "feasible_fraction": None,
        "front": [[1.0 / 3.0, 0.007 / 3.0, 0.1 / 3.0]] * MAX_FRONT_POINTS,
        "hypervolume": None,
    }


def seconds_of(calls: Sequence[Callable[[], Any]], times: int) -> list[list[float]]:
    """Each of the calls in turn, so often; the seconds of each."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(times):
        for call, seconds in zip(calls, taken, strict=True):
            began = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - began)
    return taken


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile."""
    return {"p50_s": float(np.percentile(seconds, 50)), "p99_s": float(np.percentile(seconds, 99))}


def bench_front(client: httpx.Client, path: str) -> dict[str, Any]:
    """The front as Arrow, whole; as JSON with metrics only; and whole designs as JSON, all 10,000 of them."""

    def get(**options: Any) -> Callable[[], httpx.Response]:
        return lambda: client.get(f"{path}/front", **options).raise_for_status()

    arrow, page = get(headers=ARROW), get(params={"limit": 200})
    began = time.perf_counter()
    first = arrow()  # makes the table out of the rows, once
    first_s = time.perf_counter() - began
    etag = first.headers["etag"]
    assert pa.ipc.open_stream(first.content).read_all().num_rows == FRONT_DESIGNS

    def not_modified() -> None:
        assert client.get(f"{path}/front", headers={**ARROW, "If-None-Match": etag}).status_code == 304

    taken = seconds_of([arrow, not_modified, page], ASKED)
    as_json = seconds_of([get(params={"fields": "index,key,metrics"}), get()], 5)
    return {
        "designs": FRONT_DESIGNS,
        "arrow": {**summary(taken[0]), "first_s": first_s, "bytes": len(first.content)},
        "arrow_not_modified": summary(taken[1]),
        "json_page_of_200": summary(taken[2]),
        "json_metrics_of_all": {"p50_s": statistics.median(as_json[0])},
        "json_designs_of_all": {"p50_s": statistics.median(as_json[1])},
    }


def bench_lists(client: httpx.Client) -> dict[str, Any]:
    """First pages of the lists, in turn with /healthz."""
    paths = ["/healthz", "/api/v1/explorations?limit=50", "/api/v1/jobs?limit=50", "/api/v1/devices"]
    taken = seconds_of([lambda path=path: client.get(path).raise_for_status() for path in paths], ASKED)  # type: ignore[misc]
    return {path: summary(seconds) for path, seconds in zip(paths, taken, strict=True)}


def bench_validate(client: httpx.Client) -> dict[str, Any]:
    """What the form of the dashboard asks after each change: the size of a space that nobody asked about before."""
    body = {"model": MODEL, "device": DEVICE, "workload": {"prompt_tokens": TOKENS, "output_tokens": TOKENS}}
    began = time.perf_counter()
    both = {"quant_schemes": ["w4a4kv8", "w4a8kv8"]}  # the first on a card and of a scheme has most to find out
    client.post("/api/v1/explorations:validate", json={**body, "space": both}).raise_for_status()
    first_s = time.perf_counter() - began
    lanes = [{"decode.weight_parallelism": [8, last]} for last in (16, 24, 32, 48, 64, 96, 128, 192, 256)]
    tokens = [{"prefill.token_parallelism": [2, last]} for last in (4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32)]
    spaces = [{"restrict": restrict, **both} for restrict in (*lanes, *tokens)]
    taken = seconds_of(
        [
            lambda space=space: client.post(  # type: ignore[misc]
                "/api/v1/explorations:validate", json={**body, "space": space}
            ).raise_for_status()
            for space in spaces
        ],
        1,
    )
    return {"first_s": first_s, "spaces": len(spaces), **summary([seconds for (seconds,) in taken])}


def columns_of_designs(count: int) -> pa.Table:
    """Designs drawn from the whole space: as many distinct memory layouts as there can be."""
    space = design_space(catalog.load_model(MODEL), catalog.load_device(DEVICE))
    rng = np.random.default_rng(SEED)
    columns: dict[str, Any] = {}
    for stage, part in (("prefill", space.prefill), ("decode", space.decode)):
        found = part.columns(rng.integers(0, part.size, count))
        for name, column in found.items():
            if name == "clock_mhz":
                columns[f"clock_target_mhz.{stage}"] = column.astype(np.float32)
            elif name != "module_set":
                columns[f"{stage}.{name}"] = column.astype(np.int32)
    return pa.table(columns)


def bench_batch(address: Address) -> dict[str, Any]:
    """A million designs from a table to a table, over HTTP."""
    table = columns_of_designs(BATCH_DESIGNS)
    taken: list[float] = []
    bytes_out = 0
    with connect(address.url, address.token, timeout_s=300) as service:
        for _ in range(4):  # the first starts the processes
            began = time.perf_counter()
            priced = service.evaluate_many(
                table, design=DESIGN, model=MODEL, device=DEVICE, prompt_tokens=TOKENS, output_tokens=TOKENS
            )
            taken.append(time.perf_counter() - began)
            assert priced.num_rows == BATCH_DESIGNS
            bytes_out = priced.nbytes
    return {
        "designs": BATCH_DESIGNS,
        "first_s": taken[0],
        "seconds": taken[1:],
        "best_designs_per_s": BATCH_DESIGNS / min(taken[1:]),
        "median_designs_per_s": BATCH_DESIGNS / statistics.median(taken[1:]),
        "bytes_in": table.nbytes,
        "bytes_out": bytes_out,
    }


async def _listen(url: str, headers: dict[str, str], last: int) -> list[int]:
    """The numbers of the progress events that one listener gets, up to `last`."""
    seen: list[int] = []
    parts = urlsplit(url)
    # Bare sockets: two hundred clients of a library would keep this machine busier than the server.
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**20)
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": parts.netloc, **headers}.items())
    writer.write(f"GET {parts.path} HTTP/1.1\r\n{head}\r\n".encode())
    try:
        while line := await reader.readline():
            found = EVALUATIONS.search(line)
            if found is not None:
                seen.append(int(found.group(1)))
                if seen[-1] >= last:
                    break
    finally:
        writer.close()
    return seen


def listeners(url: str, headers: dict[str, str], last: int, ready: Any, results: Any) -> None:
    """In a process of its own: all listeners; what each of them got."""

    async def run() -> list[list[int]]:
        tasks = [asyncio.create_task(_listen(url, headers, last)) for _ in range(LISTENERS)]
        await asyncio.sleep(3)
        ready.set()
        return await asyncio.gather(*tasks)

    results.put(asyncio.run(run()))


def bench_events(address: Address, client: httpx.Client, database: Database) -> dict[str, Any]:
    """Two hundred listeners of a job that moves ten times a second, and other requests meanwhile."""
    with database.write() as work:  # submitted and claimed at once: no worker sees it
        row, job = enqueue_exploration(work, request_of("watched"), owner="local")
        held = work.jobs.claim(kinds=[job.kind], queues=[job.queue], holder="bench", lease=LEASE)
        assert held is not None
    count = int(EVENTS_PER_S * LISTEN_S)
    context = multiprocessing.get_context("spawn")
    ready, results = context.Event(), context.Queue()
    url = f"{address.url}/api/v1/explorations/{row.id}/events"
    process = context.Process(target=listeners, args=(url, address.headers, count, ready, results))
    process.start()
    ready.wait(60)
    taken: list[float] = []
    began = time.perf_counter()
    for number in range(1, count + 1):
        with database.write() as work:
            assert work.jobs.save_progress(held.id, held.attempt, progress_of(number, count), LEASE)
        while time.perf_counter() - began < number / EVENTS_PER_S:
            asked = time.perf_counter()
            client.get("/api/v1/explorations?limit=20").raise_for_status()
            taken.append(time.perf_counter() - asked)
            time.sleep(0.005)
    seen = results.get(timeout=120)
    process.join(10)
    with database.write() as work:
        work.jobs.finish(held.id, held.attempt, JobState.CANCELLED)
    expected = list(range(1, count + 1))
    complete = sum(numbers == expected for numbers in seen)
    return {
        "listeners": LISTENERS,
        "events_per_s": EVENTS_PER_S,
        "events": count * LISTENERS,
        "delivered": sum(len(set(numbers) & set(expected)) for numbers in seen),
        "complete_listeners": complete,
        "api": {**summary(taken), "requests": len(taken)},
    }


def main() -> int:
    """Runs all of it on one server; the exit code of the process: 1 where a bar is missed."""
    record = bench_record(seed=SEED)
    with tempfile.TemporaryDirectory(prefix="flexdse-bench-") as folder:
        home = prepare_home(Path(folder) / "home")
        url = database_url(home)
        upgrade(url)
        database = Database(url)
        try:
            exploration_id = fill(database)
            with (
                start_background(home=home, port=0, log=Path(folder) / "log") as service,
                httpx.Client(base_url=service.url, headers=service.address.headers, timeout=120) as client,
            ):
                front = bench_front(client, f"/api/v1/explorations/{exploration_id}")
                lists = bench_lists(client)  # not first: workers and broker start when the server answers
                events = bench_events(service.address, client, database)
                batch = bench_batch(service.address)
                validate = bench_validate(client)
        finally:
            database.close()
    reference = lists["/healthz"]
    slowest = max(lists.values(), key=lambda one: one["p99_s"])
    found = {
        **record,
        "reference": {"what": "GET /healthz in turn with the lists", **reference},
        "ratio": slowest["p50_s"] / reference["p50_s"],
        "front": front,
        "lists": lists,
        "batch": batch,
        "events": events,
        "validate": validate,
        "bars": {
            "front_p99_s": [front["arrow"]["p99_s"], BARS["front_p99_s"]],
            "list_p99_s": [slowest["p99_s"], BARS["list_p99_s"]],
            "batch_designs_per_s": [batch["median_designs_per_s"], BARS["batch_designs_per_s"]],
            "sse_delivered": [events["delivered"], events["events"]],
            "sse_api_p99_s": [events["api"]["p99_s"], BARS["sse_api_p99_s"]],
            "validate_p99_s": [validate["p99_s"], BARS["validate_p99_s"]],
        },
    }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    missed = [name for name, (value, bar) in found["bars"].items() if not _meets(name, value, bar)]
    for name in missed:
        sys.stderr.write(f"missed: {name}: {found['bars'][name]}\n")
    return 1 if missed else 0


def _meets(name: str, value: float, bar: float) -> bool:
    return value < bar if name.endswith("_s") and not name.endswith("_per_s") else value >= bar


if __name__ == "__main__":
    sys.exit(main())
