"""`flexdse keys issue|list|revoke`: API keys of the service of a data folder (or of FLEXDSE_DATABASE_URL)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexdse.commands.service import Home, data_folder
from flexdse.console import emit, emit_json, note, table
from flexdse.options import AsJson

if TYPE_CHECKING:
    from db.models import ApiKey
    from db.session import Database

keys = typer.Typer(help="API keys: credentials for users and programs.", no_args_is_help=True)


@contextmanager
def _opened(home: str | None) -> Iterator[Database]:
    from db.migrations import check_schema
    from db.session import Database
    from db.settings import Locations

    database = Database(Locations.of(data_folder(home)).database_url)
    try:
        check_schema(database)
        yield database
    finally:
        database.close()


def _document(row: ApiKey) -> dict[str, Any]:
    moments = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return {
        **{name: getattr(row, name) for name in ("id", "name", "owner", "prefix", "scopes", "limits")},
        **{name: value.isoformat() if (value := getattr(row, name)) is not None else None for name in moments},
    }


@keys.command("issue")
def issue(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    owner: Annotated[
        str | None, typer.Option("--owner", help="Whose resources it sees; by default it gets an owner of its own.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="read, write or admin; by default read and write.")
    ] = None,
    days: Annotated[int, typer.Option("--days", help="Days until it expires.")] = 90,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Issue a key. It is printed this once; the database keeps a hash of it only."""
    from api.access.audit import note_command
    from api.access.keys import issue as issue_key
    from api.access.keys import told
    from api.access.schemas import KeyInput
    from spec.strict import validate

    wanted = validate(
        KeyInput, {"name": name, "owner": owner, "days": days} | ({"scopes": scope} if scope is not None else {})
    )
    with _opened(home) as database, database.write() as work:
        new = issue_key(work, name=wanted.name, owner=wanted.owner, scopes=wanted.scopes, days=wanted.days)
        note_command(work, "flexdse keys issue", f"/api/v1/keys/{new.row.id}", 201, **told(new.row))
    if as_json:
        emit_json({**_document(new.row), "key": new.secret})
        return
    emit(new.secret)
    note(f"owner {new.row.owner}, scopes {', '.join(new.row.scopes)}, {days} days; it is not shown again")


@keys.command("list")
def list_keys(home: Home = None, as_json: AsJson = False) -> None:
    """Every key, newest first."""
    from api.access.keys import is_valid
    from db.base import utc_now

    with _opened(home) as database, database.read() as work:
        found = work.api_keys.list()
    if as_json:
        emit_json([_document(row) for row in found])
        return
    now = utc_now()
    rows = [
        [
            row.id,
            row.name,
            row.owner,
            " ".join(row.scopes),
            "valid" if is_valid(row, now) else "revoked" if row.revoked_at is not None else "expired",
            f"{row.expires_at:%Y-%m-%d}" if row.expires_at is not None else "never",
            f"{row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at is not None else "never",
        ]
        for row in found
    ]
    header = ["id", "name", "owner", "scopes", "state", "expires", "last used"]
    emit(table(rows, header, text=header) if rows else "no keys; flexdse keys issue makes one")


@keys.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of a key, as `flexdse keys list` shows it.")], home: Home = None
) -> None:
    """Revoke a key: within a second it opens nothing any more."""
    from api.access.audit import note_command
    from spec.errors import InputError

    with _opened(home) as database, database.write() as work:
        revoked = work.api_keys.revoke(key_id)
        note_command(work, "flexdse keys revoke", f"/api/v1/keys/{key_id}"[:255], 204 if revoked else 404)
    if not revoked:
        raise InputError(
            "no such key",
            field="key_id",
            value=key_id,
            rule="must be the id of a key that was not revoked",
            hint="flexdse keys list shows them",
        )
    emit(f"{key_id}: revoked")
