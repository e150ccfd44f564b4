"""Routes whose JSON bodies are read as strictly as files: no duplicate keys, no NaN, hints for misspelt keys."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, get_args

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api.media import ARROW_STREAM
from api.problems import MalformedError
from api.uploads import uploads_of
from spec.documents import VERSION_KEYS
from spec.errors import FlexDSEError, InputError
from spec.strict import Document, dotted, parse_json, validate

UPLOADS = ("/api/v1/devices", "/api/v1/models")
WHOLE_BODY = "body"  # how errors call all of it; no route has a field of that name
# Above this a body is parsed in a thread, so that others are served meanwhile.
_LARGE_BODY_BYTES = 256 * 1024


class ProblemException(HTTPException):
    """Carries an error of ours through FastAPI's body parsing, which lets only HTTPException pass."""

    def __init__(self, error: FlexDSEError) -> None:
        super().__init__(status_code=error.http_status, detail=error.message)
        self.error = error


def _parse(body: bytes) -> Document:
    try:
        document = parse_json(body.decode("utf-8"), name=WHOLE_BODY)
    except UnicodeDecodeError as error:
        raise MalformedError(
            f"the body is not UTF-8 text: byte {body[error.start]:#04x} at offset {error.start}",
            field=WHOLE_BODY,
            rule="JSON is sent as UTF-8",
            hint="write it anew in that encoding",
        ) from error
    except InputError as error:
        raise MalformedError(
            error.message,
            **{name: getattr(error, name) for name in ("field", "rule", "hint", "line")},
        ) from error
    if b"\\u0000" in body:
        _refuse_nul(document.data)
    return document


def _refuse_nul(data: Any) -> None:
    """No text of PostgreSQL holds that character, so none of SQLite shall."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), data)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, dict):
            waiting += [((*path, key), value) for key, value in node.items()]
            texts = [*node]
        else:
            waiting += [((*path, index), value) for index, value in enumerate(node)] if isinstance(node, list) else []
            texts = [node] if isinstance(node, str) else []
        if any("\0" in text for text in texts):
            place = dotted(path) or WHOLE_BODY
            rule = "text without the character NUL"
            raise MalformedError(f"{place}: the character NUL", field=place, rule=rule, hint="leave it out")


ARROW_BODY = "flexdse.arrow"  # where the body lies in the scope of a request that brings an Arrow stream
JSON_BODY = "flexdse.json"  # and the data of one that brings JSON


class StrictRequest(Request):
    """A request whose JSON is parsed and validated by `spec.strict`."""

    body_models: tuple[type[BaseModel], ...] = ()

    async def body(self) -> bytes:
        body = await super().body()
        if not self.headers.get("content-type", "").startswith(ARROW_STREAM):
            return body
        # Nothing for the framework to parse: the route that takes tables (no other gets here) reads it itself.
        self.scope[ARROW_BODY] = body
        return b""

    async def json(self) -> Any:
        body = await self.body()
        try:
            if len(body) > _LARGE_BODY_BYTES:
                return await run_in_threadpool(self._read, body)
            return self._read(body)
        except FlexDSEError as error:
            raise ProblemException(error) from error

    def _read(self, body: bytes) -> Any:
        document = _parse(body)
        self.scope[JSON_BODY] = document.data
        if not self.body_models:
            return document.data
        if self.url.path.startswith(UPLOADS) and isinstance(document.data, dict):
            # What `flexdse devices show --json` prints says besides which versions printed it.
            document.data = {key: value for key, value in document.data.items() if key not in VERSION_KEYS}
        return validate(_meant(self.body_models, document.data), document)


def _body_models(annotation: Any) -> tuple[type[BaseModel], ...]:
    """The models that a body may be of; it may be left out (`Model | None`)."""
    candidates = (annotation, *get_args(annotation))
    return tuple(one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel))


def _meant(models: tuple[type[BaseModel], ...], data: Any) -> type[BaseModel]:
    """The model that has most of the body's keys, the first of equals: its objections are the ones that help."""
    keys = set(data) if isinstance(data, dict) else set()

    def shared(model: type[BaseModel]) -> int:
        return len(keys & {field.alias or name for name, field in model.model_fields.items()})

    return max(models, key=shared)


class StrictRoute(APIRoute):
    """A route that hands FastAPI an instance of the body's model, already validated.

    Names of devices and models in that body may be those of the sender's own uploads.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        models = _body_models(self.body_field.field_info.annotation) if self.body_field is not None else ()

        async def handle_strictly(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            strict.body_models = models
            with uploads_of(request):
                return await handle(strict)

        return handle_strictly
