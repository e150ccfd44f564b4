"""The joint space as a union of arms: each has one quantization scheme and one set of system choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cost_models.evaluate import Context, CostBatch
from dse.pricing import price
from dse.space import DesignSpace
from spec.design_batch import IntArray


@dataclass(frozen=True, slots=True)
class Arm:
    """A space in which the stages are chosen freely, and the context that prices it."""

    space: DesignSpace
    context: Context

    def price(self, prefill: IntArray, decode: IntArray) -> CostBatch:
        """Metrics of the pairs of stage designs at the given flat indices."""
        return price(self.space, prefill, decode, self.context)


def legal_designs(arms: Sequence[Arm]) -> int:
    """Number of joint designs of all arms."""
    return sum(arm.space.size for arm in arms)
