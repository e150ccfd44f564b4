"""The Python front door for notebooks: evaluate, explore, generate, csim, with pandas data frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from cost_models.evaluate import Context, evaluate_batch
from cost_models.report import metrics_of
from flexdse.exploration_files import front_frame, save_exploration
from spec.calibration import CalibrationTable
from spec.catalog import resolve_design, resolve_device, resolve_model
from spec.context_limit import check_context
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError, echo
from spec.exploration import FLOORPLAN_LIMIT_S, ExplorationRequest
from spec.exploration_result import ExplorationProgress, ExplorationResult
from spec.metrics import DEFAULT_OBJECTIVES
from spec.model_config import ModelConfig
from spec.strict import validate
from spec.versions import MODEL_VERSION
from spec.workload import Workload

if TYPE_CHECKING:
    import optuna

    from dse.study import TrialBook
    from spec.csim_report import CsimReport
    from spec.simulation_report import SimulationReport

AnyWorkload = Workload | tuple[int, int]
AnyModel = ModelConfig | str | Path
AnyDevice = Device | str | Path
AnyDesign = DesignPoint | str | Path

T = TypeVar("T")


def _given(what: str, value: T | str | Path, kind: type[T], resolve: Callable[[str], T]) -> T:
    if isinstance(value, kind):
        return value
    if isinstance(value, Path):
        # A path in the current folder must not be taken for a name of the catalog.
        return resolve(str(value) if value.is_absolute() else f"./{value}")
    if isinstance(value, str):
        return resolve(value)
    raise InputError(
        f"{echo(value)} is no {what}",
        field=what,
        value=value,
        rule=f"a {kind.__name__}, a catalog name or the path of a file",
        hint=f"give the name or the file of a {what}",
    )


def as_model(model: AnyModel) -> ModelConfig:
    """A model given as such, by catalog name or by the path of a config.json."""
    return _given("model", model, ModelConfig, resolve_model)


def as_device(device: AnyDevice) -> Device:
    """A device given as such, by catalog name or by the path of a YAML."""
    return _given("device", device, Device, resolve_device)


def as_design(design: AnyDesign) -> DesignPoint:
    """A design given as such, by catalog name or by the path of a file."""
    return _given("design", design, DesignPoint, resolve_design)


def as_workload(workload: AnyWorkload) -> Workload:
    """A workload given as such or as (prompt_tokens, output_tokens)."""
    if isinstance(workload, Workload):
        return workload
    pair: object = workload
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise InputError(
            f"{echo(workload)} is no workload",
            field="workload",
            value=workload,
            rule="a Workload or (prompt_tokens, output_tokens)",
            hint="for example (1024, 1024)",
        )
    prompt, output = pair
    return validate(Workload, {"prompt_tokens": prompt, "output_tokens": output})


def _as_designs(designs: Sequence[AnyDesign]) -> list[DesignPoint]:
    if isinstance(designs, str | Path | DesignPoint) or len(designs) == 0:
        raise InputError(
            "no list of designs" if designs else "no designs",
            field="designs",
            value=designs,
            rule="a list of at least one design",
            hint='for example ["flexllm-u280"]',
        )
    return [as_design(design) for design in designs]


def evaluate(
    designs: Sequence[AnyDesign],
    model: AnyModel,
    device: AnyDevice,
    workload: AnyWorkload,
    *,
    calibration: CalibrationTable | None = None,
) -> pd.DataFrame:
    """Price designs.

    Args:
        designs: design points, catalog names or paths of design files; all of one quantization scheme.
        model: a model, catalog name or path of a config.json.
        device: a card, catalog name or path of a device YAML.
        workload: a workload or (prompt_tokens, output_tokens).
        calibration: factors that `fit` found on measurements.

    Returns:
        One row a design, in order: the columns of the metric registry (units in the names), `feasible`, and the
        canonical key as the index. A metric without a value is NaN. `attrs`: provenance, model_version,
        timing_table_version and, if there is one, calibration_key.

    Raises:
        InputError: bad input, naming field, value, rule and a way out.
    """
    points = _as_designs(designs)
    card, config, load = as_device(device), as_model(model), as_workload(workload)
    batch = DesignBatch.from_points(points, card)
    check_context(config, load, batch.hmt)
    context = Context(config, card, load, batch.quant_scheme, calibration=calibration)
    costs = evaluate_batch(batch, context)
    rows = [metrics_of(costs, i, context)[0] for i in range(len(points))]
    frame = pd.DataFrame(rows, index=pd.Index([point.canonical_key() for point in points], name="design"), dtype=float)
    frame["feasible"] = costs.feasible
    frame.attrs = {
        "provenance": "analytical",
        "model_version": MODEL_VERSION,
        "timing_table_version": context.timing.version,
        **({} if calibration is None else {"calibration_key": calibration.key()}),
    }
    return frame


@dataclass(frozen=True, slots=True)
class Exploration:
    """A finished search."""

    result: ExplorationResult
    trials: TrialBook | None

    @property
    def study(self) -> optuna.Study | None:
        """The search as an `optuna.Study`, made when it is first asked for; None for the exact method."""
        return None if self.trials is None else self.trials.study

    @property
    def front(self) -> pd.DataFrame:
        """One row a design of the front: parameters (`prefill.*`, `decode.*`) and metrics."""
        return front_frame(self.result)

    @property
    def designs(self) -> list[DesignPoint]:
        """The designs of the front, in the order of `front`."""
        return [entry.design for entry in self.result.front]

    def save(self, directory: str | Path, *, force: bool = False) -> Path:
        """Write front.parquet, front.json, exploration.json and report.html; all of them or none.

        Raises:
            InputError: the folder is not empty and `force` is not given. With it the files are replaced, others stay.
        """
        return save_exploration(self.result, Path(directory), force=force)


def explore(
    request: ExplorationRequest | None = None,
    *,
    model: AnyModel | None = None,
    device: AnyDevice | None = None,
    prompt_tokens: int | None = None,
    output_tokens: int | None = None,
    objectives: Sequence[str] | str = DEFAULT_OBJECTIVES,
    method: str = "exact",
    budget: int = 2_000,
    seed: int = 0,
    constraints: Sequence[str] = (),
    space: Mapping[str, Any] | str | Path | None = None,
    epsilon: float = 0.0,
    floorplan: bool = True,
    floorplan_limit_s: float = FLOORPLAN_LIMIT_S,
    journal: str | Path | None = None,
    warm_start: Sequence[DesignPoint] = (),
    on_progress: Callable[[ExplorationProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Exploration:
    """Search for the Pareto front, given a request or its parts.

    Args:
        constraints: such as `"tpot_s <= 0.01"`.
        space: changes to the default design space, as a mapping or the path of a YAML (docs/search.md).
        floorplan: cut what the exact assignment to SLRs refuses, and solve again without it.
        floorplan_limit_s: processor seconds for that assignment; what is left then is kept, and the record says how much.
        journal: file that a killed search goes on from, to the same result.
        warm_start: designs to evaluate first.

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
            objectives=objectives if isinstance(objectives, str) else tuple(objectives),
            method=method,
            budget=budget,
            seed=seed,
            constraints=tuple(constraints),
            epsilon=epsilon,
            floorplan=floorplan,
            floorplan_limit_s=floorplan_limit_s,
            **({"space": as_space(space)} if space is not None else {}),
        )
    found = search(
        request,
        on_progress=on_progress,
        should_stop=should_stop,
        journal=None if journal is None else Path(journal),
        warm_start=warm_start,
    )
    return Exploration(found.result, found.trials)


def exploration_request(*, model: AnyModel | None, device: AnyDevice | None, **fields: Any) -> ExplorationRequest:
    """An ExplorationRequest from names or files and plain values, checked."""
    data: dict[str, Any] = {
        "model": as_model(model).model_dump(mode="json", by_alias=True) if model is not None else None,
        "device": as_device(device).model_dump(mode="json", by_alias=True) if device is not None else None,
        "workload": {name: fields.pop(name) for name in ("prompt_tokens", "output_tokens")},
        **fields,
    }
    return validate(ExplorationRequest, data)


def as_space(space: Mapping[str, Any] | str | Path) -> dict[str, Any]:
    """Changes to the design space, from a mapping or the path of a YAML or JSON."""
    from flexdse.exploration_folders import read_space

    return read_space(Path(space)) if isinstance(space, str | Path) else dict(space)


def generate(
    design: AnyDesign,
    model: AnyModel,
    device: AnyDevice,
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

    return generate_project(
        as_design(design),
        as_model(model),
        as_device(device),
        as_workload(workload),
        Path(directory),
        force=force,
        seed=seed,
    )


def csim(directory: str | Path, *, on_log: Callable[[str], None] | None = None) -> CsimReport:
    """Compile and run the C simulation of a generated project against its golden vectors."""
    from hls_gen.toolchain.csim import run_csim

    return run_csim(Path(directory), on_log=on_log)


def simulate(
    directory: str | Path,
    *,
    prompt_tokens: int | None = None,
    position: int | None = None,
    on_log: Callable[[str], None] | None = None,
) -> SimulationReport:
    """Cycles of a generated project by timed simulation; prompt and position as of its workload unless given."""
    from hls_gen.simulate.project import simulate_project

    return simulate_project(Path(directory), prompt_tokens=prompt_tokens, position=position, on_log=on_log)
