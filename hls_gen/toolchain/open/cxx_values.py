"""Constants and types of a generated project, by the few forms that its templates use."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hls_gen.toolchain.open.cxx_text import matching, split_list
from spec.library_units import MacFormat


class NotUnderstoodError(ValueError):
    """A form of C++ that this reader does not know."""


@dataclass(frozen=True, slots=True)
class WordType:
    """A type that streams carry. `lanes` of `element_bits`; a type that is no vector has one lane."""

    element_bits: int
    lanes: int = 1

    @property
    def bits(self) -> int:
        """Of a word."""
        return self.element_bits * self.lanes


@dataclass(frozen=True, slots=True)
class StreamType:
    """A FIFO, or so many of them. `depth` None: declared elsewhere."""

    word: WordType
    depth: int | None
    count: int = 1


@dataclass(slots=True)
class Scope:
    """Names of a project. Names of namespaces have `::`; `prefixes` are looked through first to last."""

    constants: dict[str, Any] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ("",)

    def inside(self, *prefixes: str) -> Scope:
        """The same names, looked up as within namespaces."""
        return Scope(self.constants, self.types, (*(f"{p}::" for p in prefixes), ""))

    def bound(self, values: Mapping[str, Any]) -> Scope:
        """With the values of template parameters."""
        return Scope({**self.constants, **values}, self.types, ("", *self.prefixes))

    def find(self, name: str, kind: str) -> Any:
        """A constant or the text of a type; KeyError where there is none."""
        known: Mapping[str, Any] = self.constants if kind == "constants" else self.types
        for prefix in self.prefixes:
            if prefix + name in known:
                return known[prefix + name]
        raise KeyError(name)

    def value(self, text: str) -> Any:
        """Value of a constant expression: a number, a name of an enumeration, or a MacFormat."""
        text = text.strip()
        if (made := self._mac_format(text)) is not None:
            return made
        with suppress(KeyError):
            return self.find(text, "constants")
        enumerator = re.fullmatch(r"(?:\w+::)*(?:pe_kind|quotient|symmetry|attention_rows|input_fill)::(\w+)", text)
        if enumerator is not None:
            return enumerator[1]
        prepared = re.sub(r"\b(?:flexdse_hls|config)::", "", text)
        prepared = re.sub(r"(?<=\w)::(?=\w)", "__", prepared).replace("/", "//")
        try:
            return self._evaluate(ast.parse(prepared, mode="eval").body)
        except (SyntaxError, KeyError, NotUnderstoodError) as error:
            raise NotUnderstoodError(f"the constant {text}") from error

    def _mac_format(self, text: str) -> MacFormat | None:
        with suppress(KeyError):
            text = self.find(text, "types")
        match = re.fullmatch(r"(?:\w+::)*mac_format<(.*)>", text)
        if match is None:
            return None
        symmetry, x_bits, w_bits = split_list(match[1])
        return MacFormat(self.value(symmetry) == "symmetric", self.value(x_bits), self.value(w_bits))

    def _evaluate(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.Name):
            return self.find(node.id.replace("__", "::"), "constants")
        if isinstance(node, ast.BinOp):
            left, right = self._evaluate(node.left), self._evaluate(node.right)
            operations = {ast.Add: left + right, ast.Sub: left - right, ast.Mult: left * right}
            if isinstance(node.op, ast.FloorDiv):
                return int(left / right) if right else 0
            if type(node.op) in operations:
                return operations[type(node.op)]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name, arguments = node.func.id, [self._evaluate(argument) for argument in node.args]
            if name.endswith("__accumulator_bits"):
                made = self._mac_format(name.removesuffix("__accumulator_bits"))
                if made is not None:
                    return made.accumulator_bits(*arguments)
            if name == "ceil_div":
                return -(-arguments[0] // arguments[1])
        raise NotUnderstoodError(ast.dump(node))

    def word(self, text: str) -> WordType:
        """Bits and lanes of a type that a stream carries."""
        text = re.sub(r"\b(?:typename|const|flexdse_hls::|config::)\s*", "", text).strip().rstrip("&").strip()
        plain = {"float": 32, "int": 32, "bf16": 16}
        if text in plain:
            return WordType(plain[text])
        if text in ("token_scale", "channel_scale"):  # two values
            return WordType(2 * self.value_bits)
        match = re.fullmatch(r"(\w+)<(.*)>", text)
        if match is not None:
            arguments = split_list(match[2])
            if match[1] == "lanes":
                return WordType(self.word(arguments[0]).bits, self.value(arguments[1]))
            if match[1] in ("int_t", "uint_t", "hbm_word"):
                return WordType(self.value(arguments[0]))
            if match[1] == "rope_word":
                return WordType(2 * self.value_bits, self.value(arguments[0]))
        member = re.fullmatch(r"(\w+)::([xw])_type", text)
        if member is not None and isinstance(made := self.value(member[1]), MacFormat):
            return WordType(made.x_bits if member[2] == "x" else made.w_bits)
        try:
            return self.word(self.find(text, "types"))
        except KeyError:
            raise NotUnderstoodError(f"the type {text}") from None

    @property
    def value_bits(self) -> int:
        """Bits of `real`, a value of the non-linear units."""
        return self.word("real").bits

    def stream(self, text: str) -> StreamType:
        """A stream type, an alias of one, or an array of either."""
        text = text.strip().rstrip("&").strip()
        array = re.fullmatch(r"(.*?)((?:\[[^\]]*\])+)", text, re.DOTALL)
        if array is not None:
            inner = self.stream(array[1])
            sizes = [self.value(size) for size in re.findall(r"\[([^\]]*)\]", array[2])]
            return StreamType(inner.word, inner.depth, inner.count * math.prod(sizes))
        match = re.match(r"(fifo|stream)<", text)
        if match is not None:
            arguments = split_list(text[match.end() : matching(text, match.end() - 1)])
            depth = self.value(arguments[1]) if match[1] == "fifo" and len(arguments) > 1 else None
            return StreamType(self.word(arguments[0]), depth)
        try:
            return self.stream(self.find(text, "types"))
        except KeyError:
            raise NotUnderstoodError(f"the stream type {text}") from None


def read_constants(text: str, scope: Scope) -> None:
    """Constants and aliases of a header, by namespace; what is neither stays out."""
    namespaces: list[str] = []
    statement = re.compile(
        r"namespace\s+([\w:]+)\s*\{|(struct\s+\w+\s*\{)|constexpr\s+[\w:]+\s+(\w+)\s*=\s*([^;]+);|using\s+(\w+)\s*=\s*([^;]+);|(\})",
    )
    depth_of_struct = 0
    for match in statement.finditer(text):
        namespace, struct, name, value, alias, target, closing = match.groups()
        if struct:
            depth_of_struct += 1
        elif namespace:
            namespaces += [part for part in namespace.split("::") if part]
        elif closing:
            if depth_of_struct:
                depth_of_struct -= 1
            elif namespaces:
                namespaces.pop()
        elif depth_of_struct:
            continue
        else:
            path = [part for part in namespaces if part != "config"]
            prefix = "".join(f"{part}::" for part in path)
            here = scope.inside(*("::".join(path[:length]) for length in range(len(path), 0, -1)))
            if alias:
                scope.types[prefix + alias] = target.strip()
            else:
                try:
                    scope.constants[prefix + name] = here.value(value)
                except NotUnderstoodError:
                    continue  # a float, or a number that no structure depends on; whoever needs it says so
