"""Lint of a project's kernels with libclang: what high-level synthesis refuses, or silently makes of a misspelt pragma.

The kernels are read as synthesis reads them (`__SYNTHESIS__`), so a process is a plain call in a dataflow region.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hls_gen.errors import ProjectDamagedError
from hls_gen.toolchain.compiler import find_compiler
from spec.workload import STAGES

if TYPE_CHECKING:
    from clang.cindex import Cursor

MAX_PROCESSES = 200  # of a kernel: plain Vitis places and schedules no more in reasonable time

# Directive -> its options (None: not checked). The names that Vitis HLS knows (UG1399), as far as we use them.
PRAGMAS: dict[str, frozenset[str] | None] = {
    "aggregate": frozenset({"variable", "compact"}),
    "array_partition": frozenset({"variable", "dim", "factor", "type", "complete", "cyclic", "block"}),
    "bind_op": frozenset({"variable", "op", "impl", "latency"}),
    "bind_storage": frozenset({"variable", "type", "impl", "latency"}),
    "dataflow": frozenset({"disable_start_propagation"}),
    "dependence": None,
    "inline": frozenset({"off", "recursive"}),
    "interface": None,
    "loop_flatten": frozenset({"off"}),
    "loop_tripcount": frozenset({"min", "max", "avg"}),
    "pipeline": frozenset({"ii", "style", "rewind", "off"}),
    "unroll": frozenset({"factor", "skip_exit_check", "off"}),
}
_VARIABLE_OPTIONS = ("variable", "port")
_FORBIDDEN_TYPES = re.compile(
    r"^(const )?std::(__cxx11::)?(vector|basic_string|map|deque|list|set|unordered_\w+|shared_ptr|unique_ptr|function)\b"
)
_FORBIDDEN_CALLS = frozenset({"malloc", "calloc", "realloc", "free", "printf", "fprintf", "system", "fopen", "exit"})


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One complaint: file relative to the project, line, what is wrong."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@cache
def _system_includes() -> tuple[str, ...]:
    """The include folders of g++, which libclang does not know."""
    finished = subprocess.run(
        [str(find_compiler().path), "-E", "-x", "c++", "-v", "/dev/null"], capture_output=True, text=True, check=True
    )
    text = finished.stderr
    start, end = text.index("#include <...>"), text.index("End of search list")
    return tuple(line.strip() for line in text[start:end].splitlines()[1:])


def lint_project(project: Path, *, intervals: bool = False) -> tuple[Finding, ...]:
    """Findings in the kernels of both stages and the library headers that they include.

    `intervals`: also loops that cannot have the initiation interval that they ask for, which takes seconds a kernel.

    Raises:
        ProjectDamagedError: a kernel is missing.
        ToolNotFoundError: `intervals` without clang.
    """
    findings: set[Finding] = set()
    for stage in STAGES:
        source = project / "src" / f"{stage}.cpp"
        if not source.is_file():
            raise ProjectDamagedError(
                f"the project has no kernel of {stage}",
                field="project",
                value=str(project),
                rule=f"src/{stage}.cpp is there",
                hint="generate the project anew",
            )
        findings |= set(lint_source(source, project))
    if intervals:
        findings |= _missed_intervals(project)
    return tuple(sorted(findings))


def _missed_intervals(project: Path) -> set[Finding]:
    from hls_gen.intervals.report import interval_report

    return {
        Finding(
            loop.file,
            loop.line,
            f"loop {'/'.join(loop.loop)} of {loop.function} asks for II={loop.requested}, it can have {loop.derived}: "
            f"{loop.reason}",
        )
        for loop in interval_report(project).missed
    }


def lint_source(source: Path, project: Path) -> Iterator[Finding]:
    """Findings in one translation unit; `project` has the folders include/ and src/."""
    from clang.cindex import Index

    stub = Path(__file__).parent / "library" / "lint"
    arguments = ["-std=c++17", "-D__SYNTHESIS__", f"-isystem{stub}"]
    arguments += [
        f"-I{project / 'include'}",
        f"-I{project / 'src'}",
        *(f"-isystem{folder}" for folder in _system_includes()),
        "-Wno-unknown-pragmas",
    ]
    unit = Index.create().parse(str(source), args=arguments)
    root = project.resolve()

    def name_of(path: str) -> str | None:
        """Relative to the project; None for files of the system."""
        full = Path(path).resolve()
        return str(full.relative_to(root)) if full.is_relative_to(root) else None

    for diagnostic in unit.diagnostics:
        if diagnostic.severity >= 3:
            yield Finding(str(diagnostic.location.file or source), diagnostic.location.line, diagnostic.spelling)
    walk = _Walk(name_of)
    walk.visit(unit.cursor, None)
    yield from walk.findings
    yield from walk.recursions()
    declared = {name for names in walk.declared.values() for name in names}
    files = {str(source), *(str(include.include) for include in unit.get_includes())}
    for path in sorted(files):
        name = name_of(path)
        if name is not None:
            yield from _pragmas(Path(path), name, declared)


class _Walk:
    """One pass over the syntax tree: findings, calls between functions, and names that are declared in each file."""

    def __init__(self, name_of: Any) -> None:
        self.findings: list[Finding] = []
        self.declared: dict[str, set[str]] = {}
        self._name_of = name_of
        self._calls: dict[str, set[str]] = {}
        self._functions: dict[str, tuple[str, int, str]] = {}

    def _found(self, cursor: Cursor, message: str) -> None:
        name = self._name_of(cursor.location.file.name)
        self.findings.append(Finding(name, cursor.location.line, message))

    def visit(self, cursor: Cursor, function: str | None) -> None:
        """Visit what lies in files of the project."""
        for child in cursor.get_children():
            file = child.location.file
            if file is not None and self._name_of(file.name) is None:
                continue
            inside = self._check(child, function) if file is not None else function
            self.visit(child, inside)

    def _check(self, cursor: Cursor, function: str | None) -> str | None:
        from clang.cindex import CursorKind as Kind
        from clang.cindex import TypeKind

        kind, file = cursor.kind, self._name_of(cursor.location.file.name)
        if kind in (Kind.FUNCTION_DECL, Kind.CXX_METHOD, Kind.FUNCTION_TEMPLATE):
            function = cursor.get_usr()
            self._functions[function] = (file, cursor.location.line, cursor.spelling)
            if kind == Kind.CXX_METHOD and cursor.is_virtual_method():
                self._found(cursor, f"virtual method {cursor.spelling}: there is no dynamic dispatch in hardware")
            self._check_dataflow(cursor)
        elif kind in (Kind.VAR_DECL, Kind.PARM_DECL, Kind.FIELD_DECL):
            self.declared.setdefault(file, set()).add(cursor.spelling)
            spelling = cursor.type.get_canonical().spelling
            if cursor.type.get_canonical().kind == TypeKind.VARIABLEARRAY:
                self._found(cursor, f"array {cursor.spelling} of variable length")
            if _FORBIDDEN_TYPES.match(spelling):
                self._found(cursor, f"{cursor.spelling} is a {spelling.split('<')[0]}, which needs a heap")
        elif kind in (Kind.CXX_NEW_EXPR, Kind.CXX_DELETE_EXPR):
            self._found(cursor, "dynamic allocation")
        elif kind in (Kind.CXX_THROW_EXPR, Kind.CXX_TRY_STMT):
            self._found(cursor, "exceptions")
        elif kind in (Kind.WHILE_STMT, Kind.DO_STMT):
            self._found(cursor, "a loop without a bound: use for with a counter")
        elif kind == Kind.FOR_STMT and not _has_condition(cursor):
            self._found(cursor, "a loop without a bound: for without a condition")
        elif kind == Kind.CALL_EXPR:
            if cursor.spelling in _FORBIDDEN_CALLS:
                self._found(cursor, f"call of {cursor.spelling}")
            if function is not None:
                target = cursor.referenced
                self._calls.setdefault(function, set()).add(target.get_usr() if target is not None else cursor.spelling)
        return function

    def _check_dataflow(self, function: Cursor) -> None:
        """A dataflow region holds declarations and calls of processes, nothing else, and not too many of them."""
        from clang.cindex import CursorKind as Kind

        if not function.is_definition() or not _is_dataflow(function):
            return
        body = next(child for child in function.get_children() if child.kind == Kind.COMPOUND_STMT)
        processes = 0
        for statement in body.get_children():
            if statement.kind in (Kind.DECL_STMT, Kind.NULL_STMT):
                continue
            inner = statement
            while inner.kind in (Kind.UNEXPOSED_EXPR, Kind.PAREN_EXPR):
                inner = next(inner.get_children())
            if inner.kind == Kind.CALL_EXPR:
                processes += 1
            else:
                self._found(statement, f"{function.spelling}: only declarations and calls in a dataflow region")
        if processes > MAX_PROCESSES:
            self._found(function, f"{function.spelling} has {processes} processes, more than {MAX_PROCESSES}")

    def recursions(self) -> Iterator[Finding]:
        """Functions that reach themselves."""
        for start, (file, line, name) in self._functions.items():
            seen: set[str] = set()
            stack = list(self._calls.get(start, ()))
            while stack:
                current = stack.pop()
                if current == start:
                    if not _is_compile_time(name):
                        yield Finding(file, line, f"recursion in {name}")
                    break
                if current not in seen:
                    seen.add(current)
                    stack += self._calls.get(current, ())


# constexpr functions that only the compiler runs.
_COMPILE_TIME = frozenset({"common_divisor", "greatest_common_divisor"})


def _is_compile_time(name: str) -> bool:
    return name in _COMPILE_TIME


def _has_condition(loop: Cursor) -> bool:
    """Whether something stands between the semicolons of a `for`."""
    text = "".join(token.spelling for token in loop.get_tokens())
    head = text[: text.index("{")] if "{" in text else text
    return not re.match(r"for\([^;]*;;", head)


def _is_dataflow(function: Cursor) -> bool:
    extent = function.extent
    lines = Path(extent.start.file.name).read_text().splitlines()[extent.start.line - 1 : extent.end.line]
    return any(re.match(r"\s*#\s*pragma\s+HLS\s+dataflow\b", line, re.IGNORECASE) for line in lines)


def _pragmas(path: Path, name: str, declared: set[str]) -> Iterator[Finding]:
    """Directives and options that the tool would not know, and variables that are not there."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if re.match(r"\s*#\s*pragma\s+(?!once\b|HLS\b)", line):
            yield Finding(name, number, "a pragma that is none of HLS")
        found = re.match(r"\s*#\s*pragma\s+HLS\s+(\w+)(.*)", line)
        if found is None:
            continue
        directive, rest = found[1].lower(), found[2]
        if directive not in PRAGMAS:
            yield Finding(name, number, f"unknown HLS pragma {found[1]}")
            continue
        known = PRAGMAS[directive]
        options = re.findall(r"(\w+)(?:\s*=\s*([\w.]+))?", rest)
        for option, value in options:
            if known is not None and option.lower() not in known:
                yield Finding(name, number, f"{directive} has no option {option}")
            if option in _VARIABLE_OPTIONS and value != "return" and not {value, *value.split(".")} & declared:
                yield Finding(name, number, f"{directive}: there is no variable {value}")
