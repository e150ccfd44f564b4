"""How a search went, in words: the lines below the front, on a terminal and in the log of a job."""

from __future__ import annotations

import textwrap

from dse.outside import LEFT_OUT
from spec.exploration_result import ExplorationResult, FloorplanCheck
from spec.goals import parse_objective


def record_lines(result: ExplorationResult) -> list[str]:
    """What was searched, what is known of the front, and what is missing."""
    record, size = result.record, len(result.front)
    rate = f"{record.evaluations:,} priced in {record.seconds:.1f} s, {record.designs_per_s:,.0f} designs/s"
    lines = []
    if record.exact:
        lines.append(f"exact front: {size:,} of {record.space_size:.3g} designs; {rate}")
        if record.proof is not None:
            proof = f"proof: {record.proof.statement}"
            lines += textwrap.wrap(proof, 108, initial_indent="  ", subsequent_indent="    ")
        if record.gap is not None:
            lines.append(f"  gap: {record.gap}")
        lines += [
            f"  {stage.stage}: {stage.legal_designs:,} legal, {stage.feasible_designs:,} fit, "
            f"{stage.non_dominated_designs:,} kept"
            for stage in record.stages
        ]
    else:
        lines.append(
            f"{result.request.method}: {size:,} of {record.space_size:.3g} designs; {rate}, "
            f"{record.feasible_evaluations:,} fit"
        )
    if record.own_hypervolume is not None:
        own = "hypervolume (log-scaled, nadir of this front alone: compares with no other)"
        lines.append(f"{own}: {record.own_hypervolume:.4g}")
    if record.hypervolume is not None:
        ratio = "" if record.hypervolume_ratio is None else f" = {record.hypervolume_ratio:.3f} of the exact front's"
        lines.append(f"hypervolume (log-scaled, nadir of the exact front): {record.hypervolume:.4g}{ratio}")
    if record.floorplan is not None:
        lines.append(floorplan_line(record.floorplan))
    reasons: dict[str, list[str]] = {}
    for name, reason in record.missing.items():
        reasons.setdefault(reason, []).append(name)
    lines += [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]
    for line in outside_lines(result):
        lines += textwrap.wrap(line, 108, subsequent_indent="    ")
    if record.knees:
        lines.append(f"knees: {', '.join(f'#{index}' for index in record.knees)}")
    return lines


FIT_WORDS = {"fits": "it fits", "within_band": "it fits, with a limit within the error band"}


def outside_lines(result: ExplorationResult) -> list[str]:
    """The designs of the catalog outside the space that are ahead of the front somewhere, and what a space leaves out."""
    goals, lines = [parse_objective(name) for name in result.request.objectives], []
    for one in result.record.outside:
        if not one.meets_constraints or not (one.best_in or one.dominates):
            continue
        ahead = []
        if one.best_in:
            ahead.append(f"is better than every design of the front in {', '.join(one.best_in)}")
        if one.dominates:
            ahead.append(f"dominates {one.dominates:,} of its {len(result.front):,} designs")
        shown = ", ".join(f"{goal.name} {_figure(goal.expression.of(one.metrics))}" for goal in goals)
        lines.append(
            f"outside this space: {one.name} of the catalog ({shown}) {' and '.join(ahead)}; {FIT_WORDS[one.fit]}"
        )
    return [*lines, LEFT_OUT] if lines else []


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def floorplan_line(check: FloorplanCheck) -> str:
    """What the assignment to SLRs said, on one line."""
    rounds = f"{check.rounds} round{'' if check.rounds == 1 else 's'}"
    cut = f"{check.cut:,} refused and cut in {rounds}" if check.cut else "none refused"
    if check.limit_reached:
        cut += f"; the limit of {check.limit_s:g} s was reached (--floorplan-limit)"
    return f"floorplan of {check.parts:,} bitstreams: {check.verdicts}; {cut} ({check.seconds:.1f} s)"
