"""The token of the data folder: whoever can read it may use the service, as who can read the database could anyway."""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from spec.errors import InputError

TOKEN_NAME = "token"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_token(home: Path) -> str | None:
    """The token of that folder; None where there is none, or one that others could have read."""
    try:
        with (home / TOKEN_NAME).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(100).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(home, error) from error
    return text if not mode & _OTHERS and _TOKEN.fullmatch(text) else None


def ensure_token(home: Path) -> str:
    """The token of that folder, made where there is none that is secret: 256 random bits, readable for this user only.

    Raises:
        InputError: the folder cannot be written.
    """
    token = read_token(home)
    if token is not None:
        return token
    token = secrets.token_urlsafe(32)
    fresh = home / f"{TOKEN_NAME}.{secrets.token_hex(8)}"
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{token}\n")
        fresh.replace(home / TOKEN_NAME)
    except OSError as error:
        raise _unusable(home, error) from error
    return token


def _unusable(home: Path, error: OSError) -> InputError:
    return InputError(
        f"the token of the data folder cannot be used: {error.strerror}",
        field="home",
        value=str(home),
        rule=f"the file {TOKEN_NAME} in it is made and read by this user",
        hint=f"remove that file, or check the permissions of the folder; {TOKEN_NAME} is made anew",
    )
