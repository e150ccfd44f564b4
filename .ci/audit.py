"""The locked packages against the advisories of OSV (osv.dev): Python and JavaScript.

    python .ci/audit.py [--require]

Exit 1 where a locked package has a known vulnerability, or where the service answers but misses a vulnerability that
everybody knows: then its silence about the others is worth nothing. Where it cannot be reached, a sentence says that
nothing was checked, and build/audit.json records it; with --require (or FLEXDSE_AUDIT=require) that is a failure too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
SERVICE = "https://api.osv.dev"
OUT = ROOT / "build" / "audit.json"
BATCH = 500  # queries a request; the service takes 1,000
TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Package:
    """One locked package."""

    ecosystem: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.ecosystem})"


# CVE-2019-10906 and others: sandbox escapes of 2019.
CANARY = Package("PyPI", "jinja2", "2.4.1")


def python_packages(lock: str) -> list[Package]:
    """The packages of a requirements file with hashes."""
    found = re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", lock, re.MULTILINE)
    return [Package("PyPI", name, version) for name, version in found]


def javascript_packages(lock: str) -> list[Package]:
    """The packages of a package-lock.json."""
    entries: dict[str, dict[str, Any]] = json.loads(lock)["packages"]
    return [
        Package("npm", entry.get("name") or path.rpartition("node_modules/")[2], entry["version"])
        for path, entry in entries.items()
        if path and "version" in entry and not entry.get("link")
    ]


def advisories(packages: Sequence[Package], service: str) -> dict[Package, list[str]]:
    """Ids of the advisories of each package that has any.

    Raises:
        httpx.HTTPError: the service cannot be reached, or does not answer as it should.
    """
    found: dict[Package, list[str]] = {}
    with httpx.Client(base_url=service, timeout=TIMEOUT_S) as client:
        for start in range(0, len(packages), BATCH):
            part = packages[start : start + BATCH]
            queries = [{"package": {"name": p.name, "ecosystem": p.ecosystem}, "version": p.version} for p in part]
            answer = client.post("/v1/querybatch", json={"queries": queries}).raise_for_status()
            results = answer.json()["results"]
            for package, result in zip(part, results, strict=True):
                if ids := [vulnerability["id"] for vulnerability in result.get("vulns", ())]:
                    found[package] = ids
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks both locks."""
    parser = argparse.ArgumentParser(prog="python .ci/audit.py")
    parser.add_argument("--require", action="store_true", default=os.environ.get("FLEXDSE_AUDIT") == "require")
    parser.add_argument("--service", default=os.environ.get("FLEXDSE_AUDIT_URL", SERVICE))
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    packages = [
        *python_packages((ROOT / "requirements.lock").read_text()),
        *javascript_packages((ROOT / "dashboard" / "package-lock.json").read_text()),
    ]
    record: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "packages": len(packages)}
    code = 0
    try:
        found = advisories([CANARY, *packages], options.service)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        record |= {"checked": False, "reason": reason}
        print(
            f"dependency audit SKIPPED: no answer from {options.service} ({reason}); {len(packages)} packages unchecked"
        )
        code = 1 if options.require else 0
    else:
        canary = bool(found.pop(CANARY, None))
        record |= {"checked": canary, "vulnerable": {str(package): ids for package, ids in found.items()}}
        if not canary:
            record["reason"] = f"the service knows nothing of {CANARY}"
            print(
                f"dependency audit FAILED: the service knows no vulnerability of {CANARY}, so its silence says nothing"
            )
            code = 1
        for package, ids in found.items():
            print(f"VULNERABLE {package}: {', '.join(ids)}")
            code = 1
        if code == 0:
            print(f"dependency audit: no known vulnerability in {len(packages)} packages")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=2) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
