"""The sensitivity model on a real evaluator of a small model, and its algebra against brute force."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from cost_models.quality import RANKING_ONLY_RATIO, scheme_quality
from quantize.decoder import Decoder
from quantize.evaluation import Evaluator, cut_windows
from quantize.sensitivity import (
    THIRDS_WIDTHS,
    WHOLE_DEPTH_WIDTHS,
    measure_combination,
    measure_table,
    random_combination,
    refit,
    single_changes,
)
from spec.catalog import load_model
from spec.errors import InputError
from spec.quality import (
    DEPTHLESS,
    DEPTHS,
    MIN_UNSEEN,
    TENSOR_GROUPS,
    MeasuredCombination,
    Measurement,
    Protocol,
    PublishedTable,
    Sensitivity,
    SensitivityTable,
    WidthOverride,
    band_of,
    delta_nll,
    measured_alone,
    measured_mixture,
    mode_of,
    plan_overrides,
    predicted_nll,
    sum_of_sensitivities,
)
from spec.quality_catalog import QUALITY_DIR, load_quality_table, measured_schemes, quality_tables
from spec.quant_scheme import W4A4KV8
from spec.scheme_names import scheme_named
from tests.quantize.tiny import drawn_ids, tiny_bank


def tiny_evaluator(cache: Path | None = None) -> Evaluator:
    text = cut_windows("drawn", "text", drawn_ids(), 48, 48, None, 64)
    return Evaluator(tiny_bank(), text, cache, compare=False)


def made_up_table(seed: int = 0, curvature: float = 0.1) -> SensitivityTable:
    """A complete table of random sensitivities that grow as widths fall."""
    generator = np.random.default_rng(seed)
    entries = []
    for group in TENSOR_GROUPS:
        size = generator.uniform(0.01, 0.05)
        for bits in (*WHOLE_DEPTH_WIDTHS.get(group, ()),):
            entries.append(Sensitivity(group=group, depth="all", bits=bits, delta_nll=size * 4.0 ** (6 - bits)))
        for bits in THIRDS_WIDTHS.get(group, ()):
            for depth in DEPTHS:
                delta = generator.uniform(0.5, 1.5) * size * 4.0 ** (6 - bits) / 3
                entries.append(Sensitivity(group=group, depth=depth, bits=bits, delta_nll=delta))
    measurement = Measurement(perplexity=math.exp(3.0), nll=3.0)
    return SensitivityTable(
        model="smollm2-135m",
        checkpoint="made up",
        checkpoint_sha256="0" * 64,
        mode=mode_of(W4A4KV8, "gptq"),
        protocol=Protocol(text="made up", window_tokens=512, stride_tokens=512, predicted_tokens=2044),
        reference=measurement,
        base_bits=8,
        base=Measurement(perplexity=math.exp(3.01), nll=3.01),
        sensitivities=tuple(entries),
        curvature=curvature,
        band_relative=0.04,
    )


def nll_of(table: SensitivityTable, overrides: Sequence[WidthOverride]) -> float | None:
    found = measured_mixture(table, overrides)
    return None if found is None else found.nll


def test_measured_sensitivities_predict_mixtures_of_a_real_model() -> None:
    evaluator = tiny_evaluator()
    changes = [
        WidthOverride(group=group, bits=bits)
        for group in ("weight.attention", "weight.down", "activation.gate_up", "key", "weight.lm_head")
        for bits in (6, 5)
    ]
    table = measure_table(evaluator, changes)  # type: ignore[arg-type]
    assert [(s.group, s.bits) for s in table.sensitivities] == [(c.group, c.bits) for c in changes]
    assert all(s.delta_nll > 0 for s in table.sensitivities if s.bits == 5)
    mixtures = [(changes[0], changes[4]), (changes[2], changes[6], changes[8]), (changes[1], changes[3]),
                tuple(changes[::2])]  # fmt: skip
    measured = [measure_combination(evaluator, mixture, used_in_fit=i in (1, 3)) for i, mixture in enumerate(mixtures)]
    fitted = refit(table, measured)
    predicted = [predicted_nll(fitted, mixture) for mixture in mixtures]
    actual = [combination.nll for combination in measured]
    assert np.argsort(predicted).tolist() == np.argsort(actual).tolist()
    above = np.array(actual) - table.base.nll
    assert np.abs(np.array(predicted) - actual).max() < 0.35 * above.max()


def test_an_interrupted_table_is_not_measured_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = [WidthOverride(group="key", bits=4), WidthOverride(group="value", bits=4)]
    whole = measure_table(tiny_evaluator(), changes)

    class Stopped(Exception):
        pass

    def stop(line: str) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        measure_table(tiny_evaluator(tmp_path), changes, progress=stop)
    calls = 0
    forward = Decoder.forward

    def counted(self: Decoder, *arguments: object) -> object:
        nonlocal calls
        calls += 1
        return forward(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Decoder, "forward", counted)
    assert measure_table(tiny_evaluator(tmp_path), changes) == whole
    assert calls <= 16 + 1  # the windows of the second change, and calibration


def test_the_last_override_wins_and_thirds_add_up() -> None:
    table = made_up_table()
    whole = sum_of_sensitivities(table, [WidthOverride(group="key", bits=4)])
    thirds = [WidthOverride(group="key", depth=depth, bits=4) for depth in DEPTHS]
    assert sum_of_sensitivities(table, thirds) == pytest.approx(whole)
    assert sum_of_sensitivities(table, [*thirds, WidthOverride(group="key", bits=8)]) == 0
    late = [WidthOverride(group="key", bits=8), thirds[1]]
    assert sum_of_sensitivities(table, late) == sum_of_sensitivities(table, thirds[1:2])


def test_widths_between_measured_ones_are_between_and_narrower_ones_are_unknown() -> None:
    table = made_up_table()

    def delta(bits: int) -> float | None:
        return sum_of_sensitivities(table, [WidthOverride(group="weight.down", bits=bits)])

    known = [delta(bits) for bits in (8, 7, 6, 5, 4, 3)]
    assert None not in known
    assert known == sorted(known)  # type: ignore[type-var]
    assert delta(16) is None  # what more than the base would take away was not measured
    assert delta(2) is None
    assert math.isnan(predicted_nll(table, [WidthOverride(group="weight.down", bits=2)]))


def test_refit_finds_the_curvature_that_made_the_data_and_its_band() -> None:
    truth, generator = made_up_table(curvature=0.23), np.random.default_rng(3)
    table = truth.model_copy(update={"curvature": 0.0, "band_relative": None})
    combinations = [
        MeasuredCombination(overrides=mixture, nll=predicted_nll(truth, mixture) + generator.normal(0, noise), used_in_fit=i % 2 == 0)
        for i, (mixture, noise) in enumerate((random_combination(generator), 0.01) for _ in range(240))
    ]  # fmt: skip
    fitted = refit(table, combinations)
    assert fitted.curvature == pytest.approx(0.23, abs=0.05)
    assert 0.01 < (fitted.band_relative or 0) < 0.04  # 90 % of |normal(0, 0.01)| is 0.016
    again = refit(fitted, combinations[:10])
    assert len(again.combinations) == len(fitted.combinations)


def test_few_unseen_mixtures_give_no_band_and_none_is_not_zero() -> None:
    table, generator = made_up_table(), np.random.default_rng(4)
    mild = [
        (WidthOverride(group="key", bits=b), WidthOverride(group="value", bits=c)) for b in (5, 6, 7) for c in (5, 6, 7)
    ]
    combinations = [
        MeasuredCombination(overrides=m, nll=predicted_nll(table, m) + generator.normal(0, 0.01), used_in_fit=False)
        for m in mild
    ]
    few = refit(table, combinations[:8])
    assert few.band_relative is None
    estimate = scheme_quality(load_model("smollm2-135m"), scheme_named("w6a6kv6"), tables=[few])
    assert estimate.value is not None
    assert (estimate.low, estimate.high) == (None, None)
    assert "no band: the table has fewer than 9" in estimate.detail
    assert 0 < (refit(few, combinations[8:]).band_relative or 0) < 0.05
    old = few.model_dump(mode="json", by_alias=True) | {"band_relative": 0.0}  # as it was written before
    assert SensitivityTable.model_validate(old).band_relative is None


def test_a_mixture_that_has_no_prediction_is_a_measurement_and_nothing_to_fit() -> None:
    mixture = (WidthOverride(group="weight.down", bits=2),)
    with pytest.raises(InputError, match="never measured alone"):
        refit(made_up_table(), [MeasuredCombination(overrides=mixture, nll=4.0, used_in_fit=True)])
    table = made_up_table()
    kept = refit(table, [MeasuredCombination(overrides=mixture, nll=4.0, used_in_fit=False)])
    assert (kept.curvature, kept.band_relative) == (table.curvature, None)
    assert nll_of(kept, mixture) == 4.0


def test_a_measured_mixture_is_found_however_it_is_written() -> None:
    table = made_up_table()
    thirds = tuple(WidthOverride(group="key", depth=depth, bits=4) for depth in DEPTHS)
    table = refit(table, [MeasuredCombination(overrides=thirds, nll=3.3, used_in_fit=False)])
    assert nll_of(table, [WidthOverride(group="key", bits=4)]) == 3.3
    assert nll_of(table, [WidthOverride(group="key", bits=6), *thirds]) == 3.3
    assert nll_of(table, [WidthOverride(group="value", bits=8), *reversed(thirds)]) == 3.3
    assert nll_of(table, thirds[:2]) is None
    assert nll_of(table, [*thirds, WidthOverride(group="value", bits=6)]) is None
    assert nll_of(table, []) == table.base.nll
    estimate = scheme_quality(load_model("smollm2-135m"), scheme_named("w8a8kv8"), thirds, [table])
    assert (estimate.kind, estimate.low) == ("measured", None)
    assert estimate.value == pytest.approx(math.exp(0.3) - 1)


def test_random_combinations_use_only_widths_that_are_measured() -> None:
    generator = np.random.default_rng(0)
    measured = {(c.group, c.bits) for c in single_changes()}
    for _ in range(50):
        mixture = random_combination(generator)
        assert {(o.group, o.bits) for o in mixture} <= measured
        assert len(mixture) >= 2  # one change alone is what the table consists of


def test_noise_at_the_wider_of_two_widths_does_not_pull_the_one_between_down() -> None:
    def table_of(narrow: float, wide: float) -> SensitivityTable:
        entries = tuple(
            Sensitivity(group="weight.down", depth="all", bits=bits, delta_nll=delta)
            for bits, delta in ((4, narrow), (6, wide))
        )
        return made_up_table().model_copy(update={"sensitivities": entries})

    for wide in (-0.01, 0.0, 1e-9):  # a grid of 4 times the step at least: 0.16 at 4 bits, 0.04 at 5, 0.01 at 6
        assert delta_nll(table_of(0.16, wide), "weight.down", "all", 5) == pytest.approx(0.04)
    assert delta_nll(table_of(0.16, 0.04), "weight.down", "all", 5) == pytest.approx(0.08)  # measured above the floor
    for narrow in (-0.01, 0.001):  # fewer bits that seem to help are noise
        found = delta_nll(table_of(narrow, 0.04), "weight.down", "all", 5)
        assert found == pytest.approx(0.04)


def test_more_bits_than_the_base_have_no_prediction_but_unquantized_is_zero_by_definition() -> None:
    table, model = made_up_table(), load_model("smollm2-135m")
    nothing = scheme_quality(model, scheme_named("w16a16kv16"), tables=[table])
    assert (nothing.value, nothing.kind, nothing.low) == (0.0, "measured", None)
    for name in ("w8a16kv16", "w4a12kv8", "w16a8kv8", "w9a9kv9"):
        found = scheme_quality(model, scheme_named(name), tables=[table])
        assert found.value is None
        assert "quality-verify" in str(found.missing)
    mixture = plan_overrides(scheme_named("w8a16kv16"))
    measured = refit(table, [MeasuredCombination(overrides=mixture, nll=3.002, used_in_fit=False)])
    assert scheme_quality(model, scheme_named("w8a16kv16"), tables=[measured]).kind == "measured"


def test_a_width_between_measured_ones_says_that_no_mixture_checked_it() -> None:
    table, model = made_up_table(), load_model("smollm2-135m")
    for name, said in (("w5a8kv8", "5 bits interpolated"), ("w7a5kv8", "5, 7 bits interpolated")):
        found = scheme_quality(model, scheme_named(name), tables=[table])
        assert f"no band: {said}" in found.detail
        assert (found.low, found.high) == (None, None)  # a band that nothing was measured for
    assert "interpolated" not in scheme_quality(model, scheme_named("w6a8kv8"), tables=[table]).detail
    checked = tuple(WidthOverride(group=g, bits=5) for g in TENSOR_GROUPS if g.startswith("weight."))
    mild = (*checked, WidthOverride(group="key", bits=6))
    refitted = refit(table, [MeasuredCombination(overrides=mild, nll=3.2, used_in_fit=False)])
    assert "interpolated" not in scheme_quality(model, scheme_named("w5a8kv8"), tables=[refitted]).detail


@pytest.mark.parametrize("n", [9, 10, 19, 42, 60])
def test_nine_of_ten_further_errors_stay_within_the_band(n: int) -> None:
    """Whatever their distribution: as many as stated on average, and no band where no error can say so."""
    generator = np.random.default_rng(n)
    held = []
    for draw in (generator.exponential, generator.lognormal, generator.random):
        errors = np.abs(draw(size=(2000, n + 1)))
        held.append(np.mean([row[-1] <= (band_of(row[:-1].tolist()) or 0) for row in errors]))
    assert min(held) >= 0.9 - 0.02  # three standard errors of 2,000 draws
    assert max(held) <= 0.9 + 1 / (n + 1) + 0.02
    assert band_of([0.1] * (MIN_UNSEEN - 1)) is None
    assert band_of([0.0] * n) is None


def test_fewer_bits_are_never_predicted_better() -> None:
    """Single changes below the noise of the text come out in any order; what is predicted of them does not."""
    entries = [("all", 6, -0.002), ("first", 4, 0.05), ("middle", 4, -0.001), ("last", 4, 0.02), ("all", 3, 0.04)]
    table = made_up_table().model_copy(
        update={
            "sensitivities": tuple(
                Sensitivity(group="weight.down", depth=d, bits=bits, delta_nll=delta)
                for d, bits, delta in entries  # type: ignore[arg-type]
            )
        }
    )
    for depth in ("all", *DEPTHS):
        deltas = [delta_nll(table, "weight.down", depth, bits) for bits in (8, 7, 6, 5, 4, 3)]
        assert None not in deltas
        assert deltas == sorted(deltas), depth  # type: ignore[type-var]
        assert deltas[0] == 0


def test_fewer_bits_in_any_third_are_never_predicted_better_by_the_shipped_table() -> None:
    """Every mixture of widths over the thirds of each group, against those with one width narrower."""
    table = load_quality_table(QUALITY_DIR / "smollm2-135m.json")
    assert isinstance(table, SensitivityTable)
    compared = 0
    for group in sorted(set(TENSOR_GROUPS) - DEPTHLESS):
        narrowest = min(s.bits for s in table.sensitivities if s.group == group)
        sums = {
            widths: sum_of_sensitivities(
                table, [WidthOverride(group=group, depth=d, bits=b) for d, b in zip(DEPTHS, widths, strict=True)]
            )
            for widths in product(range(narrowest, table.base_bits + 1), repeat=len(DEPTHS))
        }
        for widths, total in sums.items():
            assert total is not None
            for third, bits in enumerate(widths):
                narrower = sums.get((*widths[:third], bits - 1, *widths[third + 1 :]))
                compared += narrower is not None
                assert narrower is None or narrower >= total - 1e-12, (group, widths, third)
    assert compared > 2000


def test_the_shipped_table_predicts_what_it_has_not_seen() -> None:
    """The bars of docs/quality.md, from the recorded measurements alone; ranks by counting pairs, no library."""
    table = load_quality_table(QUALITY_DIR / "smollm2-135m.json")
    assert isinstance(table, SensitivityTable)
    unseen = [c for c in table.combinations if not c.used_in_fit and not measured_alone(table, c.overrides)]
    assert len(unseen) >= 40
    known = {(): 0.0} | {((s.group, s.depth, s.bits),): s.delta_nll for s in table.sensitivities}
    assert not any(tuple((o.group, o.depth, o.bits) for o in c.overrides) in known for c in unseen)
    assert any(o.depth != "all" for c in unseen for o in c.overrides)  # mixed precision by depth too
    measured = np.array([c.nll for c in unseen])
    predicted = np.array([predicted_nll(table, c.overrides) for c in unseen])
    ranks = [(values[:, None] > values).sum(axis=1) for values in (measured, predicted)]
    assert np.corrcoef(*ranks)[0, 1] >= 0.95
    errors = np.abs(np.expm1(predicted - measured))[measured - table.reference.nll < math.log(2)]
    assert np.median(errors) <= 0.05
    assert table.band_relative is not None
    inside = errors <= table.band_relative * (1 + 1e-9)
    assert 0.9 <= inside.mean() < 0.96  # what is said of the next one holds for those that were measured
    again = refit(table.model_copy(update={"curvature": 0.0, "band_relative": None}), [])
    assert again.curvature == pytest.approx(table.curvature, rel=1e-6)


# --- the lookup of the search -----------------------------------------------------------------------------------------


def test_the_published_order_of_schemes_is_reproduced() -> None:
    """FlexLLM's ablation: dynamic before static INT8 attention, before INT4 lm_head, before SpinQuant; INT4 alone is out."""
    model = load_model("llama-3.2-1b")
    [table] = [t for t in quality_tables(model.name) if isinstance(t, PublishedTable)]
    schemes = {r.name[:2]: r.scheme for r in table.results if r.scheme is not None}
    found = {name: scheme_quality(model, scheme) for name, scheme in schemes.items()}
    assert sorted(found, key=lambda name: found[name].value or 0) == ["Q1", "Q2", "Q3", "Q0"]
    assert all(estimate.kind == "published" for estimate in found.values())
    assert found["Q3"].value == pytest.approx(12.68 / 8.94 - 1)
    assert scheme_quality(model, W4A4KV8).value == found["Q3"].value  # the hardware's scheme is Q3
    worst = max(r.perplexity for r in table.results if r.scheme is not None)
    assert all(r.perplexity > worst for r in table.results if r.is_lower_bound)


def test_rounding_to_nearest_gptq_and_rotations_keep_their_published_and_measured_order() -> None:
    """FlexLLM gives no number of rounding to nearest; SpinQuant's table of Llama-3-8B has all methods at one width."""
    [table] = [t for t in quality_tables("llama-3-8b") if isinstance(t, PublishedTable)]
    found = {r.name: r.perplexity for r in table.results}
    for width, order in (("W4A16KV16", ("SpinQuant", "GPTQ", "RTN")), ("W4A4KV4", ("SpinQuant", "QuaRot", "GPTQ"))):
        values = [found[f"{width} {method}"] for method in order]
        assert values == sorted(values)
        assert len(set(values)) == 3
    assert found["W4A4KV4 RTN"] >= found["W4A4KV4 GPTQ"] > 50 * found["W4A4KV4 QuaRot"]  # rotations, not rounding
    [ours] = [
        found
        for one in measured_schemes("smollm2-135m")
        if len(
            found := {
                (r.mode.folded_rotations, r.mode.weight_rounding): r.measurement.perplexity
                for r in one.results
                if r.scheme.name == "w4a4kv8"
            }
        )
        == 3
    ]  # by one protocol
    assert ours["r1_r2", "gptq"] < ours["r1_r2", "rtn"] < ours["none", "rtn"] / 50


def test_an_unknown_scheme_or_model_says_why_it_has_no_quality() -> None:
    other = scheme_quality(load_model("llama-3.2-1b"), scheme_named("w8a8kv8"))
    assert other.value is None
    assert "no perplexity of the scheme w8a8kv8" in str(other.missing)
    nothing = scheme_quality(load_model("llama-3.1-8b"), W4A4KV8)
    assert "no measured or published quality of llama-3.1-8b" in str(nothing.missing)


def test_a_predicted_quality_has_a_band_and_its_source() -> None:
    table, model = made_up_table(), load_model("smollm2-135m")
    estimate = scheme_quality(model, W4A4KV8, tables=[table])
    ratio = math.exp(predicted_nll(table, plan_overrides(W4A4KV8)) - 3.0)
    assert estimate.value == pytest.approx(ratio - 1)
    assert ratio > RANKING_ONLY_RATIO
    assert (estimate.low, estimate.high) == (None, None)
    assert "no band" in estimate.detail
    assert "only ranks" in estimate.detail
    assert estimate.kind == "predicted from measured sensitivities"
    mild = scheme_quality(model, scheme_named("w6a8kv8"), tables=[table])
    ratio = math.exp(predicted_nll(table, plan_overrides(scheme_named("w6a8kv8"))) - 3.0)
    assert 1 < ratio < RANKING_ONLY_RATIO
    assert (mild.low, mild.high) == (pytest.approx(ratio * 0.96 - 1), pytest.approx(ratio * 1.04 - 1))
    assert "only ranks" not in mild.detail
    symmetric = W4A4KV8.model_copy(update={"activation_symmetry": "symmetric"})
    assert "another kind of scheme" in str(scheme_quality(model, symmetric, tables=[table]).missing)
