"""Finds the C++ compiler, and the headers of AMD's integer types in the package that brings them along."""

from __future__ import annotations

import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from spec.errors import ToolNotFoundError

_AP_PACKAGE = "hls4ml"
_AP_HEADER = "hls4ml/templates/vivado/ap_types/ap_int.h"


class Compiler(NamedTuple):
    """A C++ compiler and the first line of its version."""

    path: Path
    version: str


class ApHeaders(NamedTuple):
    """The folder of ap_int.h and where it is from."""

    folder: Path
    source: str


def find_compiler() -> Compiler:
    """g++ on the PATH.

    Raises:
        ToolNotFoundError: there is none, or it does not run.
    """
    found = shutil.which("g++")
    version = ""
    if found is not None:
        try:
            finished = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=30, check=True)
            version = finished.stdout.splitlines()[0]
        except (OSError, subprocess.SubprocessError, IndexError):
            found = None
    if found is None:
        raise ToolNotFoundError(
            "g++ was not found, C simulation compiles with it",
            field="PATH",
            rule="g++ of GCC 9 or later on the PATH",
            hint="install the Debian package g++ (apt install g++)",
        )
    return Compiler(Path(found), version)


def find_ap_headers() -> ApHeaders:
    """The folder with ap_int.h. The package is only looked up: its Python code is never imported.

    Raises:
        ToolNotFoundError: the package is missing or lacks the header.
    """
    try:
        distribution = metadata.distribution(_AP_PACKAGE)
        header = Path(str(distribution.locate_file(_AP_HEADER)))
        if header.is_file():
            return ApHeaders(header.parent, f"{_AP_PACKAGE} {distribution.version}")
    except metadata.PackageNotFoundError:
        pass
    raise ToolNotFoundError(
        "ap_int.h was not found, the library's integer types come from it",
        field=_AP_PACKAGE,
        rule=f"the Python package {_AP_PACKAGE} is installed, which brings AMD's open ap_int.h along",
        hint=f"install the Python package {_AP_PACKAGE} into this environment",
    )
