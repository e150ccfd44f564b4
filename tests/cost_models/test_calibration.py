"""Calibration: the fit on simulated data whose factors are known, what it refuses, and its place in the models."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.calibration import SIMULATED_DESIGNS, SIMULATED_SCATTERS, measurements, page, rows
from cost_models.calibrate import (
    MODULE_BAND_FACTOR,
    PRIOR_DEGREES,
    TO_POST_ROUTE,
    fit,
    fit_log_factor,
    log_half_width,
    prior_scale,
    student_t_quantile,
    uncalibrated_band,
)
from cost_models.calibrated import calibrate_power, calibrate_stage
from cost_models.evaluate import Context, evaluate_batch, price_decode, price_prefill
from cost_models.report import ERROR_BANDS, evaluate_document, evaluate_point
from spec.attached_report import Lineage
from spec.built_design import as_built
from spec.calibration import CalibrationTable, MeasuredProvenance, Measurement, MeasurementFile
from spec.catalog import load_design, load_device, load_model, with_device_digests
from spec.design_batch import DesignBatch
from spec.errors import InputError, InputErrors, UnknownNameError
from spec.measured_clocks import MEASURED_DEVICE_DIGEST, clocks_were_measured
from spec.quant_scheme import W4A4KV8
from spec.resources import RESOURCE_NAMES
from spec.strict import validate
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import MODEL_VERSION
from spec.workload import Workload

LLAMA, U280, FLEXLLM = load_model("llama-3.2-1b"), load_device("u280"), load_design("flexllm-u280")
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)
BASE: dict[str, Any] = {
    "provenance": "post_route",
    "device": "u280",
    "model_version": MODEL_VERSION,
    "timing_table_version": DEFAULT_TIMING_TABLE.version,
    "design_key": "0" * 16,
    "stage": "prefill",
    "module": None,
    "metric": "lut",
    "predicted": 1000.0,
    "measured": 1100.0,
    "source": "simulated",
}


def pair(number: int = 0, **changes: Any) -> Measurement:
    """A measurement of design `number`."""
    return Measurement.model_validate({**BASE, "design_key": f"{number:016x}", **changes})


def table(ratio: float = 1.1, designs: int = 3, **changes: Any) -> CalibrationTable:
    return fit(pair(n, measured=1000.0 * ratio, **changes) for n in range(designs))


# --- the quantile


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    # Two-sided 90 %: standard tables of Student's t.
    [(1, 6.3138), (2, 2.9200), (3, 2.3534), (4, 2.1318), (5, 2.0150), (10, 1.8125), (30, 1.6973), (120, 1.6577)],
)
def test_student_t_quantile(degrees: int, quantile: float) -> None:
    assert student_t_quantile(0.95, degrees) == pytest.approx(quantile, abs=5e-5)


def test_both_forms_of_the_quantile_meet() -> None:
    before, after, later = (student_t_quantile(0.95, degrees) for degrees in (100, 101, 102))
    assert before > after > later
    assert (before - after) / (after - later) == pytest.approx(1.02, abs=0.02)  # ~ 1 / degrees^2
    assert student_t_quantile(0.5, 7) == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=40)
@given(st.integers(1, 400), st.floats(0.55, 0.99), st.floats(0.001, 0.009))
def test_the_quantile_grows_with_probability(degrees: int, probability: float, more: float) -> None:
    assert student_t_quantile(probability, degrees) < student_t_quantile(probability + more, degrees)


# --- simulated data with known factors


def coverage(
    log_factor: Callable[[random.Random], tuple[float, float]], n: int, band: float, seeds: int = 1500
) -> float:
    """Share of seeds whose interval holds a further design; `log_factor` gives the truth (factor, scatter) of a seed."""
    hits = 0
    for seed in range(seeds):
        rng = random.Random(seed)
        centre, scatter = log_factor(rng)
        fitted = fit_log_factor(np.array([rng.gauss(centre, scatter) for _ in range(n)]), band)
        hits += abs(rng.gauss(centre, scatter) - fitted.log_factor) <= fitted.half_width
    return hits / seeds


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 30])
def test_coverage_where_the_prior_is_true(n: int) -> None:
    """Truths drawn from the prior: 90 %, never less; the floors add a little for small n."""
    band = 0.2
    scale = prior_scale(band)

    def truth(rng: random.Random) -> tuple[float, float]:
        chi_squared = sum(rng.gauss(0, 1) ** 2 for _ in range(PRIOR_DEGREES))
        scatter = scale * math.sqrt(PRIOR_DEGREES / chi_squared)
        return rng.gauss(0, scatter), scatter

    assert 0.88 <= coverage(truth, n, band) <= 0.96


@pytest.mark.parametrize(("centre", "scatter"), [(0.0, 0.1), (0.1, 0.1), (0.2, 0.1), (-0.3, 0.15), (0.3, 0.2)])
@pytest.mark.parametrize("n", [10, 30])
def test_coverage_of_a_fixed_factor(centre: float, scatter: float, n: int) -> None:
    """About 90 % for factors well inside and outside a band of 20 %, once there are ten designs."""
    assert 0.87 <= coverage(lambda _: (centre, scatter), n, log_half_width(ERROR_BANDS["lut"])) <= 0.96


def test_a_band_that_promised_too_much_is_found_out() -> None:
    """Scatter three times what the prior says: few designs cannot know it, the interval grows until ten of them do."""
    found = [coverage(lambda _: (0.0, 0.2), n, 0.1) for n in (2, 5, 10, 30)]
    assert found == sorted(found)
    assert found[0] > 0.5
    assert found[2] > 0.87


def test_the_factor_is_found() -> None:
    rng = random.Random(1)
    found = table_of(rng, factor=1.3, scatter=0.05, designs=200).entries[0]
    assert found.factor == pytest.approx(1.3, rel=0.015)
    assert found.relative_high == pytest.approx(math.exp(1.645 * 0.05) - 1, rel=0.15)
    assert found.leave_one_out is not None
    assert found.leave_one_out.mean_relative_error_after < 0.25 * found.leave_one_out.mean_relative_error_before


def table_of(rng: random.Random, factor: float, scatter: float, designs: int, **changes: Any) -> CalibrationTable:
    return fit(
        pair(n, measured=1000.0 * factor * math.exp(rng.gauss(0, scatter)), **changes) for n in range(designs)
    )  # fmt: skip


def test_bands_shrink_with_designs() -> None:
    def mean_width(designs: int) -> float:
        fits = [table_of(random.Random(seed), 1.1, 0.05, designs).entries[0] for seed in range(60)]
        return float(np.mean([entry.relative_high - entry.relative_low for entry in fits]))

    widths = [mean_width(designs) for designs in (1, 2, 4, 12, 30, 90)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.5 * widths[0]


@given(st.floats(1 / 99, 99), st.sampled_from(["lut", "uram", "dsp", "cycles", "latency_s", "power_w"]))
def test_one_datum_never_narrows_a_band(ratio: float, metric: str) -> None:
    entry = table(ratio, designs=1, metric=metric).entries[0]
    assert entry.relative_low <= entry.uncalibrated_low
    assert entry.relative_high >= entry.uncalibrated_high
    # nor below the error that this datum shows the model to have, whichever way it lies
    assert max(-math.log1p(entry.relative_low), math.log1p(entry.relative_high)) >= abs(math.log(ratio)) * (1 - 1e-12)
    assert entry.leave_one_out is None
    assert "one design" in entry.missing["leave_one_out"]


@given(st.floats(0.05, 20), st.integers(1, 8))
def test_the_factor_lies_between_one_and_the_data(ratio: float, designs: int) -> None:
    entry = table(ratio, designs).entries[0]
    low, high = sorted((1.0, ratio))
    assert low <= entry.factor * (1 + 1e-12)
    assert entry.factor <= high * (1 + 1e-12)
    assert math.log(entry.factor) == pytest.approx(math.log(ratio) * designs / (designs + 1), abs=1e-12)


def test_readings_of_one_design_are_one_datum() -> None:
    """A thousand readings of one board say nothing of the next design."""
    many = fit(pair(0, measured=1100.0 + n / 1000, source=f"run {n}") for n in range(1000)).entries[0]
    one = fit([pair(0, measured=1100.0)]).entries[0]
    assert (many.designs, many.measurements, one.designs) == (1, 1000, 1)
    assert many.factor == pytest.approx(one.factor, rel=1e-3)
    assert many.relative_high >= many.uncalibrated_high


def test_leave_one_out_by_hand() -> None:
    ratios = [1.1, 1.2, 1.4]
    entry = fit(pair(n, measured=1000 * r) for n, r in enumerate(ratios)).entries[0]
    after = []
    for i, ratio in enumerate(ratios):
        others = [pair(n, measured=1000 * r) for n, r in enumerate(ratios) if n != i]
        after.append(abs(fit(others).entries[0].factor / ratio - 1))
    assert entry.leave_one_out is not None
    assert entry.leave_one_out.mean_relative_error_after == pytest.approx(np.mean(after))
    assert entry.leave_one_out.worst_relative_error_after == pytest.approx(max(after))
    assert entry.leave_one_out.mean_relative_error_before == pytest.approx(np.mean([1 - 1 / r for r in ratios]))


def test_the_band_holds_the_errors_of_left_out_designs() -> None:
    """One design far off: with few designs the worst left-out error is inside the band."""
    entry = fit(pair(n, measured=1000.0 * r) for n, r in enumerate([1.0, 1.01, 0.99, 3.0])).entries[0]
    assert entry.leave_one_out is not None
    assert -entry.relative_low >= entry.leave_one_out.worst_relative_error_after * (1 - 1e-12)


@given(st.permutations(range(6)))
def test_the_order_of_the_pairs_does_not_matter(order: list[int]) -> None:
    given_pairs = [pair(n % 4, measured=1000.0 + 37 * n, stage="prefill" if n % 2 else "decode") for n in range(6)]
    assert fit(given_pairs[i] for i in order) == fit(given_pairs)
    assert fit(given_pairs[i] for i in order).key() == fit(given_pairs).key()


def test_provenances_are_not_mixed() -> None:
    both = fit([pair(0, measured=1500.0, provenance="board", metric="cycles"), pair(1, metric="cycles")])
    assert [(entry.provenance, entry.designs) for entry in both.entries] == [("post_route", 1), ("board", 1)]
    assert both.only(("board",)).entries == fit([pair(0, measured=1500.0, provenance="board", metric="cycles")]).entries
    with pytest.raises(UnknownNameError, match="timed_sim"):
        both.only(("timed_sim",))


def test_csynth_resources_are_taken_to_post_route() -> None:
    """A csynth LUT count of 1 / 0.75 of the prediction confirms it, and is worth less than a routed one."""
    synthesized = table(1 / 0.75, designs=6, provenance="csynth").entries[0]
    routed = table(1.0, designs=6).entries[0]
    assert synthesized.route_factor == TO_POST_ROUTE["lut"].factor == 0.75
    assert synthesized.factor == pytest.approx(1.0)
    assert routed.route_factor is None
    assert synthesized.relative_high > math.expm1(TO_POST_ROUTE["lut"].log_half_width) > routed.relative_high
    assert "post-route by x0.75" in synthesized.basis
    assert table(1.2, provenance="csynth", metric="cycles").entries[0].route_factor is None


def test_modules_start_from_a_wider_band() -> None:
    whole, part = uncalibrated_band("decode", None, "cycles"), uncalibrated_band("decode", "attention", "cycles")
    assert whole == ERROR_BANDS["tpot_s"]
    assert part.relative_high == MODULE_BAND_FACTOR * whole.relative_high
    assert uncalibrated_band("prefill", None, "latency_s") == ERROR_BANDS["prefill_latency_s"]


def test_a_table_survives_its_file() -> None:
    fitted = fit([pair(0), pair(1, measured=900.0), pair(0, stage="decode", module="attention", metric="cycles")])
    again = validate(CalibrationTable, json.loads(json.dumps(fitted.model_dump(mode="json", by_alias=True))))
    assert again == fitted
    assert again.key() == fitted.key()


# --- what is refused


@pytest.mark.parametrize("field", ["predicted", "measured"])
@pytest.mark.parametrize("value", [0.0, -1.0, -0.0, math.nan, math.inf, -math.inf])
def test_values_that_are_no_measurement(field: str, value: float) -> None:
    with pytest.raises(InputError) as caught:
        validate(Measurement, {**BASE, field: value})
    assert caught.value.field == field
    assert caught.value.rule
    assert caught.value.hint
    with pytest.raises(ValidationError, match=field):
        pair(**{field: value})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"measured": 1e6}, "measured"),  # seconds for milliseconds
        ({"measured": 1.0}, "measured"),
        ({"module": "attention", "metric": "lut"}, "metric"),
        ({"module": "no module", "metric": "cycles"}, "module"),
        ({"design_key": "flexllm"}, "design_key"),
        ({"source": ""}, "source"),
        ({"provenance": "analytical"}, "provenance"),
        ({"metric": "clb"}, "metric"),
        ({"stage": "training"}, "stage"),
        ({"measured": "1100"}, "measured"),
        ({"unit": "s"}, "unit"),
    ],
)
def test_measurements_that_break_a_rule(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        validate(Measurement, {**BASE, **changes})
    assert caught.value.field == field
    assert caught.value.rule


def test_every_wrong_measurement_of_a_file_is_named() -> None:
    bad = {
        "schema": "flexdse/measurements/v1",
        "measurements": [BASE, {**BASE, "measured": 0.0}, {**BASE, "device": 1}],
    }
    with pytest.raises(InputErrors) as caught:
        validate(MeasurementFile, bad)
    assert {error.field for error in caught.value.errors} == {"measurements[1].measured", "measurements[2].device"}


def test_nothing_to_fit() -> None:
    with pytest.raises(InputError, match="no measurements"):
        fit([])


@pytest.mark.parametrize("field", ["device", "model_version", "timing_table_version"])
def test_a_fit_of_two_kinds_is_refused(field: str) -> None:
    with pytest.raises(InputError) as caught:
        fit([pair(0), pair(1, **{field: "other"})])
    assert caught.value.field == f"measurements.{field}"
    assert caught.value.hint


@pytest.mark.parametrize("field", ["device", "model_version", "timing_table_version"])
def test_a_calibration_of_something_else_is_refused(field: str) -> None:
    foreign = table(**{field: "other"})
    for use in (
        lambda: Context(LLAMA, U280, WORKLOAD, W4A4KV8, calibration=foreign),
        lambda: evaluate_point(FLEXLLM, LLAMA, U280, WORKLOAD, calibration=foreign),
    ):
        with pytest.raises(InputError) as caught:
            use()
        assert caught.value.field == f"calibration.{field}"
        assert caught.value.value != "other"
        assert "other" in str(caught.value.rule)
        assert "without a calibration" in str(caught.value.hint)


OTHER_DSPS = U280.model_copy(update={"dsp_kind": "dsp58"})


def test_a_card_of_the_same_name_with_other_numbers_is_another_card() -> None:
    fitted = table(device_digest=U280.content_digest())
    assert fitted.device_digest == U280.content_digest()
    with pytest.raises(InputError, match="another device that is called u280 too") as caught:
        evaluate_point(FLEXLLM, LLAMA, OTHER_DSPS, WORKLOAD, calibration=fitted)
    assert caught.value.value == OTHER_DSPS.content_digest()
    renamed = U280.model_copy(update={"name": "mine", "title": "my own", "sources": {}, "price_usd": 1.0})
    used = evaluate_point(FLEXLLM, LLAMA, renamed, WORKLOAD, calibration=fitted)
    assert any("fitted on u280" in note for note in used.assumptions)
    assert not any("nobody can check" in note for note in used.assumptions)


@pytest.mark.parametrize("change", [{"part_number": "xcu50"}, {"shell": U280.shell.model_copy(update={"lut": 1})},
                                    {"hbm": U280.hbm.model_copy(update={"efficiency": 0.2}) if U280.hbm else None}])  # fmt: skip
def test_every_number_of_a_card_is_in_its_digest(change: dict[str, Any]) -> None:
    assert U280.model_copy(update=change).content_digest() != U280.content_digest()


def test_a_table_that_knows_only_a_name_says_so() -> None:
    """As tables of before there was a digest: it is taken by name, and each report that uses it says what that leaves open."""
    old = table()
    document = old.model_dump(mode="json", by_alias=True)
    del document["device_digest"]
    assert CalibrationTable.model_validate(document).key() == old.key()
    assert any("nobody can check" in warning for warning in old.warnings())
    used = evaluate_point(FLEXLLM, LLAMA, OTHER_DSPS, WORKLOAD, calibration=old)
    assert any("nobody can check" in note for note in used.assumptions)


def test_measurements_of_two_cards_of_one_name_are_refused() -> None:
    digests = [card.content_digest() for card in (U280, OTHER_DSPS)]
    with pytest.raises(InputError) as caught:
        fit(pair(n, device_digest=digest) for n, digest in enumerate(digests))
    assert caught.value.field == "measurements.device_digest"
    assert fit([pair(0, device_digest=digests[0]), pair(1)]).device_digest is None


def test_who_names_a_card_of_the_catalog_means_that_one() -> None:
    named, own = with_device_digests([pair(0), pair(1, device="mine")])
    assert named.device_digest == U280.content_digest()
    assert own.device_digest is None


def test_clocks_were_measured_on_the_very_card_only() -> None:
    assert U280.content_digest() == MEASURED_DEVICE_DIGEST
    assert clocks_were_measured(FLEXLLM, LLAMA.name, U280)
    assert not clocks_were_measured(FLEXLLM, LLAMA.name, OTHER_DSPS)


def test_a_calibration_of_one_card_is_refused_on_another() -> None:
    with pytest.raises(InputError, match="another device"):
        evaluate_point(load_design("flexllm-v80"), LLAMA, load_device("v80"), WORKLOAD, calibration=table())


@pytest.mark.parametrize("metrics", [("lut", "lut"), ("cycles", "latency_s")])
def test_two_provenances_of_one_column_are_refused(metrics: tuple[str, str]) -> None:
    mixed = fit([pair(0, provenance="board", metric=metrics[0]), pair(0, stage="decode", metric=metrics[1])])
    with pytest.raises(InputError, match="two provenances"):
        evaluate_point(FLEXLLM, LLAMA, U280, WORKLOAD, calibration=mixed)
    for provenance in ("board", "post_route"):
        evaluate_point(FLEXLLM, LLAMA, U280, WORKLOAD, calibration=mixed.only((provenance,)))


def test_an_unknown_module_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="down_proj"):
        evaluate_point(FLEXLLM, LLAMA, U280, WORKLOAD, calibration=table(module="down_prj", metric="cycles"))


def test_a_table_with_an_entry_twice_is_refused() -> None:
    document = table().model_dump(mode="json", by_alias=True)
    document["entries"] *= 2
    with pytest.raises(InputError, match="two factors"):
        validate(CalibrationTable, document)


# --- in the models


def identity(metrics: list[tuple[str, str | None, str]]) -> CalibrationTable:
    """Factors of exactly 1."""
    return fit(pair(0, stage=s, module=m, metric=k, measured=1000.0) for s, m, k in metrics)


EVERYTHING = [
    (stage, None, metric)
    for stage, metric in itertools.product(("prefill", "decode"), ("latency_s", "power_w", *RESOURCE_NAMES))
]
EMPTY = CalibrationTable(
    model_version=MODEL_VERSION, timing_table_version=DEFAULT_TIMING_TABLE.version, device="u280", entries=()
)


def test_no_calibration_and_an_empty_one_are_the_same_object() -> None:
    batch = DesignBatch.from_points([FLEXLLM], U280)
    for price, part in ((price_prefill, batch.prefill), (price_decode, batch.decode)):
        cost = price(part, Context(LLAMA, U280, WORKLOAD, W4A4KV8))  # type: ignore[arg-type]
        assert calibrate_stage(cost, None) is cost
        assert calibrate_stage(cost, EMPTY) is cost
    assert evaluate_point(FLEXLLM, LLAMA, U280, WORKLOAD, calibration=EMPTY) == evaluate_point(
        FLEXLLM, LLAMA, U280, WORKLOAD
    )
    assert "calibration_key" not in evaluate_document(FLEXLLM, LLAMA, U280, WORKLOAD)["inputs"]


def test_identity_is_bit_identical(space_of: Any, random_designs: Any, same_bits: Any) -> None:
    """Nothing, an empty table, and (but for the rounding of a sum) factors of 1 give the same metrics."""
    batch = random_designs(space_of("llama-3.2-1b", "u280"), 200, 5)
    plain = evaluate_batch(batch, Context(LLAMA, U280, WORKLOAD, W4A4KV8))
    empty = evaluate_batch(batch, Context(LLAMA, U280, WORKLOAD, W4A4KV8, calibration=EMPTY))
    ones = evaluate_batch(batch, Context(LLAMA, U280, WORKLOAD, W4A4KV8, calibration=identity(EVERYTHING)))
    resources = identity([(stage, None, kind) for stage in ("prefill", "decode") for kind in RESOURCE_NAMES])
    counts = evaluate_batch(batch, Context(LLAMA, U280, WORKLOAD, W4A4KV8, calibration=resources))
    for name, values in plain.metrics.items():
        assert same_bits(empty.metrics[name], values), name
        assert same_bits(counts.metrics[name], values), name
        np.testing.assert_allclose(ones.metrics[name], values, rtol=1e-14)
    assert same_bits(empty.excess, plain.excess)
    assert same_bits(counts.excess, plain.excess)


def test_other_stage_is_bit_identical(space_of: Any, random_designs: Any, same_bits: Any) -> None:
    batch = random_designs(space_of("llama-3.2-1b", "u280"), 200, 6)
    plain = evaluate_batch(batch, Context(LLAMA, U280, WORKLOAD, W4A4KV8)).metrics
    for stage, untouched in (
        ("prefill", ["tpot_s", "decode_tokens_per_s", "decode_dsp", "hbm_bytes_per_s"]),
        ("decode", ["prefill_latency_s", "prefill_tokens_per_s", "prefill_dsp"]),
    ):
        fitted = fit(pair(0, stage=stage, metric=metric) for metric in ("latency_s", "power_w", *RESOURCE_NAMES))
        metrics = evaluate_batch(batch, Context(LLAMA, U280, WORKLOAD, W4A4KV8, calibration=fitted)).metrics
        for name in untouched:
            assert same_bits(metrics[name], plain[name]), name
        assert np.all(metrics["e2e_latency_s"] > plain["e2e_latency_s"])


FACTORS = st.dictionaries(
    st.sampled_from(
        [
            ("prefill", None, "latency_s"),
            ("prefill", "down_proj", "cycles"),
            ("prefill", "attention_av", "dsp"),
            ("prefill", None, "dsp"),
            ("prefill", None, "lut"),
            ("decode", None, "latency_s"),
            ("decode", "attention", "cycles"),
            ("decode", "lm_head", "cycles"),
            ("decode", "sampler", "dsp"),
            ("decode", None, "uram"),
            ("decode", None, "power_w"),
        ]
    ),
    st.floats(0.2, 5.0),
)


@settings(max_examples=40, deadline=None)
@given(FACTORS, st.sampled_from([(1024, 1024), (1, 5), (100, 1)]))
def test_sums_and_formulas_hold(factors: dict[tuple[str, str | None, str], float], tokens: tuple[int, int]) -> None:
    """Whatever the factors: the breakdown sums to the stage, totals follow from the stages, the rest is as before."""
    pairs = [
        pair(n, stage=s, module=m, metric=k, measured=1000 * f) for (s, m, k), f in factors.items() for n in range(2)
    ]
    fitted = fit(pairs) if pairs else EMPTY
    workload = Workload(prompt_tokens=tokens[0], output_tokens=tokens[1])
    plain = evaluate_point(FLEXLLM, LLAMA, U280, workload)
    report = evaluate_point(FLEXLLM, LLAMA, U280, workload, calibration=fitted)
    assert report.provenance == "analytical"
    for stage, before in (("prefill", plain.prefill), ("decode", plain.decode)):
        now = getattr(report, stage)
        parts = [row for row in report.breakdown if row.stage == stage]
        assert math.fsum(row.cycles for row in parts) == pytest.approx(now.cycles, rel=1e-12)
        assert sum(row.dsp or 0 for row in parts) == now.resources.dsp
        whole = fitted.stage_time(stage)  # type: ignore[arg-type]
        if whole:
            assert now.cycles == pytest.approx(before.cycles * whole.factor, rel=1e-12)
        for row, old in zip(parts, (r for r in plain.breakdown if r.stage == stage), strict=True):
            entry = fitted.find(stage, row.module, "cycles")  # type: ignore[arg-type]
            if not whole:
                assert row.cycles == pytest.approx(old.cycles * (entry.factor if entry else 1.0), rel=1e-12)
        for kind in RESOURCE_NAMES:
            entry = fitted.find(stage, None, kind)  # type: ignore[arg-type]
            if entry:
                expected = getattr(before.resources, kind) * entry.factor
                assert abs(getattr(now.resources, kind) - expected) <= 1 + entry.factor  # both are rounded
    first = report.decode.first_step_s
    assert report.ttft_s == pytest.approx(
        report.prefill.latency_s + first + plain.ttft_s - plain.prefill.latency_s - plain.decode.first_step_s, rel=1e-9
    )
    tpot = report.decode.tpot_s or 0.0
    assert report.e2e_latency_s == pytest.approx(report.ttft_s + (workload.output_tokens - 1) * tpot, rel=1e-12)
    assert all(value is None or math.isfinite(value) for value in report.metrics.values())
    assert set(report.missing) == set(plain.missing)
    for name, band in report.error_band.items():
        assert -1 < band.relative_low <= 0 <= band.relative_high, name


def test_batch_is_scalar_bit_for_bit(space_of: Any, random_designs: Any, same_bits: Any) -> None:
    pairs = [pair(n, stage="decode", module="attention", metric="cycles", measured=1300.0) for n in range(3)]
    pairs += [pair(n, metric=metric, measured=900.0) for n in range(2) for metric in ("latency_s", "dsp", "lut")]
    context = Context(LLAMA, U280, WORKLOAD, W4A4KV8, calibration=fit(pairs))
    batch = random_designs(space_of("llama-3.2-1b", "u280"), 12, 3)
    whole = evaluate_batch(batch, context)
    for i in range(12):
        one = evaluate_batch(batch.take(slice(i, i + 1)), context)
        for name, values in whole.metrics.items():
            assert same_bits(one.metrics[name], values[i : i + 1]), name


def test_first_step_follows_the_attention() -> None:
    """A factor of attention scales its share of the first step, whose context is shorter than the mean."""
    fitted = fit(pair(n, stage="decode", module="attention", metric="cycles", measured=2000.0) for n in range(4))
    batch = DesignBatch.from_points([FLEXLLM], U280)
    plain = price_decode(batch.decode, Context(LLAMA, U280, WORKLOAD, W4A4KV8))
    alone = price_decode(
        batch.decode, Context(LLAMA, U280, Workload(prompt_tokens=1024, output_tokens=1), W4A4KV8, calibration=fitted)
    )
    after = price_decode(batch.decode, Context(LLAMA, U280, WORKLOAD, W4A4KV8, calibration=fitted))
    assert after.first_cycles[0] == pytest.approx(alone.first_cycles[0], rel=1e-12)
    attention = next(m.critical[0] for m in plain.modules if m.name == "attention")
    assert after.cycles[0] - plain.cycles[0] == pytest.approx((fitted.entries[0].factor - 1) * attention, rel=1e-9)


def test_power_factor_leaves_the_idle_power() -> None:
    total, dynamic = np.array([60.0, 50.0, math.nan]), np.array([18.0, 8.0, 9.0])
    fitted = fit(pair(n, stage="decode", metric="power_w", measured=1200.0) for n in range(9))
    factor = fitted.entries[0].factor
    after, dynamic_after = calibrate_power(total, dynamic, "decode", fitted)
    np.testing.assert_allclose(after, total * factor)
    np.testing.assert_allclose(dynamic_after, [60 * factor - 42, 50 * factor - 42, 9 * factor])
    assert calibrate_power(total, dynamic, "prefill", fitted)[0] is total


def test_the_energy_of_a_stage_is_as_uncertain_as_its_time_and_power() -> None:
    noisy = [pair(n, stage="decode", metric="latency_s", measured=1000.0 * (1.6 if n % 2 else 0.7)) for n in range(4)]
    bands = evaluate_point(FLEXLLM, LLAMA, U280, WORKLOAD, calibration=fit(noisy)).error_band
    wide, base = bands["decode_energy_j_per_token"], ERROR_BANDS["decode_energy_j_per_token"]
    assert bands["tpot_s"].relative_high > ERROR_BANDS["tpot_s"].relative_high
    time, power = 1 + bands["tpot_s"].relative_high, 1 + bands["power_w"].relative_high
    assert wide.relative_high == pytest.approx(time * power - 1)
    assert wide.relative_low < base.relative_low
    untouched = "prefill_energy_j_per_token"
    assert bands[untouched] == ERROR_BANDS[untouched]


def test_a_calibrated_report_says_so() -> None:
    fitted = fit(pair(n, stage="prefill", metric=metric) for n in range(3) for metric in ("latency_s", "lut"))
    document = evaluate_document(FLEXLLM, LLAMA, U280, WORKLOAD, calibration=fitted)
    assert document["provenance"] == "analytical"
    assert document["inputs"]["calibration_key"] == fitted.key()
    notes = " ".join(document["assumptions"])
    assert fitted.key() in notes
    assert "prefill lut x1.07" in notes
    assert "decode is not calibrated" in notes
    assert document["error_band"]["prefill_lut"]["basis"].startswith("calibrated on post_route of 3 designs")
    assert document["error_band"]["tpot_s"] == ERROR_BANDS["tpot_s"].model_dump()


def test_factors_of_our_library_on_a_design_of_another_are_named() -> None:
    """FlexLLM's design is priced as `element`; a timed simulation is of a generated project, which is `array`."""
    fitted = fit(pair(n, provenance="timed_sim", metric="cycles") for n in range(3))
    notes = " ".join(evaluate_point(FLEXLLM, LLAMA, U280, WORKLOAD, calibration=fitted).assumptions)
    assert "priced as element, of which nothing of that was measured" in notes
    assert "floorplan" not in notes.partition("calibration ")[2]
    ours = evaluate_point(as_built(FLEXLLM), LLAMA, U280, WORKLOAD, calibration=fitted)
    assert "nothing of that was measured" not in " ".join(ours.assumptions)
    counts = evaluate_point(FLEXLLM, LLAMA, U280, WORKLOAD, calibration=table(metric="lut"))
    assert "the floorplan by region is that of the models, not calibrated" in counts.assumptions


@pytest.mark.parametrize("provenance", ["csynth", "post_route", "open_synthesis"])
def test_any_factor_of_a_generated_project_is_named(provenance: MeasuredProvenance) -> None:
    """A vendor report of a project is held against the project as built; one from a file may be of any kernel."""
    lineage = Lineage(
        model_version=MODEL_VERSION,
        timing_table_version="1",
        design_key="0" * 16,
        project_sha256="0" * 64,
        run="csynth: vitis_hls 2024.2",
        report_sha256="0" * 64,
    )
    for of_project in (True, False):
        fitted = fit([pair(0, provenance=provenance, metric="lut", lineage=lineage if of_project else None)])
        notes = " ".join(evaluate_point(FLEXLLM, LLAMA, U280, WORKLOAD, calibration=fitted).assumptions)
        named = f"factors of {provenance} are of kernels of our library" in notes
        assert named == (of_project or provenance == "open_synthesis")
        assert not named or "prefill and decode are priced as element" in notes


def test_with_one_datum_no_printed_band_is_narrower() -> None:
    fitted = fit(pair(0, stage=s, module=m, metric=k, measured=1050.0) for s, m, k in EVERYTHING)
    report = evaluate_point(FLEXLLM, LLAMA, U280, WORKLOAD, calibration=fitted)
    for name, before in ERROR_BANDS.items():
        assert report.error_band[name].relative_low <= before.relative_low, name
        assert report.error_band[name].relative_high >= before.relative_high, name


@pytest.mark.parametrize(("name", "card"), [("flexllm-u280", "u280"), ("flexdse-u280", "u280"), ("flexdse-v80", "v80")])
def test_nor_on_designs_and_cards_that_nobody_measured(name: str, card: str) -> None:
    """Their bands are wider than the fit's prior: one reading each of time and of DSP leaves them so, or widens them."""
    device, design = load_device(card), load_design(name)
    plain = evaluate_point(design, LLAMA, device, WORKLOAD).error_band
    one = [
        pair(device=card, provenance="board", stage=stage, metric="latency_s", predicted=1.0, measured=1.01)
        for stage in ("prefill", "decode")
    ] + [pair(device=card, stage="decode", metric="dsp", measured=1010.0)]
    found = evaluate_point(design, LLAMA, device, WORKLOAD, calibration=fit(one)).error_band
    assert set(plain) <= set(found)
    for metric, band in plain.items():
        assert found[metric].relative_low <= band.relative_low, metric
        assert found[metric].relative_high >= band.relative_high, metric


def test_many_data_narrow_the_bands_of_the_totals() -> None:
    rng = random.Random(3)
    pairs = [
        pair(n, stage=stage, metric="latency_s", measured=1000.0 * math.exp(rng.gauss(0.05, 0.005)))
        for n in range(40)
        for stage in ("prefill", "decode")
    ]
    bands = evaluate_point(FLEXLLM, LLAMA, U280, WORKLOAD, calibration=fit(pairs)).error_band
    for name in ("tpot_s", "ttft_s", "e2e_latency_s", "decode_tokens_per_s"):
        before = ERROR_BANDS[name]
        width = before.relative_high - before.relative_low
        assert bands[name].relative_high - bands[name].relative_low < 0.5 * width, name
    assert bands["lut"] == ERROR_BANDS["lut"]


def test_module_bands_are_weighted_by_their_shares() -> None:
    fitted = table(1.2, designs=20, stage="decode", module="attention", metric="cycles")
    report = evaluate_point(FLEXLLM, LLAMA, U280, WORKLOAD, calibration=fitted)
    share = next(m.cycles for m in report.breakdown if m.module == "attention") / report.decode.cycles
    expected = share * fitted.entries[0].relative_high + (1 - share) * ERROR_BANDS["tpot_s"].relative_high
    assert report.error_band["tpot_s"].relative_high == pytest.approx(expected)


# --- FlexLLM's measured pair, one stage fitted and the other checked


def test_the_other_stage_does_not_get_worse() -> None:
    found = rows()
    assert {(row["fitted_on"], row["metric"]) for row in found} == {
        (stage, metric) for stage in ("prefill", "decode") for metric in ("latency_s", *RESOURCE_NAMES)
    }
    for row in found:
        assert abs(row["other_error_after"]) <= abs(row["other_error_before"])
        assert row["other_error_after"] == row["other_error_before"]  # no factor is lent
        assert abs(row["error_after"]) <= abs(row["error_before"])
        assert row["band_after"][0] <= row["band_before"][0]
        assert row["band_after"][1] >= row["band_before"][1]


def test_lending_a_factor_would_make_the_measured_latency_worse() -> None:
    """Why nothing is lent: decode is 3.5 % slow, prefill 1.4 % fast, for reasons of their own."""
    lent = next(row for row in rows() if row["fitted_on"] == "decode" and row["metric"] == "latency_s")
    assert abs(lent["other_error_if_lent"]) > abs(lent["other_error_before"])


def test_the_measured_rows_are_the_published_ones() -> None:
    by_key = {(one.stage, one.metric): one for one in measurements()}
    assert by_key["prefill", "latency_s"].measured == 1.65
    assert by_key["decode", "latency_s"].measured == 6.94e-3
    assert (by_key["prefill", "dsp"].measured, by_key["decode", "dsp"].measured) == (2617, 1624)
    assert {one.provenance for one in by_key.values()} == {"board", "post_route"}
    assert by_key["prefill", "lut"].measured == pytest.approx(0.39 * 1_303_680 - 107_629)


def test_the_page_has_every_row() -> None:
    grid = itertools.product(SIMULATED_SCATTERS, SIMULATED_DESIGNS)
    text = page(rows(), [{"scatter_over_s0": s, "designs": n, "coverage_fraction": 0.9} for s, n in grid])
    assert text.count("(post_route) |") == 10
    assert text.count("(board) |") == 2
