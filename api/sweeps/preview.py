"""What a sweep would explore and how long that takes, before it is submitted."""

from __future__ import annotations

import json

from api.explorations.estimate import LAST_SEARCHES, estimate
from api.explorations.preview import checked
from api.sweeps.schemas import SweepFile, SweepInput, SweepNight, SweepPreview
from db.base import utc_now
from db.session import Database
from spec.exploration import ExplorationRequest

SHOWN_TITLES = 100
MOST_SPACES = 32  # one that was never looked at takes some tenths of a second


def previewed(database: Database, body: SweepInput | SweepFile) -> SweepPreview:
    """The explorations of a sweep, when the first of them may start, and the likely time of all.

    Raises:
        InputError: one of them could not be asked for, or would fail at once.
        InfeasibleError: a model breaks a rule that no design can mend.
    """
    requests, titles = _explorations(body)
    return SweepPreview(
        explorations=len(requests),
        titles=tuple(titles[:SHOWN_TITLES]),
        night=SweepNight.coming(body.window if isinstance(body, SweepFile) else None, utc_now()),
        estimated_seconds=_seconds(database, requests),
    )


def _explorations(body: SweepInput | SweepFile) -> tuple[list[ExplorationRequest], list[str]]:
    if isinstance(body, SweepInput):
        requests = body.requests()
        return requests, [request.name for request in requests]
    models, devices = body.documents()
    cases = body.all_cases()
    return [body.request(case, models[case.model], devices[case.device]) for case in cases], [c.title for c in cases]


def _seconds(database: Database, requests: list[ExplorationRequest]) -> float | None:
    """Of all of them one after the other; None for too many spaces. How large a space is, its workload hardly says."""
    spaces: dict[str, int] = {}
    with database.read() as work:
        finished = work.explorations.finished_last(LAST_SEARCHES)
    total = 0.0
    for request in requests:
        space = None if request.space is None else request.space.model_dump(mode="json")
        key = json.dumps([request.model.name, request.device.name, request.method, request.objectives, space])
        if key not in spaces:
            if len(spaces) == MOST_SPACES:
                return None
            found = checked(request)
            spaces[key] = found.prefill_designs + found.decode_designs
        limit_s = request.floorplan_limit_s if request.floorplan else None
        total += estimate(request.method, spaces[key], request.budget, limit_s, finished).seconds
    return total
