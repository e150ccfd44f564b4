"""HMT plug-in: the prefill of a long prompt, segment by segment, through the unchanged prefill kernel.

Loop bounds of FlexLLM's Modules/HMT.h @09a65344. A window of R rows passes through the loader (rows of `D/T` cycles
from the prompt in DDR, then blocks of `D` cycles into the kernel's input) and only then through the prefill kernel:

    T(window) = R (D/T + restart) + read_rows access + (R/TP) (D + restart) + T_prefill(R).

Between the summary and the memory window of a segment, on the critical path: one row read back, then the query
`D/T + (D/lanes) (D + restart)`, its scores `D/T + (memories/lanes) (D + restart)`, a softmax of three passes and the
weighted sum `memories/T + (D/lanes) (memories + restart)`. After each memory window but the last, one row is read back;
the projection to its key runs beside the next summary window and counts only where it takes longer. T = groups of the
fp32 engine, lanes = T x W. The memory costs nothing else: every window is as long as a short prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from cost_models import coefficients as c
from cost_models.arrays import FloatArray
from cost_models.memory import stream_slowdown
from cost_models.nonlinear import FLEXLLM_FABRIC, Fabric, operators_cost
from cost_models.onchip import bram18_blocks, uram_blocks
from cost_models.power import attention_active_j
from cost_models.prefill import evaluate_prefill
from cost_models.resources import Part, prefill_parts, total_resources
from cost_models.stage_cost import ClockLaw, ModuleCycles, StageCost
from cost_models.stage_setup import HIDDEN_BYTES, StageSetup, prefilled_tokens
from spec.design_batch import PrefillBatch
from spec.hmt import HmtPlugin, HmtWindow
from spec.memory_map import PortRole
from spec.model_config import ModelConfig
from spec.timing import TimingTable
from spec.workload import Workload

LOADER, MEMORY = "hmt_loader", "hmt_memory"
PLUGIN_MODULES = (LOADER, MEMORY)

SOFTMAX_PASSES = 3  # maximum, exponential and sum, normalise (FlexLLM dec_Softmax)
FP32_BITS = 32

# 68 + 4 + 9 tasks of the HMT top against 60 + 9 of the plain one (HMT_SpinQuant_Prefilling_mem_opt.h).
PLUGIN_PROCESSES = 12

# Operators of one element of the fp32 engine: 2 products and 2 partial sums a cycle, one adder that sums the four
# partial sums in the end (FlexLLM PE_fp32xfp32_pack_1x2_1D, II=4 over 4 products on one multiplier and one adder each).
ELEMENT_OPERATORS = {"fmul": 2, "fadd": 3}
# One lane of the softmax with its scaling by sqrt(hidden_dim) (FlexLLM dec_Softmax, enable_scale).
SOFTMAX_OPERATORS = {"fcmp": 1, "fadd": 2, "fdiv": 1, "fexp": 1, "fmul": 1}
SINGLE_OPERATORS = {"fdiv": 1}  # reciprocal of the sum

_SOURCE = "FlexLLM @09a65344 HMT.h {}, loop bounds"


def window_workload(rows: int) -> Workload:
    """A request whose prefill is `rows` rows: the last prompt token goes through decode."""
    return Workload(prompt_tokens=rows + 1, output_tokens=1)


def loader_cycles(
    batch: PrefillBatch, window: HmtWindow, model: ModelConfig, hmt: HmtPlugin, timing: TimingTable
) -> FloatArray:
    """Cycles of the segment loader before a window, (n_points,); nothing of it overlaps with the prefill.

    Each row from the prompt is a burst of its own, whose latency nothing hides.
    """
    restart = timing.loop_restart_cycles
    row = model.hidden_dim / hmt.block_parallelism
    slow = stream_slowdown(batch, "hmt_io")
    on_chip = window.rows - window.read_rows
    rows = window.read_rows * (row * slow + restart + timing.memory_access_cycles) + on_chip * (row + restart)
    blocks = -(-window.rows // batch.token_parallelism)
    return rows + blocks * (model.hidden_dim * stream_slowdown(batch, "io") + restart)


def row_back_cycles(batch: PrefillBatch, model: ModelConfig, timing: TimingTable) -> FloatArray:
    """Cycles to read one row of a window back from memory, (n_points,)."""
    return model.hidden_dim * stream_slowdown(batch, "io") + timing.memory_access_cycles


def engine_cycles(
    d_in: int, d_out: int, hmt: HmtPlugin, slowdown: FloatArray | float, timing: TimingTable
) -> FloatArray:
    """One call of the fp32 engine: fill `d_in / T`, then `d_out / lanes` passes of `d_in` each."""
    passes = -(-d_out // (hmt.block_parallelism * hmt.weight_parallelism))
    return np.asarray(d_in / hmt.block_parallelism + passes * (d_in * slowdown + timing.loop_restart_cycles))


def cross_attention_cycles(batch: PrefillBatch, model: ModelConfig, hmt: HmtPlugin, timing: TimingTable) -> FloatArray:
    """From the query row of a summary window to the prompt vector P, (n_points,)."""
    d, slow = model.hidden_dim, stream_slowdown(batch, "hmt_weights")
    softmax = SOFTMAX_PASSES * (hmt.memories / hmt.block_parallelism + timing.loop_restart_cycles)
    return (
        engine_cycles(d, d, hmt, slow, timing)
        + engine_cycles(d, hmt.memories, hmt, 1.0, timing)
        + softmax
        + engine_cycles(hmt.memories, d, hmt, 1.0, timing)
    )


def memory_cycles(
    batch: PrefillBatch, model: ModelConfig, hmt: HmtPlugin, timing: TimingTable, beside: FloatArray
) -> FloatArray:
    """What one further segment adds in the memory, (n_points,). `beside`: cycles of the next summary window.

    Two rows read back, the second also sent on (the sending of the first is the fill of the engine), the
    cross-attention, and what the projection to the key takes longer than the summary window.
    """
    key = engine_cycles(model.hidden_dim, model.hidden_dim, hmt, stream_slowdown(batch, "hmt_weights"), timing)
    return (
        2 * row_back_cycles(batch, model, timing)
        + model.hidden_dim / hmt.block_parallelism
        + cross_attention_cycles(batch, model, hmt, timing)
        + np.maximum(0.0, key - beside)
    )


def evaluate_hmt_prefill(
    batch: PrefillBatch, setup: StageSetup, hmt: HmtPlugin, clock: ClockLaw | None = None
) -> StageCost:
    """As `evaluate_prefill`, of a prompt that goes segment by segment; the plug-in's own modules come last."""
    model, timing = setup.model, setup.timing
    tokens = prefilled_tokens(setup.workload)
    windows, segments = hmt.windows(tokens), hmt.segments(tokens)
    n = len(batch)
    buffers = Workload(prompt_tokens=max(hmt.longest_window_tokens(tokens), 1), output_tokens=1)
    base = prefill_parts(batch, batch.modules[0], replace(setup, workload=buffers))
    parts = {**base, MEMORY: plugin_part(batch, model, hmt, timing, setup.fabric)}
    resources = total_resources(parts, n)
    if clock is not None:
        batch = replace(batch, clock_mhz=clock(resources))
    longest = window_workload(hmt.longest_window_tokens(tokens))
    frame = evaluate_prefill(batch, replace(setup, workload=longest))
    costs = {
        rows: evaluate_prefill(batch, replace(setup, workload=window_workload(rows)))
        for rows in {window.rows for window in windows}
    }

    loader, init = np.zeros(n), model.hidden_dim / hmt.block_parallelism
    memory = np.zeros(n)
    for window in windows:
        load = loader_cycles(batch, window, model, hmt, timing)
        loader += window.count * load
        if window.kind == "summary":
            beside = load + costs[window.rows].cycles
            memory += window.count * memory_cycles(batch, model, hmt, timing, beside)
    if segments:
        loader += init

    plugin = (
        ModuleCycles(LOADER, loader, loader, stream_slowdown(batch, "hmt_io"), _SOURCE.format("hmt_segment_loader_sync")),
        ModuleCycles(MEMORY, memory, memory, stream_slowdown(batch, "hmt_weights"),
                     _SOURCE.format("hmt_Linear_Layer_fp32xfp32_qk_attn, hmt_attn_softmax")),
    )  # fmt: skip
    cycles = sum((window.count * costs[window.rows].cycles for window in windows), np.zeros(n)) + loader + memory
    return replace(
        frame,
        cycles=cycles,
        first_cycles=cycles,
        resources=resources,
        attention_j=attention_active_j(parts, n),
        traffic_bytes=_traffic(batch, model, hmt, windows, segments, costs, frame),
        parts=parts,
        detail=lambda: (*_all_windows(frame, windows, costs), *plugin),
    )


def _all_windows(frame: StageCost, windows: Iterable[HmtWindow], costs: dict[int, StageCost]) -> Iterator[ModuleCycles]:
    """The modules of the prefill kernel over all windows."""
    zero = np.zeros(len(frame.cycles))
    modules = {rows: cost.modules for rows, cost in costs.items()}
    counts = [(window.count, window.rows) for window in windows]
    for index, module in enumerate(frame.modules):
        each = [(count, modules[rows][index]) for count, rows in counts]
        yield replace(
            module,
            critical=sum((count * one.critical for count, one in each), zero),
            busy=sum((count * one.busy for count, one in each), zero),
        )


def _traffic(
    batch: PrefillBatch,
    model: ModelConfig,
    hmt: HmtPlugin,
    windows: tuple[HmtWindow, ...],
    segments: int,
    costs: dict[int, StageCost],
    frame: StageCost,
) -> dict[PortRole, FloatArray]:
    """Bytes of each role over all windows, (n_points,) each; the plug-in's own streams and its use of io included."""
    zero, further = np.zeros(len(batch)), max(segments - 1, 0)
    moved: dict[PortRole, FloatArray] = {
        role: sum((window.count * costs[window.rows].traffic_bytes[role] for window in windows), zero)
        for role in frame.traffic_bytes
    }
    row_bytes = model.hidden_dim * HIDDEN_BYTES
    moved["io"] = (
        moved["io"]
        + row_bytes * sum(window.count * window.rows for window in windows)
        + 2 * further * row_bytes * batch.token_parallelism  # a row comes back with the block that it lies in
    )
    moved["hmt_io"] = zero + row_bytes * sum(window.count * window.read_rows for window in windows)
    moved["hmt_weights"] = zero + further * 2 * row_bytes * model.hidden_dim
    return moved


def plugin_stored_bytes(model: ModelConfig, workload: Workload, n: int) -> dict[PortRole, FloatArray]:
    """Bytes that the plug-in's roles keep in external memory, (n,) each: T and the prompt, W_q and W_k, all fp32."""
    d = model.hidden_dim
    return {
        "hmt_io": np.full(n, float((1 + prefilled_tokens(workload)) * d * HIDDEN_BYTES)),
        "hmt_weights": np.full(n, float(2 * d * d * HIDDEN_BYTES)),
    }


def plugin_part(
    batch: PrefillBatch, model: ModelConfig, hmt: HmtPlugin, timing: TimingTable, fabric: Fabric = FLEXLLM_FABRIC
) -> Part:
    """Resources that the plug-in adds to the prefill kernel; AXI adapters come with the ports.

    Memory cache in URAM and key cache in block RAM, in `block_parallelism x weight_parallelism / 2` banks each (their
    ARRAY_PARTITION pragmas); engine input in URAM; loader: a block of rows, one row, P; key buffer.
    """
    t, w, d = hmt.block_parallelism, hmt.weight_parallelism, model.hidden_dim
    tp = batch.token_parallelism
    banks = t * max(w // 2, 1)
    elements = t * (w // 2)
    element, softmax, single = (
        operators_cost(operators, timing, fabric)
        for operators in (ELEMENT_OPERATORS, SOFTMAX_OPERATORS, SINGLE_OPERATORS)
    )
    dsp = elements * element.dsp + t * softmax.dsp + single.dsp
    lut = (elements * element.lut + t * softmax.lut + single.lut) * c.LUT_ROUTE_FACTOR * c.LUT_UNLISTED
    ff = (elements * element.ff + t * softmax.ff + single.ff) * c.FF_ROUTE_FACTOR * c.FF_UNLISTED
    rows = bram18_blocks(d / t, FP32_BITS)
    return Part(
        lut=lut + PLUGIN_PROCESSES * c.LUT_PER_PROCESS * c.LUT_UNLISTED,
        ff=ff + PLUGIN_PROCESSES * c.FF_PER_PROCESS * c.FF_UNLISTED,
        dsp=dsp,
        bram_18k=key_cache_bram18(model, hmt) + (tp * t + 2 * t) * rows + bram18_blocks(d / t, FP32_BITS * t),
        uram=banks * uram_blocks(hmt.memories * d / banks, FP32_BITS) + t * uram_blocks(d / t, FP32_BITS),
    )


def key_cache_bram18(model: ModelConfig, hmt: HmtPlugin) -> FloatArray:
    """BRAM18 of the keys of all memories."""
    banks = hmt.block_parallelism * max(hmt.weight_parallelism // 2, 1)
    return banks * bram18_blocks(hmt.memories * model.hidden_dim / banks, FP32_BITS)
