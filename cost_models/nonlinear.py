"""Non-linear modules: operators per lane, from which DSP, LUT and FF follow (FlexLLM's quant.h, LayerNorm.h, ...)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cost_models.coefficients import DSP58_FP32_DSP, FIXED_OPERATORS
from spec.bf16_operators import BF16_OPERATORS
from spec.device import DspKind
from spec.module_choices import NonlinearFormat, Quantizer
from spec.quant_scheme import W4A4KV8, QuantScheme
from spec.timing import OperatorCost, TimingTable

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
    "group_scale": {"fmul": 1, "fadd": 1, "int_to_float": 1},  # partial sum of a weight group, scaled and added
}


@dataclass(frozen=True, slots=True)
class Fabric:
    """What operators are made of: the kind of DSP slice and the number format of the non-linear units."""

    dsp_kind: DspKind = "dsp48e2"
    nonlinear_format: NonlinearFormat = "fp32"

    def operator(self, name: str, timing: TimingTable) -> OperatorCost:
        """Cost of one operator instance at II=1.

        bf16 and fixed have tables of their own, the same on both kinds of DSP. In fp32 a DSP58 is an adder or a
        multiplier by itself (its DSPFP32 mode, AM004), so both need one slice and next to no LUT.
        """
        if self.nonlinear_format == "bf16":
            return BF16_OPERATORS[name]
        if self.nonlinear_format == "fixed":
            return FIXED_OPERATORS[name]
        if self.dsp_kind == "dsp58" and name in DSP58_FP32_DSP:
            return DSP58_FP32_DSP[name]
        return timing.operators[name]


FLEXLLM_FABRIC = Fabric()


@dataclass(frozen=True, slots=True)
class LaneCost:
    """DSP, LUT and FF of one lane of a group of modules."""

    dsp: int
    lut: int
    ff: int


def operators_cost(operators: Mapping[str, int], timing: TimingTable, fabric: Fabric = FLEXLLM_FABRIC) -> LaneCost:
    """Cost of so many instances of each operator, none shared."""
    used = [(number, fabric.operator(name, timing)) for name, number in operators.items()]
    return LaneCost(
        dsp=sum(number * cost.dsp for number, cost in used),
        lut=sum(number * cost.lut for number, cost in used),
        ff=sum(number * cost.ff for number, cost in used),
    )


# Divisions by a number that changes at most once a token or is a constant: one reciprocal a kernel and a
# multiplication a lane do the same. The division of swish has a divisor of its own for every value and stays.
_BY_RECIPROCAL = ("quant", "static_quant", "hadamard")


def module_operators(module: str, scheme: QuantScheme, quantizer: Quantizer) -> dict[str, int]:
    """Operators of one lane of `module` under a quantization scheme.

    Symmetric activations need no minimum, no subtraction and no row sums; static ones no comparison at all; asymmetric
    weights one product and one addition more, of the activations' sum; dynamic attention scales the two comparisons of
    a dynamic quantizer.
    """
    found = dict(OPERATORS[module])
    if module == "quant":
        if scheme.activation_scale == "static_per_tensor":
            found.pop("fcmp")
        if scheme.activation_symmetry == "symmetric":
            found.pop("fadd")
            if "fcmp" in found:
                found["fcmp"] = 1
    elif module == "dequant":
        if scheme.activation_symmetry == "symmetric":
            found["fmul"] -= 1
            found.pop("fadd")
        if scheme.weight_symmetry == "asymmetric":
            found["fmul"] += 1
            found["fadd"] = found.get("fadd", 0) + 1
    elif module == "static_quant" and scheme.attention_scale == "dynamic_per_token":
        found["fcmp"] = 2
    if quantizer == "reciprocal" and module in _BY_RECIPROCAL:
        found["fmul"] = found.get("fmul", 0) + found.pop("fdiv")
    return found


def lane_cost(
    module: str,
    timing: TimingTable,
    scheme: QuantScheme = W4A4KV8,
    quantizer: Quantizer = "divider",
    fabric: Fabric = FLEXLLM_FABRIC,
) -> LaneCost:
    """Cost of one lane of `module`."""
    return operators_cost(module_operators(module, scheme, quantizer), timing, fabric)
