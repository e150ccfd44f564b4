"""GET /api/v1/openapi.json, and /docs: the same as one page without any script, put together here."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response

router = APIRouter(include_in_schema=False)

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; } nav a { margin-right: 1rem; }
details { border: 1px solid #8886; border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; } summary code { font-weight: 600; }
table { border-collapse: collapse; margin: .5rem 0; } td, th { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top; }
pre { background: #8882; border-radius: 6px; overflow-x: auto; padding: .6rem; }
.method { display: inline-block; min-width: 4.2rem; font: 600 13px ui-monospace, monospace; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@router.get("/api/v1/openapi.json")
def openapi(request: Request) -> Response:
    """The contract itself."""
    return Response(json.dumps(request.app.openapi(), ensure_ascii=False).encode(), media_type="application/json")


@router.get("/docs")
def docs(request: Request) -> Response:
    """The page."""
    page = render(request.app.openapi())
    return Response(page, media_type="text/html", headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})


def render(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document."""
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in ("get", "post", "patch", "put", "delete"):
                by_tag.setdefault(operation.get("tags", ["other"])[0], []).append(
                    _operation(method.upper(), path, operation, document)
                )
    links = "".join(f'<a href="#{escape(tag)}">{escape(tag)}</a>' for tag in by_tag)
    parts = "".join(f'<h2 id="{escape(tag)}">{escape(tag)}</h2>{"".join(parts)}' for tag, parts in by_tag.items())
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1><p>{escape(info.get('summary', ''))}. "
        'For programs: <a href="/api/v1/openapi.json">openapi.json</a> (OpenAPI 3.1). Every request but those for '
        "health and session carries <code>Authorization: Bearer TOKEN</code>.</p>"
        f"<nav>{links}</nav>{parts}</body></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}</td>"
        f"<td>{'required' if p.get('required') else ''}</td><td>{escape(p.get('description', ''))}</td></tr>"
        for p in operation.get("parameters", ())
    )
    parameters = f"<table><tr><th>Parameter</th><th>In</th><th></th><th></th></tr>{rows}</table>" if rows else ""
    body = operation.get("requestBody", {}).get("content", {})
    bodies = "".join(_content("Body", media_type, part, document) for media_type, part in body.items())
    answers = "".join(_answer(status, answer, document) for status, answer in operation["responses"].items())
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><span class="method">{method}</span> '
        f"<code>{escape(path)}</code></summary><p>{escape(operation.get('description', ''))}</p>"
        f"{parameters}{bodies}<table><tr><th>Answer</th><th></th></tr>{answers}</table></details>"
    )


def _answer(status: str, answer: dict[str, Any], document: dict[str, Any]) -> str:
    shown = ", ".join(answer.get("content", {}))
    good = status.startswith("2")
    examples = "".join(
        _example(part, document) for kind, part in answer.get("content", {}).items() if good and kind.endswith("json")
    )
    return (
        f"<tr><td><code>{escape(status)}</code></td>"
        f"<td>{escape(answer.get('description', ''))} <small>{escape(shown)}</small>{examples}</td></tr>"
    )


def _content(title: str, media_type: str, part: dict[str, Any], document: dict[str, Any]) -> str:
    schema = part.get("schema", {})
    description = schema.get("description", "")
    return (
        f"<p><b>{title}</b> <code>{escape(media_type)}</code> {escape(description)}</p>{_example(part, document)}"
        + (_fields(schema, document))
    )


def _example(part: dict[str, Any], document: dict[str, Any]) -> str:
    example = part.get("example")
    if example is None:
        examples = _resolved(part.get("schema", {}), document).get("examples")
        example = examples[0] if examples else None
    return f"<pre>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>" if example is not None else ""


def _fields(schema: dict[str, Any], document: dict[str, Any]) -> str:
    resolved = _resolved(schema, document)
    required = set(resolved.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{'required' if name in required else ''}</td>"
        f"<td>{escape(_kind(field))}</td><td>{escape(field.get('description', ''))}</td></tr>"
        for name, field in resolved.get("properties", {}).items()
    )
    return f"<table><tr><th>Field</th><th></th><th>Type</th><th></th></tr>{rows}</table>" if rows else ""


def _kind(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(option) for option in field["anyOf"]))
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    return str(field.get("type", field.get("const", "any")))


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    for option in (schema, *schema.get("anyOf", ())):
        if "$ref" in option:
            name = option["$ref"].rpartition("/")[2]
            found: dict[str, Any] = document["components"]["schemas"][name]
            return found
    return schema
