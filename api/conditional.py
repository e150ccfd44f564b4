"""ETag and 304: a client that has the current answer already gets none again."""

from __future__ import annotations

import hashlib

from pydantic import BaseModel
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.scopes import API_PREFIX
from api.problems import PreconditionError

_KEPT_WITH_304 = ("cache-control", "content-location", "date", "etag", "vary")  # RFC 9110, 15.4.5


def etag_of(*parts: str | bytes) -> str:
    """A strong entity tag of that content."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    return f'"{digest.hexdigest()}"'


def etag_of_model(shown: BaseModel) -> str:
    """The entity tag of a resource that is shown as that document."""
    return etag_of(shown.model_dump_json(by_alias=True))


def matches(header: str | None, etag: str) -> bool:
    """`If-None-Match` names that tag (weak comparison, RFC 9110, 13.1.2)."""
    if header is None:
        return False
    return any(part.strip() in ("*", etag, f"W/{etag}") for part in header.split(","))


def check_unchanged(if_match: str | None, shown: BaseModel) -> None:
    """Refuses a change by somebody who saw another state of the resource.

    Raises:
        PreconditionError: `If-Match` names another entity tag.
    """
    if if_match is not None and not matches(if_match, etag_of_model(shown)):
        raise PreconditionError(
            "the resource changed since you read it",
            field="If-Match",
            value=if_match,
            rule="must be the ETag of the newest answer",
            hint="read it again, and change what you find",
        )


class Conditional:
    """ASGI middleware: gives every whole answer of the API to a GET its ETag, and answers 304 where that is known."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(API_PREFIX):
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Exchange(Headers(scope=scope).get("if-none-match"), send))


class _Exchange:
    """One answer on its way out."""

    def __init__(self, if_none_match: str | None, send: Send) -> None:
        self._wanted = if_none_match
        self._send = send
        self._held: Message | None = None  # the head of an answer that is hashed before it goes
        self._body: list[bytes] = []
        self._is_known = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._start(message)
        elif self._is_known:
            return
        elif self._held is None:
            await self._send(message)
        else:
            self._body.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._finish(self._held, b"".join(self._body))

    async def _start(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        if message["status"] != 200 or ("etag" not in headers and "content-length" not in headers):
            await self._send(message)  # a problem, or a stream whose end nobody waits for
        elif "etag" not in headers:
            self._held = message
        elif matches(self._wanted, headers["etag"]):
            await self._not_modified(message)
        else:
            await self._send(message)

    async def _finish(self, head: Message, body: bytes) -> None:
        headers = MutableHeaders(scope=head)
        headers["etag"] = etag_of(body)
        if matches(self._wanted, headers["etag"]):
            await self._not_modified(head)
        else:
            await self._send(head)
            await self._send({"type": "http.response.body", "body": body})

    async def _not_modified(self, head: Message) -> None:
        self._is_known = True
        kept = [(name, value) for name, value in head["headers"] if name.decode().lower() in _KEPT_WITH_304]
        await self._send({"type": "http.response.start", "status": 304, "headers": kept})
        await self._send({"type": "http.response.body", "body": b""})
