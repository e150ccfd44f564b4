"""A text through the generated kernels: images of a quantized checkpoint, golden streams of the whole run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from hls_gen.golden.forward import Trace
from hls_gen.golden.number_format import number_format
from hls_gen.packing import decode_images, hmt_images, prefill_images
from hls_gen.planning.csim import planned_cases
from hls_gen.planning.types import CsimPlan, ProjectPlan
from hls_gen.vectors import golden_model, prefill_windows, stream_files
from spec.errors import InputError
from spec.quantized_checkpoint import QuantizedCheckpoint
from spec.workload import STAGES


def check_same_model(plan: ProjectPlan, checkpoint: QuantizedCheckpoint) -> None:
    """Raise if the checkpoint is of another model or scheme than the project.

    Raises:
        InputError: names the first difference.
    """
    sizes = (
        "hidden_dim",
        "n_layers",
        "n_q_heads",
        "n_kv_heads",
        "head_dim",
        "ffn_dim",
        "vocab_size",
        "qkv_bias",
        "qk_norm",
    )
    for name in sizes:
        ours, theirs = getattr(plan.model, name), getattr(checkpoint.model, name)
        if ours != theirs:
            raise InputError(
                f"the checkpoint is of another model: its {name} is {theirs}",
                field=f"checkpoint.{name}",
                value=theirs,
                rule=f"{name} = {ours}, as of the project",
                hint="quantize the model that the project was generated for",
            )
    numbers = (
        "weight_bits",
        "activation_bits",
        "activation_symmetry",
        "kv_bits",
        "attention_bits",
        "online_hadamard",
        "hadamard_block",
    )
    for name in numbers:
        ours, theirs = getattr(plan.scheme, name), getattr(checkpoint.header.quant_scheme, name)
        if ours != theirs:
            raise InputError(
                f"the checkpoint has another quantization: its {name} is {theirs}",
                field=f"checkpoint.quant_scheme.{name}",
                value=theirs,
                rule=f"{name} = {ours}, as of the project",
                hint="quantize the model with the scheme of the design",
            )


def write_images(plan: ProjectPlan, checkpoint: QuantizedCheckpoint, folder: Path) -> int:
    """Write `<stage>/<port>.bin` for every port that has an image; bytes written.

    Raises:
        InputError: the checkpoint does not fit the project.
    """
    check_same_model(plan, checkpoint)
    number = number_format(plan.nonlinear_format)
    written = 0
    images = {
        "prefill": prefill_images(plan.prefill, checkpoint, number),
        "decode": decode_images(plan.decode, checkpoint, plan.max_tokens, number),
    }
    if plan.prefill.hmt is not None:
        images["prefill"] |= hmt_images(plan.prefill.hmt, plan.seed, plan.model)
    for stage, files in images.items():
        (folder / stage).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / stage / f"{name}.bin").write_bytes(content)
            written += len(content)
    return written


def write_golden(
    plan: ProjectPlan, checkpoint: QuantizedCheckpoint, prompt: Sequence[int], count: int, folder: Path
) -> tuple[int, ...]:
    """Run the reference on a prompt and write the golden streams of the whole run; the tokens that it chose."""
    golden = golden_model(plan, checkpoint)
    hmt = None if plan.prefill.hmt is None else plan.prefill.hmt.plugin
    windows = prefill_windows(plan, golden, prompt[:-1], hmt)
    steps: list[Trace] = []
    tokens: list[int] = []
    token = prompt[-1]
    for _ in range(count):
        step = golden.decode(token)
        steps.append(step.trace)
        token = step.token
        tokens.append(token)
    run = CsimPlan(plan.model, len(prompt) - 1, count, tuple(prompt), hmt=hmt)
    run = dataclasses.replace(run, cases=planned_cases(plan.prefill, plan.decode, run, plan.scheme))
    for stage in STAGES:
        cases = [case for case in run.cases if case.stage == stage]
        traces = [windows[c.window] if stage == "prefill" else steps[c.first_token - run.position] for c in cases]
        (folder / stage).mkdir(parents=True, exist_ok=True)
        for name, content in stream_files(cases, traces):
            (folder / stage / name).write_bytes(content)
    return tuple(tokens)
