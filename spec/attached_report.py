"""A tool report that was made elsewhere, attached to its project, and where a measured value comes from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spec.strict import StrictModel
from spec.synthesis_report import SynthesisReport
from spec.workload import Stage

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
DesignKey = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="DesignPoint.canonical_key()")]
Text = Annotated[str, Field(min_length=1, max_length=300)]


class Lineage(StrictModel):
    """Model version -> design -> project -> run -> report: what a measured value goes back to."""

    model_version: Text
    timing_table_version: Text
    design_key: DesignKey
    project_sha256: Annotated[Sha256, Field(description="of manifest.json, which holds the hash of each file")]
    run: Annotated[Text, Field(description="tool and version, or the simulation, that made the report")]
    report_sha256: Sha256


class AttachedReport(StrictModel):
    """reports/attached/<stage>-<kind>-<first 12 digits of the report's hash>.json in a project."""

    schema_name: Annotated[Literal["flexdse/attached_report/v1"], Field(alias="schema")] = "flexdse/attached_report/v1"
    stage: Stage
    file_name: Text
    lineage: Lineage
    checked: Annotated[tuple[str, ...], Field(description="what was compared with the project: part, clock, top")]
    report: SynthesisReport
