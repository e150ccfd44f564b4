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
from dse.floorplan import plan_floorplan
from dse.objectives import Goals
from dse.pareto import non_dominated
from dse.placement import solver_name
from dse.progress import Reporter
from spec.design_batch import IntArray
from spec.design_point import DesignPoint
from spec.exploration_result import FloorplanCheck
from spec.floorplan import FloorplanStatus
from spec.workload import Stage

if TYPE_CHECKING:
    from dse.study import StudyResult

Point = TypeVar("Point")
Part = TypeVar("Part", bound=Hashable)

ACCEPTED: frozenset[FloorplanStatus] = frozenset({"placed", "within_band", "unknown"})  # all but proven refusals
MAX_ROUNDS = 50
MAX_PLANNED = 5_000  # parts of one exploration: some 10 ms each
MAX_REMEMBERED = 200_000
DETERMINISTIC_LIMIT = 2.0  # of the solver for each part, in its own seconds; a verdict takes a hundredth


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
) -> RefinedFront[Point, Part]:
    """Cut every point with a part that the floorplan refuses and solve again without such parts, until all survive.

    A part is what is placed on its own: the stage designs of a pair of bitstreams, or a co-resident pair as a whole.
    Cutting parts and not points takes all other points with the same stage design along.

    Args:
        front: the points of the first solution.
        parts: the parts of a point.
        verdict: what the floorplan says of a part; asked once for each part.
        solve_without: the front of the space less all points with one of these parts.
        accept: which verdicts keep a part.
        max_rounds: fronts that are looked at, at most.

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
        for part in wanted:
            if part not in known:
                known[part] = verdict(part)
        cut = frozenset(part for part, found in known.items() if found not in accept)
        complete = cut == refused
        if complete or rounds >= max_rounds:
            kept = tuple(point for point in points if not cut.intersection(parts(point)))
            verdicts = {part: known[part] for point in kept for part in parts(point)}
            return RefinedFront(kept, verdicts, cut, rounds, complete)
        refused = cut
        points, rounds = tuple(solve_without(cut)), rounds + 1


@dataclass(frozen=True, slots=True)
class PlacedPart:
    """What is placed on its own: a stage design of an arm, or both of a co-resident pair. None: not of this part."""

    arm: int
    prefill: int | None
    decode: int | None


_VERDICTS: OrderedDict[tuple[str, str], FloorplanStatus] = OrderedDict()  # of this process, the latest last


class Floorplanner:
    """Verdicts on the parts of the designs of some arms, each solved once in a process."""

    def __init__(self, arms: Sequence[Arm], reporter: Reporter) -> None:
        """Raises: ToolNotFoundError, OR-Tools is not installed."""
        solver_name()
        self._arms, self._reporter = tuple(arms), reporter
        self._inputs = [self._digest(arm) for arm in arms]
        self._planned: dict[PlacedPart, FloorplanStatus] = {}
        self.unchecked = 0
        self._seconds = 0.0

    @staticmethod
    def _digest(arm: Arm) -> str:
        context = arm.context
        documents = (context.model, context.device, context.workload, arm.space.scheme, arm.space.system)
        text = "".join(one.model_dump_json() if hasattr(one, "model_dump_json") else repr(one) for one in documents)
        return hashlib.sha256(text.encode()).hexdigest()

    def parts(self, point: tuple[int, int, int]) -> tuple[PlacedPart, ...]:
        """The parts of a pair that is given as arm and flat indices of its stages."""
        arm, prefill, decode = point
        if self._arms[arm].space.system.deployment == "co_resident":
            return (PlacedPart(arm, prefill, decode),)
        return PlacedPart(arm, prefill, None), PlacedPart(arm, None, decode)

    def verdict(self, part: PlacedPart) -> FloorplanStatus:
        """What the exact assignment says; `unknown` beyond MAX_PLANNED parts."""
        self._reporter.check()
        if len(self._planned) >= MAX_PLANNED:
            self.unchecked += 1
            return "unknown"
        started = time.monotonic()
        self._planned[part] = self._solved(part)
        self._seconds += time.monotonic() - started
        return self._planned[part]

    def _solved(self, part: PlacedPart) -> FloorplanStatus:
        design = self._design(part)
        stages = [part.prefill is not None, part.decode is not None]
        halves = [
            half.model_dump_json()
            for half, is_asked in zip((design.prefill, design.decode), stages, strict=True)
            if is_asked
        ]
        halves += [port.model_dump_json() for port in design.memory_map.ports if stages[port.stage == "decode"]]
        key = (self._inputs[part.arm], hashlib.sha256("".join([str(stages), *halves]).encode()).hexdigest())
        if key not in _VERDICTS:
            context = self._arms[part.arm].context
            stage: Stage | None = None if all(stages) else "prefill" if stages[0] else "decode"
            plan = plan_floorplan(
                design, context.model, context.device, context.workload, stage=stage, optimise=False, levers=False,
                deterministic_limit=DETERMINISTIC_LIMIT,
            )  # fmt: skip
            while len(_VERDICTS) >= MAX_REMEMBERED:
                _VERDICTS.popitem(last=False)
            _VERDICTS[key] = plan.status
        return _VERDICTS[key]

    def _design(self, part: PlacedPart) -> DesignPoint:
        """A design with this part; its other half, if any, does not matter: it is another bitstream."""
        space = self._arms[part.arm].space
        halves = []
        for stage, index in ((space.prefill, part.prefill), (space.decode, part.decode)):
            columns = stage.columns(np.array([index or 0]))
            halves.append({name: int(column[0]) for name, column in columns.items()})
        return space.design_point(*halves)

    def record(self, refined: RefinedFront[tuple[int, int, int], PlacedPart]) -> FloorplanCheck:
        """What was found, for the record."""
        verdicts = Counter(refined.verdicts.values())
        return FloorplanCheck(
            parts=len(refined.verdicts),
            placed=verdicts["placed"],
            within_band=verdicts["within_band"],
            unknown=verdicts["unknown"],
            cut=len(refined.refused),
            unchecked=self.unchecked,
            rounds=refined.rounds,
            complete=refined.complete,
            seconds=self._seconds,
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
        found = search.front(_cuts(refused))
        return _triples(found.arm, found.prefill_index, found.decode_index)

    points = _triples(found.arm, found.prefill_index, found.decode_index)
    refined = refine_front(points, parts=planner.parts, verdict=planner.verdict, solve_without=again)
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
        max_rounds=len(rows) + 2,
    )  # fmt: skip
    placed = replace(
        found, arm=arm[front], prefill_index=prefill[front], decode_index=decode[front], front=values[front]
    )
    return placed, planner.record(refined)
