"""Where the RTL lies, which files a module needs, and their content hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

RTL_FOLDER = Path(__file__).resolve().parents[2] / "rtl"
_SIMULATED_ONLY = ("simulation", "bench")


@cache
def synthesized_sources() -> tuple[Path, ...]:
    """SystemVerilog that is mapped to the device; each file holds the module of its name."""
    return tuple(p for p in sorted(RTL_FOLDER.glob("*/*.sv")) if p.parent.name not in _SIMULATED_ONLY)


@cache
def simulation_sources() -> tuple[Path, ...]:
    """The same and the models of device primitives."""
    return (*synthesized_sources(), *sorted((RTL_FOLDER / "simulation").glob("*.sv")))


@cache
def sources_of(module: str) -> tuple[Path, ...]:
    """The file of a module and those of all modules below it."""
    known = {path.stem: path for path in synthesized_sources()}
    needed, waiting = set[str](), [module]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            words = set(re.findall(r"\b[a-z]\w*\b", known[name].read_text()))
            waiting += [other for other in words & known.keys() if other != name]
    return tuple(known[name] for name in sorted(needed))


def content_hash(paths: Sequence[Path]) -> str:
    """Hash of names and contents, in order."""
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
