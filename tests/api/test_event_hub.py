"""The hub by itself, with a database that only counts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from api.events import _KEPT_EVENTS, EventHub, Snapshot, StreamEvent


class Told:
    """A job whose version the test moves on; its story begins at `first`."""

    def __init__(self, first: int = 1) -> None:
        self.version = 1
        self.first = first
        self.is_final = False
        self.is_deleted = False
        self.reads = 0
        self.asked = 0

    @contextmanager
    def read(self) -> Iterator[Any]:
        self.reads += 1
        versions = {} if self.is_deleted else {"job": self.version}
        yield SimpleNamespace(jobs=SimpleNamespace(versions=lambda _ids: versions))

    def event(self, version: int) -> StreamEvent:
        is_end = self.is_final and version == self.version
        return StreamEvent(version, "done" if is_end else "progress", "{}")

    def now(self) -> Snapshot | None:
        self.asked += 1
        return None if self.is_deleted else Snapshot(self.version, (self.event(self.version),), self.is_final)

    def after(self, version: int) -> list[StreamEvent]:
        self.asked += 1
        return [self.event(v) for v in range(max(version + 1, self.first), self.version + 1)][:50]


def hub_of(told: Told) -> EventHub:
    return EventHub(told, poll_s=0.01)  # type: ignore[arg-type]


async def collect(hub: EventHub, told: Told, after: int = 0) -> list[int]:
    return [event.id async for event in hub.stream("job", after, told)]


async def follow(versions: int, jump: int) -> tuple[list[int], list[int]]:
    """What a client gets that pauses while a job moves on by `jump` versions at once, and one that does not."""
    told = Told()
    hub = hub_of(told)
    quickly: list[int] = []

    async def listen() -> None:
        async for event in hub.stream("job", 0, told):
            quickly.append(event.id)

    quick = asyncio.create_task(listen())
    stream = hub.stream("job", 0, told)
    seen = [(await anext(stream)).id]
    while not quickly:
        await asyncio.sleep(0.001)
    for version in range(2, versions, jump):
        told.version = version
        while quickly[-1] < version:
            await asyncio.sleep(0.001)
    told.is_final, told.version = True, versions
    await quick
    return seen + [event.id async for event in stream], quickly


@pytest.mark.parametrize(("versions", "jump"), [(40, 1), (40, 7), (_KEPT_EVENTS + 100, 1), (_KEPT_EVENTS + 100, 60)])
def test_every_version_is_delivered_once_to_quick_and_to_slow(versions: int, jump: int) -> None:
    """However many versions a poll finds, and however far a client is behind."""
    slowly, quickly = asyncio.run(follow(versions, jump))
    assert slowly == quickly == list(range(1, versions + 1))


@pytest.mark.parametrize("after", [1, 3, 399, 400, 500, 599])
def test_coming_back_gets_exactly_what_was_missed(after: int) -> None:
    async def scenario() -> list[int]:
        told = Told()
        told.is_final, told.version = True, 600
        return await collect(hub_of(told), told, after)

    assert asyncio.run(scenario()) == list(range(after + 1, 601))


def test_coming_back_to_a_story_that_is_not_kept_gets_what_is() -> None:
    async def scenario(first: int) -> list[int]:
        told = Told(first)
        told.is_final, told.version = True, 600
        return await collect(hub_of(told), told, 10)

    assert asyncio.run(scenario(580)) == list(range(580, 601))
    assert asyncio.run(scenario(601)) == [600]  # nothing but what the job is now


def test_deleted_job_ends_the_stream() -> None:
    async def scenario() -> list[int]:
        told = Told()
        listening = asyncio.create_task(collect(hub_of(told), told))
        await asyncio.sleep(0.05)
        told.is_deleted = True
        return await asyncio.wait_for(listening, 1)

    assert asyncio.run(scenario()) == [1]


def test_closing_ends_every_stream_and_every_new_one() -> None:
    async def scenario() -> list[list[int]]:
        told = Told()
        hub = hub_of(told)
        listening = [asyncio.create_task(collect(hub, told)) for _ in range(3)]
        await asyncio.sleep(0.05)
        hub.close()
        return [await asyncio.wait_for(task, 1) for task in [*listening, asyncio.create_task(collect(hub, told))]]

    assert asyncio.run(scenario()) == [[1], [1], [1], []]


def test_many_clients_cost_one_poll_and_none_cost_nothing() -> None:
    async def scenario() -> tuple[int, int]:
        told = Told()
        hub = hub_of(told)
        listening = [asyncio.create_task(collect(hub, told)) for _ in range(50)]
        await asyncio.sleep(0.1)
        asked = told.asked
        told.is_final, told.version = True, 2
        await asyncio.gather(*listening)
        await asyncio.sleep(0.05)
        reads = told.reads
        await asyncio.sleep(0.1)
        return asked, told.reads - reads

    asked, reads_of_an_idle_hub = asyncio.run(scenario())
    assert asked <= 50
    assert reads_of_an_idle_hub == 0
