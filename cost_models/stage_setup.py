"""What the laws of a stage share besides the batch: model, request, scheme, timing, fabric."""

from __future__ import annotations

from dataclasses import dataclass

from cost_models.nonlinear import FLEXLLM_FABRIC, Fabric
from spec.model_config import ModelConfig
from spec.quant_scheme import W4A4KV8, QuantScheme
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable
from spec.workload import Workload

SCALE_BYTES = 8  # fp32 {scale, row sum} a channel
HIDDEN_BYTES = 4  # fp32 hidden state between layers, embedding rows

VALUE_BITS = {"fp32": 32, "bf16": 16, "fixed": 18}  # a value of the non-linear units in an on-chip buffer


def prefilled_tokens(workload: Workload) -> int:
    """Tokens that go through prefill: the last prompt token goes through decode."""
    return workload.prompt_tokens - 1


def layer_channels(model: ModelConfig) -> int:
    """Output channels of the seven linear layers of one decoder layer: each has a scale."""
    return 2 * model.kv_dim + model.q_dim + 2 * model.hidden_dim + 2 * model.ffn_dim


def channel_scales(d_in: int, scheme: QuantScheme) -> int:
    """Scales of one output channel of `d_in` inputs: one, or one an input group."""
    return 1 if scheme.weight_group_size is None else -(-d_in // scheme.weight_group_size)


def layer_scales(model: ModelConfig, scheme: QuantScheme) -> int:
    """Scales of the seven linear layers of one decoder layer."""
    d, ff, q, kv = model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim
    from_hidden = (2 * kv + q + 2 * ff) * channel_scales(d, scheme)
    return from_hidden + d * channel_scales(q, scheme) + d * channel_scales(ff, scheme)


@dataclass(frozen=True, slots=True)
class StageSetup:
    """The arguments that every law of a stage takes, the same for a whole batch."""

    model: ModelConfig
    workload: Workload
    scheme: QuantScheme = W4A4KV8
    timing: TimingTable = DEFAULT_TIMING_TABLE
    fabric: Fabric = FLEXLLM_FABRIC

    @property
    def value_bits(self) -> int:
        """Bits of a value of the non-linear units."""
        return VALUE_BITS[self.fabric.nonlinear_format]
