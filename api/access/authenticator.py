"""From a request to the one who sends it: a bearer token or key, or the cookie of a session."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from api.access import keys, session
from api.access.principal import LOCAL, Principal
from api.access.rates import Rates
from api.problems import TooManyRequestsError, UnauthorizedError
from api.settings import ApiSettings
from db.session import Database

# A key stays known so long without a look into the database: what a revocation takes at most.
_REMEMBER_S = 1.0
_MAX_REMEMBERED = 1000
_MAX_CREDENTIAL_CHARS = 500

_WAY_IN = (
    "send `Authorization: Bearer <token or API key>`, or open the address with the token that `flexdse serve` printed; "
    "for commands and Python set FLEXDSE_TOKEN, or give that whole address as --server"
)


@dataclass(frozen=True, slots=True)
class _Remembered:
    principal: Principal
    until_s: float


class Authenticator:
    """Knows the token and asks the database for keys. Used from one event loop."""

    def __init__(self, settings: ApiSettings, rates: Rates) -> None:
        self._settings = settings
        self._token = settings.token.get_secret_value() if settings.token is not None else None
        self._rates = rates
        self._remembered: dict[str, _Remembered] = {}

    async def principal(self, database: Database, headers: Headers, remote: str) -> Principal:
        """Who sends the request.

        Raises:
            UnauthorizedError: nobody that we know.
            TooManyRequestsError: too many wrong credentials from that address.
        """
        if not self._settings.authentication:
            return LOCAL
        authorization = headers.get("authorization")
        if authorization is not None:
            scheme, _, credential = authorization.partition(" ")
            if scheme.lower() != "bearer":
                raise UnauthorizedError(
                    "this form of authentication is not known here",
                    field="Authorization",
                    value=scheme,
                    rule="Authorization: Bearer <token or API key>",
                    hint=_WAY_IN,
                )
            return await self.by_credential(database, credential.strip(), remote)
        note = _cookie(headers)
        if note is not None:
            known = await self._by_session(database, note)
            if known is not None:
                return known
            raise UnauthorizedError(
                "the session is over",
                field="Cookie",
                rule="a session lasts 30 days, and ends where its token or key does",
                hint=_WAY_IN,
            )
        raise UnauthorizedError(
            "who are you?", field="Authorization", rule="this service knows its users", hint=_WAY_IN
        )

    async def by_credential(self, database: Database, credential: str, remote: str) -> Principal:
        """The same for a token or key as such."""
        settings = self._settings
        if not settings.authentication:
            return LOCAL
        limit = (f"failed|{remote}", settings.failed_logins_per_s, settings.failed_logins_burst)
        if self._is_token(credential):
            return LOCAL  # not slowed down by the failures of others behind the same address
        if wait_s := self._rates.wait_s(*limit):
            raise TooManyRequestsError(
                "too many wrong credentials from this address",
                wait_s,
                rule=f"{settings.failed_logins_per_s:g} a second",
            )
        found = await self._by_key(database, credential)
        if found is None:
            self._rates.take(*limit)
            raise UnauthorizedError(
                "the token or key is not valid",
                field="Authorization",  # never its value
                rule="the token of the data folder, or an API key that is neither expired nor revoked",
                hint=_WAY_IN,
            )
        return found

    def cookie(self, request: HTTPConnection, principal: Principal, credential: str) -> str:
        """The Set-Cookie header for somebody who showed `credential`."""
        if principal.key_id is None:
            note = session.sign(session.LOCAL_SUBJECT, self._token or "")
        else:
            note = session.sign(principal.key_id, keys.digest(credential))
        name = session.cookie_name(request.headers.get("host", ""))
        return session.set_cookie(name, note, secure=request.url.scheme == "https")

    def _is_token(self, credential: str) -> bool:
        if self._token is None or not credential.isascii():
            return False
        return hmac.compare_digest(credential.encode(), self._token.encode())

    async def _by_key(self, database: Database, credential: str) -> Principal | None:
        if len(credential) > _MAX_CREDENTIAL_CHARS or not keys.looks_like_key(credential):
            return None
        digest = keys.digest(credential)
        known = self._recall(digest)
        if known is None:
            known = await run_in_threadpool(keys.verify, database, credential)
            self._remember(digest, known)
        return known

    async def _by_session(self, database: Database, note: str) -> Principal | None:
        subject = session.parse(note)
        if subject is None:
            return None
        if subject == session.LOCAL_SUBJECT:
            return LOCAL if self._token is not None and session.verify(note, self._token) else None
        known = self._recall(note)
        if known is None:
            found = await run_in_threadpool(keys.verify_by_id, database, subject)
            known = found[0] if found is not None and session.verify(note, found[1]) else None
            self._remember(note, known)
        return known

    def _recall(self, name: str) -> Principal | None:
        known = self._remembered.get(name)
        return known.principal if known is not None and known.until_s > time.monotonic() else None

    def _remember(self, name: str, principal: Principal | None) -> None:
        if principal is None:
            return
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[name] = _Remembered(principal, time.monotonic() + _REMEMBER_S)


def _cookie(headers: Headers) -> str | None:
    text = headers.get("cookie")
    if not text:
        return None
    try:
        morsel = SimpleCookie(text).get(session.cookie_name(headers.get("host", "")))
    except CookieError:
        return None
    return morsel.value if morsel is not None and morsel.value else None
