"""OpenTelemetry traces, where the environment asks for them; without, nothing of it is loaded or run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from spec.errors import InputError

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

EXPORTER_VARIABLE = "OTEL_TRACES_EXPORTER"
ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def telemetry_of(environment: Mapping[str, str]) -> TelemetryConfig:
    """What the standard variables ask for: spans to an OTLP collector, to the console, or none.

    Raises:
        InputError: what it needs is not installed.
    """
    exporter = environment.get(EXPORTER_VARIABLE, "").strip()
    if exporter == "console":
        _require("opentelemetry.sdk", "opentelemetry-sdk", exporter)
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
        return {"tracer_provider": provider, "tracing": True, "metrics": False, "logs": False, "operation_spans": False}
    if exporter != "none" and any(environment.get(name, "").strip() for name in ENDPOINT_VARIABLES):
        _require("opentelemetry.exporter.otlp", "opentelemetry-exporter-otlp", "otlp")
        return {"auto_configure": True, "tracing": True, "metrics": False, "logs": False}
    return {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}


def _require(module: str, package: str, exporter: str) -> None:
    try:
        found = find_spec(module) is not None
    except ModuleNotFoundError:
        found = False
    if not found:
        raise InputError(
            "traces are asked for and cannot be sent",
            field=EXPORTER_VARIABLE,
            value=exporter,
            rule=f"the package {package} must be installed",
            hint=f"install {package}, or set {EXPORTER_VARIABLE}=none",
        )
