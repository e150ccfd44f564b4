"""What a server needs to know."""

from __future__ import annotations

from pathlib import Path

from spec.strict import StrictModel

MEBIBYTE = 2**20


class ApiSettings(StrictModel):
    """Settings of one server. The defaults are those of a laptop."""

    database_url: str
    allowed_hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "[::1]"})
    dashboard_dir: Path | None = None  # None: where the checkout or the wheel has it
    body_limit_bytes: int = MEBIBYTE
    evaluate_body_limit_bytes: int = 256 * MEBIBYTE
    event_poll_s: float = 0.1
    event_ping_s: float = 15.0
