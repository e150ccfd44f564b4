"""From HLS C++ to optimized LLVM IR: clang sees the unmodified loops, unrolled where an HLS tool unrolls.

A function that has a loop of its own stays a function, as an HLS tool keeps it a module; all others are inlined. Array
arguments do not alias, which is what HLS tools assume of them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hls_gen.errors import CompileError
from hls_gen.intervals.source import Source, function_lines, read_source
from spec.errors import ToolNotFoundError

MIN_CLANG = 16  # the first with integers of any width
SHIM_HEADERS = Path(__file__).parent / "include"
_OWN_HEADERS = ("hls_stream.h", "ap_int.h")
_EMIT = (
    "-std=c++17", "-S", "-emit-llvm", "-O1", "-Xclang", "-disable-llvm-passes", "-fno-discard-value-names",
    "-gline-tables-only", "-fno-exceptions", "-fno-rtti", "-fno-math-errno", "-ffp-contract=off", "-fbracket-depth=4096", "-w", "-D__SYNTHESIS__=1",
)  # fmt: skip
_UNSAFE_MATH = ("-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math", "-freciprocal-math")
_OPTIMIZE = (
    # A target without a code generator: clang then keeps the data layout that the code comes with, see `_LAYOUT`.
    "--target=spir64-unknown-unknown",
    "-S", "-emit-llvm", "-O2", "-x", "ir", "-fno-vectorize", "-fno-slp-vectorize", "-fno-discard-value-names", "-w",
    "-mllvm", "-unroll-runtime=false", "-mllvm", "-unroll-allow-partial=false", "-mllvm", "-unroll-allow-peeling=false",
    "-mllvm", "-pragma-unroll-threshold=1000000", "-mllvm", "-unroll-peel-max-count=0",
    # The code of one iteration is long after unrolling: no pass gives up halfway.
    "-mllvm", "-memdep-block-scan-limit=100000", "-mllvm", "-memdep-block-number-limit=100000",
    "-mllvm", "-dse-memoryssa-scanlimit=100000", "-mllvm", "-dse-memoryssa-walklimit=100000",
    "-mllvm", "-dse-memoryssa-partial-store-limit=1000", "-mllvm", "-dse-memoryssa-defs-per-block-limit=100000",
    "-mllvm", "-dse-memoryssa-samebb-cost=1", "-mllvm", "-dse-memoryssa-otherbb-cost=1",
    "-mllvm", "-dse-memoryssa-path-check-limit=100000", "-mllvm", "-memssa-check-limit=100000",
    "-mllvm", "-gvn-max-num-deps=10000", "-mllvm", "-licm-mssa-optimization-cap=100000",
    "-mllvm", "-sink-common-insts=false", "-mllvm", "-hoist-common-insts=false", "-mllvm", "-enable-gvn-sink=false",
    # A word that the iteration before has read is read again: an HLS tool does not make registers of such words by itself.
    "-mllvm", "-enable-load-pre=false",
    "-mllvm", "-disable-loop-idiom-all", "-mllvm", "-enable-loop-distribute=false",
)  # fmt: skip
# In hardware a number of any width is a register. To clang only widths of its machine are: PHIs of other widths it tries
# to cut up, each time searching all that they are linked with, which took minutes for the shift registers of an array.
_LAYOUT = re.compile(r'^(target datalayout = "[^"\n]*?-n)[\d:]+', re.MULTILINE)
_REGISTER_WIDTHS = ":".join(str(width) for width in range(1, 65))
_DEFINE = re.compile(r"^define [^\n]*?@\"?([\w.$]+)\"?\(([^\n]*)\)([^\n]*)\{$", re.MULTILINE)
_SUBPROGRAM = re.compile(r"^!(\d+) = distinct !DISubprogram\([^\n]*?file: !(\d+)[^\n]*?line: (\d+)", re.MULTILINE)
_FILE = re.compile(r'^!(\d+) = !DIFile\(filename: "([^"]*)", directory: "([^"]*)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Clang:
    """A clang++ that knows integers of any width, and the first line of its version."""

    path: Path
    version: str


@dataclass(frozen=True, slots=True)
class Translation:
    """Optimized IR of one translation unit, and its sources and their names by the path that debug locations have."""

    ir: str
    sources: Mapping[str, Source]
    names: Mapping[str, str]
    unsafe_math: bool = False

    def files(self) -> set[str]:
        """The files that the unit is made of, as debug locations name them."""
        return {str(Path(folder) / name) for _, name, folder in _FILE.findall(self.ir)}


def find_clang() -> Clang:
    """clang++ 16 or later on the PATH.

    Raises:
        ToolNotFoundError: there is none.
    """
    names = ["clang++", *(f"clang++-{version}" for version in range(MIN_CLANG, 31))]
    for name in names:
        found = shutil.which(name)
        if found is None:
            continue
        try:
            finished = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=30, check=True)
        except (OSError, subprocess.SubprocessError):
            continue
        version = finished.stdout.splitlines()[0] if finished.stdout else ""
        number = re.search(r"version (\d+)", version)
        if number and int(number[1]) >= MIN_CLANG:
            return Clang(Path(found), version)
    raise ToolNotFoundError(
        f"clang++ {MIN_CLANG} or later was not found, intervals are derived from its intermediate code",
        field="PATH",
        rule=f"clang++ {MIN_CLANG} or later on the PATH",
        hint=f"install the Debian package clang-{MIN_CLANG} (apt install clang-{MIN_CLANG})",
    )


def translate(
    unit: Path,
    roots: Sequence[Path],
    clang: Clang,
    include: Sequence[Path] = (),
    unsafe_math: bool = False,
    timeout_s: float = 300.0,
) -> Translation:
    """Compiles one translation unit.

    `roots`: folders whose files are HLS sources, `unit` in one of them; their pragmas count. `include`: other folders
    with headers, taken as they are. `unsafe_math`: sums of floating-point numbers may be reordered, as
    `config_compile -unsafe_math_optimizations` lets Vitis HLS do.

    Raises:
        CompileError: clang refused the unit.
    """
    with tempfile.TemporaryDirectory(prefix="flexdse-intervals-") as name:
        scratch = Path(name)
        sources: dict[str, Source] = {}
        names: dict[str, str] = {}
        copies = []
        for number, root in enumerate(roots):
            copy = scratch / str(number)
            copies.append(copy)
            for path in sorted(root.rglob("*")):
                if path.suffix not in (".cpp", ".cc", ".h", ".hpp", ".hh", ".inc") or not path.is_file():
                    continue
                relative = path.relative_to(root)
                source = read_source(path.read_text(errors="replace"))
                target = copy / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(source.text)
                sources[str(target)] = source
                names[str(target)] = f"{root.name}/{relative}"
        index = next(i for i, root in enumerate(roots) if unit.is_relative_to(root))
        main = copies[index] / unit.relative_to(roots[index])
        folders = [f"-I{copy}" for copy in copies]
        # Streams and integers are ours, whatever else is at hand; what else we bring gives way to what the user has.
        own = scratch / "own"
        own.mkdir()
        for header in _OWN_HEADERS:
            (own / header).write_text(f'#include "{SHIM_HEADERS / header}"\n')
        folders += [f"-isystem{folder}" for folder in (own, *(path.resolve() for path in include), SHIM_HEADERS)]
        math = _UNSAFE_MATH if unsafe_math else ()
        written = {str(copy): str(root) for copy, root in zip(copies, roots, strict=True)}
        raw = _run([str(clang.path), *_EMIT, *math, *folders, str(main), "-o", "-"], unit, timeout_s, written)
        prepared = scratch / "unit.ll"
        prepared.write_text(_with_attributes(raw, sources))
        return Translation(
            _run([str(clang.path), *_OPTIMIZE, str(prepared), "-o", "-"], unit, timeout_s), sources, names, unsafe_math
        )


def _run(command: list[str], unit: Path, timeout_s: float, written: Mapping[str, str] | None = None) -> str:
    """Standard output of clang. `written`: folders by those of the copies that it was given."""
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise CompileError(
            f"clang did not finish {unit.name}",
            field="timeout_s",
            value=timeout_s,
            rule="a unit compiles within the time limit",
            hint="raise the time limit, or analyse a smaller unit",
        ) from None
    if finished.returncode != 0:
        said = finished.stderr
        for copy, folder in (written or {}).items():
            said = said.replace(f"{copy}/", f"{folder}/")
        errors = [line for line in said.splitlines() if "error:" in line]
        raise CompileError(
            f"clang failed on {unit.name}: {errors[0] if errors else said[-300:]}",
            field="project",
            value=unit.name,
            rule="compiles as C++17 with the headers at hand",
            hint="mend the line that clang names; the folder of a vendor header that is not modelled goes behind --include",
        )
    return finished.stdout


def _function_has_loop(source: Source, line: int) -> bool:
    """Whether the function that begins at `line` holds a loop that stays one, and is not inlined on request."""
    first, last = function_lines(source, line)
    if any(first <= pragma <= last for pragma in source.inlined):
        return False
    return any(first <= loop.line <= last and not loop.unroll for loop in source.loops)


def _with_attributes(ir: str, sources: Mapping[str, Source]) -> str:
    files = {number: str(Path(folder) / name) for number, name, folder in _FILE.findall(ir)}
    programs = {number: (files.get(file, ""), int(line)) for number, file, line in _SUBPROGRAM.findall(ir)}

    def attributed(match: re.Match[str]) -> str:
        arguments = re.sub(r"\bptr (?!noalias|byval|sret)", "ptr noalias ", match[2])
        tail = match[3]
        number = re.search(r"!dbg !(\d+)", tail)
        path, line = programs.get(number[1], ("", 0)) if number else ("", 0)
        source = sources.get(path)
        kept = source is not None and _function_has_loop(source, line)
        head = match[0][: match.start(2) - match.start(0)]
        tail = re.sub(r" (#\d+)", rf" {'noinline' if kept else 'alwaysinline'} \1", tail, count=1)
        return f"{head}{arguments}){tail}{{"

    text = _LAYOUT.sub(rf"\g<1>{_REGISTER_WIDTHS}", _DEFINE.sub(attributed, ir), count=1)
    # An attribute group may ask for the opposite of what was just added.
    return re.sub(
        r"^(attributes #\d+ = \{)([^\n]*)$",
        lambda m: m[1] + re.sub(r"\b(noinline|alwaysinline|optnone)\b ?", "", m[2]),
        text,
        flags=re.MULTILINE,
    )
