"""The artifact store: bytes under the name of their hash, in a folder or at any address that fsspec knows.

A worker stages what a job made, ends the job in the database, and then publishes by renaming: bytes that no committed
row names are never among the published ones, and a crash in between loses nothing, for readers find them in both places
and the next round of housekeeping finishes the renaming.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any, BinaryIO
from urllib.parse import unquote, urlsplit

from spec.errors import FlexDSEError, InputError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK_BYTES = 2**20


class ArtifactStoreError(FlexDSEError):
    """The store cannot be used as it should."""

    code = "artifact_store_unavailable"
    http_status = 503


class ArtifactMissing(FlexDSEError):
    """The store does not hold these bytes (any more)."""

    code = "artifact_missing"
    http_status = 410


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """What was put into the store."""

    sha256: str
    size_bytes: int


class ArtifactStore(ABC):
    """Bytes by their hash."""

    @staticmethod
    def open(url: str | Path) -> ArtifactStore:
        """The store at a folder, a `file://` address or any other address that fsspec knows.

        Raises:
            InputError: an address that nobody knows.
        """
        if isinstance(url, Path):
            return FolderStore(url)
        if url.startswith("file://"):
            return FolderStore(Path(unquote(urlsplit(url).path)))
        return RemoteStore(url) if "://" in url else FolderStore(Path(url))

    def put(self, source: bytes | Path | BinaryIO) -> StoredBytes:
        """Stores and publishes in one step, for what no job made."""
        stored = self.stage(source)
        self.publish(stored.sha256)
        return stored

    @abstractmethod
    def stage(self, source: bytes | Path | BinaryIO) -> StoredBytes:
        """Stores safely, but not among the published bytes yet."""

    @abstractmethod
    def publish(self, sha256: str) -> None:
        """Renames what was staged into its place; once it is there, nothing more happens.

        Raises:
            ArtifactMissing: neither staged nor published.
        """

    @abstractmethod
    def open_read(self, sha256: str) -> BinaryIO:
        """The bytes, published or still staged.

        Raises:
            ArtifactMissing: there are none.
        """

    @abstractmethod
    def path(self, sha256: str) -> Path | None:
        """The file with the bytes, where the store is a folder and has them."""

    @abstractmethod
    def delete(self, sha256: str, *, older_than_s: float = 0.0) -> bool:
        """Deletes published bytes, unless somebody stored the same within that time; False if nothing went."""

    @abstractmethod
    def published(self) -> Iterator[str]:
        """The hashes of all published bytes."""

    @abstractmethod
    def staged(self) -> Iterator[str]:
        """The hashes of all staged bytes."""

    @abstractmethod
    def sweep_staged(self, known: set[str], older_than_s: float) -> int:
        """Deletes what was staged that long ago and is not `known` to the database; how many went."""


def _checked(sha256: str) -> str:
    if _SHA256.fullmatch(sha256) is None:
        raise _missing(sha256)
    return sha256


def _missing(sha256: str) -> ArtifactMissing:
    return ArtifactMissing(
        "these bytes are not stored (any more)",
        field="sha256",
        value=sha256,
        rule="artifacts go when their time is over or the quota is full",
        hint="make them again, or restore them from a backup",
    )


@contextmanager
def _source(source: bytes | Path | BinaryIO) -> Iterator[IO[bytes]]:
    if isinstance(source, bytes):
        yield BytesIO(source)
    elif isinstance(source, Path):
        with source.open("rb") as stream:
            yield stream
    else:
        yield source


def _copy(source: IO[bytes], target: IO[bytes]) -> StoredBytes:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
        target.write(chunk)
    return StoredBytes(digest.hexdigest(), size)


def _make_private(folder: Path) -> None:
    """Makes the folder and those above it, as far as need be, closed to others."""
    for missing in [each for each in (folder, *folder.parents) if not each.exists()][::-1]:
        missing.mkdir(mode=0o700, exist_ok=True)


class FolderStore(ArtifactStore):
    """A store in a folder of this machine, or of a network that all workers mount. Private to its user."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _place(self, sha256: str) -> Path:
        return self._folder / "published" / sha256[:2] / sha256

    def _waiting(self, sha256: str) -> Path:
        return self._folder / "staged" / sha256

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise ArtifactStoreError(
                "the disk with the artifacts is full" if full else f"the artifacts cannot be kept: {error.strerror}",
                field="artifacts",
                value=str(self._folder),
                rule="must be a folder with free space that this user may write",
                hint="free some space (flexdse db vacuum) or name another folder in FLEXDSE_ARTIFACTS_URL",
            ) from error

    def stage(self, source: bytes | Path | BinaryIO) -> StoredBytes:
        with self._translated():
            incoming = self._folder / "incoming"
            _make_private(incoming)
            partial = incoming / secrets.token_hex(8)
            try:
                with _source(source) as stream, partial.open("xb") as target:
                    stored = _copy(stream, target)
                    target.flush()
                    os.fsync(target.fileno())
                self._rename(partial, self._waiting(stored.sha256))
            finally:
                partial.unlink(missing_ok=True)
            return stored

    def publish(self, sha256: str) -> None:
        waiting, place = self._waiting(_checked(sha256)), self._place(sha256)
        with self._translated():
            try:
                self._rename(waiting, place)
            except FileNotFoundError:
                if not place.is_file():
                    raise _missing(sha256) from None

    @staticmethod
    def _rename(source: Path, target: Path) -> None:
        _make_private(target.parent)
        source.replace(target)
        descriptor = os.open(target.parent, os.O_RDONLY)  # the name itself has to reach the disk too
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def open_read(self, sha256: str) -> BinaryIO:
        path = self.path(_checked(sha256))
        if path is None:
            raise _missing(sha256)
        with self._translated():
            return path.open("rb")

    def path(self, sha256: str) -> Path | None:
        # Published last once more: it may have been renamed between the two looks.
        for place in (self._place(_checked(sha256)), self._waiting(sha256), self._place(sha256)):
            if place.is_file():
                return place
        return None

    def delete(self, sha256: str, *, older_than_s: float = 0.0) -> bool:
        place = self._place(_checked(sha256))
        try:
            if older_than_s and place.stat().st_mtime > time.time() - older_than_s:
                return False
            place.unlink()
        except FileNotFoundError:
            return False
        return True

    def published(self) -> Iterator[str]:
        return (path.name for path in (self._folder / "published").glob("??/*"))

    def staged(self) -> Iterator[str]:
        return (path.name for path in (self._folder / "staged").glob("*"))

    def sweep_staged(self, known: set[str], older_than_s: float) -> int:
        before, count = time.time() - older_than_s, 0
        for path in [*(self._folder / "staged").glob("*"), *(self._folder / "incoming").glob("*")]:
            with suppress(FileNotFoundError):
                if path.name not in known and path.stat().st_mtime < before:
                    path.unlink()
                    count += 1
        return count


class RemoteStore(ArtifactStore):
    """A store at an address of fsspec, such as `s3://bucket/prefix`. Its driver, s3fs for one, is installed by the user."""

    def __init__(self, url: str) -> None:
        import fsspec

        self._url = url
        try:
            self._files, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"the artifact store cannot be opened: {error}",
                field="artifacts",
                value=url.split("@")[-1],
                rule="a folder, or an address whose fsspec driver is installed",
                hint="install the driver, for S3: pip install s3fs",
            ) from error
        self._root = str(root).rstrip("/")

    def _place(self, sha256: str) -> str:
        return f"{self._root}/published/{sha256[:2]}/{sha256}"

    def _waiting(self, sha256: str) -> str:
        return f"{self._root}/staged/{sha256}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ArtifactStoreError(
                f"the artifact store does not answer: {error}",
                field="artifacts",
                value=self._url.split("@")[-1],
                rule="must be reachable and writable",
                hint="check its address and credentials",
            ) from error

    def stage(self, source: bytes | Path | BinaryIO) -> StoredBytes:
        partial = f"{self._root}/incoming/{secrets.token_hex(8)}"
        with self._translated():
            self._files.makedirs(f"{self._root}/incoming", exist_ok=True)
            with _source(source) as stream, self._files.open(partial, "wb") as target:
                stored = _copy(stream, target)
            self._rename(partial, self._waiting(stored.sha256))
        return stored

    def publish(self, sha256: str) -> None:
        with self._translated():
            if self._files.exists(self._waiting(_checked(sha256))):
                # Somebody else may be doing the same: what is gone here has then arrived there.
                with suppress(FileNotFoundError):
                    self._rename(self._waiting(sha256), self._place(sha256))
                    return
            if not self._files.exists(self._place(sha256)):
                raise _missing(sha256)

    def _rename(self, source: str, target: str) -> None:
        self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._files.mv(source, target)

    def open_read(self, sha256: str) -> BinaryIO:
        with self._translated():
            for place in (self._place(_checked(sha256)), self._waiting(sha256), self._place(sha256)):
                try:
                    opened: Any = self._files.open(place, "rb")
                except FileNotFoundError:
                    continue
                return opened  # type: ignore[no-any-return]
        raise _missing(sha256)

    def path(self, sha256: str) -> Path | None:
        return None

    def delete(self, sha256: str, *, older_than_s: float = 0.0) -> bool:
        place = self._place(_checked(sha256))
        with self._translated():
            if not self._files.exists(place) or self._age_s(place) < older_than_s:
                return False
            self._files.rm(place)
        return True

    def _age_s(self, path: str) -> float:
        try:
            return time.time() - float(self._files.modified(path).timestamp())
        except NotImplementedError:
            return 0.0  # who cannot tell the age is taken for young

    def _names(self, below: str) -> list[str]:
        try:
            found = self._files.find(f"{self._root}/{below}")
        except FileNotFoundError:
            return []
        return [str(path) for path in found]

    def published(self) -> Iterator[str]:
        return (path.rpartition("/")[2] for path in self._names("published"))

    def staged(self) -> Iterator[str]:
        return (path.rpartition("/")[2] for path in self._names("staged"))

    def sweep_staged(self, known: set[str], older_than_s: float) -> int:
        count = 0
        with self._translated():
            for path in [*self._names("staged"), *self._names("incoming")]:
                if path.rpartition("/")[2] not in known and self._age_s(path) >= older_than_s:
                    self._files.rm(path)
                    count += 1
        return count


def save_copy(store: ArtifactStore, sha256: str, target: Path) -> None:
    """Writes the stored bytes to a file of their own.

    Raises:
        ArtifactMissing: there are none.
    """
    with store.open_read(sha256) as source, target.open("wb") as stream:
        shutil.copyfileobj(source, stream, _CHUNK_BYTES)
