"""A short run of schemathesis over the whole contract; `make fuzz-api` is the long one."""

from __future__ import annotations

from typing import Any

from benchmarks.fuzz_api import run
from flexdse.serve import Address


def test_no_operation_breaks_the_contract(service: Any) -> None:
    address = Address(service.url, service.token)
    code, cases, output = run(address, examples=1, seed=20_261_122, phases="examples,fuzzing")
    assert code == 0, output
    assert cases >= 70, output
