"""The folder of a sweep: its plan, a file for each case that ended, the reports of its nights. Each file is whole or absent."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from flexdse.exploration_files import write_document
from spec.catalog import resolve_device, resolve_model
from spec.errors import FlexDSEError, InputError, echo
from spec.strict import load_document, validate
from spec.sweep import SweepCase, SweepPlan
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import MODEL_VERSION


def inputs_digest(case: SweepCase) -> str:
    """8 hex digits of the documents of a case's model and device, which may be files that were edited since."""
    documents = [resolve_model(case.model), resolve_device(case.device)]
    return hashlib.sha256("\n".join(one.model_dump_json() for one in documents).encode()).hexdigest()[:8]


LEFTOVER_PATIENCE_S = 60.0  # the guards of a sweep that was killed end its cases in well under a second
_LOOK_S = 0.05
_LOCK = ".lock"
_VERSIONS = {"model_version": MODEL_VERSION, "timing_table_version": DEFAULT_TIMING_TABLE.version}


def _known_digest(case: SweepCase) -> str | None:
    """`inputs_digest`, None where a document is gone or broken since the sweep began."""
    try:
        return inputs_digest(case)
    except FlexDSEError:
        return None


def _lives(lock: TextIO) -> bool:
    """Whether the process that wrote its number into the lock file is still there."""
    lock.seek(0)
    text = lock.read()
    return text.isdecimal() and Path("/proc", text).exists()


class SweepStore:
    """See the module."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()
        self._evaluations: int | None = None
        self.lock_descriptors: tuple[int, ...] = ()  # of the lock, for cases to hold as well

    @classmethod
    @contextmanager
    def started(cls, folder: Path, plan: SweepPlan) -> Iterator[SweepStore]:
        """The folder for `plan`, made if it does not exist; one of an older form of the plan goes on with the new one. While
        inside, no other process runs this sweep: nothing is written for one that is refused.

        Raises:
            InputError: a folder of another sweep, or one that is in use for something else.
            FlexDSEError: another process runs it.
        """
        store = cls(folder)
        store._check_is_for(plan, folder)
        with store.locked():
            store._check_is_for(plan, folder)  # another process may have begun another sweep meanwhile
            # The plan first: a folder without one is refused.
            write_document(store.folder / "plan.json", plan.model_dump(mode="json", by_alias=True))
            for name in ("results", "failures", "journals", "reports"):
                (store.folder / name).mkdir(exist_ok=True)
            store._evaluations = plan.budget.evaluations
            yield store

    def _check_is_for(self, plan: SweepPlan, folder: Path) -> None:
        if (self.folder / "plan.json").is_file():
            name = self.plan().name
            if name != plan.name:
                raise InputError(
                    f"{echo(str(self.folder))} holds the sweep {name}",
                    field="--out",
                    value=str(folder),
                    rule=f"a folder of the sweep {plan.name}, or a new one",
                    hint="give another --out",
                )
        elif self.folder.exists() and any(one.name != _LOCK for one in self.folder.iterdir()):
            raise InputError(
                f"{echo(str(self.folder))} is not empty and holds no sweep",
                field="--out",
                value=str(folder),
                rule="a folder of this sweep, or a new one",
                hint="give another --out",
            )

    @staticmethod
    def holds(folder: Path, plan: SweepPlan) -> bool:
        """Whether a folder holds this very plan from an earlier night."""
        try:
            return SweepStore(folder).plan() == plan
        except FlexDSEError:
            return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While inside, no other process runs this sweep. Cases hold the lock too: the next sweep of a folder starts when the
        last one of a sweep that was killed is gone, and waits for that.

        Raises:
            FlexDSEError: another process runs it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("a+") as handle:
            deadline = time.monotonic() + LEFTOVER_PATIENCE_S
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if _lives(handle) or time.monotonic() > deadline:
                        raise FlexDSEError(
                            f"another process runs the sweep in {echo(str(self.folder))}",
                            field="--out",
                            value=str(self.folder),
                            rule="one process at a time",
                            hint="wait for it, or give another --out",
                        ) from error
                time.sleep(_LOOK_S)
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            self.lock_descriptors = (handle.fileno(),)
            try:
                yield
            finally:
                self.lock_descriptors = ()

    def plan(self) -> SweepPlan:
        """The plan as it was last started."""
        return validate(SweepPlan, load_document(self.folder / "plan.json", "plan.json"))

    def journal(self, case: SweepCase) -> Path:
        """The evaluations of a case that is not done, for the next night."""
        return self.folder / "journals" / f"{case.key()}.{inputs_digest(case)}.{MODEL_VERSION}.journal"

    def put_result(self, key: str, case: SweepCase, document: dict[str, Any], seconds: float) -> None:
        """The case is done."""
        self._put("results", key, case, {"document": document}, seconds)
        (self.folder / "failures" / f"{key}.json").unlink(missing_ok=True)
        for journal in (self.folder / "journals").glob(f"{key}.*.journal"):
            journal.unlink(missing_ok=True)

    def put_failure(self, key: str, case: SweepCase, cause: str, message: str, seconds: float) -> None:
        """The case failed; it is tried again the next time."""
        self._put("failures", key, case, {"cause": cause, "message": message}, seconds)

    def _put(self, kind: str, key: str, case: SweepCase, what: dict[str, Any], seconds: float) -> None:
        document = {
            **_VERSIONS, "key": key, "case": case.model_dump(mode="json", by_alias=True), "title": case.title,
            "inputs": _known_digest(case), "finished_at": datetime.now(UTC).isoformat(timespec="seconds"), "seconds": seconds, **what,
        }  # fmt: skip
        write_document(self.folder / kind / f"{key}.json", document)

    def result(self, key: str) -> dict[str, Any] | None:
        """What a case gave by the models as they are now, of its model, device and budget as they are now."""
        found = self._read("results", key)
        if found is None or any(found.get(n) != v for n, v in _VERSIONS.items()):
            return None
        case = validate(SweepCase, found["case"])
        if found.get("inputs") != _known_digest(case):
            return None
        budget = found["document"]["request"]["budget"]
        return found if case.method == "exact" or self._evaluations in (None, budget) else None

    def failure(self, key: str) -> dict[str, Any] | None:
        """Why a case failed last."""
        return self._read("failures", key)

    def _read(self, kind: str, key: str) -> dict[str, Any] | None:
        path = self.folder / kind / f"{key}.json"
        if not path.is_file():
            return None
        document: dict[str, Any] = json.loads(path.read_text())
        return document

    def last_summary(self) -> dict[str, dict[str, Any]]:
        """The rows of the report before the next one, by key; empty before the first."""
        path = self.folder / "summary.json"
        if not path.is_file():
            return {}
        rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"]
        return {row["key"]: row for row in rows}
