"""How well sensitivities predict the perplexity of mixtures that no fit has seen: `make bench-quality`.

The figures are those of the table shipped in spec/catalog/quality, in the arithmetic of the hardware; beside it two larger
studies of other modes (benchmarks/quality_studies: GPTQ and rounding to nearest), and all together. All are recorded
measurements of SmolLM2-135M, each with its protocol. Written to build/bench/quality.json with a plot beside it; `make
quality-figure` draws the plot of docs/quality.md. `REMEASURE=n` measures n of the shipped mixtures again. Where `make
quantized-smollm2` has left checkpoints, the evaluator's logits are compared with those of the golden reference.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from scipy import stats

from benchmarks.hardware_decoder import compare
from benchmarks.record import bench_record
from cost_models.arrays import FloatArray
from cost_models.quality import scheme_quality
from dse.study import NATIVE_BATCH  # the fewest designs that a search prices at once
from quantize.packaged import packaged_text
from spec.catalog import load_model
from spec.quality import (
    MeasuredCombination,
    MeasuredTable,
    PrecisionPlan,
    PublishedTable,
    SensitivityTable,
    measured_alone,
    predicted_nll,
)
from spec.quality_catalog import QUALITY_DIR, load_quality_table, measured_schemes, quality_tables
from spec.quantized_checkpoint import TOKENIZER_FILE, WEIGHTS_FILE, load_checkpoint
from spec.scheme_names import scheme_named

MODEL = "smollm2-135m"
OUT = Path("build/bench/quality.json")
STUDIES = Path(__file__).parent / "quality_studies"
PLOT_RATIO = 4.0  # the plot ends here: beyond, predictions only rank
NEAR_RATIO = 2.0  # below twice the reference's perplexity values count, beyond it only the order
LOOKUPS = 60_000
SPEARMAN_BAR = 0.95
ERROR_BAR = 0.05  # median, of perplexity, below NEAR_RATIO
UNSEEN_BAR = 40
LOOKUP_BAR_S = 1e-6
ROTATION_BAR = 50.0  # plain W4A4 by rounding to nearest has so many times the perplexity of the rotated one, or more
PUBLISHED_ORDER = ("Q1", "Q2", "Q3", "Q0")  # FlexLLM's ablation, best first
SEARCH_SCHEMES = ("w8a8kv8", "w4a8kv8", "w4a8kv4", "w4a6kv8", "w4a4kv8", "w4a4kv8h8")
PUBLISHED_METHODS = ("SpinQuant", "QuaRot", "GPTQ", "RTN")  # of one width, best first; two may tie
CHECKPOINTS = Path(os.environ.get("QUANTIZED", "build/quantized"))
EQUALITY_SCHEMES = ("w8a8kv8", "w4a8kv8", "w4a4kv8")
EQUALITY_TOKENS = 256
GOLDEN_TOKENS = 16  # the reference takes about a second for each


def the_table() -> SensitivityTable:
    """The measured table of the packaged model that the catalog ships."""
    table = load_quality_table(QUALITY_DIR / f"{MODEL}.json")
    assert isinstance(table, SensitivityTable)
    return table


def the_studies() -> dict[str, SensitivityTable]:
    """The recorded tables by name, the shipped one first."""
    found = {"shipped": the_table()}
    for path in sorted(STUDIES.glob("*.json")):
        table = load_quality_table(path)
        assert isinstance(table, SensitivityTable)
        found[path.stem] = table
    return found


def unseen_mixtures(table: SensitivityTable) -> list[MeasuredCombination]:
    """What no fit has seen, without the base and single changes, which the table itself consists of."""
    return [c for c in table.combinations if not c.used_in_fit and not measured_alone(table, c.overrides)]


def unseen_ratios(table: SensitivityTable) -> tuple[FloatArray, FloatArray]:
    """(measured, predicted) perplexity over the reference's, of each mixture that no fit has seen."""
    unseen = unseen_mixtures(table)
    measured = np.exp([combination.nll - table.reference.nll for combination in unseen])
    predicted = np.exp([predicted_nll(table, c.overrides) - table.reference.nll for c in unseen])
    return measured, predicted


def prediction_errors(measured: FloatArray, predicted: FloatArray) -> dict[str, Any]:
    """Order and errors of predictions; values count below twice the reference, beyond it only the order."""
    near = measured < NEAR_RATIO
    errors = np.abs(predicted / measured - 1)
    return {
        "n": len(measured),
        "n_within_2x": int(near.sum()),
        "spearman": float(stats.spearmanr(predicted, measured).statistic),
        "spearman_within_2x": float(stats.spearmanr(predicted[near], measured[near]).statistic),
        "median_rel_error": float(np.median(errors[near])),
        "largest_rel_error_within_2x": float(errors[near].max()),
        "median_rel_error_all": float(np.median(errors)),
    }


def lookup_seconds() -> float:
    """Seconds of the lookup that the search makes for a batch of designs: the remembered estimate of the batch's scheme."""
    model, schemes = load_model(MODEL), [scheme_named(name) for name in SEARCH_SCHEMES]
    found = [scheme_quality(model, scheme).value for scheme in schemes]
    assert None not in found
    started = time.perf_counter()
    for _ in range(LOOKUPS // len(schemes)):
        for scheme in schemes:
            scheme_quality(model, scheme)
    return (time.perf_counter() - started) / LOOKUPS


def published_order() -> dict[str, Any]:
    """FlexLLM's schemes from best to worst, as the shipped table gives them; the methods it leaves out, of another model."""
    model = load_model("llama-3.2-1b")
    (table,) = [t for t in quality_tables(model.name) if isinstance(t, PublishedTable)]
    found = {r.name: scheme_quality(model, r.scheme).value for r in table.results if r.scheme is not None}
    beyond = [r.name for r in table.results if r.is_lower_bound]
    ranked = sorted(found, key=lambda name: found[name] or math.inf)
    (others,) = [t for t in quality_tables("llama-3-8b") if isinstance(t, PublishedTable)]
    return {
        "order": [*ranked, *beyond],
        "quality": found,
        "source": "published",
        "publication": table.publication,
        "methods_of": others.model,
        "methods": {r.name: r.perplexity for r in sorted(others.results, key=lambda result: result.perplexity)},
        "methods_publication": others.publication,
    }


def scheme_perplexities(table: MeasuredTable) -> dict[str, Any]:
    """Perplexity of each whole scheme, rotated and plain: the gap that rotations close."""
    found = {result.name: result.measurement.perplexity for result in table.results}
    return {"protocol": table.protocol.model_dump(mode="json"), "unquantized": table.reference.perplexity, **found}


def remeasure(table: SensitivityTable, count: int) -> list[dict[str, float]]:
    """Some of the unseen mixtures measured here and now, on the packaged model and text."""
    if count == 0:
        return []
    from quantize.arrays import open_arrays
    from quantize.assess import Setting, evaluator_of_table
    from quantize.sensitivity import measure_combination
    from quantize.sources import open_model, open_text

    setting = Setting(open_model(MODEL), open_arrays("numpy"), Path("build/quality"), print)
    plan = PrecisionPlan(scheme=scheme_named("w8a8kv8"))
    evaluator = evaluator_of_table(setting, table, plan, open_text(None, "evaluation"), None)
    results = []
    for combination in unseen_mixtures(table)[:count]:
        now = measure_combination(evaluator, combination.overrides, used_in_fit=False)
        results.append({"shipped_nll": combination.nll, "measured_nll": now.nll})
        print(f"shipped {combination.nll:.4f}, measured now {now.nll:.4f}")
    return results


def arithmetic() -> dict[str, Any]:
    """The evaluator against the golden reference of a generated project, on the same text, scheme by scheme."""
    found: dict[str, Any] = {}
    for scheme in EQUALITY_SCHEMES:
        folder = CHECKPOINTS / f"{MODEL}-{scheme}"
        if not (folder / WEIGHTS_FILE).is_file():
            found[scheme] = {"missing": f"no checkpoint in {folder}: make quantized-smollm2 writes it"}
            continue
        from tokenizers import Tokenizer

        ids = Tokenizer.from_file(str(folder / TOKENIZER_FILE)).encode(packaged_text("evaluation")[:10_000]).ids
        found[scheme] = compare(load_checkpoint(folder), np.array(ids[:EQUALITY_TOKENS]), GOLDEN_TOKENS)._asdict()
        print(scheme, found[scheme])
    return found


def plot(ratios: dict[str, tuple[FloatArray, FloatArray]], path: Path) -> None:
    """Predicted against measured, both logarithmic and relative to the unquantized model; the same data, the same file."""
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "flexdse", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(figsize=(5.6, 5.2))
    ends = np.array([0.97, PLOT_RATIO])
    axes.plot(ends, ends, color="0.5", linewidth=1)
    axes.fill_between(ends, ends * 0.95, ends * 1.05, color="0.88", label="within 5 %")
    axes.axvline(NEAR_RATIO, color="0.6", linestyle=":", label="twice the unquantized perplexity")
    for (name, (measured, predicted)), marker in zip(ratios.items(), "o^s", strict=False):
        beyond = int(np.count_nonzero(np.maximum(measured, predicted) > PLOT_RATIO))
        rest = f", {beyond} beyond the plot" if beyond else ""
        label = f"{name}: {len(measured)} unseen mixtures{rest}"
        axes.scatter(measured, predicted, s=18, zorder=3, marker=marker, label=label)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    ticks = [1, 1.2, 1.5, 2, 3, 4]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
        axis.set_minor_locator(NullLocator())
    axes.set(xlabel="measured perplexity / unquantized", ylabel="predicted perplexity / unquantized")
    axes.legend(loc="upper left", fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def rotation_gaps(tables: list[MeasuredTable]) -> list[dict[str, Any]]:
    """Plain over rotated perplexity of W4A4KV8 rounded to nearest, for each protocol that has both."""
    gaps = []
    for table in tables:
        found = {
            result.mode.folded_rotations: result.measurement.perplexity
            for result in table.results
            if result.scheme.name == "w4a4kv8" and result.mode.weight_rounding == "rtn" and not result.overrides
        }
        if len(found) == 2:
            plain, rotated = found["none"], found["r1_r2"]
            protocol = table.protocol
            gaps.append({"window_tokens": protocol.window_tokens, "predicted_tokens": protocol.predicted_tokens,
                         "text": protocol.text, "plain": plain, "rotated": rotated, "ratio": plain / rotated})  # fmt: skip
    return gaps


def methods_in_order(perplexities: dict[str, float]) -> bool:
    """Whether at each width (the first word of a name) no method beats one that is published as better."""
    widths = {name.split()[0] for name in perplexities}
    columns = [[perplexities[f"{w} {m}"] for m in PUBLISHED_METHODS if f"{w} {m}" in perplexities] for w in widths]
    return len(columns) > 1 and all(len(column) > 2 and column == sorted(column) for column in columns)


def missed_bars(record: dict[str, Any]) -> list[str]:
    """What of the record is short of its bar, in words."""
    order = tuple(name[:2] for name in record["published_order"]["order"][: len(PUBLISHED_ORDER)])
    gap = max((gap["ratio"] for gap in record["rotation_gaps"]), default=0.0)
    differing = {name: one["differing_logits"] for name, one in record["arithmetic"].items() if "missing" not in one}
    checks = {
        f"n = {record['n']}, at least {UNSEEN_BAR}": record["n"] >= UNSEEN_BAR,
        f"Spearman {record['spearman']:.3f}, at least {SPEARMAN_BAR}": record["spearman"] >= SPEARMAN_BAR,
        f"median error {record['median_rel_error']:.1%}, at most {ERROR_BAR:.0%}": record["median_rel_error"]
        <= ERROR_BAR,
        f"lookup {record['lookup_s_per_design']:.2g} s a design, below {LOOKUP_BAR_S:g}": record["lookup_s_per_design"]
        < LOOKUP_BAR_S,
        f"published order {order}, of {PUBLISHED_ORDER}": order == PUBLISHED_ORDER,
        f"order of methods {PUBLISHED_METHODS} of {record['published_order']['methods_of']}": methods_in_order(
            record["published_order"]["methods"]
        ),
        f"plain over rotated W4A4 {gap:.0f}, at least {ROTATION_BAR:g}": gap >= ROTATION_BAR,
        f"logits that differ from the golden reference: {differing}": not any(differing.values()),
    }
    # What was not measured reaches no bar.
    unmeasured = [f"{name}: equality not measured, {one['missing']}" for name, one in record["arithmetic"].items()
                  if "missing" in one]  # fmt: skip
    return [*(words for words, reached in checks.items() if not reached), *unmeasured]


def main() -> None:
    """Write the figures and the plot; with --figure FILE only that plot."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--figure", type=Path, help="draw the plot into this file and do nothing else")
    figure = parser.parse_args().figure
    tables = the_studies()
    ratios = {name: unseen_ratios(table) for name, table in tables.items()}
    if figure is not None:
        plot(ratios, figure)
        return
    own = prediction_errors(*ratios["shipped"])
    record = {
        **bench_record(seed=0),
        **own,
        "source": "measured",
        "pooled": prediction_errors(*(np.concatenate([r[side] for r in ratios.values()]) for side in (0, 1))),
        "tables": {
            name: {
                **prediction_errors(*ratios[name]),
                "curvature": table.curvature,
                "band_relative": table.band_relative,
                "fitted": sum(c.used_in_fit for c in table.combinations),
                "mode": table.mode.model_dump(mode="json"),
                "protocol": table.protocol.model_dump(mode="json"),
            }
            for name, table in tables.items()
        },
        "lookup_s_per_batch": (per_batch := lookup_seconds()),
        "smallest_batch": NATIVE_BATCH,
        "lookup_s_per_design": per_batch / NATIVE_BATCH,
        "measured_schemes": [scheme_perplexities(one) for one in measured_schemes(MODEL)],
        "rotation_gaps": rotation_gaps(list(measured_schemes(MODEL))),
        "published_order": published_order(),
        "arithmetic": arithmetic(),
        "remeasured": remeasure(tables["shipped"], int(os.environ.get("REMEASURE", "0"))),
    }
    missed = missed_bars(record)
    record |= {"reference": SPEARMAN_BAR, "ratio": own["spearman"] / SPEARMAN_BAR, "missed": missed}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    plot(ratios, OUT.with_suffix(".svg"))
    OUT.write_text(json.dumps(record, indent=1) + "\n")
    for name in (*own, "pooled", "lookup_s_per_batch", "lookup_s_per_design"):
        print(f"{name}: {record[name]}")
    for one in record["measured_schemes"]:
        print({name: value for name, value in one.items() if name != "protocol"})
    for gap in record["rotation_gaps"]:
        print(f"W4A4KV8 rounded to nearest, windows of {gap['window_tokens']}, {gap['predicted_tokens']} tokens: "
              f"{gap['plain']:,.0f} plain, {gap['rotated']:.1f} rotated")  # fmt: skip
    print(f"order: {', '.join(record['published_order']['order'])}")
    if missed:
        raise SystemExit("bars missed: " + "; ".join(missed))
    print("every bar reached")


if __name__ == "__main__":
    main()
