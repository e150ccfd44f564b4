"""The hub by itself, with a database that only counts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from api.events import EventHub, Snapshot, StreamEvent


class Story:
    """A job whose version the test moves on."""

    def __init__(self) -> None:
        self.version = 1
        self.is_final = False
        self.is_deleted = False
        self.reads = 0
        self.renders = 0

    @contextmanager
    def read(self) -> Iterator[Any]:
        self.reads += 1
        versions = {} if self.is_deleted else {"job": self.version}
        yield SimpleNamespace(jobs=SimpleNamespace(versions=lambda _ids: versions))

    def render(self) -> Snapshot | None:
        self.renders += 1
        if self.is_deleted:
            return None
        return Snapshot(self.version, (StreamEvent(self.version, "progress", "{}"),), self.is_final)


def hub_of(story: Story) -> EventHub:
    return EventHub(story, poll_s=0.01)  # type: ignore[arg-type]


async def collect(hub: EventHub, story: Story, after: int = 0) -> list[int]:
    return [event.id async for event in hub.stream("job", after, story.render)]


async def follow_slowly(versions: int) -> tuple[list[int], list[int]]:
    """What a client gets that pauses while a job moves on, and what another one gets that does not."""
    story = Story()
    hub = hub_of(story)
    quickly: list[int] = []

    async def listen() -> None:
        async for event in hub.stream("job", 0, story.render):
            quickly.append(event.id)

    quick = asyncio.create_task(listen())
    stream = hub.stream("job", 0, story.render)
    seen = [(await anext(stream)).id]
    while not quickly:
        await asyncio.sleep(0.001)
    for version in range(2, versions):
        story.version, renders = version, story.renders
        while story.renders == renders:  # the hub has seen this version
            await asyncio.sleep(0.001)
    story.is_final, story.version = True, versions
    await quick
    return seen + [event.id async for event in stream], quickly


def test_client_that_is_slow_for_a_moment_misses_nothing() -> None:
    slowly, quickly = asyncio.run(follow_slowly(40))
    assert slowly == quickly == list(range(1, 41))


def test_client_that_is_slow_for_long_skips_to_what_is_kept() -> None:
    slowly, quickly = asyncio.run(follow_slowly(200))
    assert quickly == list(range(1, 201))
    assert slowly == [1, *range(200 - 127, 201)]


def test_deleted_job_ends_the_stream() -> None:
    async def scenario() -> list[int]:
        story = Story()
        listening = asyncio.create_task(collect(hub_of(story), story))
        await asyncio.sleep(0.05)
        story.is_deleted = True
        return await asyncio.wait_for(listening, 1)

    assert asyncio.run(scenario()) == [1]


def test_closing_ends_every_stream_and_every_new_one() -> None:
    async def scenario() -> list[list[int]]:
        story = Story()
        hub = hub_of(story)
        listening = [asyncio.create_task(collect(hub, story)) for _ in range(3)]
        await asyncio.sleep(0.05)
        hub.close()
        return [await asyncio.wait_for(task, 1) for task in [*listening, asyncio.create_task(collect(hub, story))]]

    assert asyncio.run(scenario()) == [[1], [1], [1], []]


def test_many_clients_cost_one_poll_and_none_cost_nothing() -> None:
    async def scenario() -> tuple[int, int]:
        story = Story()
        hub = hub_of(story)
        listening = [asyncio.create_task(collect(hub, story)) for _ in range(50)]
        await asyncio.sleep(0.1)
        renders = story.renders
        story.is_final, story.version = True, 2
        await asyncio.gather(*listening)
        await asyncio.sleep(0.05)
        reads = story.reads
        await asyncio.sleep(0.1)
        return renders, story.reads - reads

    renders, reads_of_an_idle_hub = asyncio.run(scenario())
    assert renders <= 50
    assert reads_of_an_idle_hub == 0
