"""What the quality figures of a front rest on: measured, predicted with a band, or published, scheme by scheme."""

from __future__ import annotations

import math

from spec.cost_report import QualityReport
from spec.exploration_result import ExplorationResult


def quality_text(quality: QualityReport) -> str:
    """What the number says, what it rests on, and its band; of a quality that has a value."""
    band = (
        "" if quality.low is None or quality.high is None else f", between {quality.low:+.1%} and {quality.high:+.1%}"
    )
    return f"perplexity {quality.value:+.1%} over unquantized, {quality.kind}{band} ({quality.detail})"


def front_quality(result: ExplorationResult) -> list[str]:
    """A line for each scheme of the front, where quality is an objective or a bound; in the order of the front.

    The tables may have changed since a saved front was found: then the line says so.
    """
    from cost_models.quality import quality_report

    request = result.request
    if not any("quality" in goal for goal in (*request.objectives, *request.constraints)):
        return []
    found: dict[str, str] = {}
    for entry in result.front:
        scheme, value = entry.design.quant_scheme, entry.metrics.get("quality")
        if scheme.name in found or value is None:
            continue
        now = quality_report(request.model, scheme)
        same = now.value is not None and math.isclose(now.value, value, rel_tol=1e-9, abs_tol=1e-12)
        found[scheme.name] = quality_text(now) if same else f"perplexity {value:+.1%}, by tables that are not here now"
    return [f"quality of {name}: {said}" for name, said in found.items()]
