"""Decode kernel of our library (`process_granularity: array`): cycles of a token, step by step.

A token is a chain of steps, each a dataflow region of its own: embed; per layer qkv, attend, gate_up, down; head. A step is
a series source -> quantizer -> engine -> dequantizer -> sink, so its time is that of the last word at its sink:

    front   memory latency, RMSNorm, quantizer (`array_decode_units.py`)
    passes  of the engine over the weights (`array_decode_engine.py`)
    sink    the results of the last pass over the slowest unit behind the engine, and the last write's response

`array_decode_steps.py` has the steps. Attention stands between the front and the engine of step `attend`
(`array_decode_attention.py`). With a weight buffer ports run ahead through fronts and sinks (`weight_stream.py`).

A step reads few columns of a design: `TokenRows` evaluates each once a distinct row of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from cost_models.array_decode_attention import Attended, AttentionUnits
from cost_models.array_decode_engine import DecodeStep, ResidualStep
from cost_models.array_decode_steps import StepUnits
from cost_models.array_timing import nearest_built_scheme
from cost_models.arrays import FloatArray, IntArray
from cost_models.row_sets import RowFinder, spread
from cost_models.stage_setup import StageSetup
from cost_models.weight_stream import Step, chain_cycles
from spec.design_batch import DecodeBatch
from spec.memory_map import PortRole
from spec.model_config import ModelConfig
from spec.module_choices import FLEXLLM_DECODE_GROUPS, DecodeModules
from spec.quant_scheme import QuantScheme
from spec.workload import Workload

_ORDER = ("qkv", "attend", "gate_up", "down", "head")

Shares = dict[str, FloatArray]  # cycles by module, (n_points,) each


@dataclass(frozen=True, slots=True)
class EngineSteps:
    """What a token takes whatever its context, but for the heads of K, Q and V: the row of the embedding, the steps
    that know when they begin, and O, which begins behind attention. `room`: how far ports run ahead, None where none does.
    """

    embed: FloatArray
    gate_up: DecodeStep
    down: DecodeStep
    head: DecodeStep
    o: ResidualStep
    room: FloatArray | None


class DecodeLaw(AttentionUnits, StepUnits):
    """The steps of a batch of decode designs of one set of modules. Each method's arrays are (n_points,)."""

    def engine_steps(self) -> EngineSteps:
        """The steps that depend on the engine, the vector lanes and their ports."""
        room = None
        if self.modules.weight_buffer_beats:
            room = self.modules.weight_buffer_beats * self.sub_engines * self.weight_slowdown
        return EngineSteps(self.embed(), self.gate_up(), self.down(), self.head(), self.o(), room)

    def tokens(self, low: int, high: int) -> Shares:
        """Cycles of each module in the mean token of those that attend to `low` .. `high` tokens."""
        token = Token.of(self.model, self.engine_steps())
        return token.behind(token.having({"qkv": self.qkv()})).modules(self.attended(low, high))


@dataclass(frozen=True, slots=True)
class Token:
    """A token's steps put together. `shares`: cycles of the steps before and behind attention in all layers, by module,
    where weights arrive as they are used. `ahead`: the steps themselves where ports run ahead.
    """

    model: ModelConfig
    embed: FloatArray
    o: ResidualStep
    shares: dict[str, Shares]
    ahead: dict[str, DecodeStep]
    room: FloatArray | None

    @classmethod
    def of(cls, model: ModelConfig, engine: EngineSteps) -> Token:
        """From the steps of the engine; `behind` adds those of K, Q and V."""
        token = cls(model, engine.embed, engine.o, {}, {}, engine.room)
        return token.having({"gate_up": engine.gate_up, "down": engine.down, "head": engine.head})

    def having(self, steps: Mapping[str, DecodeStep]) -> Token:
        """The same with these steps."""
        if self.room is not None:
            return replace(self, ahead=dict(steps))
        return replace(self, shares={name: _in_all_layers(name, step, self.model) for name, step in steps.items()})

    def behind(self, other: Token) -> Token:
        """The same behind the steps of another."""
        return replace(self, shares={**other.shares, **self.shares}, ahead={**other.ahead, **self.ahead})

    def modules(self, attended: Attended) -> Shares:
        """Cycles of each module behind this attention, (n_points,) each."""
        front = attended.begin - attended.alone
        attend = self.o.beginning(attended.begin, front, attended.cycles)
        spent: Shares = {"vector_passes": self.embed}
        if self.room is not None:
            self._buffered({**self.ahead, "attend": attend}, attended.cached, self.room, spent)
        else:
            for shares in (*self.shares.values(), _in_all_layers("attend", attend, self.model)):
                _add(spent, shares)
        spent["vector_passes"] = spent["vector_passes"] + 6.0  # the loops over tokens and steps
        return spent

    def _buffered(
        self, steps: Mapping[str, DecodeStep], cached: FloatArray | None, room: FloatArray, spent: Shares
    ) -> None:
        """The steps as a chain of calls and gaps, ports running ahead as far as their FIFOs go."""
        layer: list[Step] = []
        head: list[Step] = []
        for name in _ORDER:
            step = steps[name]
            into = head if name == "head" else layer
            rest = "sampler" if name == "head" else "vector_passes"
            into.append(Step(f"{name} front {rest}", step.front))
            if name == "attend":
                into.append(Step("attend attention", step.attention, cached, free=1.0))
            into.append(Step(f"{name} passes", step.passes, step.stream))
            into.append(Step(f"{name} tail {rest}", step.tail))
            into.append(Step(f"{name} transform", step.transform))
        _, chained = chain_cycles(layer, head, self.model.n_layers, room)
        zero = np.zeros(len(room))
        for name in _ORDER:
            rest = "sampler" if name == "head" else "vector_passes"
            replaced = DecodeStep(
                chained[f"{name} front {rest}"], chained[f"{name} passes"], None, chained[f"{name} tail {rest}"],
                chained.get("attend attention", zero), chained[f"{name} transform"],
            )  # fmt: skip
            _add(spent, _shares(name, replaced, self.model))


def _add(spent: Shares, shares: Shares) -> None:
    for module, cycles in shares.items():
        spent[module] = spent[module] + cycles if module in spent else cycles


def _in_all_layers(name: str, step: DecodeStep, model: ModelConfig) -> Shares:
    times = 1.0 if name == "head" else float(model.n_layers)
    return {module: times * cycles for module, cycles in _shares(name, step, model).items()}


def _shares(name: str, step: DecodeStep, model: ModelConfig) -> Shares:
    """Which modules a step's cycles belong to."""
    rest = "sampler" if name == "head" else "vector_passes"
    if name == "qkv":
        kv = 2 * model.kv_dim / (model.q_dim + 2 * model.kv_dim)
        return {"kv_proj": step.passes * kv, "q_proj": step.passes * (1 - kv), rest: step.front + step.tail}
    own = {"attend": "o_proj", "gate_up": "gate_up_proj", "down": "down_proj", "head": "lm_head"}[name]
    shares = {own: step.passes, rest: step.front + step.tail}
    if name == "attend":
        shares["attention"] = step.attention
    if name == "gate_up":
        shares["hadamard"] = step.transform
    return shares


@dataclass(frozen=True, slots=True)
class TokenRows:
    """The steps of many designs: each for the distinct rows of what it reads, and the row of each design, (n_points,)."""

    token: Token  # of rows; without the step qkv, whose columns are more
    engine_row: IntArray
    qkv: Token  # of rows; that step alone
    qkv_row: IntArray
    attended: tuple[Attended, ...]  # first token; mean of the others
    attention_row: IntArray

    @classmethod
    def of(cls, finder: RowFinder[DecodeBatch], setup: StageSetup) -> TokenRows:
        """Of a batch of one set of modules, at its clocks."""
        lanes = ("block_parallelism", "weight_parallelism", "vector_parallelism")
        state: tuple[PortRole, ...] = ("io", "norm_weights")
        streams: tuple[PortRole, ...] = (*state, "weights", "scales")
        rows: tuple[PortRole, ...] = (*streams, "embedding")
        engine = finder.of(lanes, rows, ("weights",), rows)
        qkv = finder.of((*lanes, "head_parallelism"), (*streams, "v_cache"), ("weights",), streams)
        caches: tuple[PortRole, ...] = (*state, "k_cache", "v_cache")
        if finder.batch.modules[0].weight_buffer_beats:
            caches = (*caches, "weights")
        attention = finder.of(
            ("block_parallelism", "head_parallelism", "key_parallelism", "value_parallelism"), caches, (), caches
        )
        token = Token.of(setup.model, DecodeLaw(engine.batch, setup).engine_steps())
        heads = token.having({"qkv": DecodeLaw(qkv.batch, setup).qkv()})
        attending = DecodeLaw(attention.batch, setup)
        attended = tuple(attending.attended(low, high) for low, high in contexts(setup.workload))
        return cls(token, engine.row, heads, qkv.row, attended, attention.row)

    def cycles(self, part: slice) -> tuple[FloatArray, FloatArray]:
        """Of the first token and of the mean of the others, 0 without any, of the designs in `part`."""
        token, heads = spread(self.token, self.engine_row[part]), self.qkv_row[part]
        token = replace(
            token,
            shares={**spread(self.qkv.shares, heads), **token.shares},
            ahead={**spread(self.qkv.ahead, heads), **token.ahead},
        )
        row = self.attention_row[part]
        first, *further = (total(token.modules(spread(one, row))) for one in self.attended)
        return first, further[0] if further else np.zeros_like(first)


def contexts(workload: Workload) -> tuple[tuple[int, int], ...]:
    """The tokens that the first token attends to, and those of the others: (lowest, highest)."""
    first = (workload.prompt_tokens, workload.prompt_tokens)
    if workload.output_tokens == 1:
        return (first,)
    return first, (workload.prompt_tokens + 1, workload.context_tokens)


def total(modules: Shares) -> FloatArray:
    """The cycles of all modules, in their order."""
    return reduce(np.add, modules.values())


def is_built(modules: DecodeModules, scheme: QuantScheme) -> bool:
    """Whether these are choices that the generator builds; the law knows no others."""
    return modules.process_granularity == "array" and (modules, scheme) == nearest_built(modules, scheme)


def nearest_built(modules: DecodeModules, scheme: QuantScheme) -> tuple[DecodeModules, QuantScheme]:
    """The same with the values that the generator has templates for, where it has none for the given ones."""
    built = modules.model_copy(
        update={
            "linear_groups": FLEXLLM_DECODE_GROUPS,
            "dequantizer": "pipelined",
            "overlap_attention": "off",
            "on_chip_projections": (),
            "softmax_width": 1,
        }
    )
    return built, nearest_built_scheme(scheme)
