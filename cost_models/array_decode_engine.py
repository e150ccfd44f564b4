"""The engine of our library's decode kernel, from the first quantized word to the results behind the dequantizer.

    passes  P = ceil(rows / R) of rows = d_out / TB, R = W / parts:  (P - 1) I + s
            s = d_in / parts
            I = max(s + 5, R TB / pairs + 38, s slowdown, R TB / (pairs of a port word) slowdown of scales)

`parts`: of the lanes, which share out the input channels (`d_in_splits`); their sums are added before the dequantizer. I: the
feeder starts anew each pass (feed_vector), the dequantizer takes `pairs` channel scales a cycle (dequantize_vector).
What does not depend on when a step begins (`Serving`, `Finish`) is apart from what does: attention begins when it begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cost_models.array_decode_units import DecodeUnits, gcd
from cost_models.array_timing import REGION_CYCLES, Cycles, remainder_cycles
from cost_models.arrays import FloatArray
from cost_models.memory import stream_slowdown

FEED_RESTART = 5.0  # of a pass in feed_vector: its loop and an iteration of the loop over passes
DEQUANTIZER_RESTART = 38.0  # of a pass in dequantize_vector: depth 36, its loop and an iteration
BF16_DEQUANTIZER_RESTART = 19.0  # the same of bf16: depth 17; for passes short enough to wait for it, those of parts
PARTS_CYCLES = 10.0  # of an engine in parts: take_part, add_parts and resize_words of depth 2, and their hand-overs


@dataclass(frozen=True, slots=True)
class Delay:
    """Cycles between the first result of a step and another: whole passes, results of a pass, restarts of the dequantizer."""

    passes: FloatArray
    within: FloatArray
    restarts: FloatArray | None

    def after(self, first: FloatArray) -> FloatArray:
        """The cycle of the other."""
        cycle = first + self.passes + self.within
        return cycle if self.restarts is None else cycle + self.restarts


@dataclass(frozen=True, slots=True)
class Serving:
    """How long a unit takes over rows of results from the first on. It works without a pause from the first row on, or
    from the first row of the last pass on, or it waits for the last."""

    everything: FloatArray
    burst: Delay
    of_burst: FloatArray
    last: Delay
    work: FloatArray

    def after(self, first: FloatArray) -> FloatArray:
        """When it has taken all of them."""
        waited = np.maximum(first + self.everything, self.burst.after(first) + self.of_burst)
        return np.asarray(np.maximum(waited, self.last.after(first) + self.work))


@dataclass(frozen=True, slots=True)
class Finish:
    """Until the dequantizer ends: it takes the surplus rows of a ragged last pass too."""

    passes: FloatArray
    last: FloatArray
    beat: FloatArray

    def after(self, first: FloatArray) -> FloatArray:
        """The cycle in which it does."""
        return np.asarray(first + self.passes + self.last - self.beat)


@dataclass(frozen=True, slots=True)
class FirstResult:
    """Until the first result: the `steps` of its dot product, `sums` until the first sum, the dequantizer."""

    steps: float
    sums: FloatArray
    dequantize_out: float
    beat: FloatArray

    def after(self, begin: FloatArray) -> FloatArray:
        """Its cycle in a step whose first activation comes in cycle `begin`."""
        return begin + self.steps + self.sums + self.dequantize_out + self.beat


@dataclass(frozen=True, slots=True)
class Pace:
    """Rows of TB results as the dequantizer writes them: a pass every `interval`, a row every `beat`; `compute`: cycles of
    the passes.
    """

    first: FirstResult
    interval: FloatArray
    beat: FloatArray
    rows_of_pass: FloatArray
    restart_rows: FloatArray  # rows between two restarts of the dequantizer
    restart: float  # cycles of one
    restarts_within: bool
    rows: FloatArray
    compute: FloatArray

    def delay(self, row: Cycles) -> Delay:
        """Until a row is written."""
        full = np.floor(row / self.rows_of_pass)
        within = row - full * self.rows_of_pass
        restarts = np.floor(within / self.restart_rows) * self.restart if self.restarts_within else None
        return Delay(np.asarray(full * self.interval), np.asarray(within * self.beat), restarts)

    def serving(self, end: Cycles, work: FloatArray) -> Serving:
        """A unit that takes `work` cycles a row, over the rows before `end`."""
        last = np.maximum(end - 1, 0.0)
        burst = np.maximum(np.floor(last / self.rows_of_pass) * self.rows_of_pass, 0.0)
        return Serving(
            np.asarray(end * work), self.delay(burst), np.asarray((end - burst) * work), self.delay(last), work
        )

    def finish(self) -> Finish:
        """The end of the dequantizer."""
        last = np.ceil(self.rows / self.rows_of_pass) - 1
        subs = np.ceil((self.rows - last * self.rows_of_pass) / self.restart_rows)
        return Finish(last * self.interval, subs * (self.restart_rows * self.beat + self.restart), self.beat)


@dataclass(frozen=True, slots=True)
class Results:
    """Rows of results of a step whose first one is known."""

    pace: Pace
    first: FloatArray

    def written(self, row: Cycles) -> FloatArray:
        """Cycle in which a row is written."""
        return self.first if isinstance(row, float) and row == 0.0 else self.pace.delay(row).after(self.first)

    def served(self, start: Cycles, end: Cycles, work: Cycles) -> FloatArray:
        """When a unit that takes `work` cycles a row has taken rows `start` to `end` (not included), as in `Serving`."""
        last = np.maximum(end - 1, start)
        burst = np.maximum(np.floor(last / self.pace.rows_of_pass) * self.pace.rows_of_pass, start)
        return np.asarray(
            np.maximum(
                np.maximum(self.written(start) + (end - start) * work, self.written(burst) + (end - burst) * work),
                self.written(last) + work,
            )
        )

    def finished(self) -> FloatArray:
        """When the dequantizer ends."""
        return self.pace.finish().after(self.first)


@dataclass(frozen=True, slots=True)
class DecodeStep:
    """One step: cycles before its first pass, of its passes, behind them, and of attention before them.

    `stream`: cycles of a weight port that runs ahead, None where none does. `transform`: of the Hadamard transform behind the
    last pass.
    """

    front: FloatArray
    passes: FloatArray
    stream: FloatArray | None
    tail: FloatArray
    attention: FloatArray
    transform: FloatArray


@dataclass(frozen=True, slots=True)
class ResidualStep:
    """A linear layer whose results go through + x into memory, whenever it begins."""

    first: FirstResult
    compute: FloatArray
    sent: Serving
    adder: float
    resized: FloatArray
    response: float
    finish: Finish
    stream: FloatArray | None

    def beginning(self, begin: FloatArray, front: FloatArray, attention: FloatArray) -> DecodeStep:
        """The step whose first activation comes in cycle `begin`, behind `front` cycles and those of attention."""
        first = self.first.after(begin)
        sent = self.sent.after(first) + 6 + self.adder
        sent = sent + self.resized
        end = np.maximum(sent + self.response + 3, self.finish.after(first))
        tail = end + REGION_CYCLES - begin - self.compute
        return DecodeStep(front, self.compute, self.stream, tail, attention, np.zeros_like(begin))


class EngineUnits(DecodeUnits):
    """The engine of a batch of decode designs of one set of modules, and the units that take its results."""

    def _pace(self, d_in: float, rows: FloatArray) -> Pace:
        steps, pass_rows = d_in / self.parts, self.w / self.parts
        passes = np.ceil(rows / pass_rows)
        buffered = bool(self.modules.weight_buffer_beats)
        sub_rows = pass_rows / self.sub_engines if buffered else pass_rows
        is_short = self.parts > 1 and self.setup.fabric.nonlinear_format == "bf16"
        restart = BF16_DEQUANTIZER_RESTART if is_short else DEQUANTIZER_RESTART
        dequantize = self.sub_engines * (sub_rows * self.beat + restart)
        interval = np.maximum(np.maximum(steps + FEED_RESTART, dequantize), self.scales_of_pass)
        if not buffered:
            interval = np.maximum(interval, steps * self.weight_slowdown)
        sums = np.where(passes > 1, FEED_RESTART + 4, self.depths.mac + 6)
        if self.parts > 1:
            sums = sums + PARTS_CYCLES
        return Pace(
            first=FirstResult(steps, sums, self.depths.dequantize_out, self.beat),
            interval=interval,
            beat=self.beat,
            rows_of_pass=pass_rows,
            restart_rows=sub_rows,
            restart=restart,
            restarts_within=buffered,
            rows=rows,
            compute=np.asarray((passes - 1) * interval + steps),
        )

    def _stream(self, d_in: float, rows: FloatArray) -> FloatArray | None:
        """Cycles of a weight port that runs ahead: its words of a linear layer, and the latency of their burst."""
        if not self.modules.weight_buffer_beats:
            return None
        words = np.ceil(rows / (self.w / self.parts / self.sub_engines)) * (d_in / self.parts)
        return np.asarray(words * self.weight_slowdown + self.access + 7)

    def _step(self, begin: FloatArray, pace: Pace, end: FloatArray, transform: Cycles = 0.0) -> DecodeStep:
        """A step whose last word leaves in cycle `end`."""
        zero = np.zeros(len(self.batch))
        return DecodeStep(
            front=begin,
            passes=pace.compute,
            stream=self._stream(pace.first.steps * self.parts, pace.rows),
            tail=end + REGION_CYCLES - begin - pace.compute - transform,
            attention=zero,
            transform=zero + transform,
        )

    def _residual_step(self, d_in: float) -> ResidualStep:
        """O or down: results into words of V, + x, into memory."""
        rows = np.asarray(np.ceil(self.model.hidden_dim / self.tb))
        pace = self._pace(d_in, rows)
        chunk = np.minimum(gcd(self.tb, self.v), gcd(self.v, self.io))
        common = gcd(self.tb, self.v)
        return ResidualStep(
            first=pace.first,
            compute=pace.compute,
            sent=pace.serving(rows, self.tb / chunk),
            adder=self.depths.residual_out,
            resized=remainder_cycles(self.tb / common, self.v / common),
            response=self.access,
            finish=pace.finish(),
            stream=self._stream(d_in, rows),
        )

    def _stored(self, last: Cycles, values: float, first: Cycles) -> FloatArray:
        """write_fp32 of words of V, with the response to the last write."""
        chunk = gcd(self.v, self.io)
        written = np.maximum(values / chunk, values / self.io * stream_slowdown(self.batch, "io"))
        return np.asarray(np.maximum(last + self.v / chunk, first + written) + 3 + self.access)
