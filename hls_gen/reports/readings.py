"""Reads the values of a report: numbers, ranges, and the many ways in which the tools say that there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from hls_gen.reports.xml_tree import Node
from spec.synthesis_report import Absent, CountRange, CycleRange, CycleStatistics, Measured, ResourceCounts, measured

_NUMBER = re.compile(r"(?P<number>-?\d{1,15}(\.\d{1,12})?(e[+-]?\d{1,2})?)(\s*(ns|us|ms|s|sec|MHz|W|%))?", re.ASCII)
_RANGE = re.compile(r"(?P<low>[^~]+)~(?P<high>[^~]+)")
_UNDETERMINED = {"undef", "?", "undefined"}
_NOT_GIVEN = {"-", "na", "n/a", "none", "---", "unspecified", "unspecified*"}

MeasuredT = TypeVar("MeasuredT", bound=Measured)


def absence(text: str | None, what: str) -> Absent | None:
    """Why `text` is no value, or None where it may be one."""
    if text is None:
        return Absent(f"the report has no {what}")
    word = text.strip().lower()
    if not word:
        return Absent(f"the report leaves {what} empty")
    if word in _UNDETERMINED:
        return Absent(f"the tool could not determine {what} ({text.strip()}): some loop has no fixed trip count")
    if word in _NOT_GIVEN:
        return Absent(f"the report gives no {what} ({text.strip()})")
    return None


def real(text: str | None, what: str) -> float | Absent:
    """A number, with `,` between thousands and a unit behind it ignored."""
    absent = absence(text, what)
    if absent is not None or text is None:
        return absent or Absent(f"the report has no {what}")
    match = _NUMBER.fullmatch(text.strip().replace(",", ""))
    if match is None:
        return Absent(f"{what} can not be read: {text.strip()[:40]!r}")
    return float(match["number"])


def count(text: str | None, what: str) -> int | Absent:
    """A whole number, not negative."""
    number = real(text, what)
    if isinstance(number, Absent):
        return number
    if number < 0 or number != int(number) or re.search(r"[0-9]e", text or "", re.IGNORECASE):
        return Absent(f"{what} is no count: {(text or '').strip()[:40]!r}")
    return int(number)


def span(text: str | None, what: str) -> tuple[int | Absent, int | Absent]:
    """`5` or `5 ~ 7` as least and most."""
    match = _RANGE.fullmatch(text.strip()) if text is not None else None
    if match is None:
        one = count(text, what)
        return one, one
    return count(match["low"], what), count(match["high"], what)


def node_span(node: Node | None, what: str) -> tuple[int | Absent, int | Absent]:
    """The same of an element, whose content may also be `<range><min/><max/></range>`."""
    if node is None:
        return span(None, what)
    bounds = node.child("range")
    if bounds is None:
        return span(node.text, what)
    return count(bounds.value("min"), what), count(bounds.value("max"), what)


def cycle_range(bounds: tuple[int | Absent, int | Absent]) -> CycleRange:
    """A range of clock cycles."""
    return measured(CycleRange, min_cycles=bounds[0], max_cycles=bounds[1])


def count_range(bounds: tuple[int | Absent, int | Absent]) -> CountRange:
    """A range of iterations."""
    return measured(CountRange, min=bounds[0], max=bounds[1])


def cycle_statistics(low: int | Absent, average: int | Absent, high: int | Absent) -> CycleStatistics:
    """Clock cycles with their average."""
    return measured(CycleStatistics, min_cycles=low, avg_cycles=average, max_cycles=high)


# What the tools call each resource, newest name first.
RESOURCE_TAGS = {
    "lut": ("LUT",),
    "ff": ("FF",),
    "dsp": ("DSP", "DSP48E"),
    "bram_18k": ("BRAM_18K", "BRAM"),
    "uram": ("URAM",),
}


def resource_counts(values: Mapping[str, str], whose: str) -> ResourceCounts:
    """Resources by the tools' own names, in whatever order they come."""
    found: dict[str, int | Absent] = {}
    for name, tags in RESOURCE_TAGS.items():
        tag = next((tag for tag in tags if tag in values), tags[0])
        found[name] = count(values.get(tag), f"{tag} of {whose}")
    return measured(ResourceCounts, **found)


def all_absent(model: type[MeasuredT], reason: str) -> MeasuredT:
    """`model` without any value, for one reason."""
    return measured(model, **{name: Absent(reason) for name in model.model_fields if name != "missing"})
