"""What the metrics of a request take of a stage's designs."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ResourceArrays
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.resources import RESOURCE_NAMES


@dataclass(frozen=True, slots=True)
class StageSummary:
    """What a metric may need of a stage, each (n_points,). Prefill: `step_s` equals `first_s` equals the whole stage.

    `excess` is the largest (demand - bound) / max(|bound|, 1) over all broken rules, <= 0 where the stage is feasible.
    The kernel's HBM ports and the bytes on its fullest channel count where both stages share a bitstream. `cache_word`
    and `weight_word` say how cache and weights lie in memory: stages that share one image have equal ones. `clock_w`: what
    the registers and the clock tree of a waiting kernel draw beside the other. These five are zero where nothing couples the
    stages. Of every column but the two words less is no worse.
    """

    first_s: FloatArray
    step_s: FloatArray
    power_w: FloatArray
    dynamic_w: FloatArray
    max_utilization: FloatArray
    dsp: FloatArray
    hbm_bytes_per_s: FloatArray
    excess: FloatArray
    lut: FloatArray
    ff: FloatArray
    bram_18k: FloatArray
    uram: FloatArray
    hbm_ports: FloatArray
    hbm_channel_bytes: FloatArray
    cache_word: FloatArray
    weight_word: FloatArray
    clock_w: FloatArray

    def take(self, index: IntArray | slice) -> StageSummary:
        """The designs at `index`, in its order."""
        return StageSummary(*(getattr(self, field.name)[index] for field in fields(self)))

    def resources_with(self, other: StageSummary) -> ResourceArrays:
        """Resources of both kernels together."""
        return ResourceArrays(*(getattr(self, name) + getattr(other, name) for name in RESOURCE_NAMES))

    @classmethod
    def empty(cls, n: int) -> StageSummary:
        """Room for `n` designs."""
        return cls(*(np.zeros(n) for _ in fields(cls)))

    def put(self, index: IntArray | slice, part: StageSummary) -> None:
        """Write the designs of `part` to the places `index`."""
        for field in fields(self):
            column = getattr(part, field.name)
            if column.strides != (0,) or column[:1].any():  # a column of zeros is there already
                getattr(self, field.name)[index] = column


def weight_word(batch: PrefillBatch | DecodeBatch) -> FloatArray:
    """Output channels side by side in a word of weights, (n_points,); 0 where the projections differ."""
    if isinstance(batch, DecodeBatch):
        return batch.weight_parallelism.astype(np.float64)
    ffn = batch.ffn_weight_parallelism / batch.ffn_weight_blocks
    return np.where(ffn == batch.qkvo_weight_parallelism, ffn, 0.0)
