"""Problem documents (RFC 9457): the one shape of every answer that is not a success."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from spec.errors import FlexDSEError, UnknownNameError

PROBLEM_MEDIA_TYPE = "application/problem+json"


class ProblemDetail(BaseModel):
    """One broken rule."""

    model_config = ConfigDict(extra="forbid")

    field: Annotated[str | None, Field(description="dotted path of what is wrong")] = None
    pointer: Annotated[
        str | None, Field(description="the same as a JSON pointer (RFC 6901) into the body, where it is in the body")
    ] = None
    value: Annotated[
        str | None, Field(description="the value that was given, text as it is and anything else as JSON, shortened")
    ] = None
    rule: str | None = None
    hint: Annotated[str | None, Field(description="a way out")] = None
    source: str | None = None
    line: int | None = None


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(description="urn:flexdse:problem:<code>")]
    title: str
    status: int
    detail: str
    errors: tuple[ProblemDetail, ...] = ()


class NotFoundError(FlexDSEError):
    """There is nothing under that id or path."""

    code = "not_found"
    http_status = 404


class ConflictError(FlexDSEError):
    """The resource is in a state that does not allow this."""

    code = "conflict"
    http_status = 409


class ForbiddenError(FlexDSEError):
    """The request comes from where it must not come from."""

    code = "forbidden"
    http_status = 403


class UnauthorizedError(FlexDSEError):
    """The request says nothing, or nothing true, about who sends it."""

    code = "unauthorized"
    http_status = 401


class InsufficientScopeError(ForbiddenError):
    """The key is known, and may not do this."""

    code = "insufficient_scope"


class QuotaError(ForbiddenError):
    """The key has used up what it may have."""

    code = "quota_exceeded"


class NotAcceptableError(FlexDSEError):
    """The client wants a media type that this resource has not."""

    code = "not_acceptable"
    http_status = 406


class PreconditionError(FlexDSEError):
    """The resource changed since the client looked."""

    code = "precondition_failed"
    http_status = 412


class TooManyRequestsError(FlexDSEError):
    """The client asks too often."""

    code = "too_many_requests"
    http_status = 429

    def __init__(self, message: str, retry_after_s: int, *, rule: str) -> None:
        super().__init__(message, field="rate", rule=rule, hint=f"try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class MalformedError(FlexDSEError):
    """The body cannot be parsed."""

    code = "malformed_body"
    http_status = 400


class MethodNotAllowedError(FlexDSEError):
    """The path exists, this method does not."""

    code = "method_not_allowed"
    http_status = 405


class TooLargeError(FlexDSEError):
    """The body is larger than this route takes."""

    code = "body_too_large"
    http_status = 413


class MediaTypeError(FlexDSEError):
    """The body is of a type that no route takes."""

    code = "unsupported_media_type"
    http_status = 415


_TITLES = {
    400: "The body is malformed",
    401: "No valid token, key or session",
    403: "Not allowed from there, or not with this key",
    404: "No such resource",
    406: "Not available in the media type that is asked for",
    409: "The state of the resource does not allow it",
    410: "It was there, and is gone",
    412: "The resource changed since it was read",
    413: "The body is too large",
    415: "The body is of a type that this route does not take",
    422: "The input breaks a rule",
    429: "Too many requests; Retry-After says when to come back",
    503: "The database cannot be used",
}

# What the gate answers with before a route is asked: on every route that needs a credential.
GATE_PROBLEMS = (401, 403, 429)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route declares for the problems that it may answer with."""
    return {status: {"model": Problem, "description": _TITLES[status]} for status in statuses}


def title_of(status: int) -> str:
    """What a problem of that status means, for the OpenAPI document."""
    return _TITLES[status]


BODY_PROBLEMS = (400, 413, 415, 422)


@contextmanager
def catalog_not_found() -> Iterator[None]:
    """In a path an unknown name is a missing resource; in a body it is bad input."""
    try:
        yield
    except UnknownNameError as error:
        raise NotFoundError(
            error.message, field=error.field, value=error.value, rule=error.rule, hint=error.hint
        ) from error
