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
from spec.library_memories import Count, ceil_div, uram_blocks
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
    groups = units.groups_of_unit(w // words, unit_lanes)
    parts = modules.d_in_splits  # of the lanes, which share out the input channels
    part_tb = np.maximum(tb // parts, 1)
    pairs = np.gcd(np.maximum(scale_bits // SCALE_PAIR_BITS, 1), part_tb)
    for group in modules.linear_groups:
        owner, form, d_in = array_owner(group, "decode"), LinearFormat.of(scheme, group), longest_input(group, model)
        whole_acc = form.mac.accumulator_bits(d_in)
        acc = form.mac.accumulator_bits(d_in // parts)
        sheet.unit(owner, units.mac_tile(1, unit_lanes, modules.linear_pe, form.mac, acc), words * number)
        sheet.unit(owner, form.group_scales(scheme, lanes))
        sheet.unit(owner, units.feed_vector(form.mac.x_bits, part_tb, d_in // parts), splits)
        sheet.unit(owner, quantizer(scheme, modules.quantizer, 1, tb, d_in // tb, value))
        sheet.unit(owner, units.dequantize_vector(part_tb, pairs, whole_acc, form.asymmetric, value))
        sheet.unit(owner, dequantizer_extra(scheme, pairs))
        sheet.fifos(splits, depths.vector, form.mac.x_bits * tb)
        # A process a port, of all its units, where lanes share out input channels and ports run ahead; else one a unit.
        processes = number if parts > 1 and ahead else words * number
        sheet.fifos(splits * ceil_div(processes, splits), depths.operand, form.mac.x_bits)
        if ahead:
            sheet.fifos(words * ports, modules.weight_buffer_beats, port_bits, owner, ultra=True)
        else:
            sheet.fifos(number, depths.weight, form.mac.w_bits * unit_lanes)
        sheet.fifos(words * number, w // words, acc * groups, owner)
        sheet.fifos(1, 2, 2 * value)  # scale and least value of a token
        sheet.fifos(1, depths.weight, 2 * value * pairs)  # scale and sum of a channel, fp32 in memory
        sheet.processes(3 + splits + processes + ports)
        if parts > 1:  # a part's channels of the input for each copy of it, the sum of the parts, words of TB again
            sheet.unit(owner, units.route(form.mac.x_bits * tb), splits)
            sheet.unit(owner, units.add_parts(ceil_div(number, parts) * groups, parts, words, acc, whole_acc))
            sheet.unit(owner, units.resize_words(part_tb, tb, value))
            sheet.fifos(splits, depths.vector, form.mac.x_bits * part_tb)
            sheet.fifos(ceil_div(number, parts), w // words, whole_acc * groups, owner)
            sheet.fifos(1, depths.vector, value * part_tb)
            sheet.processes(splits + 2)
    for (first, *_), d_in, d_out in engine_calls(modules, model, on_chip=True):
        bits, calls = weight_bits(first, scheme), 1 if first == "lm_head" else model.n_layers
        blocks = uram_blocks(ceil_div(d_out, lanes) * (d_in * calls), bits * lanes)
        sheet.part(PROJECTION_MODULES[first]).add(Part(uram=np.asarray(blocks, dtype=np.float64)))
    lists = _sampler_lists(tb, ceil_div(lanes, words), words, parts, setup)
    sheet.unit("sampler", units.sample(tb, lists, min(MAX_TOP_K, model.vocab_size), value))
    sheet.processes(1)
    sheet.logic(DATAFLOW_CONTROL, 0, port_bits)
    return sheet.parts


def _sampler_lists(tb: Any, pass_lanes: Any, words: Any, parts: int, setup: StageSetup) -> Any:
    """Logits that the sampler takes a cycle: the fewest, a power of two that divides a word, that keep pace with lm_head."""
    vocabulary, d_in = setup.model.vocab_size, setup.model.hidden_dim
    channels = np.maximum(pass_lanes // parts, 1)
    steps = ceil_div(ceil_div(ceil_div(vocabulary, tb) * tb, channels), words) * (d_in // parts)
    lists = np.ones_like(tb)
    for _ in range(int(tb.max(initial=1)).bit_length()):
        lists = np.where((lists * steps < vocabulary) & (tb % (2 * lists) == 0), 2 * lists, lists)
    return lists
