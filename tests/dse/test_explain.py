"""Explanations against the plain evaluation of the designs that they speak of."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import dse.explain as explain
import dse.nearest as dse_nearest
import dse.place as dse_place
from cost_models.report import evaluate_point
from dse.floorplan import plan_floorplan
from spec.catalog import load_design, load_device, load_model
from spec.design_point import DesignPoint
from spec.errors import InputError, ToolNotFoundError
from spec.metrics import METRICS
from spec.space_overrides import SpaceOverrides
from spec.workload import Workload

MODEL, DEVICE = load_model("smollm2-135m"), load_device("u280")
WORKLOAD = Workload(prompt_tokens=128, output_tokens=64)
NAMES = ("ttft_s", "tpot_s", "max_utilization")


@pytest.fixture(scope="module")
def design() -> DesignPoint:
    """A small legal design: eight decode lanes of eight."""
    space = dse_place.design_space(MODEL, DEVICE)
    prefill = {"module_set": 0, "token_parallelism": 4, "key_parallelism": 4, "qkvo_weight_parallelism": 16,
               "ffn_weight_parallelism": 32, "ffn_weight_blocks": 1, "value_parallelism": 8, "clock_mhz": 300}  # fmt: skip
    decode = {"module_set": 0, "block_parallelism": 8, "weight_parallelism": 16, "weight_port_bits": 256, "engine_splits": 2,
              "head_parallelism": 1, "key_parallelism": 16, "value_parallelism": 16, "vector_parallelism": 4,
              "clock_mhz": 300}  # fmt: skip
    return space.design_point(prefill, decode)


def test_every_step_is_the_design_with_one_knob_changed(design: DesignPoint) -> None:
    found = explain.sensitivity(design, MODEL, DEVICE, WORKLOAD, NAMES)
    base = evaluate_point(design, MODEL, DEVICE, WORKLOAD).metrics
    assert found["metrics"] == {name: base[name] for name in NAMES}
    knobs = {entry["knob"]: entry for entry in found["knobs"]}
    assert {"prefill.token_parallelism", "decode.block_parallelism", "decode.vector_parallelism"} <= set(knobs)
    entry = knobs["decode.vector_parallelism"]
    assert entry["value"] == 4
    for step in entry["steps"]:
        changed = design.model_copy(
            update={"decode": design.decode.model_copy(update={"vector_parallelism": step["to"]})}
        )
        after = evaluate_point(changed, MODEL, DEVICE, WORKLOAD).metrics
        assert step["metrics"] == {name: after[name] for name in NAMES}
        assert step["change"]["tpot_s"] == pytest.approx(after["tpot_s"] / base["tpot_s"] - 1)  # type: ignore[operator]
        assert step["change"]["ttft_s"] is not None
    below, above = entry["steps"]
    assert below["to"] < 4 < above["to"]
    strengths = [
        max(abs(c) for s in e["steps"] for c in s["change"].values()) if e["steps"] else 0 for e in found["knobs"]
    ]
    assert strengths == sorted(strengths, reverse=True)


def test_binding_names_the_slowest_module(design: DesignPoint) -> None:
    found = explain.binding(design, MODEL, DEVICE, WORKLOAD)
    report = evaluate_point(design, MODEL, DEVICE, WORKLOAD)
    for stage in ("prefill", "decode"):
        rows = [row for row in report.breakdown if row.stage == stage]
        assert found["stages"][stage]["slowest_modules"][0]["module"] == max(rows, key=lambda row: row.cycles).module
    assert len(found["binds"]) >= 2


def test_nearest_design_meets_the_target(design: DesignPoint) -> None:
    now = evaluate_point(design, MODEL, DEVICE, WORKLOAD).metrics["decode_tokens_per_s"]
    assert now is not None
    target = f"decode_tokens_per_s >= {1.5 * now}"
    found = explain.nearest(design, MODEL, DEVICE, WORKLOAD, target)
    assert not found["met"]
    assert found["changes_needed"] >= 1
    for option in found["designs"]:
        other = DesignPoint.model_validate(option["design"])
        report = evaluate_point(other, MODEL, DEVICE, WORKLOAD)
        assert report.metrics["decode_tokens_per_s"] >= 1.5 * now  # type: ignore[operator]
        assert not report.violations
        assert option["metrics"] == report.metrics
        assert (
            plan_floorplan(other, MODEL, DEVICE, WORKLOAD, optimise=False, levers=False).status == option["floorplan"]
        )
        assert option["floorplan"] in ("placed", "within_band")
        assert other.prefill == design.prefill  # the target is of decode alone
    assert len(found["designs"][0]["changes"]) == found["changes_needed"]
    met = explain.nearest(design, MODEL, DEVICE, WORKLOAD, f"decode_tokens_per_s >= {now / 2}")
    assert (met["met"], met["changes_needed"]) == (True, 0)


@pytest.mark.parametrize(
    ("metric", "refused_above"),
    [("e2e_latency_s", None), ("ttft_s", None), ("max_utilization", None), ("e2e_latency_s", 256)],
)
def test_no_design_meets_the_target_with_fewer_changes(
    design: DesignPoint, monkeypatch: pytest.MonkeyPatch, metric: str, refused_above: int | None
) -> None:
    """Every pair of a small space, counted and priced; targets that one stage alone reaches too, with more changes; and with
    a floorplan that refuses some designs, the one that is explained among them.
    """
    monkeypatch.setattr(dse_nearest.Judge, "refused", lambda judge, i, j: [])
    few = {
        "prefill.token_parallelism": (2, 4, 8), "prefill.ffn_weight_parallelism": (16, 32, 64),
        "prefill.qkvo_weight_parallelism": (8, 16), "prefill.key_parallelism": (4, 8), "prefill.value_parallelism": (8,),
        "prefill.clock_mhz": (300,), "decode.block_parallelism": (4, 8, 16), "decode.weight_parallelism": (16, 32),
        "decode.head_parallelism": (1,), "decode.key_parallelism": (16,), "decode.value_parallelism": (16,),
        "decode.vector_parallelism": (4, 8), "decode.clock_mhz": (300,),
    }  # fmt: skip
    whole = dse_place.design_space
    monkeypatch.setattr(
        dse_place, "design_space", lambda m, d, s, o, y, v: whole(m, d, s, SpaceOverrides(restrict=few), y, v)
    )
    place = dse_place.place_of(design, MODEL, DEVICE, WORKLOAD)
    space = place.arm.space
    p, d = np.divmod(np.arange(space.size), space.decode.size)
    costs = place.arm.price(p, d)
    changed = np.zeros(space.size, dtype=int)
    for part, index, origin in ((space.prefill, p, place.prefill), (space.decode, d, place.decode)):
        mine = part.columns(np.array([origin]))
        changed += sum((column != mine[name][0]).astype(int) for name, column in part.columns(index).items())
    stands = np.ones(space.size, dtype=bool)
    if refused_above is not None:  # a floorplan that refuses every decode of more lanes, and one prefill
        lanes = space.decode.columns(d)["block_parallelism"] * space.decode.columns(d)["weight_parallelism"]
        stands = (lanes <= refused_above) & (p != place.prefill)
        monkeypatch.setattr(
            dse_nearest.Judge, "refused",
            lambda judge, i, j: [*([(i, None)] if i == place.prefill else []), *([(None, j)] if lanes[j] > refused_above else [])],
        )  # fmt: skip
    values = np.where(costs.feasible & stands, costs.metrics[metric], np.inf)
    seen = set()
    for quantile in (0.0, 0.02, 0.1, 0.3):
        bound = float(np.quantile(values[np.isfinite(values)], quantile))
        meets = values <= bound
        found = explain.nearest(design, MODEL, DEVICE, WORKLOAD, f"{metric} <= {bound!r}", (metric, "tpot_s"))
        assert found["changes_needed"] == changed[meets].min()
        seen.add(found["changes_needed"])
        for option in found["designs"]:
            assert len(option["changes"]) == found["changes_needed"]
            assert option["metrics"][metric] <= bound
            here = dse_place.place_of(DesignPoint.model_validate(option["design"]), MODEL, DEVICE, WORKLOAD)
            assert dse_nearest.Judge.refused(here, here.prefill, here.decode) == []  # type: ignore[arg-type]
    assert len(seen) > 1


def test_target_out_of_reach_says_what_binds(design: DesignPoint) -> None:
    found = explain.nearest(design, MODEL, DEVICE, WORKLOAD, "decode_tokens_per_s >= 1e9")
    assert found["changes_needed"] is None
    assert found["designs"] == []
    assert found["best_possible"] < 1e9
    assert "decode: " in found["reason"]
    assert "cycles" in found["reason"]
    assert "prefill" not in found["reason"]  # it has no say in the target
    assert found["outside"] == []  # the catalog has no design for this model on this card


def test_variants_of_modules_are_knobs(design: DesignPoint) -> None:
    """A design with modules that the default space does not have: each may be exchanged for what that has."""
    own = design.decode.modules.model_copy(update={"process_granularity": "element", "dequantizer": "unpipelined"})
    odd = design.model_copy(update={"decode": design.decode.model_copy(update={"modules": own})})
    found = {entry["knob"]: entry for entry in explain.sensitivity(odd, MODEL, DEVICE, WORKLOAD, NAMES)["knobs"]}
    entry = found["decode.modules.dequantizer"]
    assert (entry["value"], [step["to"] for step in entry["steps"]]) == ("unpipelined", ["pipelined"])
    changed = own.model_copy(update={"dequantizer": "pipelined"})
    other = odd.model_copy(update={"decode": odd.decode.model_copy(update={"modules": changed})})
    after = evaluate_point(other, MODEL, DEVICE, WORKLOAD).metrics
    assert entry["steps"][0]["metrics"] == {name: after[name] for name in NAMES}
    assert found["decode.modules.process_granularity"]["value"] == "element"
    # A target just at what the one exchange gives takes that exchange, or another single change.
    bound = after["tpot_s"]
    near = explain.nearest(odd, MODEL, DEVICE, WORKLOAD, f"tpot_s <= {bound!r}", ("tpot_s",))
    assert near["changes_needed"] == 1
    place = dse_place.place_of(odd, MODEL, DEVICE, WORKLOAD)
    assert place.columns()["decode.modules.dequantizer"] == "unpipelined"
    assert place.design() == odd


def test_without_a_solver_it_says_that_no_floorplan_was_looked_at(
    design: DesignPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> str:
        raise ToolNotFoundError("no solver", field="floorplan", value=None, rule="OR-Tools", hint="install it")

    monkeypatch.setattr("dse.placed_front.solver_name", absent)
    found = explain.sensitivity(design, MODEL, DEVICE, WORKLOAD, NAMES)
    assert "OR-Tools" in found["missing"]["floorplan"]
    assert {step["floorplan"] for entry in found["knobs"] for step in entry["steps"]} == {None}


def test_comparison_lists_the_differences_only(design: DesignPoint) -> None:
    other = design.model_copy(update={"decode": design.decode.model_copy(update={"vector_parallelism": 8})})
    found = explain.compare_designs(design, other, MODEL, DEVICE, WORKLOAD)
    assert found["knobs"] == [{"knob": "decode.vector_parallelism", "first": 4, "second": 8}]
    rows = {row["name"]: row for row in found["metrics"]}
    assert set(rows) <= set(METRICS)
    assert rows["tpot_s"]["better"] == "second"
    assert rows["ttft_s"]["unit"] == "s"


def test_catalog_design_with_ports_of_its_own_is_refused_with_a_way_out() -> None:
    design = load_design("flexllm-u280")
    odd = design.model_copy(update={"clock_target_mhz": design.clock_target_mhz.model_copy(update={"prefill": 250.5})})
    with pytest.raises(InputError, match="not in the search space"):
        dse_place.place_of(odd, load_model("llama-3.2-1b"), DEVICE, Workload(prompt_tokens=64, output_tokens=8))


def test_explain_is_light() -> None:
    """The service imports it at its start."""
    line = "import sys, dse.explain; print([m for m in ('pandas', 'scipy', 'optuna', 'ortools', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
