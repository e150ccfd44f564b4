"""The artifact store, in a folder and behind fsspec."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from db.artifacts import ArtifactMissing, ArtifactStore, ArtifactStoreError, FolderStore, save_copy
from spec.errors import InputError

CONTENT = b"some bytes" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(params=["folder", "fsspec"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStore]:
    if request.param == "folder":
        yield ArtifactStore.open(tmp_path / "a b" / "store")
        return
    url = f"memory://{uuid4().hex}/prefix"
    yield ArtifactStore.open(url)
    files = fsspec.filesystem("memory")
    if files.exists(f"/{url.split('/')[2]}"):
        files.rm(f"/{url.split('/')[2]}", recursive=True)


def read(store: ArtifactStore, sha256: str) -> bytes:
    with store.open_read(sha256) as stream:
        return stream.read()


@pytest.mark.parametrize("kind", ["bytes", "path", "stream"])
def test_what_is_put_comes_back_under_its_hash(store: ArtifactStore, tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    source = {"bytes": CONTENT, "path": tmp_path / "file", "stream": BytesIO(CONTENT)}[kind]
    stored = store.put(source)  # type: ignore[arg-type]
    assert (stored.sha256, stored.size_bytes) == (SHA256, len(CONTENT))
    assert read(store, SHA256) == CONTENT
    assert list(store.published()) == [SHA256]
    assert list(store.staged()) == []
    save_copy(store, SHA256, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT


def test_the_same_bytes_are_kept_once(store: ArtifactStore) -> None:
    assert store.put(CONTENT) == store.put(BytesIO(CONTENT))
    assert list(store.published()) == [SHA256]


def test_staged_bytes_are_not_published_yet_but_can_be_read(store: ArtifactStore) -> None:
    store.stage(CONTENT)
    assert list(store.published()) == []
    assert list(store.staged()) == [SHA256]
    assert read(store, SHA256) == CONTENT
    for _ in range(2):  # once more does no harm: housekeeping may come to it too
        store.publish(SHA256)
        assert list(store.published()) == [SHA256]
        assert list(store.staged()) == []
    assert read(store, SHA256) == CONTENT


def test_deleted_bytes_are_missing(store: ArtifactStore) -> None:
    store.put(CONTENT)
    assert not store.delete(SHA256, older_than_s=3600)  # young: a job may be about to name them
    assert store.delete(SHA256)
    assert not store.delete(SHA256)
    for ask in (store.open_read, store.publish):
        with pytest.raises(ArtifactMissing) as caught:
            ask(SHA256)
        assert caught.value.http_status == 410


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "", "A" * 64, SHA256[:-1], f"{SHA256}/.."])
def test_nothing_but_a_hash_leads_into_the_store(store: ArtifactStore, name: str) -> None:
    for ask in (store.open_read, store.publish, store.path, store.delete):
        if ask == store.path and not isinstance(store, FolderStore):
            continue
        with pytest.raises(ArtifactMissing):
            ask(name)


def test_sweeping_keeps_what_is_known_or_young(store: ArtifactStore) -> None:
    store.stage(CONTENT)
    other = store.stage(b"other").sha256
    assert store.sweep_staged({SHA256}, older_than_s=3600) == 0
    assert store.sweep_staged({SHA256}, older_than_s=0) == 1
    assert list(store.staged()) == [SHA256]
    with pytest.raises(ArtifactMissing):
        store.open_read(other)


def test_files_are_private(tmp_path: Path) -> None:
    store = ArtifactStore.open(tmp_path / "store")
    store.put(CONTENT)
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "store").rglob("*") if path.is_dir()} == {0}
    path = store.path(SHA256)
    assert path is not None
    assert path.is_relative_to(tmp_path / "store")


class FullDisk(BytesIO):
    def read(self, *_: object) -> bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    store = ArtifactStore.open(f"file://{tmp_path}/store")
    with pytest.raises(ArtifactStoreError, match="is full") as caught:
        store.put(FullDisk())
    assert caught.value.hint is not None
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_address_that_nobody_knows() -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        ArtifactStore.open("nosuchprotocol://bucket/prefix")


def test_two_publish_the_same_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The housekeeper and a worker: a rename of a remote store takes seconds, in which the other one may be done."""
    store = ArtifactStore.open(f"memory://{uuid4().hex}")
    stored = store.stage(b"bytes")
    rename = store._rename  # type: ignore[attr-defined]

    def second(*places: str) -> None:
        rename(*places)  # the other one is quicker
        rename(*places)

    monkeypatch.setattr(store, "_rename", second)
    store.publish(stored.sha256)
    assert store.open_read(stored.sha256).read() == b"bytes"
    with pytest.raises(ArtifactMissing):
        store.publish("0" * 64)
