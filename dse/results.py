"""Results of searches: the front as design points with their metrics, and the record of how it was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cost_models.report import metrics_of
from dse.arms import Arm, legal_designs
from dse.exact import ExactFront
from dse.objectives import Goals
from dse.pareto import cover, hypervolume, ideal_and_nadir, knees
from dse.progress import Reporter
from spec.design_batch import FloatArray, IntArray
from spec.exploration import ExplorationRequest
from spec.exploration_result import (
    ExplorationResult,
    FloorplanCheck,
    FrontEntry,
    ProofRecord,
    SearchRecord,
    StageEnumeration,
)

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
        check = self.check
        if check is None:
            return None
        found = []
        if check.unchecked:
            found.append(
                f"{check.unchecked:,} of the {check.parts:,} bitstreams of the front are kept unchecked: the limit of "
                f"{check.limit_s:g} s of processor time for their assignment to SLRs was reached"
            )
        if undecided := check.unknown - check.unchecked:
            found.append(
                f"{undecided:,} bitstreams of the front are kept undecided: the solver's own limit was reached"
            )
        if not check.complete:
            found.append(
                f"the floorplan refused designs in each of {check.rounds} rounds: the last were left out without solving "
                "again, so that what only they had beaten is missing"
            )
        return "; ".join(found) or None

    @property
    def statement(self) -> str | None:
        """What was checked of the front and what not, in words."""
        check = self.check
        if check is None:
            return None
        return (
            f"of the {check.parts:,} bitstreams of the front the exact assignment to SLRs found {check.verdicts}; "
            f"{check.cut:,} others were refused and cut"
        )

    def proof(self, exact: ExactFront) -> ProofRecord:
        """The argument of the exact front, and what of it was held against the SLRs."""
        proof = exact.proof()
        if self.statement is None:
            return proof
        return proof.model_copy(update={"statement": f"{proof.statement}; {self.statement}"})


def _stages(exact: ExactFront) -> tuple[StageEnumeration, ...]:
    return tuple(stage.record() for front in exact.arms for stage in (front.prefill, front.decode))


def _natural(scaled: FloatArray, goals: Goals, like: FloatArray) -> tuple[float, ...]:
    """A scaled point back in the units of the objectives; `like`: the front, which decides what is logarithmic."""
    values = scaled * goals.signs
    logarithmic = [o.logarithmic and bool(np.all(like[:, i] > 0)) for i, o in enumerate(goals.objectives)]
    return tuple(float(np.exp(v) if log else v) for v, log in zip(values, logarithmic, strict=True))


@dataclass(frozen=True, slots=True)
class Volumes:
    """Hypervolume of a front against the nadir of the exact one, as fields of the record, and why those that are null are."""

    fields: dict[str, Any]
    missing: dict[str, str]

    @classmethod
    def of(cls, front: FloatArray, exact: FloatArray, goals: Goals) -> Volumes:
        """`front`: what is shown of what was found; `exact`: the whole exact front; natural values, (n_designs, n_objectives)."""
        every = goals.scaled(exact)
        ideal, nadir = ideal_and_nadir(every)
        whole = hypervolume(every, nadir)
        volume = hypervolume(goals.scaled(front), nadir) if len(front) else 0.0
        fields: dict[str, Any] = {
            "hypervolume": volume or None,
            "exact_hypervolume": whole,
            "hypervolume_ratio": volume / whole if volume else None,
            "reference_point": _natural(nadir, goals, exact),
            "ideal_point": _natural(ideal, goals, exact),
        }
        if volume:
            return cls(fields, {})
        reason = _no_volume(front, exact, goals, whole)
        missing = dict.fromkeys(("hypervolume", "hypervolume_ratio"), reason)
        own, own_nadir = 0.0, None
        if len(front):
            scaled = goals.scaled(front)
            own_nadir = ideal_and_nadir(scaled)[1]
            own = hypervolume(scaled, own_nadir)
            fields["own_reference_point"] = _natural(own_nadir, goals, front)
        fields["own_hypervolume"] = own or None
        if not own:
            missing["own_hypervolume"] = f"{_designs(len(front))} of the front span no volume below their own nadir"
        return cls(fields, missing)


def _designs(count: int) -> str:
    return f"the {count:,} designs" if count != 1 else "the one design"


def _no_volume(front: FloatArray, exact: FloatArray, goals: Goals, whole: float) -> str:
    """Why a front dominates no volume below the nadir of the exact front."""
    if whole == 0 and len(exact) == 1:
        return "the exact front is a single point: its volume is 0"
    if whole == 0:
        return (
            f"the {len(exact)} designs of the exact front span no volume below their nadir: these objectives hardly "
            "conflict, a design that is best in one is nearly best in all"
        )
    if not len(front):
        return "no evaluation fits the card and the constraints"
    best = (front * goals.signs).min(axis=0) * goals.signs
    worst = (exact * goals.signs).max(axis=0) * goals.signs
    short = [i for i in range(len(goals.names)) if best[i] * goals.signs[i] >= worst[i] * goals.signs[i]]
    parts = [f"the best {goals.names[i]} found is {best[i]:.4g}, the reference {worst[i]:.4g}" for i in short]
    return (
        f"none of {_designs(len(front))} found is better than the reference point, the nadir of the exact front, in every "
        f"objective: {'; '.join(parts) or 'each objective is reached by one, no two of them together'}"
    )


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
    volumes = Volumes.of(values, exact.values, goals)
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
        **volumes.fields,
        proof=placed.proof(exact),
        gap="; ".join(gaps) or None,
        knees=_knees(goals.scaled(exact.values)[keep], place),
        floorplan=placed.check,
        missing={**volumes.missing, **_unplaced(placed)},
    )
    _report_end(reporter, record, values)
    return ExplorationResult(request=request, front=front, record=record)


def sampled_result(
    request: ExplorationRequest,
    goals: Goals,
    exact: ExactFront,
    found: StudyResult,
    placed: Placed,
    arms: Sequence[Arm],
    reporter: Reporter,
) -> ExplorationResult:
    """The result of a sampled search; `exact`: the front of the same space, its yardstick."""
    keep, gap = _kept(found.front, goals, request)
    volumes = Volumes.of(found.front[keep], exact.values, goals)
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
        **volumes.fields,
        gap="; ".join(text for text in (gap, placed.gap) if text) or None,
        knees=_knees(goals.scaled(found.front[keep]), place),
        floorplan=placed.check,
        missing={**volumes.missing, **_unplaced(placed), **_undefined(found, goals)},
    )
    _report_end(reporter, record, found.front)
    return ExplorationResult(request=request, front=front, record=record)


def _report_end(reporter: Reporter, record: SearchRecord, front: FloatArray) -> None:
    reporter.report(
        "done",
        record.evaluations,
        record.feasible_evaluations,
        lambda: front,
        force=True,
        hypervolume=record.hypervolume,
    )


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
