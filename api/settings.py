"""What a server needs to know."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from spec.strict import StrictModel

MEBIBYTE = 2**20
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


class ApiSettings(StrictModel):
    """Settings of one server. The defaults are those of a laptop.

    `token`: what opens the service beside the API keys of its database. `authentication` False serves everybody who
    reaches the address, which must then be a loopback one.
    """

    database_url: str
    broker_url: str | None = None
    artifacts_url: str | None = None
    token: SecretStr | None = None
    authentication: bool = True
    allowed_hosts: frozenset[str] = LOOPBACK_NAMES
    dashboard_dir: Path | None = None  # None: where the checkout or the wheel has it
    body_limit_bytes: int = MEBIBYTE
    evaluate_body_limit_bytes: int = 256 * MEBIBYTE
    event_poll_s: float = 0.05
    event_ping_s: float = 15.0
    failed_logins_per_s: float = 0.2
    failed_logins_burst: int = 20
