"""What is kept of every request: an id that the answer carries too, one line of log, metrics, the audit log."""

from __future__ import annotations

import logging
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.audit import DETAIL, AuditTrail
from api.access.principal import PRINCIPAL, Principal
from api.access.rates import Rates
from api.access.scopes import API_PREFIX, SESSION_PATH, is_change
from api.metrics import RequestMetrics
from spec.errors import printable

logger = logging.getLogger("flexdse.api.access")

REQUEST_ID = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
_NOBODY = "-"
_PATH_CHARS = 200
_REFUSED = (401, 403, 429)
_REFUSALS_PER_S, _REFUSALS_BURST = 1.0, 60  # of one address: a flood of them must not fill the database


@dataclass(slots=True)
class _Seen:
    """One request on its way."""

    request_id: str
    began_s: float = field(default_factory=time.perf_counter)
    status: int = 0
    is_stream: bool = False


class Observe:
    """ASGI middleware around all others."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._refusals = Rates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID.lower(), "")
        seen = _Seen(given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8))

        async def watching(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = seen.request_id
                seen.is_stream = headers.get("content-type", "").startswith("text/event-stream")
                if seen.is_stream:
                    self._metrics.streams.inc()
            await send(message)

        try:
            await self._app(scope, receive, watching)
        finally:
            if seen.is_stream:
                self._metrics.streams.dec()
            self._note(scope, seen)
            if self._for_audit(scope, seen):
                trail: AuditTrail = scope["app"].state.audit
                trail.note(_audit_entry(scope, seen))

    def _for_audit(self, scope: Scope, seen: _Seen) -> bool:
        """What changed something, or tried to; and whatever was refused to somebody who showed a credential."""
        changes = is_change(scope["method"], scope["path"])
        if seen.status in _REFUSED:
            headers = Headers(scope=scope)
            if not changes and "authorization" not in headers and "cookie" not in headers:
                return False  # a stranger who looks around
            return not self._refusals.take(_remote(scope), _REFUSALS_PER_S, _REFUSALS_BURST)
        if scope.get(PRINCIPAL) is None:
            return scope["path"] == SESSION_PATH and scope["method"] == "POST" and seen.status == 200
        return changes

    def _note(self, scope: Scope, seen: _Seen) -> None:
        seconds = time.perf_counter() - seen.began_s
        method, route = scope["method"], _route(scope)
        self._metrics.requests.labels(method, route, str(seen.status or 499)).inc()
        if not seen.is_stream:
            self._metrics.latency.labels(method, route).observe(seconds)
        owner = _owner(scope)
        path = printable(scope["path"], _PATH_CHARS)  # without its query, which may hold a token
        level = logging.INFO if route != "/healthz" else logging.DEBUG
        logger.log(
            level,
            "%s %s %d %.1f ms owner=%s request=%s",
            method,
            path,
            seen.status,
            1000 * seconds,
            owner,
            seen.request_id,
            extra={
                "request_id": seen.request_id,
                "method": method,
                "route": route,
                "path": path,
                "status": seen.status,
                "duration_s": round(seconds, 6),
                "owner": owner,
                **{name: value for name, value in scope.get("path_params", {}).items() if name.endswith("_id")},
            },
        )


def _audit_entry(scope: Scope, seen: _Seen) -> dict[str, Any]:
    principal: Principal | None = scope.get(PRINCIPAL)
    return {
        "owner": _owner(scope),
        "key_id": principal.key_id if principal is not None else None,
        "action": f"{scope['method']} {_route(scope) if 'route' in scope else printable(scope['path'])}"[:64],
        "resource": printable(scope["path"], _PATH_CHARS)[:255],
        "status": seen.status,
        "remote": _remote(scope),
        "request_id": seen.request_id,
        "detail": scope.get(DETAIL),
    }


def _remote(scope: Scope) -> str:
    return str(scope["client"][0] if scope.get("client") else "unknown")[:64]


def _owner(scope: Scope) -> str:
    principal: Principal | None = scope.get(PRINCIPAL)
    return principal.owner if principal is not None else _NOBODY


def _route(scope: Scope) -> str:
    """The template of the path: bounded in number, as labels of metrics have to be."""
    path = getattr(scope.get("route"), "path", None)
    if path is None:
        return "other"
    # A router that is part of another knows the rest of its paths only.
    prefix = API_PREFIX.rstrip("/")
    return f"{prefix}{path}" if scope["path"].startswith(API_PREFIX) and not path.startswith(prefix) else str(path)
