"""The prefill law against a slow simulation of the task graph, written apart from it.

The simulation follows every token block through every module, head by head through attention, with the buffers that
FlexLLM has: a norm buffers a block, a quantizer a block, an array the input of one block, a score FIFO one head, the
Hadamard and the FIFO before it one block each. It shares no code with the models: shapes come from the model's
documents, port rates from the memory map.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from cost_models.evaluate import Context, price_prefill
from dse.space import DesignSpace
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.model_config import ModelConfig
from spec.quant_scheme import W4A4KV8
from spec.workload import Workload

RESTART = 8
STREAMS = {"weights_kq", "weights_vo", "weights_gate", "weights_up", "weights_down", "k_cache", "v_cache"}


def slowdown(point: DesignPoint, role: str, device: Device, clock_mhz: float) -> float:
    """Cycles a beat of `role`, one port at a time."""
    worst = 1.0
    ports = [port for port in point.memory_map.ports if port.stage == "prefill"]
    for port in ports:
        if role not in port.roles:
            continue
        memory = device.hbm if port.memory == "hbm" else device.ddr
        assert memory is not None
        neighbours = [
            other.width_bits
            for other in ports
            if (other.memory, other.channel) == (port.memory, port.channel) and STREAMS & set(other.roles)
        ]
        asked = port.width_bits / 8 * clock_mhz * 1e6
        port_side = memory.memory_port_bits / 8 * memory.memory_port_mhz * 1e6
        channel = memory.channel_sustained_bytes_per_s * memory.efficiency * port.width_bits / sum(neighbours)
        worst = max(worst, asked / min(port_side, channel))
    return worst


def hadamard_cycles(dim: int) -> float:
    """Read and write, and for each butterfly stage a shuffle and half as many butterflies; a dense stage of order b."""
    base = next(b for b in (1, 12, 20, 28, 36, 44, 76, 140) if dim % b == 0 and math.log2(dim // b).is_integer())
    loops = [dim, dim]
    size = base
    while size < dim:
        loops += [dim, dim / 2]
        size *= 2
    if base > 1:
        loops += [dim, dim * base / 2]
    return sum(cycles + RESTART for cycles in loops)


@dataclass
class Layer:
    """One layer in flight. A `..._free` is the cycle from which a module takes its next block or head."""

    point: DesignPoint
    model: ModelConfig
    device: Device
    tokens: int
    clock_mhz: float

    def simulate(self) -> float:
        design, model = self.point.prefill, self.model
        slow = {role: slowdown(self.point, role, self.device, self.clock_mhz) for role in STREAMS}
        hidden, q_dim, ffn = model.hidden_dim, model.n_q_heads * model.head_dim, model.ffn_dim
        kv_dim, dh, heads = model.n_kv_heads * model.head_dim, model.head_dim, model.n_q_heads
        wq, wf = design.qkvo_weight_parallelism, design.ffn_weight_parallelism
        keys, channels = design.key_parallelism, design.value_parallelism
        blocks = math.ceil(self.tokens / design.token_parallelism)
        padded = self.tokens

        def pass_cycles(d_in: int, role: str) -> float:
            return d_in * slow[role] + RESTART

        def array(d_in: int, d_out: int, lanes: int, *roles: str) -> float:
            return max(d_in + math.ceil(d_out / lanes) * pass_cycles(d_in, role) for role in roles)

        # Phase A: norm -> quantizer -> kq and vo arrays. A norm and a quantizer read a block, then emit it.
        norm_free = quant_free = kq_free = vo_free = 0.0
        for _ in range(blocks):
            emit = max(norm_free + hidden, quant_free)
            norm_free = emit + hidden
            fill = max(emit + hidden, kq_free, vo_free)
            quant_free = fill + hidden
            kq_free = fill + array(hidden, kv_dim, wq, "weights_kq")
            vo_free = fill + array(hidden, kv_dim, wq, "weights_vo")
        stored = max(kq_free, vo_free)  # attention waits for the last key and value of the layer

        # Phase B.
        q_free, o_free, qk_free, softmax_free, av_free = stored, vo_free, stored, stored, stored
        o_quant_free = norm1_free = ffn_quant_free = gate_up_free = hadamard_free = down_quant_free = down_free = 0.0
        score_taken = 0.0  # when the softmax took the last head's scores from their FIFO
        rope = 1.5 * dh
        o_ends: list[float] = []
        gate_up_ends: list[float] = []
        hadamard_ends: list[float] = []
        down_ends: list[float] = []
        group, modules = model.n_q_heads // model.n_kv_heads, design.modules
        for block in range(blocks):
            emit = max(norm_free + hidden, quant_free)
            norm_free = emit + hidden
            fill = max(emit + hidden, q_free)
            quant_free = fill + hidden
            q_free = fill + array(hidden, q_dim, wq, "weights_kq")
            seen = padded
            if modules.attention_mask == "causal_skip":  # whole tiles of keys up to the end of the block
                step = max(design.token_parallelism, keys)
                seen = math.ceil((block + 1) * design.token_parallelism / step) * step
            for head in range(heads):
                # Of the query heads that share a read the first waits for memory, the others find it on the chip.
                shared = modules.kv_read == "per_kv_head" and head % group > 0
                k_slow, v_slow = (1.0, 1.0) if shared else (slow["k_cache"], slow["v_cache"])
                passes = math.ceil((head + 1) * dh / wq)
                query = fill + hidden + passes * pass_cycles(hidden, "weights_kq") + rope
                scores = max(qk_free, query, score_taken)
                tiles = seen // keys
                qk_free = scores + dh + tiles * (max(dh, keys) * k_slow + RESTART)
                # Pass 1 of the softmax reads scores as they come, pass 2 sums, pass 3 feeds AV.
                score_taken = max(softmax_free, scores)
                loaded = max(score_taken + seen, qk_free)
                third = max(loaded + seen, av_free)
                softmax_free = third + seen
                av_free = third + seen + dh // channels * (seen * v_slow + RESTART)
                if head == 0:
                    av_free = max(av_free, o_quant_free)  # the block before is still in the quantizer
            # FIFOs behind attention: so many blocks may wait for a stage that is not done with an older one.
            for held, ends in ((1, o_ends), (4, gate_up_ends), (6, hadamard_ends), (8, down_ends)):
                if block >= held:
                    av_free = max(av_free, ends[block - held])
            fill = max(av_free, o_free)
            o_quant_free = fill + q_dim
            o_free = fill + array(q_dim, hidden, wq, "weights_vo")
            emit = max(o_free, norm1_free + hidden, ffn_quant_free)
            norm1_free = emit + hidden
            fill = max(emit + hidden, gate_up_free)
            ffn_quant_free = fill + hidden
            gate_up_free = fill + array(hidden, ffn, wf, "weights_gate", "weights_up")
            start = max(hadamard_free, gate_up_free - ffn)  # it reads the block while the arrays finish it
            write = max(start + hadamard_cycles(ffn) - ffn, down_quant_free)
            hadamard_free = write + ffn
            fill = max(hadamard_free, down_free)
            down_quant_free = fill + ffn
            down_free = fill + array(ffn, hidden, wf, "weights_down")
            for ends, end in ((o_ends, o_free), (gate_up_ends, gate_up_free), (hadamard_ends, hadamard_free),
                              (down_ends, down_free)):  # fmt: skip
                ends.append(end)
        return down_free


def simulated(point: DesignPoint, model: ModelConfig, device: Device, prefilled: int, clock_mhz: float) -> float:
    """Cycles of the whole prefill of `prefilled` tokens."""
    step = math.lcm(max(point.prefill.token_parallelism, point.prefill.key_parallelism), 4)
    tokens = math.ceil(prefilled / step) * step
    return model.n_layers * Layer(point, model, device, tokens, clock_mhz).simulate()


def predicted(point: DesignPoint, model: ModelConfig, device: Device, prefilled: int) -> tuple[float, float]:
    """Cycles by the law, and the clock (MHz) that it prices."""
    batch = DesignBatch.from_points([point], device)
    workload = Workload(prompt_tokens=prefilled + 1, output_tokens=1)
    cost = price_prefill(batch.prefill, Context(model, device, workload, W4A4KV8))
    return float(cost.cycles[0]), float(cost.clock_mhz[0])


# Heads leave Q in passes and go through RoPE (1.5 dh cycles): the law spreads the first and leaves out the second, which
# costs it 0.01 % of a long prompt and up to 1.2 % of one that is a block or two.
@pytest.mark.parametrize(("prefilled", "tolerance"), [(1023, 0.001), (300, 0.002), (60, 0.015), (7, 0.015)])
@pytest.mark.parametrize(
    ("model_name", "device_name"),
    [("llama-3.2-1b", "u280"), ("smollm2-135m", "u280"), ("qwen2.5-1.5b", "u55c"), ("qwen3-0.6b", "v80")],
)
def test_random_designs(
    space_of: Callable[[str, str], DesignSpace],
    element_points: Callable[[DesignSpace, int, int], list[DesignPoint]],
    model_name: str,
    device_name: str,
    prefilled: int,
    tolerance: float,
) -> None:
    model, device = load_model(model_name), load_device(device_name)
    for point in element_points(space_of(model_name, device_name), 12, prefilled):
        cycles, clock_mhz = predicted(point, model, device, prefilled)
        truth = simulated(point, model, device, prefilled, clock_mhz)
        if point.prefill.modules.attention_mask == "causal_skip":
            # The law fills attention with the short first block, not with the long last one: seen where blocks are few.
            blocks = math.ceil(prefilled / point.prefill.token_parallelism)
            assert cycles == pytest.approx(truth, rel=tolerance + min(0.04, 0.25 / blocks)), point.prefill
        else:
            assert cycles == pytest.approx(truth, rel=tolerance), point.prefill


def test_every_bottleneck_is_met(
    space_of: Callable[[str, str], DesignSpace], element_points: Callable[[DesignSpace, int, int], list[DesignPoint]]
) -> None:
    """The random designs are bound by different stages: the composition is tested for each."""
    model, device = load_model("llama-3.2-1b"), load_device("u280")
    workload = Workload(prompt_tokens=1024, output_tokens=1)
    context = Context(model, device, workload, W4A4KV8)
    met = set()
    for point in element_points(space_of("llama-3.2-1b", "u280"), 90, 5):
        cost = price_prefill(DesignBatch.from_points([point], device).prefill, context)
        met.add(cost.modules[cost.bottleneck()[0]].name)
    assert {"attention_qk", "attention_av", "down_proj", "hadamard"} <= met
    assert met & {"q_proj", "o_proj", "gate_up_proj"}


def test_published_design() -> None:
    model, device = load_model("llama-3.2-1b"), load_device("u280")
    point = load_design("flexllm-u280")
    cycles, clock_mhz = predicted(point, model, device, 1024)
    assert cycles == pytest.approx(simulated(point, model, device, 1024, clock_mhz), rel=0.001)
