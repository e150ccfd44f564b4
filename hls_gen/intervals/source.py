"""What the text of HLS C++ says about its loops and arrays: pragmas, which a C++ compiler skips.

A small scanner pairs brackets and finds loop heads; nothing here understands C++ beyond that, the compiler does the
rest. Loops that an HLS tool unrolls get the compiler's own request to do so, on the line where they stand, so that
line numbers, and with them the names of loops, stay what they were.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from hls_gen.intervals.storage import Memory, memory_of

_WORD = re.compile(r"[A-Za-z_]\w*")
_PRAGMA = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+HLS[ \t]+(\w+)(.*)$", re.IGNORECASE | re.MULTILINE)
_OPERATOR = re.compile(r'_Pragma[ \t]*\([ \t]*"[ \t]*HLS[ \t]+(\w+)([^"\n]*)"[ \t]*\)', re.IGNORECASE)
_OPTION = re.compile(r"(\w+)[ \t]*=[ \t]*([^\s]+)")
_SKIPPED = re.compile(
    r"//(?:[^\n\\]|\\.|\\\n)*|/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|^[ \t]*#(?:[^\n\\]|\\.|\\\n)*",
    re.DOTALL | re.MULTILINE,
)
_COUNTED = re.compile(
    r"for\s*\(\s*(?:[\w:]+\s+)*(\w+)\s*=\s*(\d+)\s*;\s*\1\s*(<=?)\s*(\d+)\s*;\s*(?:\1\s*\+\+|\+\+\s*\1|\1\s*\+=\s*(\d+))\s*\)"
)
_UNROLL = '_Pragma("clang loop unroll(full)") '
_UNROLL_SOME = '_Pragma("clang loop unroll_count({})") '
_KEEP = '_Pragma("clang loop unroll(disable)") '


@dataclass(frozen=True, slots=True)
class Pragma:
    """One `#pragma HLS`: lower-case name, options, flags (words without a value), offset in the text and line."""

    name: str
    options: dict[str, str]
    flags: frozenset[str]
    offset: int
    line: int


@dataclass(frozen=True, slots=True)
class SourceLoop:
    """A loop as written. `line`: of its `for`, `while` or `do`, `last_line`: of its end; `begin`, `body`, `end`: where it, its body
    and its end are in the text. `requested_ii`: of a PIPELINE pragma (1 if it names none), else None.

    `perfect_in`: line of the loop whose body is nothing but this loop, if there is one. `together`: iterations that run side by
    side (`unroll factor=`); 1 for most.
    """

    line: int
    last_line: int
    label: str | None
    begin: int
    end: int
    requested_ii: int | None
    pipelined: bool
    flatten_off: bool
    unroll: bool
    independent: frozenset[str]
    perfect_in: int | None
    together: int = 1
    body: int = 0


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A request that is not understood where it stands, and why; `requested_ii`: of a PIPELINE pragma."""

    line: int
    requested_ii: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Partition:
    """ARRAY_PARTITION, or `joined` ARRAY_RESHAPE, of one dimension of a variable; `dim` 0 is every dimension, `factor` 0
    belongs to `complete`.
    """

    variable: str
    dim: int
    kind: str
    factor: int
    line: int
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A file with what its pragmas say. `text`: with the compiler's unroll requests put in.

    `memories`: what BIND_STORAGE, RESOURCE and INTERFACE say of variables.
    `inlined`: lines of INLINE pragmas: their functions are no modules of their own. `unplaced`: requests that no loop is judged for.
    """

    text: str
    loops: tuple[SourceLoop, ...]
    partitions: tuple[Partition, ...]
    memories: tuple[Memory, ...]
    inlined: tuple[int, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()


@lru_cache(maxsize=256)  # each function of a file asks for it
def blanked(text: str) -> str:
    """`text` with comments, literals and directives as spaces: same length, same lines."""
    return _SKIPPED.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def matching(text: str, opening: int) -> int:
    """Offset of the bracket that closes the one at `opening` in blanked text; -1 where it is never closed."""
    pairs = {"(": ")", "{": "}", "[": "]"}
    open_, close = text[opening], pairs[text[opening]]
    depth = 0
    for offset in range(opening, len(text)):
        if text[offset] == open_:
            depth += 1
        elif text[offset] == close:
            depth -= 1
            if depth == 0:
                return offset
    return -1


def function_lines(source: Source, line: int) -> tuple[int, int]:
    """First and last line of the function whose definition begins at `line`."""
    plain = blanked(source.text)
    begin = 0
    for _ in range(line - 1):
        begin = plain.find("\n", begin) + 1
    opening = plain.find("{", begin)
    end = matching(plain, opening) if opening >= 0 else -1
    return line, plain.count("\n", 0, end) + 1 if end >= 0 else line


def _pragmas(text: str) -> tuple[Pragma, ...]:
    """Pragmas, also those written as `_Pragma("HLS ...")`, in the order of the text; not those of a macro or a comment."""
    skipped = [(m.start(), m.end()) for m in _SKIPPED.finditer(text) if not m[0].startswith('"')]
    found = []
    for match in (*_PRAGMA.finditer(text), *_OPERATOR.finditer(text)):
        if match.re is _OPERATOR and any(first <= match.start() < last for first, last in skipped):
            continue
        rest = re.sub(r"//.*$|/\*.*?\*/", "", match[2])
        rest = re.sub(r"[ \t]*=[ \t]*", "=", rest)
        options = {name.lower(): value for name, value in _OPTION.findall(rest)}
        flags = frozenset(word.lower() for word in rest.split() if "=" not in word)
        found.append(Pragma(match[1].lower(), options, flags, match.start(), text.count("\n", 0, match.start()) + 1))
    return tuple(sorted(found, key=lambda pragma: pragma.offset))


def _unplaced(text: str, pragmas: tuple[Pragma, ...], heads: list[_Head]) -> tuple[Unplaced, ...]:
    """PIPELINE pragmas of no loop or of a macro, DATAFLOW pragmas of a loop."""
    found = []
    for pragma in pragmas:
        around = any(head.body <= pragma.offset <= head.end for head in heads)
        if pragma.name == "pipeline" and not around and "off" not in pragma.flags:
            asked = pragma.options.get("ii", "1")
            reason = (
                "PIPELINE of no loop: of a whole function it is not judged, and loops of that function may be unrolled"
            )
            found.append(Unplaced(pragma.line, int(asked) if asked.isdigit() else None, reason))
        if pragma.name == "dataflow" and around:
            reason = "DATAFLOW in a loop: how far its iterations overlap is not judged"
            found.append(Unplaced(pragma.line, None, reason))
    for directive in re.finditer(r"^[ \t]*#[ \t]*define\b(?:[^\n\\]|\\.|\\\n)*", text, re.MULTILINE):
        asked_for = _OPERATOR.search(directive[0])
        if asked_for is not None and asked_for[1].lower() == "pipeline":
            line = text.count("\n", 0, directive.start() + asked_for.start()) + 1
            found.append(Unplaced(line, None, "PIPELINE in a macro: the loops that it stands in are not known"))
    return tuple(found)


def _statement_end(text: str, begin: int) -> int:
    """End of the statement at `begin` (after its head): a block, a nested loop, a choice or a plain statement; -1: it has none."""
    offset = begin
    while offset < len(text) and text[offset].isspace():
        offset += 1
    if offset < len(text) and text[offset] == "{":
        return matching(text, offset)
    head = _WORD.match(text, offset)
    if head and head[0] == "do":
        return _do_end(text, head.end())[1]
    if head and head[0] in ("for", "while", "if"):
        opening = text.find("(", offset)
        closing = matching(text, opening) if opening >= 0 else -1
        end = _statement_end(text, closing + 1) if closing >= 0 else -1
        other = re.compile(r"\s*else\b").match(text, end + 1) if head[0] == "if" and end >= 0 else None
        return _statement_end(text, other.end()) if other else end
    return text.find(";", offset)


def _do_end(text: str, body: int) -> tuple[int, int]:
    """Where a do loop's `while` and its last semicolon are; -1 where they are missing."""
    last = _statement_end(text, body)
    tail = re.compile(r"\s*(while)\s*\(").match(text, last + 1) if last >= 0 else None
    closing = matching(text, tail.end() - 1) if tail else -1
    return (tail.start(1), text.find(";", closing)) if tail and closing >= 0 else (-1, -1)


@dataclass(frozen=True, slots=True)
class _Head:
    keyword: int
    body: int
    end: int
    label: str | None


def _loop_heads(text: str) -> list[_Head]:
    heads = []
    tails = set()  # of do loops
    for match in re.finditer(r"\b(for|while|do)\b", text):
        if match.start() in tails:
            continue
        if match[1] == "do":
            body = match.end()
            tail, end = _do_end(text, body)
            tails.add(tail)
        else:
            opening = text.find("(", match.end())
            closing = matching(text, opening) if opening >= 0 else -1
            if closing < 0:
                continue
            body, end = closing + 1, _statement_end(text, closing + 1)
        if end < 0:
            continue
        before = re.search(r"([A-Za-z_]\w*)\s*:\s*$", text[: match.start()])
        label = before[1] if before and before[1] not in ("default", "public", "private", "protected") else None
        heads.append(_Head(match.start(), body, end, label))
    return heads


def _only_statement(text: str, outer: _Head, inner: _Head) -> bool:
    before = text[outer.body : inner.keyword].replace("{", " ", 1)
    if inner.label is not None:
        before = re.sub(rf"{inner.label}\s*:\s*$", "", before)
    after = text[inner.end + 1 : outer.end + 1].replace("}", " ", 1)
    return not before.strip() and not after.strip()


def _partitions(pragmas: tuple[Pragma, ...]) -> tuple[Partition, ...]:
    found = []
    for pragma in pragmas:
        if pragma.name not in ("array_partition", "array_reshape") or "variable" not in pragma.options:
            continue
        kind = pragma.options.get("type", next((k for k in ("cyclic", "block") if k in pragma.flags), "complete"))
        factor = pragma.options.get("factor", "0")
        dim = pragma.options.get("dim", "1")
        found.append(
            Partition(
                pragma.options["variable"],
                int(dim) if dim.isdigit() else 0,
                kind.lower() if factor.isdigit() else "unknown",
                int(factor) if factor.isdigit() else 0,
                pragma.line,
                joined=pragma.name == "array_reshape",
            )
        )
    return tuple(found)


def read_source(text: str) -> Source:
    """The loops, partitions and pragmas of one file, and its text with unroll requests for the compiler."""
    plain = blanked(text)
    pragmas = _pragmas(text)
    heads = _loop_heads(plain)
    by_loop: dict[int, list[Pragma]] = {head.keyword: [] for head in heads}
    for pragma in pragmas:
        around = [head for head in heads if head.body <= pragma.offset <= head.end]
        if around:
            by_loop[max(around, key=lambda head: head.keyword).keyword].append(pragma)
    for keyword, around_it in _of_functions(plain, pragmas, heads).items():
        by_loop[keyword] += around_it
    loops = [_loop(text, plain, head, heads, by_loop) for head in heads]
    marked = []
    for loop in loops:
        inside = any(outer.pipelined and outer.begin < loop.begin and loop.end <= outer.end for outer in loops)
        marked.append(replace(loop, unroll=loop.unroll or (inside and not loop.pipelined)))
    # A loop around loops that stay loops is left as it is: copies of these would run one after the other all the same.
    outer_ones = {x.begin for x in marked for y in marked if x.begin < y.begin and y.end <= x.end and not y.unroll}
    marked = [replace(x, together=1) if x.unroll or x.begin in outer_ones else x for x in marked]
    parts, last = [], 0
    for loop in sorted(marked, key=lambda loop: loop.begin):
        parts += [text[last : loop.begin], _request(loop)]
        last = loop.begin
    said = (memory_of(p.name, p.options, p.flags, p.line) for p in pragmas)
    memories = tuple(memory for memory in said if memory is not None)
    inlined = tuple(p.line for p in pragmas if p.name == "inline" and "off" not in p.flags)
    partitions = _partitions(pragmas)
    return Source(
        "".join([*parts, text[last:]]), tuple(marked), partitions, memories, inlined, _unplaced(text, pragmas, heads)
    )


def _literal_trip(plain: str, head: _Head) -> int | None:
    """Iterations of a loop whose bounds are numbers in its head, counting up."""
    counted = _COUNTED.match(plain, head.keyword)
    if counted is None:
        return None
    first, last, step = int(counted[2]), int(counted[4]) + (counted[3] == "<="), int(counted[5] or 1)
    return max(0, -(-(last - first) // step)) if step else None


def _request(loop: SourceLoop) -> str:
    """What the compiler is asked to do with a loop."""
    if loop.unroll:
        return _UNROLL
    return _KEEP if loop.together == 1 else _UNROLL_SOME.format(loop.together)


def _rules_out_iterations(pragma: Pragma) -> bool:
    """Whether a pragma says that iterations do not depend on each other: DEPENDENCE false, but for one within an iteration."""
    if pragma.name != "dependence" or "intra" in (*pragma.flags, pragma.options.get("type", "").lower()):
        return False
    return "false" in (*pragma.flags, pragma.options.get("dependent", "").lower())


def _of_functions(plain: str, pragmas: tuple[Pragma, ...], heads: list[_Head]) -> dict[int, list[Pragma]]:
    """DEPENDENCE pragmas that stand in no loop, by the loops of the block that they stand in."""
    found: dict[int, list[Pragma]] = {}
    for pragma in pragmas:
        if not _rules_out_iterations(pragma) or any(head.body <= pragma.offset <= head.end for head in heads):
            continue
        opening = plain.rfind("{", 0, pragma.offset)
        while opening >= 0 and matching(plain, opening) < pragma.offset:
            opening = plain.rfind("{", 0, opening)
        end = matching(plain, opening) if opening >= 0 else -1
        for head in heads:
            if opening < head.keyword <= end:
                found.setdefault(head.keyword, []).append(pragma)
    return found


def _loop(text: str, plain: str, head: _Head, heads: list[_Head], by_loop: dict[int, list[Pragma]]) -> SourceLoop:
    pragmas = by_loop[head.keyword]
    pipeline = next((p for p in pragmas if p.name == "pipeline"), None)
    unroll = next((p for p in pragmas if p.name == "unroll"), None)
    around = [outer for outer in heads if outer.body <= head.keyword and head.end <= outer.end and outer is not head]
    parent = max(around, key=lambda outer: outer.keyword, default=None)
    perfect = parent is not None and _only_statement(plain, parent, head)
    independent = frozenset(p.options.get("variable", "*") for p in pragmas if _rules_out_iterations(p))
    pipelined = pipeline is not None and "off" not in pipeline.flags
    factor = unroll.options.get("factor", "") if unroll is not None else ""
    together = max(1, int(factor)) if factor.isdigit() else 1
    whole = not factor.isdigit() or together >= (_literal_trip(plain, head) or together + 1)
    requested = pipeline.options.get("ii", "1") if pipelined and pipeline is not None else None
    return SourceLoop(
        line=text.count("\n", 0, head.keyword) + 1,
        last_line=text.count("\n", 0, head.end) + 1,
        label=head.label,
        begin=head.keyword,
        end=head.end,
        requested_ii=int(requested) if requested is not None and requested.isdigit() else None,
        pipelined=pipelined,
        flatten_off=any(p.name == "loop_flatten" and "off" in p.flags for p in pragmas),
        unroll=unroll is not None and "off" not in unroll.flags and whole,
        independent=independent,
        perfect_in=text.count("\n", 0, parent.keyword) + 1 if parent is not None and perfect else None,
        together=together,
        body=head.body,
    )
