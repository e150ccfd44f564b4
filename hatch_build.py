"""Adds to a wheel what lies outside the packages: the migrations and the built dashboard, where they are present."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLED = {
    "alembic": "flexdse/_bundled/alembic",
    "alembic.ini": "flexdse/_bundled/alembic.ini",
    "dashboard/dist": "flexdse/_bundled/dashboard",
}


class BundleHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # a checkout is read in place
            return
        for source, target in BUNDLED.items():
            path = Path(self.root, source)
            if path.exists():
                build_data["force_include"][str(path)] = target
