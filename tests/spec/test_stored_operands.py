"""Widths of what lies in memory: a word of a port holds whole operands."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from dse.space import design_space
from dse.spread import port_keys
from spec.catalog import load_device, load_model
from spec.errors import InfeasibleError
from spec.legality import model_rules
from spec.memory_map import MemoryPort
from spec.quant_scheme import MAX_BITS, MIN_BITS, QuantScheme
from spec.scheme_names import scheme_named
from spec.spread_memory_map import lane_port_bits

MODEL = load_model("smollm2-135m")
PORT_WIDTHS = get_args(MemoryPort.model_fields["width_bits"].annotation)


def broken(scheme: QuantScheme) -> list[str]:
    return [rule.where for rule in model_rules(1, MODEL, scheme) if rule.broken[0]]


def test_a_port_has_the_narrowest_width_that_there_is_for_its_lanes() -> None:
    for bits in range(MIN_BITS, MAX_BITS + 1):
        for lanes in range(1, max(PORT_WIDTHS) // bits + 1):
            assert lane_port_bits(lanes, bits) == min(w for w in PORT_WIDTHS if w >= lanes * bits), (lanes, bits)


@pytest.mark.parametrize("name", ["w4a8kv8", "w8a8kv4", "w6a8kv6"])
def test_layouts_are_told_apart_by_the_widths_of_their_ports(name: str) -> None:
    scheme = scheme_named(name)
    lanes = np.arange(2, 65, 2)
    _, qkvo, keys = port_keys("prefill", {"qkvo_weight_parallelism": lanes, "key_parallelism": lanes}, scheme, 32)
    assert qkvo.tolist() == [lane_port_bits(int(n), scheme.weight_bits) for n in lanes]
    assert keys.tolist() == [lane_port_bits(int(n), scheme.kv_bits) for n in lanes]


def test_operands_between_powers_of_two_are_refused_where_they_lie_in_memory() -> None:
    for bits in range(MIN_BITS, MAX_BITS + 1):
        scheme = scheme_named("w4a8kv8").model_copy(update={"weight_bits": bits, "activation_bits": bits})
        assert broken(scheme) == ([] if bits in (2, 4, 8, 16) else ["quant_scheme.weight_bits"]), bits
    assert broken(scheme_named("w4a6kv8")) == []  # activations stay on the chip
    assert broken(scheme_named("w8a8kv6")) == ["quant_scheme.kv_bits"]
    assert broken(scheme_named("w8a8kv8h6")) == ["quant_scheme.lm_head_weight_bits"]


@pytest.mark.parametrize(("name", "field"), [("w6a8kv8", "weight_bits"), ("w8a8kv6", "kv_bits")])
def test_a_search_says_that_six_bits_cost_what_eight_do(name: str, field: str) -> None:
    with pytest.raises(InfeasibleError) as caught:
        design_space(MODEL, load_device("u280"), scheme_named(name))
    said = str(caught.value)
    for words in (f"quant_scheme.{field}", "fields of 8", f"use {field}: 8", f"use {field}: 4"):
        assert words in said, said
    assert caught.value.exit_code == 3
