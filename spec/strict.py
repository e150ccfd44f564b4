"""Strict parsing of documents: unknown and duplicate keys are errors with file, line and the nearest valid name."""

from __future__ import annotations

import copy
import json
import math
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from spec.errors import NO_VALUE, InputError, InputErrors, echo, nearest_names, printable
from spec.value_rules import CORRECT, value_rule

MAX_DOCUMENT_BYTES = 4 * 2**20  # a design or device file is a few kB; anything larger is a mistake
MAX_LEVELS = 40  # of nesting; our documents have five
_SHOWN_KEYS = 8
_CONFIGURATION = "give the configuration file, not the weights"

_YAML_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = ("map", "seq", "str", "null", "bool", "int", "float")

PathKey = tuple[str | int, ...]

WHOLE = "document"  # the name of what has no place in a document: the document


class StrictModel(BaseModel):
    """Frozen, and refuses unknown keys. Documents that go through `validate` get no type conversions either."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        """JSON and YAML have lists where frozen models have tuples."""
        fields = _tuple_fields(cls)
        if not isinstance(data, dict) or fields.isdisjoint(data):
            return data
        return {key: _with_tuples(value) if key in fields else value for key, value in data.items()}


@cache
def _tuple_fields(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for name, field in model.model_fields.items() if _mentions_tuple(field.annotation))


def _mentions_tuple(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(map(_mentions_tuple, get_args(annotation)))


def _with_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_tuples(inner) for key, inner in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


ModelT = TypeVar("ModelT", bound=BaseModel)


def dotted(path: Iterable[str | int]) -> str:
    """`("slrs", 0, "lut")` as `slrs[0].lut`."""
    text = ""
    for part in path:
        name = "" if isinstance(part, int) else printable(str(part), 60)
        text += f"[{part}]" if isinstance(part, int) else (f".{name}" if text else name)
    return text


class Document:
    """Plain data together with the file it came from and the line of each key. `name`: what errors call the whole of it."""

    def __init__(
        self,
        data: Any,
        source: str | None = None,
        lines: Mapping[PathKey, int] | None = None,
        name: str = WHOLE,
    ) -> None:
        self.data = data
        self.source = source
        self.lines = dict(lines or {})
        self.name = name

    def place(self, path: PathKey) -> str:
        """How errors call what lies at `path`."""
        return dotted(path) or self.name

    def line(self, path: PathKey) -> int | None:
        """The line of the deepest part of `path` that the file has."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None


def _too_deep(path: PathKey, source: str | None, line: int | None = None, name: str = WHOLE) -> InputError:
    return InputError(
        "nested too deeply",
        field=dotted(path[:3]) or name,
        value=f"more than {MAX_LEVELS} levels",
        rule=f"at most {MAX_LEVELS} levels",
        hint="write a flatter document",
        source=source,
        line=line,
    )


def _refuse_what_is_not_plain(document: Document) -> Document:
    """`document` if it holds nothing but nested mappings, lists, text, finite numbers, booleans and null."""
    stack: list[tuple[PathKey, Any]] = [((), document.data)]
    while stack:
        path, node = stack.pop()
        problem = ""
        if len(path) > MAX_LEVELS:
            raise _too_deep(path, document.source, document.line(path), document.name)
        if isinstance(node, dict):
            stack.extend(((*path, key), value) for key, value in node.items())
            problem = "" if all(map(_is_unicode, node)) else "a key that is not text"
        elif isinstance(node, list | tuple):
            stack.extend(((*path, i), value) for i, value in enumerate(node))
        elif isinstance(node, str):
            problem = "" if _is_unicode(node) else "text with half a surrogate pair"
        elif isinstance(node, float):
            problem = "" if math.isfinite(node) else "not a finite number"
        elif isinstance(node, int):
            problem = "" if node.bit_length() <= 1024 else f"an integer of {node.bit_length()} bits"
        elif node is not None:
            problem = f"a value of type {type(node).__name__}"
        if problem:
            raise InputError(
                f"{document.place(path)}: {problem}",
                field=document.place(path),
                value=node,
                rule="text, finite numbers, booleans, null, and lists and mappings of them",
                hint=CORRECT,
                source=document.source,
                line=document.line(path),
            )
    return document


def _is_unicode(text: Any) -> bool:
    if not isinstance(text, str):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _scalar(node: yaml.ScalarNode, path: PathKey, document: Document, loader: yaml.SafeLoader) -> Any:
    kind = str(node.tag).removeprefix(_YAML_TAG)
    text = str(node.value)
    odd_int = kind == "int" and not re.fullmatch(r"[-+]?(0|[1-9][0-9_]*)", text)
    if odd_int or (kind == "float" and ":" in text):
        kind = f"number written as {text}"  # octal, hexadecimal or base 60 in YAML 1.1
    if kind == "str" and node.style is None and re.fullmatch(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+", text):
        return float(text)  # 12e9 is a number in YAML 1.2 and JSON, but text in YAML 1.1
    if kind in _PLAIN_TAGS:
        try:
            return loader.construct_object(node)
        except (ValueError, LookupError, AttributeError, TypeError):
            kind = f"{kind} of that form"  # an explicit tag on other text, or an integer of thousands of digits
    raise _odd_yaml(kind, text, node, path, document)


def _odd_yaml(kind: str, value: str, node: yaml.Node, path: PathKey, document: Document) -> InputError:
    return InputError(
        f"{document.place(path)}: YAML {printable(kind)} is not accepted",
        field=document.place(path),
        value=value,
        rule="mappings, lists, text, decimal numbers, true, false and null",
        hint="write numbers in decimal and put text in quotes",
        source=document.source,
        line=node.start_mark.line + 1,
    )


def _construct(node: yaml.Node, path: PathKey, document: Document, loader: yaml.SafeLoader) -> Any:
    if len(path) > MAX_LEVELS:
        raise _too_deep(path, document.source, node.start_mark.line + 1)
    document.lines.setdefault(path, node.start_mark.line + 1)
    kind = str(node.tag).removeprefix(_YAML_TAG)
    if isinstance(node, yaml.CollectionNode) and kind not in _PLAIN_TAGS:
        raise _odd_yaml(kind, str(node.tag), node, path, document)
    if isinstance(node, yaml.MappingNode):
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = _scalar(key_node, path, document, loader) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise InputError(
                    f"key {echo(key)} is not text",
                    field=document.place(path),
                    value=key,
                    rule="keys are text",
                    hint="put the key in quotes",
                    source=document.source,
                    line=line,
                )
            if key in result:
                raise InputError(
                    f"duplicate key {echo(key)} (first on line {document.lines[(*path, key)]})",
                    field=dotted((*path, key)),
                    value=key,
                    rule="each key appears once in its mapping",
                    hint="remove or rename one of the two",
                    source=document.source,
                    line=line,
                )
            document.lines[(*path, key)] = line
            result[key] = _construct(value_node, (*path, key), document, loader)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_construct(child, (*path, i), document, loader) for i, child in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)  # the third kind of node
    return _scalar(node, path, document, loader)


def _line_of(text: str, line: int | None) -> str:
    lines = text.splitlines()
    return lines[line - 1] if line and line <= len(lines) else ""


_STARTS = ("BlockMappingStart", "BlockSequenceStart", "FlowMappingStart", "FlowSequenceStart")
_ENDS = ("BlockEnd", "FlowMappingEnd", "FlowSequenceEnd")


def _refuse_aliases_and_depth(text: str, source: str | None) -> None:
    """Before anything is built: the time of PyYAML grows with the square of the depth."""
    depth = 0
    for token in yaml.scan(text):
        kind, line = type(token).__name__.removesuffix("Token"), token.start_mark.line + 1
        depth += (kind in _STARTS) - (kind in _ENDS)
        if depth > MAX_LEVELS:
            raise _too_deep((), source, line)
        if kind == "Alias":
            raise InputError(
                "YAML aliases (*name) are not accepted",
                field=WHOLE,
                value=_line_of(text, line),
                rule="each value is written out",
                hint="repeat the value instead",
                source=source,
                line=line,
            )


def parse_yaml(text: str, source: str | None = None) -> Document:
    """Parse YAML (JSON is a subset of it for our purposes) with lines, refusing duplicate keys, aliases and odd types.

    Raises:
        InputError: not YAML, a duplicate key, an alias, a date or other type beyond JSON's, several documents.
    """
    document = Document(None, source)
    loader = None
    try:
        loader = yaml.SafeLoader(text)  # refuses control characters at once
        _refuse_aliases_and_depth(text, source)
        node = loader.get_single_node()
        if node is not None:
            document.data = _construct(node, (), document, loader)
    except RecursionError:
        raise _too_deep((), source) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        raise InputError(
            f"not valid YAML: {printable(str(getattr(error, 'problem', None) or error))}",
            field=WHOLE,
            value=_line_of(text, line),
            rule="the file must parse as YAML or JSON",
            hint="check the indentation, quotes and colons near that line",
            source=source,
            line=line,
        ) from error
    finally:
        if loader is not None:
            loader.dispose()
    return _refuse_what_is_not_plain(document)


def _refuse_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise InputError(
                f"duplicate key {echo(key)}",
                field=key,
                value=key,
                rule="each key appears once in its object",
                hint="remove one of the two",
            )
        result[key] = value
    return result


def _refuse_constant(name: str) -> Any:
    raise InputError(
        f"{name} is not a JSON number",
        field=WHOLE,
        value=name,
        rule="numbers are finite",
        hint="write a number, or null for a missing one",
    )


def parse_json(text: str, source: str | None = None, name: str = WHOLE) -> Document:
    """Parse JSON, refusing duplicate keys, NaN and infinities. `name`: what errors call the whole of it."""
    try:
        data = json.loads(text, object_pairs_hook=_refuse_duplicate_keys, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InputError(
            f"not valid JSON: {error.msg}",
            field=name,
            value=_line_of(text, error.lineno),
            rule="must parse as JSON",
            hint=f"look near column {error.colno}",
            source=source,
            line=error.lineno,
        ) from error
    except RecursionError:
        raise _too_deep((), source, name=name) from None
    except InputError as error:
        error.source = source
        if error.field == WHOLE:
            error.field = name
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise InputError(
            "not a number that we can read",
            field=name,
            value=str(error),
            rule="integers of at most a few thousand digits",
            hint="correct the number",
            source=source,
        ) from error
    return _refuse_what_is_not_plain(Document(data, source, name=name))


def read_text(path: Path, what: str, max_bytes: int = MAX_DOCUMENT_BYTES, smaller: str = _CONFIGURATION) -> str:
    """The text of a user's file, or an InputError that says why not. `smaller`: the way out where it is too large."""

    def refuse(problem: str, rule: str, hint: str) -> InputError:
        return InputError(f"{what} {echo(str(path))} {problem}", field=what, value=str(path), rule=rule, hint=hint)

    try:
        with path.open("rb") as file:  # a device or pipe has no size, so read no more than the limit
            content = file.read(max_bytes + 1)
    except IsADirectoryError as error:
        raise refuse("is a folder", "must be a file", "name the file in the folder") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) else error
        problem = f"cannot be read: {reason}"
        raise refuse(problem, "must be a readable file", "check the path and its permissions") from error
    if len(content) > max_bytes:
        raise refuse("is too large", f"at most {max_bytes} bytes", smaller)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse("is not UTF-8 text", "must be UTF-8 text", "give a text file, or convert it to UTF-8") from error


def load_document(path: Path, what: str, smaller: str = _CONFIGURATION) -> Document:
    """Read a `.json`, `.yaml` or `.yml` file strictly. `smaller`: the way out where it is too large."""
    text = read_text(path, what, smaller=smaller)
    return parse_json(text, str(path)) if path.suffix.lower() == ".json" else parse_yaml(text, str(path))


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model inside an annotation such as `tuple[Port, ...]` or `Port | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, tuple, list, dict):
        for argument in get_args(annotation):
            found = _model_of(argument)
            if found:
                return found
    return None


def _fields_at(model: type[BaseModel], path: PathKey) -> list[str]:
    current: type[BaseModel] | None = model
    for part in path:
        if current is None:
            return []
        if isinstance(part, str) and part in current.model_fields:
            current = _model_of(current.model_fields[part].annotation)
    return [field.alias or name for name, field in current.model_fields.items()] if current else []


def _field_at(model: type[BaseModel], path: PathKey) -> FieldInfo | None:
    """The field of a value that is one itself, no item of a list."""
    current: type[BaseModel] | None = model
    field: FieldInfo | None = None
    for part in path:
        fields = current.model_fields if current is not None else {}
        field = fields.get(part) if isinstance(part, str) else None
        current = _model_of(field.annotation) if field is not None else current if isinstance(part, int) else None
    return field


def _placed(cause: InputError, path: PathKey, document: Document) -> InputError:
    """`cause`, which a validator of the value at `path` raised, with its place in the document."""
    below: PathKey = tuple(int(p) if p.isdecimal() else p for p in re.findall(r"[^.\[\]]+", cause.field or ""))
    if path[-1:] == below[:1]:  # a validator of one field names that field itself
        below = below[1:]
    error = copy.copy(cause)
    error.field = document.place((*path, *below))
    error.source, error.line = document.source, document.line((*path, *below))
    return error


class _ValueError(InputError):
    """A value is not what it must be. Of what may be one of several things pydantic says so once for each."""


def _to_input_errors(model: type[BaseModel], entry: Any, document: Document) -> list[InputError]:
    cause = entry.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        path = _path_in(document.data, tuple(entry["loc"]), adds_key=False)
        return [_placed(one, path, document) for one in getattr(cause, "errors", [cause])]
    return [_to_input_error(model, entry, document)]


def _to_input_error(model: type[BaseModel], entry: Any, document: Document) -> InputError:
    kind = entry["type"]
    path = _path_in(document.data, tuple(entry["loc"]), adds_key=kind == "missing")
    line = document.line(path)
    if kind == "extra_forbidden":
        known = _fields_at(model, path[:-1])
        near = nearest_names(str(path[-1]), known)
        return InputError(
            f"unknown key {echo(path[-1])}",
            field=dotted(path),
            value=path[-1],
            rule=f"allowed here: {', '.join(known)}" if known else "no such key here",
            hint=f"did you mean {' or '.join(near)}?" if near else "remove it",
            source=document.source,
            line=line,
        )
    if kind == "missing":
        return InputError(
            f"missing key {echo(path[-1])}",
            field=dotted(path),
            value=NO_VALUE,
            rule="this key is required",
            hint="add it",
            source=document.source,
            line=line,
        )
    rule, way_out = value_rule(entry, _field_at(model, path))
    if kind in ("model_type", "model_attributes_type", "dict_type"):  # Pydantic names the class, which is ours alone
        keys = ", ".join(_fields_at(model, path)[:_SHOWN_KEYS])
        rule, way_out = f"must be an object{f' with keys such as {keys}' if keys else ''}", CORRECT
    return _ValueError(
        f"{document.place(path)}: {rule}",
        field=document.place(path),
        value=_value_at(document.data, path, entry.get("input")),
        rule=rule,
        hint=way_out,
        source=document.source,
        line=line,
    )


def _path_in(data: Any, location: PathKey, *, adds_key: bool) -> PathKey:
    """`location` without the names that pydantic puts in for the branches of a union: those are no keys of the data."""
    path: list[str | int] = []
    for place, part in enumerate(location):
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list) and isinstance(part, int):
            data = data[part] if part < len(data) else None
        elif not (adds_key and place == len(location) - 1):
            continue
        path.append(part)
    return tuple(path)


def _value_at(data: Any, path: PathKey, otherwise: Any) -> Any:
    for part in path:
        try:
            data = otherwise if isinstance(data, str) else data[part]
        except (LookupError, TypeError):
            return otherwise
    return data


def validate(model: type[ModelT], document: Document | Any) -> ModelT:
    """`document` as a `model`, or InputErrors that name each field, value, rule and way out.

    No type is converted on the way: no text for a number, no 1.0 or true for an integer.
    """
    document = _refuse_what_is_not_plain(document if isinstance(document, Document) else Document(document))
    try:
        return model.model_validate(document.data, strict=True)
    except ValidationError as error:
        entries = _without_false_lengths(error.errors())
        found = _one_a_place([one for entry in entries for one in _to_input_errors(model, entry, document)])
        raise found[0] if len(found) == 1 else InputErrors(found) from error


def _without_false_lengths(entries: Sequence[Any]) -> list[Any]:
    """Pydantic counts the items that are right: a list with one wrong item would be too short as well."""
    return [
        entry
        for entry in entries
        if entry["type"] != "too_short"
        or not any(
            len(other["loc"]) > len(entry["loc"]) and other["loc"][: len(entry["loc"])] == entry["loc"]
            for other in entries
        )
    ]


def _one_a_place(errors: list[InputError]) -> list[InputError]:
    """What may be one of several things is refused once, with all that it may be."""
    first: dict[str | None, InputError] = {}
    result = []
    for error in errors:
        known = first.get(error.field) if isinstance(error, _ValueError) else None
        if known is None:
            if isinstance(error, _ValueError):
                first[error.field] = error
            result.append(error)
        elif error.rule != known.rule:
            known.rule = f"{known.rule}, or {(error.rule or '').removeprefix('must be ')}"
            known.hint = known.hint if known.hint == error.hint else CORRECT
            known.message = f"{known.field}: {known.rule}"
            known.args = (known.message,)
    return result
