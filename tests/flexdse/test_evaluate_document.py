"""`evaluate --json` is the document of the design page, with the numbers that the models must reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spec.metrics import METRICS

ARGUMENTS = ("evaluate", "--design", "flexllm-u280", "--model", "llama-3.2-1b", "--device", "u280", "--json")
RESOURCES = ["lut", "ff", "dsp", "bram_18k", "uram"]

Run = Callable[..., Any]
Number = (int, float)


_PAIR: list[dict[str, Any]] = []  # the one document that most tests read, made once


@pytest.fixture
def document(flexdse: Run) -> dict[str, Any]:
    if not _PAIR:
        shown = flexdse(*ARGUMENTS, "--prompt-tokens", 1024, "--output-tokens", 1024)
        assert (shown.code, shown.err) == (0, "")
        _PAIR.append(shown.document)
    return _PAIR[0]


def test_numbers_of_the_published_pair(document: dict[str, Any]) -> None:
    """The bars: prefill within 3 % of 1.65 s, a token within 8 % of 6.94 ms, DSP within 5 % of 2617 and 1624."""
    assert document["prefill"]["latency_s"] == pytest.approx(1.65, rel=0.03)
    assert document["decode"]["tpot_s"] == pytest.approx(6.94e-3, rel=0.08)
    assert document["prefill"]["resources"]["dsp"] == pytest.approx(2617, rel=0.05)
    assert document["decode"]["resources"]["dsp"] == pytest.approx(1624, rel=0.05)
    assert document["violations"] == []


def test_keys_in_their_order(document: dict[str, Any]) -> None:
    assert list(document) == [
        "schema", "flexdse_version", "model_version", "timing_table_version", "inputs", "provenance", "metrics",
        "missing", "prefill", "decode", "ttft_s", "e2e_latency_s", "energy_j", "energy_j_per_token", "power_w",
        "quality", "memory", "breakdown", "capacity", "fit", "violations", "open_limits", "assumptions", "error_band",
        "floorplan",
    ]  # fmt: skip
    assert document["schema"] == "flexdse/evaluation/v1"
    assert document["provenance"] == "analytical"
    assert document["inputs"] == {
        "design_key": document["inputs"]["design_key"],
        "model": "llama-3.2-1b",
        "device": "u280",
        "prompt_tokens": 1024,
        "output_tokens": 1024,
    }


def test_metrics_are_those_of_the_registry(document: dict[str, Any]) -> None:
    metrics, missing = document["metrics"], document["missing"]
    assert list(metrics) == list(METRICS)
    assert {name for name, value in metrics.items() if value is None} == set(missing) == {"card_cost_usd"}
    assert all(isinstance(value, Number) for value in metrics.values() if value is not None)
    assert all(isinstance(reason, str) and reason for reason in missing.values())
    quality = document["quality"]
    assert (quality["value"], quality["missing"], quality["kind"]) == (metrics["quality"], None, "published")
    assert "12.68 against 8.94" in quality["detail"]  # FlexLLM's own figure for its scheme


def test_figures_agree_with_the_metrics(document: dict[str, Any]) -> None:
    metrics = document["metrics"]
    for name in ("ttft_s", "e2e_latency_s", "energy_j", "energy_j_per_token", "power_w"):
        assert document[name] == metrics[name]
    assert document["prefill"]["latency_s"] == metrics["prefill_latency_s"]
    assert document["prefill"]["tokens_per_s"] == metrics["prefill_tokens_per_s"]
    assert document["decode"]["tpot_s"] == metrics["tpot_s"]
    assert document["decode"]["tokens_per_s"] == metrics["decode_tokens_per_s"]
    assert document["memory"]["hbm_fraction"] == metrics["hbm_fraction"]
    assert metrics["prefill_dsp"] == document["prefill"]["resources"]["dsp"]
    assert metrics["e2e_latency_s"] == pytest.approx(metrics["ttft_s"] + 1023 * metrics["tpot_s"])
    assert metrics["energy_j_per_token"] == pytest.approx(metrics["energy_j"] / 1024)
    assert metrics["power_w"] == pytest.approx(metrics["energy_j"] / metrics["e2e_latency_s"])


@pytest.mark.parametrize("stage", ["prefill", "decode"])
def test_stage(document: dict[str, Any], stage: str) -> None:
    part = document[stage]
    own = {"prefill": {"latency_s"}, "decode": {"tpot_s", "first_step_s"}}[stage]
    assert set(part) == own | {
        "cycles", "clock_mhz", "clock_target_mhz", "achievable_clock_mhz", "tokens_per_s", "bound_by", "resources",
        "utilization", "clb_fraction", "power_w", "energy_j_per_token",
    }  # fmt: skip
    assert list(part["resources"]) == list(part["utilization"]) == RESOURCES
    assert all(isinstance(count, int) and count > 0 for count in part["resources"].values())
    assert all(0 < share < 1 for share in part["utilization"].values())
    assert part["clock_mhz"] == {"prefill": 304, "decode": 292}[stage]
    modules = [module for module in document["breakdown"] if module["stage"] == stage]
    assert sum(module["cycles"] for module in modules) == pytest.approx(part["cycles"])
    assert part["bound_by"].split()[0] == max(modules, key=lambda module: module["cycles"])["module"]


def test_breakdown(document: dict[str, Any]) -> None:
    for module in document["breakdown"]:
        assert set(module) == {
            "stage", "module", "cycles", "share", "busy_cycles", "bound_by", "dsp", "dsp_in", "source",
        }  # fmt: skip
        assert module["source"]
        assert module["bound_by"] in ("compute", "hbm", "serial", "fill")


def test_memory(document: dict[str, Any]) -> None:
    memory = document["memory"]
    assert {"hbm_bytes_per_s", "hbm_fraction", "weight_bytes", "kv_cache_bytes", "channels"} <= set(memory)
    assert memory["kv_cache_bytes"] == 2 * 16 * 512 * 2047  # layers, KV channels, tokens, one byte each
    assert all(channel["bytes_per_s"] <= channel["limit_bytes_per_s"] for channel in memory["channels"])


def test_plug_in_for_long_prompts(flexdse: Run) -> None:
    own = ("evaluate", "--design", "flexllm-u280-hmt", "--model", "llama-3.2-1b", "--device", "u280")
    tokens = ("--prompt-tokens", 4096, "--output-tokens", 64, "--no-floorplan")
    hmt = flexdse(*own, *tokens, "--json").document["hmt"]
    assert list(hmt) == ["segments", "segment_tokens", "plugin_latency_s_per_segment", "prefill_latency_s"]
    assert f"HMT: {hmt['segments']} segments of {hmt['segment_tokens']} tokens, " in flexdse(*own, *tokens).out


def test_every_band_says_where_it_comes_from(document: dict[str, Any]) -> None:
    bands = document["error_band"]
    assert set(bands) <= {*METRICS, *RESOURCES}
    for band in bands.values():
        assert set(band) == {"relative_low", "relative_high", "basis"}
        assert band["relative_low"] < 0 < band["relative_high"]
        assert band["basis"]
    assert document["assumptions"]


def test_floorplan_of_the_measured_pair(flexdse: Run, document: dict[str, Any]) -> None:
    """Both bitstreams are placed, and the table says per SLR what stands there."""
    plan = document["floorplan"]
    assert plan["status"] == "placed"
    assert [bitstream["stages"] for bitstream in plan["bitstreams"]] == [["prefill"], ["decode"]]
    shown = flexdse(*ARGUMENTS[:-1], "--prompt-tokens", 1024, "--output-tokens", 1024)
    assert "floorplan of prefill: placed, fewest crossings" in shown.out
    assert "SLR0-SLR1" in shown.out


def test_a_refused_floorplan_is_a_violation(flexdse: Run) -> None:
    """FlexLLM's unreleased 512-bit decode: within the band of every rule alone, and no assignment holds them."""
    arguments = ["flexllm-u280-wide" if word == "flexllm-u280" else word for word in ARGUMENTS]
    tokens = ("--prompt-tokens", 1024, "--output-tokens", 1024)
    shown = flexdse(*arguments, *tokens)
    assert shown.code == 3
    assert shown.document["floorplan"]["status"] == "refused"
    assert shown.document["fit"] == "does_not_fit"
    named = [v for v in shown.document["violations"] if v["constraint"].startswith("floorplan_")]
    assert named
    assert all(v["demand"] > v["bound"] and "SLR" in v["where"] and v["levers"] for v in named)
    without = flexdse(*arguments, *tokens, "--no-floorplan")
    assert without.document["floorplan"] is None
    assert without.document["floorplan_missing"] == "not asked for"
    assert (without.code == 3) == bool(without.document["violations"])


def test_capacity_of_a_model_that_needs_more_channels(flexdse: Run) -> None:
    """Llama-3.1-8B with FlexLLM's map on the U280: fits the card at W4 and W8, and not the one channel of kq."""
    arguments = ["llama-3.1-8b" if word == "llama-3.2-1b" else word for word in ARGUMENTS]
    shown = flexdse(*arguments, "--prompt-tokens", 1024, "--output-tokens", 1024)
    assert shown.code == 3
    capacity = shown.document["capacity"]
    assert [(need["weight_bits"], need["fits"]) for need in capacity["card"]] == [(4, True), (8, True)]
    (short,) = [use for use in capacity["memories"] if not use["fits"]]
    assert (short["stage"], short["memory"], short["fullest_channel"]) == ("prefill", "hbm", 19)
    assert short["levers"][0].startswith("spread weights_kq over 2 channels: 2 prefill ports of 64 bit")


@pytest.mark.parametrize(
    ("prompt", "output", "missing"),
    [
        (64, 1, {"tpot_s", "decode_tokens_per_s"}),
        (1, 64, {"prefill_tokens_per_s", "prefill_energy_j_per_token"}),
        (1, 1, {"tpot_s", "decode_tokens_per_s", "prefill_tokens_per_s", "prefill_energy_j_per_token"}),
    ],
)
def test_missing_is_null_with_a_reason(flexdse: Run, prompt: int, output: int, missing: set[str]) -> None:
    tokens = ("--prompt-tokens", prompt, "--output-tokens", output, "--no-floorplan")
    shown = flexdse(*ARGUMENTS, *tokens).document
    missing = missing | {"card_cost_usd"}  # no device of the catalog states a price
    assert set(shown["missing"]) == missing
    assert {name for name, value in shown["metrics"].items() if value is None} == missing
    assert "NaN" not in str(shown)
