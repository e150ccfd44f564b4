"""Why a step failed: the tools' own words, put into classes, each with a way out."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from typing import NamedTuple

from hls_gen.toolchain.vitis.runner import Ended
from spec.errors import printable
from spec.synthesis_report import StepFailure, SynthesisCause, SynthesisStep

_MESSAGE_CHARS = 500

WAYS_OUT: dict[SynthesisCause, str] = {
    "cancelled": "start the step again",
    "deadlock": "deepen the FIFO that the log names, and run flexdse csim: it names full streams",
    "disk_full": "free some space on the disk of the project, then start again: finished steps are kept",
    "license": "check XILINXD_LICENSE_FILE and the license server with the Vivado License Manager, then start again",
    "lost": "start again: the step runs anew, finished steps are kept",
    "missing_part": "install the device family of the part with the AMD installer, or name an installed part; "
    "newer tools say the same where the license does not cover the part",
    "missing_platform": "install the card's platform for this version of the tools, or link with the version it was made for",
    "missing_synthesis": "run the step csynth again, then this one",
    "out_of_memory": "give the step more memory, run fewer tools at once, or generate a design with less parallelism",
    "report_damaged": "start the step again; if it stays, the tool writes a form of report that is not read yet",
    "report_mismatch": "remove build/vitis of the project and start again",
    "report_missing": "see the log: the tool ended without an error and without a result",
    "results_differ": "run flexdse csim, which shows the first differing value",
    "source_refused": "see the message: change the design or, if the project was edited, generate it anew",
    "timeout": "raise the time limit of the step",
    "timing_not_met": "lower the clock of the design, or choose less parallelism",
    "tool_crashed": "start the step again; if it stays, try another version of the tools",
    "tool_failed": "see the end of the log",
}


class _Rule(NamedTuple):
    cause: SynthesisCause
    pattern: re.Pattern[str]


def _rule(cause: SynthesisCause, *patterns: str) -> _Rule:
    return _Rule(cause, re.compile("|".join(patterns)))


# The first rule that some line meets decides: what stops a tool from outside comes before what it says of the source.
_RULES = (
    _rule("disk_full", r"No space left on device", r"Disk quota exceeded"),
    _rule("missing_part",
          r"\[HLS 200-1023\]",  # Part '...' is not installed
          r"Part '[^']*' is not (installed|supported)",
          r"\[Coretcl 2-106\]",  # Specified part could not be found
          r"Could not load Device Part"),
    _rule("missing_platform",
          r"\[v\+\+ 60-(300|1299|1258)\]",  # Failed to open platform; platform of another version
          r"Failed to (open|find) platform"),
    _rule("license",
          r"\[Common 17-(345|348)\]",  # A valid license was not found; Failed to get the license
          r"[Vv]alid license was not found", r"Failed to get the license", r"[Ll]icense checkout failed",
          r"FLEXnet Licensing error", r"[Ii]nvalid license", r"No valid license"),
    _rule("out_of_memory",
          r"std::bad_alloc", r"Cannot allocate memory", r"virtual memory exhausted", r"java\.lang\.OutOfMemoryError",
          r"[Oo]ut of memory", r"^Killed$",
          r"rdiArgs\.sh: line \d+:\s+\d+ Killed"),  # the shell that starts every tool of AMD
    _rule("timing_not_met",
          r"\[VPL 101-2\]", r"design did not meet timing", r"implementation timing failed", r"\[Timing 38-282\]"),
    _rule("missing_synthesis", r"\[COSIM 212-40\]"),  # co-simulation cannot be started: synthesis was not successful
    _rule("deadlock", r"DEADLOCK DETECTED", r"deadlock detected", r"\[COSIM 212-304\]"),
    _rule("results_differ",
          r"'csim_design' failed: nonzero return value", r"Function 'main' returns nonzero", r"CSim failed with errors",
          r"C TB simulation failed", r"C TB post check failed", r"co-simulation finished: FAIL"),
    _rule("source_refused",
          r"^ERROR: \[(XFORM|SYNCHK|SCHED|BIND|RTGEN|HLS|v\+\+) 2\d\d-\d+\]", r":\d+: (fatal )?error: ",
          r"'csim_design' failed: compilation error", r"\[COSIM 212-3(17|31)\]"),
)  # fmt: skip

# Lines that only repeat that something failed.
_ECHOES = re.compile(
    r"\[HLS 200-(70|1715)\]|\[v\+\+ 60-(661|626|703|773|599)\]|\[vitis-run 60-|command '\w+' returned error"
)


def _first(pattern: re.Pattern[str], lines: Iterable[str]) -> str | None:
    found = [line for line in lines if pattern.search(line)]
    return next((line for line in found if not _ECHOES.search(line)), found[0] if found else None)


def failure(cause: SynthesisCause, message: str) -> StepFailure:
    """A failure of this class."""
    return StepFailure(cause=cause, message=printable(message, _MESSAGE_CHARS), way_out=WAYS_OUT[cause])


def classify(ended: Ended, step: SynthesisStep, timeout_s: float, memory_limit_bytes: int | None) -> StepFailure:
    """The class of a failure, and the line that says it best."""
    if ended.how == "timeout":
        return failure("timeout", f"{step} did not end within {timeout_s:g} s and was ended")
    if ended.how == "cancelled":
        return failure("cancelled", f"{step} was cancelled")
    if ended.how == "memory":
        limit = (memory_limit_bytes or 0) / 2**30
        return failure(
            "out_of_memory", f"{step} took {ended.code / 2**30:.2f} GiB, more than the limit of {limit:.2f} GiB"
        )
    if ended.how == "unknown":
        return failure("lost", f"the guard of {step} was killed, and the tool with it")
    for rule in _RULES:
        line = _first(rule.pattern, ended.findings)
        if line is not None:
            return failure(rule.cause, line.strip())
    if ended.oom_kills > 0:
        return failure("out_of_memory", "memory ran out while the tool was running: the kernel killed a process for it")
    killed = ended.how == "signal" and ended.code == signal.SIGKILL
    if killed or ended.code == 128 + signal.SIGKILL:
        return failure("out_of_memory", "the tool was killed by SIGKILL, as the kernel does when memory runs out")
    error = _first(re.compile(r"^(ERROR|CRITICAL WARNING|FATAL)\b|\berror:"), ended.findings)
    if ended.how == "signal" or ended.code > 128:
        number = ended.code if ended.how == "signal" else ended.code - 128
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return failure("tool_crashed", f"the tool was killed by {name}" + (f" after: {error.strip()}" if error else ""))
    return failure("tool_failed", error.strip() if error else f"the tool ended with exit code {ended.code}")
