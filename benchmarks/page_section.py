"""A section of a docs page that a benchmark of its own rewrites, between two comments; who rewrites the rest keeps it."""

from __future__ import annotations

from pathlib import Path

TIMED_SIM_SECTION = "model-vs-timed-sim"  # of docs/validation.md


def _comments(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"


def section_of(page: Path, name: str) -> str:
    """The section with its comments, as the page has it; empty where it has none."""
    text = page.read_text() if page.is_file() else ""
    begin, end = _comments(name)
    if begin not in text or end not in text:
        return ""
    return text[text.index(begin) : text.index(end) + len(end)]


def put_section(page: Path, name: str, body: str) -> None:
    """Rewrites the section, or appends it."""
    begin, end = _comments(name)
    section, before = f"{begin}{body}{end}", section_of(page, name)
    text = page.read_text()
    page.write_text(text.replace(before, section) if before else f"{text.rstrip()}\n\n{section}")
