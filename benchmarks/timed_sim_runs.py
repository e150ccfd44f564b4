"""Random legal designs, generated and simulated with time; what was simulated once is kept by its source.

The cycles of a project depend on its C++, the workload and the simulator alone, so a run is kept under the hash of these and
found again whatever became of the cost model in the meantime.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import hls_gen.intervals
import hls_gen.simulate
from hls_gen.plan import plan_project
from hls_gen.project import generate_project
from hls_gen.random_designs import random_project
from hls_gen.render import render
from hls_gen.simulate.project import simulate_project
from spec.catalog import load_device, load_model
from spec.design_point import DesignPoint
from spec.device import Device
from spec.model_config import ModelConfig
from spec.timing import DEFAULT_TIMING_TABLE
from spec.workload import Workload

RUNS = Path("build/bench/timed-sim-runs")
# A tiny model of odd dimensions, and the catalog's from 135 million parameters to Llama-3.2-1B.
MODELS = ("tiny", "smollm2-135m", "qwen2.5-0.5b", "smollm2-360m", "qwen3-0.6b", "tinyllama-1.1b", "llama-3.2-1b")


@dataclass(frozen=True, slots=True)
class SimulatedDesign:
    """A random design with its two workloads: prefill of `prompt_tokens` - 1 tokens, one decoded token at `context`."""

    number: int
    design: DesignPoint
    model: ModelConfig
    device: Device
    prompt_tokens: int
    context: int

    @property
    def prefill_workload(self) -> Workload:
        """Its prefill is what is simulated."""
        return Workload(prompt_tokens=self.prompt_tokens, output_tokens=2)

    @property
    def decode_workload(self) -> Workload:
        """The second output token attends to `context` + 1 keys, as the simulated one at that position."""
        return Workload(prompt_tokens=self.context, output_tokens=2)


def drawn(number: int, seed: int) -> SimulatedDesign:
    """Design `number` of a series, legal and accepted by the generator."""
    rng = np.random.default_rng([seed, number])
    name = MODELS[number % len(MODELS)]
    model = tiny_model() if name == "tiny" else load_model(name)
    device = load_device("u280")
    longest = min(1024, model.max_context_tokens - 2)
    prompt_tokens, context = int(rng.integers(20, 90)), int(rng.integers(32, longest))
    # bf16 units differ in the depths of their pipelines alone, and take several times as long to derive.
    design = random_project(rng, model, device, number).design.model_copy(update={"nonlinear_format": "fp32"})
    return SimulatedDesign(number, design, model, device, prompt_tokens, context)


def tiny_model() -> ModelConfig:
    """Two layers of odd dimensions, with biases and a small vocabulary."""
    return ModelConfig(
        name="tiny",
        title="A tiny model",
        hidden_dim=192,
        n_layers=2,
        n_q_heads=6,
        n_kv_heads=3,
        head_dim=32,
        ffn_dim=512,
        vocab_size=4099,
        max_context_tokens=2048,
        tied_embeddings=True,
        rms_norm_eps=1e-5,
        rope_theta=10000.0,
        qkv_bias=True,
    )


def bound_by_gate(number: int, quantizer_fifo_depth: int | None) -> SimulatedDesign:
    """A tiny design with a streaming transform whose slowest modules of prefill are gate and up."""
    one = drawn(7, 0)
    document = one.design.model_dump(mode="json")
    prefill = document["prefill"]
    prefill |= dict.fromkeys(("qkvo_weight_parallelism", "ffn_weight_parallelism"), 48)
    prefill |= {"token_parallelism": 8, "key_parallelism": 16}
    prefill["modules"] |= {"quantizer_fifo_depth": quantizer_fifo_depth, "vector_fifo_depth": 8}
    for port in document["memory_map"]["ports"]:
        if port["stage"] == "prefill" and port["name"].startswith("w_"):
            port["width_bits"] = 256
        if port["stage"] == "prefill" and port["name"] == "k_cache":
            port["width_bits"] = 128
    return replace(one, number=number, design=DesignPoint.model_validate(document))


def with_parts(number: int, d_in_splits: int, weight_parallelism: int) -> SimulatedDesign:
    """A design of the tiny model with lanes of decode that share out input channels, and scales that keep pace with them."""
    one = drawn(number, 0)
    document = one.design.model_dump(mode="json")
    decode = document["decode"]
    decode |= {"weight_parallelism": weight_parallelism, "engine_splits": d_in_splits}
    decode["modules"]["d_in_splits"] = d_in_splits
    for port in document["memory_map"]["ports"]:
        if port["name"] == "scales":
            port["width_bits"] = 512
    return replace(one, design=DesignPoint.model_validate(document))


def simulated(one: SimulatedDesign, folder: Path = RUNS) -> dict[str, Any]:
    """The stages of its simulation report by name, from `folder` if they are there; `cpu_s` of the run that made them."""
    workload = Workload(prompt_tokens=max(one.prompt_tokens, one.context), output_tokens=2)
    key = source_key(one, workload)
    path = folder / f"{key}.json"
    if path.is_file():
        return dict(json.loads(path.read_text()))
    started = time.process_time()
    with tempfile.TemporaryDirectory(prefix="flexdse-bench-") as scratch:
        project = generate_project(
            one.design, one.model, one.device, workload, Path(scratch) / "p", seed=one.number, vectors=False
        )
        report = simulate_project(project, prompt_tokens=one.prompt_tokens, position=one.context, timeout_s=3600)
    document: dict[str, Any] = {
        "number": one.number,
        "source_key": key,
        "cpu_s": time.process_time() - started,
        "seconds": report.seconds,
        "stages": {stage.stage: stage.model_dump(mode="json") for stage in report.stages},
    }
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{one.number}.partial")
    partial.write_text(json.dumps(document))
    partial.replace(path)
    return document


def source_key(one: SimulatedDesign, workload: Workload) -> str:
    """Hash of all that the cycles depend on: the kernels' text, ports, tokens, timing table, simulator and intervals."""
    plan = plan_project(one.design, one.model, one.device, workload, one.number)
    texts = {name: text for name, text in render(plan).items() if name.startswith(("src/", "include/"))}
    simulator = [
        path.read_text()
        for package in (hls_gen.simulate, hls_gen.intervals)
        for path in sorted(Path(package.__file__ or "").parent.rglob("*"))
        if path.suffix in {".py", ".hpp", ".cpp", ".h"}
    ]
    ports = one.design.memory_map.model_dump_json() + one.design.clock_target_mhz.model_dump_json()
    numbers = f"{one.prompt_tokens} {one.context} {one.model.n_layers} {one.model.vocab_size}"
    timing = DEFAULT_TIMING_TABLE.model_dump_json()
    parts = [*(f"{name}\0{text}" for name, text in sorted(texts.items())), *simulator, ports, numbers, timing]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


STORED = Path("tests/cost_models/simulated_designs.json")
STORED_NUMBERS = (0, 7, 14, 21)  # of the tiny model: seconds each


def main() -> None:
    """Simulate the designs that the tests compare the laws with, and store their cycles: `python -m benchmarks.timed_sim_runs`."""
    stored = []
    chosen = [drawn(number, 0) for number in STORED_NUMBERS] + [with_parts(21, 2, 16)]
    chosen += [bound_by_gate(7, None), bound_by_gate(7, 8)]
    for one in chosen:
        run = simulated(one)
        stored.append(
            {
                "design": one.design.model_dump(mode="json"),
                "prompt_tokens": one.prompt_tokens,
                "context": one.context,
                "source_key": run["source_key"],
                "cycles": {stage: report["cycles"] for stage, report in run["stages"].items()},
            }
        )
        print(one.number, stored[-1]["cycles"], flush=True)
    document = {"model": tiny_model().model_dump(mode="json"), "device": "u280", "designs": stored}
    STORED.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
