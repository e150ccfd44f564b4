"""Reference systems of the catalog, and one design against one of them. Light to import: spec and cost_models only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from cost_models.reference import (
    PER_TOKENS,
    Baseline,
    RooflineLimits,
    SystemTimes,
    compare,
    fit_baseline,
    published_times,
    roofline_limits,
)
from cost_models.report import evaluate_point
from spec.catalog import load_device, load_model, load_published_design, load_reference, names
from spec.design_point import DesignPoint
from spec.device import Device
from spec.documents import envelope
from spec.errors import InputError, UnknownNameError
from spec.model_config import ModelConfig
from spec.workload import Workload


@dataclass(frozen=True, slots=True)
class KnownSystem:
    """A system to compare with: times as published, or as its ratios imply them (`baseline`)."""

    name: str
    title: str
    model: str
    times: SystemTimes
    provenance: str
    limits: RooflineLimits | None = None
    baseline: Baseline | None = None


def design_times(name: str, per_tokens: int = PER_TOKENS) -> SystemTimes:
    """The published times of a catalog design, measured before projected; "1k tokens" are `per_tokens`."""
    published = load_published_design(name)
    return published_times({**published.projected, **published.measured}, load_device(published.device), per_tokens)


@cache
def baseline(name: str) -> Baseline:
    """The baseline that a reference's ratios imply."""
    reference = load_reference(name)
    systems = {ratio.design: design_times(ratio.design) for ratio in reference.ratios if ratio.explains}
    return fit_baseline(reference, systems, roofline_limits(reference, load_model(reference.model)))


def reference_names() -> tuple[str, ...]:
    """What can be compared with: the references, and the designs with published times."""
    timed = []
    for name in names("designs"):
        published = load_published_design(name)
        if {"prefill_latency_s", "decode_s_per_1k_tokens"} <= {**published.projected, **published.measured}.keys():
            timed.append(name)
    return (*names("references"), *timed)


def known_system(name: str) -> KnownSystem:
    """The system of that name.

    Raises:
        UnknownNameError: with the nearest names.
    """
    if name not in reference_names():
        raise UnknownNameError("reference", name, reference_names())
    if name in names("references"):
        found = baseline(name)
        reference = found.reference
        limits = roofline_limits(reference, load_model(reference.model))
        provenance = (
            f"implied by published ratios, none of its times is published; fitted at {reference.prompt_tokens} tokens "
            f"in and {reference.output_tokens} out, largest residual {found.largest_residual:.1%}"
        )
        return KnownSystem(name, reference.title, reference.model, found.times, provenance, limits, found)
    published = load_published_design(name)
    measured = "prefill_latency_s" in published.measured
    provenance = "published measurement" if measured else "published projection, nothing was built"
    return KnownSystem(name, published.title, published.model, design_times(name), provenance)


def times_document(times: SystemTimes) -> dict[str, float | None]:
    """A system's times with units in the names."""
    return {
        "prefill_s_per_1k_tokens": times.prefill_s_per_token * PER_TOKENS,
        "decode_tokens_per_s": times.decode_tokens_per_s,
        "swap_s": times.swap_s,
        "prefill_power_w": times.prefill_power_w,
        "decode_power_w": times.decode_power_w,
    }


def compare_document(
    design: DesignPoint, model: ModelConfig, device: Device, workload: Workload, reference: str
) -> dict[str, Any]:
    """A design against a reference system, as `flexdse compare --json` prints it; ratios above 1: the design is better.

    Raises:
        UnknownNameError: no such reference.
        InputError: its times are for another model.
    """
    system = known_system(reference)
    if model.name != system.model:
        raise InputError(
            f"the times of {system.name} are for another model",
            field="model",
            value=model.name,
            rule=f"must be {system.model}: nothing is published of other models on {system.name}",
            hint=f"take the model {system.model}",
        )
    report = evaluate_point(design, model, device, workload)
    found = asdict(compare(report.metrics, workload, system.times, system.limits))
    missing = found.pop("missing")
    assumptions = [
        f"{system.name}: {system.provenance}",
        "the reference's time grows in proportion to the tokens in and out",
    ]
    if system.limits is not None:
        assumptions.append("limits are specified rates of the reference, no measurement: they bound any software on it")
    fit = system.baseline
    return {
        **envelope("comparison/v1"),
        "provenance": report.provenance,
        "inputs": {
            "design_key": design.canonical_key(),
            "model": model.name,
            "device": device.name,
            "prompt_tokens": workload.prompt_tokens,
            "output_tokens": workload.output_tokens,
        },
        "feasible": not report.violations,
        "reference": {
            "name": system.name,
            "title": system.title,
            "provenance": system.provenance,
            "times": times_document(system.times),
            "limits": None if system.limits is None else asdict(system.limits),
            "residuals": [
                {
                    "design": ratio.design,
                    "quantity": ratio.quantity,
                    "published": ratio.published,
                    "explained": ratio.explained,
                    "tests_nothing": ratio.tests_nothing,
                }
                for ratio in (fit.ratios if fit is not None else ())
            ],
            "ranges": None if fit is None else fit.ranges,
        },
        "ratios": found,
        "missing": missing,
        "assumptions": assumptions,
    }
