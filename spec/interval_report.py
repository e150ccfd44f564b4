"""IntervalReport: initiation intervals of loops as derived from the code, beside those that were asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spec.strict import StrictModel

Cause = Literal["none", "recurrence", "memory_ports", "stream_accesses"]
Interval = Annotated[int, Field(ge=1)]


class LoopInterval(StrictModel):
    """One innermost loop, once for each instance of its function.

    `loop`: labels, or lines, of the nest that is flattened into it, outermost first. `requested`: of its PIPELINE
    pragma, None without one. `derived`, `depth` (cycles of one iteration) None: unknown for `reason`. `iterations` None: no constant bounds the loop.
    """

    function: str
    file: str
    line: Annotated[int, Field(ge=1)]
    loop: tuple[str, ...]
    requested: Interval | None
    derived: Interval | None
    depth: Interval | None
    cause: Cause
    reason: str
    iterations: Annotated[int, Field(ge=1)] | None

    @property
    def missed(self) -> bool:
        """Whether the loop was asked for a shorter interval than it can have."""
        return self.requested is not None and self.derived is not None and self.derived > self.requested

    @property
    def place(self) -> str:
        """File, line and label for a message."""
        return f"{self.file}:{self.line} {'/'.join(self.loop)}"


class IntervalReport(StrictModel):
    """All loops of a project or of a source file."""

    schema_name: Annotated[Literal["flexdse/interval_report/v1"], Field(alias="schema")] = "flexdse/interval_report/v1"
    compiler: str
    unsafe_math: bool
    loops: tuple[LoopInterval, ...]

    @property
    def missed(self) -> tuple[LoopInterval, ...]:
        """Loops that were asked for a shorter interval than they can have."""
        return tuple(loop for loop in self.loops if loop.missed)

    @property
    def unknown(self) -> tuple[LoopInterval, ...]:
        """Loops that could not be judged."""
        return tuple(loop for loop in self.loops if loop.derived is None)
