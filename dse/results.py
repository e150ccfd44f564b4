"""Results of searches: the front as design points with their metrics, and the record of how it was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cost_models.report import metrics_of
from dse.arms import Arm, legal_designs
from dse.exact import ExactFront
from dse.objectives import Goals
from dse.pareto import cover, hypervolume, ideal_and_nadir, knees
from dse.progress import Reporter
from spec.design_batch import FloatArray, IntArray
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationResult, FloorplanCheck, FrontEntry, SearchRecord, StageEnumeration

if TYPE_CHECKING:
    from dse.study import StudyResult

MAX_FRONT = 20_000  # designs of a result; a larger front is thinned, and the record says how far


@dataclass(frozen=True, slots=True)
class Placed:
    """What the floorplan says of a front, or why it was not asked."""

    check: FloorplanCheck | None
    missing: str | None = None

    @property
    def gap(self) -> str | None:
        """What keeps the front from being proven."""
        if self.check is None or self.check.cut == 0:
            return None
        if not self.check.complete:
            return f"the floorplan still refused designs after {self.check.rounds} rounds: they were left out"
        return None


def _stages(exact: ExactFront) -> tuple[StageEnumeration, ...]:
    return tuple(stage.record() for front in exact.arms for stage in (front.prefill, front.decode))


def _natural(scaled: FloatArray, goals: Goals, like: FloatArray) -> tuple[float, ...]:
    """A scaled point back in the units of the objectives; `like`: the front, which decides what is logarithmic."""
    values = scaled * goals.signs
    logarithmic = [o.logarithmic and bool(np.all(like[:, i] > 0)) for i, o in enumerate(goals.objectives)]
    return tuple(float(np.exp(v) if log else v) for v, log in zip(values, logarithmic, strict=True))


def _distance(best: float, front_size: int) -> dict[str, str]:
    """Why there is no share of the exact hypervolume."""
    if best > 0:
        return {}
    reason = "the exact front is a single point: its volume is 0"
    if front_size > 1:
        reason = (
            f"the {front_size} designs of the exact front span no volume below their nadir: these objectives hardly "
            "conflict, a design that is best in one is nearly best in all"
        )
    return {"hypervolume_ratio": reason}


def _unplaced(placed: Placed) -> dict[str, str]:
    return {} if placed.missing is None else {"floorplan": placed.missing}


def _undefined(found: StudyResult, goals: Goals) -> dict[str, str]:
    """Objectives that have no value in some of the evaluations."""
    counts = np.isnan(found.values).sum(axis=0).tolist()
    return {
        objective.name: f"no value in {count:,} of {found.evaluations:,} evaluations: they count as unfit"
        for objective, count in zip(goals.objectives, counts, strict=True)
        if count
    }


def exact_result(
    request: ExplorationRequest, goals: Goals, exact: ExactFront, placed: Placed, reporter: Reporter
) -> ExplorationResult:
    """The result of the exact method."""
    keep, gap = _kept(exact.values, goals, request)
    values = exact.values[keep]
    every = goals.scaled(exact.values)
    scaled = every[keep]
    ideal, nadir = ideal_and_nadir(every)
    whole = hypervolume(every, nadir)
    volume = whole if len(keep) == len(every) else hypervolume(scaled, nadir)
    seconds = reporter.seconds
    gaps = [text for text in (exact.gap, placed.gap, exact.pair_gap, gap) if text]
    arms = [front.arm for front in exact.arms]
    front, place = entries(arms, exact.arm[keep], exact.prefill_index[keep], exact.decode_index[keep])
    record = SearchRecord(
        space_size=exact.space_size,
        legal_designs=legal_designs(arms),
        evaluations=exact.priced,
        feasible_evaluations=exact.feasible,
        seconds=seconds,
        designs_per_s=exact.priced / max(seconds, 1e-9),
        exact=True,
        stages=_stages(exact),
        hypervolume=volume,
        exact_hypervolume=whole,
        hypervolume_ratio=volume / whole if whole > 0 else None,
        reference_point=_natural(nadir, goals, exact.values),
        ideal_point=_natural(ideal, goals, exact.values),
        proof=exact.proof(),
        gap="; ".join(gaps) or None,
        knees=_knees(scaled, place),
        floorplan=placed.check,
        missing={**_distance(whole, len(exact.values)), **_unplaced(placed)},
    )
    reporter.report("done", exact.priced, exact.feasible, lambda: values, force=True, hypervolume=volume)
    return ExplorationResult(request=request, front=front, record=record)


def sampled_result(
    request: ExplorationRequest,
    goals: Goals,
    exact: ExactFront,
    found: StudyResult,
    placed: Placed,
    arms: Sequence[Arm],
    reporter: Reporter,
    volume_of: Callable[[FloatArray], float],
) -> ExplorationResult:
    """The result of a sampled search; `exact`: the front of the same space, its yardstick."""
    ideal, nadir = ideal_and_nadir(goals.scaled(exact.values))
    best = volume_of(exact.values)
    keep, gap = _kept(found.front, goals, request)
    volume = volume_of(found.front[keep]) if len(keep) else 0.0
    front, place = entries(arms, found.arm[keep], found.prefill_index[keep], found.decode_index[keep])
    record = SearchRecord(
        space_size=exact.space_size,
        legal_designs=legal_designs(arms),
        evaluations=found.evaluations,
        feasible_evaluations=found.feasible,
        seconds=found.seconds,
        designs_per_s=found.evaluations / max(found.seconds, 1e-9),
        exact=False,
        stages=_stages(exact),
        hypervolume=volume,
        exact_hypervolume=best,
        hypervolume_ratio=volume / best if best > 0 else None,
        reference_point=_natural(nadir, goals, exact.values),
        ideal_point=_natural(ideal, goals, exact.values),
        gap=gap,
        knees=_knees(goals.scaled(found.front[keep]), place),
        floorplan=placed.check,
        missing={**_distance(best, len(exact.values)), **_unplaced(placed), **_undefined(found, goals)},
    )
    reporter.report("done", found.evaluations, found.feasible, lambda: found.front, force=True, hypervolume=volume)
    return ExplorationResult(request=request, front=front, record=record)


def _kept(values: FloatArray, goals: Goals, request: ExplorationRequest) -> tuple[IntArray, str | None]:
    """Which designs of a front are shown: all, or few enough that each other one is within a tolerance of them."""
    keep = np.arange(len(values))
    epsilon = request.epsilon
    if epsilon == 0.0 and len(values) <= MAX_FRONT:
        return keep, None
    asked = epsilon > 0.0
    while True:
        epsilon = epsilon or 1e-4
        logarithmic = np.array([objective.logarithmic for objective in goals.objectives])
        scaled = goals.scaled(values)
        tolerance = np.where(logarithmic, np.log1p(epsilon), epsilon * np.ptp(scaled, axis=0))
        keep = cover(scaled, tolerance)
        if asked or len(keep) <= MAX_FRONT:
            break
        epsilon *= 2
    return keep, f"the front is shown to within {epsilon:.2%}: {len(keep):,} of its {len(values):,} designs"


def _knees(scaled: FloatArray, place: IntArray) -> tuple[int, ...]:
    """Entries of the result that are knees. `place`: entry of each row of `scaled`."""
    return tuple(int(place[i]) for i in knees(scaled))


def entries(
    arms: Sequence[Arm], of_arm: IntArray, prefill_index: IntArray, decode_index: IntArray
) -> tuple[tuple[FrontEntry, ...], IntArray]:
    """Design points with all their metrics, in increasing order of time to first token; and the entry of each row."""
    found: list[tuple[tuple[float, float, int], FrontEntry]] = []
    for number, arm in enumerate(arms):
        rows = np.flatnonzero(of_arm == number)
        if not len(rows):
            continue
        costs = arm.price(prefill_index[rows], decode_index[rows])
        prefill = arm.space.prefill.columns(prefill_index[rows])
        decode = arm.space.decode.columns(decode_index[rows])
        for i, row in enumerate(rows):
            design = arm.space.design_point(
                {name: int(column[i]) for name, column in prefill.items()},
                {name: int(column[i]) for name, column in decode.items()},
            )
            entry = FrontEntry(design=design, metrics=metrics_of(costs, i, arm.context)[0])
            key = (float(costs.metrics["ttft_s"][i]), float(costs.metrics["e2e_latency_s"][i]), int(row))
            found.append((key, entry))
    found.sort(key=lambda pair: pair[0])
    place = np.zeros(len(of_arm), dtype=np.int64)
    for entry_number, (key, _) in enumerate(found):
        place[key[2]] = entry_number
    return tuple(entry for _, entry in found), place
