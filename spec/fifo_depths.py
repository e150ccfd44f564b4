"""Depths of the FIFOs between the processes of a stage: what is built, and the least that does not stop it.

A network of processes that read and write FIFOs can only stop for good where a stream forks and its branches join again:
a branch that holds too little blocks the fork, which starves the other. The one fork whose branches differ by more than
a few words is the residual of prefill: norm and quantizer take the whole row of every token of a block before anything
comes out of O or down, so the residual FIFO must hold a block, `hidden_dim` words of one channel of every token. The
projections of gate and up, the results of sub-arrays and scales beside data come at the same pace from both branches.

What is deeper than that saves waiting. The quantizer of down gives a block out after it has taken it in, `ffn_dim` words each
way; meanwhile nothing before it can give anything, and gate and up stand still once their results are through the FIFOs. With
double input buffers the FIFO before that quantizer holds the block that follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules, PrefillModules

OPERAND_DEPTH = 32  # a shift register a bit, free beside its LUT
WEIGHT_DEPTH = 64  # hides the gap between two bursts
VECTOR_DEPTH = 32
CACHE_DEPTH = 64
RESIDUAL_BLOCKS = 8  # token blocks between the two ends of a residual branch (FlexLLM: FIFOs of 8 D words)


@dataclass(frozen=True, slots=True)
class FifoDepths:
    """Words of each kind of FIFO; `residual` and `quantizer` 0 where a stage has none."""

    operand: int
    weight: int
    vector: int
    cache: int
    residual: int
    quantizer: int

    def as_dict(self) -> dict[str, int]:
        """Depth by the name of the choice, `<kind>_fifo_depth`."""
        return {f"{kind}_fifo_depth": getattr(self, kind) for kind in self.__slots__}


def fifo_depths(modules: PrefillModules | DecodeModules, model: ModelConfig) -> FifoDepths:
    """What is built: the given depth, else the default."""
    residual = quantizer = 0
    vector = modules.vector_fifo_depth or VECTOR_DEPTH
    if isinstance(modules, PrefillModules):
        held = RESIDUAL_BLOCKS * modules.token_blocks_per_weight_pass * model.hidden_dim
        residual = modules.residual_fifo_depth or held
        overlaps = modules.input_buffers == "double" and modules.process_granularity == "array"
        quantizer = modules.quantizer_fifo_depth or (max(model.ffn_dim, vector) if overlaps else vector)
    return FifoDepths(
        operand=modules.operand_fifo_depth or OPERAND_DEPTH,
        weight=modules.weight_fifo_depth or WEIGHT_DEPTH,
        vector=vector,
        cache=modules.cache_fifo_depth or CACHE_DEPTH,
        residual=residual,
        quantizer=quantizer,
    )


def least_depths(modules: PrefillModules | DecodeModules, model: ModelConfig) -> FifoDepths:
    """The least depths at which no process waits for ever.

    The norm behind a fork takes a block before anything leaves the branch. Our pipelines (`array`) stand still as a whole
    while they wait, with the last words of a block in them until the next block's first come (UG1399, style=stp): so the next
    block has to pass the norm too. The timed simulation deadlocks one word below and runs at it.
    """
    residual = quantizer = 0
    if isinstance(modules, PrefillModules):
        quantizer = 1
        blocks = 2 if modules.process_granularity == "array" else 1
        residual = blocks * modules.token_blocks_per_weight_pass * model.hidden_dim
    return FifoDepths(operand=1, weight=1, vector=1, cache=1, residual=residual, quantizer=quantizer)
