"""The kinds of jobs: where each gets its input, what runs, and how its result is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from db.models import Job
from db.repositories.explorations import ResultVersions, stored_front_entry
from db.session import UnitOfWork
from spec.errors import InputError, UnknownNameError
from spec.exploration_result import FrontEntry, SearchRecord
from workers.enqueue import JobKind

Publication = Callable[[UnitOfWork], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job. `body` is `module:function` (see `workers.child.JobBody`) and runs in a process of its own.

    `prepare` checks and converts the result of the body, which may take a while. What it returns runs in the
    transaction that also ends the job: the result is there exactly if the job succeeded.
    """

    body: str
    load_input: Callable[[UnitOfWork, Job], dict[str, Any]]
    prepare: Callable[[Job, dict[str, Any]], Publication]


def _exploration_input(work: UnitOfWork, job: Job) -> dict[str, Any]:
    exploration = work.explorations.get(job.subject_id)
    if exploration is None:
        raise LookupError(f"job {job.id} has no exploration {job.subject_id}")
    return {"request": exploration.request}


def _prepare_exploration(job: Job, result: dict[str, Any]) -> Publication:
    names = ("flexdse_version", "model_version", "timing_table_version")
    versions = ResultVersions(**{name: result["versions"][name] for name in names})
    record = SearchRecord.model_validate(result["record"])
    entries = [FrontEntry.model_validate(entry) for entry in result["front"]]
    front = [stored_front_entry(index, entry) for index, entry in enumerate(entries)]
    return lambda work: work.explorations.publish(job.subject_id, front, record, versions)


KINDS: Mapping[str, Kind] = {
    JobKind.EXPLORE: Kind("workers.tasks.explore:run", _exploration_input, _prepare_exploration),
}


def with_bodies(bodies: Mapping[str, str]) -> dict[str, Kind]:
    """The kinds, some with another body: for tests, and for whoever wraps a body of ours.

    Raises:
        InputError: an unknown kind, or not `module:function`.
    """
    kinds = dict(KINDS)
    for name, body in bodies.items():
        if name not in kinds:
            raise UnknownNameError("kind of job", name, kinds, field="bodies")
        if body.count(":") != 1 or not all(part.strip() for part in body.split(":")):
            raise InputError("not the name of a function", field="bodies", value=body, rule="module:function")
        kinds[name] = replace(kinds[name], body=body)
    return kinds
