"""FIFO depths as a choice of a design: defaults, least depths, and the rule between them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch
from spec.errors import InputError
from spec.fifo_depths import VECTOR_DEPTH, fifo_depths, least_depths
from spec.legality import rules
from spec.module_choices import DecodeModules, PrefillModules

LLAMA, U280 = load_model("llama-3.2-1b"), load_device("u280")


def broken(**choices: int) -> list[tuple[str, str, float, float, tuple[str, ...]]]:
    point = load_design("flexllm-u280")
    side = point.prefill.model_copy(update={"modules": PrefillModules.model_validate(choices)})
    batch = DesignBatch.from_points([point.model_copy(update={"prefill": side})], U280)
    return [
        (rule.constraint, rule.where, float(rule.demand[0]), float(rule.bound[0]), rule.levers)
        for rule in rules(batch, LLAMA, U280)
        if rule.broken[0]
    ]


def test_defaults_are_far_above_what_stops_a_kernel() -> None:
    for modules in (PrefillModules(), DecodeModules(), PrefillModules(token_blocks_per_weight_pass=4)):
        built, least = fifo_depths(modules, LLAMA).as_dict(), least_depths(modules, LLAMA).as_dict()
        assert all(built[name] >= 8 * least[name] for name in least)
    assert (
        fifo_depths(PrefillModules(), LLAMA).residual == 8 * 2048
    )  # FlexLLM SpinQuant_Prefilling_mem_opt.h: 8 * HIDDEN_DIM
    assert fifo_depths(DecodeModules(weight_fifo_depth=16), LLAMA).weight == 16


def test_double_buffers_of_an_array_hold_the_next_block_of_down() -> None:
    def words(**choices: str) -> int:
        return fifo_depths(PrefillModules.model_validate(choices), LLAMA).quantizer

    assert words(input_buffers="double", process_granularity="array") == LLAMA.ffn_dim
    assert words(input_buffers="double") == words(process_granularity="array") == VECTOR_DEPTH
    assert fifo_depths(PrefillModules(quantizer_fifo_depth=2048), LLAMA).quantizer == 2048


def test_a_residual_fifo_below_a_block_is_a_deadlock() -> None:
    ((constraint, where, demand, bound, levers),) = broken(residual_fifo_depth=2047)
    assert (constraint, where) == ("fifo_depth", "prefill.modules.residual_fifo_depth")
    assert (demand, bound) == (2048, 2047)
    assert levers[0] == "raise prefill.modules.residual_fifo_depth to 2048"
    assert broken(residual_fifo_depth=2048) == []
    blocks = broken(residual_fifo_depth=4095, token_blocks_per_weight_pass=2)
    assert [(c, d, b) for c, _, d, b, _ in blocks if c == "fifo_depth"] == [("fifo_depth", 4096, 4095)]


@pytest.mark.parametrize("depth", [0, -1, 2**23])
def test_a_depth_that_is_none(depth: int) -> None:
    with pytest.raises((ValidationError, InputError)):
        PrefillModules(vector_fifo_depth=depth)


def test_designs_without_the_choice_keep_their_key() -> None:
    point = load_design("flexllm-u280")
    document = point.model_dump(mode="json", by_alias=True)
    for stage in ("prefill", "decode"):
        for name in [n for n in document[stage]["modules"] if n.endswith("_fifo_depth")]:
            del document[stage]["modules"][name]
    assert type(point).model_validate(document).canonical_key() == point.canonical_key()
