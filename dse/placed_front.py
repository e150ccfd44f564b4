"""The exact SLR assignment as the judge of a front: what it refuses is cut, and the front solved again until all stand."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from dse.arms import Arm
from dse.exact import Cuts, ExactFront, ExactSearch
from dse.objectives import Goals
from dse.pareto import non_dominated
from dse.placement import solver_name
from dse.progress import Reporter
from dse.unit_verdicts import UnitVerdicts
from spec.design_batch import FloatArray, IntArray
from spec.exploration import FLOORPLAN_LIMIT_S
from spec.exploration_result import FloorplanCheck
from spec.floorplan import FloorplanStatus
from spec.workload import STAGES, Stage

if TYPE_CHECKING:
    from dse.study import StudyResult

Point = TypeVar("Point")
Part = TypeVar("Part", bound=Hashable)

ACCEPTED: frozenset[FloorplanStatus] = frozenset({"placed", "within_band", "unknown"})  # all but proven refusals
MAX_ROUNDS = 50
MAX_REMEMBERED = 200_000
FLOORPLAN_PHASE = "floorplan"  # of the progress


class LimitReached(Exception):
    """The time for looking at a front is spent."""


@dataclass(frozen=True, slots=True)
class RefinedFront(Generic[Point, Part]):
    """A front whose every part was accepted. `verdicts`: of the parts of its points; `refused`: the parts that were cut;
    `rounds`: fronts that were looked at; `complete`: whether the last one was free of refusals. If not, its refused points
    were left out without solving again.
    """

    front: tuple[Point, ...]
    verdicts: dict[Part, FloorplanStatus]
    refused: frozenset[Part]
    rounds: int
    complete: bool


def refine_front(
    front: Sequence[Point],
    *,
    parts: Callable[[Point], Sequence[Part]],
    verdict: Callable[[Part], FloorplanStatus],
    solve_without: Callable[[frozenset[Part]], Sequence[Point]],
    accept: frozenset[FloorplanStatus] = ACCEPTED,
    max_rounds: int = MAX_ROUNDS,
    prepare: Callable[[Sequence[Part]], None] = lambda _: None,
) -> RefinedFront[Point, Part]:
    """Cut every point with a part that the floorplan refuses and solve again without such parts, until all survive.

    A part is what is placed on its own: the stage designs of a pair of bitstreams, or a co-resident pair as a whole.
    Cutting parts and not points takes all other points with the same stage design along.

    Args:
        front: the points of the first solution.
        parts: the parts of a point.
        verdict: what the floorplan says of a part; asked once for each part.
        solve_without: the front of the space less all points with one of these parts; LimitReached where there is no time.
        accept: which verdicts keep a part.
        max_rounds: fronts that are looked at, at most.
        prepare: told all parts that will be asked for next.

    Raises:
        RuntimeError: `solve_without` gave back a point with a part that was cut.
    """
    known: dict[Part, FloorplanStatus] = {}
    points, rounds = tuple(front), 1
    refused: frozenset[Part] = frozenset()
    while True:
        wanted = [part for point in points for part in parts(point)]
        if again := refused.intersection(wanted):
            raise RuntimeError(f"{len(again)} designs were cut and are on the front again, such as {next(iter(again))}")
        prepare([part for part in dict.fromkeys(wanted) if part not in known])
        for part in wanted:
            if part not in known:
                known[part] = verdict(part)
        cut = frozenset(part for part, found in known.items() if found not in accept)
        complete = cut == refused
        if not complete and rounds < max_rounds:
            try:
                points, refused, rounds = tuple(solve_without(cut)), cut, rounds + 1
                continue
            except LimitReached:
                pass
        kept = tuple(point for point in points if not cut.intersection(parts(point)))
        verdicts = {part: known[part] for point in kept for part in parts(point)}
        return RefinedFront(kept, verdicts, cut, rounds, complete)


@dataclass(frozen=True, slots=True)
class PlacedPart:
    """What is placed on its own: a stage design of an arm, or both of a co-resident pair. None: not of this part."""

    arm: int
    prefill: int | None
    decode: int | None

    @property
    def is_pair(self) -> bool:
        """Whether it has both stages."""
        return self.prefill is not None and self.decode is not None

    @property
    def halves(self) -> tuple[PlacedPart, PlacedPart]:
        """The two stages of a pair, each alone."""
        return PlacedPart(self.arm, self.prefill, None), PlacedPart(self.arm, None, self.decode)

    def of(self, stage: Stage) -> int | None:
        """Flat index of its design of a stage."""
        return self.prefill if stage == "prefill" else self.decode


def processor_s() -> float:
    """Seconds that this thread has computed: what else the machine does is not held against a check."""
    return time.thread_time()


_VERDICTS: OrderedDict[tuple[str, ...], FloorplanStatus] = OrderedDict()  # of this process, the latest last


class Floorplanner:
    """Verdicts on the parts of the designs of some arms, each solved once in a process, for at most `limit_s` processor
    seconds: what is asked after that is unknown. Solving the front again may take as much again.
    """

    def __init__(self, arms: Sequence[Arm], reporter: Reporter, limit_s: float = FLOORPLAN_LIMIT_S) -> None:
        """Raises: ToolNotFoundError, OR-Tools is not installed."""
        solver_name()
        self._arms, self._reporter, self._limit_s = tuple(arms), reporter, limit_s
        self._inputs = [self._digest(arm) for arm in arms]
        self._units = [UnitVerdicts(arm) for arm in arms]
        self._unasked: set[PlacedPart] = set()
        self._started_s: float | None = None
        self._rounds = 0

    @staticmethod
    def _digest(arm: Arm) -> str:
        context = arm.context
        documents = (context.model, context.device, context.workload, arm.space.scheme, arm.space.system)
        text = "".join(one.model_dump_json() if hasattr(one, "model_dump_json") else repr(one) for one in documents)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def seconds(self) -> float:
        """Processor seconds since the first part was asked for."""
        return 0.0 if self._started_s is None else processor_s() - self._started_s

    def check(self) -> None:
        """To be called while the front is solved again.

        Raises:
            LimitReached: the time is spent.
            SearchStopped: the caller asked for it.
        """
        self._reporter.check()
        if self.seconds >= 2 * self._limit_s:
            raise LimitReached

    def parts(self, point: tuple[int, int, int]) -> tuple[PlacedPart, ...]:
        """The parts of a pair that is given as arm and flat indices of its stages. Of a co-resident pair each half comes
        before the whole: a half that stands nowhere alone takes all its pairs along.
        """
        arm, prefill, decode = point
        halves = PlacedPart(arm, prefill, None), PlacedPart(arm, None, decode)
        return (*halves, PlacedPart(arm, prefill, decode)) if self._is_co_resident(arm) else halves

    def begin_round(self, parts: Sequence[PlacedPart], front: FloatArray) -> None:
        """`prepare`, for a front that was solved (again); its natural values are for the progress."""
        self._rounds += 1
        self._reporter.turn_to(FLOORPLAN_PHASE, f"round {self._rounds}, {len(parts):,} stage designs to place", front)
        self.prepare(parts)

    def prepare(self, parts: Sequence[PlacedPart]) -> None:
        """Price the stage designs of parts that will be asked for, all at once."""
        self._start()
        for number, units in enumerate(self._units):
            for stage in STAGES:
                index = {half for part in parts if part.arm == number for half in [part.of(stage)] if half is not None}
                units.price(stage, np.array(sorted(index), dtype=np.int64))

    def verdict(self, part: PlacedPart) -> FloorplanStatus:
        """What the exact assignment says; `unknown` where the time was spent before it was asked."""
        self._start()
        self._reporter.check()
        units = self._units[part.arm]
        stages: list[tuple[Stage, int]] = [
            (stage, half) for stage in STAGES for half in [part.of(stage)] if half is not None
        ]
        key = (self._inputs[part.arm], *(units.digest(stage, index) for stage, index in stages))
        if key not in _VERDICTS:
            if self.seconds >= self._limit_s:
                self._unasked.add(part)
                return "unknown"
            refused_half = part.is_pair and any(self.verdict(half) == "refused" for half in part.halves)
            status: FloorplanStatus = "refused" if refused_half else units.verdict(stages)
            while len(_VERDICTS) >= MAX_REMEMBERED:
                _VERDICTS.popitem(last=False)
            _VERDICTS[key] = status
        return _VERDICTS[key]

    def _start(self) -> None:
        if self._started_s is None:
            self._started_s = processor_s()

    def _is_co_resident(self, arm: int) -> bool:
        return self._arms[arm].space.system.deployment == "co_resident"

    def record(self, refined: RefinedFront[tuple[int, int, int], PlacedPart]) -> FloorplanCheck:
        """What was found, for the record: of bitstreams, so that halves of co-resident pairs do not count."""
        shown = {p: said for p, said in refined.verdicts.items() if p.is_pair or not self._is_co_resident(p.arm)}
        verdicts = Counter(shown.values())
        by_half = {p for p in refined.refused if p.is_pair and not refined.refused.isdisjoint(p.halves)}
        return FloorplanCheck(
            parts=len(shown),
            placed=verdicts["placed"],
            within_band=verdicts["within_band"],
            unknown=verdicts["unknown"],
            cut=len(refined.refused - by_half),
            unchecked=len(self._unasked.intersection(shown)),
            rounds=refined.rounds,
            complete=refined.complete,
            limit_s=self._limit_s,
            limit_reached=bool(self._unasked) or self.seconds >= 2 * self._limit_s,
            seconds=self.seconds,
        )


def _triples(arm: IntArray, prefill: IntArray, decode: IntArray) -> list[tuple[int, int, int]]:
    return list(zip(arm.tolist(), prefill.tolist(), decode.tolist(), strict=True))


def _cuts(refused: frozenset[PlacedPart]) -> Cuts:
    stages: dict[tuple[int, Stage], list[int]] = {}
    pairs: dict[int, list[tuple[int, int]]] = {}
    for part in refused:
        if part.prefill is not None and part.decode is not None:
            pairs.setdefault(part.arm, []).append((part.prefill, part.decode))
        elif part.prefill is not None:
            stages.setdefault((part.arm, "prefill"), []).append(part.prefill)
        elif part.decode is not None:
            stages.setdefault((part.arm, "decode"), []).append(part.decode)
    return Cuts(
        {key: np.array(sorted(found), dtype=np.int64) for key, found in stages.items()},
        {arm: np.array(sorted(found), dtype=np.int64) for arm, found in pairs.items()},
    )


def placed_exact_front(search: ExactSearch, planner: Floorplanner) -> tuple[ExactFront, FloorplanCheck]:
    """The exact front of the designs that the floorplan does not refuse."""
    found = search.front()

    def again(refused: frozenset[PlacedPart]) -> list[tuple[int, int, int]]:
        nonlocal found
        found = search.front(_cuts(refused), planner.check)
        return _triples(found.arm, found.prefill_index, found.decode_index)

    points = _triples(found.arm, found.prefill_index, found.decode_index)
    refined = refine_front(points, parts=planner.parts, verdict=planner.verdict, solve_without=again,
                           prepare=lambda parts: planner.begin_round(parts, found.values))  # fmt: skip
    if not refined.complete:
        stand = set(refined.front)
        keep = np.array([point in stand for point in _triples(found.arm, found.prefill_index, found.decode_index)])
        found = replace(
            found, arm=found.arm[keep], prefill_index=found.prefill_index[keep], decode_index=found.decode_index[keep],
            values=found.values[keep],
        )  # fmt: skip
    return found, planner.record(refined)


def placed_study(
    found: StudyResult, arms: Sequence[Arm], goals: Goals, planner: Floorplanner
) -> tuple[StudyResult, FloorplanCheck]:
    """The result of a sampled search with the front of those evaluations that the floorplan does not refuse."""
    from dse.genes import GeneSpace

    rows = found.feasible_mask
    arm, values = found.genes[rows, 0], found.values[rows]
    prefill, decode = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
    space = GeneSpace(arms)
    for number in range(len(arms)):
        here = arm == number
        prefill[here], decode[here] = space.stage_index(found.genes[rows][here], number)
    front = np.zeros(0, dtype=np.int64)

    def without(refused: frozenset[PlacedPart]) -> list[tuple[int, int, int]]:
        nonlocal front
        cuts = _cuts(refused)
        keep = np.ones(len(rows), dtype=bool)
        for (number, stage), index in cuts.stages.items():
            keep &= ~((arm == number) & np.isin(prefill if stage == "prefill" else decode, index))
        for number, pairs in cuts.pairs.items():
            width = arms[number].space.decode.size
            keep &= ~((arm == number) & np.isin(prefill * width + decode, pairs[:, 0] * width + pairs[:, 1]))
        left = np.flatnonzero(keep)
        front = left[non_dominated(values[left] * goals.signs)]
        return _triples(arm[front], prefill[front], decode[front])

    refined = refine_front(
        without(frozenset()), parts=planner.parts, verdict=planner.verdict, solve_without=without,
        max_rounds=len(rows) + 2, prepare=lambda parts: planner.begin_round(parts, values[front]),
    )  # fmt: skip
    placed = replace(
        found, arm=arm[front], prefill_index=prefill[front], decode_index=decode[front], front=values[front]
    )
    return placed, planner.record(refined)
