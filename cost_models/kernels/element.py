"""What the inventories of both FlexLLM kernels share: each processing element a process, each task an adapter (TAPA)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cost_models import coefficients as c
from cost_models.arrays import FloatArray
from cost_models.kernels.adapters import AXI_ADAPTERS, DATAFLOW_CONTROL, adapter_amounts
from cost_models.kernels.parts import Amount, Part, plus
from cost_models.kernels.projections import longest_input
from cost_models.macs import ArrayShape, mac_cost
from cost_models.nonlinear import lane_cost, operators_cost
from cost_models.onchip import fifo_blocks, shift_register_lut
from cost_models.stage_setup import StageSetup
from cost_models.transforms import streaming_hadamard_hardware
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.fifo_depths import FifoDepths, fifo_depths
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules, PrefillModules
from spec.workload import Stage


@dataclass(frozen=True, slots=True)
class Streams:
    """`number` FIFOs of `depth` words in shift registers, `bits` wires in all of them, each a number or (n_points,)."""

    bits: Amount
    number: Amount
    depth: int


WORD_PASSES = 2.0  # FIFOs that a word of weights passes: the arrays hand it on over one more (block_B_loader)
TAPA_STREAM_DEPTH = 2  # of a stream without a depth


def depths(modules: PrefillModules | DecodeModules, model: ModelConfig) -> FifoDepths:
    """Of the shallow FIFOs. FlexLLM's streams are as deep as TAPA's default, those that hold more are counted apart."""
    built = fifo_depths(modules, model)
    d = TAPA_STREAM_DEPTH
    return FifoDepths(
        modules.operand_fifo_depth or d, modules.weight_fifo_depth or d, modules.vector_fifo_depth or d,
        modules.cache_fifo_depth or d, built.residual, built.quantizer,
    )  # fmt: skip


def block_fifo(part: Part, depth: FloatArray | float, width_bits: FloatArray | float) -> None:
    """A FIFO between tasks that TAPA puts into block RAM or URAM: its blocks and the registers around them."""
    blocks = fifo_blocks(depth, width_bits)
    part.bram_18k, part.uram = plus(part.bram_18k, blocks.bram_18k), plus(part.uram, blocks.uram)
    part.add_logic(width_bits * c.BLOCK_FIFO_LUT_PER_BIT, width_bits * c.BLOCK_FIFO_FF_PER_BIT)


def streaming_hadamard(part: Part, lanes: Amount, dim: int, width: int, setup: StageSetup) -> None:
    hardware = streaming_hadamard_hardware(dim, width, setup.value_bits)
    operators = {"fadd": hardware.adders, "fmul": hardware.multipliers}
    part.add_lanes(lanes, operators_cost(operators, setup.timing, setup.fabric))
    part.add_logic(lanes * hardware.lut, 0.0)
    part.bram_18k = part.bram_18k + lanes * hardware.bram_18k


def add_array(
    part: Part,
    macs: FloatArray,
    group: tuple[str, ...],
    stage: Stage,
    modules: PrefillModules | DecodeModules,
    shape: ArrayShape,
    setup: StageSetup,
) -> None:
    """Multipliers of a linear array, and the scaling of partial sums where weights have a scale a group."""
    scheme, d_in = setup.scheme, longest_input(group, setup.model)
    bits = [scheme.weight_bits for p in group if p != "lm_head"] + [
        scheme.lm_head_weight_bits for p in group if p == "lm_head"
    ]
    unit = mac_cost(stage, modules.linear_pe, max(bits), scheme.activation_bits, d_in, shape)
    part.add_macs(macs, unit)
    if scheme.weight_group_size is not None:
        part.add_lanes(
            np.ceil(macs / scheme.weight_group_size), lane_cost("group_scale", setup.timing, fabric=setup.fabric)
        )


def infrastructure(
    batch: PrefillBatch | DecodeBatch,
    processes: Amount,
    streams: Sequence[Streams],
) -> dict[str, Part]:
    """Adapters of the memory ports; control of the processes with the streams between them.

    `element`: a task that shares a port has an adapter of its own and reaches the port over a crossbar (TAPA).
    """
    table, index = batch.placements, batch.placement
    ports = table.total_ports.astype(np.float64)
    bits = table.total_port_bits.astype(np.float64)
    lut: Amount = processes * c.LUT_PER_PROCESS
    ff: Amount = processes * c.FF_PER_PROCESS
    bram: Amount = 0.0
    for stream in streams:
        wires, number = stream.bits, stream.number
        lut = lut + shift_register_lut(wires, float(stream.depth)) + number * c.FIFO_CONTROL_LUT
        ff = ff + wires * c.FF_PER_STREAM_BIT + number * c.FIFO_CONTROL_FF
    if table.further_clients.any():
        more, wide = table.further_clients.astype(np.float64), table.further_client_bits.astype(np.float64)
        crossbar_lut, crossbar_ff = c.CROSSBAR_LUT_BASE, c.CROSSBAR_FF_BASE
        lut = (
            lut + ((c.AXI_LUT_BASE + crossbar_lut) * more + (c.AXI_LUT_PER_BIT + c.CROSSBAR_LUT_PER_BIT) * wide)[index]
        )
        ff = ff + ((c.AXI_FF_BASE + crossbar_ff) * more + (c.AXI_FF_PER_BIT + c.CROSSBAR_FF_PER_BIT) * wide)[index]
        bram = (c.AXI_BRAM18_BASE * more + c.AXI_BRAM18_PER_BIT * wide)[index]
    return {
        AXI_ADAPTERS: Part(*(amount[index] for amount in adapter_amounts(ports, bits))),
        DATAFLOW_CONTROL: Part(lut * c.LUT_UNLISTED, ff * c.FF_UNLISTED, bram_18k=bram),
    }


def sum_bits(group: tuple[str, ...], setup: StageSetup) -> float:
    """Bits of a sum that leaves an array."""
    scheme = setup.scheme
    return scheme.weight_bits + scheme.activation_bits + math.ceil(math.log2(longest_input(group, setup.model)))
