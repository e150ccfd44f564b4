from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from api.tracing import telemetry_of
from spec.errors import InputError


def test_each_request_is_a_span_where_the_environment_asks_for_it(
    in_process: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    client = in_process(authentication=False)
    capsys.readouterr()
    assert client.get("/api/v1/devices/u280").status_code == 200
    span = json.loads(capsys.readouterr().out)
    assert span["attributes"]["http.response.status_code"] == 200
    assert "/devices/{name}" in span["name"]


def test_without_it_there_is_none(in_process: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    in_process(authentication=False).get("/healthz")
    assert capsys.readouterr().out == ""
    assert telemetry_of({}).get("tracing") is False
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}
    assert telemetry_of({**endpoint, "OTEL_TRACES_EXPORTER": "none"}).get("tracing") is False


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp", None)
    with pytest.raises(InputError, match="cannot be sent") as caught:
        telemetry_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"})
    assert "opentelemetry-exporter-otlp" in str(caught.value)
