"""Prices of pairs of stage designs given by their indices in the space."""

from __future__ import annotations

from cost_models.evaluate import Context, CostBatch, combine, summarise_decode, summarise_prefill
from dse.space import DesignSpace
from spec.design_batch import IntArray


def price(space: DesignSpace, prefill: IntArray, decode: IntArray, context: Context) -> CostBatch:
    """Metrics of the pairs of stage designs at the given flat indices."""
    return combine(
        summarise_prefill(space.prefill_at(prefill), context),
        summarise_decode(space.decode_at(decode), context),
        context,
    )
