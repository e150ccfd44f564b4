"""Errors of the vendor tools: each names the class of its cause and a way out."""

from __future__ import annotations

from typing import Any

from spec.errors import FlexDSEError, InputError
from spec.synthesis_report import SynthesisCause, SynthesisStepReport


class SynthesisStepError(FlexDSEError):
    """A step failed. `cause` is its class; `report` is what was also written to reports/<step>.json."""

    def __init__(
        self, message: str, *, cause: SynthesisCause, report: SynthesisStepReport | None = None, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.cause = cause
        self.report = report
        self.code = f"synthesis_{cause}"


class StepNotPossibleError(InputError):
    """A step builds on one that is not done."""

    code = "step_not_possible"
    http_status = 409


class ProjectBusyError(FlexDSEError):
    """Another run works on this project."""

    code = "project_busy"
    http_status = 409
