"""A hardened XML reader: no document type, hence no entities; bounds on depth and on the number of elements.

Reports need neither, and what is not declared can not expand. Subtrees that nobody reads are checked, but not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

from hls_gen.reports.errors import unreadable
from hls_gen.reports.source import ReportText

MAX_DEPTH = 60  # the deepest report seen has eight
MAX_ELEMENTS = 1_000_000  # kept ones; the largest report seen has 20 thousand

_HOSTILE_WAY_OUT = "take the report from the tool that wrote it, not from elsewhere"


class Node:
    """An element: its tag, attributes, text, and the elements in it."""

    __slots__ = ("attributes", "children", "tag", "text")

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.text = ""
        self.children: list[Node] = []

    def child(self, path: str) -> Node | None:
        """The first element at `a/b/c` below this one."""
        node: Node | None = self
        for tag in path.split("/"):
            node = next((one for one in node.children if one.tag == tag), None) if node else None
        return node

    def value(self, path: str) -> str | None:
        """The text at `a/b/c`, stripped; None where there is no such element."""
        node = self.child(path)
        return None if node is None else node.text.strip()

    def all(self, path: str) -> Iterator[Node]:
        """All elements with the last tag of `a/b/c` in the first `a/b`."""
        *above, last = path.split("/")
        node = self.child("/".join(above)) if above else self
        yield from (one for one in (node.children if node else ()) if one.tag == last)


class _Reader:
    def __init__(self, report: ReportText, roots: tuple[str, ...], skip: frozenset[str]) -> None:
        self._report = report
        self._roots = roots
        self._skip = skip
        self._stack: list[Node] = []
        self._texts: list[list[str]] = []
        self._depth = 0
        self._skipping_from: int | None = None
        self._kept = 0
        self.root: Node | None = None
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def read(self) -> Node:
        try:
            self._parser.Parse(self._report.text.encode(), True)
        except expat.ExpatError as error:
            if error.code in (expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS], *_CUT_SHORT):
                problem, way_out = "is truncated", "run the tool again: it ended before the report was complete"
            else:
                problem, way_out = f"is not well-formed XML: {expat.errors.messages[error.code]}", "take the file anew"
            expected = f"one complete <{' or '.join(self._roots)}> element"
            raise unreadable(self._report.path, problem, expected, way_out, error.lineno) from error
        assert self.root is not None
        return self.root

    def _refuse_doctype(self, *_: object) -> None:
        raise self._hostile("declares a document type", "no DTD and no entities")

    def _hostile(self, problem: str, expected: str) -> Exception:
        return unreadable(self._report.path, problem, expected, _HOSTILE_WAY_OUT, self._parser.CurrentLineNumber)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._hostile("is nested too deeply", f"at most {MAX_DEPTH} levels of elements")
        if self._depth == 1 and tag not in self._roots:
            raise unreadable(
                self._report.path,
                f"is XML of something else: its root is <{tag[:60]}>",
                f"<{'> or <'.join(self._roots)}> at the root",
                "give a csynth.xml or export_impl.xml",
                self._parser.CurrentLineNumber,
            )
        if self._skipping_from is not None:
            return
        if tag in self._skip:
            self._skipping_from = self._depth
            return
        self._kept += 1
        if self._kept > MAX_ELEMENTS:
            raise self._hostile("has too many elements", f"at most {MAX_ELEMENTS} elements")
        node = Node(tag, attributes)
        if self._stack:
            self._stack[-1].children.append(node)
        else:
            self.root = node
        self._stack.append(node)
        self._texts.append([])

    def _end(self, _tag: str) -> None:
        if self._skipping_from is None:
            self._stack.pop().text = "".join(self._texts.pop())
        elif self._skipping_from == self._depth:
            self._skipping_from = None
        self._depth -= 1

    def _characters(self, text: str) -> None:
        if self._skipping_from is None and self._texts:
            self._texts[-1].append(text)


_CUT_SHORT = tuple(
    expat.errors.codes[message]
    for message in (
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)


def read_xml(report: ReportText, roots: tuple[str, ...], skip: frozenset[str] = frozenset()) -> Node:
    """The tree of a report whose root is one of `roots`, without the elements called `skip`.

    Raises:
        ReportUnreadableError: truncated, not well-formed, of another root, or hostile.
    """
    return _Reader(report, roots, skip).read()
