"""Scopes, and which of them a request needs. One table for all routes: none can be forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """What a key may do."""

    READ = "read"  # look at one's own resources, and price designs
    WRITE = "write"  # submit, change, cancel, upload, delete; and READ
    ADMIN = "admin"  # keys, the audit log, the metrics of the whole service


def with_implied(scopes: Iterable[str]) -> frozenset[Scope]:
    """The scopes of a key: whoever may submit may look at it."""
    given = frozenset(Scope(scope) for scope in scopes)
    return given | {Scope.READ} if Scope.WRITE in given else given


ALL_SCOPES = frozenset(Scope)

API_PREFIX = "/api/v1/"
SESSION_PATH = "/api/v1/session"
EVALUATE_PATH = "/api/v1/designs:evaluate"
METRICS_PATH = "/metrics"
# POST, because a design does not fit into an address; they change nothing.
_QUESTIONS = frozenset(
    {
        EVALUATE_PATH,
        "/api/v1/designs:explain",
        "/api/v1/designs:compare",
        "/api/v1/designs:compare-reference",
        "/api/v1/explorations:validate",
        "/api/v1/sweeps:validate",
    }
)

# What tells nothing about anybody: whether the service lives, how to speak to it, and the way in.
_OPEN = frozenset({"/healthz", "/readyz", "/docs", "/api/v1/openapi.json", SESSION_PATH})
_ADMIN = ("/api/v1/keys", "/api/v1/audit")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def needed_scope(method: str, path: str) -> Scope | None:
    """The scope that a request needs; None where anybody may ask.

    Paths outside of the API are the pages of the dashboard: files without any data, open like /docs.
    """
    if path == METRICS_PATH:
        return Scope.ADMIN
    if path in _OPEN or not path.startswith(API_PREFIX):
        return None
    if any(path == prefix or path.startswith((f"{prefix}/", f"{prefix}:")) for prefix in _ADMIN):
        return Scope.ADMIN
    if method in _SAFE_METHODS or path in _QUESTIONS:
        return Scope.READ
    return Scope.WRITE


def is_change(method: str, path: str) -> bool:
    """The request may change something: the audit log keeps it."""
    return method not in _SAFE_METHODS and path not in _QUESTIONS
