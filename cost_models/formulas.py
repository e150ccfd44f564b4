"""How each number of an evaluation came about: its formula, the numbers in it, the file of its law, down to the modules.

A formula is an expression over names of the evaluation: metrics (`tpot_s`), numbers of a stage (`decode.cycles`,
`prefill.power_w`), modules (`decode.q_proj.cycles`), and of the request (`output_tokens`). `trace` follows a name through all of
them; what has no expression is a law, named by file and function, with its own formula in symbols and their values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from cost_models import array_decode, array_prefill
from cost_models.decode import dequantizer_interval
from cost_models.evaluate import Context
from cost_models.formula import Formula, evaluated, names_in
from cost_models.hmt import LOADER, MEMORY
from cost_models.memory import port_bytes, stream_slowdown, word_bytes
from cost_models.stage_formulas import Found, StageFormulas
from cost_models.stage_setup import SCALE_BYTES, channel_scales, prefilled_tokens
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import UnknownNameError
from spec.memory_map import PortRole
from spec.metrics import METRICS
from spec.model_config import ModelConfig
from spec.resources import RESOURCE_NAMES
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable
from spec.workload import STAGES, Stage, Workload

_NAME = re.compile(r"[a-z_][a-z0-9_.]*")


@dataclass(frozen=True, slots=True)
class Step:
    """A line of a trace. `numbers`: the expression with the values in. `symbols`: what stands for what in `text`."""

    depth: int
    name: str
    value: float | None
    formula: Formula
    numbers: str
    symbols: Mapping[str, float]
    source: str


# Symbols of a module's cycles that its resources rest on too.
_LANES = frozenset({"TP", "WP", "KP", "VP", "HP", "TB", "W", "V", "d_in", "d_out", "dh"})
_COMBINE = "cost_models/evaluate.py combine"
_FORMULAS: dict[str, Formula] = {
    "ttft_s": Formula("prefill.latency_s + between_s + decode.first_step_s", _COMBINE),
    "tpot_s": Formula("decode.cycles / (decode.clock_mhz * 1000000)", "cost_models/stage_cost.py StageCost.latency_s"),
    "e2e_latency_s": Formula("ttft_s + (output_tokens - 1) * tpot_s", _COMBINE),
    "prefill_latency_s": Formula("prefill.latency_s", _COMBINE),
    "prefill_tokens_per_s": Formula("(prompt_tokens - 1) / prefill.latency_s", _COMBINE),
    "decode_tokens_per_s": Formula("1 / tpot_s", _COMBINE),
    "energy_j": Formula(
        "(prefill.power_w + waiting_w) * prefill.latency_s + (idle_w + waiting_w) * between_s"
        " + (decode.power_w + waiting_w) * (decode.first_step_s + (output_tokens - 1) * tpot_s)",
        _COMBINE,
    ),
    "energy_j_per_token": Formula("energy_j / output_tokens", _COMBINE),
    "prefill_energy_j_per_token": Formula("prefill.power_w * prefill.latency_s / (prompt_tokens - 1)", _COMBINE),
    "decode_energy_j_per_token": Formula(
        "decode.power_w * (decode.first_step_s + (output_tokens - 1) * tpot_s) / output_tokens", _COMBINE
    ),
    "dynamic_energy_j_per_token": Formula(
        None, "cost_models/power.py stage_power_w", "(dynamic power x time) of both stages / output_tokens"
    ),
    "power_w": Formula("energy_j / e2e_latency_s", _COMBINE),
    **{
        f"{stage}_{kind}": Formula(f"{stage}.resources.{kind}", _COMBINE)
        for stage in ("prefill", "decode")
        for kind in RESOURCE_NAMES
    },
    "card_cost_usd": Formula(None, "spec/catalog/devices: price_usd", "price of a card x cards of the deployment"),
    "hbm_bytes_per_s": Formula("decode.hbm_bytes_per_s", _COMBINE),
    "hbm_fraction": Formula("hbm_bytes_per_s / hbm_sustained_bytes_per_s", _COMBINE),
    "quality": Formula(None, "cost_models/quality.py scheme_quality", "measured or interpolated for the scheme"),
    "prefill.latency_s": Formula(
        "prefill.cycles / (prefill.clock_mhz * 1000000)", "cost_models/stage_cost.py StageCost.latency_s"
    ),
    "decode.first_step_s": Formula(
        None,
        "cost_models/decode.py evaluate_decode",
        "cycles of the step behind the prompt, at prompt_tokens keys, / clock: decode.cycles is the mean of the later ones",
    ),
    "prompt_tokens": Formula(None, "the request", "given"),
    "output_tokens": Formula(None, "the request", "given"),
    "idle_w": Formula(None, "spec/catalog/devices: power.configured_w", "given, with its source in the device file"),
    "waiting_w": Formula(None, _COMBINE, "idle_w where a second card waits, else 0"),
    "hbm_sustained_bytes_per_s": Formula(
        None,
        "spec/catalog/devices: hbm",
        "channels x channel_sustained_bytes_per_s, with its source in the device file",
    ),
}
# The plug-in's own modules, by D, T, lanes of its engine and the windows of the prompt.
_PLUGIN: dict[str, tuple[str, str]] = {
    LOADER: ("cost_models/hmt.py loader_cycles", "rows from the prompt (D / T slowdown + restart + access) + other rows (D / T + restart) + rows / TP (D + restart) + D / T"),
    MEMORY: ("cost_models/hmt.py memory_cycles", "(segments - 1) (2 (D + access) + D / T + two engine calls D -> D and D -> memories, softmax 3 (memories / T + restart), one memories -> D; a call: d_in / T + ceil(d_out / lanes) (d_in + restart))"),
}  # fmt: skip
# Of a module by the law that priced it: function, formula. FlexLLM's processes, and those of our library.
_ELEMENT: dict[Stage, dict[str, tuple[str, str]]] = {
    "prefill": {
        **dict.fromkeys(
            ("kv_proj", "q_proj", "o_proj", "gate_up_proj", "down_proj"),
            ("cost_models/linear.py systolic_cycles", "d_in + ceil(d_out / WP) (d_in slowdown + restart) a block; first block, and (N - 1) times where it is the slowest"),
        ),
        "attention_qk": ("cost_models/attention.py prefill_qk_cycles", "heads (dh + ceil(keys / KP) (max(dh, KP) + restart)) a block"),
        "attention_softmax": ("cost_models/attention.py prefill_softmax_cycles", "heads x 3 keys / width a block"),
        "attention_av": ("cost_models/attention.py prefill_av_cycles", "heads (keys + dh / VP (keys + restart)) a block"),
        "hadamard": ("cost_models/transforms.py serial_hadamard_cycles", "d (2 + 1.5 log2 d) + loops x restart a block"),
        "norm_and_quant": ("cost_models/prefill.py _Line", "3 d a layer that nothing hides"),
    },
    "decode": {
        **dict.fromkeys(
            ("kv_proj", "q_proj", "o_proj", "gate_up_proj", "down_proj", "lm_head"),
            ("cost_models/linear.py gemv_cycles", "ceil(d_out / (TB W)) (max(d_in slowdown, outputs of a pass) + restart) a layer"),
        ),
        "attention": ("cost_models/attention.py decode_attention_cycles", "a + 2 S / w + v + (ceil(H / HP) - 1) max(a, 3 S / w, S / w + v) a layer"),
        "hadamard": ("cost_models/transforms.py serial_hadamard_cycles", "ffn / TB (2 + 1.5 log2 ffn) + loops x restart a layer"),
        "vector_passes": ("cost_models/decode.py _vector_cycles", "norms, quantizers, write-back, drains, pipeline depths a layer"),
        "sampler": ("cost_models/decode.py _Chain.of", "merging of the top-k lists, tail, last norm and quantizer"),
    },
}  # fmt: skip
_ARRAY: dict[Stage, dict[str, tuple[str, str]]] = {
    "prefill": {
        "kv_proj": ("cost_models/array_prefill.py PrefillLaw.kv", "layers (T_first + (N - 1) I) of region kv"),
        **dict.fromkeys(
            ("q_proj", "o_proj", "gate_up_proj", "down_proj"),
            ("cost_models/array_prefill_units.py LinearArray", "layers (d_in + ceil(d_out / WP) (d_in + 5)) in the first block; (N - 1) times more where it is the slowest"),
        ),
        **dict.fromkeys(
            ("attention_qk", "attention_softmax", "attention_av"),
            ("cost_models/array_prefill_units.py PrefillUnits.attention", "its share of layers x units x max(a, S, v), or a + v with a serial softmax, in the first block; (N - 1) times more where attention is the slowest"),
        ),
        "hadamard": ("cost_models/array_prefill_units.py PrefillUnits.transform_turn", "layers x its turn in the first block; it holds gate and up back in the others"),
        "norm_and_quant": ("cost_models/array_prefill_units.py PrefillUnits.norm_turn, quantize_turn", "layers x (2 d + TP + depths) of the norms and quantizers of the first block"),
    },
    "decode": {
        **dict.fromkeys(
            ("kv_proj", "q_proj", "o_proj", "gate_up_proj", "down_proj", "lm_head"),
            ("cost_models/array_decode_engine.py EngineUnits._pace", "(P - 1) I + d_in, P = ceil(d_out / (TB W)), I = max(d_in + 5, W TB / pairs + 38, d_in slowdown) a layer; K|V and Q share theirs"),
        ),
        "attention": ("cost_models/array_decode_attention.py AttentionUnits.attention", "layers x (queries + (units - 1) x period + first unit + gathering); period max(a, S, v), or a + v with a serial softmax"),
        "hadamard": ("cost_models/array_decode_steps.py StepUnits.gate_up", "layers x what follows the last output of gate and up"),
        "vector_passes": ("cost_models/array_decode_engine.py DecodeStep.front, tail", "layers x four steps: memory, norm 2 d / V + V, quantizer 2 d_in / TB + TB; last pass' results, last response"),
        "sampler": ("cost_models/array_decode_steps.py StepUnits.head", "vocabulary / lists beside lm_head; merge, choice; norm and quantizer before lm_head"),
    },
}  # fmt: skip


def shown(value: float | None) -> str:
    """A number as it stands in a formula."""
    if value is None:
        return "null"
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"


@dataclass(frozen=True)
class Evaluated:
    """An evaluation document with what it was made of: every name that a formula may use."""

    document: Mapping[str, Any]
    design: DesignPoint
    context: Context

    @property
    def model(self) -> ModelConfig:
        """The model that the design runs."""
        return self.context.model

    @property
    def device(self) -> Device:
        """The card."""
        return self.context.device

    @property
    def workload(self) -> Workload:
        """The request."""
        return self.context.workload

    @property
    def timing(self) -> TimingTable:
        """Latencies of operators and memories."""
        return self.context.timing

    @cached_property
    def _stages(self) -> StageFormulas:
        return StageFormulas(self.design, self.context)

    @cached_property
    def _found(self) -> Found:
        return self._stages.all()

    def values(self) -> dict[str, float | None]:
        """Every number by its name: those of the document, and those that only the laws have."""
        document, device = self.document, self.device
        idle = device.power.configured_w
        found: dict[str, float | None] = {name: value for name, (value, _) in self._found.items()}
        found |= document["metrics"]
        for stage in STAGES:
            for name, value in document[stage].items():
                if isinstance(value, (int, float)):
                    found[f"{stage}.{name}"] = value
            for group in ("resources", "utilization"):
                found |= {f"{stage}.{group}.{kind}": n for kind, n in document[stage][group].items()}
        found |= {f"{m['stage']}.{m['module']}.cycles": m["cycles"] for m in document["breakdown"]}
        found |= {f"hmt.{name}": value for name, value in (document.get("hmt") or {}).items()}
        found |= {
            "prompt_tokens": self.workload.prompt_tokens,
            "output_tokens": self.workload.output_tokens,
            "idle_w": idle,
            "waiting_w": idle if self.design.deployment == "two_cards" else 0.0,
            "hbm_sustained_bytes_per_s": (
                device.hbm.channels * device.hbm.channel_sustained_bytes_per_s if device.hbm else None
            ),
        }
        for name, (value, formula) in self._found.items():  # sums on the way to a number that no document has
            if value is None and found[name] is None and formula.expression:
                found[name] = evaluated(formula.expression, found)
        return found

    def formula(self, name: str) -> Formula:
        """Of a metric, a number of a stage, a module, a part of a kernel, the plug-in.

        Raises:
            UnknownNameError: there is no such number.
        """
        known = self.names()
        if name not in known:
            raise UnknownNameError("number", name, known)
        if name == "max_utilization":
            return self._max_utilization()
        if name in self._found:
            return self._found[name][1]
        if name in _FORMULAS:
            return _FORMULAS[name]
        stage, _, number = name.partition(".")
        if number == "cycles":
            parts = [m["module"] for m in self.document["breakdown"] if m["stage"] == stage]
            law = f"cost_models/{self._prefix(stage)}{stage}.py{self._changed(stage)}"
            if stage == "prefill" and self.context.hmt is not None:
                law = "cost_models/hmt.py evaluate_hmt_prefill"
            return Formula(" + ".join(f"{stage}.{module}.cycles" for module in parts), law)
        law, text = self._modules(stage)[number.removesuffix(".cycles")]
        if stage == "prefill" and self.context.hmt is not None and number.removesuffix(".cycles") not in _PLUGIN:
            text += "; summed over the windows of the HMT plug-in, each a prompt of its own"
        return Formula(None, law, text)

    def _max_utilization(self) -> Formula:
        """The largest share of the card that a bitstream takes of any kind of resource."""
        law = "cost_models/evaluate.py pair_utilization"
        if self.design.deployment == "co_resident":
            both = [
                f"(prefill.resources.{kind} + decode.resources.{kind} + shell.{kind}) / card.{kind}"
                for kind in RESOURCE_NAMES
            ]
            return Formula(f"max({', '.join(both)})", law)
        shares = [f"{stage}.utilization.{kind}" for stage in STAGES for kind in RESOURCE_NAMES]
        return Formula(f"max({', '.join(shares)})", law)

    def names(self) -> list[str]:
        """Every name that has a formula, metrics first."""
        stages = [f"{stage}.cycles" for stage in STAGES]
        modules = [f"{m['stage']}.{m['module']}.cycles" for m in self.document["breakdown"]]
        metrics = [name for name in METRICS if name in _FORMULAS or name == "max_utilization"]
        return list(dict.fromkeys([*metrics, *stages, *modules, *self._found, *_FORMULAS]))

    def _built(self, stage: str) -> bool:
        if stage == "prefill":
            return self.design.prefill.modules.process_granularity == "array"
        return self.design.decode.modules.process_granularity == "array"

    def _changed(self, stage: str) -> str:
        """What follows the library's law where a choice has no template."""
        scheme = self.design.quant_scheme
        if stage == "prefill":
            built = array_prefill.is_built(self.design.prefill.modules, scheme)
        else:
            built = array_decode.is_built(self.design.decode.modules, scheme)
        return "" if built or not self._built(stage) else " of the nearest built design x cost_models/unbuilt.py change"

    def _prefix(self, stage: str) -> str:
        return "array_" if self._built(stage) else ""

    def _modules(self, stage: str) -> dict[str, tuple[str, str]]:
        laws = _ARRAY if self._built(stage) else _ELEMENT
        return {**laws["prefill"], **_PLUGIN} if stage == "prefill" else laws["decode"]

    def symbols(self, name: str) -> dict[str, float]:
        """What the symbols of a module's law stand for in this design."""
        stage, _, rest = name.partition(".")
        module = rest.removesuffix(".cycles")
        if (
            module in _PLUGIN
            or stage not in STAGES
            or not rest.endswith(".cycles")
            or module not in self._modules(stage)
        ):
            return self._stages.symbols(name)
        model, timing = self.model, self.timing
        d, ff, q, kv = model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim
        shapes: dict[str, tuple[int, int]] = {
            "kv_proj": (d, 2 * kv if stage == "decode" else kv),
            "q_proj": (d, q), "o_proj": (q, d), "down_proj": (ff, d), "lm_head": (d, model.padded_vocab_size),
            "gate_up_proj": (d, 2 * ff if stage == "decode" else ff),
        }  # fmt: skip
        found: dict[str, float] = {"layers": 1 if module in ("lm_head", "sampler") else model.n_layers}
        if module in shapes:
            found |= dict(zip(("d_in", "d_out"), shapes[module], strict=True))
        elif "attention" in module:
            found |= {"heads": model.n_q_heads, "KV heads": model.n_kv_heads, "dh": model.head_dim}
        else:
            found |= {"d": d, "ffn": ff}
        if stage == "prefill":
            p = self.design.prefill
            found |= {
                "TP": p.token_parallelism,
                "N": self._blocks(p.token_parallelism),
                "KP": p.key_parallelism,
                "VP": p.value_parallelism,
            }
            found["WP"] = (
                p.ffn_weight_parallelism if module in ("gate_up_proj", "down_proj") else p.qkvo_weight_parallelism
            )
        else:
            c = self.design.decode
            found |= {"TB": c.block_parallelism, "W": c.weight_parallelism, "V": c.vector_parallelism}
            if module in shapes:
                found |= self._engine(module, shapes[module][0])
            if module == "attention":
                mean = self.workload.prompt_tokens + self.workload.output_tokens / 2
                found |= {
                    "HP": c.head_parallelism,
                    "KP": c.key_parallelism,
                    "VP": c.value_parallelism,
                    "S (mean)": mean,
                }
        if not self._built(stage):
            found["restart"] = timing.loop_restart_cycles
        found["memory access"] = timing.memory_access_cycles
        return found

    def _blocks(self, token_parallelism: int) -> int:
        """Blocks of tokens that go through the prefill kernel, in all windows of a plug-in."""
        tokens, hmt = prefilled_tokens(self.workload), self.context.hmt
        prompts = [(1, tokens)] if hmt is None else [(window.count, window.rows) for window in hmt.windows(tokens)]
        return sum(count * -(-rows // token_parallelism) for count, rows in prompts)

    def _engine(self, module: str, d_in: int) -> dict[str, float]:
        """What a pass of the decode engine takes beside the lanes: how much longer than a cycle a beat of the weights takes,
        and the scales and outputs of the dequantizer.
        """
        batch = DesignBatch.from_points([self.design], self.device).decode
        batch = replace(batch, clock_mhz=np.array([float(self.document["decode"]["clock_mhz"])]))
        ports = batch.placements.role("weights_lm_head")
        role: PortRole = "weights_lm_head" if module == "lm_head" and batch.placements.ports[0, ports] else "weights"
        slowdown = float(stream_slowdown(batch, role)[0])
        lanes = int(batch.block_parallelism[0])
        if self._built("decode"):
            pairs = max(float(word_bytes(batch, "scales")[0]) / SCALE_BYTES, 1.0)
            return {"slowdown": slowdown, "pairs": float(np.gcd(int(pairs), lanes))}
        width, modules = int(batch.weight_parallelism[0]), batch.modules[0]
        pairs = max(float(port_bytes(batch, "scales")[0]) / SCALE_BYTES, 1.0)
        scales = lanes * width / pairs * channel_scales(d_in, self.design.quant_scheme)
        return {
            "slowdown": slowdown,
            "outputs of a pass": scales + width * dequantizer_interval(modules, self.timing),
        }

    def trace(self, name: str) -> tuple[Step, ...]:
        """The formula of `name`, of the numbers in it, of those in them, each once.

        Raises:
            UnknownNameError: there is no such number.
        """
        values = self.values()
        sources = {f"{m['stage']}.{m['module']}.cycles": m["source"] for m in self.document["breakdown"]}
        seen: set[str] = set()
        steps: list[Step] = []

        def follow(one: str, depth: int) -> None:
            if one in seen:
                return
            seen.add(one)
            formula = self.formula(one)
            inner = names_in(formula.expression) if formula.expression else []
            numbers = _NAME.sub(
                lambda found: shown(values[found[0]]) if found[0] in inner else found[0], formula.expression or ""
            )
            steps.append(Step(depth, one, values[one], formula, numbers, self.symbols(one), sources.get(one, "")))
            for term in inner:
                follow(term, depth + 1)

        follow(name, 0)
        return tuple(steps)


def lines(steps: Sequence[Step], timing: TimingTable = DEFAULT_TIMING_TABLE) -> list[str]:
    """A trace as text, and where the constants in it come from."""
    found = []
    for step in steps:
        indent = "  " * step.depth
        formula = step.formula
        if formula.expression:
            found += [
                f"{indent}{step.name} = {shown(step.value)}",
                f"{indent}    = {formula.expression}",
                f"{indent}    = {step.numbers}",
            ]
        else:
            found += [f"{indent}{step.name} = {shown(step.value)}    {formula.text}"]
        if step.symbols:
            found.append(f"{indent}    with " + ", ".join(f"{k} = {shown(v)}" for k, v in step.symbols.items()))
        found.append(f"{indent}    law: {formula.law}" + (f"; counted from: {step.source}" if step.source else ""))
    operators = ", ".join(f"{name} {shown(cost.latency_cycles)}" for name, cost in timing.operators.items())
    constants = (
        f"constants: timing table {timing.version} (spec/timing.py, each with its source): a memory access"
        f" {shown(timing.memory_access_cycles)} cycles, a loop restart of FlexLLM's {shown(timing.loop_restart_cycles)};"
        f" operators {operators}"
    )
    depths = (
        "depths of our pipelines: cost_models/array_timing.py LoopDepths, as `flexdse intervals` derives them; formulas at"
        " length: docs/cost_models.md"
    )
    found += ["", constants, depths]
    return found
