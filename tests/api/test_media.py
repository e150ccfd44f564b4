from __future__ import annotations

import pytest

from api.artifacts.content import safe_name
from api.conditional import matches
from api.errors import json_pointer
from api.media import negotiate
from api.problems import NotAcceptableError

OFFERED = ("application/json", "text/csv", "application/vnd.apache.parquet")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/*", "text/csv"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json;q=0.5, text/csv;q=0.6", "text/csv"),
        ("application/*;q=0.2, application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("*/*, application/json;q=0", "text/csv"),
        ("text/csv;q=what, */*;q=0.1", "application/json"),
    ],
)
def test_negotiation(accept: str | None, chosen: str) -> None:
    assert negotiate(accept, OFFERED) == chosen


@pytest.mark.parametrize("accept", ["image/png", "*/*;q=0", "text/csv;q=0", ",", ";;", "text"])
def test_nothing_that_we_have(accept: str) -> None:
    with pytest.raises(NotAcceptableError):
        negotiate(accept, OFFERED)


@pytest.mark.parametrize(
    ("header", "same"),
    [(None, False), ('"a"', True), ('W/"a"', True), ("*", True), ('"b", "a"', True), ('"b"', False), ("a", False)],
)
def test_entity_tags(header: str | None, same: bool) -> None:
    assert matches(header, '"a"') is same


@pytest.mark.parametrize(
    ("field", "pointer"),
    [
        ("name", "/name"),
        ("memory_map.ports[3].width_bits", "/memory_map/ports/3/width_bits"),
        ("columns.a/b~c", "/columns/a~1b~0c"),
        ("a b", None),
        ("", None),
    ],
)
def test_json_pointers(field: str, pointer: str | None) -> None:
    assert json_pointer(field) == pointer


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("project.zip", "project.zip"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ('a"; x="\r\nb', "a___x___r_nb"),
        ("..", "artifact"),
    ],
)
def test_names_of_downloads(name: str, safe: str) -> None:
    assert safe_name(name) == safe
