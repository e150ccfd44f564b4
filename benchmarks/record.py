"""What every benchmark file says of its run."""

from __future__ import annotations

import os
import subprocess
from typing import Any


def bench_record(*, seed: int | None) -> dict[str, Any]:
    """`commit`, `seed`, `load_average`, to be the first keys of build/bench/<name>.json."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {"commit": commit or None, "seed": seed, "load_average": os.getloadavg()}
