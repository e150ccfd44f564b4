"""The OpenAPI document, the contract that clients are generated from: `python -m api.openapi` prints it."""

from __future__ import annotations

import json
import sys
from threading import Lock
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.access.scopes import API_PREFIX, needed_scope
from api.media import JSON
from api.openapi_examples import add_examples
from api.problems import GATE_PROBLEMS, PROBLEM_MEDIA_TYPE, title_of

_FRAMEWORK_SCHEMAS = ("HTTPValidationError", "ValidationError")


_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "the token of the data folder (the file `token` in it), or an API key",
}
_COOKIE = {
    "type": "apiKey",
    "in": "cookie",
    "name": "flexdse_session_<port>",
    "description": "of the browser; POST /session sets it",
}


def _declare_access(document: dict[str, Any]) -> None:
    """Which scope an operation needs, and what the gate answers with before the operation is asked."""
    document["components"]["securitySchemes"] = {"bearer": _BEARER, "session": _COOKIE}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scope = needed_scope(method.upper(), path)
            operation["security"] = [{"bearer": []}, {"session": []}] if scope is not None else []
            if scope is not None:
                operation["x-scope"] = scope.value
                for status in (*GATE_PROBLEMS, 503):
                    operation["responses"].setdefault(str(status), {"description": title_of(status)})
            else:  # a foreign Host or Origin is refused everywhere
                operation["responses"].setdefault("403", {"description": title_of(403)})


def _declare_unknown_names(document: dict[str, Any]) -> None:
    """A query parameter that an operation does not have is refused everywhere."""
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].setdefault("422", {"description": title_of(422)})


def _declare_not_modified(document: dict[str, Any]) -> None:
    """Every JSON answer of the API to a GET has an ETag, and is not sent to who has it."""
    known = {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "maxLength": 1000},
    }
    for path, operations in document["paths"].items():
        operation = operations.get("get")
        if operation is None or not path.startswith(API_PREFIX):
            continue
        answers = operation["responses"]
        if JSON in answers.get("200", {}).get("content", {}):
            answers["200"].setdefault("headers", {})["ETag"] = {"schema": {"type": "string"}}
            answers.setdefault("304", {"description": "Not modified"})
            parameters = operation.setdefault("parameters", [])
            if not any(parameter["name"].lower() == "if-none-match" for parameter in parameters):
                parameters.append(known)


def _declare_problems(document: dict[str, Any]) -> None:
    """Every answer from 400 on is a problem document, in its own media type, whatever the framework would declare."""
    problem = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in document["paths"].values():
        for operation in path.values():
            answers: dict[str, Any] = operation["responses"]
            for status, answer in answers.items():
                if int(status) >= 400:
                    answer["content"] = problem
            if "422" in answers:
                answers["422"]["description"] = "The input breaks a rule"
            operation["responses"] = dict(sorted(answers.items()))


def _describe_streams(document: dict[str, Any]) -> None:
    """The framework calls a stream a string; what its messages hold is what a client wants to know."""
    for path in document["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                stream = answer.get("content", {}).get("text/event-stream", {})
                if "oneOf" in stream.get("schema", {}):
                    stream["schema"].pop("type", None)


def install_openapi(app: FastAPI) -> None:
    """Makes `app.openapi()` tell the truth about problem documents."""

    lock = Lock()

    def openapi() -> dict[str, Any]:
        with lock:
            return _document()

    def _document() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes, openapi_version="3.1.0"
            )
            _declare_access(document)
            _declare_unknown_names(document)
            _declare_not_modified(document)
            add_examples(document)
            _declare_problems(document)
            _describe_streams(document)
            for name in _FRAMEWORK_SCHEMAS:
                document["components"]["schemas"].pop(name, None)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def openapi_text() -> str:
    """The document as text, the same at every run."""
    from api.app import create_app
    from api.settings import ApiSettings

    app = create_app(ApiSettings(database_url="sqlite:///unused"))
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_text())
