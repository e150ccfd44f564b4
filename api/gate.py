"""What every request passes before anything else: host, origin, credential, scope, rate, type and size of the body.

What a service on the loopback address must fear is a web page in the user's own browser: one that was pointed here by
DNS rebinding (refused by its Host), or one that posts a form or a script's request (refused by its Origin, and by the
content type that no form can send); and the other users of a shared machine (refused without the token). What one on
another address must fear besides is everybody (docs/threat_model.md).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.audit import DETAIL as AUDIT_DETAIL
from api.access.authenticator import Authenticator
from api.access.principal import PRINCIPAL
from api.access.rates import Rates
from api.access.scopes import API_PREFIX, EVALUATE_PATH, needed_scope
from api.errors import problem_body, problem_headers
from api.media import ARROW_STREAM, JSON
from api.problems import (
    PROBLEM_MEDIA_TYPE,
    ForbiddenError,
    InsufficientScopeError,
    MediaTypeError,
    NotFoundError,
    TooLargeError,
    TooManyRequestsError,
)
from api.settings import ApiSettings
from spec.errors import FlexDSEError, InputError

UPLOAD_PATHS = ("/api/v1/devices", "/api/v1/models", "/api/v1/calibrations", "/api/v1/reports")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# An answer of the API that is opened as a page must not be able to do anything.
API_CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


def host_name(authority: str) -> str:
    """`127.0.0.1:8000` without its port; `[::1]` keeps its brackets."""
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].lower()


def body_limit_bytes(settings: ApiSettings, path: str) -> int:
    """The largest body of a route."""
    return settings.evaluate_body_limit_bytes if path in (EVALUATE_PATH, *UPLOAD_PATHS) else settings.body_limit_bytes


class Gate:
    """ASGI middleware; refuses with a problem document."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._settings = settings
        self._rates = Rates()
        self._authenticator = Authenticator(settings, self._rates)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from_api = scope["path"].startswith(API_PREFIX)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if from_api:
                    headers.setdefault("Content-Security-Policy", API_CONTENT_SECURITY_POLICY)
                    headers.setdefault("Cache-Control", "private, no-cache")
            await send(message)

        try:
            headers = Headers(scope=scope)
            self._check_sender(scope, headers)
            _check_address(scope)
            scope["flexdse.authenticator"] = self._authenticator
            await self._admit(scope, headers)
            if _has_body(headers):
                receive = await self._checked_body(scope, headers, receive)
        except FlexDSEError as error:
            scope[AUDIT_DETAIL] = {"problem": error.code}
            await _refuse(error, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _check_sender(self, scope: Scope, headers: Headers) -> None:
        host = headers.get("host", "")
        # The address that the request came to is no name that somebody could rebind; Prometheus scrapes replicas by it.
        own_address = (scope.get("server") or ("",))[0]
        if host_name(host) not in self._settings.allowed_hosts | {own_address}:
            raise ForbiddenError(
                "this server does not answer under that name",
                field="Host",
                value=host,
                rule=f"must be one of {', '.join(sorted(self._settings.allowed_hosts))}",
                hint="open the address that the server printed, or start it with --allowed-host",
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

    async def _admit(self, scope: Scope, headers: Headers) -> None:
        """Finds out who sends this request, and whether that one may; leaves it in the scope, None where anybody may."""
        needed = needed_scope(scope["method"], scope["path"])
        scope[PRINCIPAL] = None
        if needed is None:
            return
        remote = scope["client"][0] if scope.get("client") else "unknown"
        principal = await self._authenticator.principal(scope["app"].state.database, headers, remote)
        scope[PRINCIPAL] = principal
        if principal.limits is not None:
            per_s, burst = principal.limits.requests_per_s, principal.limits.burst_requests
            wait_s = self._rates.take(f"key|{principal.key_id}", per_s, burst)
            if wait_s:
                rule = f"{per_s:g} requests a second and {burst} at once with this key"
                raise TooManyRequestsError("too many requests with this key", wait_s, rule=rule)
        if needed not in principal.scopes:
            raise InsufficientScopeError(
                f"this key may not do this: it needs the scope {needed.value}",
                field="scopes",
                value=", ".join(sorted(one.value for one in principal.scopes)),
                rule=f"must hold {needed.value}",
                hint=f"use a key with that scope: flexdse keys issue NAME --scope {needed.value}",
            )

    async def _checked_body(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        path = scope["path"]
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        taken = (JSON, ARROW_STREAM) if path == EVALUATE_PATH else (JSON,)
        if media_type not in taken:
            raise MediaTypeError(
                "the body is not declared as JSON"
                if len(taken) == 1
                else "the body is neither JSON nor an Arrow stream",
                field="Content-Type",
                value=media_type,
                rule=f"must be {' or '.join(taken)}",
                hint="set the header Content-Type",
            )
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding != "identity":
            raise MediaTypeError(
                "compressed bodies are not taken",
                field="Content-Encoding",
                value=encoding,
                rule="must be identity",
                hint="send the body as it is",
            )
        limit = body_limit_bytes(self._settings, path)
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise _too_large(limit)
        return await _buffered(receive, limit)


def _check_address(scope: Scope) -> None:
    # No name or id holds one, and PostgreSQL takes it for an error of ours.
    if "\0" in scope["path"]:
        rule = "must be a path of the API"
        raise NotFoundError("there is nothing at this path", field="path", value=scope["path"], rule=rule)
    if b"%00" in scope["query_string"]:
        rule = "must be text without the character NUL"
        raise InputError("the query holds the character NUL", field="query", rule=rule, hint="leave it out")


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
        *((name.lower().encode(), value.encode()) for name, value in problem_headers(error).items()),
    ]
    await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
