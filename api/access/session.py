"""The cookie of the browser: a credential was shown once, now a signed note stands for it.

The note names what it stands for and until when, signed with the credential (the token) or its hash (a key), so the
server keeps nothing: a new token or a revoked key ends the sessions that were opened with it. The browser sends the
cookie with EventSource too, hides it from scripts (HttpOnly) and from requests of other sites (SameSite=Strict).
"""

from __future__ import annotations

import hashlib
import hmac
import time

SESSION_S = 30 * 24 * 3600
LOCAL_SUBJECT = "local"


def cookie_name(host: str) -> str:
    """The name of the cookie: cookies do not tell ports of one host apart, so the name has to."""
    _, _, port = host.rpartition(":")
    return f"flexdse_session_{port}" if port.isdecimal() else "flexdse_session"


def sign(subject: str, secret: str, now_s: float | None = None) -> str:
    """The note for `subject` (`local`, or the id of a key)."""
    expires = int((time.time() if now_s is None else now_s) + SESSION_S)
    return f"{subject}.{expires}.{_signature(subject, expires, secret)}"


def parse(note: str, now_s: float | None = None) -> str | None:
    """The subject that a note claims; None where it has another form or is over. Not verified yet."""
    subject, expires, _ = _parts(note)
    if not subject or not expires.isdecimal() or len(expires) > 12:
        return None
    return subject if int(expires) > (time.time() if now_s is None else now_s) else None


def verify(note: str, secret: str) -> bool:
    """The note was signed with `secret`. Takes the same time wherever the first difference is."""
    subject, expires, signature = _parts(note)
    return expires.isdecimal() and hmac.compare_digest(_signature(subject, int(expires), secret), signature)


def set_cookie(name: str, note: str, *, secure: bool) -> str:
    """The value of a Set-Cookie header."""
    return f"{name}={note}; Path=/; Max-Age={SESSION_S}; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"


def clear_cookie(name: str) -> str:
    """The same, to forget it."""
    return f"{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"


def _parts(note: str) -> tuple[str, str, str]:
    parts = note.split(".")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 and note.isascii() and len(note) < 200 else ("", "", "")


def _signature(subject: str, expires: int, secret: str) -> str:
    return hmac.new(secret.encode(), f"flexdse-session|{subject}|{expires}".encode(), hashlib.sha256).hexdigest()
