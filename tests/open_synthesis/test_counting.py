"""Rules of counting: pairs of LUTs, memories, ranges."""

from __future__ import annotations

import itertools
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hls_gen.toolchain.open.netlist import Mapped, UnknownCellError, count
from hls_gen.toolchain.open.operators import Range, operator_use
from hls_gen.toolchain.open.structure import AxiPort
from hls_gen.toolchain.open.totals import KernelParts, kernel_amounts, total
from spec.library_memories import Memory, bram18_blocks, uram_blocks
from spec.timing import DEFAULT_TIMING_TABLE


def _lut(inputs: list[int], output: int) -> dict[str, Any]:
    pins = [f"I{i}" for i in range(len(inputs))]
    return {
        "type": f"LUT{len(inputs)}",
        "port_directions": {**dict.fromkeys(pins, "input"), "O": "output"},
        "connections": {**{pin: [bit] for pin, bit in zip(pins, inputs, strict=True)}, "O": [output]},
    }


def _counted(cells: dict[str, Any], **modules: Any) -> Mapped:
    return count({"modules": {"top": {"attributes": {}, "cells": cells}, **modules}}, "top")


def test_luts_share_a_site_up_to_five_inputs() -> None:
    together = _counted({"a": _lut([2, 3, 4], 10), "b": _lut([3, 4, 5, 6], 11)})
    assert (together.lut_cells, together.lut_paired) == (2, 1)
    too_many = _counted({"a": _lut([2, 3, 4], 10), "b": _lut([4, 5, 6, 7], 11)})
    assert (too_many.lut_cells, too_many.lut_paired) == (2, 2)
    six = _counted({"a": _lut([2, 3, 4, 5, 6, 7], 10), "b": _lut([2, 3], 11)})
    assert six.lut_paired == 2


def test_a_lut_of_a_carry_shares_only_with_its_own_bit() -> None:
    carry = {
        "type": "CARRY4",
        "port_directions": {},
        "connections": {"S": [10, 11, "0", "0"], "DI": [12, "0", "0", "0"]},
    }
    cells = {"s0": _lut([2, 3], 10), "s1": _lut([2, 4], 11), "d0": _lut([2], 12), "x": _lut([2, 3], 20), "carry": carry}
    # s0 with d0, its own data; s1 and x each alone, although they would fit together.
    assert _counted(cells).lut_paired == 3


@given(st.lists(st.lists(st.integers(2, 12), min_size=1, max_size=6, unique=True), max_size=40))
def test_pairs_are_never_more_than_half(luts: list[list[int]]) -> None:
    mapped = _counted({f"l{i}": _lut(inputs, 100 + i) for i, inputs in enumerate(luts)})
    assert mapped.lut_cells == len(luts)
    assert ceil(len(luts) / 2) <= mapped.lut_paired <= len(luts)


def test_instances_are_multiplied_and_black_boxes_counted_by_kind() -> None:
    half = {"attributes": {}, "cells": {"a": {"type": "FDRE"}, "m": {"type": "RAMB36E2"}, "s": {"type": "SRL16E"}}}
    box = {"attributes": {"blackbox": "1"}, "cells": {}}
    whole = _counted({f"i{i}": {"type": "half"} for i in range(3)} | {"d": {"type": "DSP48E2"}}, half=half, DSP48E2=box)
    assert whole == Mapped(lut_cells=3, lut_paired=3, ff=3, dsp=1, bram_18k=6)


def test_an_unknown_cell_is_not_left_out() -> None:
    with pytest.raises(UnknownCellError, match=r"\$mul"):
        _counted({"a": {"type": "$mul"}})


# Bits, words and blocks of storage bindings in csynth reports of Vitis HLS 2023.2 (Stream-HLS).
@pytest.mark.parametrize(
    ("bits", "words", "blocks"),
    [(32, 32, 0), (32, 53, 0), (32, 128, 0), (32, 256, 1), (32, 318, 1), (32, 512, 1), (32, 1024, 2), (32, 8192, 16),
     (32, 16384, 32), (32, 32768, 64)],
)  # fmt: skip
def test_arrays_take_the_blocks_that_csynth_reports(bits: int, words: int, blocks: int) -> None:
    assert Memory("array", words, bits).bram_18k == blocks


@pytest.mark.parametrize(("words", "bits", "kind"), [(2, 512, "srl"), (32, 32, "srl"), (32, 33, "lutram"), (128, 32, "lutram"),
                                                    (129, 8, "bram")])  # fmt: skip
def test_fifos(words: int, bits: int, kind: str) -> None:
    fifo = Memory("fifo", words, bits, is_fifo=True)
    assert (fifo.in_shift_registers, fifo.in_blocks) == (kind == "srl", kind == "bram")
    assert (fifo.bram_18k > 0) == (kind == "bram")
    assert (fifo.luts > 0) == (kind in ("srl", "lutram"))
    assert Memory("fifo", words, bits, storage="uram", is_fifo=True).uram == uram_blocks(words, bits)


@given(st.integers(1, 40000), st.integers(1, 600))
def test_blocks_hold_their_words(depth: int, width: int) -> None:
    blocks = bram18_blocks(depth, width)
    assert blocks * 18 * 1024 >= depth * width  # never fewer bits than there are
    assert blocks <= bram18_blocks(depth + 1, width)
    assert blocks <= bram18_blocks(depth, width + 1)
    shapes = [(16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36)]
    assert blocks == min(ceil(depth / d) * ceil(width / w) for d, w in shapes)
    assert uram_blocks(depth, width) * 4096 * 72 >= depth * width


@given(st.lists(st.tuples(st.integers(1, 9000), st.integers(1, 600)), min_size=1, max_size=8), st.booleans(), st.data())
def test_a_rule_over_arrays_is_the_rule_one_by_one(
    shapes: list[tuple[int, int]], is_fifo: bool, data: st.DataObject
) -> None:
    storage = data.draw(st.sampled_from(["auto", "lutram", "bram", "uram"]))
    depth, width = (np.array(column) for column in zip(*shapes, strict=True))
    together = Memory("m", depth, width, 3, storage, is_fifo)
    each = [Memory("m", d, w, 3, storage, is_fifo) for d, w in shapes]
    for name in ("bram_18k", "uram", "luts"):
        assert np.broadcast_to(getattr(together, name), len(shapes)).tolist() == [getattr(one, name) for one in each]


def test_an_adapter_is_that_of_a_real_report() -> None:
    parts = KernelParts(ports=[AxiPort("gmem", 512, 256, 256)])
    counts = {leaf: Mapped() for leaf in parts.leaves()}
    rows = {row.name: row.amount for row in kernel_amounts(parts, counts, DEFAULT_TIMING_TABLE, "dsp48e2")}
    assert rows["axi_adapters"].bram_18k == 30  # each of the five in csynth of UCLA-VAST/Prometheus 2mm
    assert total([]).dsp == 0


@given(*(st.floats(0, 1e6) for _ in range(4)), st.integers(0, 1000))
def test_ranges_stay_ranges(a: float, b: float, c: float, d: float, number: int) -> None:
    one, two = Range(min(a, b), max(a, b)), Range(min(c, d), max(c, d))
    for made in (one + two, one.times(number), one.around(two.low, two.high)):
        assert made.low <= made.high
    assert one.around(two.low, two.high).low <= one.low


def test_a_dsp58_is_an_fp32_operator() -> None:
    for name, dsp in itertools.product(("fadd", "fmul"), (1,)):
        assert operator_use(name, DEFAULT_TIMING_TABLE, "dsp58").dsp == dsp
        assert operator_use(name, DEFAULT_TIMING_TABLE, "dsp48e2").dsp == DEFAULT_TIMING_TABLE.operators[name].dsp
    assert operator_use("fexp", DEFAULT_TIMING_TABLE, "dsp58") == operator_use("fexp", DEFAULT_TIMING_TABLE, "dsp48e2")
