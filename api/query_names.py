"""Query parameters that no route knows are refused: a misspelt filter must not answer with everything."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from api.field_selection import PARAMETER, choose, selectable
from spec.errors import InputError, nearest_names


async def refuse_unknown_names(request: Request) -> None:
    """A dependency of every route.

    Raises:
        InputError: naming the parameter, and the nearest of those that the route has.
    """
    if not request.url.query:
        return
    known = _names(request.scope["route"])
    fields = selectable(request.scope["route"])
    if fields:
        known |= {PARAMETER}
        if PARAMETER in request.query_params:
            choose(request.scope, request.query_params[PARAMETER], fields)
    for name in request.query_params:
        if name not in known:
            near = nearest_names(name, known)
            others = f"this address has {', '.join(sorted(known))}" if known else "this address has none"
            raise InputError(
                "an unknown query parameter",
                field="query",
                value=name,
                rule=others,
                hint=f"did you mean {' or '.join(near)}?" if near else "leave it out",
            )


_known: dict[Callable[..., object], frozenset[str]] = {}  # by the function of a route


def _names(route: BaseRoute) -> frozenset[str]:
    if not isinstance(route, APIRoute):
        return frozenset()
    if route.endpoint not in _known:
        fields = get_flat_params(route.dependant)
        _known[route.endpoint] = frozenset(field.alias for field in fields if isinstance(field.field_info, Query))
    return _known[route.endpoint]
