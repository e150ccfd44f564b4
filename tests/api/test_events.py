from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from pydantic import TypeAdapter

from api.explorations.schemas import ExplorationEvent

Events = Callable[[httpx.Response], Iterator[dict[str, Any]]]


def listen(service: Any, path: str, read_events: Events, last_event_id: str | None = None) -> list[dict[str, Any]]:
    headers = dict({"Last-Event-ID": last_event_id} if last_event_id is not None else {})
    # A connection of its own: many listen at once.
    headers |= service.client.headers
    with httpx.stream("GET", f"{service.url}{path}/events", headers=headers, timeout=60) as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        return list(read_events(stream))


def test_live_from_queued_to_done(service: Any, read_events: Events) -> None:
    events = listen(service, service.submit(1.0), read_events)
    adapter: TypeAdapter[Any] = TypeAdapter(ExplorationEvent)
    for event in events:
        adapter.validate_python(event)  # as the OpenAPI document promises
    states = [event["data"]["state"] for event in events if event["event"] == "state"]
    assert states in (["queued", "running", "succeeded"], ["running", "succeeded"])
    fronts = [len(event["data"]["front"]) for event in events if event["event"] == "progress"]
    assert len(fronts) >= 3
    assert fronts == sorted(fronts)
    ids = [int(event["id"]) for event in events]
    assert ids == sorted(set(ids))
    assert events[-1]["event"] == "done"
    assert events[-1]["data"] == {"state": "succeeded", "front_size": 3, "cause": None, "error": None}


def test_stream_of_what_ended_tells_the_end(service: Any, read_events: Events) -> None:
    path = service.submit()
    service.wait(path)
    assert [event["event"] for event in listen(service, path, read_events)] == ["progress", "state", "done"]


def test_coming_back_gets_only_what_is_newer(service: Any, read_events: Events) -> None:
    path = service.submit(1.5)
    seen = []
    with service.client.stream("GET", f"{path}/events") as stream:
        for event in read_events(stream):
            seen.append(event)
            if event["event"] == "progress":
                break  # the connection is lost here
    rest = listen(service, path, read_events, seen[-1]["id"])
    assert min(int(event["id"]) for event in rest) > int(seen[-1]["id"])
    assert rest[-1]["event"] == "done"
    # Who got everything is told to stay away: a browser would come back for ever.
    answer = service.client.get(f"{path}/events", headers={"Last-Event-ID": rest[-1]["id"]})
    assert (answer.status_code, answer.content) == (204, b"")


def test_ids_that_are_not_ours_count_as_none(service: Any, read_events: Events) -> None:
    path = service.submit()
    service.wait(path)
    for strange in ("999999", "x", "-1", "1.5"):
        assert [event["event"] for event in listen(service, path, read_events, strange)][-1] == "done"


def test_failure_is_told(service: Any, read_events: Events) -> None:
    path = service.submit(30)
    threading.Timer(0.3, lambda: service.client.post(f"{path}:cancel")).start()
    assert listen(service, path, read_events)[-1]["data"]["state"] == "cancelled"


def test_many_listeners_get_the_same(service: Any, read_events: Events) -> None:
    path = service.submit(1.0)
    heard: list[list[dict[str, Any]]] = []
    threads = [threading.Thread(target=lambda: heard.append(listen(service, path, read_events))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(heard) == 20
    assert {events[-1]["event"] for events in heard} == {"done"}
    assert len({str(events[-1]) for events in heard}) == 1


def test_unknown_exploration(service: Any, assert_problem: Callable[..., Any]) -> None:
    assert_problem(service.client.get("/api/v1/explorations/none/events"), 404, "not_found", "exploration_id")
