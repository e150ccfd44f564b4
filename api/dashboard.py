"""The built dashboard at `/`: files as they are, and index.html for every path that the page itself routes."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlencode

from fastapi.responses import HTMLResponse
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import FileResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.authenticator import Authenticator
from api.errors import problem_headers, problem_response
from api.problems import MethodNotAllowedError, NotFoundError, UnauthorizedError
from db.bundled import bundled
from spec.errors import FlexDSEError

# No inline script, nothing from elsewhere. Style attributes stay possible: charts place their labels with them.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "style-src-attr 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)

_NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>FlexDSE</title></head>
<body><h1>FlexDSE</h1>
<p>The service runs, but its dashboard is not built. Run <code>make dashboard</code> and load this page again.</p>
<p>The interface is described in <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</p>
</body></html>
"""

_API_PATHS = ("/api/", "/healthz", "/readyz", "/metrics", "/docs")
_TOKEN_PARAMETER = "token"


class Dashboard:
    """ASGI middleware: takes the paths that are not the API's."""

    def __init__(self, app: ASGIApp, directory: Path | None) -> None:
        self._app = app
        self._directory = directory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_API_PATHS) or scope["path"] == "/api":
            await self._app(scope, receive, send)
            return
        response = await self._signed_in(scope) or self._response(scope)
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        await response(scope, receive, send)

    async def _signed_in(self, scope: Scope) -> Response | None:
        """The answer to an address with a token: the same without it, and the cookie that stands for it from now on.

        So the token does not stay in the address bar, in the history or in a log.
        """
        request = HTTPConnection(scope)
        credential = request.query_params.get(_TOKEN_PARAMETER)
        if credential is None or scope["method"] != "GET":
            return None
        authenticator: Authenticator = scope["flexdse.authenticator"]
        remote = request.client.host if request.client is not None else "unknown"
        rest = [(name, value) for name, value in request.query_params.multi_items() if name != _TOKEN_PARAMETER]
        path = "/" + quote(scope["path"].lstrip("/"))  # one slash: two would name another host
        try:
            principal = await authenticator.by_credential(scope["app"].state.database, credential, remote)
        except UnauthorizedError as error:
            if "text/html" not in request.headers.get("accept", ""):
                return problem_response(error.to_problem(), problem_headers(error))
            # A bookmark of yesterday: the page asks for today's token.
            refused = f"{path}?{urlencode([*rest, ('signin', 'refused')])}"
            return Response(status_code=303, headers={"Location": refused, "Cache-Control": "no-store"})
        except FlexDSEError as error:
            return problem_response(error.to_problem(), problem_headers(error))
        target = f"{path}?{urlencode(rest)}" if rest else path
        cookie = authenticator.cookie(request, principal, credential)
        return Response(
            status_code=303, headers={"Location": target, "Set-Cookie": cookie, "Cache-Control": "no-store"}
        )

    def _response(self, scope: Scope) -> Response:
        path: str = scope["path"]
        if scope["method"] not in ("GET", "HEAD"):
            refused = MethodNotAllowedError(
                f"{scope['method']} is not possible here",
                field="method",
                value=scope["method"],
                rule="allowed: GET, HEAD",
            )
            return problem_response(refused.to_problem(), {"Allow": "GET, HEAD"})
        # Looked for at each request: `make dashboard` may run beside the server.
        directory = self._directory or bundled("dashboard")
        if directory is None:
            return HTMLResponse(_NOT_BUILT) if path == "/" else _nothing_at(path)
        found = _file_in(directory, path)
        if found is not None and found.name != "index.html":
            return FileResponse(found, headers={"Cache-Control": _cache_control(path)})
        wants_page = "." not in Path(path).name and _takes_html(Headers(scope=scope).get("accept"))
        if found is not None or wants_page:
            return FileResponse(directory / "index.html", headers={"Cache-Control": "no-cache"})
        return _nothing_at(path)


def _file_in(directory: Path, path: str) -> Path | None:
    """The file that `path` names inside `directory`; nothing outside of it, neither by `..` nor by a link."""
    if "\x00" in path:
        return None
    root = directory.resolve()
    candidate = (root / path.lstrip("/")).resolve()
    if candidate == root:
        return root / "index.html"
    return candidate if candidate.is_relative_to(root) and candidate.is_file() else None


def _takes_html(accept: str | None) -> bool:
    """Browsers ask for HTML by name, curl takes anything; a script that asks for JSON wants no page."""
    return accept is None or any(range_ in accept for range_ in ("text/html", "text/*", "*/*"))


def _cache_control(path: str) -> str:
    # The names of built assets hold a hash of their content.
    return "public, max-age=31536000, immutable" if path.startswith("/assets/") else "no-cache"


def _nothing_at(path: str) -> Response:
    missing = NotFoundError("there is nothing at this path", field="path", value=path, rule="must be a page or a file")
    return problem_response(missing.to_problem())
