"""`?fields=a,b`: of a resource, or of each item of a list, only these fields.

Not among the parameters of the contract: an answer without required fields is another document than the one that the
operation promises, and whoever asks for it knows which.
"""

from __future__ import annotations

import json
from typing import Any, get_args

from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.media import JSON
from spec.errors import UnknownNameError

PARAMETER = "fields"
_CHOSEN = "flexdse.fields"  # where the scope of a request keeps them
_TABLES = (PARAMETER, "format")  # parameters of what has a selection of its own


def selectable(route: BaseRoute) -> tuple[str, ...]:
    """The fields that one can choose from; none where the answer is no JSON document."""
    if not isinstance(route, APIRoute) or "GET" not in (route.methods or ()):
        return ()
    model = route.response_model
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return ()
    if any(field.alias in _TABLES for field in get_flat_params(route.dependant)):
        return ()
    return tuple(field.alias or name for name, field in _items_of(model).model_fields.items())


def _items_of(model: type[BaseModel]) -> type[BaseModel]:
    """The model of the items of a list; of anything else its own."""
    if "items" in model.model_fields:
        for candidate in get_args(model.model_fields["items"].annotation):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                return candidate
    return model


def choose(scope: Scope, text: str, known: tuple[str, ...]) -> None:
    """Keeps the fields that a request names, for its answer.

    Raises:
        UnknownNameError: one that there is not, with the nearest.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in known:
            raise UnknownNameError("field", name, known, field=PARAMETER)
    scope[_CHOSEN] = names


class FieldSelection:
    """ASGI middleware: cuts the answer down to the fields that were chosen while the request was handled."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head: Message | None = None
        body: list[bytes] = []

        async def cut(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if _CHOSEN in scope and message["status"] == 200 and headers.get("content-type") == JSON:
                    head = message
                    return
            if head is None:
                await send(message)
                return
            body.append(message.get("body", b""))
            if message.get("more_body", False):
                return
            content = _cut(json.loads(b"".join(body)), scope[_CHOSEN])
            MutableHeaders(scope=head)["content-length"] = str(len(content))
            await send(head)
            await send({"type": "http.response.body", "body": content})

        await self._app(scope, receive, cut)


def _cut(document: dict[str, Any], names: tuple[str, ...]) -> bytes:
    if isinstance(document.get("items"), list):
        document = {**document, "items": [_only(item, names) for item in document["items"]]}
    else:
        document = _only(document, names)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _only(document: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: document[name] for name in names if name in document}
