"""Query parameters that a route does not have, over the whole contract."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from api.openapi import openapi_text

Check = Callable[..., Any]


def test_no_route_ignores_an_unknown_name(in_process: Callable[..., Any], assert_problem: Check) -> None:
    client = in_process(authentication=False)
    tried = 0
    for template, operations in json.loads(openapi_text())["paths"].items():
        path = re.sub(r"\{(\w+)\}", lambda found: "0" if found.group(1) in ("index", "row") else "a", template)
        for method, operation in operations.items():
            answer = client.request(method, path, params={"no_such_parameter": "1"})
            error = assert_problem(answer, 422, "bad_input", "query")
            assert error["value"] == "no_such_parameter", template
            known = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
            assert all(name in error["rule"] for name in known), template
            tried += 1
    assert tried > 60


def test_the_nearest_name_is_offered(in_process: Callable[..., Any], assert_problem: Check) -> None:
    client = in_process(authentication=False)
    for given, near in (("stat=failed", "state"), ("Limit=5", "limit"), ("label=x&sweep=1", "sweep_id")):
        error = assert_problem(client.get(f"/api/v1/explorations?{given}"), 422, "bad_input", "query")
        assert near in error["hint"], given
