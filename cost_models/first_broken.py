"""Which rule a design breaks first, for tables of many designs; the verdict on one design is `verdict`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from cost_models.arrays import BoolArray
from cost_models.evaluate import (
    Context,
    decode_constraints,
    pair_constraints,
    prefill_constraints,
    price_decode,
    price_prefill,
)
from cost_models.excess import CapsAt
from cost_models.feasibility import power_rule
from cost_models.stage_summary import StageSummary
from spec.design_batch import DecodeBatch, IntArray, PrefillBatch
from spec.legality import Rule

HOLDS = -1


class FirstBroken:
    """Numbers the names of broken rules as they turn up; `names[code]` is the name of a code."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def code(self, name: str) -> int:
        """The number of a name."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def of_prefill(self, batch: PrefillBatch, summary: StageSummary, context: Context) -> IntArray:
        """Code of the first rule that each prefill design breaks, (n_points,); HOLDS where it breaks none."""
        return self._of_stage(batch, summary, context)

    def of_decode(self, batch: DecodeBatch, summary: StageSummary, context: Context) -> IntArray:
        """The same of decode designs."""
        return self._of_stage(batch, summary, context)

    def of_pairs(self, prefill: StageSummary, decode: StageSummary, context: Context) -> IntArray:
        """Code of the first rule that couples the stages and that each pair breaks, (n_points,)."""
        return self._first(pair_constraints(prefill, decode, context), len(prefill.excess), context.caps_at)

    def _of_stage(self, batch: PrefillBatch | DecodeBatch, summary: StageSummary, context: Context) -> IntArray:
        codes = np.full(len(batch), HOLDS, dtype=np.int64)
        bad = np.flatnonzero(~(summary.excess <= 0.0))  # NaN fits nowhere
        sets = batch.module_set if batch.module_set is not None else np.zeros(len(batch), dtype=np.int64)
        for number, modules in enumerate(batch.modules):
            here = bad[sets[bad] == number]
            if not len(here):
                continue
            one_set: Any = {"modules": (modules,), "module_set": None}
            part = replace(batch.take(here), **one_set)
            if isinstance(part, PrefillBatch):
                cost = price_prefill(part, context)
                rules = prefill_constraints(cost, part, context)
            else:
                cost = price_decode(part, context)
                rules = decode_constraints(cost, part, context)
            power = power_rule(cost.stage, summary.power_w[here], context.device)
            codes[here] = self._first(chain(rules, power), len(here), context.caps_at)
        return codes

    def _first(self, rules: Iterable[Rule], n: int, caps_at: CapsAt) -> IntArray:
        codes = np.full(n, HOLDS, dtype=np.int64)
        for rule in rules:
            if rule.demand.strides == rule.bound.strides == (0,) and not _over(rule, caps_at)[0]:
                continue
            fresh = _over(rule, caps_at) & (codes == HOLDS)
            if fresh.any():
                codes[fresh] = self.code(rule.constraint)
        return codes


def _over(rule: Rule, caps_at: CapsAt) -> BoolArray:
    return rule.broken if caps_at == "band" else np.asarray(~(rule.demand <= rule.bound))
