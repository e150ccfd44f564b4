"""The engine of our library's decode kernel: lane units on their weight ports, feeders, quantizer, dequantizer, sampler."""

from __future__ import annotations

from typing import Any

import numpy as np

from cost_models.kernels.adapters import DATAFLOW_CONTROL
from cost_models.kernels.library_logic import Sheet
from cost_models.kernels.library_scheme import LinearFormat, dequantizer_extra, quantizer
from cost_models.kernels.parts import Part
from cost_models.kernels.projections import PROJECTION_MODULES, array_owner, engine_calls, longest_input, weight_bits
from cost_models.stage_setup import StageSetup
from spec import library_units as units
from spec.fifo_depths import fifo_depths
from spec.library_memories import Count, ceil_div, chosen, uram_blocks
from spec.module_choices import DecodeModules

SCALE_PAIR_BITS = 64  # fp32 {scale, row sum}
MAX_TOP_K = 8  # of the sampler of the generated kernel


def engine_units(
    modules: DecodeModules, setup: StageSetup, tb: Any, w: Any, splits: Any, ports: Any, port_bits: Any, scale_bits: Any
) -> dict[str, Part]:
    """Parts of the engine, of `tb` x `w` lanes in `splits` parts, by module."""
    model, scheme, value = setup.model, setup.scheme, setup.value_bits
    sheet, depths = Sheet(setup), fifo_depths(modules, model)
    for name in ("kv_proj", "q_proj", "o_proj", "gate_up_proj", "down_proj", "lm_head"):
        sheet.part(name)
    lanes, ahead = tb * w, modules.weight_buffer_beats > 0
    # Words that a port delivers for a step of the engine, more than one where it has run ahead of it.
    words: Count = np.maximum(1, ceil_div(lanes * scheme.weight_bits, ports * port_bits)) if ahead else 1
    per_port = splits // np.gcd(splits, ports)
    number = ports * per_port
    unit_lanes = ceil_div(lanes, words * number)
    groups = _unit_groups(w // words, unit_lanes)
    pairs = np.gcd(np.maximum(scale_bits // SCALE_PAIR_BITS, 1), tb)
    for group in modules.linear_groups:
        owner, form, d_in = array_owner(group, "decode"), LinearFormat.of(scheme, group), longest_input(group, model)
        acc = form.mac.accumulator_bits(d_in)
        sheet.unit(owner, units.mac_tile(1, unit_lanes, modules.linear_pe, form.mac, acc), words * number)
        sheet.unit(owner, form.group_scales(scheme, lanes))
        sheet.unit(owner, units.feed_vector(form.mac.x_bits, tb, d_in), splits)
        sheet.unit(owner, quantizer(scheme, modules.quantizer, 1, tb, d_in // tb, value))
        sheet.unit(owner, units.dequantize_vector(tb, pairs, acc, form.asymmetric, value))
        sheet.unit(owner, dequantizer_extra(scheme, pairs))
        sheet.fifos(splits, depths.vector, form.mac.x_bits * tb)
        sheet.fifos(splits * ceil_div(words * number, splits), depths.operand, form.mac.x_bits)
        if ahead:
            sheet.fifos(words * ports, modules.weight_buffer_beats, port_bits, owner, ultra=True)
        else:
            sheet.fifos(number, depths.weight, form.mac.w_bits * unit_lanes)
        sheet.fifos(words * number, w // words, acc * groups, owner)
        sheet.fifos(1, 2, 2 * value)  # scale and least value of a token
        sheet.fifos(1, depths.weight, 2 * value * pairs)  # scale and sum of a channel, fp32 in memory
        sheet.processes(3 + splits + words * number + ports)
    for (first, *_), d_in, d_out in engine_calls(modules, model, on_chip=True):
        bits, calls = weight_bits(first, scheme), 1 if first == "lm_head" else model.n_layers
        blocks = uram_blocks(ceil_div(d_out, lanes) * (d_in * calls), bits * lanes)
        sheet.part(PROJECTION_MODULES[first]).add(Part(uram=np.asarray(blocks, dtype=np.float64)))
    lists = _sampler_lists(tb, ceil_div(lanes, words), words, setup)
    sheet.unit("sampler", units.sample(tb, lists, min(MAX_TOP_K, model.vocab_size), value))
    sheet.processes(1)
    sheet.logic(DATAFLOW_CONTROL, 0, port_bits)
    return sheet.parts


def _unit_groups(sub_width: Any, unit_lanes: Any) -> Any:
    """The most groups of outputs that a unit touches (`groups_of_unit` of gemv.hpp)."""
    sub_width = np.maximum(sub_width, 1)
    last_offset = sub_width - np.gcd(sub_width, unit_lanes)
    return chosen(unit_lanes % sub_width == 0, unit_lanes // sub_width, ceil_div(last_offset + unit_lanes, sub_width))


def _sampler_lists(tb: Any, pass_lanes: Any, words: Any, setup: StageSetup) -> Any:
    """Logits that the sampler takes a cycle: the fewest, a power of two that divides a word, that keep pace with lm_head."""
    vocabulary, d_in = setup.model.vocab_size, setup.model.hidden_dim
    steps = ceil_div(ceil_div(ceil_div(vocabulary, tb) * tb, pass_lanes), words) * d_in
    lists = np.ones_like(tb)
    for _ in range(int(tb.max(initial=1)).bit_length()):
        lists = np.where((lists * steps < vocabulary) & (tb % (2 * lists) == 0), 2 * lists, lists)
    return lists
