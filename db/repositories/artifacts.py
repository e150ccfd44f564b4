"""The names of files in the artifact store."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import CursorResult, delete, exists, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.base import new_id, utc_now
from db.models.artifact import Artifact, Blob
from db.paging import Position, newest_first


class Artifacts:
    """The tables of artifacts and blobs within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        *,
        owner: str,
        sha256: str,
        size_bytes: int,
        media_type: str,
        file_name: str,
        job_id: str | None = None,
        expires_at: datetime | None = None,
    ) -> Artifact:
        """A name for bytes that the store holds, or will hold by the time that this is committed."""
        now = utc_now()
        insert = postgresql.insert if self._session.get_bind().dialect.name == "postgresql" else sqlite.insert
        # An artifact of the same content may be deleted meanwhile: the update holds on to the row, and keeps it young.
        statement = insert(Blob).values(sha256=sha256, size_bytes=size_bytes, created_at=now)
        self._session.execute(
            statement.on_conflict_do_update(index_elements=[Blob.sha256], set_={Blob.created_at: now})
        )
        artifact = Artifact(
            id=new_id(),
            owner=owner,
            job_id=job_id,
            sha256=sha256,
            size_bytes=size_bytes,
            media_type=media_type,
            file_name=file_name,
            created_at=now,
            expires_at=expires_at,
        )
        self._session.add(artifact)
        self._session.flush()
        return artifact

    def get(self, artifact_id: str, owner: str | None = None) -> Artifact | None:
        """The artifact; None where `owner`, if given, has none of that id."""
        artifact = self._session.get(Artifact, artifact_id)
        return artifact if artifact is not None and owner in (None, artifact.owner) else None

    def page(self, owner: str, after: Position | None, limit: int, *, job_id: str | None = None) -> list[Artifact]:
        """At most `limit` artifacts of `owner`, newest first."""
        statement = select(Artifact).where(Artifact.owner == owner)
        if job_id is not None:
            statement = statement.where(Artifact.job_id == job_id)
        return list(self._session.scalars(newest_first(statement, Artifact.created_at, Artifact.id, after, limit)))

    def used_bytes(self, owner: str | None = None) -> int:
        """What the artifacts of `owner`, or of everybody, count against a quota."""
        statement = select(func.coalesce(func.sum(Artifact.size_bytes), 0))
        if owner is not None:
            statement = statement.where(Artifact.owner == owner)
        return int(self._session.scalar(statement) or 0)

    def stored_bytes(self) -> int:
        """What the blobs take up."""
        return int(self._session.scalar(select(func.coalesce(func.sum(Blob.size_bytes), 0))) or 0)

    def delete(self, artifact_id: str) -> bool:
        """Deletes the name; the bytes go with the next `unused_blobs`. False if there is none."""
        return self._delete([artifact_id]) > 0

    def delete_expired(self, now: datetime, created_before: datetime | None) -> int:
        """Those whose time is over, and, if `created_before` is given, all that are older."""
        over = [Artifact.expires_at < now]
        if created_before is not None:
            over.append(Artifact.created_at < created_before)
        result = self._session.execute(delete(Artifact).where(or_(*over)))
        assert isinstance(result, CursorResult)
        return result.rowcount

    def delete_oldest(self, quota_bytes: int) -> int:
        """The oldest ones, until the blobs behind the rest fit the quota; how many went."""
        kept: set[str] = set()
        total, doomed = 0, []
        newest = select(Artifact.id, Artifact.sha256, Artifact.size_bytes).order_by(
            Artifact.created_at.desc(), Artifact.id.desc()
        )
        for row in self._session.execute(newest):
            total += 0 if row.sha256 in kept else row.size_bytes
            if total > quota_bytes:
                doomed.append(row.id)
            else:
                kept.add(row.sha256)
        return self._delete(doomed)

    def known_blobs(self, sha256s: Collection[str]) -> set[str]:
        """Which of these some artifact may name."""
        return set(self._session.scalars(select(Blob.sha256).where(Blob.sha256.in_(list(sha256s)))))

    def take_unused_blobs(self, before: datetime, limit: int = 500) -> list[str]:
        """Removes the rows of blobs that nobody names and that were last named before that; their bytes may go."""
        unused = (
            select(Blob.sha256)
            .where(Blob.created_at < before, ~exists().where(Artifact.sha256 == Blob.sha256))
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        taken = list(self._session.scalars(unused))
        if taken:
            self._session.execute(delete(Blob).where(Blob.sha256.in_(taken)))
        return taken

    def _delete(self, artifact_ids: Iterable[str]) -> int:
        count, wanted = 0, list(artifact_ids)
        for first in range(0, len(wanted), 500):
            result = self._session.execute(delete(Artifact).where(Artifact.id.in_(wanted[first : first + 500])))
            assert isinstance(result, CursorResult)
            count += result.rowcount
        return count
