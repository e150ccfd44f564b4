"""`flexdse explore`: search for the Pareto front."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexdse.console import emit, emit_item, emit_json, note, table
from flexdse.options import AsJson, Device, Model, OutputTokens, PromptTokens, Server

if TYPE_CHECKING:
    from spec.design_point import DesignPoint
    from spec.exploration import ExplorationRequest
    from spec.exploration_result import ExplorationProgress, ExplorationResult

MAX_ROWS = 20
LOG_INTERVAL_S = 60.0


def explore(
    model: Model,
    device: Device,
    prompt_tokens: PromptTokens,
    output_tokens: OutputTokens,
    objectives: Annotated[
        str, typer.Option("--objectives", help="Metric names, separated by commas.")
    ] = "ttft_s,tpot_s,energy_j_per_token,max_utilization",
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="exact, stagewise, nsga2, nsga3, tpe, gp, qmc, random, or plugin:NAME for a sampler of yours.",
        ),
    ] = "exact",
    budget: Annotated[
        int | None, typer.Option("--budget", help="Evaluations, 2000 if not given; exact takes none.")
    ] = None,
    constraints: Annotated[
        list[str] | None, typer.Option("--constraint", help='Such as "tpot_s <= 0.01"; may be given several times.')
    ] = None,
    space: Annotated[
        Path | None, typer.Option("--space", help="YAML that fixes, restricts, extends or forbids (docs/search.md).")
    ] = None,
    epsilon: Annotated[
        float, typer.Option("--epsilon", help="Show one design for all within this fraction in every objective.")
    ] = 0.0,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="File that a killed search goes on from, to the same result.")
    ] = None,
    warm_start: Annotated[
        list[Path] | None, typer.Option("--warm-start", help="Folder of an earlier exploration: its front comes first.")
    ] = None,
    floorplan: Annotated[
        bool,
        typer.Option(
            "--floorplan/--no-floorplan",
            help="Cut what the exact assignment to SLRs refuses, and solve again without it.",
        ),
    ] = True,
    floorplan_limit: Annotated[
        float | None,
        typer.Option(
            "--floorplan-limit",
            help="Processor seconds for that assignment, 30 if not given; what is left is kept, the record says how much.",
        ),
    ] = None,
    promote: Annotated[
        int, typer.Option("--promote", help="Send so many designs of the front up the ladder of fidelities.")
    ] = 0,
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            help="Rungs of the ladder, csim if not given: csim:4,timed_sim:2 with budgets; auto: all that can run.",
        ),
    ] = None,
    quality_checkpoint: Annotated[
        str | None,
        typer.Option("--quality-checkpoint", help="For the rung quality: checkpoint folder or GGUF file of the model."),
    ] = None,
    quality_text: Annotated[
        Path | None, typer.Option("--quality-text", help="For the rung quality: the text of the model's table.")
    ] = None,
    quality_calibration_text: Annotated[
        Path | None, typer.Option("--quality-calibration-text", help="For the rung quality: that of the table.")
    ] = None,
    quality_wikitext_rows: Annotated[
        bool, typer.Option("--quality-wikitext-rows", help="For the rung quality: --wikitext-rows of the table.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same result.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for front.parquet, front.json, ...")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that is not empty; its other files stay.")
    ] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Search for the Pareto front of a model on a card.

    `exact` prices every design of both stages and merges the two fronts; the others report their distance from it.
    """
    from flexdse.exploration_files import check_target, exploration_document, front_document, save_exploration
    from flexdse.exploration_folders import designs_of, explored_before, read_space
    from flexdse.front_door import exploration_request
    from flexdse.promotion_rungs import every_rung, parse_rungs
    from flexdse.quality_inputs import QualityInputs
    from spec.errors import InputError

    if method == "exact" and warm_start:
        raise InputError(
            "--warm-start belongs to sampled searches",
            field="--warm-start",
            value=method,
            rule="a method other than exact: exact prices every design",
            hint="leave the option out, or take --method stagewise",
        )
    request = exploration_request(
        model=model,
        device=device,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        objectives=objectives,
        method=method,
        budget=2_000 if budget is None else budget,
        seed=seed,
        constraints=tuple(constraints or ()),
        epsilon=epsilon,
        floorplan=floorplan,
        **({"floorplan_limit_s": floorplan_limit} if floorplan_limit is not None else {}),
        **({"space": read_space(space)} if space is not None else {}),
    )
    if method == "exact" and budget is not None:
        note("--budget is not used by the exact method: it prices every design")
    rungs: dict[str, int] = {}
    inputs = QualityInputs(quality_checkpoint, quality_text, quality_calibration_text, quality_wikitext_rows)
    if not promote and backend is not None:
        raise InputError(
            "--backend names the rungs of a promotion",
            field="--promote",
            value=promote,
            rule="at least 1 with --backend",
            hint="for example --promote 4 --backend csim, or leave --backend out",
        )
    backend = "csim" if backend is None else backend
    if not promote and inputs != QualityInputs():
        raise InputError(
            "the --quality-... options belong to the rung quality of a promotion",
            field="--promote",
            value=promote,
            rule="at least 1 with these options",
            hint="for example --promote 2 --backend quality, or leave them out",
        )
    if promote:
        from dse.promotion import check_rungs
        from flexdse.rungs import RUNGS, missing_rungs

        if backend.strip() == "auto":
            missing = missing_rungs(request, quality=inputs)
            for rung, reason in missing.items():
                note(f"rung {rung} is left out: {reason}")
            rungs = every_rung((rung for rung in RUNGS if rung not in missing), promote)
        else:
            rungs = parse_rungs(backend, promote)
            check_rungs(tuple(rungs), missing_rungs(request, tuple(rungs), inputs))
    if server is not None and (journal is not None or warm_start or promote):
        raise InputError(
            "--journal, --warm-start and --promote work on this machine",
            field="--server",
            value=server,
            rule="a search on a service keeps its evaluations there",
            hint="leave --server or these options out",
        )
    # The front of a promotion that was killed is in its folder: the promotion goes on, the search is not made again.
    known = explored_before(out, request) if promote and out is not None and not force else None
    if out is not None and known is None:
        check_target(out, force=force)
    written = None
    if known is not None:
        note(f"{out} holds this very exploration: its front is promoted, without searching again")
        result = known
    else:
        with SearchBar() as bar:
            if server is not None:
                from flexdse.remote import explore as run_there

                result = run_there(server, request, bar.show)
            else:
                first = [design for folder in warm_start or () for design in designs_of(folder)]
                result = _search_here(request, bar, journal, first)
        written = save_exploration(result, out, force=force) if out is not None else None
    promoted = None
    if promote:
        from flexdse.promotion import promote_result, promotion_document, save_promotion

        try:
            promotion = promote_result(
                result, promote, rungs, out, note if sys.stderr.isatty() else _quiet, inputs
            )  # fmt: skip
        except BaseException:
            kept = "nothing of it was kept: --out FOLDER keeps it" if out is None else f"{out} keeps what rungs said"
            note(f"the promotion was stopped; {kept}{'' if out is None else ': the same command goes on from there'}")
            raise
        promoted = promotion_document(promotion, result, inputs)
        if out is not None:
            save_promotion(promotion, promoted, out)
    if as_json:
        document = {**exploration_document(result), "front": front_document(result)}
        emit_json(document if promoted is None else {**document, "promotion": promoted})
    else:
        print_front(result)
        if promoted is not None:
            print_promotion(promoted)
    files = ["front.parquet", "front.json", "exploration.json", "report.html"] if written is not None else []
    if promoted is not None and out is not None:
        files += ["promotion.json", *([promoted["calibration_file"]] if promoted["calibration_file"] else [])]
    if files:
        note(f"wrote {written or out}: {', '.join(files)}")
    elif not as_json:
        note("nothing was written; --out FOLDER keeps the whole front, as Parquet, JSON and HTML")


def _search_here(
    request: ExplorationRequest, bar: SearchBar, journal: Path | None, warm_start: list[DesignPoint]
) -> ExplorationResult:
    """The search in this process. Ctrl-C ends it at once, or where its state is whole if that is kept; what there is to go
    on from is said.
    """
    from dse.explore import explore as run
    from dse.progress import SearchStopped
    from flexdse.stopping import Interrupted, Terminated, stop_request

    with stop_request(at_once=journal is None) as asked:
        try:
            return run(request, on_progress=bar.show, should_stop=asked, journal=journal, warm_start=warm_start)
        except SearchStopped:
            pass
        except (Interrupted, Terminated):
            if journal is not None:
                raise
    if journal is None:
        note("nothing was kept; with --journal FILE the next search goes on where this one was stopped")
    elif journal.exists():
        note(f"what was priced is in {journal}: the same command goes on from there, to the same result")
    else:
        note("stopped before anything was priced: there is nothing to go on from")
    raise asked.unwinding()


def _quiet(_: str) -> None:
    pass


class SearchBar:
    """A progress bar with rate and time left, on stderr, only where that is a terminal."""

    def __init__(self) -> None:
        self._logged_s = time.monotonic()
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

    def _log(self, progress: ExplorationProgress) -> None:
        """A line a minute where stderr is no terminal."""
        now = time.monotonic()
        if now - self._logged_s < LOG_INTERVAL_S or progress.phase == "done":
            return
        self._logged_s = now
        total = "" if progress.total is None else f" of {progress.total:,}"
        note(
            f"{progress.phase}: {progress.evaluations:,}{total} priced, {progress.front_size or 0:,} on the front so far"
        )

    def show(self, progress: ExplorationProgress) -> None:
        """Draw one report."""
        if self._bar is None:
            self._log(progress)
            return
        self._bar.update(
            self._task,
            description=progress.phase,
            completed=progress.evaluations,
            total=progress.total,
            rate=f"{progress.designs_per_s:,.0f} designs/s",
            front=str(len(progress.front)),
        )


def print_promotion(document: dict[str, Any]) -> None:
    """What the ladder said of each promoted design, and the front before and after."""
    from flexdse.figures import figure, objective_value

    emit()
    rows = []
    for climb in document["climbs"]:
        said = "; ".join(f"{r['rung']}: {'ok' if r['passed'] else 'REFUSED'} ({r['detail']})" for r in climb["rungs"])
        rows.append([f"#{climb['index']}", climb["reason"], said or "-"])
    emit(table(rows, ["promoted", "why", "what the rungs said"], ["why", "what the rungs said"]))
    if document["reason"] is not None:
        emit(document["reason"])
    else:
        emit(f"calibrated by {document['measurements']} measurements (calibration {document['calibration_key']})")
    gone = sorted(set(document["front_before"]) - set(document["front_after"]))
    emit(f"front before: {len(document['front_before'])} designs; after: {len(document['front_after'])}"
         + (f"; gone: {', '.join(f'#{i}' for i in gone[:10])}{', ...' if len(gone) > 10 else ''}" if gone else ""))  # fmt: skip
    names, after = document["objectives"], document["metrics_after"]
    rows = [
        [f"#{climb['index']}", *(f"{figure(n, old)} -> {figure(n, new)}" for n, old, new in zip(
            names, climb["objectives_before"], (objective_value(n, after[climb["index"]]) for n in names), strict=True))]
        for climb in document["climbs"]
    ]  # fmt: skip
    emit(table(rows, ["promoted", *names]))


def evenly(count: int, limit: int) -> list[int]:
    """At most `limit` of the indices 0 .. count - 1, evenly spread, with both ends."""
    if count <= limit:
        return list(range(count))
    return [round(i * (count - 1) / (limit - 1)) for i in range(limit)]


def mixes_schemes(result: ExplorationResult) -> bool:
    """Whether the search chose among several quantization schemes, so that a design must say which is its own."""
    space = result.request.space
    return space is not None and len(space.quant_schemes) > 1


def print_front(result: ExplorationResult, limit: int = MAX_ROWS) -> None:
    """The front as a table, thinned to `limit` rows, and how it was found."""
    from dse.record_text import record_lines
    from flexdse.figures import figure, objective_value
    from flexdse.front_quality import front_quality

    names = result.request.objectives
    shown = evenly(len(result.front), limit)
    mixed = mixes_schemes(result)
    rows = []
    for index in shown:
        entry = result.front[index]
        p, d = entry.design.prefill, entry.design.decode
        rows.append([
            str(index),
            f"{p.token_parallelism}/{p.qkvo_weight_parallelism}/{p.key_parallelism}/{p.ffn_weight_parallelism}",
            f"{d.block_parallelism}x{d.weight_parallelism}, {d.head_parallelism}x{d.key_parallelism}",
            *([entry.design.quant_scheme.name] if mixed else []),
            *(figure(name, objective_value(name, entry.metrics)) for name in names),
        ])  # fmt: skip
    columns = ["prefill TP/QKVO/K/FFN", "decode BPxW, HPxK", *(["scheme"] if mixed else [])]
    emit(table(rows, ["#", *columns, *names], columns))
    if len(shown) < len(result.front):
        emit(f"({len(shown)} of the {len(result.front):,} designs of the front, evenly spread)")
    emit()
    for line in record_lines(result):
        emit(line)
    for line in front_quality(result):
        emit_item(line)
