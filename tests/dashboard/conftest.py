"""What the tests of the dashboard need built: `make test` builds it, `pytest` alone does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DASHBOARD = Path(__file__).parents[2] / "dashboard"


def _require_built(path: Path) -> Path:
    if not path.exists():
        message = f"{path.relative_to(DASHBOARD.parent)} is missing: make dashboard"
        if os.environ.get("FLEXDSE_REQUIRE") == "all":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The installed packages of the dashboard."""
    return _require_built(DASHBOARD / "node_modules")


@pytest.fixture(scope="session")
def built_page() -> Path:
    """The built page."""
    return _require_built(DASHBOARD / "dist" / "index.html")
