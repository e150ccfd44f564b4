"""Our packages have short names (`spec`, `db`, `api`): a user's file of that name must not stand in for ours.

The first of ours that is imported, while Ctrl-C is not heard yet: it loads nothing that Python has not loaded at its start.
"""

from __future__ import annotations

import os.path
import sys

PACKAGES = ("spec", "cost_models", "dse", "hls_gen", "quantize", "db", "workers", "api")


def check_siblings() -> None:
    """Check that each sibling package comes from the same installation as `flexdse`.

    Raises:
        ImportError: naming the file that hides the package.
    """
    root = _above(__file__)
    for name in PACKAGES:
        loaded = sys.modules.get(name)
        found = getattr(loaded, "__spec__", None) if loaded else _spec(name)
        origin = getattr(found, "origin", None)
        if origin is None or _above(origin) != root:
            where = origin or "nothing"
            raise ImportError(
                f"flexdse needs its own package {name!r} from {root}, but Python finds {where}; "
                f"rename that file or folder, or start Python from another folder"
            )


def _above(module_file: str) -> str:
    """The folder that holds the package of a file."""
    return os.path.realpath(module_file).rsplit("/", 2)[0]


def _spec(name: str) -> object:
    """As `importlib.util.find_spec` of a package at the top."""
    specs = (finder.find_spec(name, None) for finder in sys.meta_path)
    return next((spec for spec in specs if spec is not None), None)
