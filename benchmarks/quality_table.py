"""How long the sensitivity table of SmolLM2-135M takes: `make bench-quality_table`.

Measures what `flexdse quality-table --model smollm2-135m --combinations 56` measures, from nothing: calibration, three GPTQ
widths, the unquantized model, the base, 47 single changes and 56 mixtures. Each piece is timed once, when it is measured,
and kept in build/bench/quality-table: after an interruption the same command goes on there and adds up the pieces, so that
the seconds are those of the work whatever broke it off. A finished run is begun anew.

`SECONDS_LIMIT=n` stops after the piece that passes n seconds, for a machine that is lent by the slice. The record then says
what is left and what all of it would take at the pace so far (`estimated_s`), and the bar is not judged.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.quality import MODEL, the_table
from benchmarks.record import bench_record
from flexdse.quality_files import write_table
from quantize.arrays import open_arrays
from quantize.assess import Setting, evaluator_of_table
from quantize.evaluation import Evaluator
from quantize.precision import Precision
from quantize.sensitivity import (
    FIT_EVERY,
    base_scheme,
    measure_combination,
    measure_table,
    random_combination,
    refit,
    single_changes,
)
from quantize.sources import open_model, open_text
from spec.quality import PrecisionPlan, SensitivityTable, WidthOverride, predicted_nll
from spec.scheme_names import scheme_named

OUT = Path("build/bench/quality_table.json")
FOLDER = Path("build/bench/quality-table")  # cache, journal and table of the run
JOURNAL, TABLE = FOLDER / "seconds.jsonl", FOLDER / f"{MODEL}.json"
BAR_S = 30 * 60.0  # of wall time, on two cores
COMBINATIONS = 56
SEED = 0
GPTQ_WIDTHS = (6, 4, 3)
Overrides = tuple[WidthOverride, ...]


class Piece(NamedTuple):
    """Work that is done, timed and kept as a whole."""

    kind: str
    name: str
    run: Callable[[], object]


def pieces(evaluator: Evaluator, mixtures: list[Overrides]) -> Iterator[Piece]:
    """All of the table, in the order of `flexdse quality-table` but for GPTQ, which comes when a width is first needed."""
    bank = evaluator.bank
    base = Precision(base_scheme(bank.scheme), bank.config.n_layers)

    def measure(overrides: Overrides) -> Callable[[], object]:
        return lambda: evaluator.measure(Precision(base.scheme, base.n_layers, overrides))

    yield Piece("calibration", "static scales", lambda: bank.static_scale("layers.0.self_attn.k", 8))
    for bits in GPTQ_WIDTHS:
        yield Piece("gptq", f"{bits} bits", lambda bits=bits: bank.rounded("lm_head", bits))  # type: ignore[misc]
    yield Piece("measurement", "unquantized", evaluator.reference)
    yield Piece("measurement", "base", measure(()))
    for change in single_changes():
        yield Piece("measurement", f"{change.group} {change.depth} {change.bits}", measure((change,)))
    for index, mixture in enumerate(mixtures):
        yield Piece("measurement", f"mixture {index + 1}", measure(mixture))


def journal() -> list[dict[str, Any]]:
    """What has been timed so far; a last line that was cut off is not."""
    lines = JOURNAL.read_text().splitlines() if JOURNAL.is_file() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def note_seconds(kind: str, name: str, seconds: float) -> None:
    """One line more in the journal."""
    cut_off = JOURNAL.is_file() and not JOURNAL.read_bytes().endswith(b"\n")
    with JOURNAL.open("a") as lines:
        lines.write("\n" * cut_off + json.dumps({"kind": kind, "name": name, "seconds": seconds}) + "\n")


def fitted_table(evaluator: Evaluator, mixtures: list[Overrides]) -> SensitivityTable:
    """The table of what has been measured, read back from the cache."""
    table = measure_table(evaluator)
    found = [
        measure_combination(evaluator, one, used_in_fit=index % FIT_EVERY == 0) for index, one in enumerate(mixtures)
    ]
    return refit(table, found)


def against_shipped(table: SensitivityTable) -> dict[str, Any]:
    """How far this run is from the table of the catalog, in nats; the same arithmetic gives the same numbers."""
    shipped = the_table()
    known = {(s.group, s.depth, s.bits): s.delta_nll + shipped.base.nll for s in shipped.sensitivities}
    both = [
        (known[s.group, s.depth, s.bits], s.delta_nll + table.base.nll)
        for s in table.sensitivities
        if (s.group, s.depth, s.bits) in known
    ]
    nll = {c.overrides: c.nll for c in shipped.combinations}
    both += [(nll[c.overrides], c.nll) for c in table.combinations if c.overrides in nll]
    worst = max(abs(ours - theirs) for theirs, ours in both)
    return {"compared": len(both), "largest_nll_difference": worst}


def unseen_errors(table: SensitivityTable) -> list[float]:
    """Relative error of perplexity of each mixture that the fit has not seen."""
    return [abs(math.expm1(predicted_nll(table, c.overrides) - c.nll)) for c in table.combinations if not c.used_in_fit]


def record_of(timed: list[dict[str, Any]], left: dict[str, int]) -> dict[str, Any]:
    """Seconds by kind; what is `left` of a kind is estimated at the mean of what was timed of it."""
    by_kind: dict[str, list[float]] = {}
    for one in timed:
        by_kind.setdefault(one["kind"], []).append(one["seconds"])
    measured_s = sum(sum(seconds) for seconds in by_kind.values())
    unknown = [kind for kind, number in left.items() if number and kind not in by_kind]
    rest = sum(number * float(np.mean(by_kind[kind])) for kind, number in left.items() if number and kind in by_kind)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "timed": {kind: len(seconds) for kind, seconds in by_kind.items()},
        "left": left,
        "seconds_by_kind": {kind: sum(seconds) for kind, seconds in by_kind.items()},
        "seconds_of_one": {
            kind: dict(zip(("least", "median", "most"), np.quantile(seconds, (0, 0.5, 1)).tolist(), strict=True))
            for kind, seconds in by_kind.items()
        },
        "runs": len(by_kind.get("start", ())),
        "measured_s": measured_s,
        "estimated_s": None if unknown else measured_s + rest,
    }


def main() -> None:
    """Measure, time, and write what was found."""
    started = time.perf_counter()
    limit_s = float(os.environ.get("SECONDS_LIMIT", "inf"))
    if TABLE.is_file():
        shutil.rmtree(FOLDER)
    FOLDER.mkdir(parents=True, exist_ok=True)
    setting = Setting(open_model(MODEL), open_arrays("numpy"), FOLDER, print)
    plan = PrecisionPlan(scheme=scheme_named("w8a8kv8"))
    evaluator = evaluator_of_table(setting, the_table(), plan, open_text(None, "evaluation"), None)
    generator = np.random.default_rng(SEED)
    mixtures = [random_combination(generator) for _ in range(COMBINATIONS)]
    note_seconds("start", "weights loaded and rotated", time.perf_counter() - started)
    everything = list(pieces(evaluator, mixtures))
    done = {(one["kind"], one["name"]) for one in journal()}
    for piece in everything:
        if (piece.kind, piece.name) in done:
            continue
        if time.perf_counter() - started > limit_s:
            break
        begun = time.perf_counter()
        piece.run()
        seconds = time.perf_counter() - begun
        note_seconds(piece.kind, piece.name, seconds)
        done.add((piece.kind, piece.name))
        print(f"{piece.kind} {piece.name}: {seconds:.1f} s", flush=True)
    left = {kind: 0 for kind, _, _ in everything}
    for piece in everything:
        left[piece.kind] += (piece.kind, piece.name) not in done
    record = {**bench_record(seed=SEED), "model": MODEL, "combinations": COMBINATIONS, **record_of(journal(), left)}
    complete = not any(left.values())
    missed = []
    if complete:
        table = fitted_table(evaluator, mixtures)
        write_table(TABLE, table)
        errors = unseen_errors(table)
        record |= {
            "shipped": against_shipped(table),
            "unseen": len(errors),
            "median_rel_error": float(np.median(errors)),
            "band_relative": table.band_relative,
        }
        missed = [f"{record['measured_s']:.0f} s, below {BAR_S:.0f}"] if record["measured_s"] >= BAR_S else []
    seconds = record["measured_s"] if complete else record["estimated_s"]
    record |= {
        "complete": complete,
        "reference": BAR_S,
        "ratio": None if seconds is None else seconds / BAR_S,
        "missed": missed,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(record, indent=1) + "\n")
    for name in (
        "timed",
        "left",
        "seconds_by_kind",
        "seconds_of_one",
        "runs",
        "measured_s",
        "estimated_s",
        "load_average",
    ):
        print(f"{name}: {record[name]}")
    print(f"wrote {OUT}" + (f" and {TABLE}" if complete else "; the same command goes on from here"))
    if missed:
        sys.exit(f"short of its bar: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
