"""An exploration by what a user calls it: the folder of `explore --out`, or its id on a service."""

from __future__ import annotations

from flexdse.exploration_folders import read_exploration
from spec.errors import InputError, echo
from spec.exploration_result import ExplorationResult
from spec.strict import validate


def find_exploration(name: str, server: str | None = None) -> ExplorationResult:
    """The finished exploration.

    Raises:
        InputError: no such folder or id, one that is not finished, or one of a model or device that is not in the catalog.
    """
    if server is None:
        return read_exploration(name)
    from flexdse.client import connect
    from spec.catalog import resolve_device, resolve_model

    with connect(server) as service:
        found = service.exploration(name)
        document = found.document
        if document["state"] != "succeeded":
            raise InputError(
                f"exploration {echo(name)} is {document['state']}",
                field="exploration",
                value=name,
                rule="a finished exploration",
                hint="wait for it: `flexdse jobs list` shows its progress",
            )
        entries = [{"design": one["design"], "metrics": one["metrics"]} for one in found.entries()]
    request = {
        **{key: document[key] for key in ("workload", "objectives", "method", "budget", "seed")},
        "model": resolve_model(document["model"]).model_dump(mode="json", by_alias=True),
        "device": resolve_device(document["device"]).model_dump(mode="json", by_alias=True),
    }
    return validate(ExplorationResult, {"request": request, "front": entries, "record": document["record"]})
