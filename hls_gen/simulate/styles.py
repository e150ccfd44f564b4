"""Which pipelines flush: what a PIPELINE pragma says of its style, else the style of the whole run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from hls_gen.intervals.source import read_source
from hls_gen.simulate.trace import Trace

_STYLE = re.compile(r"#\s*pragma\s+HLS\s+pipeline\b[^\n]*\bstyle\s*=\s*(\w+)", re.IGNORECASE)


def flushing_sites(trace: Trace, sources: Mapping[str, str], style: Literal["stp", "flp"]) -> frozenset[int]:
    """Numbers of the loops whose pipeline lets earlier iterations run on while a later one waits."""
    styles: dict[str, dict[int, str]] = {}
    for name in {site.file for site in trace.sites if site.file in sources}:
        text = sources[name]
        styled = [(text.count("\n", 0, match.start()) + 1, match[1].lower()) for match in _STYLE.finditer(text)]
        loops = [loop for loop in read_source(text).loops if loop.pipelined]
        own: dict[int, str] = {}
        for line, word in styled:
            around = [loop for loop in loops if loop.line <= line <= loop.last_line]
            if around:
                own[max(around, key=lambda loop: loop.line).line] = word
        styles[name] = own
    found = set()
    for site in trace.sites:
        if site.kind == "s":
            continue
        own = styles.get(site.file, {})
        line = site.line
        if site.kind == "f":  # of the nest that is flattened into it
            inner = [
                s.line for s in trace.sites if s.kind == "p" and s.function == site.function and s.line > site.line
            ]
            line = min(inner, default=site.line)
        word = own.get(line, style)
        if word in ("flp", "frp"):
            found.add(site.number)
    return frozenset(found)
