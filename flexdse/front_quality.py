"""What the quality figures of a front rest on: measured, predicted with a band, or published, scheme by scheme."""

from __future__ import annotations

import math
from typing import Literal

from spec.cost_report import QualityReport
from spec.exploration_result import ExplorationResult

OTHER_TABLES = "by tables that are not here now"


class SchemeQuality(QualityReport):
    """Quality of one scheme of a front, as exploration.json has it."""

    scheme: str
    unit: Literal["fraction"] = "fraction"  # of the unquantized model's perplexity, that is added to it


def quality_text(quality: QualityReport) -> str:
    """What the number says, what it rests on, and its band; of a quality that has a value."""
    band = (
        "" if quality.low is None or quality.high is None else f", between {quality.low:+.1%} and {quality.high:+.1%}"
    )
    return f"perplexity {quality.value:+.1%} over unquantized, {quality.kind}{band} ({quality.detail})"


def scheme_qualities(result: ExplorationResult) -> list[SchemeQuality]:
    """Kind, band and source of the quality of each scheme of the front, in its order.

    The tables may have changed since a saved front was found: then its value has no kind, and `detail` says so.
    """
    from cost_models.quality import quality_report

    found: dict[str, SchemeQuality] = {}
    for entry in result.front:
        scheme, value = entry.design.quant_scheme, entry.metrics.get("quality")
        if scheme.name in found:
            continue
        now = quality_report(result.request.model, scheme)
        if value is None:
            reason = OTHER_TABLES if now.missing is None else now.missing
            found[scheme.name] = SchemeQuality(scheme=scheme.name, value=None, missing=reason)
        elif now.value is not None and math.isclose(now.value, value, rel_tol=1e-9, abs_tol=1e-12):
            found[scheme.name] = SchemeQuality(scheme=scheme.name, **now.model_dump())
        else:
            found[scheme.name] = SchemeQuality(scheme=scheme.name, value=value, missing=None, detail=OTHER_TABLES)
    return list(found.values())


def front_quality(result: ExplorationResult) -> list[str]:
    """A line for each scheme of the front, where quality is an objective or a bound; in the order of the front."""
    request = result.request
    if not any("quality" in goal for goal in (*request.objectives, *request.constraints)):
        return []
    return [
        f"quality of {one.scheme}: "
        + (f"perplexity {one.value:+.1%}, {one.detail}" if one.kind is None else quality_text(one))
        for one in scheme_qualities(result)
        if one.value is not None
    ]
