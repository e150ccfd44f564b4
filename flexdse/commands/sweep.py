"""`flexdse sweep run|validate FILE`: many explorations, overnight, with one report in the morning."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexdse.console import emit, emit_item, emit_json, note
from flexdse.options import AsJson

if TYPE_CHECKING:
    from spec.exploration import ExplorationRequest
    from spec.sweep import SweepPlan

sweep = typer.Typer(no_args_is_help=True, help="Many explorations, overnight, with one report in the morning.")
File = Annotated[Path, typer.Argument(help="Sweep YAML or JSON (docs/sweeps.md).")]


def read_plan(path: Path) -> SweepPlan:
    """The plan of a file, with every model, device, workload, goal, method and space checked.

    Raises:
        InputError: with file and line, or with the case that cannot run.
    """
    plan = plan_of(path)
    check_cases(plan)
    return plan


def plan_of(path: Path) -> SweepPlan:
    """The plan of a file; what its cases name is not looked at.

    Raises:
        InputError: with file and line.
    """
    from spec.strict import load_document, validate
    from spec.sweep import SweepPlan

    return validate(SweepPlan, load_document(path, "sweep file"))


def check_cases(plan: SweepPlan) -> None:
    """Refuse a plan with a case that cannot run.

    Raises:
        InputError: naming it.
    """
    from spec.catalog import resolve_device, resolve_model

    cases = plan.all_cases()
    models = {name: resolve_model(name) for name in dict.fromkeys(case.model for case in cases)}
    devices = {name: resolve_device(name) for name in dict.fromkeys(case.device for case in cases)}
    requests = [plan.request(case, models[case.model], devices[case.device]) for case in cases]
    for method in dict.fromkeys(request.method for request in requests):
        if method != "exact":
            from dse.samplers.registry import sampler_factory

            sampler_factory(method)
    _check_spaces(requests)


def _check_spaces(requests: Sequence[ExplorationRequest]) -> None:
    """Refuse changes of a space that leave no design, or that name a knob or a value that it does not have."""
    from dse.space import legal_stage_designs
    from spec.errors import InfeasibleError
    from spec.scheme_names import scheme_named

    seen = set()
    for request in requests:
        space = request.space
        for name in () if space is None else space.quant_schemes:
            key = (request.model.name, request.device.name, name, "" if space is None else space.model_dump_json())
            if key in seen:
                continue
            seen.add(key)
            with suppress(InfeasibleError):  # a result of its own, of that case alone
                legal_stage_designs(request.model, request.device, scheme_named(name), space)


@sweep.command()
def validate(file: File, as_json: AsJson = False) -> None:
    """Check a sweep file and list its explorations, without running any."""
    from dse.windows import next_opening, open_until
    from spec.documents import envelope

    plan = read_plan(file)
    now = datetime.now(UTC)
    window: dict[str, Any] | None = None
    if plan.window is not None:
        until = open_until(plan.window, now)
        window = {"open": until is not None, "next_opening": next_opening(plan.window, now).isoformat(timespec="minutes"),
                  "open_until": None if until is None else until.isoformat(timespec="minutes")}  # fmt: skip
    cases = plan.all_cases()
    if as_json:
        emit_json({**envelope("sweep-plan/v1"), "name": plan.name, "window": window,
                   "cases": [{"key": case.key(), "title": case.title} for case in cases]})  # fmt: skip
        return
    emit(f"{plan.name}: {len(cases)} explorations, {plan.concurrency} at once")
    if window is not None:
        emit(
            f"window: {'open until ' + str(window['open_until']) if window['open'] else 'opens ' + str(window['next_opening'])}"
        )
    for case in cases:
        emit_item(case.title)


@sweep.command()
def run(
    file: File,
    out: Annotated[
        Path, typer.Option("--out", help="Folder of the sweep: results, failures, reports. Used again each night.")
    ],
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the window, night after night, until all is done.")
    ] = False,
    any_time: Annotated[
        bool, typer.Option("--now", help="Run now, whatever the window says; with --wait, the first time.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run what is not done yet, within the window and the budgets, and write the report.

    Start it again the next night: what is done stays done, what failed is tried again. Exit code 1 if a case failed.
    """
    from flexdse.sweep_nights import run_nights
    from flexdse.sweep_store import SweepStore
    from spec.documents import envelope
    from spec.errors import FlexDSEError

    plan = plan_of(file)
    if SweepStore.holds(out, plan):
        # A night that nobody watches: what broke since the first one is a failure of its cases, not of all.
        try:
            check_cases(plan)
        except FlexDSEError as error:
            note(f"some case cannot run as it is: {error}")
    else:
        check_cases(plan)
    with SweepStore.started(out, plan) as store:
        night, rows = run_nights(store, plan, note, wait=wait, any_time=any_time)
    document = {
        **envelope("sweep-night/v1"), "name": plan.name, "done": night.done, "failed": night.failed,
        "done_before": night.skipped, "left": night.left, "stopped": night.stopped, "rows": rows,
    }  # fmt: skip
    if as_json:
        emit_json(document)
    else:
        emit(f"{plan.name}: {len(night.done)} done, {len(night.failed)} failed, {len(night.skipped)} done before, "
             f"{len(night.left)} left")  # fmt: skip
        if night.stopped:
            emit(f"stopped: {night.stopped}")
        for row in rows:
            if row["change"] not in ("unchanged", "not run yet"):
                emit_item(f"{row['title']}: {row['change']}")
    if night.failed:
        raise typer.Exit(1)
