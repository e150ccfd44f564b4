"""How well sensitivities predict the perplexity of mixtures that no fit has seen: `make bench-quality`.

From recorded measurements of SmolLM2-135M: the table shipped in spec/catalog/quality, in the arithmetic of the hardware, and
two larger studies of other modes (benchmarks/quality_studies: GPTQ and rounding to nearest), each with its protocol. Written
to build/bench/quality.json with a plot beside it. `REMEASURE=n` measures n of the shipped table's mixtures again.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot
from scipy import stats

from benchmarks.record import bench_record
from cost_models.arrays import FloatArray
from cost_models.quality import WidthLookup, scheme_quality
from spec.catalog import load_model
from spec.quality import (
    TENSOR_GROUPS,
    MeasuredCombination,
    MeasuredTable,
    PublishedTable,
    SensitivityTable,
    predicted_nll,
)
from spec.quality_catalog import load_quality_table, measured_schemes, quality_tables

MODEL = "smollm2-135m"
OUT = Path("build/bench/quality.json")
STUDIES = Path(__file__).parent / "quality_studies"
NEAR_RATIO = 2.0  # below twice the reference's perplexity values count, beyond it only the order
LOOKUP_DESIGNS = 1_000_000


def the_table() -> SensitivityTable:
    """The measured table of the packaged model."""
    (table,) = [table for table in quality_tables(MODEL) if isinstance(table, SensitivityTable)]
    return table


def the_studies() -> dict[str, SensitivityTable]:
    """The recorded tables by name, the shipped one first."""
    found = {"shipped": the_table()}
    for path in sorted(STUDIES.glob("*.json")):
        table = load_quality_table(path)
        assert isinstance(table, SensitivityTable)
        found[path.stem] = table
    return found


def unseen_ratios(table: SensitivityTable) -> tuple[FloatArray, FloatArray]:
    """(measured, predicted) perplexity over the reference's, of each combination that no fit has seen."""
    unseen = [combination for combination in table.combinations if not combination.used_in_fit]
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


def lookup_seconds(table: SensitivityTable) -> float:
    """Seconds a design of a vectorised lookup with widths of its own in every group."""
    lookup, generator = WidthLookup.of(table), np.random.default_rng(0)
    widths = {group: generator.integers(4, 9, LOOKUP_DESIGNS) for group in TENSOR_GROUPS}
    lookup.quality(widths)
    started = time.perf_counter()
    lookup.quality(widths)
    return (time.perf_counter() - started) / LOOKUP_DESIGNS


def published_order() -> dict[str, Any]:
    """FlexLLM's schemes from best to worst, as the shipped table gives them."""
    model = load_model("llama-3.2-1b")
    (table,) = [t for t in quality_tables(model.name) if isinstance(t, PublishedTable)]
    found = {r.name: scheme_quality(model, r.scheme).value for r in table.results if r.scheme is not None}
    beyond = [r.name for r in table.results if r.is_lower_bound]
    ranked = sorted(found, key=lambda name: found[name] or math.inf)
    return {"order": [*ranked, *beyond], "quality": found, "source": "published", "publication": table.publication}


def scheme_perplexities(table: MeasuredTable) -> dict[str, Any]:
    """Perplexity of each whole scheme, rotated and plain: the gap that rotations close."""
    found = {result.name: result.measurement.perplexity for result in table.results}
    return {"protocol": table.protocol.model_dump(mode="json"), "unquantized": table.reference.perplexity, **found}


def remeasure(table: SensitivityTable, count: int) -> list[dict[str, float]]:
    """Some of the unseen mixtures measured here and now, on the packaged model and text."""
    if count == 0:
        return []
    from quantize.arrays import open_arrays
    from quantize.assess import Setting, WindowChoice
    from quantize.evaluation import Evaluator
    from quantize.sensitivity import measure_combination
    from quantize.sources import open_model, open_text
    from spec.quality import PrecisionPlan
    from spec.scheme_names import scheme_named

    setting = Setting(open_model(MODEL), open_arrays("numpy"), Path("build/quality"), print)
    windows = table.protocol.window_tokens or 512
    predicted = table.protocol.predicted_tokens or windows
    choice = WindowChoice("fast", window_tokens=windows, max_windows=round(predicted / (windows - 1)))
    text = choice.cut(setting.named, open_text(None, "evaluation"))
    plan = PrecisionPlan(scheme=scheme_named("w8a8kv8"))
    bank = setting.bank(plan, table.mode.weight_rounding, table.mode.folded_rotations, setting.calibration(None, 16), 0)
    evaluator = Evaluator(bank, text, setting.cache, print, compare=False)
    results = []
    unseen: list[MeasuredCombination] = [c for c in table.combinations if not c.used_in_fit]
    for combination in unseen[:count]:
        now = measure_combination(evaluator, combination.overrides, used_in_fit=False)
        results.append({"shipped_nll": combination.nll, "measured_nll": now.nll})
        print(f"shipped {combination.nll:.4f}, measured now {now.nll:.4f}")
    return results


def plot(ratios: dict[str, tuple[FloatArray, FloatArray]], path: Path) -> None:
    """Predicted against measured, both logarithmic and relative to the unquantized model."""
    matplotlib.use("svg")
    figure, axes = pyplot.subplots(figsize=(5.2, 5))
    for name, (measured, predicted) in ratios.items():
        axes.scatter(measured, predicted, s=16, zorder=3, label=f"{name}: {len(measured)} unseen mixtures")
    largest = max(float(max(m.max(), p.max())) for m, p in ratios.values()) * 1.1
    ends = np.array([0.95, largest])
    axes.plot(ends, ends, color="0.5", linewidth=1)
    axes.fill_between(ends, ends * 0.95, ends * 1.05, color="0.9", label="within 5 %")
    axes.axvline(NEAR_RATIO, color="0.6", linestyle=":", label="twice the reference")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    axes.set(xlabel="measured perplexity / unquantized", ylabel="predicted perplexity / unquantized")
    axes.legend(loc="upper left", fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    """Write the figures and the plot."""
    tables = the_studies()
    ratios = {name: unseen_ratios(table) for name, table in tables.items()}
    together = prediction_errors(*(np.concatenate([r[side] for r in ratios.values()]) for side in (0, 1)))
    record = {
        **bench_record(seed=0),
        **together,
        "source": "measured",
        "tables": {
            name: {
                **prediction_errors(*ratios[name]),
                "curvature": table.curvature,
                "band_relative": table.band_relative,
                "mode": table.mode.model_dump(mode="json"),
                "protocol": table.protocol.model_dump(mode="json"),
            }
            for name, table in tables.items()
        },
        "lookup_s_per_design": lookup_seconds(tables["shipped"]),
        "measured_schemes": [scheme_perplexities(one) for one in measured_schemes(MODEL)],
        "published_order": published_order(),
        "remeasured": remeasure(tables["shipped"], int(os.environ.get("REMEASURE", "0"))),
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    plot(ratios, OUT.with_suffix(".svg"))
    OUT.write_text(json.dumps(record, indent=1) + "\n")
    for name in (*together, "lookup_s_per_design"):
        print(f"{name}: {record[name]}")
    for one in record["measured_schemes"]:
        print({name: value for name, value in one.items() if name != "protocol"})
    print(f"order: {', '.join(record['published_order']['order'])}")


if __name__ == "__main__":
    main()
