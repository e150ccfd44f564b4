"""Where files outside the packages lie: in a checkout beside the packages, in a wheel under `flexdse/_bundled`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_ROOT = Path(__file__).resolve().parents[1]

# name -> (place in a wheel, place in a checkout, a file that proves that it is ours and complete)
_PLACES = {
    "migrations": ("flexdse/_bundled/alembic", "alembic", "env.py"),
    "dashboard": ("flexdse/_bundled/dashboard", "dashboard/dist", "index.html"),
}


def bundled(name: Literal["migrations", "dashboard"]) -> Path | None:
    """The folder, or None where it was not built or not shipped."""
    in_wheel, in_checkout, proof = _PLACES[name]
    # In an installation `alembic` beside us is the library of that name; it has no env.py at its top.
    for place in (_ROOT / in_wheel, _ROOT / in_checkout):
        if (place / proof).is_file():
            return place
    return None
