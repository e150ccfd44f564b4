"""Calibrated on one stage, checked on the other, with FlexLLM's measured pair: `make bench-calibration`.

Writes build/bench/calibration.json and rebuilds docs/calibration.md.
"""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import bench_record
from cost_models.calibrate import fit, fit_log_factor, log_half_width, prior_scale
from cost_models.report import evaluate_document
from spec.calibration import CalibrationEntry, CalibrationTable, Measurement
from spec.catalog import load_device, load_model, load_published_design
from spec.cost_report import ErrorBand
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import MODEL_VERSION
from spec.workload import STAGES, Stage, Workload

DESIGN = "flexllm-u280"
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)  # as in benchmarks/validation.py
PAGE = Path("docs/calibration.md")

HEAD = """# Calibration

A measurement corrects the models only where it was made. `fit` (cost_models/calibrate.py) takes pairs of predicted and
measured values and gives one factor for each provenance, stage, module and metric; `evaluate(..., calibration=)` applies
it. This page is rebuilt by `make bench-calibration`.

## The estimator

`y = log(measured / predicted)`, one value a *distinct design*: several readings of one design share its error and are
averaged. Normal scatter around a common log factor, both unknown; the conjugate normal-inverse-gamma prior says "factor
1", weighs as much as one design, and its 90 % predictive interval is the model's uncalibrated band (a module's: twice
its stage's). After `n` designs with mean `m` and squared deviations `SS`:

    log factor  = n m / (1 + n)                                  shrunk to 0 where data is thin
    s^2         = (3 s0^2 + SS + n m^2 / (1 + n)) / (3 + n)      data far from the prior widen it
    next design ~ log factor + s sqrt(1 + 1 / (1 + n)) t(3 + n)

Why: errors of cost laws are multiplicative; the form is closed, needs no sampling and is defined for a single datum. The
prior is a belief, so two floors hold whatever it says. With one design the band is never narrower than uncalibrated, nor
than that design's own error; with more, never narrower than the 90 % quantile of the fit's own leave-one-out errors
(their largest below nine designs).

Share of {seeds} simulated calibrations whose band holds a further design (90 % is right), true factor {factor}. `s0` is the
scatter that the prior expects; where designs scatter {most:g} times as much, few of them cannot show it:

{coverage}

## Rules

- Nothing is mixed: pairs of two devices, model versions or timing tables are refused by `fit`, and a table is refused
  for any other than its own. Devices are compared by content (`device_digest`: all numbers of the device document, not what
  it is called, costs or cites): a card file with one changed number is another card, a renamed one is not. A table from
  before there was a digest is compared by name, and every report that uses it says so. A table may hold several provenances, but not two of them in one column (time, LUT, ...).
- A whole-stage factor sets the total, module factors the shares; without one the total is the sum of the calibrated
  modules. Metrics are recomputed from the calibrated stages, so the breakdown still sums to the total.
- csynth resources are estimates from before placement: they are taken to post-route by published factors (LUT x0.75,
  FF x0.80, DSP x1.02), whose own spread is added to the band. csynth cycles stay csynth cycles.
- Provenance stays `analytical`; the bands name what they rest on, the assumptions list every factor.

## One stage fitted, the other checked

FlexLLM's measured pair on the U280, {prompt} tokens in and {output} out: latency from the board, resources post-route
(percentages of the card less its shell, so the rounding of a percentage is 1 to 5 % of a row). *Other stage* is that of
the calibrated report: a factor of one stage is never applied to the other, so it cannot get worse. *If lent* is the error
that the other stage would have had with this factor.

| fitted on | what | model | calibrated | band before | band after | other stage before | other stage after | if lent |
|---|---|---:|---:|---:|---:|---:|---:|---:|
"""

TAIL = """
*Model* and *calibrated* are errors on the fitted datum itself: in sample, no evidence. One datum moves a value halfway
and never narrows a band. Lent factors: {better} of {rows} would have brought the other stage closer, {worse} would have
taken it further away:
{worse_names}.
One pair of bitstreams cannot say beforehand which, so nothing is lent.

The table is of the kernel alone, less the known shell, as the uncalibrated bands are: true value over the model's, while
errors are the model's over the measured value. Beyond their band here: {beyond}.

## The loop

    flexdse simulate DIR                          cycles of both stages, fidelity timed_sim
    flexdse synthesize DIR --backend open         counts by rule and ranges, fidelity open_synthesis
    flexdse synthesize DIR --backend vitis        csynth, or post_route after impl
    flexdse report import csynth.xml --project DIR    attaches a report made elsewhere
    flexdse calibrate DIR1 DIR2 ... --save measured.json --out table.json
    flexdse evaluate ... --calibration table.json

Measurements of a card (`board`) and of `cosim` come in a file (`flexdse schema measurements`). Each measurement of a project carries its
lineage: model version, design, hash of the project's manifest, run (tool and version), hash of the report. A project that has
changed since disowns what was attached to it. Predictions are made anew with the models of now, so that a table never rests on
those of another version, and of the design *as it was built*: the generator builds rows of elements (`process_granularity:
array`), also of a design that is priced as FlexLLM's (`element`). Such factors are of our library's kernels, and a report that
applies them to a design priced as `element` says so.

An open synthesis counts DSP slices and memories by the laws of the models, and LUT and FF as ranges. It may refute a prediction: a
count that differs, or a range that does not hold the prediction (then its nearer end counts). Its agreement is no evidence of
what a chip takes, so a band that rests on it is never narrower than uncalibrated.

`report import` refuses a report of another part, clock or kernel: those of the HLS tool must name `prefill` or `decode` as their top
and, from C synthesis, their clock; `--stage` names the kernel only where a report of Vivado does not, and the attached document
lists what was compared and what was not. A count more than 100 times off the models is refused. That the sources were the
project's cannot be seen in a report. `calibrate` names every factor beyond 1.5 and below 1 / 1.5, and every column that has
two fidelities: `evaluate` takes one a column.

## Left out

- Power: its two plateaus chose the model's coefficient, so they cannot check it.
- Dependence on the design: one factor holds for every size of a design; a fit on small ones says little of large ones.
  Designs of one sweep resemble each other, and count as so many distinct designs all the same.
- A module factor scales the module's share of the critical path. In prefill, where modules overlap, a module that
  becomes the slowest by its factor is not promoted to the pace of the stage.
- csynth cycles against the RTL: of 46 published Stream-HLS designs on the U280 half differ by 8 % or more and one in ten
  runs 1.9 times as long. That is not in the bands of a calibration on csynth cycles.
- LUT, FF and memories of single modules: the models do not split them.
"""

OTHER: dict[Stage, Stage] = {"prefill": "decode", "decode": "prefill"}
SEEDS = 1000
SIMULATED_DESIGNS = (1, 2, 3, 5, 10, 30)
SIMULATED_FACTOR = 1.1
SIMULATED_SCATTERS = (0.5, 1.0, 1.5, 3.0)  # times s0
BAND = 0.2  # of LUT, FF and BRAM

_TIME = {"prefill": ("latency_s", "prefill_latency_s"), "decode": ("latency_s", "tpot_s")}


def measurements() -> list[Measurement]:
    """FlexLLM's rows of the catalog beside what the models predict."""
    published, device = load_published_design(DESIGN), load_device("u280")
    document = evaluate_document(published.design, load_model(published.model), device, WORKLOAD)
    total, shell = device.total.as_dict(), device.shell.as_dict()

    def pair(stage: Stage, metric: str, predicted: float, measured: float, provenance: str, key: str) -> Measurement:
        return Measurement.model_validate({
            "provenance": provenance,
            "device": device.name,
            "model_version": MODEL_VERSION,
            "timing_table_version": DEFAULT_TIMING_TABLE.version,
            "design_key": published.design.canonical_key(),
            "stage": stage,
            "module": None,
            "metric": metric,
            "predicted": predicted,
            "measured": measured,
            "source": f"{DESIGN} {key}: {published.sources[f'measured.{key}']}",
        })  # fmt: skip

    found = []
    for stage in STAGES:
        metric, key = _TIME[stage]
        predicted = document["prefill"]["latency_s"] if stage == "prefill" else document["decode"]["tpot_s"]
        found.append(pair(stage, metric, predicted, published.measured[key], "board", key))
        for kind, count in document[stage]["resources"].items():
            key = f"{stage}_dsp" if kind == "dsp" else f"{stage}_{kind.removesuffix('_18k')}_fraction"
            value = published.measured[key]
            measured = value if kind == "dsp" else value * total[kind] - shell[kind]
            found.append(pair(stage, kind, count, measured, "post_route", key))
    return found


def value_of(document: dict[str, Any], stage: Stage, metric: str) -> float:
    """The value of a whole stage in an evaluation."""
    if metric != "latency_s":
        return float(document[stage]["resources"][metric])
    return float(document["prefill"]["latency_s"] if stage == "prefill" else document["decode"]["tpot_s"])


def rows() -> list[dict[str, Any]]:
    """One row a fitted stage and metric: errors of both stages before and after."""
    published, device = load_published_design(DESIGN), load_device("u280")
    pairs: dict[tuple[Stage, str], Measurement] = {(one.stage, one.metric): one for one in measurements()}

    def evaluate(table: CalibrationTable | None) -> dict[str, Any]:
        return evaluate_document(published.design, load_model(published.model), device, WORKLOAD, calibration=table)

    before, found = evaluate(None), []
    for stage, other in OTHER.items():
        table = fit(one for one in pairs.values() if one.stage == stage)
        after = evaluate(table)
        for entry in table.entries:
            found.append(_row(entry, other, pairs, before, after))
    return found


def _row(
    entry: CalibrationEntry,
    other: Stage,
    pairs: dict[tuple[Stage, str], Measurement],
    before: dict[str, Any],
    after: dict[str, Any],
) -> dict[str, Any]:
    own, theirs = pairs[entry.stage, entry.metric].measured, pairs[other, entry.metric].measured
    other_before = value_of(before, other, entry.metric)
    return {
        "fitted_on": entry.stage,
        "metric": entry.metric,
        "provenance": entry.provenance,
        "factor": entry.factor,
        "error_before": value_of(before, entry.stage, entry.metric) / own - 1,
        "error_after": value_of(after, entry.stage, entry.metric) / own - 1,
        "band_before": [entry.uncalibrated_low, entry.uncalibrated_high],
        "band_after": [entry.relative_low, entry.relative_high],
        "other_stage": other,
        "other_error_before": other_before / theirs - 1,
        "other_error_after": value_of(after, other, entry.metric) / theirs - 1,
        "other_error_if_lent": other_before * entry.factor / theirs - 1,
    }


def coverage(scatter: float, designs: int) -> float:
    """Share of seeds whose band, fitted on `designs` simulated designs, holds one more; `scatter` in units of s0."""
    prior = log_half_width(ErrorBand(relative_low=-BAND, relative_high=BAND, basis="simulated"))
    sigma = scatter * prior_scale(prior)
    hits = 0
    for seed in range(SEEDS):
        rng = random.Random(seed)
        y = [rng.gauss(math.log(SIMULATED_FACTOR), sigma) for _ in range(designs + 1)]
        fitted = fit_log_factor(np.array(y[1:]), prior)
        hits += abs(y[0] - fitted.log_factor) <= fitted.half_width
    return hits / SEEDS


def coverage_rows() -> list[dict[str, float]]:
    """Coverage by scatter and number of designs."""
    return [
        {"scatter_over_s0": scatter, "designs": designs, "coverage_fraction": coverage(scatter, designs)}
        for scatter in SIMULATED_SCATTERS
        for designs in SIMULATED_DESIGNS
    ]


def page(found: list[dict[str, Any]], covered: list[dict[str, float]]) -> str:
    """docs/calibration.md."""
    share = {(row["scatter_over_s0"], row["designs"]): row["coverage_fraction"] for row in covered}
    simulated = [
        f"| scatter | {' | '.join(f'{n} designs' if n > 1 else '1 design' for n in SIMULATED_DESIGNS)} |",
        f"|---|{'---:|' * len(SIMULATED_DESIGNS)}",
    ] + [
        f"| {scatter:g} s0 | {' | '.join(f'{share[scatter, n]:.0%}' for n in SIMULATED_DESIGNS)} |"
        for scatter in SIMULATED_SCATTERS
    ]
    lines = [
        f"| {r['fitted_on']} | {r['metric']} ({r['provenance']}) | {r['error_before']:+.1%} | {r['error_after']:+.1%} "
        f"| {r['band_before'][0]:+.0%} .. {r['band_before'][1]:+.0%} "
        f"| {r['band_after'][0]:+.1%} .. {r['band_after'][1]:+.1%} "
        f"| {r['other_error_before']:+.1%} | {r['other_error_after']:+.1%} | {r['other_error_if_lent']:+.1%} |"
        for r in found
    ]
    worse = [r for r in found if abs(r["other_error_if_lent"]) > abs(r["other_error_before"])]
    names = ", ".join(f"{r['metric']} of {r['fitted_on']} lent to {r['other_stage']}" for r in worse) or "none"
    # A band is of the truth over the model, an error of the model over what was measured.
    beyond = [r for r in found if not r["band_before"][0] <= 1 / (1 + r["error_before"]) - 1 <= r["band_before"][1]]
    tail = TAIL.format(
        better=len(found) - len(worse),
        rows=len(found),
        worse=len(worse),
        worse_names=names,
        beyond=", ".join(f"{r['metric']} of {r['fitted_on']} ({r['error_before']:+.1%})" for r in beyond) or "none",
    )
    head = HEAD.format(
        prompt=WORKLOAD.prompt_tokens,
        output=WORKLOAD.output_tokens,
        seeds=SEEDS,
        factor=SIMULATED_FACTOR,
        most=max(SIMULATED_SCATTERS),
        coverage="\n".join(simulated),
    )
    return head + "\n".join(lines) + "\n" + tail


def main() -> None:
    """Write the record and the page."""
    found, covered = rows(), coverage_rows()
    record = {
        **bench_record(seed=0),
        "model_version": MODEL_VERSION,
        "other_stage_worse": sum(abs(r["other_error_after"]) > abs(r["other_error_before"]) for r in found),
        "rows": found,
        "coverage": covered,
    }
    target = Path("build/bench/calibration.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(record, indent=2))
    PAGE.write_text(page(found, covered))
    sys.stdout.write(PAGE.read_text() + f"wrote {PAGE} and {target}\n")


if __name__ == "__main__":
    main()
