"""Turns every error into a problem document."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from api.problems import (
    PROBLEM_MEDIA_TYPE,
    MethodNotAllowedError,
    NotFoundError,
    TooManyRequestsError,
    UnauthorizedError,
)
from api.strict_route import ProblemException
from spec.errors import FlexDSEError, InputError, InputErrors, echo
from spec.strict import dotted

logger = logging.getLogger("flexdse.api")

# A dotted path as `spec.strict.dotted` writes it.
_FIELD_PATH = re.compile(r"[^.\[\]\s]+(\.[^.\[\]\s]+|\[\d+\])*")

_PLACES = ("body", "query", "path", "header", "cookie")


def problem_response(problem: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """A problem document as an answer."""
    return JSONResponse(problem, status_code=problem["status"], headers=headers, media_type=PROBLEM_MEDIA_TYPE)


def with_pointers(problem: dict[str, Any]) -> dict[str, Any]:
    """`problem` with a JSON pointer beside each dotted path of a field."""
    for error in problem.get("errors", ()):
        if "field" in error and (pointer := json_pointer(error["field"])) is not None:
            error["pointer"] = pointer
    return problem


def json_pointer(field: str) -> str | None:
    """`memory_map.ports[3].width_bits` as `/memory_map/ports/3/width_bits`; None for what is no such path."""
    if not _FIELD_PATH.fullmatch(field):
        return None
    parts = re.findall(r"[^.\[\]]+", field)
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def problem_body(error: FlexDSEError) -> bytes:
    """The problem document of `error` for those who answer below FastAPI."""
    return json.dumps(error.to_problem()).encode()


def problem_headers(error: FlexDSEError) -> dict[str, str]:
    """The headers that go with it."""
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": 'Bearer realm="flexdse"'}
    if isinstance(error, TooManyRequestsError):
        return {"Retry-After": str(error.retry_after_s)}
    return {}


async def _on_flexdse_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, FlexDSEError)
    if error.http_status >= 500:
        logger.error("%s", error)
    return problem_response(error.to_problem(), problem_headers(error))


def _allowed_methods(app: FastAPI, path: str) -> list[str]:
    """Every method of that path. The framework would name those of one route, and several can share a path."""
    allowed: set[str] = set()
    for template, operations in app.openapi()["paths"].items():
        if compile_path(template)[0].fullmatch(path):
            allowed.update(method.upper() for method in operations)
    return sorted(allowed) or ["GET"]  # the OpenAPI document is the one route that it does not list


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, ProblemException):  # raised while a body was read: fields are places in that body
        return problem_response(with_pointers(error.error.to_problem()))
    if error.status_code == 404:
        missing = NotFoundError(
            "there is nothing at this path",
            field="path",
            value=request.url.path,
            rule="must be a path of the API",
            hint="GET /api/v1/openapi.json lists them",
        )
        return problem_response(missing.to_problem())
    if error.status_code == 405:
        # In a thread: the document that knows them takes seconds to make, once.
        allowed = ", ".join(await run_in_threadpool(_allowed_methods, request.app, request.url.path))
        refused = MethodNotAllowedError(
            f"{request.method} is not possible here",
            field="method",
            value=request.method,
            rule=f"allowed: {allowed}",
        )
        return problem_response(refused.to_problem(), {"Allow": allowed})
    problem = {
        "type": "about:blank",
        "title": str(error.detail),
        "status": error.status_code,
        "detail": str(error.detail),
    }
    return problem_response(problem, dict(error.headers) if error.headers else None)


def _to_input_error(entry: dict[str, Any]) -> InputError:
    location = tuple(entry["loc"])
    if location and location[0] in _PLACES:
        location = location[1:] or location
    message = str(entry["msg"]).removeprefix("Value error, ")
    return InputError(f"{dotted(location)}: {message}", field=dotted(location), value=entry.get("input"), rule=message)


async def _on_validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [_to_input_error(entry) for entry in error.errors()]
    return problem_response((found[0] if len(found) == 1 else InputErrors(found)).to_problem())


async def _on_unexpected(request: Request, error: Exception) -> Response:
    # The server logs the traceback; nobody outside reads it.
    logger.error("%s %s failed: %s", request.method, echo(request.url.path), type(error).__name__)
    problem = {
        "type": "urn:flexdse:problem:internal_error",
        "title": "internal error",
        "status": 500,
        "detail": "this should not have happened; the log of the server says more",
    }
    # The server closes the connection after an exception: a client that is not told would lose its next request.
    return problem_response(problem, {"Connection": "close"})


def install_error_handlers(app: FastAPI) -> None:
    """Every answer that is not a success becomes a problem document."""
    app.add_exception_handler(FlexDSEError, _on_flexdse_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(Exception, _on_unexpected)
