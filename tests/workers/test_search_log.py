"""The log of a search: a line where the phase turns, and the seldomer the longer it goes on."""

from __future__ import annotations

from spec.catalog import load_device, load_model
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationProgress
from spec.workload import Workload
from workers.tasks.search_log import SearchLog


def progress(phase: str, evaluations: int = 0, detail: str | None = None) -> ExplorationProgress:
    front = ((1.0,),) if evaluations else ()
    return ExplorationProgress(
        phase=phase,
        evaluations=evaluations,
        total=1_000_000,
        designs_per_s=1.0,
        eta_s=None,
        feasible_fraction=0.25 if evaluations else None,
        front=front,
        front_size=len(front),
        best={"tpot_s": 0.0045} if evaluations else None,
        detail=detail,
    )


def test_phases_and_numbers_stand_in_the_log() -> None:
    lines: list[str] = []
    log = SearchLog(lines.append, lambda: 0.0)
    log.begin(
        ExplorationRequest(
            model=load_model("smollm2-135m"),
            device=load_device("u280"),
            workload=Workload(prompt_tokens=1024, output_tokens=64),
            objectives=("tpot_s",),
            method="nsga2",
        )
    )
    log.show(progress("yardstick", detail="1,234 stage designs"))
    log.show(progress("nsga2"))
    log.show(progress("nsga2", 10))  # too soon
    log.show(progress("decode", 20_000))
    log.show(progress("floorplan", 20_000, "round 1, 7 stage designs to place"))
    log.show(progress("floorplan", 20_000, "round 2, 3 stage designs to place"))
    log.show(progress("done", 20_000))
    assert lines == [
        "searching by nsga2: smollm2-135m on u280, 1,024 prompt and 64 output tokens, for tpot_s",
        "solving the exact front of the same space, to measure this search against: 1,234 stage designs",
        "pricing designs by nsga2: 0 of 1,000,000, 0 on the front so far",
        "pricing decode designs: 20,000 of 1,000,000, 25.0% feasible, 1 on the front so far, best tpot_s 0.0045",
        "checking the front on the SLRs: round 1, 7 stage designs to place",
        "checking the front on the SLRs: round 2, 3 stage designs to place",
    ]


def test_a_day_of_searching_is_some_fifty_lines() -> None:
    lines: list[str] = []
    now = 0.0
    log = SearchLog(lines.append, lambda: now)
    for step in range(86_400):
        now = float(step)
        log.show(progress("nsga2", step))
    assert 30 < len(lines) < 60
