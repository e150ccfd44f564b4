"""The module variants that a design chooses, stage by stage; the defaults are what FlexLLM builds.

What each value means for cycles, resources and traffic is said by the law that `spec.variants` names for it.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from spec.errors import InputError
from spec.strict import StrictModel

NonlinearFormat = Literal["fp32", "bf16", "fixed"]
LinearPe = Literal["dsp1", "dsp2", "dsp4", "lut"]
AttentionPe = Literal["dsp1", "dsp2", "lut"]
Projection = Literal["q", "k", "v", "o", "gate", "up", "down"]
DecodeProjection = Literal["q", "k", "v", "o", "gate", "up", "down", "lm_head"]
InputBuffers = Literal["single", "double"]
HadamardForm = Literal["serial", "streaming"]
SoftmaxForm = Literal["serial", "pipelined"]
AttentionMask = Literal["full", "causal_skip"]
KvRead = Literal["per_query_head", "per_kv_head"]
Quantizer = Literal["divider", "reciprocal"]
Switch = Literal["off", "on"]
Dequantizer = Literal["unpipelined", "pipelined"]
ProcessGranularity = Literal["element", "array"]
FifoDepth = Annotated[int, Field(ge=1, le=2**22)] | None  # None: `spec.fifo_depths` computes it
Width = Annotated[int, Field(ge=1, le=4096)]

PrefillGroups = tuple[tuple[Projection, ...], ...]
DecodeGroups = tuple[tuple[DecodeProjection, ...], ...]

FLEXLLM_PREFILL_GROUPS: PrefillGroups = (("q", "k"), ("v", "o"), ("gate",), ("up",), ("down",))
FLEXLLM_DECODE_GROUPS: DecodeGroups = (("q", "k", "v", "o", "gate", "up", "down", "lm_head"),)


def _checked_groups(groups: tuple[tuple[str, ...], ...], projections: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """`groups` in the order of the projections, so that equal groupings are equal.

    Raises:
        InputError: a projection that is in no group or in two, or an empty group.
    """
    named = [name for group in groups for name in group]
    for name in projections:
        if named.count(name) != 1:
            raise InputError(
                f"{name} is in {named.count(name)} groups",
                field="linear_groups",
                value=[list(group) for group in groups],
                rule=f"each of {', '.join(projections)} in exactly one group",
                hint=f"name {name} in one group",
            )
    if not all(groups):
        raise InputError(
            "a group without projections",
            field="linear_groups",
            value=[list(group) for group in groups],
            rule="each group names at least one projection",
            hint="leave the empty group out",
        )
    order = {name: i for i, name in enumerate(projections)}
    inside = [tuple(sorted(group, key=order.__getitem__)) for group in groups]
    return tuple(sorted(inside, key=lambda group: order[group[0]]))


class _StageModules(StrictModel):
    """Choices that both stages have."""

    linear_pe: Annotated[
        LinearPe, Field(description="multiply-accumulates per DSP slice of the linear engines; lut: no DSP")
    ] = "dsp2"
    attention_pe: Annotated[AttentionPe, Field(description="the same for the QK and AV arrays")] = "dsp2"
    input_buffers: Annotated[
        InputBuffers, Field(description="double: an engine computes while its next input arrives")
    ] = "single"
    hadamard: Annotated[HadamardForm, Field(description="serial: one loop after the other, as FlexLLM")] = "serial"
    hadamard_width: Annotated[
        Width,
        Field(description="values a cycle of a streaming transform: of a token in prefill, of the vector in decode"),
    ] = 1
    softmax: Annotated[SoftmaxForm, Field(description="pipelined: the three passes work on three heads at a time")] = (
        "serial"
    )
    softmax_width: Annotated[Width, Field(description="scores a cycle of a row")] = 1
    kv_read: Annotated[KvRead, Field(description="per_kv_head: the query heads of a group share one read")] = (
        "per_query_head"
    )
    quantizer: Annotated[Quantizer, Field(description="reciprocal: one division a token, then multiplications")] = (
        "divider"
    )
    process_granularity: Annotated[
        ProcessGranularity,
        Field(
            description="element: each processing element is a process with FIFOs, each task that reads memory has an"
            " adapter (FlexLLM on TAPA); array: a row of elements is one, with one adapter a port (our library)"
        ),
    ] = "element"
    operand_fifo_depth: Annotated[FifoDepth, Field(description="words from a quantizer to an array")] = None
    weight_fifo_depth: Annotated[FifoDepth, Field(description="words from a weight port to an array")] = None
    vector_fifo_depth: Annotated[FifoDepth, Field(description="words between units of vectors")] = None
    cache_fifo_depth: Annotated[FifoDepth, Field(description="words from the KV cache to attention")] = None


class PrefillModules(_StageModules):
    """Module variants of prefill.

    `linear_groups`: projections of one group share one array and take turns; a group with an FFN projection is
    `ffn_weight_parallelism` wide, another `qkvo_weight_parallelism`. `token_blocks_per_weight_pass` blocks of tokens
    use a tile of weights that is kept on the chip before the next is read.
    """

    linear_groups: PrefillGroups = FLEXLLM_PREFILL_GROUPS
    attention_mask: Annotated[AttentionMask, Field(description="causal_skip: no keys after the block are read")] = (
        "full"
    )
    token_blocks_per_weight_pass: Annotated[int, Field(ge=1, le=64)] = 1
    residual_fifo_depth: Annotated[
        FifoDepth, Field(description="words of a token block that a residual FIFO holds")
    ] = None
    quantizer_fifo_depth: Annotated[
        FifoDepth,
        Field(
            description="words before the quantizer of down; all of a token block with double input buffers of an array"
        ),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _one_order(cls, data: object) -> object:
        return _with_ordered_groups(data, get_args(Projection))


class DecodeModules(_StageModules):
    """Module variants of decode.

    `linear_groups`: projections of one group share one engine; gate and up in two groups work side by side.
    `weight_buffer_beats`: engine steps that the weight ports may run ahead of the engine (0: FlexLLM), through
    attention, transforms and norms and across layers. `d_in_splits`: parts of the engine's lanes that share out the input
    channels of a linear layer; all compute the same output channels, and their sums are added. `overlap_attention`: attention of the heads whose queries are
    ready runs beside the rest of the query projection. `on_chip_projections`: weights that stay in URAM.
    """

    linear_groups: DecodeGroups = FLEXLLM_DECODE_GROUPS
    dequantizer: Annotated[
        Dequantizer, Field(description="whether the loop over the outputs of a pass is pipelined; FlexLLM's is not")
    ] = "unpipelined"
    overlap_attention: Switch = "off"
    weight_buffer_beats: Annotated[int, Field(ge=0, le=2**20)] = 0
    d_in_splits: Annotated[
        int, Field(ge=1, le=64, description="parts of the lanes that share out input channels; partial sums are added")
    ] = 1
    on_chip_projections: tuple[DecodeProjection, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _one_order(cls, data: object) -> object:
        return _with_ordered_groups(data, get_args(DecodeProjection))

    @model_validator(mode="after")
    def _each_once(self) -> DecodeModules:
        order = get_args(DecodeProjection)
        if list(self.on_chip_projections) != [name for name in order if name in self.on_chip_projections]:
            raise InputError(
                "the projections on the chip are out of order or repeated",
                field="on_chip_projections",
                value=list(self.on_chip_projections),
                rule=f"each at most once, in the order {', '.join(order)}",
                hint="sort them",
            )
        return self


def _with_ordered_groups(data: object, projections: tuple[str, ...]) -> object:
    if not isinstance(data, dict) or "linear_groups" not in data:
        return data
    groups = data["linear_groups"]
    well_formed = isinstance(groups, list | tuple) and all(isinstance(group, list | tuple) for group in groups)
    if not well_formed or any(name not in projections for group in groups for name in group):
        return data  # the types of the fields say what is wrong
    return {**data, "linear_groups": _checked_groups(tuple(tuple(group) for group in groups), projections)}
