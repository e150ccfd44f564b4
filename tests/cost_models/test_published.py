"""The models against numbers that others published or derived: FlexLLM's paper (arXiv 2601.15710), its loop bounds, and
a timed simulation of its task graph with 8 cycles of loop restart.

Nothing here may be met by a coefficient fitted to the number beside it; where one was, the test says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cost_models.bands import resource_band
from cost_models.decode import evaluate_decode
from cost_models.evaluate import Context, price_decode, price_prefill
from cost_models.report import ERROR_BANDS, error_bands, evaluate_point
from cost_models.stage_setup import StageSetup
from spec.catalog import load_design, load_device, load_model, load_published_design
from spec.cost_report import CostReport
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.quant_scheme import W4A4KV8
from spec.timing import DEFAULT_TIMING_TABLE
from spec.workload import Workload

LLAMA = load_model("llama-3.2-1b")
U280 = load_device("u280")
LAYERS = LLAMA.n_layers


@pytest.fixture(scope="module")
def flexllm() -> CostReport:
    workload = Workload(prompt_tokens=1024, output_tokens=1024)
    return evaluate_point(load_design("flexllm-u280"), LLAMA, U280, workload)


def test_measured_latency(flexllm: CostReport) -> None:
    assert flexllm.prefill.latency_s == pytest.approx(1.65, rel=0.03)
    assert flexllm.decode.tpot_s == pytest.approx(6.94e-3, rel=0.07)
    assert flexllm.decode.tpot_s == pytest.approx(6.94e-3 * 1000 / 1024, rel=0.07)  # should "1k tokens" be 1024
    # The residue is known and argued (docs/cost_models.md): a change of either is a change of the model.
    assert flexllm.prefill.latency_s / 1.65 - 1 == pytest.approx(-0.0139, abs=0.001)
    assert flexllm.decode.tpot_s is not None
    assert flexllm.decode.tpot_s / 6.94e-3 - 1 == pytest.approx(0.0354, abs=0.001)


def test_the_dequantizer_loop_decides_the_residue() -> None:
    """Pipelined it leaves decode 7.8 % too fast; at its depth as the source has it, 3.5 % too slow; in between at 16 cycles,
    where its outputs still hide under the next pass: nothing else explains so much, and prefill has no such loop.
    """
    found = {}
    for name, cycles in (("pipelined", None), ("depth 16", 16.0), ("depth of the table", None)):
        point = pipelined("flexllm-u280") if name == "pipelined" else load_design("flexllm-u280")
        timing = DEFAULT_TIMING_TABLE
        if cycles is not None:
            operators = dict(timing.operators)
            rest = sum(operators[one].latency_cycles for one in ("fmul", "fmul", "fadd"))
            shallow = operators["int_to_float"].model_copy(update={"latency_cycles": cycles - rest})
            timing = timing.model_copy(update={"operators": {**operators, "int_to_float": shallow}})
        report = evaluate_point(point, LLAMA, U280, Workload(prompt_tokens=1024, output_tokens=1024), timing=timing)
        assert report.decode.tpot_s is not None
        found[name] = report.decode.tpot_s / 6.94e-3 - 1
    assert found["pipelined"] == pytest.approx(-0.0783, abs=0.001)
    assert found["depth 16"] == pytest.approx(-0.048, abs=0.002)
    assert found["depth of the table"] == pytest.approx(0.0354, abs=0.001)


def pipelined(name: str) -> DesignPoint:
    """A published design with the dequantizer that the timed simulation assumes."""
    point = load_design(name)
    modules = point.decode.modules.model_copy(update={"dequantizer": "pipelined"})
    return point.model_copy(update={"decode": point.decode.model_copy(update={"modules": modules})})


def test_measured_dsp(flexllm: CostReport) -> None:
    assert flexllm.prefill.resources.dsp == pytest.approx(2617, rel=0.05)
    assert flexllm.decode.resources.dsp == pytest.approx(1624, rel=0.05)


# The paper rounds to whole percents, so its 11 % of URAM is itself 10.5 to 11.5 %. LUT and FF of the
# prefill row set one factor each, URAM of the decode row the number of width converters: a guard, no evidence. The bar of
# the others is 20 %.
@pytest.mark.parametrize(
    ("stage", "kind", "published", "error"),
    [
        ("prefill", "lut", 0.39, 0.02),
        ("prefill", "ff", 0.24, 0.02),
        ("prefill", "bram_18k", 0.35, 0.15),
        ("prefill", "uram", 0.11, 0.05),
        ("decode", "lut", 0.44, 0.05),
        ("decode", "ff", 0.28, 0.03),
        ("decode", "bram_18k", 0.41, 0.10),
        ("decode", "uram", 0.15, 0.05),
    ],
)
def test_measured_utilization(flexllm: CostReport, stage: str, kind: str, published: float, error: float) -> None:
    used = getattr(getattr(flexllm, stage).utilization, kind)
    assert used == pytest.approx(published, rel=error)


def test_every_measured_value_lies_in_its_printed_band(flexllm: CostReport) -> None:
    measured = load_published_design("flexllm-u280").measured
    values = {"prefill_latency_s": measured["prefill_latency_s"], "tpot_s": measured["tpot_s"]}
    values["decode_tokens_per_s"] = 1 / measured["tpot_s"]
    values |= {name: measured[name] for name in ("prefill_dsp", "decode_dsp")}
    fractions = [measured[name] for name in measured if name.endswith("_fraction") and "clb" not in name]
    values["max_utilization"] = max(fractions)
    for name, value in values.items():
        model, band = flexllm.metrics[name], flexllm.error_band[name]
        assert model is not None
        assert 1 + band.relative_low <= value / model <= 1 + band.relative_high, name
    total, shell = U280.total.as_dict(), U280.shell.as_dict()
    for stage in ("prefill", "decode"):
        for kind, model_count in getattr(flexllm, stage).resources.as_dict().items():
            name = f"{stage}_{kind.removesuffix('_18k')}_fraction"
            if name not in measured:
                continue
            kernel, band = measured[name] * total[kind] - shell[kind], flexllm.error_band[kind]
            assert 1 + band.relative_low <= kernel / model_count <= 1 + band.relative_high, name


def test_bands_of_cards_without_a_measured_design() -> None:
    """Twice as wide on other cards, of another fabric too, as the verdict takes them; power as the card's own figures allow."""
    workload = Workload(prompt_tokens=1024, output_tokens=1024)
    other = evaluate_point(load_design("flexllm-u280"), LLAMA, load_device("u55c"), workload)
    assert error_bands(load_device("u55c"))["tpot_s"].relative_high == 2 * ERROR_BANDS["tpot_s"].relative_high
    assert other.error_band["tpot_s"].relative_high > 2 * ERROR_BANDS["tpot_s"].relative_high  # and its clock's
    assert "guess" in other.error_band["lut"].basis
    v80 = evaluate_point(load_design("flexllm-v80"), LLAMA, load_device("v80"), workload)
    assert {"tpot_s", "prefill_latency_s"} <= set(v80.error_band)
    for kind in ("lut", "dsp", "uram"):
        band = error_bands(load_device("v80"))[kind]
        assert (band.relative_low, band.relative_high) == resource_band(kind, load_device("v80"))
        assert v80.error_band[kind].relative_low <= band.relative_low
    assert v80.error_band["power_w"].relative_high > 1
    assert "power_w" not in other.error_band  # no idle power of the U55C is public
    assert any("DSP58" in note for note in v80.assumptions)


def test_published_designs_fit_their_card() -> None:
    """The pair that ran on the card is feasible for the models; so are the sizes it leaves free."""
    for name in ("flexllm-u280", "flexllm-u280-base"):
        report = evaluate_point(load_design(name), LLAMA, U280, Workload(prompt_tokens=1024, output_tokens=1024))
        assert report.violations == ()


def layer_cycles(
    tokens: int, qkvo: int, ffn: int, tp: int = 8, *, design: str = "flexllm-u280", device: Device = U280
) -> float:
    """Cycles of one prefill layer of a FlexLLM design with other array sizes. Its ports feed any of these."""
    batch = DesignBatch.from_points([load_design(design)], device).prefill
    batch = replace(
        batch,
        token_parallelism=np.array([tp]),
        qkvo_weight_parallelism=np.array([qkvo]),
        ffn_weight_parallelism=np.array([ffn]),
    )
    # One token more: the last prompt token goes through decode.
    workload = Workload(prompt_tokens=tokens + 1, output_tokens=1)
    return float(price_prefill(batch, Context(LLAMA, device, workload, W4A4KV8)).cycles[0]) / LAYERS


# A timed simulation of the task graph with finite FIFOs. Within 0.15 %, always below: in FlexLLM's arrays the results of a
# block's last pass leave before the next block fills, which the law (and our library's array) hides. See the next test.
SIMULATED_LAYERS = [
    (1024, 24, 96, 8, 30_942_726),
    (1024, 16, 64, 8, 44_321_870),
    (1024, 32, 128, 8, 27.64e6),  # printed to four digits: 0.02 % of its own
    (1024, 48, 192, 8, 26.20e6),
    (1024, 64, 256, 8, 25.34e6),
    (1024, 24, 96, 16, 15.83e6),
    (512, 24, 96, 8, 0.8442 * 300e6 / LAYERS),
    (512, 16, 64, 8, 1.2079 * 300e6 / LAYERS),
    (256, 24, 96, 8, 0.4411 * 300e6 / LAYERS),
    (256, 16, 64, 8, 0.6299 * 300e6 / LAYERS),
]


@pytest.mark.parametrize(("tokens", "qkvo", "ffn", "tp", "simulated"), SIMULATED_LAYERS)
def test_simulated_prefill_layer(tokens: int, qkvo: int, ffn: int, tp: int, simulated: float) -> None:
    cycles = layer_cycles(tokens, qkvo, ffn, tp)
    assert cycles == pytest.approx(simulated, rel=0.0015)
    assert cycles < simulated


@pytest.mark.parametrize(("tokens", "qkvo", "ffn", "tp", "simulated"), SIMULATED_LAYERS)
def test_exposed_drain_explains_the_rest(tokens: int, qkvo: int, ffn: int, tp: int, simulated: float) -> None:
    """With FlexLLM's drain of `1.5 W + TP/2` and a restart for each block of the arrays that set the pace: 0.04 %."""
    drain = 1.5 * qkvo + tp / 2 + 8
    if ffn <= 96:  # else the Hadamard sets the pace of phase B, it drains nothing
        drain += 1.5 * ffn + tp / 2 + 8
    assert layer_cycles(tokens, qkvo, ffn, tp) + tokens / tp * drain == pytest.approx(simulated, rel=0.0004)


def test_simulated_prefill_layer_without_restart() -> None:
    """The same simulation at 0 and 12 cycles of restart: the law follows."""
    batch = DesignBatch.from_points([load_design("flexllm-u280")], U280).prefill
    workload = Workload(prompt_tokens=1025, output_tokens=1)
    for restart, simulated in ((0.0, 30_895_062), (12.0, 30_966_558)):
        timing = DEFAULT_TIMING_TABLE.model_copy(update={"loop_restart_cycles": restart})
        cost = price_prefill(batch, Context(LLAMA, U280, workload, W4A4KV8, timing))
        assert float(cost.cycles[0]) / LAYERS == pytest.approx(simulated, rel=0.001)


def test_prefill_that_is_bound_by_the_hadamard() -> None:
    """V80-like arrays (TP 16, 32/32/128): the Hadamard is the slowest stage, AV the slowest in the first block."""
    batch = DesignBatch.from_points([load_design("flexllm-v80")], load_device("v80")).prefill
    workload = Workload(prompt_tokens=1025, output_tokens=1)
    cost = price_prefill(batch, Context(LLAMA, load_device("v80"), workload, W4A4KV8))
    # The last block still goes through down_proj, and attention outlasts Q in the first one.
    assert float(cost.cycles[0]) == pytest.approx(16 * 14_074_064, rel=0.0005)
    slowest = max(cost.modules, key=lambda module: float(module.busy[0]))
    assert slowest.name == "hadamard"


def test_published_bound_formula_is_optimistic() -> None:
    """The paper's own formula (no fill, no Hadamard) gives 1.472 s: 10 % below the loop-exact law, 11 % below measured."""
    n, d_h, d_kv, d_ffn, tokens = 16, 2048, 512, 8192, 1024
    bound = n * tokens / 8 * (d_h * d_kv / 24 + max(d_h**2 / 24, d_h * tokens / 16, d_h * d_ffn / 96))
    assert bound / 304e6 == pytest.approx(1.472, abs=0.001)
    assert layer_cycles(1024, 24, 96) * LAYERS > 1.10 * bound


def test_prompt_of_64k_tokens_without_skipping() -> None:
    """FlexLLM's loops at 65,536 tokens: 4601.9 s at 300 MHz with the load pass of AV (5 L a head), AV-bound."""
    cycles = layer_cycles(65_536, 24, 96) * LAYERS
    assert cycles / 300e6 == pytest.approx(4601.9, rel=0.001)


def step_cycles(design: str, context: int, device: Device = U280) -> float:
    batch = DesignBatch.from_points([pipelined(design)], device).decode
    setup = StageSetup(LLAMA, Workload(prompt_tokens=context, output_tokens=1))
    return float(evaluate_decode(batch, setup).first_cycles[0])  # at the clock that the design asks for


# One decode step at context S, simulated at 300 MHz (ms, three digits: up to 0.1 % of rounding). Within 0.7 %: the
# simulation has no HBM latency for the write-back and for each pass over the values, the model has; that is 0.4 to
# 0.6 % here. The depth of the operator chain (1200 cycles a layer) was taken from the same simulation.
@pytest.mark.parametrize(
    ("design", "context", "simulated_ms"),
    [
        ("flexllm-u280-base", 1, 9.75),
        ("flexllm-u280-base", 1025, 11.23),
        ("flexllm-u280-base", 1536, 11.97),
        ("flexllm-u280-base", 2045, 12.71),
        ("flexllm-u280", 1, 4.95),
        ("flexllm-u280", 1025, 5.78),
        ("flexllm-u280", 1536, 6.19),
        ("flexllm-u280", 2045, 6.60),
    ],
)
def test_simulated_decode_step(design: str, context: int, simulated_ms: float) -> None:
    assert step_cycles(design, context) / 300e3 == pytest.approx(simulated_ms, rel=0.007)


@pytest.mark.parametrize(("context", "simulated_ms"), [(1, 2.72), (1025, 3.54), (1536, 3.96), (2045, 4.37)])
def test_simulated_wide_decode_step_with_boundless_memory(
    with_hbm: Callable[..., Device], context: int, simulated_ms: float
) -> None:
    """512-bit ports that always deliver; the scale loader (2112 cycles a pass) is then slower than a pass (2048)."""
    boundless = with_hbm(U280, channel_sustained_bytes_per_s=1e11, efficiency=1.0, memory_port_mhz=2000.0)
    assert step_cycles("flexllm-u280-wide", context, boundless) / 300e3 == pytest.approx(simulated_ms, rel=0.007)


def test_simulated_wide_decode_step_at_the_channel_rate(with_hbm: Callable[..., Device]) -> None:
    """At 14.4 GB/s a port, weights and attention capped: about 4.88 ms. The stretched pass hides the scale loader."""
    capped = with_hbm(U280, channel_sustained_bytes_per_s=14.4e9, efficiency=1.0)
    assert step_cycles("flexllm-u280-wide", 1536, capped) / 300e3 == pytest.approx(4.88, rel=0.005)


def test_mean_step_of_the_paper_workload() -> None:
    """1024 tokens after 1024: 6.33 s at mem_opt and 12.25 s at u280, 300 MHz."""
    for design, simulated_s in (("flexllm-u280", 6.33), ("flexllm-u280-base", 12.25)):
        batch = DesignBatch.from_points([pipelined(design)], U280).decode
        workload = Workload(prompt_tokens=1024, output_tokens=1024)
        cycles = price_decode(batch, Context(LLAMA, U280, workload, W4A4KV8)).cycles[0]
        assert 1024 * float(cycles) / 300e6 == pytest.approx(simulated_s, rel=0.008)  # as the steps, and three digits


# GB of one layer's prefill and bytes of one decode step, from loop bounds and port widths.
def test_traffic_of_the_published_pair() -> None:
    design = DesignBatch.from_points([load_design("flexllm-u280")], U280)
    context = Context(LLAMA, U280, Workload(prompt_tokens=1025, output_tokens=1), W4A4KV8)
    moved = {
        role: float(b[0]) / LAYERS / 1e9 for role, b in price_prefill(design.prefill, context).traffic_bytes.items()
    }
    for role, published in (
        ("weights_kq", 0.453),
        ("weights_vo", 0.453),
        ("weights_gate", 1.082),
        ("weights_up", 1.082),
        ("weights_down", 1.107),
        ("k_cache", 0.268),
        ("v_cache", 0.268),
        ("io", 0.025),
    ):
        assert moved[role] == pytest.approx(published, rel=0.01), role  # the figures are printed to three digits
    assert sum(moved[role] for role in moved if role.startswith("scales")) == pytest.approx(0.024, rel=0.04)
    assert sum(moved.values()) * LAYERS == pytest.approx(76.2, rel=0.01)

    at_1536 = Context(LLAMA, U280, Workload(prompt_tokens=1536, output_tokens=1), W4A4KV8)
    step = {role: float(b[0]) for role, b in price_decode(design.decode, at_1536).traffic_bytes.items()}
    assert step["weights"] == pytest.approx(620.8e6, rel=0.001)
    assert step["k_cache"] + step["v_cache"] == pytest.approx(100.7e6, rel=0.001)
    assert step["scales"] == pytest.approx(4.1e6, rel=0.03)


def test_dsp_of_the_other_configurations() -> None:
    """DSP of the structure, counted by hand from the repository: linear, attention, fp32."""
    for name, stage, dsp in (
        ("flexllm-u280", "prefill", 1344 + 128 + 1192),
        ("flexllm-u280-base", "prefill", 896 + 128 + 1192),
        ("flexllm-u280", "decode", 512 + 256 + 926),
        ("flexllm-u280-base", "decode", 256 + 128 + 474),
        ("flexllm-u280-wide", "decode", 1024 + 256 + 1390),
    ):
        report = evaluate_point(load_design(name), LLAMA, U280, Workload(prompt_tokens=1024, output_tokens=1024))
        assert getattr(report, stage).resources.dsp == dsp
        assert sum(row.dsp or 0 for row in report.breakdown if row.stage == stage) == dsp


def test_buffers_of_the_published_pair_without_adapters() -> None:
    """BRAM18 and URAM against an inventory of the repository's buffers (a simple packer, +-20 %, no AXI adapters). The
    inventory counts four width converters of decode, the law six; it leaves out the FIFO before the Hadamard (8 URAM).
    """
    workload = Workload(prompt_tokens=1024, output_tokens=1024)
    report = evaluate_point(load_design("flexllm-u280"), LLAMA, U280, workload)
    ports = load_design("flexllm-u280").memory_map.ports
    for stage, bram, uram in (("prefill", 663, 94 + 8), ("decode", 591, 112 + 2 * 16)):
        # Each task at a port has an adapter; prefill reads and writes the hidden state by two.
        adapters = sum(
            (len(port.roles) + (stage == "prefill" and "io" in port.roles)) * port.width_bits / 16
            for port in ports
            if port.stage == stage
        )
        resources = getattr(report, stage).resources
        assert resources.bram_18k - adapters == pytest.approx(bram, rel=0.20)
        assert resources.uram == uram
