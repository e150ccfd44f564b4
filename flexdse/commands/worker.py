"""`flexdse worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from flexdse.commands.service import Home, data_folder


def worker(
    home: Home = None,
    queues: Annotated[
        str, typer.Option("--queues", help="Take jobs of these: some of search,csim,simulate,synthesize.")
    ] = "search,csim,simulate,synthesize",
    processes: Annotated[int, typer.Option("--processes", min=0, help="Jobs at once.")] = 1,
    beat: Annotated[
        bool, typer.Option("--beat", help="Also recover lost jobs, ring again and tidy up; `serve` does it anyway.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only check that database and artifacts can be used, for health checks.")
    ] = False,
    lease_s: Annotated[
        float, typer.Option("--lease-s", min=0.5, help="A job is given to another after that long without a word.")
    ] = 30.0,
    cpus: Annotated[int | None, typer.Option("--cpus", min=1, help="Cores of one job; default all.")] = None,
    memory_gib: Annotated[float | None, typer.Option("--memory-gib", min=0.01, help="Memory of one job.")] = None,
    time_s: Annotated[float | None, typer.Option("--time-s", min=1, help="Time of one job.")] = None,
) -> None:
    """Work on jobs until Ctrl-C, beside a server on the same data folder or database."""
    if check:
        from flexdse.worker_host import check_worker

        check_worker(data_folder(home))
        return
    from flexdse.worker_host import host_workers
    from workers.limits import JobLimits

    host_workers(
        data_folder(home),
        queues=tuple(name.strip() for name in queues.split(",") if name.strip()),
        processes=processes,
        beat=beat,
        lease_s=lease_s,
        limits=JobLimits(cpus, round(memory_gib * 2**30) if memory_gib is not None else None, time_s),
    )
