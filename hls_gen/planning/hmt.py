"""The HMT plug-in of the prefill kernel: sizes, ports, and where its state lies in memory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from hls_gen.planning import cycle_laws
from hls_gen.planning.cycle_laws import ceil_div
from hls_gen.planning.ports import ports_of, single_port
from hls_gen.planning.types import HmtPlan, ModuleCycles, PortPlan
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.hmt import HmtPlugin, WindowKind
from spec.model_config import ModelConfig
from spec.workload import Workload

PARTIAL_SUMS = 8  # of the fp32 engine (hmt/fp32_engine.hpp)
FP32_BITS = 32
CSIM_DECODED = 4  # more than the tokens that C simulation decodes
SCALARS = ("segment_tokens", "summary_tokens", "recall_tokens")

WINDOW_LAW = "rows (d / T + restart) + rows / TP (d + restart)"
# Of the plug-in's datapath (hmt/steps.hpp); `window` is also the only one before the first prefill and before a summary's.
HMT_STEPS = ("query", "score", "value", "window", "remember")


def hmt_step_names(segments: int, of_layers: list[str]) -> list[str]:
    """All steps of the prefill kernel for a prompt of so many segments, in order; `of_layers`: those of a window's prefill."""
    *_, window, remember = HMT_STEPS
    names: list[str] = []
    for segment in range(segments):
        if segment > 0:
            names += [window, *of_layers, *HMT_STEPS[:3]]
        names += [window, *of_layers, *([remember] if segment + 1 < segments else [])]
    return names


def _written(port: PortPlan) -> PortPlan:
    """The plug-in keeps its state and its queue where it reads them."""
    return dataclasses.replace(port, is_written=True)


def _whole(field: str, value: int, divisor: int, why: str) -> None:
    if value % divisor:
        raise InputError(
            f"no template builds the HMT plug-in with {field} = {value}",
            field=field,
            value=value,
            rule=f"a multiple of {divisor}: {why}",
            hint=f"use {ceil_div(value, divisor) * divisor}",
        )


def plan_hmt(design: DesignPoint, model: ModelConfig, io_port: PortPlan) -> HmtPlan | None:
    """The plug-in of a legal design; None where it has none.

    Raises:
        InputError: the generated modules can not be built with these numbers.
    """
    hmt = design.hmt
    if hmt is None:
        return None
    if design.nonlinear_format != "fp32":
        raise InputError(
            "no template builds the HMT plug-in beside modules of another format than fp32",
            field="nonlinear_format",
            value=design.nonlinear_format,
            rule="available with hmt: fp32",
            hint="set nonlinear_format to fp32",
        )
    state = _written(single_port(design, "prefill", "hmt_io"))
    weights = tuple(_written(port) for port in ports_of(design, "prefill", "hmt_weights"))
    per_word = state.width_bits // FP32_BITS
    _whole("hmt.memories", hmt.memories, PARTIAL_SUMS, "a dot product has eight partial sums")
    _whole("model.hidden_dim", model.hidden_dim, PARTIAL_SUMS, "a dot product has eight partial sums")
    _whole("model.hidden_dim", model.hidden_dim, per_word, "a row is whole words of the port of hmt_io")
    if per_word % hmt.block_parallelism:
        raise InputError(
            "no template builds the HMT plug-in with these channels of a word",
            field="hmt.block_parallelism",
            value=hmt.block_parallelism,
            rule=f"a divisor of {per_word}, the fp32 of a word of the port of hmt_io",
            hint="use a power of two",
        )
    row_words = model.hidden_dim // per_word
    weights_word = 2 * row_words
    outer_word = weights_word + ceil_div(hmt.memories + hmt.block_parallelism, per_word)
    lanes = hmt.block_parallelism * hmt.weight_parallelism
    passes = model.hidden_dim // lanes
    return HmtPlan(
        plugin=hmt,
        block_parallelism=hmt.block_parallelism,
        weight_parallelism=hmt.weight_parallelism,
        memories=hmt.memories,
        window_multiple=hmt.window_multiple,
        max_d_in=max(model.hidden_dim, hmt.memories),
        score_scale=f"{1 / math.sqrt(model.hidden_dim)!r}f",
        io_port=state,
        weight_ports=weights,
        hidden_port=io_port,
        row_words=row_words,
        query_word=row_words,
        weights_word=weights_word,
        outer_word=outer_word,
        prompt_word=outer_word + row_words,
        port_words=2 * passes * (model.hidden_dim + hmt.memories) if lanes else 0,
    )


def hmt_cycles(plan: HmtPlan, hidden_dim: int, token_parallelism: int, restart: int) -> Iterator[ModuleCycles]:
    """Expected cycles of the plug-in's steps; of `window` of a whole segment with all that is recalled."""
    d, t, hmt = hidden_dim, plan.block_parallelism, plan.plugin
    engine = (("query", d, d), ("score", d, plan.memories), ("value", plan.memories, d), ("remember", d, d))
    for step, d_in, d_out in engine:
        cycles = cycle_laws.gemv_cycles(d_in, d_out, t, plan.weight_parallelism, restart)
        yield ModuleCycles("prefill", "hmt.fp32_engine", step, cycles, cycle_laws.GEMV_LAW.replace("TB", "T"))
    kinds: tuple[WindowKind, ...] = ("summary", "memory")
    for kind in kinds:
        rows = hmt.window(kind, hmt.segment_tokens, 1).rows
        cycles = rows * (d // t + restart) + rows // token_parallelism * (d + restart)
        yield ModuleCycles("prefill", "hmt.read_window", f"{kind} window", cycles, WINDOW_LAW)


def prompt_words(plan: HmtPlan, tokens: int) -> int:
    """Words of the port of hmt_io: state, T, and a prompt of `tokens` prefilled tokens."""
    return plan.prompt_word + tokens * plan.row_words


def cached_tokens(hmt: HmtPlugin | None, workload: Workload) -> int:
    """What the caches must hold: all tokens; or the longest window, and what is kept of the last one with the decoded tokens.

    C simulation has windows of `window_multiple` rows, and a few decoded tokens behind the last one.
    """
    if hmt is None:
        return workload.context_tokens
    tokens = workload.prompt_tokens - 1
    kept = max(hmt.kept_tokens(tokens), 1) + workload.output_tokens
    return max(hmt.longest_window_tokens(tokens), kept, hmt.window_multiple + CSIM_DECODED)


def small_plugin(hmt: HmtPlugin) -> HmtPlugin:
    """The plug-in with segments as short as C simulation takes: windows of one `window_multiple`, the earlier segment recalled."""
    recall = min(hmt.recall_tokens, 1 if hmt.window_multiple < 8 else 3)
    segment = min(hmt.segment_tokens, max(1, hmt.window_multiple - 3 - recall))
    summary = min(hmt.summary_tokens, max(1, segment - 1))
    sizes = {"segment_tokens": segment, "summary_tokens": summary, "recall_tokens": recall}
    return hmt.model_copy(update=sizes)
