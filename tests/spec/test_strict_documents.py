"""Strict YAML and JSON: file, line, nearest valid name; no conversions, no aliases, no surprises."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.catalog import CATALOG_DIR, resolve_device
from spec.errors import InputError, InputErrors
from spec.strict import MAX_DOCUMENT_BYTES, MAX_LEVELS, Document, load_document, parse_json, parse_yaml

Refused = Callable[..., InputError]
U280 = (CATALOG_DIR / "devices" / "u280.yaml").read_text()


@pytest.fixture
def card(tmp_path: Path) -> Callable[[str], str]:
    """Write a device file and return its path."""

    def write(text: str) -> str:
        path = tmp_path / "card.yaml"
        path.write_text(text)
        return str(path)

    return write


def changed(old: str, new: str) -> str:
    assert U280.count(old) >= 1, old
    return U280.replace(old, new, 1)


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if part in line)


def test_unknown_key_names_file_line_and_nearest(refused: Refused, card: Callable[[str], str]) -> None:
    text = changed("part_number:", "part_nummer:")
    file = card(text)
    where = f"{file}:{line_of(text, 'part_nummer')}"
    error = refused(lambda: resolve_device(file), where, "unknown key 'part_nummer'", "did you mean part_number")
    assert isinstance(error, InputErrors)  # the key that is now missing is told too
    assert {one.field for one in error.errors} == {"part_nummer", "part_number"}


@pytest.mark.parametrize(
    ("old", "new", "field", "nearest"),
    [
        ("  max_mhz:", "  max_mghz: 1\n  max_mhz:", "clock.max_mghz", "max_mhz"),
        ("      lut: 439680", "      luts: 1\n      lut: 439680", "slrs[0].total.luts", "lut"),
        ("schema:", "shema: 1\nschema:", "shema", "schema"),
        ("  attached_slr: SLR0", "  slr: 0\n  attached_slr: SLR0", "hbm.slr", "attached_slr"),
    ],
)
def test_unknown_key_at_any_depth(
    refused: Refused, card: Callable[[str], str], old: str, new: str, field: str, nearest: str
) -> None:
    text = changed(old, new)
    line = line_of(text, new.splitlines()[0])
    error = refused(lambda: resolve_device(card(text)), "unknown key", nearest, field=field)
    assert error.line == line
    assert "schema_name" not in str(error)  # the file's word, not the attribute's


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("title: AMD", "name: again\ntitle: AMD", "name"),
        ("  efficiency:", "  channels: 4\n  efficiency:", "hbm.channels"),
        ("    usable:\n", "    name: SLR0\n    usable:\n", "slrs[0].name"),
    ],
)
def test_duplicate_key_names_both_lines(
    refused: Refused, card: Callable[[str], str], old: str, new: str, field: str
) -> None:
    text = changed(old, new)
    file = card(text)
    error = refused(lambda: resolve_device(file), f"{file}:", "duplicate key", "first on line", field=field)
    assert error.line is not None
    assert f"first on line {error.line}" not in str(error)


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ("lut: 439680", 'lut: "439680"', "slrs[0].total.lut", "439680"),
        ("lut: 439680", "lut: 439680.0", "slrs[0].total.lut", 439680.0),
        ("lut: 439680", "lut: true", "slrs[0].total.lut", True),
        ("lut: 439680", "lut: null", "slrs[0].total.lut", None),
        ("lut: 439680", "lut: -1", "slrs[0].total.lut", -1),
        ("lut: 439680", "lut: 1000000000000", "slrs[0].total.lut", 10**12),
        ("lut: 439680", "lut: [1]", "slrs[0].total.lut", [1]),
        ("default_mhz: {value: 300", "default_mhz: {value: 5.0e-324", "clock.default_mhz", 5e-324),
        ("name: u280", "name: 280", "name", 280),
        ("name: u280", "name: U 280", "name", "U 280"),
        ("dsp_kind: dsp48e2", "dsp_kind: dsp48", "dsp_kind", "dsp48"),
        ("title: AMD Alveo U280", "title: ''", "title", ""),
        ("schema: flexdse/device/v1", "schema: flexdse/device/v2", "schema", "flexdse/device/v2"),
    ],
)
def test_wrong_values_name_field_line_and_value(
    refused: Refused, card: Callable[[str], str], old: str, new: str, field: str, value: object
) -> None:
    text = changed(old, new)
    error = refused(lambda: resolve_device(card(text)), field=field, value=value)
    assert error.line == line_of(text, new)


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("      lut: 400800", "      lut: 500000", "slrs[0].usable.lut", ("439680",)),
        ("13.28125e+9", "15e9", "hbm.channel_sustained_bytes_per_s", ("channel_peak_bytes_per_s",)),
        ("  kind: ddr", "  kind: hbm", "ddr.kind", ("must be ddr",)),
        ("  attached_slr: SLR0", "  attached_slr: SLR7", "hbm.attached_slr", ("SLR0, SLR1, SLR2",)),
        ("  - name: SLR1", "  - name: SLR0", "slrs", ("unique",)),
        ("value: 304", "value: 200", "clock.default_mhz", ("clock.max_mhz",)),
        ("  lut: 107629", "  lut: 9999999", "shell.lut", ("1303680",)),
        ("  - value: 6243", "  - value: 60000", "sll_shell", ("sll_per_boundary = 23040",)),
        ("  - value: 4267", "  - {value: 1, source: x}\n  - value: 4267", "sll_shell", ("2 numbers",)),
    ],
)
def test_contradictions(
    refused: Refused, card: Callable[[str], str], old: str, new: str, field: str, words: tuple[str, ...]
) -> None:
    refused(lambda: resolve_device(card(changed(old, new))), *words, field=field)


def test_a_memory_that_the_card_lacks(refused: Refused) -> None:
    refused(lambda: resolve_device("u55c").memory("ddr"), "has no DDR", field="ddr")


@pytest.mark.parametrize("source", ["''", "5", "[a]", "null"])
def test_an_empty_source_is_no_source(refused: Refused, card: Callable[[str], str], source: str) -> None:
    text = changed('source: "no measurement found: equals the peak"', f"source: {source}")
    refused(lambda: resolve_device(card(text)), "non-empty text", field="ddr.channel_sustained_bytes_per_s.source")


@pytest.mark.parametrize("sources", ["[1, 2]", "text", "{power: 3}"])
def test_an_odd_table_of_sources(refused: Refused, card: Callable[[str], str], sources: str) -> None:
    refused(lambda: resolve_device(card(U280 + f"sources: {sources}\n")), "sources")


def test_several_errors_come_together(refused: Refused, card: Callable[[str], str]) -> None:
    text = changed("lut: 439680", "lut: x").replace("swap_s:", "swaps:", 1)
    error = refused(lambda: resolve_device(card(text)))
    assert isinstance(error, InputErrors)
    assert [one.field for one in error.errors] == [
        "slrs[0].total.lut", "reconfiguration.swap_s", "reconfiguration.swaps",
    ]  # fmt: skip
    assert len(error.to_problem()["errors"]) == 3


@pytest.mark.parametrize("text", ["", "# only a comment\n", "null", "[]", "just text", "5"])
def test_a_document_that_is_no_mapping(refused: Refused, card: Callable[[str], str], text: str) -> None:
    refused(lambda: resolve_device(card(text)), field="document")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x 1\nb: *x\n", ("aliases", "repeat the value", "f.yaml:2")),
        ("a: [1, 2\nb: 3\n", ("not valid YAML", "f.yaml:2")),
        ("a: 1\n b: 2\n", ("not valid YAML", "f.yaml:2")),
        ("a: 1\n---\na: 2\n", ("not valid YAML", "document")),
        ("a: 'x\n", ("not valid YAML",)),
        ("\ta: 1\n", ("not valid YAML",)),
        ("a: \x07\n", ("not valid YAML",)),
        ("1: a\n", ("key 1 is not text", "put the key in quotes")),
        ("yes: a\n", ("key True is not text", "put the key in quotes")),
        ("[a, b]: c\n", ("is not text",)),
        ("? {a: 1}\n: c\n", ("is not text",)),
        ("a: 2024-01-01\n", ("timestamp", "in quotes")),
        ("a: 2024-13-45\n", ("timestamp", "in quotes")),
        ("a: !!binary aGk=\n", ("binary",)),
        ("a: !!set {x: null}\n", ("set is not accepted",)),
        ("a: !!omap [x: 1]\n", ("omap is not accepted",)),
        ("a: !!python/object/apply:os.system [x]\n", ("python/object",)),
        ("a: !!python/object:os.system x\n", ("python/object",)),
        ("a: !!bool maybe\n", ("bool of that form",)),
        ("a: !!int x\n", ("written as x",)),
        ("a: !!float x\n", ("float of that form",)),
        ("a: 012\n", ("written as 012", "decimal")),
        ("a: 0x10\n", ("written as 0x10", "decimal")),
        ("a: 1:30\n", ("written as 1:30", "decimal")),
        ("a: 1:30.5\n", ("written as 1:30.5", "decimal")),
        ("a: .nan\n", ("not a finite number",)),
        ("a: -.inf\n", ("not a finite number",)),
        ("a: 1e999\n", ("not a finite number",)),
        ("<<: {a: 1}\n", ("merge",)),
        ("a: " + "9" * 5000 + "\n", ("int of that form",)),
        ("a: " + "9" * 4000 + "\n", ("bits",)),
        ("a: " + "[" * 100 + "]" * 100 + "\n", ("nested too deeply",)),
        ("[" * 20_000, ("nested too deeply",)),
        ("{a: " * 2_000, ("nested too deeply",)),
    ],
)
def test_yaml_that_is_refused(refused: Refused, text: str, words: tuple[str, ...]) -> None:
    refused(lambda: parse_yaml(text, "f.yaml"), "f.yaml", *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', ("duplicate key 'a'", "remove one")),
        ('{"x": {"b": 1, "b": 1}}', ("duplicate key 'b'",)),
        ('{"a": NaN}', ("NaN", "finite")),
        ('{"a": Infinity}', ("Infinity", "finite")),
        ('{"a": -Infinity}', ("-Infinity", "finite")),
        ('{"a": 1e999}', ("not a finite number",)),
        ('{"a": 1,}', ("not valid JSON", "f.json:1")),
        ('{\n"a": 1\n"b": 2}', ("not valid JSON", "f.json:3")),
        ("{'a': 1}", ("not valid JSON",)),
        ("", ("not valid JSON",)),
        ('{"a": ' + "9" * 5000 + "}", ("a few thousand digits",)),
        ('{"a": ' + "9" * 4000 + "}", ("bits",)),
        ('{"a": "\\ud800"}', ("surrogate",)),
        ('{"\\ud800": 1}', ("a key that is not text",)),
        ("[" * 100_000, ("nested too deeply",)),
        ("[" * 60 + "]" * 60, ("nested too deeply", str(MAX_LEVELS))),
    ],
)
def test_json_that_is_refused(refused: Refused, text: str, words: tuple[str, ...]) -> None:
    refused(lambda: parse_json(text, "f.json"), "f.json", *words)


@pytest.mark.parametrize("text", ["12e9", "1e-5", "1.5E3", "24.0e+9", "-2e0"])
def test_floats_mean_what_they_mean_in_json(text: str) -> None:
    assert parse_yaml(f"a: {text}").data == {"a": float(text)}


def test_plain_yaml_stays_as_it_is() -> None:
    text = "a: 1\nb: [x, 'y', null, true, 1_000]\nc: {d: -0.5, e: '1e3', f: !!str 12}\n"
    document = parse_yaml(text, "f.yaml")
    assert document.data == {"a": 1, "b": ["x", "y", None, True, 1000], "c": {"d": -0.5, "e": "1e3", "f": "12"}}
    assert document.line(("c", "d")) == 3
    assert document.line(("b", 7)) == 2  # the deepest part that the file has


def test_a_hostile_key_cannot_reach_the_terminal(refused: Refused, card: Callable[[str], str], tmp_path: Path) -> None:
    yaml_key, json_key = '"\\e[31m' + "k" * 1000 + '"', '"\\u001b[31m' + "k" * 10_000 + '"'
    file = tmp_path / "card.json"
    file.write_text("{" + json_key + ": 1}")
    for name in (card(f"{U280}{yaml_key}: 1\n"), str(file)):
        message = str(refused(partial(resolve_device, name), "unknown key"))
        assert "\x1b" not in message
        assert len(max(message.splitlines(), key=len)) < 1000


# ----------------------------------------------------------------------------------------------------------- files


def test_files_that_cannot_be_read(refused: Refused, tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"name: caf\xe9\n")
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * (MAX_DOCUMENT_BYTES + 1))
    refused(lambda: load_document(latin, "device file"), "not UTF-8", "latin.yaml", field="device file")
    refused(lambda: load_document(folder, "device file"), "is a folder", "folder.yaml")
    refused(lambda: load_document(huge, "device file"), "too large", str(MAX_DOCUMENT_BYTES))
    refused(lambda: load_document(tmp_path / "none.yaml", "device file"), "No such file", "check the path")
    refused(lambda: load_document(Path("a\0b.yaml"), "device file"), "cannot be read", "null")
    refused(lambda: load_document(Path("x" * 5000 + ".yaml"), "device file"), "too long")


def test_an_endless_file_is_not_read_to_its_end(refused: Refused) -> None:
    refused(lambda: load_document(Path("/dev/zero"), "device file"), "too large")


def test_a_file_without_permission(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:  # root may read everything, so chmod would not do
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    refused(lambda: load_document(Path("card.yaml"), "device file"), "Permission denied", "check the path")


def test_a_byte_order_mark_is_no_harm(tmp_path: Path) -> None:
    for name, text in (("a.yaml", "a: 1\n"), ("a.json", '{"a": 1}')):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert load_document(tmp_path / name, "file").data == {"a": 1}


def test_json_files_are_read_as_json(refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / "card.JSON"
    file.write_text("a: 1\n")
    refused(lambda: load_document(file, "device file"), "not valid JSON")


# -------------------------------------------------------------------------------------------------------- properties

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def outcome(action: Callable[[], object]) -> object:
    try:
        return action()
    except InputError as error:
        return error


@settings(max_examples=150, deadline=None)
@given(PLAIN)
def test_json_comes_back_as_it_was(data: object) -> None:
    result = outcome(lambda: parse_json(json.dumps(data)))
    if isinstance(result, InputError):
        assert "surrogate" in str(result) or "not text" in str(result)
    else:
        assert isinstance(result, Document)
        assert result.data == data


TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=60)
YAML_LIKE = st.text(alphabet="ab:-[]{}!&*#|>'\"?,\n \t0.e", max_size=40)


@settings(max_examples=300, deadline=None)
@given(TEXT | YAML_LIKE)
def test_any_text_parses_or_is_refused(text: str) -> None:
    for parse in (parse_yaml, parse_json):
        result = outcome(partial(parse, text, "f"))
        if isinstance(result, InputError):
            assert result.rule
            assert result.hint
        else:
            assert isinstance(result, Document)
