"""Clocks that count as measured, and bands that grow where less was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_models.evaluate import Context, evaluate_batch
from cost_models.report import ERROR_BANDS, evaluate_point
from cost_models.thin_data import ClockRange, unmeasured_choices, widened_for_choices, widened_for_clocks
from spec.catalog import load_design, load_device, load_model, load_published_design, names
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint, StageClocks
from spec.errors import InputError
from spec.measured_clocks import clocks_were_measured
from spec.module_choices import DecodeModules, PrefillModules
from spec.strict import Document, validate
from spec.workload import Workload

U280, LLAMA, PAIR = load_device("u280"), load_model("llama-3.2-1b"), load_design("flexllm-u280")
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)


def with_modules(prefill: dict[str, Any], decode: dict[str, Any]) -> DesignPoint:
    return PAIR.model_copy(
        update={
            "prefill": PAIR.prefill.model_copy(update={"modules": PrefillModules(**prefill)}),
            "decode": PAIR.decode.model_copy(update={"modules": DecodeModules(**decode)}),
        }
    )


@pytest.mark.parametrize("name", names("designs"))
def test_the_catalog_says_which_designs_ran_at_their_clocks(name: str) -> None:
    published = load_published_design(name)
    clocks = published.design.clock_target_mhz
    ran = published.measured.get("prefill_clock_mhz"), published.measured.get("decode_clock_mhz")
    measured = clocks_were_measured(published.design, published.model, load_device(published.device))
    assert measured == (ran == (clocks.prefill, clocks.decode))
    assert measured == (name == "flexllm-u280")


def test_no_design_document_claims_a_measured_clock() -> None:
    document = PAIR.model_dump(mode="json", by_alias=True)
    assert set(document["clock_target_mhz"]) == {"prefill", "decode"}
    document["clock_target_mhz"] = {"prefill": 900, "decode": 900, "measured": True}
    with pytest.raises(InputError, match="measured"):
        validate(DesignPoint, Document(document))


@pytest.mark.parametrize(
    ("point", "model", "device"),
    [
        (PAIR.model_copy(update={"prefill": PAIR.prefill.model_copy(update={"ffn_weight_parallelism": 72})}), "", ""),
        (load_design("flexllm-u280-hmt"), "", ""),
        (PAIR, "smollm2-135m", ""),
        (PAIR, "", "u55c"),
    ],
)
def test_a_copy_with_anything_changed_is_priced_by_the_clock_law(point: DesignPoint, model: str, device: str) -> None:
    model_config = load_model(model) if model else LLAMA
    card = load_device(device) if device else U280
    report = evaluate_point(point, model_config, card, WORKLOAD)
    for stage in (report.prefill, report.decode):
        assert stage.clock_mhz == min(stage.clock_target_mhz, stage.achievable_clock_mhz)
    assert not any("ran at them" in note for note in report.assumptions)
    if not device:
        assert report.decode.achievable_clock_mhz != 292.0


def test_targets_above_the_card_are_priced_by_the_law_and_are_violations() -> None:
    fast = PAIR.model_copy(update={"clock_target_mhz": StageClocks(prefill=900, decode=900)})
    report = evaluate_point(fast, LLAMA, U280, WORKLOAD)
    assert max(report.prefill.clock_mhz, report.decode.clock_mhz) <= U280.clock.max_mhz
    assert [(v.constraint, v.where, v.demand) for v in report.violations] == [
        ("clock_target", "prefill", 900.0),
        ("clock_target", "decode", 900.0),
    ]
    batch = DesignBatch.from_points([PAIR, fast], U280)
    context = Context(LLAMA, U280, WORKLOAD, PAIR.quant_scheme)
    assert evaluate_batch(batch, context).feasible.tolist() == [True, False]
    assert evaluate_batch(batch, replace(context, caps_at="prediction")).excess[1] > 0


def test_the_measured_pair_says_so_and_keeps_its_bands() -> None:
    report = evaluate_point(PAIR, LLAMA, U280, WORKLOAD)
    assert any("bitstreams of this design ran at them" in note for note in report.assumptions)
    assert report.error_band == ERROR_BANDS


def test_more_than_the_whole_card_does_not_fit_whatever_the_band() -> None:
    report = evaluate_point(load_design("flexllm-u280-wide"), LLAMA, U280, WORKLOAD)
    assert report.decode.clb_fraction > 1
    # The low end of the band alone would leave it open.
    assert [v.constraint for v in report.violations if v.where == "decode"] == ["clb_utilization"]
    assert report.fit == "does_not_fit"
    batch = DesignBatch.from_points([load_design("flexllm-u280-wide")], U280)
    assert not evaluate_batch(batch, Context(LLAMA, U280, WORKLOAD, batch.quant_scheme)).feasible.any()


VARIANTS: tuple[tuple[str, str, Any], ...] = (
    ("prefill", "linear_pe", "dsp4"),
    ("prefill", "attention_mask", "causal_skip"),
    ("prefill", "softmax", "pipelined"),
    ("decode", "linear_pe", "lut"),
    ("decode", "attention_pe", "dsp1"),
    ("decode", "quantizer", "reciprocal"),
)


@settings(max_examples=15, deadline=None)
@given(st.sets(st.sampled_from(VARIANTS), min_size=1))
def test_bands_of_variants_hold_those_of_the_measured_pair(chosen: set[tuple[str, str, Any]]) -> None:
    modules: dict[str, dict[str, Any]] = {"prefill": {}, "decode": {}}
    for stage, name, value in chosen:
        modules[stage][name] = value
    point = with_modules(modules["prefill"], modules["decode"])
    assert {k: set(v) for k, v in unmeasured_choices(point, LLAMA).items()} == {k: set(v) for k, v in modules.items()}
    bands = evaluate_point(point, LLAMA, U280, WORKLOAD).error_band
    for name, band in bands.items():
        assert -1 < band.relative_low <= ERROR_BANDS[name].relative_low, name
        assert band.relative_high >= ERROR_BANDS[name].relative_high, name
    assert bands["e2e_latency_s"].relative_high > ERROR_BANDS["e2e_latency_s"].relative_high
    assert bands["lut"].relative_low < ERROR_BANDS["lut"].relative_low
    if not modules["decode"]:
        assert bands["decode_dsp"] == ERROR_BANDS["decode_dsp"]


def test_models_schemes_and_formats_widen_both_stages() -> None:
    scheme = PAIR.quant_scheme.model_copy(update={"name": "w8", "weight_bits": 8})
    changes: tuple[dict[str, Any], ...] = ({"quant_scheme": scheme}, {"nonlinear_format": "bf16"})
    for update in changes:
        found = unmeasured_choices(PAIR.model_copy(update=update), LLAMA)
        assert found == {"prefill": tuple(update), "decode": tuple(update)}
    assert unmeasured_choices(PAIR, load_model("smollm2-135m"))["decode"] == ("model",)
    renamed = PAIR.quant_scheme.model_copy(update={"name": "mine"})
    assert unmeasured_choices(PAIR.model_copy(update={"quant_scheme": renamed}), LLAMA)["decode"] == ()


def test_each_unmeasured_choice_is_one_more_error_of_the_size_of_the_band() -> None:
    wide = widened_for_choices(ERROR_BANDS, {"prefill": (), "decode": ("a", "b", "c")})
    assert wide["prefill_latency_s"] == ERROR_BANDS["prefill_latency_s"]
    assert wide["tpot_s"].relative_high == pytest.approx(1.08**2 - 1)
    assert "a, b, c" in wide["tpot_s"].basis


def test_the_band_of_the_clock_is_in_the_times() -> None:
    missed = ClockRange.of(300, 280, 280)
    assert (missed.low, missed.high) == pytest.approx((0.8, 1.04))
    assert ClockRange.of(200, 280, 200) == ClockRange(1.0, 1.0)  # the tools reach far more, and give what is asked for
    bands = widened_for_clocks(ERROR_BANDS, {"prefill": ClockRange(1.0, 1.0), "decode": missed})
    assert bands["prefill_latency_s"] == ERROR_BANDS["prefill_latency_s"]
    assert bands["tpot_s"].relative_high == pytest.approx(1.08 / 0.8 - 1)
    assert bands["decode_tokens_per_s"].relative_low == pytest.approx(0.92 * 0.8 - 1)
    assert bands["e2e_latency_s"].relative_low == pytest.approx(0.89 / 1.04 - 1)
    assert bands["lut"] == ERROR_BANDS["lut"]


def test_the_band_of_decode_holds_both_readings_of_the_dequantizer() -> None:
    """Pipelined, the loop makes decode as fast as a design that says so."""
    slow = evaluate_point(PAIR, LLAMA, U280, WORKLOAD).decode.cycles
    fast = evaluate_point(with_modules({}, {"dequantizer": "pipelined"}), LLAMA, U280, WORKLOAD).decode.cycles
    band = ERROR_BANDS["tpot_s"]
    assert np.log1p(band.relative_low) < np.log(fast / slow) < np.log1p(-0.10)
