"""The Python front door for notebooks: evaluate, explore, generate, csim, with pandas data frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cost_models.evaluate import Context, evaluate_batch
from cost_models.report import check_workload, metrics_of
from flexdse.exploration_files import front_frame, save_exploration
from spec.catalog import resolve_design, resolve_device, resolve_model
from spec.csim_report import CsimReport
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationProgress, ExplorationResult
from spec.metrics import DEFAULT_OBJECTIVES
from spec.model_config import ModelConfig
from spec.strict import validate
from spec.workload import Workload

if TYPE_CHECKING:
    import optuna

AnyWorkload = Workload | tuple[int, int]


def as_model(model: ModelConfig | str) -> ModelConfig:
    """A model given as such, by catalog name or by the path of a config.json."""
    return resolve_model(model) if isinstance(model, str) else model


def as_device(device: Device | str) -> Device:
    """A device given as such, by catalog name or by the path of a YAML."""
    return resolve_device(device) if isinstance(device, str) else device


def as_workload(workload: AnyWorkload) -> Workload:
    """A workload given as such or as (prompt_tokens, output_tokens)."""
    if isinstance(workload, Workload):
        return workload
    prompt, output = workload
    return validate(Workload, {"prompt_tokens": prompt, "output_tokens": output})


def evaluate(
    designs: Sequence[DesignPoint | str], model: ModelConfig | str, device: Device | str, workload: AnyWorkload
) -> pd.DataFrame:
    """Price designs.

    Args:
        designs: design points, catalog names or paths of design files; all of one quantization scheme.
        model: a model, catalog name or path of a config.json.
        device: a card, catalog name or path of a device YAML.
        workload: a workload or (prompt_tokens, output_tokens).

    Returns:
        One row a design, in order: the columns of the metric registry (units in the names), `feasible`, and the
        canonical key as the index. A metric without a value is NaN.

    Raises:
        InputError: bad input, naming field, value, rule and a way out.
    """
    points = [resolve_design(design) if isinstance(design, str) else design for design in designs]
    card, config, load = as_device(device), as_model(model), as_workload(workload)
    check_workload(config, load)
    batch = DesignBatch.from_points(points, card)
    context = Context(config, card, load, batch.quant_scheme)
    costs = evaluate_batch(batch, context)
    rows = [metrics_of(costs, i, context)[0] for i in range(len(points))]
    frame = pd.DataFrame(rows, index=pd.Index([point.canonical_key() for point in points], name="design"), dtype=float)
    frame["feasible"] = costs.feasible
    return frame


@dataclass(frozen=True, slots=True)
class Exploration:
    """A finished search. `study` is the `optuna.Study` behind it, None for the exact method."""

    result: ExplorationResult
    study: optuna.Study | None

    @property
    def front(self) -> pd.DataFrame:
        """One row a design of the front: parameters (`prefill.*`, `decode.*`) and metrics."""
        return front_frame(self.result)

    @property
    def designs(self) -> list[DesignPoint]:
        """The designs of the front, in the order of `front`."""
        return [entry.design for entry in self.result.front]

    def save(self, directory: str | Path, *, force: bool = False) -> Path:
        """Write front.parquet, front.json, exploration.json and report.html.

        Raises:
            InputError: the folder is not empty and `force` is not given.
        """
        return save_exploration(self.result, Path(directory), force=force)


def explore(
    request: ExplorationRequest | None = None,
    *,
    model: ModelConfig | str | None = None,
    device: Device | str | None = None,
    prompt_tokens: int | None = None,
    output_tokens: int | None = None,
    objectives: Sequence[str] = DEFAULT_OBJECTIVES,
    method: str = "exact",
    budget: int = 2_000,
    seed: int = 0,
    on_progress: Callable[[ExplorationProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Exploration:
    """Search for the Pareto front, given a request or its parts.

    Raises:
        InputError: bad input, naming field, value, rule and a way out.
        InfeasibleError: no design fits the card.
    """
    from dse.explore import search

    if request is None:
        request = exploration_request(
            model=model,
            device=device,
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
            objectives=tuple(objectives),
            method=method,
            budget=budget,
            seed=seed,
        )
    found = search(request, on_progress=on_progress, should_stop=should_stop)
    return Exploration(found.result, found.study)


def exploration_request(
    *, model: ModelConfig | str | None, device: Device | str | None, **fields: Any
) -> ExplorationRequest:
    """An ExplorationRequest from names or files and plain values, checked."""
    data: dict[str, Any] = {
        "model": as_model(model).model_dump(mode="json", by_alias=True) if model is not None else None,
        "device": as_device(device).model_dump(mode="json", by_alias=True) if device is not None else None,
        "workload": {name: fields.pop(name) for name in ("prompt_tokens", "output_tokens")},
        **fields,
    }
    return validate(ExplorationRequest, data)


def generate(
    design: DesignPoint | str,
    model: ModelConfig | str,
    device: Device | str,
    directory: str | Path,
    *,
    workload: AnyWorkload = (1024, 1024),
    force: bool = False,
    seed: int = 0,
) -> Path:
    """Write the HLS project of a design.

    Raises:
        InputError: an illegal design, or a folder that is not empty without `force`.
    """
    from hls_gen.project import generate_project

    point = resolve_design(design) if isinstance(design, str) else design
    return generate_project(
        point, as_model(model), as_device(device), as_workload(workload), Path(directory), force=force, seed=seed
    )


def csim(directory: str | Path, *, on_log: Callable[[str], None] | None = None) -> CsimReport:
    """Compile and run the C simulation of a generated project against its golden vectors."""
    from hls_gen.toolchain.csim import run_csim

    return run_csim(Path(directory), on_log=on_log)
