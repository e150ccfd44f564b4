"""What a generated project consists of: the processes and FIFOs of each kernel, read from its own C++.

Not from the plan: the sources are what would be synthesized. Functions that only call others are followed; the calls of
one function with equal parameters within a process come one after the other and share their hardware, as in Vitis HLS.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hls_gen.toolchain.open.cxx_text import invocations, matching, split_call, split_list, without_comments
from hls_gen.toolchain.open.cxx_values import (
    NotUnderstoodError,
    Scope,
    StreamType,
    WordType,
    read_constants,
)
from spec.axi_bursts import DEFAULT_BUFFER_WORDS
from spec.library_memories import Storage
from spec.workload import Stage


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """A function template of the library or the project, as text."""

    name: str
    template: tuple[tuple[str, str | None], ...]  # name and default of each parameter
    parameters: tuple[str, ...]
    body: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function with the values of its template parameters, by name, and the types of its stream arguments, by name of the
    parameter."""

    function: str
    values: tuple[tuple[str, Any], ...]
    streams: tuple[tuple[str, StreamType], ...]


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a kernel and the calls it makes, each with its own hardware."""

    name: str
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Fifo:
    """Declared FIFOs of one name. `storage`: what the source binds them to."""

    name: str
    stream: StreamType
    storage: Storage = "auto"


@dataclass(frozen=True, slots=True)
class AxiPort:
    """An m_axi adapter; the depths of its buffers in words of the port."""

    name: str
    width_bits: int
    read_words: int
    write_words: int


@dataclass(slots=True)
class Kernel:
    """One kernel of a project; `value_bits`: of a value of its non-linear units."""

    stage: Stage
    value_bits: int
    processes: list[Process] = field(default_factory=list)
    fifos: list[Fifo] = field(default_factory=list)
    ports: list[AxiPort] = field(default_factory=list)


class ProjectSources:
    """The C++ of a project."""

    def __init__(self, project: Path, known: frozenset[str]) -> None:
        """`known`: functions that are counted as they are; others are followed into what they call."""
        self._project = project
        self._known = known

    @cached_property
    def _texts(self) -> dict[str, str]:
        paths = [*sorted((self._project / "include").rglob("*.hpp")), *sorted((self._project / "src").glob("*.[ch]pp"))]
        return {path.name: without_comments(path.read_text()) for path in paths if path.parent.name != "host"}

    def _functions(self, stage: Stage) -> dict[str, list[FunctionSource]]:
        """Functions that a kernel may call, by name; overloads have different numbers of parameters."""
        other = "decode" if stage == "prefill" else "prefill"
        found: dict[str, list[FunctionSource]] = defaultdict(list)
        for file_name, text in self._texts.items():
            if re.match(rf"{other}(_modules)?\.", file_name):
                continue
            for match in re.finditer(r"^(?:inline )?void (\w+)\s*\(", text, re.MULTILINE):
                open_bracket = match.end() - 1
                close = matching(text, open_bracket)
                brace = text.find("{", close)
                if text[close + 1 : brace].strip():
                    continue  # a declaration
                found[match[1]].append(
                    FunctionSource(
                        match[1],
                        _template_before(text, match.start()),
                        tuple(split_list(text[open_bracket + 1 : close])),
                        text[brace : matching(text, brace) + 1],
                    )
                )
        return found

    @cached_property
    def _scope(self) -> Scope:
        scope = Scope()
        for alias in re.findall(r"^using real = (\w+);", self._texts.get("real.hpp", ""), re.MULTILINE):
            scope.types["real"] = alias
        read_constants(self._texts["config.hpp"], scope)
        for name, text in self._texts.items():
            if name.endswith("_modules.hpp"):
                read_constants(text, scope)
        return scope

    def kernel(self, stage: Stage) -> Kernel:
        """The structure of one kernel.

        Raises:
            NotUnderstoodError: the source has a form that this reader does not know.
        """
        if f"{stage}_hmt.hpp" in self._texts:
            raise NotUnderstoodError("the HMT plug-in, whose modules have no law of parts yet")
        text = self._texts[f"{stage}.cpp"]
        scope = self._scope.inside(stage)
        read_constants(re.sub(r"\bnamespace \{", "namespace config::" + stage + " {", text), self._scope)
        kernel = Kernel(stage, scope.value_bits, ports=self._ports(stage))
        functions = self._functions(stage)
        bound: dict[str, Storage] = dict(
            re.findall(r"bind_storage variable=(\w+) type=fifo impl=(uram|bram|lutram)", text)
        )
        # A port passes through the calls as a stream of its words does.
        streams = {
            f"mem_{port.name.removeprefix('gmem_')}{suffix}": StreamType(WordType(port.width_bits), None)
            for port in kernel.ports
            for suffix in ("", "_out")
        }
        for name, stream in self._declared(text, scope):
            kernel.fifos.append(Fifo(name, stream, bound.get(name, "auto")))
            streams[name] = stream
        for invocation in invocations(text, "FLEXDSE_PROCESS"):
            inner = invocation[1:-1] if invocation.startswith("(") else invocation
            call = split_call(inner)
            if call is None:
                raise NotUnderstoodError(f"the process {inner[:80]}")
            made: dict[Call, None] = {}
            self._follow(call, functions, scope, streams, made, kernel)
            kernel.processes.append(Process(call[0], tuple(made)))
        return kernel

    def _declared(self, text: str, scope: Scope) -> list[tuple[str, StreamType]]:
        """FIFOs that are declared as variables."""
        found = []
        for line in re.findall(
            r"^\s+([\w:]+(?:<[^;]*>)?)\s+(\w+)((?:\[[^\]]*\])*)\s*(?:\(\"[^\"]*\"\))?;", text, re.MULTILINE
        ):
            kind, name, sizes = line
            if kind.startswith("fifo<") or (not kind.startswith("stream<") and self._is_stream_alias(kind, scope)):
                found.append((name, scope.stream(kind + sizes)))
        return found

    def _is_stream_alias(self, kind: str, scope: Scope) -> bool:
        try:
            scope.stream(kind)
        except NotUnderstoodError:
            return False
        return True

    def _follow(
        self,
        call: tuple[str, list[str], list[str]],
        functions: Mapping[str, list[FunctionSource]],
        scope: Scope,
        streams: Mapping[str, StreamType],
        made: dict[Call, None],
        kernel: Kernel,
    ) -> None:
        name, templates, arguments = call
        source = next((one for one in functions.get(name, []) if len(one.parameters) == len(arguments)), None)
        if source is None:
            raise NotUnderstoodError(f"the function {name} of {len(arguments)} arguments")
        values = _bound(source, templates, scope)
        passed: dict[str, StreamType] = {}
        for parameter, argument in zip(source.parameters, arguments, strict=False):
            match = re.match(r"(\w+)", argument)
            variable = re.search(r"(\w+)\)?(?:\[[^\]]*\])*$", parameter)
            if match and variable and match[1] in streams:
                passed[variable[1]] = stream = _indexed(streams[match[1]], argument.count("["))
                _deduce(parameter, stream, source, values)
        if name in self._known:
            made[Call(name, tuple(sorted(values.items(), key=lambda item: item[0])), tuple(sorted(passed.items())))] = (
                None
            )
            return
        if "FLEXDSE_PROCESS" in source.body:
            return  # a region of its own: its processes stand in the same file
        inner_scope = scope.bound(values)
        inner_streams = dict(passed)
        for declared, stream in self._declared(source.body, inner_scope):
            kernel.fifos.append(Fifo(f"{name}.{declared}", stream))
            inner_streams[declared] = stream
        inside = 0
        for match in re.finditer(r"\b(\w+)\s*(?=[<(])", source.body):
            if match[1] == name or match[1] not in functions:
                continue
            inner = split_call(source.body[match.start() :])
            if inner is not None:
                inside += 1
                self._follow(inner, functions, inner_scope, inner_streams, made, kernel)
        if not inside:
            raise NotUnderstoodError(f"the function {name}")

    def _ports(self, stage: Stage) -> list[AxiPort]:
        widths = dict(
            re.findall(rf"using {stage}_(\w+)_word = flexdse_hls::hbm_word<(\d+)>", self._texts[f"{stage}.hpp"])
        )
        buffers: dict[str, dict[str, int]] = {}
        interface = (self._project / "src" / f"{stage}_interface.inc").read_text()
        for line in re.findall(r"#pragma HLS interface mode=m_axi ([^\n]*)", interface):
            options = dict(re.findall(r"(\w+)=(\w+)", line))
            depths = buffers.setdefault(options["bundle"], {})
            for direction in ("read", "write"):
                burst, outstanding = (
                    options.get(f"max_{direction}_burst_length"),
                    options.get(f"num_{direction}_outstanding"),
                )
                if burst and outstanding:
                    depths[direction] = int(burst) * int(outstanding)
        return [
            AxiPort(
                bundle,
                int(widths[bundle.removeprefix("gmem_")]),
                depths.get("read", DEFAULT_BUFFER_WORDS),
                depths.get("write", DEFAULT_BUFFER_WORDS),
            )
            for bundle, depths in buffers.items()
        ]


def _template_before(text: str, position: int) -> tuple[tuple[str, str | None], ...]:
    """Parameters of the template whose function begins at `position`."""
    start = text.rfind("template <", 0, position)
    if start < 0:
        return ()
    end = matching(text, start + len("template "))
    if text[end + 1 : position].strip():
        return ()
    found: list[tuple[str, str | None]] = []
    for parameter in split_list(text[start + len("template <") : end]):
        declaration, _, default = parameter.partition("=")
        found.append((declaration.split()[-1], default.strip() or None))
    return tuple(found)


def _bound(source: FunctionSource, templates: list[str], scope: Scope) -> dict[str, Any]:
    """Values of the template parameters that are written or have a default; deduced ones are left out."""
    values: dict[str, Any] = {}
    for index, (parameter, default) in enumerate(source.template):
        text = templates[index] if index < len(templates) else default
        if text is None:
            continue
        try:
            values[parameter] = scope.value(text)
        except NotUnderstoodError:
            with suppress(NotUnderstoodError):  # a structure, or deduced by the caller: a law that needs it says so
                values[parameter] = scope.word(text)
    return values


def _indexed(stream: StreamType, indices: int) -> StreamType:
    """An element of an array of streams, or a row of it: the counts of rows are not told apart, so a row counts as one."""
    return StreamType(stream.word, stream.depth, 1) if indices else stream


def _deduce(parameter: str, stream: StreamType, source: FunctionSource, values: dict[str, Any]) -> None:
    """Template parameters that follow from the type of an argument: words of a port, lanes and number of streams."""
    names = {name for name, _ in source.template} - values.keys()
    for pattern, found in (
        (r"hbm_word<(\w+)>", stream.word.bits),
        (r"rope_word<(\w+)>", stream.word.lanes),
        (r"lanes<(?:[^<>]|<[^<>]*>)*,\s*(\w+)>", stream.word.lanes),
        (r"\(&\w+\)\[(\w+)\]", stream.count),
    ):
        match = re.search(pattern, parameter)
        if match and match[1] in names:
            values[match[1]] = found
