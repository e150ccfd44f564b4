"""Memory that this process may still take: what the system has, its own address space, and its control group."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

_CGROUP_FILES = (  # (controller, limit, in use) of versions 2 and 1 (Linux, Documentation/admin-guide/cgroup-v2, -v1)
    ("", "memory.max", "memory.current"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def available_bytes(root: Path = Path("/")) -> int | None:
    """The least of what the system has, RLIMIT_AS leaves and the control group leaves; None where nothing is told.

    `root`: where `proc` and `sys` lie.
    """
    sources: tuple[Callable[[Path], int | None], ...] = (_system_bytes, _address_space_bytes, _cgroup_bytes)
    known = [found for source in sources if (found := source(root)) is not None]
    return min(known, default=None)


def _system_bytes(root: Path) -> int | None:
    """Memory that is free or can be freed."""
    try:
        rows = dict(line.split(":", 1) for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines())
        return int(rows["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        try:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (ValueError, OSError):
            return None


def _address_space_bytes(root: Path) -> int | None:
    """What `ulimit -v` leaves."""
    try:
        import resource  # Unix only

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY:
            return None
        taken = int((root / "proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (ImportError, OSError, ValueError):
        return None
    return max(limit - taken, 0)


def _cgroup_bytes(root: Path) -> int | None:
    """What the control group and those above it leave; the page cache that counts for them can be freed."""
    left: list[int] = []
    for folder, limit_file, used_file in _cgroup_folders(root):
        try:
            limit = int((folder / limit_file).read_text())  # "max" is none
            rows = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            cached = int(rows.get("total_inactive_file", rows.get("inactive_file", 0)))
            left.append(max(limit - int((folder / used_file).read_text()) + cached, 0))
        except (OSError, ValueError):
            continue
    return min(left, default=None)


def _cgroup_folders(root: Path) -> Iterator[tuple[Path, str, str]]:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller, limit_file, used_file in _CGROUP_FILES:
            if controller in controllers.split(","):
                # Inside a container the path may be the host's, of which only the mount itself is to be seen.
                for inner in (Path(path.lstrip("/")), *Path(path.lstrip("/")).parents):
                    yield root / "sys/fs/cgroup" / controller / inner, limit_file, used_file
