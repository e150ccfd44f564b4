from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from db.migrations import upgrade
from db.session import Database


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'flexdse.db'}"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    upgrade(database_url)
    opened = Database(database_url)
    yield opened
    opened.close()
