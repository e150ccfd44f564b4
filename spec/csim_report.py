"""CsimReport: what C simulation compared, bit for bit, in `reports/csim.json` of a project."""

from __future__ import annotations

import struct
from typing import Annotated, Literal

from pydantic import Field

from spec.strict import StrictModel
from spec.workload import Stage

Bits = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$", description="fp32 bit pattern, most significant digit first")]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


def _value(bits: str) -> float:
    return float(struct.unpack(">f", bytes.fromhex(bits))[0])


class FirstDifference(StrictModel):
    """The first value that differs, in the order token, channel."""

    token: Count
    channel: Count
    got_bits: Bits
    expected_bits: Bits

    @property
    def got(self) -> float:
        """What the C++ computed."""
        return _value(self.got_bits)

    @property
    def expected(self) -> float:
        """What the golden reference computed."""
        return _value(self.expected_bits)

    def __str__(self) -> str:
        return (
            f"token {self.token}, channel {self.channel}: got {self.got:.9g} (0x{self.got_bits}), "
            f"expected {self.expected:.9g} (0x{self.expected_bits})"
        )


class CsimModule(StrictModel):
    """Values of one name on one module. Fails where a value differs, and where fewer than planned were compared."""

    stage: Stage
    module: str
    linear: str
    expected_values: Count
    compared_values: Count
    differing_values: Count
    first_difference: FirstDifference | None
    passed: bool


class CsimStage(StrictModel):
    """One kernel. `compile_s` is 0 where an up-to-date program was found."""

    stage: Stage
    compared_values: Count
    compile_s: Seconds
    run_s: Seconds
    passed: bool


CsimMode = Literal["strict", "fast"]


class CsimReport(StrictModel):
    """The result of one C simulation."""

    schema_name: Annotated[Literal["flexdse/csim_report/v1"], Field(alias="schema")] = "flexdse/csim_report/v1"
    flexdse_version: str
    model_version: str
    timing_table_version: str
    mode: Annotated[CsimMode, Field(description="strict: ap_int of exact widths; fast: native integers")] = "strict"
    passed: bool
    compared_values: Count
    seconds: Seconds
    compiler_version: str
    ap_int_source: Annotated[str, Field(description="package and version that ap_int.h was taken from")]
    modified_files: Annotated[tuple[str, ...], Field(description="files whose hash is not that of the manifest")]
    stages: tuple[CsimStage, ...]
    modules: tuple[CsimModule, ...]

    @property
    def first_failure(self) -> CsimModule | None:
        """The first module that failed, in the order of the kernel calls."""
        return next((module for module in self.modules if not module.passed), None)

    def summary_line(self) -> str:
        """`csim: PASS (bit-exact, N values)`, or `csim: FAIL` with the first difference."""
        failure = self.first_failure
        if self.passed or failure is None:
            return f"csim: PASS (bit-exact, {self.compared_values} values)" if self.passed else "csim: FAIL"
        where = f"stage {failure.stage}, module {failure.module}, linear {failure.linear}"
        if failure.first_difference is None:
            return f"csim: FAIL ({where}: {failure.compared_values} values compared, not {failure.expected_values})"
        return f"csim: FAIL (first difference: {where}, {failure.first_difference})"
