"""Requests to a service: the credential, retries that do nothing twice, problem documents as errors."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from spec.errors import FlexDSEError, InputError

API = "/api/v1"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
TOKEN_VARIABLE = "FLEXDSE_TOKEN"

_TRIES = 4
_RATE_PATIENCE_S = 120.0  # with a service that says "too many requests"
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 30.0
_TOO_MANY = 429
_OF_THE_REQUEST = frozenset({400, 401, 403, 404, 406, 409, 410, 412, 413, 415, 422})  # bad input, as on this machine
_TRY_AGAIN = frozenset({502, 503, 504})


class ServiceError(FlexDSEError):
    """The service refused, or could not do it. `problem` is its document (RFC 9457)."""

    code = "service_error"

    def __init__(self, problem: Mapping[str, Any]) -> None:
        first: dict[str, Any] = next(iter(problem.get("errors", ())), {})
        super().__init__(
            str(problem.get("detail") or problem.get("title") or "the service refused"),
            **{name: first[name] for name in ("field", "value", "rule", "hint") if first.get(name) is not None},
        )
        self.problem = dict(problem)
        self.http_status = int(problem.get("status", 500))
        self.exit_code = 2 if self.http_status in _OF_THE_REQUEST else 1

    def to_problem(self) -> dict[str, Any]:
        return self.problem


class NoAnswer(FlexDSEError):
    """The service cannot be reached, or went away."""

    code = "no_answer"
    http_status = 503


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event."""

    id: str
    event: str
    data: dict[str, Any]


class Connection:
    """HTTP to one service. Threads may share it."""

    def __init__(
        self, url: str, token: str | None = None, *, timeout_s: float = 60.0, client: httpx.Client | None = None
    ) -> None:
        """`url` as `flexdse serve` prints it; a token in it is used and taken out.

        Without one: `token`, else FLEXDSE_TOKEN, else, for the server of this user's own data folder, its token.
        """
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(
                "not the address of a service",
                field="server",
                value=url,
                rule="http://<host>:<port>, as flexdse serve prints it",
                hint="start one with flexdse serve",
            )
        self.url = f"{parts.scheme}://{parts.netloc}"
        given = parse_qs(parts.query).get("token", [None])[0]
        self.token = given or token or os.environ.get(TOKEN_VARIABLE) or _own_token(self.url)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        # trust_env: a proxy of the company must not get requests to this very machine.
        loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
        self._client = client or httpx.Client(
            base_url=self.url, headers=headers, timeout=timeout_s, trust_env=not loopback
        )

    def close(self) -> None:
        """Closes every connection."""
        self._client.close()

    def get(self, path: str, **options: Any) -> Any:
        """The JSON document at `path` below /api/v1."""
        return self.request("GET", path, **options).json()

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """The answer to a POST, which carries an Idempotency-Key: sent again after a lost answer, it is done once."""
        headers = {"Idempotency-Key": uuid.uuid4().hex, **options.pop("headers", {})}
        return self.request("POST", path, json=body, headers=headers, **options).json()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Any request; one that comes too soon for the rate of its key is sent again when the service says.

        Raises:
            ServiceError: the service refused.
            NoAnswer: it cannot be reached.
        """
        again = method != "POST" or "Idempotency-Key" in options.get("headers", {})
        pause_s, left, give_up_s = _FIRST_PAUSE_S, _TRIES, time.monotonic() + _RATE_PATIENCE_S
        while True:
            wait_s = pause_s
            try:
                answer = self._client.request(method, f"{API}{path}", **options)
            except httpx.TransportError as error:
                left -= 1
                if left == 0 or not again:
                    raise _no_answer(self.url, error) from error
            else:
                if answer.is_success or answer.status_code == 304:
                    return answer
                if answer.status_code == _TOO_MANY:  # it was not even looked at: no harm in sending it again
                    if time.monotonic() > give_up_s:
                        raise _problem(answer)
                    time.sleep(_asked_pause_s(answer, pause_s))
                    continue
                left -= 1
                if left == 0 or not again or answer.status_code not in _TRY_AGAIN:
                    raise _problem(answer)
                wait_s = _asked_pause_s(answer, pause_s)
            time.sleep(wait_s)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    @contextmanager
    def stream(self, path: str, **options: Any) -> Iterator[httpx.Response]:
        """An answer that is read piece by piece; like `request` it waits for the rate of its key."""
        give_up_s = time.monotonic() + _RATE_PATIENCE_S
        try:
            while True:
                with self._client.stream("GET", f"{API}{path}", **options) as answer:
                    if answer.is_success:
                        yield answer
                        return
                    answer.read()
                    if answer.status_code != _TOO_MANY or time.monotonic() > give_up_s:
                        raise _problem(answer)
                    wait_s = _asked_pause_s(answer, _FIRST_PAUSE_S)
                time.sleep(wait_s)
        except httpx.TransportError as error:
            raise _no_answer(self.url, error) from error

    def download(self, path: str, target: Path) -> Path:
        """The answer as a file, moved into place when it is complete."""
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
        try:
            with self.stream(path) as answer, partial.open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    def events(self, path: str, *, patience_s: float = 300.0) -> Iterator[ServerEvent]:
        """Server-sent events until `done`; a stream that breaks is taken up where it was.

        Raises:
            NoAnswer: it cannot be taken up for `patience_s`.
        """
        last, give_up_s = "", time.monotonic() + patience_s
        while True:
            headers = {"Last-Event-ID": last} if last else {}
            try:
                with self.stream(path, headers=headers, timeout=httpx.Timeout(60.0)) as answer:
                    if answer.status_code == 204:
                        return
                    for event in _parsed(answer.iter_lines()):
                        last, give_up_s = event.id or last, time.monotonic() + patience_s
                        yield event
                        if event.event == "done":
                            return
            except (NoAnswer, ServiceError) as error:
                for_now = isinstance(error, NoAnswer) or error.http_status in _TRY_AGAIN
                if not for_now or time.monotonic() > give_up_s:
                    raise
            time.sleep(_FIRST_PAUSE_S)


def _parsed(lines: Iterator[str]) -> Iterator[ServerEvent]:
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield ServerEvent(fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"]))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")


def _problem(answer: httpx.Response) -> ServiceError:
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"title": answer.reason_phrase, "detail": f"{answer.status_code} {answer.reason_phrase}"}
    return ServiceError({"status": answer.status_code, **problem})


def _asked_pause_s(answer: httpx.Response, otherwise_s: float) -> float:
    """How long the service asks to wait."""
    asked = answer.headers.get("retry-after", "")
    return min(_LONGEST_PAUSE_S, float(asked)) if asked.isdecimal() else otherwise_s


def _no_answer(url: str, error: Exception) -> NoAnswer:
    return NoAnswer(
        f"no answer from {url}: {error}",
        field="server",
        value=url,
        rule="a FlexDSE service must answer there",
        hint="start it with flexdse serve, and check the address",
    )


def _own_token(url: str) -> str | None:
    """The token of this user's data folder, where its server is the one at `url`: nobody else is to see it."""
    home = Path(os.environ.get("FLEXDSE_HOME") or "~/.local/share/flexdse").expanduser()
    try:
        facts = json.loads((home / "serve.lock").read_text())
        token = (home / "token").read_text().strip()
    except (OSError, ValueError):
        return None
    return token if isinstance(facts, dict) and facts.get("url") == url else None
