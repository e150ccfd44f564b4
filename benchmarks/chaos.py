"""`make chaos`: jobs, workers, broker and database, killed at random; what is left at the end, counted outside of it all.

The judges are the journal that each body writes and the published artifacts, not the table of jobs.

    python -m benchmarks.chaos [--jobs 200] [--kills 6] [--seed 0] [--database sqlite --database postgresql]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.record import bench_record
from db.artifacts import ArtifactStore
from db.errors import DatabaseError
from db.job_state import CAUSE_LOST, JobState
from db.migrations import upgrade
from db.models import Job
from db.session import Database
from db.settings import ARTIFACTS_VARIABLE, BROKER_VARIABLE, DATABASE_VARIABLE
from spec import catalog
from spec.exploration import ExplorationRequest
from spec.workload import Workload
from tests.servers import PostgresServer, ValkeyServer, postgres_server
from workers.enqueue import enqueue_exploration
from workers.housekeeping import finish_publishing
from workers.limits import descendants

OUT = Path("build/bench/chaos.json")
LEASE_S = 2.0
STOPPED_S = 3.5  # longer than the lease
WAIT_S = 900.0
HOSTS = 2
WORKERS_OF_A_HOST = 2
MAX_ATTEMPTS = 50  # of a job that is no poison: more than it can be killed
POISON = -1
KINDS = ("child", "worker", "broker", "stop")
LEAST_KILLS = 5

_HOST = f"""
import sys
from pathlib import Path
from flexdse.worker_host import host_workers
host_workers(Path(sys.argv[1]), processes={WORKERS_OF_A_HOST}, beat=True, lease_s={LEASE_S}, queues=("search",),
             bodies={{"explore": "benchmarks.chaos_body:run"}})
"""


class Host:
    """One `flexdse worker`: a supervisor with its workers."""

    def __init__(self, folder: Path, environment: Mapping[str, str], log: Path) -> None:
        self._folder, self._environment, self._log = folder, dict(environment), log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _HOST, str(self._folder)],
                env={**os.environ, **self._environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def workers(self) -> list[int]:
        """Its worker processes, not the processes of jobs."""
        return [pid for pid in _children(self.pid) if "workers.runner" in _command(pid)]

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            family = descendants(self._process.pid)
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
            for pid in family:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in path.read_text().split()]
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


class Chaos:
    """One run on one database."""

    def __init__(
        self, folder: Path, url: str, jobs: int, kills: int, seed: int, postgres: PostgresServer | None
    ) -> None:
        self._folder, self._url, self._jobs, self._kills = folder, url, jobs, kills
        self._chance = random.Random(seed)
        self._postgres = postgres
        self._journal = folder / "journal"
        self._broker = ValkeyServer()
        environment = {
            DATABASE_VARIABLE: url,
            BROKER_VARIABLE: self._broker.url,
            ARTIFACTS_VARIABLE: str(folder / "artifacts"),
        }
        self._hosts = [Host(folder / f"host{n}", environment, folder / f"host{n}.log") for n in range(HOSTS)]
        self._to_continue: list[tuple[float, int]] = []
        self._done: Counter[str] = Counter()

    def run(self) -> dict[str, Any]:
        """What was done to it, and what came out."""
        upgrade(self._url)
        database = Database(self._url)
        started_s = time.monotonic()
        try:
            self._broker.start()
            for host in self._hosts:
                host.start()
            self._submit(database)
            self._torment(database)
            seconds = time.monotonic() - started_s
            finish_publishing(database, self._store)
            return {**self._judge(database), "seconds": round(seconds, 1)}
        finally:
            for _, pid in self._to_continue:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            for host in self._hosts:
                host.stop()
            self._broker.remove()
            database.close()

    @property
    def _store(self) -> ArtifactStore:
        return ArtifactStore.open(self._folder / "artifacts")

    def _submit(self, database: Database) -> None:
        model, device = catalog.load_model("llama-3.2-1b"), catalog.load_device("u280")
        workload = Workload(prompt_tokens=128, output_tokens=128)
        for number in [*range(self._jobs), POISON]:
            orders = {
                "number": number,
                "seconds": round(self._chance.uniform(0.2, 1.5), 2),
                "journal": str(self._journal),
                "poison": number == POISON,
            }
            request = ExplorationRequest(name=json.dumps(orders), model=model, device=device, workload=workload)
            with database.write() as work:
                job = enqueue_exploration(work, request, owner="local")[1]
                if number != POISON:
                    job.max_attempts = MAX_ATTEMPTS

    # The torment

    def _torment(self, database: Database) -> None:
        kinds = [*KINDS, "postgresql"] if self._postgres is not None else KINDS
        deck = [*kinds] * self._kills + ["host", "host"]
        self._chance.shuffle(deck)
        end_s = time.monotonic() + WAIT_S
        next_kill_s = time.monotonic() + 2.0
        while True:
            self._wake_up()
            if self._all_ended(database) and not self._to_continue:
                if deck:
                    print(f"warning: the jobs ended before {dict(Counter(deck))}", file=sys.stderr)
                return
            if time.monotonic() > end_s:
                raise SystemExit("the jobs do not come to an end")
            if deck and time.monotonic() >= next_kill_s and self._hit(deck[-1]):
                self._done[deck.pop()] += 1
                next_kill_s = time.monotonic() + self._chance.uniform(0.5, 1.5)
            time.sleep(0.1)

    def _all_ended(self, database: Database) -> bool:
        try:
            with database.read() as work:
                states = work.jobs.count_by_state("local")
        except DatabaseError:
            return False
        return not any(count for state, count in states.items() if not state.is_final)

    def _hit(self, what: str) -> bool:
        """Strikes; False where there is nothing to strike at the moment."""
        host = self._chance.choice(self._hosts)
        match what:
            case "child":
                pids = [pid for each in self._hosts for worker in each.workers() for pid in _children(worker)]
                return self._signal(pids, signal.SIGKILL)
            case "worker":
                return self._signal([pid for pid in host.workers() if _children(pid)], signal.SIGKILL)
            case "stop":
                asleep = {pid for _, pid in self._to_continue}
                pids = [pid for pid in host.workers() if _children(pid) and pid not in asleep]
                return self._signal(pids, signal.SIGSTOP)
            case "host":
                host.kill()
                host.start()
            case "broker":
                self._broker.kill()
                self._broker.start()
            case "postgresql":
                assert self._postgres is not None
                self._postgres.stop(signal.SIGQUIT)  # as a crash: connections break, nothing is flushed
                self._postgres.start()
        return True

    def _signal(self, pids: list[int], number: signal.Signals) -> bool:
        if not pids:
            return False
        pid = self._chance.choice(pids)
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            if number == signal.SIGSTOP:
                self._to_continue.append((time.monotonic() + STOPPED_S, pid))
            return True
        return False

    def _wake_up(self) -> None:
        due = [(at_s, pid) for at_s, pid in self._to_continue if time.monotonic() >= at_s]
        for entry in due:
            self._to_continue.remove(entry)
            with suppress(ProcessLookupError):
                os.kill(entry[1], signal.SIGCONT)

    # The judgement

    def _judge(self, database: Database) -> dict[str, Any]:
        lines = [json.loads(line) for line in self._journal.read_text().splitlines()]
        ended = {(line["number"], line["token"]) for line in lines if line["what"] == "end"}
        published: Counter[int] = Counter()
        for sha256 in self._store.published():
            with self._store.open_read(sha256) as stream:
                result = json.load(stream)
            # A file that no body finished writing would be a fault of the store.
            assert (result["number"], result["token"]) in ended, result
            published[result["number"]] += 1
        starts = Counter(line["number"] for line in lines if line["what"] == "start")
        with database.read() as work:
            jobs = list(work.session.query(Job))
        states = Counter(job.state for job in jobs)
        (poison,) = [job for job in jobs if job.max_attempts != MAX_ATTEMPTS]
        return {
            "jobs": self._jobs,
            "done": sum(1 for number in range(self._jobs) if published[number]),
            "finished_twice": sum(1 for count in published.values() if count > 1),
            "lost": sum(1 for number in range(self._jobs) if not published[number]),
            "kills": {kind: self._done[kind] for kind in KINDS},
            "other_kills": {kind: self._done[kind] for kind in ("host", "postgresql") if self._done[kind]},
            "started": sum(count for number, count in starts.items() if number != POISON),
            "ended": len(ended),
            "leases_lost": sum(job.losses for job in jobs),
            "table_agrees": states == Counter({JobState.SUCCEEDED: self._jobs, JobState.FAILED: 1}),
            "poison": {"starts": starts[POISON], "state": poison.state.value, "gave_up": poison.cause == CAUSE_LOST},
        }


@contextmanager
def _sqlite(folder: Path) -> Iterator[tuple[str, PostgresServer | None]]:
    yield f"sqlite:///{folder / 'flexdse.db'}", None


@contextmanager
def _postgresql(folder: Path) -> Iterator[tuple[str, PostgresServer | None]]:
    with postgres_server() as server, server.new_database() as url:
        yield url, server


DATABASES: dict[str, Callable[[Path], Any]] = {"sqlite": _sqlite, "postgresql": _postgresql}


def passed(result: Mapping[str, Any]) -> bool:
    """What the issue asks for."""
    return (
        result["done"] == result["jobs"]
        and result["finished_twice"] == result["lost"] == 0
        and result["table_agrees"]
        and result["poison"]["gave_up"]
        and all(count >= LEAST_KILLS for count in result["kills"].values())
        and result["other_kills"].get("postgresql", LEAST_KILLS) >= LEAST_KILLS
    )


def main() -> int:
    """Runs it on each database; 1 if anything was lost or done twice."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--kills", type=int, default=6, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", action="append", choices=tuple(DATABASES))
    given = parser.parse_args()
    record = bench_record(seed=given.seed)
    for name in given.database or DATABASES:
        folder = Path(tempfile.mkdtemp(prefix="flexdse-chaos-"))
        try:
            with DATABASES[name](folder) as (url, postgres):
                record[name] = Chaos(folder, url, given.jobs, given.kills, given.seed, postgres).run()
            print(name, json.dumps(record[name]))
            if not passed(record[name]):
                for log in sorted(folder.glob("*.log")):
                    kept = OUT.parent / f"chaos-{name}-{log.name}"
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(log, kept)
                    print(f"see {kept}", file=sys.stderr)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(record, indent=2) + "\n")
    return 0 if all(passed(record[name]) for name in given.database or DATABASES) else 1


if __name__ == "__main__":
    sys.exit(main())
