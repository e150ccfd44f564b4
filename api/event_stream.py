"""Server-sent events over HTTP."""

from __future__ import annotations

import re

from sse_starlette import EventSourceResponse

RECONNECT_MS = 1000
_EVENT_ID = re.compile(r"(?:done-)?([0-9]{1,18})")


class EventStream(EventSourceResponse):
    """An answer that goes on."""

    media_type = "text/event-stream"  # for the OpenAPI document; the base class knows it too late


def event_number(last_event_id: str | None) -> int:
    """The number in a Last-Event-ID; a browser sends back whatever it got last, and what is not ours counts as 0."""
    match = _EVENT_ID.fullmatch(last_event_id or "")
    return int(match.group(1)) if match is not None else 0
