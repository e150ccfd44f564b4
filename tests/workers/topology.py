"""The services of docker-compose.yml as plain processes. `python topology.py FOLDER` prints what came of it as JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import yaml

from db.session import Database
from tests.servers import ValkeyServer, free_port, postgres_server
from workers.enqueue import Bell, enqueue_project, enqueue_run
from workers.limits import descendants

PATIENCE_S = 240.0
SERVICES = yaml.safe_load((Path(__file__).resolve().parents[2] / "docker-compose.yml").read_text())["services"]
BODIES = {kind: f"tests.workers.bodies:{kind}" for kind in ("generate", "csim", "synthesize")} | {
    "explore": "tests.workers.bodies:timed"
}
# The command line of the product; only the bodies of jobs are replaced, which no user can do.
FLEXDSE = f"""
import sys
from flexdse import cli, supervise
made = supervise.WorkerService.__post_init__
def with_bodies(service):
    service.bodies = {BODIES!r}
    made(service)
supervise.WorkerService.__post_init__ = with_bodies
sys.argv[0] = "flexdse"
cli.main()
"""


def wait_until(condition: Any, what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end_s:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.1)


def command_of(service: str, **changes: str) -> list[str]:
    """The arguments of `flexdse` in the compose file, with its variables at their defaults."""
    arguments = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(part)) for part in SERVICES[service]["command"]]
    for option, value in changes.items():
        arguments[arguments.index(f"--{option}") + 1] = value
    return arguments


def answers(url: str, token: str) -> bool:
    try:
        ready = httpx.get(f"{url}/readyz", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    except httpx.HTTPError:
        return False
    return ready.status_code == 200 and ready.json()["broker"] == "ok"


def main(folder: Path) -> dict[str, Any]:
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        url = stack.enter_context(postgres.new_database())
        broker = ValkeyServer()
        stack.callback(broker.remove)
        broker.start()
        environment = {
            **os.environ,
            "FLEXDSE_DATABASE_URL": url,
            "FLEXDSE_BROKER_URL": broker.url,
            "FLEXDSE_ARTIFACTS_URL": str(folder / "artifacts"),
        }
        started: list[subprocess.Popen[bytes]] = []

        def flexdse(name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-c", FLEXDSE, *arguments],
                env={**environment, "FLEXDSE_HOME": str(folder / name)},  # each container has its own
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            stack.callback(process.kill)
            started.append(process)
            return process

        if flexdse("migrate", command_of("migrate")).wait(PATIENCE_S) != 0:
            raise SystemExit((folder / "migrate.log").read_text())
        started.clear()
        replicas = []
        for number in range(2):
            port = str(free_port())
            flexdse(f"api{number}", command_of("api", host="127.0.0.1", port=port))
            replicas.append((f"http://127.0.0.1:{port}", folder / f"api{number}" / "token"))
        for name in ("search-worker", "csim-worker", "beat"):
            flexdse(name, command_of(name))
        tokens = []
        for address, token_file in replicas:
            wait_until(token_file.exists, "the token")
            wait_until(lambda f=token_file: f.read_text().strip(), "the token")
            tokens.append(token_file.read_text().strip())
            wait_until(lambda a=address, t=tokens[-1]: answers(a, t), f"{address} to be ready")

        # Through one replica, seen by the other.
        clients = [
            stack.enter_context(
                httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S)
            )
            for (address, _), token in zip(replicas, tokens, strict=True)
        ]
        body = {
            "name": "0.2|",
            "model": "llama-3.2-1b",
            "device": "u280",
            "workload": {"prompt_tokens": 128, "output_tokens": 128},
        }
        job_ids = []
        for client in clients:
            answer = client.post("/api/v1/explorations", json=body)
            assert answer.status_code == 202, answer.text
            job_ids.append(answer.json()["job_id"])
        job_ids += submit_project(url, broker.url)
        states: dict[str, str] = {}

        def all_ended() -> bool:
            for job_id in job_ids:
                states[job_id] = clients[0].get(f"/api/v1/jobs/{job_id}").json()["state"]
            return all(state in ("succeeded", "failed", "cancelled") for state in states.values())

        wait_until(all_ended, "the jobs")
        both = all(client.get(f"/api/v1/jobs/{job_ids[0]}").status_code == 200 for client in clients)

        family = {pid for process in started for pid in descendants(process.pid)}
        for process in started:
            process.terminate()
        for process in started:
            process.wait(PATIENCE_S)
        left = [pid for pid in family if is_alive(pid)]
        return {
            "user": os.geteuid(),
            "states": [states[job_id] for job_id in job_ids],
            "seen_by_both_replicas": both,
            "left_running": left,
        }


def submit_project(url: str, broker_url: str) -> list[str]:
    """A project and a simulation of it."""
    from spec import catalog
    from spec.workload import Workload

    bell = Bell(broker_url)
    database = Database(url, bell.ring)
    with database.write() as work:
        project, generate = enqueue_project(
            work,
            design=catalog.load_design("flexllm-u280"),
            model=catalog.load_model("llama-3.2-1b"),
            device=catalog.load_device("u280"),
            workload=Workload(prompt_tokens=128, output_tokens=128),
            owner="local",
        )

    def generated() -> bool:
        with database.read() as work:
            job = work.jobs.get(generate.id)
            return job is not None and job.state.is_final

    wait_until(generated, "the project")
    with database.write() as work:
        _, csim = enqueue_run(work, project, "csim", {"passes": True}, owner="local")
    bell.close()
    database.close()
    return [generate.id, csim.id]


def is_alive(pid: int) -> bool:
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    return False


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))  # noqa: T201
