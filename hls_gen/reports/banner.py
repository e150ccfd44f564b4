"""The head of every text report of Vivado: tool, command, device, and how far the design had come."""

from __future__ import annotations

import re
from typing import NamedTuple

from hls_gen.reports.errors import unreadable
from hls_gen.reports.readings import absence
from hls_gen.reports.source import ReportText
from spec.synthesis_report import Absent, SynthesisProvenance

_HEAD_CHARS = 20_000  # a command line can be long


class Banner(NamedTuple):
    """What the head says."""

    tool_version: str | Absent
    command: str
    part: str | Absent
    design: str | Absent
    provenance: SynthesisProvenance


def banner_lines(text: str) -> dict[str, str]:
    """Name to value of each line of the head; empty where there is none."""
    lines: dict[str, str] = {}
    for line in text[:_HEAD_CHARS].splitlines():
        name, colon, value = line.removeprefix("| ").partition(":")
        if line.startswith("| ") and colon:
            lines.setdefault(name.strip(), value.strip())
    return lines


def read_banner(report: ReportText) -> Banner:
    """The head of a report of Vivado.

    Raises:
        ReportUnreadableError: there is none, or the design is in no state that we know.
    """
    lines = banner_lines(report.text)
    version = re.search(r"\bv\.?(\d{4}\.\d+(?:\.\d+)?)", lines.get("Tool Version", ""))
    device, design = lines.get("Device"), lines.get("Design")
    return Banner(
        tool_version=version[1]
        if version
        else absence(lines.get("Tool Version"), "tool version") or Absent("unknown form"),
        command=lines.get("Command", ""),
        part=absence(device, "device") or device or "",
        design=absence(design, "design") or design or "",
        provenance=_provenance(report, lines.get("Design State", "")),
    )


def _provenance(report: ReportText, state: str) -> SynthesisProvenance:
    word = state.lower()
    if "partial" not in word:
        if "rout" in word:  # Routed, Physopt postRoute
            return "post_route"
        if "plac" in word:  # Fully Placed, Physopt postPlace
            return "post_place"
        if "synth" in word or "optimized" in word:  # Synthesized, Optimized: before placement
            return "post_synth"
    raise unreadable(
        report.path,
        f"does not say how far the design had come (design state {state[:40]!r})",
        "a head with Design State: Synthesized, Fully Placed or Routed",
        "give the whole report of a design that is synthesized, placed or routed",
    )
