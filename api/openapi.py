"""The OpenAPI document, the contract that clients are generated from: `python -m api.openapi` prints it."""

from __future__ import annotations

import json
import sys
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import PROBLEM_MEDIA_TYPE

_FRAMEWORK_SCHEMAS = ("HTTPValidationError", "ValidationError")


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
            # Any path may also answer 403 (see api.gate), 500 or 503.
            operation["responses"]["default"] = {"description": "Any other problem", "content": problem}


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

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes, openapi_version="3.1.0"
            )
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
