"""Files that jobs and users leave: what they are called, and the bytes behind the names."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import ID_LENGTH, Base


class Blob(Base):
    """Bytes in the artifact store, named by their hash. Without an artifact that names it, it is swept away."""

    __tablename__ = "blob"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class Artifact(Base):
    """A file as its owner sees it. Several may share a blob."""

    __tablename__ = "artifact"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), ForeignKey("job.id", ondelete="SET NULL"))
    sha256: Mapped[str] = mapped_column(String(64), ForeignKey("blob.sha256"), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(String(128))
    file_name: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_artifact_created_at_id", "created_at", "id"),
        Index("ix_artifact_job_id", "job_id"),
    )
