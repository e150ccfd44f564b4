"""Our packages have short names (`spec`, `db`, `api`): a user's file of that name must not stand in for ours."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

PACKAGES = ("spec", "cost_models", "dse", "hls_gen", "quantize", "db", "workers", "api")


def check_siblings() -> None:
    """Check that each sibling package comes from the same installation as `flexdse`.

    Raises:
        ImportError: naming the file that hides the package.
    """
    root = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        loaded = sys.modules.get(name)
        found = getattr(loaded, "__spec__", None) if loaded else importlib.util.find_spec(name)
        origin = getattr(found, "origin", None)
        if origin is None or Path(origin).resolve().parent.parent != root:
            where = origin or "nothing"
            raise ImportError(
                f"flexdse needs its own package {name!r} from {root}, but Python finds {where}; "
                f"rename that file or folder, or start Python from another folder"
            )
