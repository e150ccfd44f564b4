from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from api.openapi import openapi_text

SLOW_TO_LOAD = {"optuna", "ortools", "pandas", "scipy", "torch"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_printed_document_is_the_same_at_every_run() -> None:
    printed = subprocess.run([sys.executable, "-m", "api.openapi"], capture_output=True, text=True, check=True).stdout
    assert printed == openapi_text()


def test_contract() -> None:
    document = json.loads(openapi_text())
    assert document["openapi"].startswith("3.1")
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status == "default" or int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (name, status)
        if "requestBody" in operation:
            assert {"400", "413", "415", "422"} <= set(operation["responses"]), name
        assert operation["description"], name


def test_every_reference_leads_somewhere() -> None:
    text = openapi_text()
    schemas = json.loads(text)["components"]["schemas"]
    used = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert used <= set(schemas)
    assert not {name for name in schemas if "ValidationError" in name}


def test_served_document_is_the_printed_one(service: Any) -> None:
    assert service.client.get("/api/v1/openapi.json").json() == json.loads(openapi_text())


def test_start_loads_nothing_heavy() -> None:
    script = "import json, sys, flexdse.serve; from api.app import create_app; from api.settings import ApiSettings\n"
    script += "create_app(ApiSettings(database_url='sqlite:///unused'))\n"
    script += "print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert SLOW_TO_LOAD.isdisjoint(json.loads(loaded))
