"""Turns every error into a problem document."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic.fields import FieldInfo
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from api.access.audit import DETAIL as AUDIT_DETAIL
from api.problems import (
    PROBLEM_MEDIA_TYPE,
    MethodNotAllowedError,
    NotFoundError,
    TooManyRequestsError,
    UnauthorizedError,
)
from api.strict_route import JSON_BODY, WHOLE_BODY, ProblemException
from spec.errors import NO_VALUE, FlexDSEError, InputError, InputErrors, echo
from spec.strict import dotted
from spec.value_rules import value_rule

logger = logging.getLogger("flexdse.api")

# A dotted path as `spec.strict.dotted` writes it.
_FIELD_PATH = re.compile(r"[^.\[\]\s]+(\.[^.\[\]\s]+|\[\d+\])*")

_PLACES = ("body", "query", "path", "header", "cookie")


def problem_response(problem: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """A problem document as an answer."""
    return JSONResponse(problem, status_code=problem["status"], headers=headers, media_type=PROBLEM_MEDIA_TYPE)


def with_pointers(problem: dict[str, Any], body: Any, *, may_lack: bool) -> dict[str, Any]:
    """`problem` with a JSON pointer beside each dotted path of a field that `body` has; with `may_lack`, of every field."""
    for error in problem.get("errors", ()):
        if "field" in error and (pointer := json_pointer(error["field"], body, may_lack=may_lack)) is not None:
            error["pointer"] = pointer
    return problem


def json_pointer(field: str, body: Any, *, may_lack: bool) -> str | None:
    """`memory_map.ports[3].width_bits` as `/memory_map/ports/3/width_bits`; None for what is no such path in `body`.

    `may_lack`: the last parts of it may be missing there. Keys with dots are told from paths by what `body` has.
    """
    if field == WHOLE_BODY:
        return ""
    parts, rest, there = _walked(body, field)
    if rest and parts and not isinstance(there, dict | list):
        rest = ""  # what stands for something larger, such as the name of a device: the pointer ends there
    if rest and not (may_lack and _FIELD_PATH.fullmatch(rest)):
        return None
    parts += re.findall(r"[^.\[\]]+", rest)
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def _walked(body: Any, field: str) -> tuple[list[str], str, Any]:
    """The keys and indices of `field` that `body` has, what of the field comes after them, and what is there."""
    parts: list[str] = []
    while field:
        if isinstance(body, dict):
            key = next((key for key in sorted(body, key=len, reverse=True) if _begins(field, key)), None)
            if key is None:
                break
            body, field = body[key], field[len(key) :].removeprefix(".")
            parts.append(key)
            continue
        index = re.match(r"\[(\d+)\]\.?", field)
        if not isinstance(body, list) or index is None or int(index[1]) >= len(body):
            break
        body, field = body[int(index[1])], field[index.end() :]
        parts.append(index[1])
    return parts, field, body


def _begins(field: str, key: str) -> bool:
    return bool(key) and field.startswith(key) and field[len(key) :][:1] in ("", ".", "[")


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


async def _on_flexdse_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FlexDSEError)
    if error.http_status >= 500:
        logger.error("%s", error)
    request.scope[AUDIT_DETAIL] = {"problem": error.code}
    problem = error.to_problem()
    if JSON_BODY in request.scope:  # a field may be in the body or elsewhere, such as in the path
        with_pointers(problem, request.scope[JSON_BODY], may_lack=False)
    return problem_response(problem, problem_headers(error))


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
        body = request.scope.get(JSON_BODY)
        return problem_response(with_pointers(error.error.to_problem(), body, may_lack=True))
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


def _to_input_error(entry: dict[str, Any], parameters: dict[str, FieldInfo]) -> InputError:
    """`parameters`: of the route, by name."""
    location = tuple(entry["loc"])
    if location and location[0] in _PLACES:
        location = location[1:] or location
    parameter = parameters.get(str(location[0])) if location else None
    meaning = parameter.description if parameter is not None else None
    message, way_out = value_rule(entry, parameter)
    if entry["type"] == "string_pattern_mismatch" and meaning is not None:
        message = "not of the form that this parameter has"  # an expression for programs says little to a user
    return InputError(
        f"{dotted(location)}: {message}",
        field=dotted(location),
        value=NO_VALUE if entry["type"] == "missing" else entry.get("input"),
        rule=message,
        hint=f"{location[0]}: {meaning}" if meaning is not None else f"{way_out}; /docs describes every parameter",
    )


def _parameters(route: Any) -> dict[str, FieldInfo]:
    if not isinstance(route, APIRoute):
        return {}
    return {field.alias: field.field_info for field in get_flat_params(route.dependant)}


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    parameters = _parameters(request.scope.get("route"))
    found = [_to_input_error(entry, parameters) for entry in error.errors()]
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
