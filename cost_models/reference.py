"""Reference systems: the one baseline that explains published ratios, and any design against it.

A system's times are linear in the tokens, `e2e = prefill_s_per_token L_in + swap_s + L_out / decode_tokens_per_s`, its
energy is power times time. A baseline has three unknowns: prefill seconds a token, decode rate, power. Where a design's
power is not published it is a fourth, and its energy ratio then tests nothing. Least squares on the logarithms of the
ratios, so that 1.3 for 1.29 counts as much as 4.75 for 4.71.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cost_models.arrays import FloatArray
from spec.device import Device
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.reference_system import PublishedRatio, RatioQuantity, ReferenceSystem
from spec.workload import Workload

PER_TOKENS = 1000  # published latencies are per 1k tokens, read as 1,000
_STEPS, _TOLERANCE = 200, 1e-13
_DAMPING = 1e-9  # keeps the step finite where a ratio tests nothing
_DIFFERENCE = 1e-6


@dataclass(frozen=True, slots=True)
class SystemTimes:
    """A system at batch 1. `None`: not published."""

    prefill_s_per_token: float
    decode_tokens_per_s: float
    swap_s: float
    prefill_power_w: float | None
    swap_power_w: float | None
    decode_power_w: float | None

    def e2e_latency_s(self, workload: Workload) -> float:
        """Seconds of a request."""
        return self._prefill_s(workload) + self.swap_s + self._decode_s(workload)

    def energy_j(self, workload: Workload) -> float | None:
        """Energy of a request, None where power is not known."""
        if self.prefill_power_w is None or self.decode_power_w is None or self.swap_power_w is None:
            return None
        return (
            self.prefill_power_w * self._prefill_s(workload)
            + self.swap_power_w * self.swap_s
            + self.decode_power_w * self._decode_s(workload)
        )

    def _prefill_s(self, workload: Workload) -> float:
        return self.prefill_s_per_token * workload.prompt_tokens

    def _decode_s(self, workload: Workload) -> float:
        return workload.output_tokens / self.decode_tokens_per_s


def published_times(published: Mapping[str, float], device: Device, per_tokens: int = PER_TOKENS) -> SystemTimes:
    """The times of a catalog design as published (its `measured` or `projected` numbers), with the swap of its card.

    `per_tokens`: what "1k tokens" is read as.
    """
    return SystemTimes(
        prefill_s_per_token=published["prefill_latency_s"] / per_tokens,
        decode_tokens_per_s=per_tokens / published["decode_s_per_1k_tokens"],
        swap_s=device.reconfiguration.swap_s,
        prefill_power_w=published.get("prefill_power_w"),
        swap_power_w=device.power.configured_w,
        decode_power_w=published.get("decode_power_w"),
    )


@dataclass(frozen=True, slots=True)
class FittedRatio:
    """A published ratio beside what the fitted baseline gives. `tests_nothing`: another unknown meets it exactly."""

    design: str
    quantity: RatioQuantity
    published: float
    explained: float
    tests_nothing: bool

    @property
    def residual(self) -> float:
        """Relative error of the explained ratio."""
        return self.explained / self.published - 1


@dataclass(frozen=True, slots=True)
class Baseline:
    """The reference as its ratios imply it, at one workload. `ranges`: lowest and highest value of each unknown when
    one ratio at a time is left out, None where that leaves the unknown open.
    """

    reference: ReferenceSystem
    prefill_s_per_1k_tokens: float
    decode_tokens_per_s: float
    power_w: float
    implied_power_w: dict[str, float]
    ratios: tuple[FittedRatio, ...]
    ranges: dict[str, tuple[float, float] | None]

    @property
    def largest_residual(self) -> float:
        """Largest relative error over the ratios that test something."""
        return max(abs(ratio.residual) for ratio in self.ratios if not ratio.tests_nothing)

    @property
    def times(self) -> SystemTimes:
        """The baseline as a system."""
        power = self.power_w
        return SystemTimes(
            self.prefill_s_per_1k_tokens / PER_TOKENS, self.decode_tokens_per_s, 0.0, power, power, power
        )


@dataclass(frozen=True, slots=True)
class RooflineLimits:
    """What no software on the reference can exceed: every weight is read once a token, every product is computed."""

    prefill_s_per_1k_tokens: float
    decode_tokens_per_s: float


def roofline_limits(reference: ReferenceSystem, model: ModelConfig) -> RooflineLimits:
    """The bandwidth limit of decode and the compute limit of prefill: weights of layers and lm_head, no cache."""
    weights = model.n_layers * model.layer_linear_weights + model.lm_head_weights
    in_layers = model.n_layers * model.layer_linear_weights
    return RooflineLimits(
        prefill_s_per_1k_tokens=PER_TOKENS * 2 * in_layers / reference.limits.flop_per_s,
        decode_tokens_per_s=reference.limits.memory_bytes_per_s / (weights * reference.weight_bits / 8),
    )


def fit_workload(reference: ReferenceSystem) -> Workload:
    """The request that the ratios are read as."""
    return Workload(prompt_tokens=reference.prompt_tokens, output_tokens=reference.output_tokens)


def fit_baseline(
    reference: ReferenceSystem,
    systems: Mapping[str, SystemTimes],
    limits: RooflineLimits | None = None,
    workloads: Sequence[Workload] = (),
) -> Baseline:
    """The baseline that explains the reference's ratios best, with its residuals.

    Args:
        reference: ratios and limits; those with `explains` false are left aside.
        systems: the published times of each design that the ratios name.
        limits: prefill is kept above its limit.
        workloads: requests over which each ratio is the mean; the reference's own if none is given.

    Raises:
        InputError: no published times for a design, or no ratio of a kind that an unknown needs.
    """
    ratios = [ratio for ratio in reference.ratios if ratio.explains]
    for ratio in ratios:
        if ratio.design not in systems:
            raise InputError(
                f"no published times of {ratio.design}",
                field="ratios",
                value=ratio.design,
                rule="each ratio that counts names a design with published times",
                hint="give them, or mark the ratio with explains: false",
            )
    for quantity in ("e2e_latency", "decode_rate", "tokens_per_j"):
        if all(ratio.quantity != quantity for ratio in ratios):
            raise InputError(
                f"no ratio of {quantity}",
                field="ratios",
                value=None,
                rule="prefill time, decode rate and power each need a ratio that they decide",
                hint=f"add a ratio of {quantity}",
            )
    requests = tuple(workloads) or (fit_workload(reference),)
    floor = limits.prefill_s_per_1k_tokens if limits is not None else 0.0
    problem = _Problem(tuple(ratios), systems, requests, floor)
    values = problem.solved()
    return Baseline(
        reference=reference,
        prefill_s_per_1k_tokens=float(values[0]),
        decode_tokens_per_s=float(values[1]),
        power_w=float(values[2]),
        implied_power_w={design: float(values[3 + k]) for k, design in enumerate(problem.open_powers)},
        ratios=tuple(
            FittedRatio(ratio.design, ratio.quantity, ratio.value, float(value), problem.tests_nothing(ratio))
            for ratio, value in zip(ratios, problem.explained(values), strict=True)
        ),
        ranges=_ranges(problem),
    )


_DECIDED_BY: dict[str, RatioQuantity] = {
    "prefill_s_per_1k_tokens": "e2e_latency",
    "decode_tokens_per_s": "decode_rate",
    "power_w": "tokens_per_j",
}


def _ranges(problem: _Problem) -> dict[str, tuple[float, float] | None]:
    """Lowest and highest value of each unknown over the fits without one of the ratios."""
    rest = [problem.ratios[:i] + problem.ratios[i + 1 :] for i in range(len(problem.ratios))]
    fits = [replace(problem, ratios=ratios).solved() for ratios in rest]
    found: dict[str, tuple[float, float] | None] = {}
    for k, (name, quantity) in enumerate(_DECIDED_BY.items()):
        values = [float(fit[k]) for fit in fits]
        found[name] = (min(values), max(values)) if problem.testing(quantity) > 1 else None
    return found


@dataclass(frozen=True, slots=True)
class _Problem:
    """The ratios as functions of (3 + n_open,) values: prefill s/1k, decode rate, power, power of each open design."""

    ratios: tuple[PublishedRatio, ...]
    systems: Mapping[str, SystemTimes]
    requests: Sequence[Workload]
    prefill_floor_s_per_1k: float

    @property
    def open_powers(self) -> tuple[str, ...]:
        """Designs with an energy ratio and no published power: it becomes an unknown."""
        named = {r.design for r in self.ratios if r.quantity == "tokens_per_j"}
        return tuple(sorted(design for design in named if self.systems[design].decode_power_w is None))

    def testing(self, quantity: RatioQuantity) -> int:
        """Ratios of that quantity which no unknown of their own meets."""
        open_powers = self.open_powers if quantity == "tokens_per_j" else ()
        return sum(r.quantity == quantity and r.design not in open_powers for r in self.ratios)

    def tests_nothing(self, ratio: PublishedRatio) -> bool:
        """Whether an unknown that only this ratio decides meets it exactly."""
        if ratio.quantity != "tokens_per_j":
            return False
        return ratio.design in self.open_powers or self.testing("tokens_per_j") == 1

    def explained(self, values: FloatArray) -> FloatArray:
        """The ratios (n_ratios,) that `values` give, each a mean over the requests."""
        power, open_powers = float(values[2]), self.open_powers
        baseline = SystemTimes(float(values[0]) / PER_TOKENS, float(values[1]), 0.0, power, power, power)
        found = []
        for ratio in self.ratios:
            system = self.systems[ratio.design]
            if ratio.design in open_powers:
                mean = float(values[3 + open_powers.index(ratio.design)])
                system = replace(system, prefill_power_w=mean, swap_power_w=mean, decode_power_w=mean)
            each = [ratio_of(ratio.quantity, system, baseline, request) for request in self.requests]
            found.append(sum(each) / len(each))
        return np.array(found)

    def solved(self) -> FloatArray:
        """The values that minimise the squared logarithms of explained over published, all positive.

        Levenberg-Marquardt on the logarithms of the values, that of prefill above its floor.
        """
        target = np.log([ratio.value for ratio in self.ratios])

        def values_of(logs: FloatArray) -> FloatArray:
            values = np.exp(logs)
            values[0] += self.prefill_floor_s_per_1k
            return values

        def error(logs: FloatArray) -> FloatArray:
            return np.asarray(np.log(self.explained(values_of(logs))) - target)

        logs: FloatArray = np.log(np.array([0.1, 100.0, 100.0, *([100.0] * len(self.open_powers))]))
        damping, current = 1e-3, error(logs)
        for _ in range(_STEPS):
            steps = _DIFFERENCE * np.eye(len(logs))
            slopes = np.stack([(error(logs + step) - current) / _DIFFERENCE for step in steps], axis=1)
            normal = slopes.T @ slopes + (damping + _DAMPING) * np.eye(len(logs))
            move = np.linalg.solve(normal, -slopes.T @ current)
            candidate = error(logs + move)
            if candidate @ candidate > current @ current:
                damping *= 10
                continue
            logs, current, damping = logs + move, candidate, damping / 10
            if float(np.abs(move).max()) < _TOLERANCE:
                break
        return values_of(logs)


def ratio_of(quantity: RatioQuantity, system: SystemTimes, baseline: SystemTimes, request: Workload) -> float:
    """How many times better `system` is than `baseline` on a request."""
    if quantity == "decode_rate":
        return system.decode_tokens_per_s / baseline.decode_tokens_per_s
    if quantity == "e2e_latency":
        return baseline.e2e_latency_s(request) / system.e2e_latency_s(request)
    ours, theirs = system.energy_j(request), baseline.energy_j(request)
    return math.nan if ours is None or theirs is None else theirs / ours


@dataclass(frozen=True, slots=True)
class Comparison:
    """A design against a reference on one request: above 1 the design is better. `None`: no value, `missing` says why."""

    e2e_speedup: float
    decode_speedup: float | None
    tokens_per_j_ratio: float | None
    e2e_speedup_over_limit: float | None
    decode_speedup_over_limit: float | None
    missing: dict[str, str]


def compare(
    metrics: Mapping[str, float | None],
    workload: Workload,
    reference: SystemTimes,
    limits: RooflineLimits | None = None,
) -> Comparison:
    """Ratios of a priced design (its metrics by registry name) to a reference system, and to what limits the latter."""
    missing: dict[str, str] = {}
    e2e, rate, energy = metrics["e2e_latency_s"], metrics["decode_tokens_per_s"], metrics["energy_j"]
    if e2e is None:
        raise ValueError("a priced design has an end-to-end latency")
    theirs = reference.energy_j(workload)
    if rate is None:
        missing["decode_speedup"] = "one output token: there is no further decode step"
    if energy is None:
        missing["tokens_per_j_ratio"] = "the design has no energy: the idle power of its card is not published"
    elif theirs is None:
        missing["tokens_per_j_ratio"] = "the power of the reference is not published"
    if limits is None:
        no_limit = "the reference has no published limits"
        missing["e2e_speedup_over_limit"] = missing["decode_speedup_over_limit"] = no_limit
    elif rate is None:
        missing["decode_speedup_over_limit"] = missing["decode_speedup"]
    fastest = (
        None if limits is None
        else SystemTimes(limits.prefill_s_per_1k_tokens / PER_TOKENS, limits.decode_tokens_per_s, 0.0, None, None, None)
    )  # fmt: skip
    return Comparison(
        e2e_speedup=reference.e2e_latency_s(workload) / e2e,
        decode_speedup=None if rate is None else rate / reference.decode_tokens_per_s,
        tokens_per_j_ratio=None if energy is None or theirs is None else theirs / energy,
        e2e_speedup_over_limit=None if fastest is None else fastest.e2e_latency_s(workload) / e2e,
        decode_speedup_over_limit=None if fastest is None or rate is None else rate / fastest.decode_tokens_per_s,
        missing=missing,
    )
