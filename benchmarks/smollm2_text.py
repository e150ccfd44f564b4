"""SmolLM2-135M through the generated C++: `make smollm2-text`, written to build/bench/smollm2_text.json.

For each of W4A8KV8 and W8A8KV8: generate the project of examples/designs, pack the quantized checkpoint, run the host program
on the fake device, once with every tapped stream compared with the golden reference, once for the pace. The
checkpoints come from `make quantized-smollm2`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from benchmarks.record import bench_record
from hls_gen.plan import plan_project
from hls_gen.project import generate_project
from hls_gen.text import write_golden, write_images
from hls_gen.toolchain.host_run import build_host, run_host
from spec.catalog import load_device, load_model, resolve_design
from spec.quantized_checkpoint import TOKENIZER_FILE, load_checkpoint
from spec.workload import Workload

SCHEMES = ("w4a8kv8", "w8a8kv8")
QUESTION = "What is gravity? Please explain it to a child, in one or two short sentences, with one good example."
PROMPT = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
PROMPT_TOKENS = 32
BAR_TOKENS_PER_S = 3.0
BAR_COMPILE_S = 60.0


def run(scheme: str, checkpoint_dir: Path, folder: Path, tokens: int) -> dict[str, Any]:
    """Both runs of one scheme; what they gave and took."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(checkpoint_dir / TOKENIZER_FILE))
    prompt = tokenizer.encode(PROMPT, add_special_tokens=False).ids
    assert len(prompt) == PROMPT_TOKENS
    model, device = load_model("smollm2-135m"), load_device("u280")
    design = resolve_design(f"examples/designs/smollm2-{scheme}.yaml")
    workload = Workload(prompt_tokens=len(prompt), output_tokens=tokens)
    project, images, golden = folder / "project", folder / "images", folder / "golden"
    started = time.monotonic()
    generate_project(design, model, device, workload, project, force=True)
    generate_s = time.monotonic() - started
    plan = plan_project(design, model, device, workload)
    checkpoint = load_checkpoint(checkpoint_dir)
    write_images(plan, checkpoint, images)
    started = time.monotonic()
    build_host(project)
    compile_s = time.monotonic() - started
    expected = write_golden(plan, checkpoint, prompt, tokens, golden)
    compared = run_host(project, images, prompt, tokens, golden=golden)
    timed = run_host(project, images, prompt, tokens)
    return {
        "scheme": scheme,
        "prompt_tokens": len(prompt),
        "bar_compile_s": BAR_COMPILE_S,
        "tokens_equal": compared.tokens == expected == timed.tokens,
        "compared_values": compared.compared_values,
        "text": tokenizer.decode(list(timed.tokens)),
        "generate_s": generate_s,
        "compile_s": compile_s,
        "decode_tokens_per_s": tokens / timed.seconds["decode"],
        "decode_tokens_per_cpu_s": tokens / timed.cpu_seconds["decode"],
        "prefill_s": timed.seconds["prefill"],
    }


def main() -> None:
    """Write build/bench/smollm2_text.json; exit code 1 where a value differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder with one checkpoint folder a scheme")
    parser.add_argument("--tokens", type=int, default=24)
    arguments = parser.parse_args()
    record = bench_record(seed=None)
    folder = Path("build/smollm2-text")
    runs = []
    for scheme in SCHEMES:
        found = sorted(arguments.checkpoints.glob(f"*{scheme}*"))
        if not found:
            raise SystemExit(
                f"no checkpoint of {scheme} below {arguments.checkpoints}: make quantized-smollm2 writes them"
            )
        runs.append(run(scheme, found[0], folder / scheme, arguments.tokens))
        print(json.dumps(runs[-1], indent=1))
    slowest = min(row["decode_tokens_per_cpu_s"] for row in runs)  # on one core, whatever else the machine does
    document = {**record, "runs": runs, "reference": BAR_TOKENS_PER_S, "ratio": slowest / BAR_TOKENS_PER_S}
    target = Path("build/bench/smollm2_text.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document, indent=1) + "\n")
    if not all(row["tokens_equal"] for row in runs):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
