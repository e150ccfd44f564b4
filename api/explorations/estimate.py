"""How long a search will take, by what the last ones on this service took."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from db.repositories.explorations import FinishedSearch

LAST_SEARCHES = 20

# Seconds on a machine with two idle cores, as `make bench-search` shows them: to start, for a stage design of the exact
# front (which a sampled search is measured against), for an evaluation by the sampler, and for one times the number of
# all before it where the sampler looks at all of them.
_START_S = 2.0
_STAGE_DESIGN_S = 3e-6
_EVALUATION_S = {"random": 4e-4, "qmc": 4e-4, "nsga2": 7e-4, "nsga3": 1.2e-3, "stagewise": 2e-3, "tpe": 5e-3, "gp": 0.2}
_GROWTH_S = {"tpe": 1e-4, "gp": 2e-2}
_OTHER_EVALUATION_S = 1e-3


def _formula_s(method: str, stage_designs: int, budget: int) -> float:
    seconds = _START_S + stage_designs * _STAGE_DESIGN_S
    if method == "exact":
        return seconds
    return seconds + budget * (_EVALUATION_S.get(method, _OTHER_EVALUATION_S) + _GROWTH_S.get(method, 0.0) * budget / 2)


def estimated_seconds(
    method: str, stage_designs: int, budget: int, finished: Sequence[FinishedSearch]
) -> tuple[float, int]:
    """Seconds of a search, and how many earlier ones say how fast this service is; with none, it is a guess.

    `stage_designs`: legal designs of both stages.
    """
    known = [search for search in finished if search.method == method] or list(finished)
    slowness = [factor for factor in map(_slowness, known) if factor is not None]
    usual = statistics.median(slowness) if slowness else 1.0
    return usual * _formula_s(method, stage_designs, budget), len(slowness)


def _slowness(search: FinishedSearch) -> float | None:
    """How much longer it took than by the formula."""
    record: dict[str, Any] = search.record
    designs = sum(stage["legal_designs"] for stage in record.get("stages", ()))
    if search.started_at is None or search.finished_at is None or not designs:
        return None
    took_s = (search.finished_at - search.started_at).total_seconds()
    return took_s / _formula_s(search.method, designs, record["evaluations"])
