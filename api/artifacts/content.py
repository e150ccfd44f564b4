"""The bytes of an artifact over HTTP: found by their hash, never by a path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from fastapi.responses import StreamingResponse

from db.artifacts import ArtifactStore
from db.models import Artifact
from spec.errors import printable

_CHUNK_BYTES = 2**18
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def content_of(store: ArtifactStore, artifact: Artifact, file_name: str | None = None) -> StreamingResponse:
    """The file as a download: a browser saves it and shows nothing of it.

    Raises:
        ArtifactMissing: its bytes are gone.
    """
    stream = store.open_read(artifact.sha256)
    return StreamingResponse(
        _chunks(stream),
        media_type=artifact.media_type,
        headers={
            "Content-Length": str(artifact.size_bytes),
            "Content-Disposition": f'attachment; filename="{safe_name(file_name or artifact.file_name)}"',
            "ETag": f'"{artifact.sha256}"',
        },
    )


def safe_name(name: str) -> str:
    """`name` with nothing in it that a header or a file system could take for something else."""
    kept = "".join(c if c in _SAFE else "_" for c in printable(name, 200)).lstrip(".")
    return kept or "artifact"


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
