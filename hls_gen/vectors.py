"""Golden vectors of a project: memory images of a seeded checkpoint, and what the reference computes on every tapped stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from hls_gen.golden.forward import GoldenModel, LayerCache, Trace
from hls_gen.golden.fp32 import Fp32
from hls_gen.golden.hmt import MemoryQueue, dot_products, plugin_weights, run_segments
from hls_gen.golden.number_format import NumberFormat, number_format
from hls_gen.golden.quantization import Quotient
from hls_gen.golden.synthetic import synthetic_checkpoint
from hls_gen.packing import Images, cache_words, decode_images, hmt_images, prefill_images
from hls_gen.planning.types import CsimCase, DecodePlan, PrefillPlan, ProjectPlan
from spec.hmt import HmtPlugin
from spec.quantized_checkpoint import QuantizedCheckpoint
from spec.workload import Stage


def _bits(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint32]:
    """fp32 patterns, or integers sign-extended, as 32 bits."""
    if values.dtype == np.float32:
        return np.ascontiguousarray(values).view(np.uint32)
    return values.astype(np.int32).view(np.uint32)


def lane_caches(plan: DecodePlan, caches: list[LayerCache], keys: bool, tokens: int, bits: int) -> list[bytes]:
    """Image of each head lane's cache: lane m has the KV heads m, m + HP, ...; a lane with fewer heads is padded."""
    layout = plan.key_layout if keys else plan.value_layout
    port = plan.head_lanes[0].k_port if keys else plan.head_lanes[0].v_port
    lanes = []
    for lane in range(plan.head_parallelism):
        image = b""
        for cache in caches:
            heads = (cache.keys if keys else cache.values)[:, lane :: plan.head_parallelism]
            padding = plan.lane_heads - heads.shape[1]
            heads = np.pad(heads, ((0, 0), (0, padding), (0, 0)))
            image += cache_words(heads, layout, tokens, bits, port.width_bits)
        lanes.append(image)
    return lanes


def decode_memory(
    plan: DecodePlan,
    checkpoint: QuantizedCheckpoint,
    caches: list[LayerCache],
    tokens: int,
    number: NumberFormat,
) -> Images:
    """Images of all decode ports, with the caches as prefill left them."""
    images = decode_images(plan, checkpoint, tokens, number)
    bits = checkpoint.header.quant_scheme.kv_bits
    for keys in (True, False):
        for lane, image in zip(plan.head_lanes, lane_caches(plan, caches, keys, tokens, bits), strict=True):
            name = (lane.k_port if keys else lane.v_port).name
            images[name] = images.get(name, b"") + image
    return images


def prefill_io(plan: PrefillPlan, x: npt.NDArray[np.float32]) -> bytes:
    """The hidden state `x` (tokens, hidden) as the io port holds it: block, channel, the tokens of the block side by side."""
    tp = plan.token_parallelism
    blocks = -(-len(x) // tp)
    padded = np.zeros((blocks * tp, x.shape[1]), dtype=np.float32)
    padded[: len(x)] = x
    lanes = plan.vector_words * plan.io_port.width_bits // 32
    words = np.zeros((blocks, x.shape[1], lanes), dtype="<f4")
    words[:, :, :tp] = padded.reshape(blocks, tp, -1).transpose(0, 2, 1)
    return words.tobytes()


def _expected(case: CsimCase, trace: Trace) -> npt.NDArray[np.uint32]:
    """The values of a run, from a trace whose arrays are (tokens, channels)."""
    if case.linear.startswith("hmt."):
        return _bits(trace[case.linear][case.first_token : case.first_token + case.lanes].T.reshape(-1))
    if case.linear == "token":
        return _bits(np.asarray(trace["token"]))
    values = trace[case.linear]
    if case.stage == "prefill":
        values = values[case.first_token : case.first_token + case.valid]
        values = np.pad(values, ((0, case.lanes - case.valid), (0, 0)))  # lanes without a token are not compared
    found = _bits(values.T.reshape(-1))
    return np.pad(found, (0, case.values - found.size))  # rows of lm_head that fill its last word: logits of +0


def stream_files(cases: list[CsimCase], traces: list[Trace]) -> Iterator[tuple[str, bytes]]:
    """`streams.txt` and `expected.bin` of a stage; `traces` in parallel with `cases`."""
    lines, parts = [], []
    order = {name: number for number, name in enumerate(dict.fromkeys(case.stream for case in cases))}
    for case, trace in sorted(zip(cases, traces, strict=True), key=lambda pair: order[pair[0].stream]):
        expected = _expected(case, trace)
        assert expected.size == case.values, (case, expected.size)
        lines.append(
            f"{case.stream} {case.module} {case.linear} {case.first_token} {case.lanes} {case.valid} {case.values}\n"
        )
        parts.append(expected.astype("<u4").tobytes())
    yield "streams.txt", "".join(lines).encode()
    yield "expected.bin", b"".join(parts)


def golden_model(plan: ProjectPlan, checkpoint: QuantizedCheckpoint) -> GoldenModel:
    """The reference with the quantizers and the number format of the design."""
    number = number_format(plan.nonlinear_format)
    return GoldenModel(checkpoint, Quotient(plan.prefill.quotient), Quotient(plan.decode.quotient), number)


def prefill_windows(
    plan: ProjectPlan, golden: GoldenModel, token_ids: Sequence[int], hmt: HmtPlugin | None
) -> list[Trace]:
    """The trace of each prefill that a prompt takes; the reference then has the caches with which decode begins.

    With an HMT plug-in the traces also hold what it does before (`hmt.window`), and between windows (`hmt.query`, ...).
    """
    if hmt is None:
        return [golden.prefill(token_ids)]
    traces: list[Trace] = []
    last = f"layer.{golden.checkpoint.model.n_layers - 1}.residual_2"

    def prefill(rows: Fp32) -> Fp32:
        golden.forget()
        traces.append({**golden.prefill_rows(rows), "hmt.window": rows})
        return np.asarray(traces[-1][last], dtype=np.float32)

    weights = plugin_weights(plan.seed, golden.checkpoint.model.hidden_dim)
    queue = MemoryQueue(weights.w_q, weights.w_k, hmt.memories)
    for done in run_segments(hmt, queue, golden.embedded(token_ids), weights.outer, prefill):
        row = done.result[done.window.read_back]
        found = done.retrieval
        if found is None:
            traces[-1] |= {"hmt.memory": row[None], "hmt.key": dot_products(row, weights.w_k)[None]}
        else:
            values: Trace = {
                "query": found.query,
                "scores": found.scores,
                "weights": found.weights,
                "prompt": found.prompt,
            }
            traces[-1] |= {f"hmt.{name}": value[None] for name, value in values.items()}
    golden.forget(hmt.kept_tokens(len(token_ids)))
    return traces


def _prompt_images(plan: ProjectPlan, golden: GoldenModel, token_ids: Sequence[int]) -> Images:
    """Where the prompt lies: in the hidden state, or before an HMT plug-in on the port that it reads."""
    prompt, hmt = golden.embedded(token_ids), plan.prefill.hmt
    if hmt is None:
        return {plan.prefill.io_port.name: prefill_io(plan.prefill, prompt)}
    images = hmt_images(hmt, plan.seed, golden.checkpoint.model)
    images[hmt.io_port.name] += prompt.astype("<f4").tobytes()
    return images


def make_vectors(plan: ProjectPlan) -> Iterator[tuple[str, bytes]]:
    """(path in the project, content) of each file."""
    csim = plan.csim
    checkpoint = synthetic_checkpoint(csim.model, plan.scheme, plan.seed)
    golden = golden_model(plan, checkpoint)
    windows = prefill_windows(plan, golden, csim.token_ids[:-1], csim.hmt)
    prompt_caches = [LayerCache(cache.keys, cache.values) for cache in golden.caches]
    by_stage: dict[Stage, tuple[list[CsimCase], list[Trace]]] = {"prefill": ([], []), "decode": ([], [])}
    steps: list[Trace] = []
    token = csim.first_token
    for _ in range(csim.decode_tokens):
        step = golden.decode(token)
        steps.append(step.trace)
        token = step.token
    for case in csim.cases:
        cases, traces = by_stage[case.stage]
        cases.append(case)
        traces.append(windows[case.window] if case.stage == "prefill" else steps[case.first_token - csim.position])
    images: dict[Stage, Images] = {
        "prefill": {
            **prefill_images(plan.prefill, checkpoint, golden.number),
            **_prompt_images(plan, golden, csim.token_ids[:-1]),
        },
        "decode": decode_memory(plan.decode, checkpoint, prompt_caches, plan.max_tokens, golden.number),
    }
    for stage, (cases, traces) in by_stage.items():
        ports = (plan.prefill if stage == "prefill" else plan.decode).ports
        for port in ports:
            if port.image_words:
                image = images[stage][port.name]
                assert len(image) * 8 == port.image_words * port.width_bits, (stage, port.name, len(image), port)
                yield f"vectors/{stage}/images/{port.name}.bin", image
        for name, content in stream_files(cases, traces):
            yield f"vectors/{stage}/{name}", content
