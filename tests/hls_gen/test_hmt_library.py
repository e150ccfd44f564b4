"""The HMT plug-in: its golden reference against plain float attention and exact arithmetic, its headers against the reference."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hls_gen.golden import hmt as golden
from hls_gen.golden.fp32 import Fp32
from spec.hmt import HmtPlugin
from tests.hls_gen.exact import Exact, as_lines, exacts, fp32_rows, hex_of, whole

Case = dict[str, Any]


def plugin(**fields: int) -> HmtPlugin:
    sizes = {
        "segment_tokens": 7, "summary_tokens": 4, "recall_tokens": 3, "memories": 8, "max_segments": 8,
        "block_parallelism": 2, "weight_parallelism": 2, "window_multiple": 4,
    }  # fmt: skip
    return HmtPlugin(**{**sizes, **fields})


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Fp32:
    return (rng.standard_normal(shape) * scale).astype(np.float32)


# --- the reference


def exact_dot(x: list[Exact], weights: list[Exact]) -> Exact:
    """numerics.md, "HMT", as it is written there: eight sums, then pairs."""
    sums = [whole(0)] * 8
    for k, (a, w) in enumerate(zip(x, weights, strict=True)):
        sums[k % 8] = sums[k % 8] + a * w
    even, odd = (sums[0] + sums[4]) + (sums[2] + sums[6]), (sums[1] + sums[5]) + (sums[3] + sums[7])
    return even + odd


def test_dot_products_equal_exact_arithmetic() -> None:
    rng = np.random.default_rng(1)
    x, weights = normal(rng, 40, scale=30), normal(rng, 12, 40)
    weights[0], weights[1, ::2] = 0, -weights[1, ::2]
    weights[2] *= np.float32(2.0**-120)  # products that are subnormal
    expected = [exact_dot(exacts(hex_of(x)), exacts(hex_of(row))).hex for row in weights]
    assert hex_of(golden.dot_products(x, weights)) == expected


class PlainAttention:
    """HMT's retrieval in float64, as the paper writes it: softmax(q K^T / sqrt(d)) M over the memories that there are."""

    def __init__(self, w_q: Fp32, w_k: Fp32, slots: int) -> None:
        self.w_q, self.w_k, self.slots = w_q.astype(np.float64), w_k.astype(np.float64), slots
        self.memories: list[np.ndarray] = []

    def remember(self, memory: Fp32) -> None:
        self.memories = [*self.memories, memory.astype(np.float64)][-self.slots :]

    def retrieve(self, summary: Fp32) -> np.ndarray:
        query = self.w_q @ summary
        memories = np.stack(self.memories)
        scores = memories @ self.w_k.T @ query / math.sqrt(len(query))
        weights = np.exp(scores - scores.max())
        found: np.ndarray = weights @ memories / weights.sum()
        return found


@pytest.mark.parametrize(("d", "slots", "spread"), [(64, 8, 1.0), (64, 16, 6.0), (128, 8, 0.1)])
def test_retrieval_approximates_plain_attention(d: int, slots: int, spread: float) -> None:
    """Over the filling and the overwritten queue: 16-bit weights cost at most 2^-16 of a memory's spread each."""
    rng = np.random.default_rng(2)
    w_q, w_k, _ = golden.random_weights(rng, d)
    queue, plain = golden.MemoryQueue(w_q, w_k, slots), PlainAttention(w_q, w_k, slots)
    for _ in range(slots + 5):
        memory, summary = normal(rng, d, scale=spread), normal(rng, d, scale=spread)
        queue.remember(memory)
        plain.remember(memory)
        found, expected = queue.retrieve(summary), plain.retrieve(summary)
        bound = slots * 2.0**-16 * np.abs(queue.memories).max() + 2e-5 * np.abs(expected).max()
        assert np.abs(found.prompt - expected).max() < bound
        assert found.weights.max() == 2**16 - 1
        assert (found.weights[queue.filled :] == 0).all()
        assert found.weight_sum == found.weights.sum()


@pytest.mark.parametrize("tokens", [3, 7, 8, 21, 25])
def test_segments_follow_the_definition(tokens: int) -> None:
    """Every window of a prompt beside a plain construction, around a stand-in of prefill; sizes are those that are priced."""
    hmt = plugin()
    rng = np.random.default_rng(3)
    d = 16
    prompt, outer = normal(rng, tokens, d), normal(rng, d)
    w_q, w_k, _ = golden.random_weights(rng, d)
    plain = PlainAttention(w_q, w_k, hmt.memories)

    def prefill(rows: Fp32) -> Fp32:
        total = np.cumsum(rows.astype(np.float64), axis=0)  # each row depends on all before it, as in a causal model
        return np.tanh(total).astype(np.float32)

    found = list(golden.run_segments(hmt, golden.MemoryQueue(w_q, w_k, hmt.memories), prompt, outer, prefill))
    segments = [prompt[i : i + 7] for i in range(0, tokens, 7)]
    vector, at = outer.astype(np.float64), 0
    for number, segment in enumerate(segments):
        if number > 0:
            expected = np.concatenate([outer[None], segment[:4], outer[None]])
            one = found[at]
            assert (one.window.rows[: len(expected)] == expected).all()
            assert (one.window.rows[len(expected) :] == 0).all()
            vector = plain.retrieve(one.result[len(expected) - 1])
            assert one.retrieval is not None
            assert np.allclose(one.retrieval.prompt, vector, rtol=0, atol=1e-3)
            at += 1
        recall = segments[number - 1][-3:] if number > 0 else np.zeros((3, d), np.float32)
        expected = np.concatenate([vector[None], recall, segment, vector[None]])
        one = found[at]
        assert np.allclose(one.window.rows[: len(expected)], expected, rtol=0, atol=1e-3)
        assert (one.window.rows[len(expected) :] == 0).all()
        plain.remember(one.result[len(expected) - 1])
        at += 1
    assert at == len(found)
    rows = [len(one.window.rows) for one in found]
    assert sorted(rows) == sorted(w.rows for w in hmt.windows(tokens) for _ in range(w.count))


# --- the headers


def rows_of(values: Fp32) -> list[Any]:
    return fp32_rows(values)


def engine_case(rng: np.random.Generator, d_in: int, d_out: int, scale: float) -> Case:
    x, weights = normal(rng, d_in, scale=scale), normal(rng, d_out, d_in)
    return {"x": hex_of(x), "weights": rows_of(weights), "y": hex_of(golden.dot_products(x, weights))}


def queue_case(rng: np.random.Generator, d: int, slots: int, count: int) -> Case:
    w_q, w_k, _ = golden.random_weights(rng, d)
    queue = golden.MemoryQueue(w_q, w_k, slots)
    memories, summaries = normal(rng, count, d, scale=2), normal(rng, count, d, scale=2)
    found = []
    for memory, summary in zip(memories, summaries, strict=True):
        queue.remember(memory)
        found.append(queue.retrieve(summary))
    return {
        "scale": hex_of(np.array([1 / math.sqrt(d)], np.float32))[0],
        "w_q": rows_of(w_q), "w_k": rows_of(w_k), "memories": rows_of(memories), "summaries": rows_of(summaries),
        "keys": rows_of(np.stack([golden.dot_products(memory, w_k) for memory in memories])),
        "queries": rows_of(np.stack([one.query for one in found])),
        "scores": rows_of(np.stack([one.scores for one in found])),
        "weights": [one.weights.tolist() for one in found],
        "prompts": rows_of(np.stack([one.prompt for one in found])),
    }  # fmt: skip


def window_case(rng: np.random.Generator, d: int, rows: int, zeros: int, count: int) -> Case:
    """Memory: six rows, of which one is the outer row, then the prompt."""
    memory = normal(rng, 6 + count, d)
    parts = [memory[2:3], np.zeros((zeros, d), np.float32), memory[6:], memory[2:3]]
    window = np.concatenate([*parts, np.zeros((rows - 2 - zeros - count, d), np.float32)])
    return {
        "memory": rows_of(memory), "rows": rows_of(window), "outer_row": 2, "zero_rows": zeros, "prompt_row": 6,
        "prompt_rows": count, "read_back": 1 + zeros + count,
    }  # fmt: skip


@pytest.fixture(scope="module")
def cases() -> dict[str, list[Case]]:
    rng = np.random.default_rng(11)
    return {
        "engine": [
            *(engine_case(rng, d_in, d_out, 1.0) for d_in, d_out in ((8, 4), (16, 32), (24, 12), (240, 32), (48, 64))),
            engine_case(rng, 32, 64, 1e30),
            engine_case(rng, 24, 24, 1e-38),
        ],
        "queue": [queue_case(rng, 16, 8, 11), queue_case(rng, 32, 16, 18), queue_case(rng, 24, 24, 3)],
        "window": [
            window_case(rng, 16, 8, 0, 5), window_case(rng, 16, 16, 3, 4), window_case(rng, 16, 8, 0, 0),
            window_case(rng, 24, 24, 2, 9), window_case(rng, 24, 12, 0, 10),
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def program(gxx: Any, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C++ test in the strict mode of C simulation."""
    program = tmp_path_factory.mktemp("hmt") / "strict"
    compiled = gxx("-O0", library / "test" / "test_hmt.cpp", "-o", program)
    assert compiled.returncode == 0, compiled.stderr[-3000:]
    return program


def run(program: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.needs_program("g++")
def test_headers_equal_the_reference(program: Path, cases: dict[str, list[Case]], tmp_path: Path) -> None:
    (tmp_path / "cases").write_text(as_lines(cases))
    finished = run(program, tmp_path / "cases")
    assert finished.stdout == f"hmt: ok, {sum(map(len, cases.values()))} cases\n", finished.stderr[-2000:]
    # The comparison bites: the last word of a case, one bit off.
    for section in cases:
        line = as_lines({section: cases[section][:1]}).strip()
        head, word = line.rsplit(" ", 1)
        (tmp_path / section).write_text(f"{head} {int(word, 16) ^ 1:08x}\n")
        assert run(program, tmp_path / section).returncode == 1, section


@pytest.mark.needs_program("g++")
@pytest.mark.parametrize(
    ("mistake", "code", "says"),
    [
        ("no_inverse", 86, "process normalise_prompt waits to read test.inverse (empty, depth 1)"),
        ("ragged_vector", 87, "d_in must be a multiple of 8"),
        ("crowded_window", 87, "a window has room for its rows"),
    ],
)
def test_mistakes_stop(mistake: str, code: int, says: str, program: Path) -> None:
    stopped = run(program, "none", mistake)
    assert (stopped.returncode, says in stopped.stderr) == (code, True), stopped.stderr


@pytest.mark.slow
@pytest.mark.needs_program("g++")
def test_headers_equal_the_reference_in_the_fast_mode(
    gxx: Any, library: Path, cases: dict[str, list[Case]], tmp_path: Path
) -> None:
    compiled = gxx("-DFLEXDSE_FAST_CSIM", library / "test" / "test_hmt.cpp", "-o", tmp_path / "fast")
    assert compiled.returncode == 0, compiled.stderr[-3000:]
    (tmp_path / "cases").write_text(as_lines(cases))
    assert run(tmp_path / "fast", tmp_path / "cases").returncode == 0


MUTANTS = {
    "order of the pairs": ("fp32_engine", "fp_add(sum[7], sum[3])", "fp_add(sum[7], sum[4])"),
    "first round of a pass": ("fp32_engine", "first_round ? 0.0f : sum[kPartialSums - 1]", "sum[kPartialSums - 1]"),
    "results of a pass": ("fp32_engine", "if (pass > 0 && k < W)", "if (k < W)"),
    "turned tiles": ("memory_queue", "column[n] = tile[1 - half][n][row];", "column[n] = tile[1 - half][row][n];"),
    "slot of a key": ("memory_queue", "slot / (T * W) * D + slot % (T * W) / T", "slot / (T * W) * D"),
    "group of a key": ("memory_queue", "return slot % T;", "return 0;"),
    "slot of a memory": ("memory_queue", "pass * SLOTS + slot] = word", "pass * SLOTS] = word"),
    "closing row": ("window", "row == 0 || row == window.closing_row()", "row == 0"),
    "zero rows": ("window", "row - 1 - window.zero_rows;", "row - 1;"),
    "lane of a summary": ("window", "number % TP;", "0;"),
    "scale of a score": ("retrieval", "fp_mul(word[0], scale)", "word[0]"),
    "reciprocal of the sum": ("retrieval", "fp_div(1.0f, sums.read()[0])", "sums.read()[0]"),
}


@pytest.mark.slow
@pytest.mark.needs_program("g++")
@pytest.mark.parametrize("mutant", MUTANTS)
def test_flipped_line_is_noticed(
    mutant: str, gxx: Any, library: Path, cases: dict[str, list[Case]], tmp_path: Path
) -> None:
    header, good, bad = MUTANTS[mutant]
    include = tmp_path / "include"
    shutil.copytree(library / "include", include)
    file = include / "flexdse_hls" / "hmt" / f"{header}.hpp"
    text = file.read_text()
    assert text.count(good) == 1, "the mutated line is not there, or not alone"
    file.write_text(text.replace(good, bad))
    (tmp_path / "cases").write_text(as_lines(cases))
    source = library / "test" / "test_hmt.cpp"
    compiled = gxx("-O0", "-Wno-error", "-iquote", include, "-I", include, source, "-o", tmp_path / "mutant")
    assert compiled.returncode == 0, compiled.stderr[-2000:]
    assert run(tmp_path / "mutant", tmp_path / "cases").returncode != 0
