"""The HMT plug-in: FlexLLM's numbers, an oracle that walks through every segment, row and pass, and properties."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from benchmarks.published_ratios import long_context_rows
from cost_models.evaluate import Context, evaluate_batch, price_prefill
from cost_models.hmt import PLUGIN_MODULES, key_cache_bram18, memory_cycles, plugin_part
from cost_models.report import evaluate_document, evaluate_point
from cost_models.resources import module_arrays
from cost_models.stage_cost import StageCost
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch, FloatArray
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.hmt import HmtPlugin
from spec.strict import validate
from spec.timing import DEFAULT_TIMING_TABLE
from spec.workload import Workload

LLAMA, U280 = load_model("llama-3.2-1b"), load_device("u280")
PLAIN, WITH_HMT = load_design("flexllm-u280"), load_design("flexllm-u280-hmt")
assert WITH_HMT.hmt is not None
HMT: HmtPlugin = WITH_HMT.hmt
SEGMENTS_64 = 64 * 990
CLOCK_HZ = 304e6


def changed(hmt: HmtPlugin = HMT, prefill: dict[str, Any] | None = None, **fields: Any) -> DesignPoint:
    """The catalog design with other numbers."""
    return WITH_HMT.model_copy(
        update={"hmt": hmt.model_copy(update=fields), "prefill": WITH_HMT.prefill.model_copy(update=prefill or {})}
    )


def priced(points: list[DesignPoint], tokens: int) -> StageCost:
    batch = DesignBatch.from_points(points, U280)
    workload = Workload(prompt_tokens=tokens + 1, output_tokens=1)
    return price_prefill(batch.prefill, Context(LLAMA, U280, workload, batch.quant_scheme, hmt=batch.hmt))


def own_cycles(cost: StageCost) -> float:
    return sum(float(module.critical[0]) for module in cost.modules if module.name in PLUGIN_MODULES)


# --- FlexLLM's numbers ------------------------------------------------------------------------------------------------


def test_64_segments_take_the_cycles_derived_from_the_repository() -> None:
    """47.7e9 cycles by its loop bounds; 156.5 s is what its 23.23 leaves of 3636 s, its own formula for 64k tokens, at the
    304 MHz of the pair without the plug-in. No clock with it is published: the clock law expects 1.5 % less.
    """
    cost = priced([WITH_HMT], SEGMENTS_64)
    assert cost.cycles[0] == pytest.approx(47.7e9, rel=0.01)
    assert cost.cycles[0] / CLOCK_HZ == pytest.approx(156.5, rel=0.01)
    assert cost.latency_s[0] == pytest.approx(159.1, rel=0.005)


def test_speed_up_in_both_readings() -> None:
    hmt_s = float(priced([WITH_HMT], SEGMENTS_64).latency_s[0])
    windows = 64 * 1024
    # The paper's formula: 16 x 65536/8 x (2048 x 512/24 + 2048 x 65536/16) cycles.
    bound_s = 16 * windows / 8 * (2048 * 512 / 24 + 2048 * windows / 16) / CLOCK_HZ
    assert bound_s == pytest.approx(3636, rel=0.001)
    assert bound_s / hmt_s == pytest.approx(22.86, rel=0.005)
    # Like for like, with AV as it is built, 5 L cycles a head: 27.0 by loop bounds, at one clock.
    plain, with_hmt = priced([PLAIN], SEGMENTS_64), priced([WITH_HMT], SEGMENTS_64)
    assert plain.cycles[0] / with_hmt.cycles[0] == pytest.approx(27.0, rel=0.01)


def test_the_plugin_takes_the_share_that_is_claimed() -> None:
    cost = priced([WITH_HMT], SEGMENTS_64)
    assert 0.001 < own_cycles(cost) / float(cost.cycles[0]) < 0.006
    # 1.32e6 cycles a segment by loop bounds without restarts and latencies, which are 11 % here.
    assert own_cycles(cost) / 63 == pytest.approx(1.32e6, rel=0.15)
    part = plugin_part(DesignBatch.from_points([WITH_HMT], U280).prefill, LLAMA, HMT, DEFAULT_TIMING_TABLE)
    extra = module_arrays({"plugin": part}, 1)["plugin"]
    total = U280.total.as_dict()
    assert max(float(array[0]) / total[name] for name, array in extra.items()) < 0.075


def test_resources_of_the_plugin() -> None:
    part = plugin_part(DesignBatch.from_points([WITH_HMT], U280).prefill, LLAMA, HMT, DEFAULT_TIMING_TABLE)
    extra = module_arrays({"plugin": part}, 1)["plugin"]
    assert float(key_cache_bram18(LLAMA, HMT)) == 256  # 64 x 2048 fp32 in 16 banks
    assert extra.uram[0] == 32 + 4  # memory cache, engine input
    # 4 x 8 lanes are 16 elements of 2 multipliers (3 DSP) and 3 adders (2 DSP); 4 softmax lanes of 14 DSP
    assert extra.dsp[0] == 16 * (2 * 3 + 3 * 2) + 4 * (7 + 2 * 2 + 3)
    plain = priced([PLAIN], 1023).resources
    whole = priced([WITH_HMT], SEGMENTS_64).resources
    assert whole.uram[0] - plain.uram[0] == extra.uram[0]
    assert whole.dsp[0] - plain.dsp[0] == extra.dsp[0]
    assert whole.bram_18k[0] - plain.bram_18k[0] == extra.bram_18k[0] + (4 * 256 + 128) / 16


def test_the_kernel_does_not_grow_with_the_prompt() -> None:
    short, long = priced([WITH_HMT], 2 * 990).resources, priced([WITH_HMT], SEGMENTS_64).resources
    assert [(name, float(array[0])) for name, array in short.items()] == [(n, float(a[0])) for n, a in long.items()]


# --- an oracle --------------------------------------------------------------------------------------------------------


@dataclass
class Machine:
    """FlexLLM's HMT.h, loop by loop, on one clock. Prefill windows come from the plain kernel."""

    design: DesignPoint
    tokens: int
    restart: int = 8
    access: int = 100
    d: int = 2048

    def prefill(self, rows: int) -> float:
        """A plain prompt whose prefill has that many rows."""
        ports = tuple(port for port in self.design.memory_map.ports if not port.name.startswith("hmt_"))
        plain = self.design.model_copy(
            update={"hmt": None, "memory_map": self.design.memory_map.model_copy(update={"ports": ports})}
        )
        return float(priced([plain], rows).cycles[0])

    def engine(self, d_in: int, d_out: int) -> float:
        assert self.design.hmt is not None
        groups, width = self.design.hmt.block_parallelism, self.design.hmt.weight_parallelism
        cycles = float(d_in / groups)
        for _ in range(math.ceil(d_out / (groups * width))):
            cycles += d_in + self.restart
        return cycles

    def load(self, from_prompt: list[bool]) -> float:
        """Rows into the token buffer, and each full block out into the kernel's input."""
        assert self.design.hmt is not None
        cycles, tp = 0.0, self.design.prefill.token_parallelism
        for row, is_read in enumerate(from_prompt):
            cycles += self.d / self.design.hmt.block_parallelism + self.restart + (self.access if is_read else 0)
            if (row + 1) % tp == 0:
                cycles += self.d + self.restart
        return cycles

    def segments(self) -> Iterator[tuple[int, int, bool]]:
        assert self.design.hmt is not None
        size, start, number = self.design.hmt.segment_tokens, 0, 0
        while start < self.tokens:
            length = min(size, self.tokens - start)
            yield number, length, start + length == self.tokens
            start, number = start + length, number + 1

    def run(self) -> float:
        hmt = self.design.hmt
        assert hmt is not None
        now = self.d / hmt.block_parallelism if self.tokens else 0.0
        key_ready = 0.0
        for number, length, last in self.segments():
            if number > 0:
                read = min(length, hmt.summary_tokens)
                rows = [True] + [True] * read + [True]  # T, tokens, T
                rows += [False] * (-len(rows) % hmt.window_multiple)
                now += self.load(rows) + self.prefill(len(rows))
                now = max(now, key_ready)
                now += self.d + self.access  # S_n comes back
                now += self.engine(self.d, self.d) + self.engine(self.d, hmt.memories)
                now += 3 * (hmt.memories / hmt.block_parallelism + self.restart)
                now += self.engine(hmt.memories, self.d)
            rows = [False] + [number > 0] * hmt.recall_tokens + [True] * length + [False]  # P, recall, tokens, P
            rows += [False] * (-len(rows) % hmt.window_multiple)
            now += self.load(rows) + self.prefill(len(rows))
            if not last:
                now += self.d + self.access + self.d / hmt.block_parallelism  # M_n comes back and is sent on
                key_ready = now + self.engine(self.d, self.d)
        return now


@pytest.mark.parametrize("tokens", [1, 300, 990, 991, 1485, 2 * 990, 3 * 990 + 7, 5 * 990])
def test_against_a_walk_through_every_row(tokens: int) -> None:
    assert priced([WITH_HMT], tokens).cycles[0] == pytest.approx(Machine(WITH_HMT, tokens).run(), rel=1e-12)


@pytest.mark.parametrize(
    "fields",
    [
        {"segment_tokens": 478, "summary_tokens": 100},
        {"segment_tokens": 64, "summary_tokens": 64, "recall_tokens": 0},
        {"memories": 32, "block_parallelism": 4, "weight_parallelism": 2},
        {"window_multiple": 48},
    ],
)
def test_other_plugins_against_the_walk(fields: dict[str, int]) -> None:
    point = changed(**fields)
    assert priced([point], 1500).cycles[0] == pytest.approx(Machine(point, 1500).run(), rel=1e-12)


def test_the_projection_to_the_key_hides_under_the_next_summary() -> None:
    """And counts with what it takes longer; no prefill of ours is that short."""
    batch = DesignBatch.from_points([WITH_HMT], U280).prefill
    key = Machine(WITH_HMT, 0).engine(2048, 2048)
    hidden, half, bare = (
        float(memory_cycles(batch, LLAMA, HMT, DEFAULT_TIMING_TABLE, np.array([beside]))[0])
        for beside in (1e9, key / 2, 0.0)
    )
    assert half - hidden == key / 2
    assert bare - hidden == key


# --- properties -------------------------------------------------------------------------------------------------------


def test_more_tokens_are_never_faster() -> None:
    """Over segment boundaries, short last segments and padding."""
    cycles = [
        float(priced([WITH_HMT], tokens).cycles[0]) for tokens in (0, 1, 16, 500, 989, 990, 991, 1000, 1500, 1980)
    ]
    assert cycles == sorted(cycles)
    by_segments = [float(priced([WITH_HMT], n * 990).cycles[0]) for n in range(1, 12)]
    assert np.all(np.diff(by_segments) > 0)
    assert np.diff(by_segments)[2:] == pytest.approx(np.diff(by_segments)[1], rel=1e-12)  # each costs the same


def test_breakdown_sums_to_the_total() -> None:
    for tokens in (0, 5, 990, 2500, SEGMENTS_64):
        cost = priced([WITH_HMT], tokens)
        assert sum(float(m.critical[0]) for m in cost.modules) == pytest.approx(float(cost.cycles[0]), rel=1e-12)


def test_a_batch_is_its_designs_one_by_one(same_bits: Callable[[FloatArray, FloatArray], bool]) -> None:
    points = [
        changed(prefill={"qkvo_weight_parallelism": wq, "ffn_weight_parallelism": wf, "token_parallelism": tp})
        for wq, wf, tp in ((24, 96, 8), (16, 96, 8), (32, 48, 16), (24, 96, 4))
    ]
    together = priced(points, 2500)
    for i, point in enumerate(points):
        alone = priced([point], 2500)
        assert same_bits(together.cycles[i : i + 1], alone.cycles)
        for (name, whole), (_, one) in zip(together.resources.items(), alone.resources.items(), strict=True):
            assert same_bits(whole[i : i + 1], one), name
        for role, amount in alone.traffic_bytes.items():
            assert same_bits(np.broadcast_to(together.traffic_bytes[role], (4,))[i : i + 1], amount), role


def test_traffic_grows_by_the_plugin_only_where_it_must() -> None:
    cost = priced([WITH_HMT], 3 * 990)
    assert cost.traffic_bytes["hmt_weights"][0] == 2 * 2 * 2048 * 2048 * 4  # W_q and W_k for each further segment
    assert cost.traffic_bytes["hmt_io"][0] == 2048 * 4 * (990 + 2 * (497 + 32 + 990))


# --- decode, legality, documents --------------------------------------------------------------------------------------


def report(point: DesignPoint, prompt: int, output: int = 256) -> dict[str, Any]:
    return evaluate_document(point, LLAMA, U280, Workload(prompt_tokens=prompt, output_tokens=output))


def test_decode_attends_to_the_last_window() -> None:
    """1 + 32 + 990 tokens of the last memory window and the last prompt token: decode of a prompt of 1024."""
    long, window = report(WITH_HMT, SEGMENTS_64 + 1), report(PLAIN, 1024)
    assert long["decode"]["tpot_s"] == window["decode"]["tpot_s"]
    assert long["memory"]["kv_cache_bytes"] == window["memory"]["kv_cache_bytes"]
    assert any("1023 tokens" in note for note in long["assumptions"])


def test_the_hmt_block() -> None:
    found = report(WITH_HMT, SEGMENTS_64 + 1)
    assert list(found["hmt"]) == ["segments", "segment_tokens", "plugin_latency_s_per_segment", "prefill_latency_s"]
    assert (found["hmt"]["segments"], found["hmt"]["segment_tokens"]) == (64, 990)
    assert found["hmt"]["prefill_latency_s"] == found["prefill"]["latency_s"] == found["metrics"]["prefill_latency_s"]
    assert found["hmt"]["plugin_latency_s_per_segment"] == pytest.approx(4.4e-3, rel=0.15)
    assert found["violations"] == []
    assert "hmt" not in report(PLAIN, 1024)


def test_64_segments_on_both_cards() -> None:
    """With the plug-in the pair of each card holds the prompt and decodes as behind 1,024 tokens; without it none does."""
    by_card = long_context_rows()
    for with_hmt, without in (by_card[:2], by_card[2:]):
        assert with_hmt["fit"] != "does_not_fit"
        assert without["fit"] == "does_not_fit"
        assert without["prefill_latency_s"] > 10 * with_hmt["prefill_latency_s"]
        assert with_hmt["kv_cache_bytes"] < without["kv_cache_bytes"] / 30
    card = load_device("v80")
    plain = evaluate_point(load_design("flexllm-v80"), LLAMA, card, Workload(prompt_tokens=1024, output_tokens=1024))
    assert by_card[2]["tpot_s"] == plain.decode.tpot_s


def test_one_prompt_token_has_no_segment() -> None:
    found = report(WITH_HMT, 1)
    assert found["hmt"]["segments"] == 0
    assert found["hmt"]["plugin_latency_s_per_segment"] is None
    assert found["prefill"]["latency_s"] == 0


def test_the_windows_of_the_shipped_loader_stop_the_kernel() -> None:
    """Padding to TOKEN_PARALLEL = 8 gives 504 rows, which 16-key blocks do not divide."""
    shipped = changed(window_multiple=8)
    assert HmtPlugin.padded(shipped.hmt or HMT, 497) == 504
    assert [v["constraint"] for v in report(shipped, 2000)["violations"]] == ["hmt_window_blocks"]
    assert report(changed(window_multiple=8, prefill={"key_parallelism": 8}), 2000)["violations"] == []


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"weight_parallelism": 6}, "hmt_lanes"),
        ({"memories": 48}, "hmt_lanes"),
        ({"weight_parallelism": 1}, "hmt_even_lanes"),
        ({"max_segments": 2}, "hmt_segments"),
        ({"block_parallelism": 2}, "hmt_port_per_block"),
        ({"weight_parallelism": 16, "block_parallelism": 2}, "port_feeds_lanes"),
    ],
)
def test_a_plugin_that_cannot_be_built_is_named(fields: dict[str, int], constraint: str) -> None:
    found = report(changed(**fields), 2000)["violations"]
    assert constraint in {v["constraint"] for v in found}
    assert all(v["levers"] and math.isfinite(v["demand"]) and math.isfinite(v["bound"]) for v in found)


def test_a_longer_prompt_than_the_model_takes_goes_through_windows() -> None:
    short = LLAMA.model_copy(update={"max_context_tokens": 2048})
    workload = Workload(prompt_tokens=20_000, output_tokens=512)
    assert evaluate_point(WITH_HMT, short, U280, workload).violations == ()
    with pytest.raises(InputError, match="longer than the model's context"):
        evaluate_point(PLAIN, short, U280, workload)
    with pytest.raises(InputError, match="windows"):
        evaluate_point(WITH_HMT, short, U280, Workload(prompt_tokens=20_000, output_tokens=2000))


def test_a_batch_has_one_plugin_and_prices_it_whatever_the_context_says() -> None:
    with pytest.raises(InputError, match="HMT plug-ins"):
        DesignBatch.from_points([PLAIN, WITH_HMT], U280)
    batch = DesignBatch.from_points([WITH_HMT], U280)
    context = Context(LLAMA, U280, Workload(prompt_tokens=5000, output_tokens=64), batch.quant_scheme)
    named = evaluate_batch(batch, replace(context, hmt=HMT))
    assert evaluate_batch(batch, context).metrics["ttft_s"] == named.metrics["ttft_s"]
    assert batch.take(slice(0, 1)).hmt == HMT


# Computed by the code from before there was a plug-in.
OLD_KEYS = {
    "flexllm-u280": "1e42b4438fd25cd7",
    "flexllm-u280-base": "e7b3df8c9c663d42",
    "flexllm-u280-wide": "8261452556952293",
    "flexllm-v80": "f63a1954d9a9c14a",
}


@pytest.mark.parametrize("name", OLD_KEYS)
def test_keys_of_designs_without_a_plugin_stay(name: str) -> None:
    assert load_design(name).canonical_key() == OLD_KEYS[name]


def test_documents_from_before_the_plugin() -> None:
    document = PLAIN.model_dump(mode="json", by_alias=True)
    assert document.pop("hmt") is None
    old = validate(DesignPoint, document)
    assert old == PLAIN
    assert old.canonical_key() == PLAIN.canonical_key()
    assert changed(segment_tokens=500).canonical_key() != WITH_HMT.canonical_key() != PLAIN.canonical_key()


def test_ports_and_plugin_belong_together() -> None:
    document = WITH_HMT.model_dump(mode="json", by_alias=True)
    with pytest.raises(InputError, match="serves an HMT plug-in"):
        validate(DesignPoint, {**document, "hmt": None})
    plain = PLAIN.model_dump(mode="json", by_alias=True)
    with pytest.raises(InputError, match="no prefill port carries hmt_io"):
        validate(DesignPoint, {**plain, "hmt": document["hmt"]})
