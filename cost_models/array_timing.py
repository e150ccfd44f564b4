"""How words flow through the processes of our library, in cycles since a region began: what the laws of `process_granularity:
array` are made of.

Rules of docs/hls_process_model.md and docs/simulation.md, which the timed simulation of the generated C++ follows: a word
that is written in cycle t can be read in t + 1; a pipelined loop takes a cycle to enter, issues an iteration every cycle, ends `depth`
cycles after its last issue and takes a cycle to leave; a sequential loop takes a cycle an iteration; a burst over an m_axi
port brings its first word after `memory_access_cycles`, a writer ends with its last response. Loops that nest perfectly are one
pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cost_models.arrays import FloatArray, IntArray
from spec.quant_scheme import QuantScheme
from spec.timing import TimingTable
from spec.workload import Stage

Cycles = FloatArray | float

LIBRARY_SOURCE = "hls_gen/library {}; operator depths of TimingTable"
LIBRARY_FILES: dict[Stage, dict[str, str]] = {  # the headers that a module's cycles are counted from
    "prefill": {
        "kv_proj": "systolic_linear.hpp, rope.hpp, kv_cache.hpp",
        "q_proj": "systolic_linear.hpp, rope.hpp",
        "attention_qk": "attention_scores.hpp",
        "attention_softmax": "softmax.hpp",
        "attention_av": "attention_values.hpp",
        "o_proj": "systolic_linear.hpp, dequantize_tokens.hpp",
        "gate_up_proj": "systolic_linear.hpp, swiglu.hpp",
        "hadamard": "hadamard.hpp",
        "down_proj": "systolic_linear.hpp, residual.hpp",
        "norm_and_quant": "rms_norm.hpp, quantize_dynamic.hpp, vector_io.hpp",
    },
    "decode": {
        "kv_proj": "gemv.hpp",
        "q_proj": "gemv.hpp",
        "attention": "attention_scores.hpp, softmax.hpp, attention_values.hpp, route_words.hpp",
        "o_proj": "gemv.hpp",
        "gate_up_proj": "gemv.hpp",
        "hadamard": "hadamard.hpp",
        "down_proj": "gemv.hpp",
        "vector_passes": "rms_norm.hpp, quantize_dynamic.hpp, dequantize_vector.hpp, rope.hpp, kv_cache.hpp, fp32_io.hpp",
        "lm_head": "gemv.hpp",
        "sampler": "sampler.hpp; norm and quantizer before lm_head",
    },
}

LOOP_CYCLES = 2.0  # to enter a pipelined loop and to leave it (docs/simulation.md)
ITERATION_CYCLES = 1.0  # of a sequential loop (docs/simulation.md)
REGION_CYCLES = 3.0  # to start a region, to end it, and the iteration of the loop over steps (docs/simulation.md)
CONTROL_CYCLES = 1.0  # of the exit test in the depth of a pipeline (hls_gen/intervals/depth.py)
LOAD_CYCLES = 2.0  # of an on-chip memory, address and output register (hls_gen/intervals/depth.py)
MULTIPLY_CYCLES = 3.0  # of integers in a DSP (hls_gen/intervals/depth.py)
REMAINDER_CYCLES = 18.0  # of an index by a number that is no power of two (hls_gen/intervals/delays.py)


@dataclass(frozen=True, slots=True)
class LoopDepths:
    """Depths of the library's pipelines: `*_out` from an iteration's first access to its write, the others to its end.

    Sums of the operators on the longest path of an iteration, as `flexdse intervals` derives them from the headers.
    """

    norm_load: float
    norm_factor: float
    token_factor: float
    norm_out: float
    quantize_scale: float
    quantize_out: float
    feed: float
    mac: float
    dequantize_out: float
    static_quantize_out: float
    rope_low: float
    rope_out: float
    score_out: float
    weight_out: float
    weight_sum: float
    value_step: float
    value_factor: float
    value_out: float
    residual_out: float
    swiglu_out: float
    butterfly: float
    base_sum: float
    transform_out: float
    logit: float
    candidate_weight: float
    memory_out: float

    @classmethod
    def of(cls, timing: TimingTable, reciprocal: bool, symmetric: bool) -> LoopDepths:
        """`reciprocal`: quantizers that multiply; `symmetric`: activations without a zero point."""
        add, multiply, divide = (timing.operators[name].latency_cycles for name in ("fadd", "fmul", "fdiv"))
        exponential = timing.operators["fexp"].latency_cycles
        return cls(
            norm_load=6,  # the exact sum of squares (exact_sum.hpp)
            norm_factor=88,  # merge of sums, division, epsilon, reciprocal root by Newton's steps (rsqrt.hpp)
            token_factor=92,  # the same where one token's lanes are merged: straight on from the mean to the reciprocal root
            norm_out=LOAD_CYCLES + 2 * multiply,
            quantize_scale=23 if not reciprocal else 35,  # range to scale: subtract, divide; and its reciprocal
            quantize_out=LOAD_CYCLES + (divide if not reciprocal else multiply) + (add if not symmetric else 0) + 1,
            feed=LOAD_CYCLES + CONTROL_CYCLES,
            mac=5,  # product and accumulation (pe.hpp)
            dequantize_out=35 if not symmetric else 24,
            static_quantize_out=multiply + 4,
            rope_low=4,
            rope_out=LOAD_CYCLES + multiply + add,
            score_out=10,  # products of a word, conversion, factor
            weight_out=28,  # exp(score - maximum) to an integer (softmax.hpp)
            weight_sum=8,
            value_step=5,
            value_factor=divide + 2,
            value_out=6,
            residual_out=add,
            swiglu_out=37,
            butterfly=LOAD_CYCLES + add + 2,
            base_sum=LOAD_CYCLES + add + 2,
            transform_out=LOAD_CYCLES + multiply,
            logit=21,
            candidate_weight=exponential + add + 2 * multiply + 4,
            memory_out=2,
        )


@dataclass(frozen=True, slots=True)
class Words:
    """When the first and the last word of a stream are written, cycles (n_points,)."""

    first: Cycles
    last: Cycles

    def through(self, iterations: Cycles, out: Cycles, fill: Cycles = 0.0, drain: Cycles = 0.0) -> Words:
        """Behind a pipelined loop of so many iterations: `fill` of them before its first write, `drain` behind the
        iteration that reads its last word; `out` cycles from an access to the write."""
        first = self.first + 1 + fill
        last = np.maximum(self.first + iterations, self.last + 1 + drain)
        return Words(first + out, last + out)


def loop_cycles(iterations: Cycles, depth: Cycles) -> Cycles:
    """Of a pipelined loop that waits for nothing."""
    return iterations + depth + LOOP_CYCLES - 1


def remainder_cycles(*divisors: IntArray | FloatArray) -> FloatArray:
    """What an index costs that is taken by divisors, (n_points,): nothing where all are powers of two."""
    shifts = np.ones(np.shape(divisors[0]), dtype=bool)
    for divisor in divisors:
        whole = np.asarray(divisor).astype(np.int64)
        shifts &= (whole & (whole - 1)) == 0
    return np.where(shifts, 0.0, REMAINDER_CYCLES)


def nearest_built_scheme(scheme: QuantScheme) -> QuantScheme:
    """The scheme with the quantizers that the library has modules for: one symmetric weight scale a channel, activations by
    token, attention by head.
    """
    per_channel = {} if scheme.weight_group_size is None else {"weight_scale": "per_channel", "weight_group_size": None}
    return scheme.model_copy(
        update={
            "activation_scale": "dynamic_per_token",
            "attention_scale": "static_per_head",
            "weight_symmetry": "symmetric",
            **per_channel,
        }
    )
