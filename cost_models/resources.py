"""Resources of each stage's kernel: arrays of multipliers, fp32 lanes, buffers, AXI adapters, process control."""

from __future__ import annotations

import numpy as np

from cost_models import coefficients as c
from cost_models.arrays import FloatArray, IntArray, ResourceArrays
from cost_models.linear import array_dsp
from cost_models.nonlinear import (
    DECODE_BLOCK_INSTANCES,
    DECODE_HEAD_INSTANCES,
    DECODE_SINGLE_INSTANCES,
    DECODE_VECTOR_INSTANCES,
    PREFILL_INSTANCES,
    lane_cost,
)
from cost_models.onchip import bram18_blocks, uram_blocks
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.model_config import ModelConfig
from spec.timing import TimingTable
from spec.workload import Workload


def _axi(batch: PrefillBatch | DecodeBatch) -> tuple[FloatArray, FloatArray, FloatArray]:
    """LUT, FF and BRAM18 of all AXI adapters of the stage, (n_points,) each."""
    ports = batch.placements.total_ports.astype(np.float64)
    bits = batch.placements.total_port_bits.astype(np.float64)
    index = batch.placement
    return (
        (c.AXI_LUT_BASE * ports + c.AXI_LUT_PER_BIT * bits)[index],
        (c.AXI_FF_BASE * ports + c.AXI_FF_PER_BIT * bits)[index],
        (c.AXI_BRAM18_BASE * ports + c.AXI_BRAM18_PER_BIT * bits)[index],
    )


def prefill_resources(
    batch: PrefillBatch, model: ModelConfig, workload: Workload, timing: TimingTable
) -> ResourceArrays:
    """Resources of the prefill kernel, shell not included."""
    tp = batch.token_parallelism
    d, ff = model.hidden_dim, model.ffn_dim
    tokens = workload.prompt_tokens
    int4_macs = tp * (2 * batch.qkvo_weight_parallelism + 3 * batch.ffn_weight_parallelism)
    int8_macs = tp * (batch.key_parallelism + batch.value_parallelism)
    lane = lane_cost(PREFILL_INSTANCES, timing)
    axi_lut, axi_ff, axi_bram = _axi(batch)
    processes = c.PREFILL_PROCESSES + 3 * batch.ffn_weight_blocks
    lut = (
        tp * lane.lut * c.LUT_ROUTE_FACTOR
        + int4_macs / 4 * c.LUT_PER_INT4_PE_2X2
        + int8_macs / 4 * c.LUT_PER_INT8_PE_2X2
        + axi_lut
        + processes * c.LUT_PER_PROCESS
    )
    ff_count = (
        tp * lane.ff * c.FF_ROUTE_FACTOR
        + int4_macs / 4 * c.FF_PER_INT4_PE_2X2
        + int8_macs / 4 * c.FF_PER_INT8_PE_2X2
        + axi_ff
        + processes * c.FF_PER_PROCESS
    )
    dsp = (
        2 * array_dsp(tp, batch.qkvo_weight_parallelism)
        + 3 * array_dsp(tp, batch.ffn_weight_parallelism)
        + array_dsp(tp, batch.key_parallelism)
        + array_dsp(tp, batch.value_parallelism)
        + tp * lane.dsp
    )
    bram = (
        3 * tp * bram18_blocks(ff, 32)  # Hadamard: two ping-pong buffers and the shuffle
        + bram18_blocks(tokens, 32 * model.head_dim)  # RoPE cosines and sines
        + tp * bram18_blocks(tokens, 32)  # softmax
        + 2 * tp * bram18_blocks(d, 32)  # norms
        + bram18_blocks(tokens, 8.0 * tp)  # AV input
        + c.PREFILL_FIFO_BRAM18_PER_TOKEN_LANE * tp
        + axi_bram
    )
    uram = (
        4 * uram_blocks(d, 4.0 * tp)  # inputs of kq, vo, gate, up
        + uram_blocks(ff, 4.0 * tp)  # input of down
        + 4 * tp * uram_blocks(d, 32)  # quantizers
        + tp * uram_blocks(ff, 32)
        + 2 * uram_blocks(8.0 * d, 32.0 * tp)  # residual FIFOs, eight blocks deep
        + tp * uram_blocks(d, 32)  # input kept for the second phase
    )
    return _as_float(lut, ff_count, dsp, bram, uram)


def decode_resources(batch: DecodeBatch, model: ModelConfig, workload: Workload, timing: TimingTable) -> ResourceArrays:
    """Resources of the decode kernel, shell not included."""
    tb, w, hp, t4 = batch.block_parallelism, batch.weight_parallelism, batch.head_parallelism, batch.vector_parallelism
    d, ff, kv = model.hidden_dim, model.ffn_dim, model.kv_dim
    context = workload.context_tokens
    keys, channels = batch.key_parallelism, batch.value_parallelism
    int4_macs, int8_macs = tb * w, hp * (keys + channels)
    per_block, per_head = lane_cost(DECODE_BLOCK_INSTANCES, timing), lane_cost(DECODE_HEAD_INSTANCES, timing)
    per_vector, single = lane_cost(DECODE_VECTOR_INSTANCES, timing), lane_cost(DECODE_SINGLE_INSTANCES, timing)
    axi_lut, axi_ff, axi_bram = _axi(batch)
    processes = c.DECODE_PROCESSES + tb + 2 * hp
    lut = (
        (tb * per_block.lut + hp * per_head.lut + t4 * per_vector.lut + single.lut) * c.LUT_ROUTE_FACTOR
        + int4_macs / 2 * c.LUT_PER_INT4_PE_1X2
        + int8_macs / 2 * c.LUT_PER_INT8_PE_1X2
        + tb * c.LUT_PER_SAMPLER_LANE
        + axi_lut
        + processes * c.LUT_PER_PROCESS
    )
    ff_count = (
        (tb * per_block.ff + hp * per_head.ff + t4 * per_vector.ff + single.ff) * c.FF_ROUTE_FACTOR
        + int4_macs / 2 * c.FF_PER_INT4_PE_1X2
        + int8_macs / 2 * c.FF_PER_INT8_PE_1X2
        + tb * c.FF_PER_SAMPLER_LANE
        + axi_ff
        + processes * c.FF_PER_PROCESS
    )
    dsp = (
        array_dsp(tb, w)
        + array_dsp(hp, keys)
        + array_dsp(hp, channels)
        + tb * per_block.dsp
        + hp * per_head.dsp
        + t4 * per_vector.dsp
        + single.dsp
    )
    key_banks = hp * keys // 2
    bram = (
        key_banks * bram18_blocks(model.n_layers * kv * keys / key_banks, 8)  # open key tile of every layer
        + bram18_blocks(context, 32 * model.head_dim)  # RoPE cosines and sines
        + 3 * tb * bram18_blocks(ff / tb, 32)  # Hadamard
        + hp * bram18_blocks(context, 32)  # softmax
        + bram18_blocks(context, 8.0 * hp)  # AV input
        + t4 * bram18_blocks(d / t4, 32)  # norm
        + c.DECODE_FIFO_BRAM18
        + axi_bram
    )
    # Bound to URAM whatever their depth: engine inputs (a copy a split), quantizer, four stream width converters.
    uram = tb * (batch.engine_splits * uram_blocks(ff / tb, 4) + (1 + 4) * uram_blocks(ff / tb, 32))
    return _as_float(lut, ff_count, dsp, bram, uram)


def _as_float(*columns: FloatArray | IntArray) -> ResourceArrays:
    return ResourceArrays(*(np.asarray(column, dtype=np.float64) for column in columns))
