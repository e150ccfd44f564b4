"""The text and the figure of docs/headline.md, from the record of benchmarks/headline.py: no number is written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_TITLES = {
    "decode_tokens_per_s": "decode, tokens/s, mean over contexts 1025 to 2048",
    "prefill_s": "prefill of 1024 tokens, s",
    "e2e_co_resident_s": "1024 + 1024 end to end, co-resident, s",
    "energy_ratio": "decode J/token over FlexLLM's, same power model",
    "caps": "caps on all resources, by the structural model",
    "open_lut_fraction": "LUTs of the fuller kernel, high end of open synthesis",
}


def _number(value: float | None, digits: int = 3) -> str:
    return "not run" if value is None else f"{value:,.{digits}f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def _bars(record: Mapping[str, Any]) -> list[str]:
    rows = []
    for row in record["bars"]:
        value = row["value"]
        if isinstance(value, list):
            shown = ", ".join(value) or "none over"
        else:
            shown = "no result" if value is None else f"{value:,.3f}"
        bar = row["sense"] if row["figure"] == "caps" else f"{row['sense']} {row['bar']:g}"
        rows.append([row["device"].upper(), _TITLES[row["figure"]], shown, bar, "met" if row["met"] else "**missed**"])
    return _table(["card", "figure", "reached", "bar", ""], rows)


def _band(of_model: Mapping[str, Any], digits: int) -> str:
    value = of_model["value"]
    if value is None:
        return "none"
    low, high = (value * (1 + relative) for relative in of_model["band"])
    return f"{value:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def _speed(device: str, found: Mapping[str, Any]) -> list[str]:
    theirs = found["flexllm"]["measured"] or found["flexllm"]["projected"]
    kind = "measured" if found["flexllm"]["measured"] else "projected by its authors"
    per_1k = theirs.get("decode_s_per_1k_tokens")
    rows = [
        [
            "decode, tokens/s",
            _number(found["decode_tokens_per_s"], 1),
            _band(found["model"]["decode_tokens_per_s"], 1),
            "none" if per_1k is None else f"{1000 / per_1k:.1f}",
            f"{found['decode_limit_tokens_per_s']:.0f}",
        ],
        [
            "prefill of 1024 tokens, s",
            _number(found["prefill_s"]),
            _band(found["model"]["prefill_latency_s"], 3),
            _number(theirs.get("prefill_latency_s"), 2) if "prefill_latency_s" in theirs else "none",
            "",
        ],
    ]
    head = ["", "timed simulation x clock law", "analytical model (band)", f"FlexLLM, {kind}", "limit of the ports"]
    lines = _table(head, rows)
    cycles = found["simulated_decode_cycles"]
    if cycles:
        shown = ", ".join(f"{count:,} at position {position}" for position, count in cycles.items())
        lines += [
            f"Simulated decode cycles: {shown}; the model says {found['model_decode_cycles']:,.0f} on average.",
            "",
        ]
    if found["simulated_prefill_cycles"]:
        lines += [
            f"Simulated prefill cycles: {found['simulated_prefill_cycles']:,}; the model says {found['model_prefill_cycles']:,.0f}.",
            "",
        ]
    clocks = (
        f"Clocks that the clock law grants: prefill {found['prefill_clock_mhz']:.1f} MHz, decode {found['decode_clock_mhz']:.1f} MHz. "
        "The limit takes all weight ports busy in every cycle at that clock, weights and caches evenly spread."
    )
    lines += [clocks, ""]
    slow = found["slow_ports"]
    if slow is not None:
        lines += [
            (
                f"The card's efficiency of {slow['efficiency']:g} is taken off the rate of a channel, which is faster than a port at"
                f" {slow['port_mhz']:.0f} MHz. No measurement says where it is lost. If it came off the ports' own rate, decode would be"
                f" {_number(slow['decode_tokens_per_s'], 1)} tokens/s (simulated; model {slow['model_decode_tokens_per_s']:.1f}, limit"
                f" {slow['decode_limit_tokens_per_s']:.0f})."
            ),
            "",
        ]
    for message in (*found["failures"], *found["violations"]):
        lines += [f"- {message}"]
    return [*lines, ""] if lines[-1].startswith("- ") else lines


def _resources(found: Mapping[str, Any]) -> list[str]:
    theirs = found["flexllm"]["measured"] or found["flexllm"]["projected"]
    rows = []
    for stage in ("prefill", "decode"):
        used, fraction, opened = (
            found["resources"][stage],
            found["utilization"][stage],
            found["open_synthesis"].get(stage, {}),
        )
        for kind in ("lut", "ff", "dsp", "bram_18k", "uram"):
            published = theirs.get(f"{stage}_{kind.replace('bram_18k', 'bram')}_fraction")
            if kind == "dsp" and published is None and f"{stage}_dsp" in theirs:
                shown = f"{theirs[f'{stage}_dsp']:,.0f}"
            else:
                shown = "" if published is None else f"{published:.0%}"
            counted = opened.get(kind)
            rows.append(
                [
                    f"{stage} {kind}", f"{used[kind]:,}", f"{fraction[kind]:.0%}",
                    "not run" if counted is None else f"{counted:,}", shown,
                ]
            )  # fmt: skip
        rows.append([f"{stage} CLB", "", f"{fraction['clb']:.0%}", "", ""])
    head = ["", "model, kernel", "of the card, with shell", "open synthesis, kernel (high end)", "FlexLLM, of the card"]
    return _table(head, rows)


def _clocks(found: Mapping[str, Any]) -> list[str]:
    rows = []
    for mhz, at in found["at_clocks"].items():
        model = at["model"]
        rows.append(
            [
                mhz, _number(at["decode_tokens_per_s"], 1), _number(model["decode_tokens_per_s"], 1),
                _number(at["prefill_s"]), _number(model["prefill_latency_s"]),
            ]
        )  # fmt: skip
    head = ["MHz", "decode tokens/s, simulated", "model", "prefill s, simulated", "model"]
    return _table(head, rows)


def _which_wins(rows: Sequence[Mapping[str, Any]], swaps: Sequence[str]) -> list[str]:
    """At which lengths one bitstream is the faster form on one card."""
    lines = []
    for key in swaps:
        won = [f"{r['prompt_tokens']} + {r['output_tokens']}" for r in rows if r["co_resident"] < r[key]]
        lost = [f"{r['prompt_tokens']} + {r['output_tokens']}" for r in rows if r["co_resident"] >= r[key]]
        against = (
            f"Against a swap of {key[5:-2]} s one bitstream is the faster form at {', '.join(won) or 'none of these'}"
        )
        lines.append(f"{against}{', the slower at ' + ', '.join(lost) if lost else ''}.")
    return [*lines, ""]


def _together(found: Mapping[str, Any]) -> list[str]:
    """The design with both kernels in one bitstream."""
    cycles = ", ".join(
        f"{count:,} at position {position}" for position, count in found["simulated_decode_cycles"].items()
    )
    model, clocks = found["model"], found["clock_mhz"]
    prefill = _number(found["simulated_prefill_cycles"], 0)
    rows = [
        ["end to end, s", _number(found["e2e_co_resident_s"]), _number(model["e2e_latency_s"])],
        ["prefill, s", _number(found["prefill_s"]), _number(model["prefill_latency_s"])],
        ["decode, tokens/s", _number(found["decode_tokens_per_s"], 1), _number(model["decode_tokens_per_s"], 1)],
    ]
    used = [
        [
            kind,
            *(f"{found['resources'][stage][kind]:,}" if kind != "clb" else "" for stage in ("prefill", "decode")),
            f"{found['utilization'][kind]:.0%}",
            *(
                "not run" if (count := found["open_synthesis"].get(stage, {}).get(kind)) is None else f"{count:,}"
                for stage in ("prefill", "decode")
                if kind != "clb"
            ),
            *(("", "") if kind == "clb" else ()),
        ]
        for kind in ("lut", "ff", "dsp", "bram_18k", "uram", "clb")
    ]
    lines = [
        f"### One bitstream: `{found['design']}`",
        "",
        "Decode reads 24 HBM channels over ports of 512 bits, faster than a channel delivers; four parts of its lanes share out the",
        "input channels, so that few beats are padding. Prefill has the other 8 channels, and reads gate's weights and its caches from",
        "DDR, the caches over ports half as wide as a word of its attention. Nothing is swapped; the cache is laid out anew between",
        "the stages.",
        "",
        *_table(["1024 + 1024", "timed simulation x clock law", "analytical model"], rows),
        (f"Simulated cycles: prefill {prefill} (model {found['model_cycles']['prefill']:,.0f}); decode "
        f"{cycles or 'not run'} (model {found['model_cycles']['decode']:,.0f} on average)."),
        "",
        (f"Clocks that the clock law grants: prefill {clocks['prefill']:.1f} MHz, decode {clocks['decode']:.1f} MHz, each by the ports of its own"
        " kernel on a card that is full to the cap. If the ports of both held both clocks down, the same law would give"
        f" {found['clock_at_both_ports_mhz']:.0f} MHz and {found['e2e_at_both_ports_s']:.2f} s end to end (model)."),
        "",
        *_table(
            ["", "prefill, model", "decode, model", "of the card, both and shell", "prefill, open synthesis (high end)",
             "decode, open synthesis (high end)"],
            used,
        ),
    ]  # fmt: skip
    return [*lines, *(f"- {message}" for message in (*found["failures"], *found["violations"]))]


def page(record: Mapping[str, Any]) -> str:
    """The whole page."""
    lines = [
        "# Headline: our designs against FlexLLM",
        "",
        "Rebuilt by `make headline` (record in `build/bench/headline.json`); every number below comes from that run. Llama-3.2-1B,",
        "W4A4KV8 with lm_head in 4 bits as FlexLLM, 1024 tokens in and 1024 out, batch 1. The designs are catalog entries:",
        "`flexdse evaluate|generate --design flexdse-u280 --model llama-3.2-1b --device u280 ...`, then `flexdse csim`, `flexdse",
        "simulate`, `flexdse synthesize --backend open`.",
        "",
        "**Nothing here ran on a card, and no vendor tool has seen the code.** Cycles are timed simulation of the generated C++",
        "with derived initiation intervals; clocks are a law through two routed designs of FlexLLM; resources are a structural",
        "model and open synthesis. Non-linear units compute in bf16 (`spec/numerics.md`): what that costs in perplexity is stated there",
        "as an estimate and has not been measured. Open synthesis gives LUTs as a range of a factor of two; the tables show its high",
        "end, which is beyond the cap where the structural model is below it. Where a stage was not simulated the page says `not run`.",
        "",
        "## Bars",
        "",
        *_bars(record),
        "![Decode rate beside its bar and its limit](images/headline.svg)",
        "",
    ]
    for device, found in record["devices"].items():
        lines += [f"## {device.upper()}: `{found['design']}`", "", *_speed(device, found), *_resources(found)]
        ratio = f"{found['energy_ratio']:.2f}"
        energy = (
            f"Energy: {found['model']['decode_energy_j_per_token']['value']:.3f} J a decoded token against "
            f"{found['flexllm']['decode_energy_j_per_token']:.3f} of FlexLLM's design, both by the same power model: {ratio} times."
        )
        lines += [
            energy,
            "",
            "At lower clocks:",
            "",
            *_clocks(found),
        ]
    swaps = [key for key in record["over_lengths"][0] if key.startswith("swap_")]
    lines += [
        "## One bitstream or two",
        "",
        "End to end by the model, seconds, on the U280:",
        "",
        *_table(
            [
                "in",
                "out",
                *(f"two bitstreams, swap {key[5:-2]} s" for key in swaps),
                "one bitstream",
                "two cards, no swap",
            ],
            [
                [
                    str(r["prompt_tokens"]),
                    str(r["output_tokens"]),
                    *(_number(r[key]) for key in swaps),
                    _number(r["co_resident"]),
                    _number(r["two_cards"]),
                ]
                for r in record["over_lengths"]
            ],
        ),
        *_which_wins(record["over_lengths"], swaps),
        *(line for found in record["co_resident"].values() for line in _together(found)),
        "## Other models on the same U280 design",
        "",
        *_table(
            ["model", "decode tokens/s (model)", "prefill s (model)", "refused by"],
            [
                [
                    r["model"],
                    _number(r["decode_tokens_per_s"], 1) if not r["violations"] else "",
                    _number(r["prefill_s"]) if not r["violations"] else "",
                    "; ".join(r["violations"]),
                ]
                for r in record["other_models"]
            ],
        ),
        "`flexdse explore --model NAME --device u280 --prompt-tokens 1024 --output-tokens 1024 --objectives decode_tokens_per_s,prefill_latency_s`",
        "searches a design for each. HMT at 64k context is not part of these designs.",
        "",
        "## What vendor place and route may change",
        "",
        "- **Clock.** The law has two routed points, both of FlexLLM on TAPA with its floorplanner; ours is one kernel a stage over three",
        "  SLRs, without registers on the crossings. 250 and 225 MHz are given above for that reason.",
        "- **Initiation intervals** are derived from the code by our analysis, not by Vitis HLS.",
        "- **Logic.** Open synthesis counts leaf units and memories from RTL of ours that stands for the C++; Vitis may pack",
        "  multiply-accumulates into DSP slices differently, which moves LUTs by tens of thousands.",
        "- **HBM.** A word a cycle and port is assumed from 32 ports at once at the public efficiency of long bursts; refresh and",
        "  switch contention are in that one number.",
        "",
    ]
    return "\n".join(lines)


def figure(record: Mapping[str, Any], path: Path) -> None:
    """Decode rate of each card: FlexLLM, model with band, simulation, bar, limit."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    devices = record["devices"]
    drawn, axes = pyplot.subplots(figsize=(7, 3.2))
    for row, (device, found) in enumerate(devices.items()):
        theirs = found["flexllm"]["measured"] or found["flexllm"]["projected"]
        if "decode_s_per_1k_tokens" in theirs:
            axes.plot(
                1000 / theirs["decode_s_per_1k_tokens"], row, "s", color="0.4", label="FlexLLM" if row == 0 else None
            )
        of_model = found["model"]["decode_tokens_per_s"]
        low, high = (of_model["value"] * (1 + relative) for relative in of_model["band"])
        axes.plot([low, high], [row - 0.12] * 2, color="C0", linewidth=2, label="model, band" if row == 0 else None)
        axes.plot(of_model["value"], row - 0.12, "o", color="C0")
        if found["decode_tokens_per_s"] is not None:
            axes.plot(found["decode_tokens_per_s"], row, "D", color="C2", label="simulated" if row == 0 else None)
        bar = next(b["bar"] for b in record["bars"] if b["device"] == device and b["figure"] == "decode_tokens_per_s")
        axes.plot([bar] * 2, [row - 0.3, row + 0.3], color="C3", linestyle="--", label="bar" if row == 0 else None)
        limit = found["decode_limit_tokens_per_s"]
        axes.plot([limit] * 2, [row - 0.3, row + 0.3], color="k", label="limit of the ports" if row == 0 else None)
    axes.set_yticks(range(len(devices)), [name.upper() for name in devices])
    axes.set_ylim(-0.6, len(devices) - 0.4)
    axes.set_xlim(left=0)
    axes.set_xlabel("decoded tokens/s, Llama-3.2-1B, contexts 1025 to 2048")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    drawn.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(path, metadata={"Date": None})
    pyplot.close(drawn)
