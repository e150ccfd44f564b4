"""What every request passes before anything else: host, origin, type and size of the body.

The service listens on the loopback address without a password. What it must fear there is a web page in the user's
own browser: one that was pointed here by DNS rebinding (refused by its Host), or one that posts a form or a script's
request (refused by its Origin, and by the content type that no form can send).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem_body
from api.problems import PROBLEM_MEDIA_TYPE, ForbiddenError, MediaTypeError, TooLargeError
from api.settings import ApiSettings
from spec.errors import FlexDSEError

EVALUATE_PATH = "/api/v1/designs:evaluate"

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def host_name(authority: str) -> str:
    """`127.0.0.1:8000` without its port; `[::1]` keeps its brackets."""
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].lower()


class Gate:
    """ASGI middleware; refuses with a problem document."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            headers = Headers(scope=scope)
            self._check_sender(headers)
            if _has_body(headers):
                receive = await self._checked_body(scope, headers, receive)
        except FlexDSEError as error:
            await _refuse(error, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _check_sender(self, headers: Headers) -> None:
        host = headers.get("host", "")
        if host_name(host) not in self._settings.allowed_hosts:
            raise ForbiddenError(
                "this server does not answer under that name",
                field="Host",
                value=host,
                rule=f"must be one of {', '.join(sorted(self._settings.allowed_hosts))}",
                hint="open the address that the server printed",
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise ForbiddenError(
                "requests from pages of another site are refused",
                field="Origin",
                value=origin,
                rule="must be the address of this server",
                hint="send the request from this server's own page, or outside of a browser",
            )

    async def _checked_body(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise MediaTypeError(
                "the body is not declared as JSON",
                field="Content-Type",
                value=media_type,
                rule="must be application/json",
                hint="set the header Content-Type",
            )
        limit = self._settings.body_limit_bytes
        if scope["path"] == EVALUATE_PATH:
            limit = self._settings.evaluate_body_limit_bytes
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise _too_large(limit)
        return await _buffered(receive, limit)


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError("the body is too large", field="body", rule=f"at most {limit} bytes", hint="send less at once")


async def _buffered(receive: Receive, limit: int) -> Receive:
    """Reads the whole body, as every route needs it whole, and stops where it gets too large."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break  # the client left
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        more = message.get("more_body", False)
    body: Message | None = {"type": "http.request", "body": b"".join(chunks), "more_body": False}

    async def replay() -> Message:
        nonlocal body
        if body is not None:
            message, body = body, None
            return message
        return await receive()

    return replay


async def _refuse(error: FlexDSEError, send: Send) -> None:
    content = problem_body(error)
    headers = [
        (b"content-type", PROBLEM_MEDIA_TYPE.encode()),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),  # the rest of the body may still be on its way
    ]
    await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
