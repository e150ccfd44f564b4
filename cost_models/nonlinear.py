"""fp32 modules: operators per lane, from which DSP, LUT and FF follow (FlexLLM's modules, quant.h, LayerNorm.h, ...)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spec.timing import TimingTable

# Operators in one lane of each module.
OPERATORS: dict[str, dict[str, int]] = {
    "quant": {"fcmp": 2, "fadd": 1, "fdiv": 1},  # min, max, subtract, divide
    "dequant": {"fmul": 3, "fadd": 1, "int_to_float": 1},  # acc * s_x * s_w + b_x * rowsum
    "static_quant": {"fdiv": 1},
    "static_dequant": {"fmul": 2, "int_to_float": 1},
    "norm": {"fmul": 3, "fadd": 1},  # square and sum, scale, gamma
    "rope": {"fmul": 4, "fadd": 2},
    "softmax": {"fcmp": 1, "fadd": 2, "fexp": 1, "fmul": 1},
    "swish": {"fexp": 1, "fadd": 1, "fdiv": 1},
    "gate": {"fmul": 1},
    "residual": {"fadd": 1},
    "hadamard": {"fadd": 2, "fdiv": 1},
    "sampler": {"fexp": 1, "fadd": 3, "fmul": 3},  # softmax over the top k, CDF; once a design
}

# Instances of each module in the prefill kernel, one lane a token (FlexLLM SpinQuant_Prefilling_mem_opt.h).
PREFILL_INSTANCES: dict[str, int] = {
    "quant": 5,
    "dequant": 5,
    "static_quant": 4,
    "static_dequant": 2,
    "norm": 2,
    "rope": 1,
    "softmax": 1,
    "swish": 1,
    "gate": 1,
    "residual": 2,
    "hadamard": 1,
}

# Instances in the decode kernel by the parallelism that sets their lanes (FlexLLM SpinQuant_Decoding_mem_opt.h).
DECODE_BLOCK_INSTANCES: dict[str, int] = {"quant": 1, "dequant": 1, "swish": 1, "gate": 1, "hadamard": 1}
DECODE_HEAD_INSTANCES: dict[str, int] = {"rope": 1, "softmax": 1, "static_quant": 2, "static_dequant": 2}
DECODE_VECTOR_INSTANCES: dict[str, int] = {"norm": 1, "residual": 1}
DECODE_SINGLE_INSTANCES: dict[str, int] = {"sampler": 1}


@dataclass(frozen=True, slots=True)
class LaneCost:
    """DSP, LUT and FF of one lane of a group of modules."""

    dsp: int
    lut: int
    ff: int


def lane_cost(instances: Mapping[str, int], timing: TimingTable) -> LaneCost:
    """Cost of one lane of all `instances` together, operators not shared between modules."""
    dsp = lut = ff = 0
    for module, count in instances.items():
        for operator, number in OPERATORS[module].items():
            cost = timing.operators[operator]
            dsp += count * number * cost.dsp
            lut += count * number * cost.lut
            ff += count * number * cost.ff
    return LaneCost(dsp, lut, ff)
