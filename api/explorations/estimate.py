"""How long a search will take, by what the last ones on this service took."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from db.repositories.explorations import FinishedSearch

LAST_SEARCHES = 20

# Seconds on a machine with two idle cores, as `make bench-search` shows them: what a search takes before and after it prices
# (to start, to price and store the designs behind the front), for a stage design of the exact front (which a sampled search
# is measured against), for an evaluation by the sampler, for one times the number of all before it where the sampler
# looks at all of them, and for the assignment of a front to SLRs.
_START_S = 3.0
_STAGE_DESIGN_S = 1e-6
_EVALUATION_S = {"random": 4e-4, "qmc": 4e-4, "nsga2": 7e-4, "nsga3": 1.2e-3, "stagewise": 2e-3, "tpe": 5e-3, "gp": 0.2}
_GROWTH_S = {"tpe": 1e-4, "gp": 2e-2}
_OTHER_EVALUATION_S = 1e-3
_FLOORPLAN_S = 10.0

_LEAST_SLOWNESS = 0.05  # of the rate: a start that took long leaves no search less


@dataclass(frozen=True, slots=True)
class Estimate:
    """The likely time of a search.

    `seconds`: all of it, `floorplan_s` included. `searches`: earlier ones that it rests on; `of_rate`: those of them that
    were long enough to tell how fast this service prices. Where that is 0, the rate is that of a common machine.
    """

    seconds: float
    floorplan_s: float
    searches: int
    of_rate: int


def estimate(
    method: str,
    stage_designs: int,
    budget: int,
    floorplan_limit_s: float | None,
    finished: Sequence[FinishedSearch],
) -> Estimate:
    """What a search takes: the start, which does not grow with the designs, the pricing, which does, and the floorplan.

    `stage_designs`: legal designs of both stages; `floorplan_limit_s`: null where the floorplan is not asked.
    """
    known = [search for search in finished if search.method == method] or list(finished)
    seen = [found for found in map(_seen, known) if found is not None]
    overall = _median([took / (_START_S + work) for work, took in seen])
    # A short search tells what the start takes, a long one how fast the designs are priced.
    start_s = _START_S * _median([took / (_START_S + work) for work, took in seen if work <= _START_S], overall)
    rates = [max((took - start_s) / work, _LEAST_SLOWNESS) for work, took in seen if work > _START_S]
    floorplan_s = 0.0
    if floorplan_limit_s is not None:  # solving the front again may take as much again
        floorplan_s = min(_median([s for s in map(_floorplan_s, finished) if s], _FLOORPLAN_S), 2 * floorplan_limit_s)
    seconds = start_s + _median(rates) * _work_s(method, stage_designs, budget) + floorplan_s
    return Estimate(seconds, floorplan_s, len(seen), len(rates))


def _median(values: Sequence[float], otherwise: float = 1.0) -> float:
    return statistics.median(values) if values else otherwise


def _work_s(method: str, stage_designs: int, budget: int) -> float:
    """What grows with the designs."""
    seconds = stage_designs * _STAGE_DESIGN_S
    if method == "exact":
        return seconds
    return seconds + budget * (_EVALUATION_S.get(method, _OTHER_EVALUATION_S) + _GROWTH_S.get(method, 0.0) * budget / 2)


def _floorplan_s(search: FinishedSearch) -> float:
    return float((search.record.get("floorplan") or {}).get("seconds", 0.0))


def _seen(search: FinishedSearch) -> tuple[float, float] | None:
    """Its work on a common machine, and what it took without the floorplan; None where the record does not say."""
    designs = sum(stage["legal_designs"] for stage in search.record.get("stages", ()))
    if search.started_at is None or search.finished_at is None or not designs:
        return None
    took_s = (search.finished_at - search.started_at).total_seconds() - _floorplan_s(search)
    return _work_s(search.method, designs, search.record["evaluations"]), max(took_s, 0.0)
