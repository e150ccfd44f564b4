"""How the two stages are put together: one bitstream after the other, both in one, two cards."""

from __future__ import annotations

import numpy as np
import pytest

from cost_models.clb import CLB_CAP, CLB_PER_LUT_FRACTION
from cost_models.evaluate import (
    Context,
    CostBatch,
    StageSummary,
    combine,
    evaluate_batch,
    summarise_decode,
    summarise_prefill,
)
from cost_models.report import evaluate_point
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.memory_map import Sharing
from spec.quant_scheme import W4A4KV8
from spec.workload import Workload

LLAMA, U280 = load_model("llama-3.2-1b"), load_device("u280")
BASE = load_design("flexllm-u280")
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)


def deployed(deployment: str, kv_layout: Sharing = "per_stage", weight_copies: Sharing = "per_stage") -> DesignPoint:
    memory = BASE.memory_map.model_copy(update={"kv_layout": kv_layout, "weight_copies": weight_copies})
    return BASE.model_copy(update={"deployment": deployment, "memory_map": memory})


def priced(point: DesignPoint) -> CostBatch:
    return evaluate_batch(DesignBatch.from_points([point], U280), Context(LLAMA, U280, WORKLOAD, W4A4KV8))


def value(point: DesignPoint, metric: str) -> float:
    return float(priced(point).metrics[metric][0])


def test_only_two_bitstreams_swap_and_upload() -> None:
    two, one, cards = deployed("two_bitstreams"), deployed("co_resident"), deployed("two_cards")
    # 0.3 s of swap, and 620.8 MB of weights and their scales over a link of 12 GB/s.
    assert value(two, "ttft_s") - value(cards, "ttft_s") == pytest.approx(0.3 + 0.0518, abs=0.002)
    assert value(one, "ttft_s") > value(cards, "ttft_s") - 0.2  # a fuller card may clock lower, nothing else differs
    shared = deployed("co_resident", "shared")
    assert value(one, "ttft_s") - value(shared, "ttft_s") == pytest.approx(0.0028, abs=0.0002)  # the re-layout


def test_co_resident_kernels_share_the_card() -> None:
    point = deployed("co_resident")
    report = evaluate_point(point, LLAMA, U280, WORKLOAD)
    found = {v.constraint: v for v in report.violations if v.where == "co_resident"}
    both = report.prefill.resources.lut + report.decode.resources.lut + U280.shell.lut
    assert report.metrics["max_utilization"] == pytest.approx(both / U280.total.lut, rel=1e-4)
    assert {"lut_utilization", "hbm_ports"} <= set(found)  # FlexLLM's pair would not fit one U280
    assert found["hbm_ports"].demand == 21 + 19
    assert all(v.levers for v in found.values())
    assert not [v for v in evaluate_point(BASE, LLAMA, U280, WORKLOAD).violations if v.where == "co_resident"]


def test_our_co_resident_design_is_within_every_cap_and_meets_its_bar() -> None:
    """Both kernels and one shell on a U280, at the estimate and not at the low end of its band."""
    point = load_design("flexdse-u280-coresident")
    report = evaluate_point(point, LLAMA, U280, WORKLOAD)
    assert point.deployment == "co_resident"
    assert not report.violations
    shell, total = U280.shell.as_dict(), U280.total.as_dict()
    used = report.prefill.resources.as_dict(), report.decode.resources.as_dict()
    fractions = {kind: (used[0][kind] + used[1][kind] + shell[kind]) / total[kind] for kind in total}
    assert fractions["lut"] * CLB_PER_LUT_FRACTION <= CLB_CAP
    caps = {"lut": 0.55, "ff": 0.50, "dsp": 0.80, "bram_18k": 0.80, "uram": 0.80}  # what a design may use of the card
    assert not {kind for kind, cap in caps.items() if fractions[kind] > cap}
    channels = [port.channel for port in point.memory_map.ports if port.memory == "hbm"]
    assert sorted(channels) == list(range(32))  # each HBM channel has one port, of one of the kernels
    assert report.metrics["e2e_latency_s"] is not None
    assert report.metrics["e2e_latency_s"] <= 3.8


def test_co_resident_stages_of_a_card_without_port_words_have_a_report() -> None:
    point = load_design("flexllm-v80").model_copy(update={"deployment": "co_resident"})
    report = evaluate_point(point, LLAMA, load_device("v80"), WORKLOAD)
    assert report.fit == "does_not_fit"  # two kernels made for a card each
    assert report.prefill.achievable_clock_mhz > 0


def test_the_card_that_waits_draws_its_idle_power() -> None:
    two, cards = priced(deployed("two_bitstreams")), priced(deployed("two_cards"))
    idle = U280.power.configured_w
    assert idle is not None
    busy_s = float(cards.metrics["e2e_latency_s"][0])
    between_s = value(deployed("two_bitstreams"), "ttft_s") - value(deployed("two_cards"), "ttft_s")
    extra = float(cards.metrics["energy_j"][0]) - (float(two.metrics["energy_j"][0]) - idle * between_s)
    assert extra == pytest.approx(idle * busy_s, rel=0.01)


def test_one_image_wants_words_of_one_width() -> None:
    def broken(point: DesignPoint) -> set[str]:
        return {v.constraint for v in evaluate_point(point, LLAMA, U280, WORKLOAD).violations}

    assert "shared_kv_layout" in broken(deployed("co_resident", kv_layout="shared"))  # 16 and 32 keys a word
    assert "shared_weight_copies" in broken(deployed("co_resident", weight_copies="shared"))
    wider = BASE.prefill.model_copy(update={"key_parallelism": 32, "value_parallelism": 32})
    point = deployed("co_resident", kv_layout="shared").model_copy(update={"prefill": wider})
    assert "shared_kv_layout" not in broken(point)


def test_pairs_of_summaries_are_monotone() -> None:
    """No column of a summary worse, the words equal: no metric and no excess of the pair worse. The exact search rests
    on it.
    """
    point = deployed("co_resident", "shared", "shared")
    context = Context(LLAMA, U280, WORKLOAD, W4A4KV8, system=point.system)
    batch = DesignBatch.from_points([point], U280)
    prefill, decode = summarise_prefill(batch.prefill, context), summarise_decode(batch.decode, context)
    rng = np.random.default_rng(5)
    before = combine(prefill, decode, context)
    for _ in range(20):
        columns = {name: getattr(prefill, name) for name in StageSummary.__slots__}
        name = rng.choice([n for n in columns if n not in ("cache_word", "weight_word", "excess")])
        columns[name] = columns[name] * (1 + rng.uniform(0, 1))
        if name in ("first_s", "step_s"):
            columns["first_s"] = columns["step_s"] = columns[name]
        after = combine(StageSummary(**columns), decode, context)
        assert after.excess[0] >= before.excess[0]
        for metric in ("ttft_s", "e2e_latency_s", "energy_j", "max_utilization"):
            assert after.metrics[metric][0] >= before.metrics[metric][0] * (1 - 1e-12), (name, metric)
