"""Formulas of what a stage takes of the card: resources part by part, shares, CLBs, clock, power, bytes, the HMT plug-in.

Each comes with its value, computed anew by the laws of the evaluation for this one design; where a document has the number
too, the two are equal (a test compares them).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from cost_models.arrays import FloatArray
from cost_models.clb import CLB_CAP, CLB_PER_LUT_FRACTION
from cost_models.evaluate import Context, attention_macs, linear_macs, price_decode, price_prefill
from cost_models.formula import Formula
from cost_models.frequency import CLB_KNEE, FLOOR_FRACTION, MHZ_PER_CLB, PORT_WORD_BITS
from cost_models.hmt import LOADER, MEMORY, PLUGIN_MODULES
from cost_models.kernels.adapters import AXI_ADAPTERS, DATAFLOW_CONTROL
from cost_models.kernels.parts import RowParts
from cost_models.memory import ddr_bytes, hbm_bytes
from cost_models.power import (
    BRAM18_J,
    DDR_J_PER_BYTE,
    DSP_J,
    FF_J,
    HBM_J_PER_BYTE,
    LUT_J,
    TOGGLE_FACTOR,
    URAM_J,
    attention_lanes,
    engine_activity,
    linear_lanes,
    waiting_w,
)
from cost_models.stage_cost import StageCost
from cost_models.stage_setup import prefilled_tokens
from spec.calibration import CalibratedMetric
from spec.design_batch import DecodeBatch, DesignBatch, PrefillBatch
from spec.design_point import DesignPoint
from spec.memory_map import PortRole
from spec.resources import RESOURCE_NAMES
from spec.workload import STAGES, Stage

_KINDS: tuple[CalibratedMetric, ...] = ("lut", "ff", "dsp", "bram_18k", "uram")  # RESOURCE_NAMES

Found = dict[str, tuple[float | None, Formula]]

_POWER = "cost_models/power.py"
_CONSTANTS = {
    "lut_j": (LUT_J, "J a LUT and cycle"),
    "ff_j": (FF_J, "J a register and cycle, its clock included"),
    "dsp_j": (DSP_J, "J a DSP slice and cycle"),
    "bram_18k_j": (BRAM18_J, "J a BRAM18 and cycle"),
    "uram_j": (URAM_J, "J a URAM and cycle"),
    "toggle_factor": (TOGGLE_FACTOR, "fitted on FlexLLM's power log"),
    "hbm_j_per_byte": (HBM_J_PER_BYTE, "J a byte of HBM"),
    "ddr_j_per_byte": (DDR_J_PER_BYTE, "J a byte of DDR"),
}

# What the inventory of a part counts, by its module. The functions are named with the part.
_COUNTED = {
    "linear": "lanes / MACs a DSP slice (or LUT multipliers), accumulators, dequantizers of its outputs, operand buffers",
    "attention": "QK and AV lanes, softmax and scaling operators, quantizers, score and cache buffers",
    "attention_qk": "token x key lanes, RoPE and quantizers of queries, score buffers",
    "attention_softmax": "comparators, adders, exponentials and dividers of each softmax lane, row buffers",
    "attention_av": "token x value lanes, quantizers of the weights, result buffers",
    "hadamard": "adders and buffers of the online transforms",
    "norm_and_quant": "norm, residual and quantizer operators of each token lane, RoPE, residual FIFOs",
    "vector_passes": "norm, residual and quantizer operators of each vector lane, RoPE",
    "sampler": "comparators of the top-k lists, softmax over the winners",
    LOADER: "nothing of its own: its buffers are counted with the memory",
    MEMORY: "T (W / 2) fp32 elements, T softmax lanes, memory and key caches, loader buffers, control of its tasks",
    AXI_ADAPTERS: "ports x base + bits x slope of an AXI adapter; where tasks share a port, their adapters and the crossbar",
    DATAFLOW_CONTROL: "processes x control + FIFOs between them (shift registers, block RAM where deep)",
}


@dataclass(frozen=True)
class StageFormulas:
    """Values and formulas of both stages of one design, by name."""

    design: DesignPoint
    context: Context
    costs: dict[Stage, StageCost] = field(init=False)
    batches: dict[Stage, PrefillBatch | DecodeBatch] = field(init=False)

    def __post_init__(self) -> None:
        """Price both stages."""
        batch = DesignBatch.from_points([self.design], self.context.device)
        costs = {
            "prefill": price_prefill(batch.prefill, self.context),
            "decode": price_decode(batch.decode, self.context),
        }
        object.__setattr__(self, "costs", costs)
        object.__setattr__(self, "batches", {"prefill": batch.prefill, "decode": batch.decode})

    def all(self) -> Found:
        """Every name with its value and its formula."""
        found = dict(self._card())
        for stage in STAGES:
            found |= dict(self._resources(stage))
            found |= dict(self._clock(stage))
            found |= dict(self._traffic(stage))
            found |= dict(self._power(stage))
        return found | dict(self._between()) | dict(self._hmt())

    def symbols(self, name: str) -> dict[str, float]:
        """What the words of a part's or plug-in's law stand for in this design."""
        stage, _, rest = name.partition(".")
        part = rest.partition(".")[0]
        if stage not in STAGES:
            return {}
        batch, cost, hmt = self.batches[stage], self.costs[stage], self.context.hmt
        if part == AXI_ADAPTERS:
            table = batch.placements
            return {
                "ports": float(table.total_ports[0]),
                "bits": float(table.total_port_bits[0]),
                "further tasks at shared ports": float(table.further_clients[0]),
                "their bits": float(table.further_client_bits[0]),
            }
        if part in PLUGIN_MODULES and hmt is not None:
            model, timing = self.context.model, self.context.timing
            tokens = prefilled_tokens(self.context.workload)
            windows = hmt.windows(tokens)
            return {
                "segments": hmt.segments(tokens),
                "windows": sum(window.count for window in windows),
                "rows": sum(window.count * window.rows for window in windows),
                "rows from the prompt": sum(window.count * window.read_rows for window in windows),
                "D": model.hidden_dim,
                "T": hmt.block_parallelism,
                "W": hmt.weight_parallelism,
                "lanes": hmt.block_parallelism * hmt.weight_parallelism,
                "memories": hmt.memories,
                "restart": timing.loop_restart_cycles,
                "access": timing.memory_access_cycles,
            }
        if rest == "linear_activity":
            return {"lanes": float(linear_lanes(batch)[0]), "MACs": linear_macs(cost.stage, self.context)}
        if rest == "attention_activity":
            return {"lanes": float(self._attention_lanes(batch)[0]), "MACs": self._attention_macs(cost, batch)}
        return {}

    def _attention_lanes(self, batch: PrefillBatch | DecodeBatch) -> FloatArray:
        return attention_lanes(batch, self.context.model.gqa_group)

    def _attention_macs(self, cost: StageCost, batch: PrefillBatch | DecodeBatch) -> float:
        causal = getattr(batch.modules[0], "attention_mask", "full") == "causal_skip"
        return attention_macs(cost.stage, self.context, causal)

    def _card(self) -> Iterator[tuple[str, tuple[float | None, Formula]]]:
        device = self.context.device
        for what, counts in (("card", device.total.as_dict()), ("shell", device.shell.as_dict())):
            for kind in RESOURCE_NAMES:
                yield (
                    f"{what}.{kind}",
                    (counts[kind], Formula(None, f"spec/catalog/devices: {what}", "given, with its source")),
                )
        for name, (value, text) in _CONSTANTS.items():
            yield (
                name,
                (
                    value,
                    Formula(
                        None, f"{_POWER} {name.upper().replace('BRAM_18K', 'BRAM18')}", f"{text}; source beside it"
                    ),
                ),
            )
        yield (
            "fabric_scale",
            (device.power.fabric_scale, Formula(None, "spec/catalog/devices: power.fabric_scale", "given")),
        )
        yield (
            "clb_per_lut_fraction",
            (CLB_PER_LUT_FRACTION, Formula(None, "cost_models/clb.py", "mean of routed designs")),
        )
        for name in ("max_mhz", "free_hbm_port_words", "mhz_per_hbm_port_word"):
            yield (
                f"clock.{name}",
                (getattr(device.clock, name), Formula(None, f"spec/catalog/devices: clock.{name}", "given")),
            )

    def _factor(self, stage: Stage, metric: CalibratedMetric) -> float | None:
        table = self.context.calibration
        entry = None if table is None else table.find(stage, None, metric)
        return None if entry is None else entry.factor

    def _corrected(self, stage: Stage, metric: CalibratedMetric, expression: str) -> Iterator[tuple[str, str]]:
        """The expression with the factor of a calibration, and the name of that where there is one."""
        if self._factor(stage, metric) is None:
            yield "", expression
        else:
            name = f"calibration.{stage}.{metric}"
            yield name, f"{name} * ({expression})"

    def _resources(self, stage: Stage) -> Iterator[tuple[str, tuple[float | None, Formula]]]:
        cost = self.costs[stage]
        parts = cost.module_resources
        for kind in _KINDS:
            for part, resources in parts.items():
                law = self._law_of(stage, part)
                yield f"{stage}.{part}.{kind}", (float(getattr(resources, kind)[0]), Formula(None, law, _counted(part)))
            total = " + ".join(f"{stage}.{part}.{kind}" for part in parts if getattr(parts[part], kind)[0]) or "0"
            corrected = () if kind == "dsp" else self._corrected(stage, kind, total)  # DSP factors are in the parts
            for name, expression in corrected:
                total = expression
                if name:
                    yield name, (self._factor(stage, kind), Formula(None, "cost_models/calibrated.py", "fitted"))
            law = "cost_models/kernels/parts.py total_resources, rounded up"
            yield f"{stage}.resources.{kind}", (None, Formula(total, law))
            yield (
                f"{stage}.utilization.{kind}",
                (
                    None,
                    Formula(
                        f"({stage}.resources.{kind} + shell.{kind}) / card.{kind}",
                        "cost_models/feasibility.py used_fractions",
                    ),
                ),
            )
        yield f"{stage}.clb_fraction", (
            None, Formula(f"clb_per_lut_fraction * {stage}.utilization.lut", "cost_models/clb.py clb_fraction"),
        )  # fmt: skip

    def _law_of(self, stage: Stage, part: str) -> str:
        if part in PLUGIN_MODULES:
            return "cost_models/hmt.py plugin_part"
        if isinstance(self.costs[stage].parts, RowParts):
            if part == AXI_ADAPTERS:
                return "cost_models/kernels/library_adapters.py adapter_rows"
            return f"cost_models/kernels/library_{stage}.py library_{stage}_parts, operators by spec/library_units.py"
        if part in (AXI_ADAPTERS, DATAFLOW_CONTROL):
            return "cost_models/kernels/element.py infrastructure, coefficients by cost_models/coefficients.py"
        return f"cost_models/kernels/element_{stage}.py element_{stage}_parts, lanes by cost_models/macs.py and cost_models/nonlinear.py"

    def _clock(self, stage: Stage) -> Iterator[tuple[str, tuple[float | None, Formula]]]:
        batch = self.batches[stage]
        crowded = f"{stage}.clb_fraction" if self.context.system.deployment != "co_resident" else f"{CLB_CAP}"
        words = float(batch.placements.hbm_ports.total_bits[0]) / PORT_WORD_BITS
        law = "cost_models/frequency.py achievable_clock_mhz"
        yield f"{stage}.hbm_port_words", (words, Formula(None, law, "bits of all HBM ports / 256"))
        yield (
            f"{stage}.achievable_clock_mhz",
            (
                None,
                Formula(
                    f"max(clock.max_mhz - {MHZ_PER_CLB:.12g} * max(0, {crowded} - {CLB_KNEE})"
                    f" - clock.mhz_per_hbm_port_word * max(0, {stage}.hbm_port_words - clock.free_hbm_port_words),"
                    f" {FLOOR_FRACTION} * clock.max_mhz)",
                    law,
                ),
            ),
        )
        asked = Formula(None, "the design: clock_target_mhz", "given")
        yield f"{stage}.clock_target_mhz", (None, asked)
        law = "cost_models/frequency.py achieved_clock_mhz"
        if float(self.costs[stage].clock_mhz[0]) == getattr(self.design.clock_target_mhz, stage):
            # Also where bitstreams of the very design ran at its target, whatever is expected.
            text = f"{stage}.clock_target_mhz"
        else:
            text = f"min({stage}.clock_target_mhz, {stage}.achievable_clock_mhz)"
        yield f"{stage}.clock_mhz", (None, Formula(text, law))

    def _traffic(self, stage: Stage) -> Iterator[tuple[str, tuple[float | None, Formula]]]:
        cost, batch = self.costs[stage], self.batches[stage]
        law = f"cost_models/{stage}.py {stage}_traffic_bytes"
        if stage == "prefill" and self.context.hmt is not None:
            law = "cost_models/hmt.py _traffic"
        in_hbm: list[str] = []
        in_ddr: list[str] = []
        for role, moved in cost.traffic_bytes.items():
            name = f"{stage}.{role}.bytes"
            yield name, (float(moved[0]), Formula(None, law, "moved over the ports of the role"))
            one: dict[PortRole, FloatArray] = {role: moved}
            for of_memory, names in ((hbm_bytes, in_hbm), (ddr_bytes, in_ddr)):
                if float(of_memory(batch, one)[0]) > 0:
                    names.append(name)
        seconds = "prefill.latency_s" if stage == "prefill" else self._step_s
        for memory, moved_bytes, names in (("hbm", hbm_bytes, in_hbm), ("ddr", ddr_bytes, in_ddr)):
            total = float(moved_bytes(batch, cost.traffic_bytes)[0])
            yield f"{stage}.{memory}_bytes", (total, Formula(" + ".join(names) or "0", "cost_models/memory.py"))
            duration = float(cost.latency_s[0]) or float(cost.first_latency_s[0])
            yield (
                f"{stage}.{memory}_bytes_per_s",
                (
                    total / duration if duration else 0.0,
                    Formula(
                        f"{stage}.{memory}_bytes / {seconds}" if duration else "0", "cost_models/evaluate.py _summary"
                    ),
                ),
            )

    @property
    def _step_s(self) -> str:
        return "tpot_s" if self.context.workload.output_tokens > 1 else "decode.first_step_s"

    def _power(self, stage: Stage) -> Iterator[tuple[str, tuple[float | None, Formula]]]:
        cost, batch, context = self.costs[stage], self.batches[stage], self.context
        cycles = np.where(cost.latency_s > 0, cost.cycles, cost.first_cycles)
        linear = engine_activity(linear_lanes(batch), linear_macs(stage, context), cycles)
        attending = engine_activity(self._attention_lanes(batch), self._attention_macs(cost, batch), cycles)
        law = f"{_POWER} engine_activity"
        share = "share of the cycles in which {} multiply: min(1, MACs / (lanes x cycles))"
        yield f"{stage}.linear_activity", (float(linear[0]), Formula(None, law, share.format("the linear engines")))
        yield f"{stage}.attention_activity", (float(attending[0]), Formula(None, law, share.format("QK and AV")))
        yield f"{stage}.attention_j", (
            float(cost.attention_j[0]), Formula(None, f"{_POWER} attention_active_j", "the same sum over the parts of attention"),
        )  # fmt: skip
        yield (
            f"{stage}.active_j",
            (
                None,
                Formula(
                    " + ".join(f"{stage}.resources.{kind} * {kind}_j" for kind in RESOURCE_NAMES if kind != "ff"),
                    f"{_POWER} active_j",
                ),
            ),
        )
        other: Stage = "decode" if stage == "prefill" else "prefill"
        waits = ""
        if context.system.deployment == "co_resident":
            one = self.costs[other]
            value = float(waiting_w(one.resources.ff, one.clock_mhz, context.device)[0])
            yield (
                f"{other}.waiting_clock_w",
                (value, Formula(None, f"{_POWER} waiting_w", "registers and clock of the other kernel")),
            )
            waits = f" + {other}.waiting_clock_w"
        expression = (
            f"idle_w + ({stage}.active_j * {stage}.linear_activity"
            f" + {stage}.attention_j * max(0, {stage}.attention_activity - {stage}.linear_activity)"
            f" + {stage}.resources.ff * ff_j) * toggle_factor * fabric_scale * 1000000 * {stage}.clock_mhz"
            f" + hbm_j_per_byte * {stage}.hbm_bytes_per_s + ddr_j_per_byte * {stage}.ddr_bytes_per_s"
        )
        for name, corrected in self._corrected(stage, "power_w", expression):
            if name:
                yield name, (self._factor(stage, "power_w"), Formula(None, "cost_models/calibrated.py", "fitted"))
            yield f"{stage}.power_w", (None, Formula(corrected + waits, f"{_POWER} stage_power_w"))

    def _between(self) -> Iterator[tuple[str, tuple[float | None, Formula]]]:
        context, law = self.context, "cost_models/evaluate.py Context"
        yield "between_s", (context.between_s, Formula("swap_s + upload_s + relayout_s", f"{law}.between_s"))
        yield (
            "swap_s",
            (
                context.swap_time_s,
                Formula(
                    None, f"{law}.swap_time_s", "given, or reconfiguration.swap_s of the card; 0 but for two bitstreams"
                ),
            ),
        )
        yield (
            "upload_s",
            (
                context.upload_s,
                Formula(
                    None, f"{law}.upload_s", "decode weights and scales / host link: a reload loses what the HBM held"
                ),
            ),
        )
        yield (
            "relayout_s",
            (
                context.relayout_s,
                Formula(None, f"{law}.relayout_s", "KV cache read and written once over the host link"),
            ),
        )

    def _hmt(self) -> Iterator[tuple[str, tuple[float | None, Formula]]]:
        hmt = self.context.hmt
        if hmt is None:
            return
        segments = hmt.segments(prefilled_tokens(self.context.workload))
        yield "hmt.segment_tokens", (hmt.segment_tokens, Formula(None, "the design: hmt.segment_tokens", "given"))
        yield "hmt.segments", (segments, Formula(None, "spec/hmt.py HmtPlugin.segments", "full segments of the prompt"))
        own = " + ".join(f"prefill.{module}.cycles" for module in PLUGIN_MODULES)
        if segments:
            yield "hmt.plugin_latency_s_per_segment", (
                None, Formula(f"({own}) / (hmt.segments * prefill.clock_mhz * 1000000)", "cost_models/report.py hmt_report"),
            )  # fmt: skip
        yield "hmt.prefill_latency_s", (None, Formula("prefill.latency_s", "cost_models/report.py hmt_report"))


def _counted(part: str) -> str:
    return _COUNTED.get(part, _COUNTED["linear"])
