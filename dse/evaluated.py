"""The designs behind a front as a table, piece by piece: every evaluation of a search with all its metrics.

A sampled search keeps only genes and objectives of its evaluations; the rest is priced again here, which takes a second
for a million designs. The exact method prices the stages apart and no cloud of pairs: of those a uniform sample is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cost_models.evaluate import combine, summarise_decode, summarise_prefill
from cost_models.first_broken import HOLDS, FirstBroken
from dse.arms import Arm
from dse.axes import MODULE_SET, StageSpace
from dse.explore import Search
from dse.genes import GeneSpace
from dse.objectives import Goals
from spec.design_batch import BoolArray, IntArray
from spec.design_columns import column_value
from spec.metrics import METRICS
from spec.workload import Stage

RowsAre = Literal["evaluated", "all", "sampled"]

SAMPLED_DESIGNS = 100_000
BATCH_ROWS = 65_536
CLOCK = "clock_mhz"


@dataclass(frozen=True, slots=True)
class Choice:
    """A column of names: `names[codes[i]]`, None where the code is negative."""

    codes: IntArray
    names: tuple[str | int | float | None, ...]


@dataclass(frozen=True, slots=True)
class EvaluatedBatch:
    """Some rows, (n_points,) each. NaN marks a missing value."""

    numbers: Mapping[str, IntArray]
    clocks_mhz: Mapping[str, IntArray]
    metrics: Mapping[str, Any]
    choices: Mapping[str, Choice]
    feasible: BoolArray
    violated: Choice


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Designs of a search as flat indices of their stages, (n_points,) each.

    `rows_are`: "evaluated": every evaluation in its order; "all": every legal design; "sampled": legal designs drawn
    uniformly.
    """

    arms: tuple[Arm, ...]
    goals: Goals
    arm: IntArray
    prefill: IntArray
    decode: IntArray
    rows_are: RowsAre

    def __len__(self) -> int:
        return len(self.arm)

    @classmethod
    def of(cls, search: Search, sampled_designs: int = SAMPLED_DESIGNS) -> Evaluated:
        """What `search` evaluated; of the exact method the whole space where it is that small, else a sample of it."""
        if search.genes is not None:
            return cls._of_genes(search, search.genes, "evaluated")
        sizes = [arm.space.size for arm in search.arms]
        if sum(sizes) <= sampled_designs:
            pairs = [np.divmod(np.arange(arm.space.size), arm.space.decode.size) for arm in search.arms]
            return cls(
                search.arms,
                search.goals,
                np.repeat(np.arange(len(sizes)), sizes),
                np.concatenate([prefill for prefill, _ in pairs]),
                np.concatenate([decode for _, decode in pairs]),
                "all",
            )
        rng = np.random.default_rng(search.result.request.seed)
        return cls._of_genes(search, GeneSpace(search.arms).random(rng, sampled_designs), "sampled")

    @classmethod
    def _of_genes(cls, search: Search, genes: IntArray, rows_are: RowsAre) -> Evaluated:
        space = GeneSpace(search.arms)
        prefill, decode = np.zeros(len(genes), dtype=np.int64), np.zeros(len(genes), dtype=np.int64)
        for number in range(len(search.arms)):
            here = genes[:, 0] == number
            prefill[here], decode[here] = space.stage_index(genes[here], number)
        return cls(search.arms, search.goals, genes[:, 0], prefill, decode, rows_are)

    def batches(self) -> Iterator[EvaluatedBatch]:
        """The rows, priced, in parts of BATCH_ROWS at most; each part is of one arm or of several, in the rows' order."""
        names = FirstBroken()
        for start in range(0, len(self), BATCH_ROWS):
            rows = slice(start, min(start + BATCH_ROWS, len(self)))
            parts = []
            for number in np.unique(self.arm[rows]).tolist():
                place = np.flatnonzero(self.arm[rows] == number)
                parts.append((place, self._priced(number, start + place, names)))
            yield _merged(parts, rows.stop - rows.start, names)

    def _priced(self, number: int, rows: IntArray, names: FirstBroken) -> EvaluatedBatch:
        arm = self.arms[number]
        space, context = arm.space, arm.context
        prefill_batch, decode_batch = space.prefill_at(self.prefill[rows]), space.decode_at(self.decode[rows])
        prefill, decode = summarise_prefill(prefill_batch, context), summarise_decode(decode_batch, context)
        costs = combine(prefill, decode, context)
        codes = names.of_prefill(prefill_batch, prefill, context)
        for later in (
            names.of_decode(decode_batch, decode, context),
            names.of_pairs(prefill, decode, context),
            self._missed(costs, names),
        ):
            codes = np.where(codes == HOLDS, later, codes)
        numbers: dict[str, IntArray] = {}
        clocks: dict[str, IntArray] = {}
        choices: dict[str, Choice] = {}
        for stage, part, index in (
            ("prefill", space.prefill, self.prefill[rows]),
            ("decode", space.decode, self.decode[rows]),
        ):
            columns = part.columns(index)
            clocks[f"clock_target_mhz.{stage}"] = columns.pop(CLOCK)
            choices |= _modules(part, columns.pop(MODULE_SET), part.stage)
            numbers |= {f"{stage}.{name}": column for name, column in columns.items()}
        same = np.zeros(len(rows), dtype=np.int64)
        choices["quant_scheme.name"] = Choice(same, (space.scheme.name,))
        choices["deployment"] = Choice(same, (space.system.deployment,))
        choices["nonlinear_format"] = Choice(same, (space.system.nonlinear_format,))
        return EvaluatedBatch(
            numbers=numbers,
            clocks_mhz=clocks,
            metrics={name: costs.metrics[name] for name in METRICS},
            choices=choices,
            feasible=self.goals.feasible(costs),
            violated=Choice(codes, ()),
        )

    def _missed(self, costs: Any, names: FirstBroken) -> IntArray:
        """Code of the first rule of the request (`Goals.rules`) that each design misses."""
        missed = self.goals.violations(costs) > 0
        codes = np.full(len(costs.excess), HOLDS, dtype=np.int64)
        for column in reversed(range(missed.shape[1])):
            if missed[:, column].any():
                codes[missed[:, column]] = names.code(self.goals.rules[column])
        return codes


def _modules(part: StageSpace, module_set: IntArray, stage: Stage) -> dict[str, Choice]:
    """The columns of module variants."""
    documents = [modules.model_dump(mode="json") for modules in part.modules]
    return {
        f"{stage}.modules.{name}": Choice(module_set, tuple(column_value(document[name]) for document in documents))
        for name in documents[0]
    }


def _merged(parts: list[tuple[IntArray, EvaluatedBatch]], n: int, names: FirstBroken) -> EvaluatedBatch:
    """Rows of several arms in one batch, each at its place."""

    def put(pick: Any, name: str, dtype: Any) -> Any:
        column = np.empty(n, dtype=dtype)
        for place, batch in parts:
            column[place] = pick(batch)[name]
        return column

    first = parts[0][1]
    choices = {}
    for name in first.choices:
        known: dict[str | int | float | None, int] = {}
        codes = np.empty(n, dtype=np.int64)
        for place, batch in parts:
            choice = batch.choices[name]
            code = np.array([known.setdefault(value, len(known)) for value in choice.names], dtype=np.int64)
            codes[place] = code[choice.codes]
        choices[name] = Choice(codes, tuple(known))
    feasible, violated = np.empty(n, dtype=bool), np.empty(n, dtype=np.int64)
    for place, batch in parts:
        feasible[place], violated[place] = batch.feasible, batch.violated.codes
    return EvaluatedBatch(
        numbers={name: put(lambda batch: batch.numbers, name, np.int64) for name in first.numbers},
        clocks_mhz={name: put(lambda batch: batch.clocks_mhz, name, np.int64) for name in first.clocks_mhz},
        metrics={name: put(lambda batch: batch.metrics, name, np.float64) for name in first.metrics},
        choices=choices,
        feasible=feasible,
        violated=Choice(violated, tuple(names.names)),
    )
