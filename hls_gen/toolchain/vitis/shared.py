"""Results of steps that any project on this machine may use: nothing is synthesized twice, in whatever folder it was first.

An entry is a folder named by the step's key (`records.step_key`: sources, tool versions, part, clock, flow), with the record
and the files that the step made. It is filled beside its place and renamed: there complete, or not at all. The tool's own
project is not kept: it holds absolute paths and can not move.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from hls_gen.toolchain.vitis.jobs import KernelJob
from hls_gen.toolchain.vitis.records import FINAL_FAILURES, file_hash
from hls_gen.toolchain.vitis.runner import held
from spec.errors import InputError
from spec.strict import parse_json, validate
from spec.synthesis_report import KernelStep

_TURN_S = 1.0  # between two looks at whether another run is done or we were cancelled


class SharedResults:
    """Records and files by key below `folder`; with None nothing is kept or found."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def put(self, job: KernelJob, record: KernelStep) -> None:
        """Keep the result of a step that gave one.

        Raises:
            OSError: it could not be written; nothing is left of it.
        """
        final = record.failure is not None and record.failure.cause in FINAL_FAILURES
        if self._folder is None or not (record.status == "succeeded" or final):
            return
        place = self._place(record.key)
        scratch = place.with_name(f".{record.key[:16]}.{secrets.token_hex(4)}.partial")
        try:
            for made in record.artifacts:
                target = scratch / "files" / made.path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(job.project / made.path, target)
            scratch.mkdir(parents=True, exist_ok=True)
            (scratch / "record.json").write_text(record.model_dump_json(by_alias=True, indent=1) + "\n")
            if place.exists():
                shutil.rmtree(place)
            scratch.replace(place)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def find(self, job: KernelJob, key: str) -> KernelStep | None:
        """The record of a result; None where there is none, or its files are not as they were."""
        if self._folder is None:
            return None
        place = self._place(key)
        try:
            record = validate(KernelStep, parse_json((place / "record.json").read_text()))
            whole = all(
                (place / "files" / made.path).stat().st_size == made.bytes
                and file_hash(place / "files" / made.path) == made.sha256
                for made in record.artifacts
            )
        except (OSError, InputError, UnicodeDecodeError):
            return None
        return record if whole and (record.key, record.kernel) == (key, job.kernel) else None

    def copy_files(self, job: KernelJob, record: KernelStep) -> None:
        """Put the files of a result that was found where the step leaves them."""
        for made in record.artifacts:
            target = job.project / made.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._place(record.key) / "files" / made.path, target)

    @contextlib.contextmanager
    def turn(self, key: str, cancel: threading.Event | None) -> Iterator[bool]:
        """Held while the result of a key is made, so that a second run of the same waits; yields whether it had to.

        The kernel frees the turn when its holder dies, however it dies. A run that is cancelled stops waiting.
        """
        if self._folder is None:
            yield False
            return
        lock, waited = self._place(key).with_suffix(".lock"), False
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            lock.touch()
        except OSError:  # a folder that can not be written: nothing is shared, the step runs all the same
            yield False
            return
        while cancel is None or not cancel.is_set():
            with held(lock, 0.0) as free:
                if free:
                    yield waited
                    return
            waited = True
            (cancel or threading.Event()).wait(_TURN_S)
        yield waited

    def _place(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / key[:2] / key
