"""The A100 behind FlexLLM's ratios: the fit against a grid search, its residuals, comparison, and the command."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cost_models.reference import (
    Baseline,
    RooflineLimits,
    SystemTimes,
    compare,
    fit_baseline,
    published_times,
    ratio_of,
    roofline_limits,
)
from cost_models.report import evaluate_point
from dse.references import baseline, design_times, known_system, reference_names
from flexdse.commands.compare import compare as compare_command
from spec.catalog import load_design, load_device, load_model, load_published_design, load_reference
from spec.errors import InputError, UnknownNameError
from spec.workload import Workload

A100 = load_reference("a100-bf16")
LLAMA = load_model("llama-3.2-1b")
LIMITS = roofline_limits(A100, LLAMA)
SYSTEMS = {name: design_times(name) for name in ("flexllm-u280", "flexllm-v80")}
THOUSAND = Workload(prompt_tokens=1000, output_tokens=1000)


@pytest.fixture(scope="module")
def fitted() -> Baseline:
    return fit_baseline(A100, SYSTEMS, LIMITS)


# --- the fit ----------------------------------------------------------------------------------------------------------


def test_published_times_of_the_pair() -> None:
    u280 = SYSTEMS["flexllm-u280"]
    assert u280.e2e_latency_s(THOUSAND) == pytest.approx(1.65 + 0.3 + 6.94)
    assert u280.energy_j(THOUSAND) == pytest.approx(1.65 * 53.97 + 0.3 * 41.66 + 6.94 * 57.66)
    assert SYSTEMS["flexllm-v80"].energy_j(THOUSAND) is None
    published = load_published_design("flexllm-u280")
    wider = published_times(published.measured, load_device("u280"), 1024)
    assert wider.e2e_latency_s(Workload(prompt_tokens=1024, output_tokens=1024)) == pytest.approx(8.89)


def test_one_baseline_explains_all_six_ratios(fitted: Baseline) -> None:
    """About 90 tokens/s and 137 W, with the 0.3 s swap."""
    assert fitted.decode_tokens_per_s == pytest.approx(90, rel=0.02)
    assert fitted.power_w == pytest.approx(137, rel=0.04)
    assert len(fitted.ratios) == 6
    assert all(abs(ratio.residual) < 0.035 for ratio in fitted.ratios)
    assert fitted.largest_residual < 0.035


def test_what_tests_nothing_is_said(fitted: Baseline) -> None:
    """Two unknown powers meet the two energy ratios."""
    met = {(r.design, r.quantity) for r in fitted.ratios if r.tests_nothing}
    assert met == {("flexllm-u280", "tokens_per_j"), ("flexllm-v80", "tokens_per_j")}
    assert all(abs(ratio.residual) < 1e-6 for ratio in fitted.ratios if ratio.tests_nothing)
    assert fitted.ranges["power_w"] is None
    low, high = fitted.ranges["prefill_s_per_1k_tokens"] or (math.nan, math.nan)
    assert low < 0.5 * fitted.prefill_s_per_1k_tokens
    assert high > 1.5 * fitted.prefill_s_per_1k_tokens  # hardly decided
    low, high = fitted.ranges["decode_tokens_per_s"] or (math.nan, math.nan)
    assert high / low < 1.04


def squared_error(prefill: float, rate: float, power: float, v80_power: float) -> float:
    """The six ratios written out."""
    a100 = prefill + 1000 / rate
    u280, v80 = 1.65 + 0.3 + 6.94, 0.61 + 0.3 + 1.68
    u280_j = 1.65 * 53.97 + 0.3 * 41.66 + 6.94 * 57.66
    explained = {
        1.29: a100 / u280,
        4.71: a100 / v80,
        1.64: 1000 / 6.94 / rate,
        6.55: 1000 / 1.68 / rate,
        3.14: power * a100 / u280_j,
        4.13: power * a100 / (v80_power * v80),
    }
    return sum(math.log(value / published) ** 2 for published, value in explained.items())


def test_no_point_of_a_grid_explains_more(fitted: Baseline) -> None:
    v80_power = fitted.implied_power_w["flexllm-v80"]
    best = (fitted.prefill_s_per_1k_tokens, fitted.decode_tokens_per_s, fitted.power_w, v80_power)
    found = squared_error(*best)
    assert found == pytest.approx(sum(math.log1p(ratio.residual) ** 2 for ratio in fitted.ratios), rel=1e-6)
    for factors in itertools.product((0.5, 0.9, 0.98, 0.999, 1.001, 1.02, 1.1, 2.0), repeat=4):
        assert squared_error(*(f * value for f, value in zip(factors, best, strict=True))) >= found
    coarse = itertools.product(np.geomspace(0.006, 5, 25), np.geomspace(40, 300, 40), (100, 133, 180), (120, 147, 180))
    assert min(squared_error(*map(float, point)) for point in coarse) >= found


def test_a_known_baseline_is_found_again() -> None:
    """Ratios made from a baseline, a design's power unknown as in the paper."""
    truth = SystemTimes(4e-5, 250.0, 0.0, 180.0, 180.0, 180.0)
    known = {**SYSTEMS, "flexllm-v80": replace(SYSTEMS["flexllm-v80"], prefill_power_w=90.0, decode_power_w=90.0)}
    ratios = tuple(
        ratio.model_copy(update={"value": ratio_of(ratio.quantity, known[ratio.design], truth, THOUSAND)})
        for ratio in A100.ratios
        if ratio.explains
    )
    made = A100.model_copy(update={"ratios": ratios})
    for systems, tested in ((SYSTEMS, False), (known, True)):
        found = fit_baseline(made, systems, LIMITS)
        assert found.prefill_s_per_1k_tokens == pytest.approx(0.04, rel=1e-5)
        assert found.decode_tokens_per_s == pytest.approx(250, rel=1e-6)
        assert found.power_w == pytest.approx(180, rel=1e-6)
        assert (found.ranges["power_w"] is not None) == tested
        assert any(r.tests_nothing for r in found.ratios) != tested


def test_prefill_stays_above_the_compute_limit() -> None:
    """Read as short prompts with long outputs, the ratios want less than no prefill."""
    found = fit_baseline(A100, SYSTEMS, LIMITS, [Workload(prompt_tokens=512, output_tokens=2048)])
    assert found.prefill_s_per_1k_tokens == pytest.approx(LIMITS.prefill_s_per_1k_tokens, rel=1e-3)
    assert found.prefill_s_per_1k_tokens >= LIMITS.prefill_s_per_1k_tokens


def test_limits_of_the_specification() -> None:
    """Each of the 1.236e9 weights read once a token at 2 bytes; 2 operations a weight of a layer and token."""
    assert LIMITS.decode_tokens_per_s == pytest.approx(1935e9 / (2 * 1.236e9), rel=0.001)
    assert LIMITS.prefill_s_per_1k_tokens == pytest.approx(1000 * 2 * 0.973e9 / 312e12, rel=0.001)


def test_bad_references_are_refused() -> None:
    with pytest.raises(InputError, match="no published times of flexllm-v80"):
        fit_baseline(A100, {"flexllm-u280": SYSTEMS["flexllm-u280"]})
    only_rates = tuple(ratio for ratio in A100.ratios if ratio.quantity == "decode_rate" and ratio.explains)
    with pytest.raises(InputError, match="no ratio of e2e_latency"):
        fit_baseline(A100.model_copy(update={"ratios": only_rates}), SYSTEMS)


def test_ratios_without_a_workload_explain_nothing() -> None:
    left = [ratio for ratio in A100.ratios if not ratio.explains]
    assert {ratio.design for ratio in left} == {"flexllm-u280-hmt", "flexllm-v80-hmt"}
    values = sorted(r.value for r in left if (r.design, r.quantity) == ("flexllm-v80-hmt", "e2e_latency"))
    assert values == [3.7, 4.86]  # body and abstract


# --- comparison -------------------------------------------------------------------------------------------------------


def test_our_model_meets_the_ratios_with_what_its_latency_is_off(fitted: Baseline) -> None:
    metrics = evaluate_point(load_design("flexllm-u280"), LLAMA, load_device("u280"), THOUSAND).metrics
    found = compare(metrics, THOUSAND, fitted.times, LIMITS)
    assert metrics["tpot_s"] is not None
    assert found.decode_speedup == pytest.approx(1.64, rel=0.10)
    assert found.decode_speedup == pytest.approx(1 / metrics["tpot_s"] / fitted.decode_tokens_per_s)
    assert found.e2e_speedup == pytest.approx(1.29, rel=0.12)
    assert found.tokens_per_j_ratio == pytest.approx(3.14, rel=0.12)
    assert found.decode_speedup_over_limit is not None
    assert found.decode_speedup_over_limit < 0.25  # the limit is far above the baseline
    assert found.missing == {}


def test_missing_ratios_have_reasons(fitted: Baseline) -> None:
    one = Workload(prompt_tokens=100, output_tokens=1)
    metrics = evaluate_point(load_design("flexllm-u280"), LLAMA, load_device("u280"), one).metrics
    found = compare({**metrics, "energy_j": None}, one, fitted.times)
    assert found.decode_speedup is None
    assert found.tokens_per_j_ratio is None
    assert set(found.missing) == {
        "decode_speedup", "tokens_per_j_ratio", "e2e_speedup_over_limit", "decode_speedup_over_limit",
    }  # fmt: skip
    v80 = compare(metrics, one, SYSTEMS["flexllm-v80"], RooflineLimits(1.0, 1.0))
    assert set(v80.missing) == {"decode_speedup", "decode_speedup_over_limit", "tokens_per_j_ratio"}


def test_a_system_against_itself_is_one() -> None:
    u280 = SYSTEMS["flexllm-u280"]
    assert [ratio_of(q, u280, u280, THOUSAND) for q in ("e2e_latency", "decode_rate", "tokens_per_j")] == [1, 1, 1]


def test_known_systems() -> None:
    assert reference_names() == ("a100-bf16", "flexllm-u280", "flexllm-v80")
    assert known_system("a100-bf16").baseline == baseline("a100-bf16")
    assert "implied" in known_system("a100-bf16").provenance
    assert known_system("flexllm-u280").provenance == "published measurement"
    assert "projection" in known_system("flexllm-v80").provenance
    with pytest.raises(UnknownNameError, match="a100"):
        known_system("a100")


@pytest.fixture
def run_compare() -> Callable[..., tuple[int, str]]:
    """`run_compare("--design", "flexllm-u280", ...)`: exit code and stdout."""
    app = typer.Typer()
    app.command()(compare_command)

    def run(*arguments: str) -> tuple[int, str]:
        common = ("--model", "llama-3.2-1b", "--prompt-tokens", "1024", "--output-tokens", "1024")
        result = CliRunner().invoke(app, [*common, *arguments], catch_exceptions=False)
        return result.exit_code, result.stdout

    return run


def test_the_command(run_compare: Callable[..., tuple[int, str]]) -> None:
    code, text = run_compare("--design", "flexllm-u280", "--device", "u280")
    assert code == 0
    assert "tests nothing" in text
    assert "implied by published ratios" in text
    code, text = run_compare("--design", "flexllm-u280", "--device", "u280", "--reference", "flexllm-u280", "--json")
    document = json.loads(text)
    assert code == 0
    assert document["schema"] == "flexdse/comparison/v1"
    assert document["ratios"]["e2e_speedup"] == pytest.approx(0.97, abs=0.02)
    assert set(document["missing"]) == {"e2e_speedup_over_limit", "decode_speedup_over_limit"}
    assert run_compare("--design", "flexllm-v80", "--device", "u280", "--json")[0] == 3


def test_the_command_refuses_another_model(run_compare: Callable[..., tuple[int, str]]) -> None:
    with pytest.raises(InputError, match="another model"):
        run_compare("--design", "flexllm-u280", "--device", "u280", "--model", "smollm2-135m")
