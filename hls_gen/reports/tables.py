"""Finds the tables that the tools draw with `+---+` and `|`, with cells that span several columns."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from hls_gen.reports.errors import unreadable
from hls_gen.reports.source import ReportText

_MAX_COLUMNS = 100  # the widest table seen has 14
_MAX_CELLS = 2_000_000  # the longest report seen has 4 thousand

Row = tuple[str, ...]


class Table(NamedTuple):
    """A table. `blocks` are the rows between two rules; the first block is the header, where there is one."""

    line: int
    blocks: tuple[tuple[Row, ...], ...]

    @property
    def header(self) -> Row:
        """One text for each column; header rows are put together with a space."""
        columns = zip(*self.blocks[0], strict=True) if self.blocks and self.blocks[0] else ()
        return tuple(" ".join(dict.fromkeys(cell.strip() for cell in column if cell.strip())) for column in columns)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows below the header."""
        return tuple(row for block in self.blocks[1:] for row in block)

    def has_columns(self, *names: str) -> bool:
        """Whether all of `names` are columns."""
        return set(names) <= set(self.header)

    def records(self) -> list[dict[str, str]]:
        """The rows below the header by column; of columns with the same name the first counts."""
        header = self.header
        return [dict(reversed(list(zip(header, row, strict=True)))) for row in self.rows]


def _is_rule(line: str) -> bool:
    """`+-----+---+`, indented or not."""
    stripped = line.strip()
    return stripped.startswith("+-") and stripped.endswith("+") and not stripped.strip("+-")


def _bars(line: str, boundaries: list[int]) -> list[int] | None:
    """Where the cells of a row end: at boundaries of columns and nowhere else; None where it is so no longer."""
    bars = [position for position, character in enumerate(line) if character == "|"]
    whole = bars[0] == boundaries[0] and bars[-1] == boundaries[-1] and not line[bars[-1] + 1 :].strip()
    return bars if whole and set(bars) <= set(boundaries) else None


def _cells(line: str, boundaries: list[int], bars: list[int]) -> Row:
    """The cell of each column. A cell that spans columns gives its text to each of them."""
    cells: list[str] = []
    for left, right in pairwise(boundaries):
        start = max((bar for bar in bars if bar <= left), default=boundaries[0])
        end = min((bar for bar in bars if bar >= right), default=len(line))
        cell = line[start + 1 : end]
        cells.append(cell.strip() if cells else cell.rstrip())
    return tuple(cells)


def find_tables(report: ReportText) -> list[Table]:
    """Every table of a report. The first cell of a row keeps its indentation, which shows nesting.

    Raises:
        ReportUnreadableError: the file ends inside a table.
    """
    tables: list[Table] = []
    blocks: list[list[Row]] = []
    boundaries: list[int] = []
    started = cells = 0
    for number, line in enumerate(report.text.splitlines(), 1):
        if _is_rule(line):
            corners = [position for position, character in enumerate(line) if character == "+"]
            if len(corners) > _MAX_COLUMNS:
                raise unreadable(
                    report.path,
                    "has a table that is too wide",
                    f"at most {_MAX_COLUMNS} columns",
                    "take the file anew",
                    number,
                )
            if not boundaries or corners != boundaries:
                if boundaries and blocks and blocks[-1]:
                    raise _cut_short(report, number)
                boundaries, blocks, started = corners, [[]], number
            else:
                blocks.append([])
        elif boundaries and line.lstrip().startswith("|"):
            bars = _bars(line, boundaries)
            if bars is None:
                raise unreadable(
                    report.path,
                    "is damaged: a row does not fit the columns of its table",
                    "rows whose bars stand under the corners of the table",
                    "take the report as the tool wrote it",
                    number,
                )
            blocks[-1].append(_cells(line, boundaries, bars))
            cells += len(boundaries)
            if cells > _MAX_CELLS:
                raise unreadable(
                    report.path, "has too many tables", f"at most {_MAX_CELLS} cells", "take the file anew", number
                )
        elif boundaries:
            if blocks[-1]:
                raise _cut_short(report, number)
            tables.append(Table(started, tuple(tuple(block) for block in blocks[:-1])))
            boundaries, blocks = [], []
    if boundaries:
        if blocks[-1]:
            raise _cut_short(report, started)
        tables.append(Table(started, tuple(tuple(block) for block in blocks[:-1])))
    return [table for table in tables if table.blocks]


def _cut_short(report: ReportText, line: int) -> Exception:
    return unreadable(
        report.path,
        "is truncated: it ends inside a table",
        "complete tables",
        "run the tool again: it ended before the report was complete",
        line,
    )
