"""`flexdse explore`: search for the Pareto front."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexdse.console import emit, emit_json, note, table
from flexdse.options import AsJson, Device, Model, OutputTokens, PromptTokens

if TYPE_CHECKING:
    from spec.exploration_result import ExplorationProgress, ExplorationResult

MAX_ROWS = 20


def explore(
    model: Model,
    device: Device,
    prompt_tokens: PromptTokens,
    output_tokens: OutputTokens,
    objectives: Annotated[
        str, typer.Option("--objectives", help="Metric names, separated by commas.")
    ] = "ttft_s,tpot_s,energy_j_per_token,max_utilization",
    method: Annotated[str, typer.Option("--method", help="exact, nsga2 or random.")] = "exact",
    budget: Annotated[int, typer.Option("--budget", help="Evaluations; exact needs none.")] = 2_000,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same result.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for front.parquet, front.json, ...")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that is not empty; its other files stay.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Search for the Pareto front of a model on a card.

    `exact` prices every design of both stages and merges the two fronts; the others report their distance from it.
    """
    from flexdse.exploration_files import check_target, exploration_document, front_document, save_exploration
    from flexdse.front_door import exploration_request

    request = exploration_request(
        model=model,
        device=device,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        objectives=objectives,
        method=method,
        budget=budget,
        seed=seed,
    )
    if out is not None:
        check_target(out, force=force)
    with SearchBar() as bar:
        from dse.explore import explore as run

        result = run(request, on_progress=bar.show)
    written = save_exploration(result, out, force=force) if out is not None else None
    if as_json:
        emit_json({**exploration_document(result), "front": front_document(result)})
    else:
        print_front(result)
    if written is not None:
        note(f"wrote {written}: front.parquet, front.json, exploration.json, report.html")
    elif not as_json:
        note("nothing was written; --out FOLDER keeps the whole front, as Parquet, JSON and HTML")


class SearchBar:
    """A progress bar with rate and time left, on stderr, only where that is a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> SearchBar:
        if not sys.stderr.isatty():
            return self
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("front {task.fields[front]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task("search", total=1, rate="", front="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: ExplorationProgress) -> None:
        """Draw one report."""
        if self._bar is None:
            return
        self._bar.update(
            self._task,
            description=progress.phase,
            completed=progress.evaluations,
            total=progress.total,
            rate=f"{progress.designs_per_s:,.0f} designs/s",
            front=str(len(progress.front)),
        )


def evenly(count: int, limit: int) -> list[int]:
    """At most `limit` of the indices 0 .. count - 1, evenly spread, with both ends."""
    if count <= limit:
        return list(range(count))
    return [round(i * (count - 1) / (limit - 1)) for i in range(limit)]


def print_front(result: ExplorationResult, limit: int = MAX_ROWS) -> None:
    """The front as a table, thinned to `limit` rows, and how it was found."""
    from flexdse.figures import figure

    names = result.request.objectives
    shown = evenly(len(result.front), limit)
    rows = []
    for index in shown:
        entry = result.front[index]
        p, d = entry.design.prefill, entry.design.decode
        rows.append([
            str(index),
            f"{p.token_parallelism}/{p.qkvo_weight_parallelism}/{p.key_parallelism}/{p.ffn_weight_parallelism}",
            f"{d.block_parallelism}x{d.weight_parallelism}, {d.head_parallelism}x{d.key_parallelism}",
            *(figure(name, entry.metrics[name]) for name in names),
        ])  # fmt: skip
    columns = ["prefill TP/QKVO/K/FFN", "decode BPxW, HPxK"]
    emit(table(rows, ["#", *columns, *names], columns))
    if len(shown) < len(result.front):
        emit(f"({len(shown)} of the {len(result.front):,} designs of the front, evenly spread)")
    emit()
    record = result.record
    rate = f"{record.evaluations:,} priced in {record.seconds:.1f} s, {record.designs_per_s:,.0f} designs/s"
    if record.exact:
        emit(f"exact front: {len(result.front):,} of {record.space_size:.3g} designs; {rate}")
        for stage in record.stages:
            emit(f"  {stage.stage}: {stage.legal_designs:,} legal, {stage.feasible_designs:,} fit, "
                 f"{stage.non_dominated_designs:,} kept")  # fmt: skip
    else:
        emit(f"{result.request.method}: {len(result.front):,} of {record.space_size:.3g} designs; {rate}, "
             f"{record.feasible_evaluations:,} fit")  # fmt: skip
    if record.hypervolume is not None:
        ratio = "" if record.hypervolume_ratio is None else f" = {record.hypervolume_ratio:.3f} of the exact front's"
        emit(f"hypervolume (log-scaled, nadir of the exact front): {record.hypervolume:.4g}{ratio}")
