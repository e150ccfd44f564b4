"""Rewrites HLS C++ so that it reports its loops, memory accesses, processes and FIFO depths to the recorder.

Only reports are put in, always on the line where they belong: file names and line numbers stay those of the source.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hls_gen.intervals.source import SourceLoop, blanked, matching, read_source

_SIMULATE = "::flexdse_simulate::"
_CONTROL = re.compile(r"\b(?:if|for|while|switch|catch|constexpr)\s*$")
_CALL = re.compile(r"([A-Za-z_]\w*)\s*(?:<|\()")
_POINTER = re.compile(r"\*\s*(?:const\s+|restrict\s+|__restrict(?:__)?\s+)?([A-Za-z_]\w*)\s*$")
_PRAGMA = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+HLS[ \t]+(\w+)([^\n]*)$", re.IGNORECASE | re.MULTILINE)
_TRUE = re.compile(r"\s*(?:true|0*[1-9]\d*|!\s*(?:false|0))\s*")
_COMPARED = re.compile(r"\s*(\d+)\s*(==|!=|<=|>=|<|>)\s*(\d+)\s*")
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True, slots=True)
class EndlessLoop:
    """A loop that no condition, break or return ends. `file` as in reports."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class _Function:
    """A function definition: its header's text and the offsets of its parameters and body."""

    name: str
    header: str
    parameters: tuple[int, int]
    body: tuple[int, int]


def functions_of(plain: str) -> list[_Function]:
    """Function definitions of blanked text, members and templates too."""
    found = []
    for opening in (match.start() for match in re.finditer(r"\{", plain)):
        before = plain[:opening].rstrip()
        before = re.sub(r"\b(?:const|noexcept|override)$", "", before).rstrip()
        if not before.endswith(")"):
            continue
        closing = len(before) - 1
        start = _opening(plain, closing)
        if start < 0:
            continue
        head = plain[:start].rstrip()
        name = re.search(r"([A-Za-z_]\w*)$", head)
        if name is None or _CONTROL.search(head):
            continue
        end = matching(plain, opening)
        if end < 0:
            continue
        begin = max(plain.rfind(mark, 0, name.start()) for mark in ";{}") + 1
        found.append(_Function(name[1], plain[begin:start], (start + 1, closing), (opening, end)))
    return found


def _opening(text: str, closing: int) -> int:
    depth = 0
    for offset in range(closing, -1, -1):
        depth += (text[offset] == ")") - (text[offset] == "(")
        if depth == 0:
            return offset
    return -1


def _condition(plain: str, loop: SourceLoop) -> str:
    """What a loop goes on by, empty for `for (;;)`."""
    if plain.startswith("do", loop.begin):
        return plain[plain.rindex("while", loop.begin, loop.end) + len("while") : loop.end]
    head = plain[plain.find("(", loop.begin) : loop.body]
    if not plain.startswith("for", loop.begin):
        return head
    parts = head[1:-1].split(";")
    return parts[1] if len(parts) == 3 else "false"  # of a range


def _always_true(condition: str) -> bool:
    """Whether a condition of numbers alone holds; one with a name in it may end."""
    inner = condition.strip()
    while inner.startswith("(") and matching(inner, 0) == len(inner) - 1:
        inner = inner[1:-1].strip()
    compared = _COMPARED.fullmatch(inner)
    if compared is not None:
        return _COMPARISONS[compared[2]](int(compared[1]), int(compared[3]))
    return not inner or _TRUE.fullmatch(inner) is not None


@dataclass(frozen=True, slots=True)
class _Edit:
    offset: int
    order: int
    text: str


class Instrumentation:
    """The sources of one program, rewritten together: which functions take time of their own is a matter of all of them."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        """`sources`: text by the name that reports use."""
        self._sources = dict(sources)
        self._plain = {name: blanked(text) for name, text in sources.items()}
        self._functions = {name: functions_of(plain) for name, plain in self._plain.items()}
        self._loops = {name: read_source(text).loops for name, text in sources.items()}
        self._timed = self._timed_functions()

    def endless_loops(self) -> list[EndlessLoop]:
        """Loops without a bound, which neither end in hardware nor in simulation."""
        return [
            EndlessLoop(name, loop.line)
            for name, loops in self._loops.items()
            for loop in loops
            if _always_true(_condition(self._plain[name], loop)) and not self._is_left(name, loop)
        ]

    def _is_left(self, name: str, loop: SourceLoop) -> bool:
        """Whether a statement leaves the loop: a return or goto, or a break of it and not of a loop or switch inside."""
        plain = self._plain[name]
        if re.search(r"\b(?:return|goto)\b", plain[loop.body : loop.end + 1]):
            return True
        inside = [(x.begin, x.end) for x in self._loops[name] if loop.begin < x.begin and x.end <= loop.end]
        for choice in re.finditer(r"\bswitch\s*\(", plain[loop.body : loop.end]):
            closing = matching(plain, loop.body + choice.end() - 1)
            opening = plain.find("{", closing)
            inside.append((loop.body + choice.start(), matching(plain, opening) if opening >= 0 else closing))
        breaks = (loop.body + m.start() for m in re.finditer(r"\bbreak\b", plain[loop.body : loop.end + 1]))
        return any(not any(first < offset < last for first, last in inside) for offset in breaks)

    def has_function(self, name: str, function: str) -> bool:
        """Whether a source defines a function of that name."""
        return any(found.name == function for found in self._functions[name])

    def _timed_functions(self) -> frozenset[str]:
        """Names of functions with loops or processes of their own, or calls of such functions."""
        timed: set[str] = set()
        calls: dict[str, set[str]] = {}
        for name, functions in self._functions.items():
            plain, text = self._plain[name], self._sources[name]
            for function in functions:
                first, last = function.body
                own = [x for x in self._loops[name] if first < x.begin < last and not x.unroll]
                inline = any(p[1].lower() == "inline" for p in _PRAGMA.finditer(text, first, last))
                if "constexpr" in function.header.split():
                    continue
                dataflow = any(p[1].lower() == "dataflow" for p in _PRAGMA.finditer(text, first, last))
                if (own and not inline) or dataflow:
                    timed.add(function.name)
                calls.setdefault(function.name, set()).update(m[1] for m in _CALL.finditer(plain, first, last))
        while True:
            more = {name for name, called in calls.items() if name not in timed and called & timed}
            if not more:
                return frozenset(timed)
            timed |= more

    def parameters(self, name: str, function: str) -> tuple[str, ...]:
        """The parameters of a function of a source, as written but for comments."""
        for found in self._functions[name]:
            if found.name == function:
                text = self._plain[name][found.parameters[0] : found.parameters[1]]  # without comments
                return tuple(part.strip() for part in text.split(",") if part.strip() and part.strip() != "void")
        return ()

    def rewritten(self, name: str) -> str:
        """The instrumented text of one source."""
        text, plain = self._sources[name], self._plain[name]
        loops = self._kept_loops(name)
        edits: list[_Edit] = []
        for number, (loop, kind) in enumerate(loops):
            edits += self._loop_edits(name, loop, kind, number)
        for function in self._functions[name]:
            edits += _memory_edits(plain, function)
        if "FLEXDSE_DATAFLOW_BEGIN" not in text:
            edits += self._dataflow_edits(name, text, plain)
        parts, last = [], 0
        for edit in sorted(edits, key=lambda e: (e.offset, e.order)):
            parts += [text[last : edit.offset], edit.text]
            last = edit.offset
        return "".join([*parts, text[last:]])

    def _kept_loops(self, name: str) -> list[tuple[SourceLoop, str]]:
        """The loops that take time, with their kind: p pipelined, f flattened into a pipelined one, s sequential."""
        constant = [f.body for f in self._functions[name] if "constexpr" in f.header.split()]
        kept = [
            loop
            for loop in self._loops[name]
            if not loop.unroll and not any(first < loop.begin < last for first, last in constant)
        ]
        functions = [f.body for f in self._functions[name]]
        kept = [loop for loop in kept if any(first < loop.begin < last for first, last in functions)]
        kind: dict[int, str] = {}
        for loop in reversed(kept):  # inner loops first
            inner = [x for x in kept if loop.begin < x.begin and x.end <= loop.end and x is not loop]
            child = next((x for x in inner if x.perfect_in == loop.line), None)
            if loop.pipelined or (not inner and not self._calls_timed(name, loop)):
                kind[loop.begin] = "p"
            elif child is not None and not child.flatten_off and kind[child.begin] in "pf":
                kind[loop.begin] = "f"
            else:
                kind[loop.begin] = "s"
        return [(loop, kind[loop.begin]) for loop in kept]

    def _calls_timed(self, name: str, loop: SourceLoop) -> bool:
        return any(m[1] in self._timed for m in _CALL.finditer(self._plain[name], loop.begin, loop.end))

    @staticmethod
    def _loop_edits(name: str, loop: SourceLoop, kind: str, number: int) -> Iterable[_Edit]:
        here = f"flexdse_here_{number}"
        site = f"flexdse_site_{number}"
        label = loop.label or ""
        yield _Edit(
            loop.begin,
            4,
            f"{{ if (struct {here} {{}}; true) if (static const {_SIMULATE}site {site}('{kind}', typeid({here}), "
            f'"{label}", "{name}", {loop.line}); true) '
            f"if (const {_SIMULATE}loop flexdse_loop_{number}({site}, {loop.together}); true) ",
        )
        yield _Edit(loop.body, 1, f" if (const {_SIMULATE}iteration flexdse_iteration_{number}; true) ")
        yield _Edit(loop.end + 1, 0, " }")

    def _dataflow_edits(self, name: str, text: str, plain: str) -> Iterable[_Edit]:
        """Regions of plain dataflow functions: each call in the function's own block is a process."""
        for pragma in _PRAGMA.finditer(text):
            kind = pragma[1].lower()
            inside = [f for f in self._functions[name] if f.body[0] < pragma.start() < f.body[1]]
            if not inside:
                continue
            function = max(inside, key=lambda f: f.body[0])
            line = text.count("\n", 0, pragma.start()) + 1
            if kind == "dataflow":
                calls = list(self._process_calls(name, plain, function, pragma.end()))
                tokens = _buffers_between(plain, function, calls)
                declared = "".join(
                    f'hls::stream<bool> flexdse_done_{i}("{t.buffer}, when {calls[t.writer].name} has written it"); '
                    for i, t in enumerate(tokens)
                )
                yield _Edit(
                    _next_statement(text, pragma.end()),
                    0,
                    f'{declared}const {_SIMULATE}region flexdse_region("{name}", {line}); ',
                )
                yield from _process_edits(name, plain, calls, tokens)
            elif kind == "stream":
                options = dict(re.findall(r"(\w+)\s*=\s*([^\s]+)", pragma[2]))
                if "variable" in options and "depth" in options:
                    variable = options["variable"]
                    yield _Edit(
                        _next_statement(text, pragma.end()),
                        1,
                        f'{_SIMULATE}describe({variable}, "{variable}", {options["depth"]}); ',
                    )

    def _process_calls(self, name: str, plain: str, function: _Function, begin: int) -> Iterable[_Call]:
        """The statements of the function's own block that are processes: calls of timed functions, and loops (UG1399, pragma HLS dataflow)."""
        statement = re.compile(r"([A-Za-z_]\w*)\s*(?:<[^;{}()]*>)?\s*\(")
        loops = {loop.begin: loop for loop in self._loops[name] if not loop.unroll}
        last = function.body[1]
        offset, depth, at_start = begin, 0, True
        while offset < last:
            character = plain[offset]
            if character in "{}":
                depth += 1 if character == "{" else -1
                at_start = depth == 0
            elif character == ";":
                at_start = depth == 0
            elif not character.isspace() and at_start:
                label = _LABEL.match(plain, offset)
                loop = loops.get(label.end() if label else offset)
                call = statement.match(plain, offset)
                if loop is not None:
                    text = plain[offset : loop.end + 1]
                    called = f"loop_{label[1]}" if label else f"loop_line_{loop.line}"
                    yield _Call(called, offset, loop.end, frozenset(_WORDS.findall(text)), text)
                    offset, at_start = loop.end + 1, True
                    continue
                if call is not None and call[1] in self._timed:
                    closing = matching(plain, call.end() - 1)
                    arguments = frozenset(_WORDS.findall(plain[call.end() : closing]))
                    yield _Call(call[1], offset, plain.find(";", closing), arguments)
                at_start = False
            offset += 1


_WORDS = re.compile(r"[A-Za-z_]\w*")
_LABEL = re.compile(r"([A-Za-z_]\w*)\s*:(?!:)\s*")


def _next_statement(text: str, end: int) -> int:
    """Where the first line after a directive begins that is no directive itself."""
    begin = text.find("\n", end) + 1
    while text[begin:].lstrip(" \t").startswith("#"):
        begin = text.find("\n", begin) + 1
    return begin


@dataclass(frozen=True, slots=True)
class _Call:
    """A process: a call with the words of its arguments, or a loop with all of its words and its `text`."""

    name: str
    begin: int
    end: int
    arguments: frozenset[str]
    text: str = ""

    def writes(self, array: str) -> bool:
        """Whether a loop assigns words of an array; of a call that is not known here."""
        return re.search(rf"\b{array}\s*(?:\[[^;=]*\]\s*)[-+*/]?=(?!=)", self.text) is not None


@dataclass(frozen=True, slots=True)
class _Token:
    """An array that one process hands to another as a whole: the reader starts when the writer has ended."""

    buffer: str
    writer: int
    reader: int


_LOCAL_ARRAY = re.compile(
    r"(?:^|;|\}|\{)\s*(?!return\b)(?:const\s+|static\s+)?[A-Za-z_][\w:]*(?:<[^;<>]*>)?\s+(\w+)\s*\["
)


def _buffers_between(plain: str, function: _Function, calls: Sequence[_Call]) -> list[_Token]:
    """Of each local array the process that names it first is the writer; the others wait for it, or for the last loop between that writes it."""
    body, last = "", function.body[0]
    for call in calls:  # what a process declares is its own
        body += plain[last : call.begin]
        last = call.end
    names = [m[1] for m in _LOCAL_ARRAY.finditer(body) if "stream" not in m[0]]
    found = []
    for name in dict.fromkeys(names):
        users = [i for i, call in enumerate(calls) if name in call.arguments]
        writer = users[0] if users else 0
        for user in users[1:]:
            found.append(_Token(name, writer, user))
            writer = user if calls[user].writes(name) else writer
    return found


def _process_edits(name: str, plain: str, calls: Sequence[_Call], tokens: Sequence[_Token]) -> Iterable[_Edit]:
    for number, call in enumerate(calls):
        line = plain.count("\n", 0, call.begin) + 1
        reads = "".join(f"flexdse_done_{i}.read(); " for i, token in enumerate(tokens) if token.reader == number)
        writes = "".join(f" flexdse_done_{i}.write(true);" for i, token in enumerate(tokens) if token.writer == number)
        process = f'if (const {_SIMULATE}process flexdse_process("{call.name}", "{name}", {line}); true) {{ {reads}'
        yield _Edit(call.begin, 3, process)
        yield _Edit(call.end + 1, 3, f"{writes} }}")


def _memory_edits(plain: str, function: _Function) -> Iterable[_Edit]:
    """Accesses through the function's pointer parameters."""
    names = set()
    begin, end = function.parameters
    depth, start = 0, begin
    for offset in range(begin, end + 1):
        character = plain[offset] if offset < end else ","
        if character in "(<[{":
            depth += 1
        elif character in ")>]}":
            depth -= 1
        elif character == "," and depth == 0:
            pointer = _POINTER.search(plain[start:offset])
            if pointer:
                names.add(pointer[1])
            start = offset + 1
    for name in names:
        for match in re.finditer(rf"(?<![\w.>:]){name}(?=\s*\[)", plain[: function.body[1]]):
            if match.start() > function.body[0]:
                yield _Edit(match.start(), 4, f"{_SIMULATE}memory(")
                yield _Edit(match.end(), -1, ")")


def read_sources(roots: Iterable[Path]) -> dict[Path, str]:
    """The files of HLS C++ below the roots, with their names in reports."""
    found = {}
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.suffix in SOURCE_SUFFIXES and path.is_file():
                found[path] = f"{root.name}/{path.relative_to(root)}"
    return found


SOURCE_SUFFIXES = (".cpp", ".cc", ".h", ".hpp", ".hh", ".inc")
