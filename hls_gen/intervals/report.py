"""Intervals of a generated project, or of any HLS C++ file, as a report."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hls_gen.intervals.derive import DerivedLoop, derive
from hls_gen.intervals.frontend import find_clang, translate
from spec.errors import InputError
from spec.interval_report import IntervalReport, LoopInterval

_SOURCES = (".cpp", ".cc", ".cxx")


def interval_report(
    path: Path, include: Sequence[Path] = (), unsafe_math: bool = False, timeout_s: float = 600.0
) -> IntervalReport:
    """Derives the intervals of a generated project (its `src` folder) or of one C++ file.

    `include`: folders with headers that the code needs beyond those beside it. `unsafe_math`: sums of floating-point
    numbers may be reordered, as Vitis HLS does on request.

    Raises:
        InputError: there is nothing to read at `path`.
        CompileError: clang refused the code.
        ToolNotFoundError: there is no clang.
    """
    missing = next((folder for folder in include if not folder.is_dir()), None)
    if missing is not None:
        raise InputError(
            "no such folder of headers",
            field="include",
            value=str(missing),
            rule="a folder that is there",
            hint="give the folder that holds the header which the code includes",
        )
    units, roots = _units(path.resolve())
    clang = find_clang()
    loops: list[DerivedLoop] = []
    for unit in units:
        loops += derive(translate(unit, roots, clang, include, unsafe_math, timeout_s))
    names = demangled([loop.function for loop in loops if loop.function]) | {"": ""}
    found = [
        LoopInterval(
            function=names[loop.function],
            file=loop.file,
            line=loop.line,
            loop=loop.names,
            requested=loop.requested,
            derived=loop.interval,
            depth=loop.depth,
            cause=loop.cause,
            reason=loop.reason,
            iterations=loop.trip,
        )
        for loop in loops
    ]
    return IntervalReport(compiler=clang.version, unsafe_math=unsafe_math, loops=tuple(found))


def _units(path: Path) -> tuple[list[Path], list[Path]]:
    if path.is_file() and path.suffix in _SOURCES:
        return [path], [path.parent]
    sources = path / "src"
    units = sorted(p for p in sources.glob("*") if p.suffix in _SOURCES) if sources.is_dir() else []
    if not units:
        raise InputError(
            "no HLS C++ to derive intervals of",
            field="path",
            value=str(path),
            rule=f"a project with C++ files in src/, or one C++ file ({', '.join(_SOURCES)})",
            hint="generate a project first: flexdse generate --design NAME --model MODEL --device DEVICE --out DIR",
        )
    include = path / "include"
    return units, [sources, *([include] if include.is_dir() else [])]


def demangled(names: Sequence[str]) -> dict[str, str]:
    """Readable names of functions; as they are where binutils' c++filt is missing."""
    different = sorted(set(names))
    try:
        finished = subprocess.run(
            ["c++filt"], input="\n".join(different), capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {name: name for name in different}
    readable = [re.sub(r"^(?:void )?(?:\w+::)*([^(]*)\(.*$", r"\1", line) for line in finished.stdout.splitlines()]
    return dict(zip(different, readable, strict=True))
