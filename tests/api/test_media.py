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


BODY = {
    "name": "x",
    "columns": {"a/b~c": [1]},
    "memory_map": {"ports": [{}, {"width_bits": 1}]},
    "space": {"fix": {"prefill.token_parallelism": 7}},
}


@pytest.mark.parametrize(
    ("field", "pointer", "is_there"),
    [
        ("name", "/name", True),
        ("memory_map.ports[1].width_bits", "/memory_map/ports/1/width_bits", True),
        ("memory_map.ports[0].width_bits", "/memory_map/ports/0/width_bits", False),
        ("memory_map.ports[2]", None, False),
        ("columns.a/b~c", "/columns/a~1b~0c", True),
        ("space.fix.prefill.token_parallelism", "/space/fix/prefill.token_parallelism", True),  # one key, with a dot
        ("exploration_id", "/exploration_id", False),
        ("name.device", "/name", True),  # a name stands for what has more fields
        ("body", "", True),
        ("a b", None, False),
    ],
)
def test_json_pointers(field: str, pointer: str | None, is_there: bool) -> None:
    """Of what is in the body, and of what should have been; never of what is elsewhere, such as in the path."""
    assert json_pointer(field, BODY, may_lack=True) == pointer
    assert json_pointer(field, BODY, may_lack=False) == (pointer if is_there else None)


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
