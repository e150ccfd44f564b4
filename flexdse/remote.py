"""Commands against a service: `--server URL` runs there what would run here, and the answer looks the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationProgress, ExplorationResult
from spec.workload import Workload

if TYPE_CHECKING:
    from flexdse.client.connection import ServerEvent
    from spec.design_point import DesignPoint
    from spec.device import Device
    from spec.model_config import ModelConfig


def evaluate(
    server: str, design: DesignPoint, model: ModelConfig, device: Device, workload: Workload
) -> dict[str, Any]:
    """The document of `flexdse evaluate`, from a service."""
    from flexdse.client import connect

    with connect(server) as service:
        return service.evaluate(
            design.model_dump(mode="json", by_alias=True),
            model.model_dump(mode="json", by_alias=True),
            device.model_dump(mode="json", by_alias=True),
            prompt_tokens=workload.prompt_tokens,
            output_tokens=workload.output_tokens,
        )


def explore(
    server: str, request: ExplorationRequest, on_progress: Callable[[ExplorationProgress], None]
) -> ExplorationResult:
    """The result of `flexdse explore`, from a service. The exploration stays there, whatever happens here.

    Raises:
        JobFailed: the exploration failed there.
    """
    from flexdse.client import connect
    from flexdse.console import note
    from flexdse.remote_projects import telling_that_it_goes_on
    from spec.strict import validate

    document = request.model_dump(mode="json", by_alias=True)
    workload = document.pop("workload")

    def hear(event: ServerEvent) -> None:
        if event.event == "progress":
            on_progress(ExplorationProgress.model_validate(event.data))

    with connect(server) as service:
        found = service.explore(
            prompt_tokens=workload["prompt_tokens"], output_tokens=workload["output_tokens"], **document
        )
        note(f"exploration {found.id} on {service.connection.url}")
        with telling_that_it_goes_on(service, found.document["job_id"]):
            found.wait(hear)
        result = {
            "request": request.model_dump(mode="json", by_alias=True),
            "front": found.entries(),
            "record": found.document["record"],
        }
        return validate(ExplorationResult, result)
