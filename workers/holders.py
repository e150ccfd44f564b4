"""Leases of workers of this machine that are known to be dead need not run out."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

from db.session import Database


def new_worker_id() -> str:
    """A name for a worker that no other has, and that says where it runs."""
    return f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"


def _host() -> str:
    return socket.gethostname()[:64]


def _is_dead(worker_id: str) -> bool:
    """It ran on this machine, and there is no such process (any more)."""
    host, _, rest = worker_id.rpartition("-")[0].rpartition("-")
    if host != _host() or not rest.isdecimal():
        return False
    try:
        return Path(f"/proc/{rest}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except FileNotFoundError:
        return Path("/proc/self/stat").exists()  # without /proc nothing is known


def release_dead(database: Database) -> int:
    """Takes the leases of dead workers of this machine away; how many there were."""
    with database.read() as work:
        dead = [holder for holder in work.jobs.holders() if _is_dead(holder)]
    if not dead:
        return 0
    with database.write() as work:
        return sum(work.jobs.lose_held(holder) for holder in dead)
