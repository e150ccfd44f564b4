"""What a space leaves out: designs of the catalog that were made for the model and the card and are not in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cost_models.fits import fits
from cost_models.report import evaluate_point
from dse.arms import Arm
from dse.objectives import Goals
from dse.place import Place
from spec.catalog import PublishedDesign, load_model, load_published_design, names
from spec.cost_report import Fit
from spec.design_batch import FloatArray
from spec.design_point import Deployment, DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.exploration_result import OutsideDesign
from spec.goals import Constraint
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.workload import Workload

LEFT_OUT = (
    "a space has the module variants that it names (by default few: docs/search.md has one with the faster ones), weight "
    "ports that feed every lane in each cycle and fp32 between modules: what it leaves out is priced by `flexdse evaluate` "
    "alone"
)


def designs_outside(arms: Sequence[Arm], goals: Goals, front: FloatArray) -> tuple[OutsideDesign, ...]:
    """The designs of the catalog that fit, or may within the error band, and that no arm has; those with an HMT plug-in, which
    compute something else, apart. `front`: natural objective values of what was found, (n_designs, n_objectives).
    """
    context = arms[0].context
    found = []
    kinds = {_kind(arm) for arm in arms}
    for published, metrics, fit in _priced(context.model, context.device, context.workload):
        kind = (published.design.quant_scheme, published.design.deployment)
        if kind not in kinds or any(_has(arm, published.design) for arm in arms):
            continue
        values = [objective.expression.of(metrics) for objective in goals.objectives]
        mine = np.array([np.nan if value is None else value for value in values]) * goals.signs
        theirs = front * goals.signs
        found.append(
            OutsideDesign(
                name=published.name,
                title=published.title,
                design_key=published.design.canonical_key(),
                fit=fit,
                meets_constraints=all(_meets(constraint, metrics) for constraint in goals.constraints),
                metrics=metrics,
                dominates=int(((mine <= theirs).all(axis=1) & (mine < theirs).any(axis=1)).sum()),
                best_in=tuple(
                    objective.name
                    for objective, value, column in zip(goals.objectives, mine, theirs.T, strict=True)
                    if len(column) and value < column.min()
                ),
            )
        )
    return tuple(found)


def meeting_outside(arm: Arm, constraint: Constraint) -> list[dict[str, object]]:
    """Those designs of the catalog that are not in the space of `arm` and meet a target: name, title, fit and value."""
    context = arm.context
    return [
        {"name": published.name, "title": published.title, "fit": fit, "value": constraint.expression.of(metrics)}
        for published, metrics, fit in _priced(context.model, context.device, context.workload)
        if (published.design.quant_scheme, published.design.deployment) == _kind(arm)
        and not _has(arm, published.design)
        and _meets(constraint, metrics)
    ]


def _kind(arm: Arm) -> tuple[QuantScheme, Deployment]:
    """What a design must share with those of an arm to be compared with them: the arithmetic, and what is on the card at once."""
    return arm.context.scheme, arm.context.system.deployment


def _has(arm: Arm, design: DesignPoint) -> bool:
    """Whether this very design is in the space: `find` goes by the knobs, ports of one's own are none."""
    found = arm.space.find(design)
    return found is not None and Place(arm, *found).design().canonical_key() == design.canonical_key()


def _meets(constraint: Constraint, metrics: dict[str, float | None]) -> bool:
    value = constraint.expression.of(metrics)
    return value is not None and (value - constraint.bound) * constraint.sign <= 0


def _same_shape(one: ModelConfig, other: ModelConfig) -> bool:
    """Whether two models are one, whatever they are called: a checkpoint's config.json has the name of its folder."""
    named = {"name", "title", "ignored_keys", "sources"}
    return one.model_dump(exclude=named) == other.model_dump(exclude=named)


def _priced(
    model: ModelConfig, device: Device, workload: Workload
) -> Iterator[tuple[PublishedDesign, dict[str, float | None], Fit]]:
    for name in names("designs"):
        published = load_published_design(name)
        if published.device != device.name or published.design.hmt is not None:
            continue
        if not _same_shape(model, load_model(published.model)):
            continue
        try:
            fit = fits([published.design], model, device, workload)[0]
            report = evaluate_point(published.design, model, device, workload)
        except InputError:  # a card or a model of the same name that was edited so that the design is none for it
            continue
        if fit != "does_not_fit":
            yield published, report.metrics, fit
