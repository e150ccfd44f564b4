"""How long the operators of intermediate code take in a recurrence, in cycles; fractions share a cycle with others."""

from __future__ import annotations

from dataclasses import dataclass, field

from hls_gen.intervals.ir import Instruction

_INTRINSICS = {
    **dict.fromkeys(("llvm.lifetime", "llvm.experimental.noalias", "llvm.assume", "llvm.fabs", "llvm.mem"), 0.0),
    **dict.fromkeys(("llvm.maxnum", "llvm.minnum", "fmax", "fmin"), 0.9),  # a comparator, as fcmp
    **dict.fromkeys(("llvm.smax", "llvm.smin", "llvm.umax", "llvm.umin", "llvm.abs"), 0.3),
    **dict.fromkeys(("llvm.fshl", "llvm.fshr", "llvm.bswap", "llvm.bitreverse", "llvm.ctpop", "llvm.ctlz"), 0.2),
}


@dataclass(frozen=True, slots=True)
class Delays:
    """Cycles of the operators at the clock that was asked for.

    Floating-point operators are registered and take whole cycles. Integer operators chain within a cycle: their delays
    are parts of it. `memory_read`, `memory_write`: of an array in RAM behind a module's port, which a recurrence
    has to pass; a local array forwards the word that was just written where it is seen to be the same one, otherwise it takes
    `local_read_after_write`. `address`: from the address that a recurrence computes to the word.
    """

    floating: dict[str, float] = field(
        # Recurrences through full-DSP fp32 operators at 300 MHz (Stream-HLS csynth reports, U280, Vitis HLS 2023.2).
        default_factory=lambda: {
            "fadd": 4.0,
            "fsub": 4.0,
            "fmul": 3.0,
            "fdiv": 9.0,
            "frem": 20.0,
            "fcmp": 0.9,
            "fneg": 0.0,
        }
    )
    call: float = 12.0  # exp, sqrt, log: any of them is far beyond one cycle
    intrinsics: dict[str, float] = field(default_factory=lambda: dict(_INTRINSICS))
    integer_multiply: float = 1.0  # one register of a DSP
    wide_multiply: float = (
        5.0  # both factors of more than 32 bits: a cascade of DSPs (mul_64s_64s_64_5_1 of Vitis HLS at 300 MHz)
    )
    integer_divide: float = 16.0
    adder: float = 0.25
    logic: float = 0.04
    load: float = 0.0  # a word at hand; where memory counts, in a recurrence, it is added by the dependence
    memory_read: float = 2.0
    memory_write: float = 2.0
    # One edge writes, the next reads: AMD's message HLS 200-880 of a histogram, interval 2.
    local_read_after_write: float = 2.0
    # Address and word take half of a cycle each at 300 MHz less its uncertainty of 27 %, and the RAM one between them.
    address: float = 2.0

    def of(self, instruction: Instruction) -> float:
        """Cycles from the operands of an instruction to its result."""
        opcode = instruction.opcode
        if opcode in self.floating:
            return self.floating[opcode]
        match opcode:
            case "call":
                callee = instruction.operands[-1].name if instruction.operands else ""
                return next(
                    (cycles for prefix, cycles in self.intrinsics.items() if callee.startswith(prefix)), self.call
                )
            case "load":
                return 0.0 if instruction.volatile else self.load
            case "mul":
                return self.wide_multiply if instruction.factor_bits > 32 else self.integer_multiply
            case "udiv" | "sdiv" | "urem" | "srem":
                return self.integer_divide
            case "add" | "sub" | "icmp":
                return self.adder
            case "and" | "or" | "xor" | "select" | "phi":
                return self.logic
        return 0.0
