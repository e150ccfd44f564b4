"""Equal units that a module consists of: what stands in one SLR each."""

from __future__ import annotations

from collections.abc import Iterable

from cost_models.arrays import IntArray
from cost_models.kernels.adapters import AXI_ADAPTERS, DATAFLOW_CONTROL
from cost_models.kernels.projections import FFN_PROJECTIONS, array_owner
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.workload import Stage

# Adapters stand beside the memories; control belongs to every process and is divided among the units.
NO_UNITS = frozenset({AXI_ADAPTERS, DATAFLOW_CONTROL})
DECODE_PIECES = {"attention": 2}  # QK and AV


def unit_pieces(stage: Stage, module: str, batch: PrefillBatch | DecodeBatch) -> IntArray | int:
    """Equal units that a module consists of, each in one SLR; (n_points,) or one number.

    Decode: each engine falls into `engine_splits` parts, and so do the lanes of quantizers and norms, which stand at them;
    attention falls into QK and AV. Prefill: each FFN array falls into `ffn_weight_blocks` sub-arrays, other arrays are
    whole; the lanes stand at the arrays. A batch has one set of modules (`batch.modules[0]`).
    """
    groups = [group for group in batch.modules[0].linear_groups if array_owner(group, stage) == module]
    if isinstance(batch, DecodeBatch):
        if module == "vector_passes":
            return batch.engine_splits
        return len(groups) * batch.engine_splits if groups else DECODE_PIECES.get(module, 1)
    if module == "norm_and_quant":
        return len(batch.modules[0].linear_groups)
    if not groups:
        return 1
    wide = sum(not FFN_PROJECTIONS.isdisjoint(group) for group in groups)
    return wide * batch.ffn_weight_blocks + (len(groups) - wide)


def pieces_of(stage: Stage, modules: Iterable[str], batch: PrefillBatch | DecodeBatch) -> dict[str, IntArray | int]:
    """The units of each module that falls into any."""
    return {module: unit_pieces(stage, module, batch) for module in modules if module not in NO_UNITS}
