from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from db.migrations import upgrade
from db.models import Exploration, Job
from db.session import Database
from spec import catalog
from spec.exploration import ExplorationRequest
from spec.workload import Workload
from workers.enqueue import enqueue_exploration


@dataclass
class Bench:
    """A database with explorations, and what tests ask about them."""

    database: Database
    url: str
    journal: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

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

    def start_worker(self, body: str = "timed", lease_s: float = 1.5) -> subprocess.Popen[bytes]:
        """A worker in a process of its own."""
        command = [sys.executable, "-P", "-m", "workers.runner", "--database", self.url, "--lease-s", str(lease_s)]
        worker = subprocess.Popen([*command, "--body", f"explore=tests.workers.bodies:{body}"])
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        for worker in self.workers:
            with suppress(ProcessLookupError):
                worker.kill()
            worker.wait()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    url = f"sqlite:///{tmp_path / 'flexdse.db'}"
    upgrade(url)
    made = Bench(Database(url), url, tmp_path / "journal")
    yield made
    made.stop()
    made.database.close()


@pytest.fixture
def wait_until() -> Callable[..., None]:
    def wait(condition: Callable[[], object], seconds: float = 20.0, what: str = "") -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited {seconds} s in vain {what}"
            time.sleep(0.02)

    return wait
