"""FlexLLM's measured stages against timed simulation of the same design in our library: `make bench-flexllm-truth`.

The catalog design `flexllm-u280` has the parallelisms, ports and formats of FlexLLM's bitstreams; the project generated from it is our
library's C++, not theirs. Its cycles are simulated and taken at the clocks that FlexLLM measured, so that no clock law enters.
Writes build/bench/flexllm-truth.json and a section of docs/simulation.md; exits with 1 where a stage was not simulated. There is no bar.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.page_section import put_section
from benchmarks.record import bench_record
from hls_gen.project import generate_project
from hls_gen.simulate.project import simulate_project
from spec.catalog import load_device, load_model, load_published_design
from spec.simulation_report import SimulatedStage
from spec.workload import Workload

RESULT = Path("build/bench/flexllm-truth.json")
PAGE = Path("docs/simulation.md")
SECTION = "flexllm-truth"
DESIGN, DEVICE, MODEL = "flexllm-u280", "u280", "llama-3.2-1b"
TOKENS = 1024
# First, middle and last token behind a prompt of TOKENS; Simpson's weights, as cycles grow by parts that are linear in the context.
POSITIONS = ((TOKENS, 1), (TOKENS + TOKENS // 2, 4), (2 * TOKENS - 1, 1))
_CRITICAL = 3  # parts of a critical path that the page names
_TEXT = """
## FlexLLM's measured stages

Measured are whole stages of bitstreams (catalog entry `{design}`, with sources); simulated is the project that is generated for the
same design, at the clocks they measured. Rebuilt by `make bench-flexllm-truth`.

| stage | FlexLLM, measured | timed simulation | difference | cycles simulated |
|---|---|---|---|---|
| prefill of {tokens} tokens, s | {prefill_measured:.2f} | {prefill:.2f} | {prefill_difference:+.1%} | {prefill_cycles:,} |
| decode, ms a token, mean over contexts {first} to {last} | {decode_measured:.2f} | {decode:.2f} | {decode_difference:+.1%} | {decode_cycles:,} |

What matches their task graph: the parallelisms of every engine, int4 weights and lm_head, int8 KV cache, ports and their widths, the serial
Hadamard transforms, one decoded token after the other, projections and attention in series. What does not: arrays are built as rows of
elements, not as an element a process; our serial Hadamard transform works on one buffer, a butterfly of two words in two cycles;
parameters and states travel as our library packs them; the number of tokens behind their "1k" and the prompt of their decode runs are
not published. Of the difference in decode, which of these makes how much is not known. The critical path of prefill's longest step, of
{step_cycles:,} cycles, runs through {critical}.

| step of a decoded token | times | cycles each |
|---|---:|---:|
{steps}
"""


def simulated(project: Path) -> tuple[SimulatedStage, list[SimulatedStage]]:
    """Prefill, and decode at each of POSITIONS."""
    runs = [simulate_project(project, prompt_tokens=TOKENS, stages=("prefill",)).stage("prefill")]
    runs += [
        simulate_project(project, position=position, stages=("decode",)).stage("decode") for position, _ in POSITIONS
    ]
    whole = [run for run in runs if run is not None and run.cycles is not None]
    if len(whole) < len(runs):
        sys.exit(f"{DESIGN}: a stage was not simulated: {[run.failure for run in runs if run is not None]}")
    return whole[0], whole[1:]


def record_of(prefill: SimulatedStage, decode: list[SimulatedStage], measured: dict[str, float]) -> dict[str, Any]:
    """Cycles, seconds at the measured clocks and their relation to the measured ones."""
    weights = [weight for _, weight in POSITIONS]
    cycles = sum(w * (run.cycles or 0) for w, run in zip(weights, decode, strict=True)) / sum(weights)
    prefill_s = (prefill.cycles or 0) / (measured["prefill_clock_mhz"] * 1e6)
    longest = max(prefill.steps, key=lambda step: step.times * step.cycles)
    decode_s = cycles / (measured["decode_clock_mhz"] * 1e6)
    return {
        **bench_record(seed=None),
        "reference": "FlexLLM on the U280 (arXiv 2601.15710), measured",
        "ratio": decode_s / measured["tpot_s"],
        "measured": measured,
        "prefill": {
            "cycles": prefill.cycles,
            "step_cycles": longest.cycles,
            "critical": [{"process": part.name, "cycles": part.cycles} for part in longest.critical[:_CRITICAL]],
            "latency_s": prefill_s,
            "ratio": prefill_s / measured["prefill_latency_s"],
        },
        "decode": {
            "cycles": cycles,
            "tpot_s": decode_s,
            "ratio": decode_s / measured["tpot_s"],
            "positions": {p: run.cycles for (p, _), run in zip(POSITIONS, decode, strict=True)},
            "steps": [{"step": s.name, "times": s.times, "cycles": s.cycles} for s in decode[1].steps],
        },
    }


def section(record: dict[str, Any]) -> str:
    """The section of the page."""
    prefill, decode, measured = record["prefill"], record["decode"], record["measured"]
    return _TEXT.format(
        design=DESIGN,
        tokens=f"{TOKENS:,}",
        first=f"{POSITIONS[0][0] + 1:,}",
        last=f"{POSITIONS[-1][0] + 1:,}",
        prefill_measured=measured["prefill_latency_s"],
        prefill=prefill["latency_s"],
        prefill_difference=prefill["ratio"] - 1,
        prefill_cycles=prefill["cycles"],
        step_cycles=prefill["step_cycles"],
        critical=", ".join(f"`{part['process'].split('<')[0]}` ({part['cycles']:,})" for part in prefill["critical"]),
        decode_measured=1000 * measured["tpot_s"],
        decode=1000 * decode["tpot_s"],
        decode_difference=decode["ratio"] - 1,
        decode_cycles=round(decode["cycles"]),
        steps="\n".join(f"| {s['step']} | {s['times']} | {s['cycles']:,} |" for s in decode["steps"]),
    )


def main() -> int:
    """Runs the comparison."""
    catalog = load_published_design(DESIGN)
    names = ("prefill_latency_s", "tpot_s", "prefill_clock_mhz", "decode_clock_mhz")
    measured = {name: catalog.measured[name] for name in names}
    with tempfile.TemporaryDirectory(prefix="flexdse-bench-") as scratch:
        workload = Workload(prompt_tokens=TOKENS, output_tokens=TOKENS)
        project = generate_project(
            catalog.design, load_model(MODEL), load_device(DEVICE), workload, Path(scratch) / "project", vectors=False
        )
        record = record_of(*simulated(project), measured)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(record, indent=1) + "\n")
    put_section(PAGE, SECTION, section(record))
    print(json.dumps({stage: record[stage]["ratio"] for stage in ("prefill", "decode")}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
