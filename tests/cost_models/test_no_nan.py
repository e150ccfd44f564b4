"""NaN and infinity never leave a model: random designs with random variants, requests, schemes and cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cost_models.evaluate import Context, evaluate_batch, missing_reasons
from cost_models.report import evaluate_point
from dse.space import DesignSpace
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch
from spec.design_point import SystemChoices
from spec.module_choices import DecodeModules, PrefillModules
from spec.quant_scheme import W4A4KV8
from spec.workload import Workload

PAIRS = (("llama-3.2-1b", "u280"), ("smollm2-135m", "u280"), ("llama-3.1-8b", "v80"))
BOTH: dict[str, Any] = {
    "linear_pe": st.sampled_from(["dsp1", "dsp2", "dsp4", "lut"]),
    "attention_pe": st.sampled_from(["dsp1", "dsp2", "lut"]),
    "input_buffers": st.sampled_from(["single", "double"]),
    "hadamard": st.sampled_from(["serial", "streaming"]),
    "hadamard_width": st.sampled_from([1, 2, 16, 4096]),
    "softmax": st.sampled_from(["serial", "pipelined"]),
    "softmax_width": st.sampled_from([1, 8]),
    "kv_read": st.sampled_from(["per_query_head", "per_kv_head"]),
    "quantizer": st.sampled_from(["divider", "reciprocal"]),
    "process_granularity": st.sampled_from(["element", "array"]),
    "weight_fifo_depth": st.sampled_from([None, 1, 16, 4096]),
}
PREFILL = st.fixed_dictionaries(
    {
        **BOTH,
        "attention_mask": st.sampled_from(["full", "causal_skip"]),
        "token_blocks_per_weight_pass": st.sampled_from([1, 3, 64]),
        "residual_fifo_depth": st.sampled_from([None, 1, 2048, 100_000]),
        "quantizer_fifo_depth": st.sampled_from([None, 1, 2048, 100_000]),
    }
)
DECODE = st.fixed_dictionaries(
    {
        **BOTH,
        "dequantizer": st.sampled_from(["unpipelined", "pipelined"]),
        "overlap_attention": st.sampled_from(["off", "on"]),
        "weight_buffer_beats": st.sampled_from([0, 1, 4096, 2**20]),
        "d_in_splits": st.sampled_from([1, 2, 3, 64]),
        "on_chip_projections": st.sampled_from([(), ("q",), ("k", "v")]),
    }
)
SYSTEM = st.builds(
    SystemChoices,
    deployment=st.sampled_from(["two_bitstreams", "co_resident", "two_cards"]),
    nonlinear_format=st.sampled_from(["fp32", "bf16", "fixed"]),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    pair=st.sampled_from(PAIRS),
    seed=st.integers(0, 2**32 - 1),
    prompt=st.one_of(st.integers(1, 5), st.integers(1, 130_000)),
    output=st.one_of(st.integers(1, 3), st.integers(1, 130_000)),
    prefill=PREFILL,
    decode=DECODE,
    system=SYSTEM,
    bits=st.sampled_from([(4, 4, 8), (8, 8, 4), (2, 16, 16)]),
)
def test_every_number_is_finite_or_missing_with_a_reason(
    space_of: Callable[[str, str], DesignSpace],
    random_designs: Callable[[DesignSpace, int, int], DesignBatch],
    pair: tuple[str, str],
    seed: int,
    prompt: int,
    output: int,
    prefill: dict[str, Any],
    decode: dict[str, Any],
    system: SystemChoices,
    bits: tuple[int, int, int],
) -> None:
    scheme = W4A4KV8.model_copy(update=dict(zip(("weight_bits", "activation_bits", "kv_bits"), bits, strict=True)))
    batch = random_designs(space_of(*pair), 30, seed)
    batch = DesignBatch(
        replace(batch.prefill, modules=(PrefillModules.model_validate(prefill),)),
        replace(batch.decode, modules=(DecodeModules.model_validate(decode),)),
        scheme,
        system=system,
    )
    context = Context(
        load_model(pair[0]), load_device(pair[1]), Workload(prompt_tokens=prompt, output_tokens=output), scheme,
        system=system,
    )  # fmt: skip
    with np.errstate(all="raise", under="ignore"):
        costs = evaluate_batch(batch, context)
    missing = missing_reasons(context)
    for name, values in costs.metrics.items():
        if name in missing:
            continue
        assert np.isfinite(values).all(), name
        assert (values >= 0).all(), name
    assert not np.isnan(costs.excess).any()


def test_shallow_residual_fifos_slow_prefill_and_never_speed_it(
    space_of: Callable[[str, str], DesignSpace], random_designs: Callable[[DesignSpace, int, int], DesignBatch]
) -> None:
    space = space_of("llama-3.2-1b", "u280")
    batch = random_designs(space, 200, 3)
    workload = Workload(prompt_tokens=1025, output_tokens=2)
    context = Context(space.model, space.device, workload, space.scheme)

    def seconds(blocks: int) -> Any:
        modules = batch.prefill.modules[0].model_copy(update={"residual_fifo_depth": blocks * 2048})
        priced = evaluate_batch(replace(batch, prefill=replace(batch.prefill, modules=(modules,))), context)
        return priced.metrics["prefill_latency_s"] * 1.0

    two, three, eight = seconds(2), seconds(3), seconds(8)
    # Block RAM and URAM differ, LUT and so the clock hardly: a tenth of a percent of slack.
    assert (three <= two * 1.001).all()
    assert (eight <= three * 1.001).all()
    assert (two > 1.1 * eight).mean() > 0.5  # a block at a time through a line of stages


@pytest.mark.parametrize("lanes", [1, 3, 65_536])
def test_lanes_that_no_rule_allows_are_priced_and_refused(lanes: int) -> None:
    """A single lane, odd lanes and more than any card holds: a verdict, with what is wrong in it, and no exception."""
    point = load_design("flexllm-u280")
    prefill = dict.fromkeys(("token_parallelism", "ffn_weight_parallelism", "key_parallelism"), lanes)
    decode = dict.fromkeys(("head_parallelism", "key_parallelism", "block_parallelism", "weight_parallelism"), lanes)
    other = point.model_copy(
        update={
            "prefill": point.prefill.model_copy(update=prefill),
            "decode": point.decode.model_copy(update=decode),
        }
    )
    workload = Workload(prompt_tokens=1024, output_tokens=1024)
    report = evaluate_point(other, load_model("llama-3.2-1b"), load_device("u280"), workload)
    assert report.fit == "does_not_fit"
    broken = {violation.constraint for violation in report.violations}
    assert broken >= ({"even_lanes"} if lanes < 65_536 else {"lut_utilization", "weight_lanes"})
