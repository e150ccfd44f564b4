"""Compiles instrumented programs and the solver, and derives intervals; each only once for the same text."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hls_gen.errors import CompileError, SimulationTimeoutError
from hls_gen.intervals.delays import Delays
from hls_gen.intervals.depth import LATENCIES, StreamOffset
from hls_gen.intervals.derive import DerivedLoop, derive
from hls_gen.intervals.frontend import SHIM_HEADERS, find_clang, translate
from hls_gen.intervals.independence import LoopPlace, independent_loops
from hls_gen.intervals.ir import parse
from hls_gen.intervals.steering import Steered, steered_by_words
from hls_gen.intervals.straight import dropped_loops
from hls_gen.simulate.instrument import Instrumentation, read_sources
from hls_gen.toolchain.processes import run_program

_HERE = Path(__file__).parent
INCLUDE = _HERE / "include"
_SOLVER = _HERE / "solver"
_LIBRARY = _HERE.parent / "library" / "include"
# Headers that the recorder brings its own of.
_REPLACED = frozenset({"flexdse_hls/stream.hpp", "flexdse_hls/dataflow.hpp"})
_COMPILE = ("-std=c++17", "-O1", "-w", "-D__SYNTHESIS__=1", "-fbracket-depth=4096", "-fno-exceptions")


def cache_folder() -> Path:
    """Where what does not depend on a project is kept: XDG_CACHE_HOME, else ~/.cache, else a folder for this run."""
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(given) if given else Path("~/.cache").expanduser()) / "flexdse" / "simulate"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):  # no home folder, or a full or read-only one
        pass
    return Path(tempfile.mkdtemp(prefix="flexdse-simulate-"))


def text_hash(parts: Sequence[str]) -> str:
    """A name for compiled text."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:20]


def _text_of(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".pyc"]


def compiled(
    command: Sequence[str | Path], output: Path, what: str, deadline: float, written: Mapping[str, str] | None = None
) -> Path:
    """Runs a compiler; `output` appears whole or not at all. `written`: the user's files by those that the compiler sees.

    Raises:
        CompileError: it refused.
        SimulationTimeoutError: `deadline` passed.
    """
    handle, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}-")
    os.close(handle)
    partial = Path(name)
    try:
        finished = run_program([*command, "-o", partial], output.parent, deadline)
        if finished.timed_out:
            raise SimulationTimeoutError(
                f"compiling {what} took too long and was ended",
                field="timeout_s",
                value=round(finished.seconds, 1),
                rule="compilation and simulation end within the time limit",
                hint="raise the time limit",
            )
        if finished.returncode != 0:
            said = finished.output
            for seen, own in (written or {}).items():  # what was put in moves columns, not lines
                said = re.sub(rf"{re.escape(seen)}:(\d+):\d+:", rf"{own}:\1:", said)
            errors = [line for line in said.splitlines() if "error:" in line]
            is_missing = bool(errors) and "file not found" in errors[0]
            raise CompileError(
                f"clang failed on {what}: {errors[0] if errors else said[-300:]}",
                field="project",
                value=what,
                rule="compiles as C++17 with the headers at hand",
                hint="give the folder of the header that is missing"
                if is_missing
                else "mend the line that clang names",
            )
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return output


def solver_program(deadline: float) -> Path:
    """The solver, compiled when first needed."""
    clang = find_clang()
    path = cache_folder() / f"solver-{text_hash([clang.version, *_text_of(_SOLVER)])}"
    if path.is_file():
        return path
    return compiled(
        [clang.path, "-std=c++17", "-O2", "-w", _SOLVER / "solver.cpp", "-lstdc++"], path, "solver", deadline
    )


class InstrumentedSources:
    """Sources with reports put in, in a folder of their own."""

    def __init__(self, roots: Sequence[Path], folder: Path) -> None:
        """`roots`: folders of HLS sources, written to `folder` under their names."""
        self.folder = folder
        names = {p: n for p, n in read_sources(roots).items() if "/host/" not in f"/{n}"}
        self.sources = {name: path.read_text(errors="replace") for path, name in names.items()}
        self._written = {str(folder / name): str(path) for path, name in names.items()}
        self.instrumentation = Instrumentation(self.sources)
        self._key = text_hash([part for item in sorted(self.sources.items()) for part in item])

    def write(self) -> None:
        """Writes the instrumented copies."""
        for name in self.sources:
            if any(name.endswith(f"/{header}") for header in _REPLACED):
                continue
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.instrumentation.rewritten(name))

    def program(
        self, unit: str, main: str, include: Sequence[Path], with_values: bool, deadline: float, log_name: str
    ) -> Path:
        """The program of one translation unit (name in `sources`) and a main function."""
        clang = find_clang()
        flags = [*_COMPILE, *(["-DFLEXDSE_SIMULATE_VALUES=1"] if with_values else [])]
        roots = sorted({name.split("/")[0] for name in self.sources})
        headers = _text_of(INCLUDE)
        # The folder too: places in a program's verdicts are those of where it was compiled.
        key = text_hash([str(self.folder), self._key, unit, main, clang.version, *flags, *map(str, include), *headers])
        path = self.folder / f"{log_name}-{key}"
        if path.is_file():
            return path
        self.write()
        main_file = self.folder / f"main_{log_name}.cpp"
        main_file.write_text(main)
        folders = [f"-I{INCLUDE}", *(f"-I{self.folder / root}" for root in roots)]
        folders += [f"-isystem{folder}" for folder in (*include, SHIM_HEADERS)]
        return compiled([clang.path, *flags, *folders, main_file, "-lstdc++"], path, unit, deadline, self._written)


@dataclass(frozen=True, slots=True)
class DerivedSchedule:
    """Intervals of a translation unit's loops, those that the compiler drops among them, and the pairs that do not wait for each other.

    `steered`: branches that words of streams decide.
    """

    loops: tuple[DerivedLoop, ...]
    independent: tuple[tuple[LoopPlace, LoopPlace], ...]
    steered: tuple[Steered, ...]


def derived_schedule(
    unit: Path, roots: Sequence[Path], include: Sequence[Path], unsafe_math: bool, folder: Path, timeout_s: float
) -> DerivedSchedule:
    """Intervals of a translation unit, kept in `folder` for the next time the same text is asked for."""
    clang = find_clang()
    texts = [part for path, name in read_sources(roots).items() for part in (name, path.read_text(errors="replace"))]
    models = [repr(Delays()), repr(LATENCIES), *_text_of(Path(translate.__code__.co_filename).parent)]
    key = text_hash([clang.version, str(unit.name), str(unsafe_math), *map(str, include), *models, *texts])
    path = folder / f"intervals-{unit.stem}-{key}.json"
    if path.is_file():
        document = json.loads(path.read_text())
        pairs = [(LoopPlace(**first), LoopPlace(**second)) for first, second in document["independent"]]
        steered = tuple(Steered(**branch) for branch in document["steered"])
        return DerivedSchedule(tuple(_loop(loop) for loop in document["loops"]), tuple(pairs), steered)
    try:
        translation = translate(unit, roots, clang, include, unsafe_math, timeout_s)
    except CompileError as error:
        if error.field != "timeout_s":
            raise
        raise SimulationTimeoutError(
            f"deriving the intervals of {unit.name} took too long and was ended",
            field="timeout_s",
            value=round(timeout_s, 1),
            rule="compilation and simulation end within the time limit",
            hint="raise the time limit",
        ) from None
    functions = parse(translation.ir)
    loops = (*derive(translation, functions), *dropped_loops(functions, translation))
    steered = tuple(steered_by_words(functions, translation))
    found = DerivedSchedule(loops, tuple(independent_loops(functions, translation)), steered)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps(asdict(found)))
    partial.replace(path)
    return found


def _loop(document: Mapping[str, object]) -> DerivedLoop:
    values = dict(document)
    values["names"] = tuple(values["names"])  # type: ignore[arg-type]
    values["offsets"] = tuple(StreamOffset(**offset) for offset in values["offsets"])  # type: ignore[attr-defined]
    return DerivedLoop(**values)  # type: ignore[arg-type]


def remaining_s(deadline: float) -> float:
    """Seconds until the deadline, at least one."""
    return max(1.0, deadline - time.monotonic())


def compiler_version() -> str:
    """First line of the compiler's version."""
    return find_clang().version


def library_include() -> Path:
    """The C++ library's headers."""
    return _LIBRARY
