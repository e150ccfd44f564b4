from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from db.artifacts import ArtifactStore
from db.migrations import upgrade
from db.models import Exploration, Job
from db.session import Database
from spec import catalog
from spec.exploration import ExplorationRequest
from spec.workload import Workload
from workers.enqueue import enqueue_exploration
from workers.holders import new_worker_id
from workers.kinds import with_bodies
from workers.limits import JobLimits
from workers.work_folder import WorkFolder
from workers.worker import Worker, WorkerSettings


@dataclass
class Bench:
    """A database with explorations, and what tests ask about them."""

    database: Database
    url: str
    folder: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    folders: list[WorkFolder] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    def submit(self, seconds: float = 0.0) -> str:
        """A queued exploration that takes so long; the id of its job."""
        request = ExplorationRequest(
            name=f"{seconds}|{self.journal}",
            model=catalog.load_model("llama-3.2-1b"),
            device=catalog.load_device("u280"),
            workload=Workload(prompt_tokens=128, output_tokens=128),
        )
        with self.database.write() as work:
            return enqueue_exploration(work, request, owner="local")[1].id

    def job(self, job_id: str) -> Job:
        with self.database.read() as work:
            job = work.jobs.get(job_id)
        assert job is not None
        return job

    def exploration(self, job_id: str) -> Exploration:
        with self.database.read() as work:
            exploration = work.explorations.get(self.job(job_id).subject_id)
        assert exploration is not None
        return exploration

    def front_size(self, job_id: str) -> int:
        with self.database.read() as work:
            return len(work.explorations.front(self.job(job_id).subject_id))

    def journal_lines(self, word: str) -> list[int]:
        """Process ids of the bodies that wrote `word`, in order."""
        if not self.journal.exists():
            return []
        lines = [line.split() for line in self.journal.read_text().splitlines()]
        return [int(pid) for what, pid in lines if what == word]

    @property
    def store(self) -> ArtifactStore:
        return ArtifactStore.open(self.folder / "artifacts")

    def worker(
        self,
        body: str,
        *,
        stop: threading.Event | None = None,
        lease_s: float = 60.0,
        limits: JobLimits | None = None,
        poll_s: float = 0.1,
        **changes: Any,
    ) -> Worker:
        """A worker in this process."""
        kinds = with_bodies({"explore": f"tests.workers.bodies:{body}"})
        settings = WorkerSettings(new_worker_id(), lease_s=lease_s, poll_s=poll_s, limits=limits or JobLimits())
        folder = WorkFolder(self.folder / "work", settings.worker_id)
        self.folders.append(folder)
        return Worker(self.database, settings, self.store, folder, {**kinds, **changes}, stop)

    def start_worker(
        self, body: str = "timed", lease_s: float = 1.5, broker_url: str | None = None
    ) -> subprocess.Popen[bytes]:
        """A worker in a process of its own."""
        options = {
            "--database": self.url,
            "--artifacts": str(self.folder / "artifacts"),
            "--work": str(self.folder / "work"),
            "--lease-s": str(lease_s),
            "--body": f"explore=tests.workers.bodies:{body}",
            **({"--broker": broker_url} if broker_url is not None else {}),
        }
        command = [sys.executable, "-P", "-m", "workers.runner"]
        worker = subprocess.Popen([*command, *(part for option in options.items() for part in option)])
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        for folder in self.folders:
            folder.close()
        for worker in self.workers:
            with suppress(ProcessLookupError):
                worker.kill()
            worker.wait()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    url = f"sqlite:///{tmp_path / 'flexdse.db'}"
    upgrade(url)
    made = Bench(Database(url), url, tmp_path)
    yield made
    made.stop()
    made.database.close()


@pytest.fixture
def wait_until() -> Callable[..., None]:
    def wait(condition: Callable[[], object], seconds: float = 90.0, what: str = "") -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited {seconds} s in vain {what}"
            time.sleep(0.02)

    return wait
