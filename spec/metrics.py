"""The one registry of metrics. Objectives, constraints, tables and charts are named from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spec.errors import InputError, UnknownNameError, echo

Sense = Literal["min", "max"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a design. `unit` "1" marks a dimensionless metric, exempt from unit suffixes."""

    name: str
    unit: str
    sense: Sense
    title: str
    definition: str


_ALL = (
    Metric(
        "ttft_s",
        "s",
        "min",
        "Time to first token",
        "prefill + bitstream swap + KV re-layout + first decode step",
    ),
    Metric(
        "tpot_s",
        "s",
        "min",
        "Time per output token",
        "mean of the decode steps after the first, each at its true context; null for one output token",
    ),
    Metric("e2e_latency_s", "s", "min", "End-to-end latency", "ttft_s + (output_tokens - 1) * tpot_s"),
    Metric(
        "prefill_latency_s", "s", "min", "Prefill latency", "all prompt tokens but the last through the prefill kernel"
    ),
    Metric("prefill_tokens_per_s", "tokens/s", "max", "Prefill rate", "prefilled tokens / prefill_latency_s"),
    Metric("decode_tokens_per_s", "tokens/s", "max", "Decode rate", "1 / tpot_s"),
    Metric("energy_j", "J", "min", "Energy of the request", "board power times time, over prefill, swap and decode"),
    Metric(
        "energy_j_per_token", "J", "min", "Energy per output token", "energy_j / output_tokens, idle power included"
    ),
    Metric(
        "prefill_energy_j_per_token",
        "J",
        "min",
        "Prefill energy per prompt token",
        "board power while prefill runs times its time / prefilled tokens, idle power included",
    ),
    Metric(
        "decode_energy_j_per_token",
        "J",
        "min",
        "Decode energy per output token",
        "board power while decode runs times its time / output_tokens, idle power included",
    ),
    Metric(
        "dynamic_energy_j_per_token",
        "J",
        "min",
        "Dynamic energy per output token",
        "energy above the configured idle power / output_tokens",
    ),
    Metric("power_w", "W", "min", "Mean board power", "energy_j / e2e_latency_s"),
    Metric(
        "max_utilization",
        "1",
        "min",
        "Largest utilization",
        "largest used fraction of the whole card over resource kinds and bitstreams, shell included",
    ),
    *(
        Metric(f"{stage}_{kind}", "1", "min", f"{stage.capitalize()} {title}", f"{what} of the {stage} kernel")
        for kind, title, what in (
            ("lut", "LUT", "look-up tables"),
            ("ff", "FF", "flip-flops"),
            ("dsp", "DSP", "DSP slices"),
            ("bram_18k", "BRAM", "block RAMs of 18 Kib"),
            ("uram", "URAM", "UltraRAMs"),
        )
        for stage in ("prefill", "decode")
    ),
    # Less is better: at equal speed, more traffic is words that are fetched and dropped.
    Metric("hbm_bytes_per_s", "B/s", "min", "Decode HBM traffic", "bytes read and written in a decode step / its time"),
    Metric(
        "hbm_fraction", "1", "min", "Decode HBM use", "hbm_bytes_per_s / sustained rate of all channels of the card"
    ),
    Metric(
        "card_cost_usd",
        "USD",
        "min",
        "Cost of the cards",
        "price_usd of the device file times the cards of the deployment",
    ),
    Metric("quality", "1", "min", "Perplexity increase", "perplexity increase over the unquantized model (fraction)"),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}

DEFAULT_OBJECTIVES = ("ttft_s", "tpot_s", "energy_j_per_token", "max_utilization")
MAX_OBJECTIVES = 5


def metric(name: str, field: str = "metric") -> Metric:
    """The metric of that name.

    Raises:
        UnknownNameError: with the nearest names.
    """
    if name not in METRICS:
        raise UnknownNameError("metric", name, METRICS, field=field)
    return METRICS[name]


def check_objectives(names: tuple[str, ...]) -> tuple[str, ...]:
    """`names` if they can be objectives: known, distinct, one to five.

    Raises:
        InputError: a name that is unknown or repeated.
    """
    for name in names:
        metric(name, field="objectives")
    if not 1 <= len(names) <= MAX_OBJECTIVES:
        raise InputError(
            f"{len(names)} objectives",
            field="objectives",
            value=list(names),
            rule=f"1 to {MAX_OBJECTIVES} of them",
            hint="leave some out" if names else "name one",
        )
    if len(set(names)) != len(names):
        raise InputError(
            f"objective {echo(next(n for n in names if names.count(n) > 1))} appears twice",
            field="objectives",
            value=list(names),
            rule="each objective once",
            hint="leave one of the two out",
        )
    return names
