"""What exactness rests on: a metric gets no worse when none of its drivers does."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from cost_models.evaluate import Context, StageSummary, combine, missing_reasons
from dse.objectives import DRIVERS, check_available, log_scaled, minimised, stage_drivers
from spec.catalog import load_device, load_model
from spec.errors import InputError
from spec.metrics import METRICS
from spec.quant_scheme import W4A4KV8
from spec.workload import STAGES, Stage, Workload

N = 60_000


def context(prompt: int = 1024, output: int = 1024, device: str = "u280") -> Context:
    workload = Workload(prompt_tokens=prompt, output_tokens=output)
    return Context(load_model("llama-3.2-1b"), load_device(device), workload, W4A4KV8)


def random_summary(rng: np.random.Generator, stage: Stage) -> StageSummary:
    """Any values of the right sign, not only those that designs have."""
    columns = {field.name: np.exp(rng.uniform(-3, 3, N)) for field in fields(StageSummary)}
    if stage == "prefill":
        columns["first_s"] = columns["step_s"]
    columns["power_w"] = 41.66 + columns["dynamic_w"]
    return StageSummary(**columns)


def nearby(summary: StageSummary, rng: np.random.Generator, stage: Stage) -> StageSummary:
    """Each value a little lower, equal, or a little higher."""
    columns = {}
    for field in fields(StageSummary):
        factor = np.exp(rng.choice([-0.5, -0.01, 0.0, 0.0, 0.01, 0.5], N) * rng.uniform(0, 1, N))
        columns[field.name] = getattr(summary, field.name) * factor
    if stage == "prefill":
        columns["first_s"] = columns["step_s"]
    return StageSummary(**columns)


def test_every_metric_with_a_model_has_drivers() -> None:
    assert set(DRIVERS) == set(METRICS) - {"quality"}
    assert all(driver.stage in STAGES and driver.sign in (1, -1) for drivers in DRIVERS.values() for driver in drivers)


@pytest.mark.parametrize("name", list(DRIVERS))
@pytest.mark.parametrize("workload", [(1024, 1024), (5000, 2), (2, 700)])
def test_no_worse_drivers_no_worse_metric(name: str, workload: tuple[int, int]) -> None:
    rng = np.random.default_rng(len(name))
    ctx = context(*workload)
    before = {stage: random_summary(rng, stage) for stage in STAGES}
    after = {stage: nearby(before[stage], rng, stage) for stage in STAGES}
    improved = np.ones(N, dtype=bool)
    for stage in STAGES:
        if any(driver.stage == stage for driver in DRIVERS[name]):
            a, b = (stage_drivers(s[stage], stage, (name,), ctx) for s in (before, after))
            improved &= (b <= a).all(axis=1)
    assert improved.sum() > 300, "too few samples"
    values = [minimised(combine(s["prefill"], s["decode"], ctx), (name,))[improved, 0] for s in (before, after)]
    worse = values[1] > values[0] * (1 + 1e-14 * np.sign(values[0]))
    assert not worse.any(), np.flatnonzero(worse)[:3]
    assert (values[1] < values[0]).any()


@pytest.mark.parametrize("name", list(DRIVERS))
def test_nothing_but_the_drivers_moves_a_metric(name: str) -> None:
    """A quantity that drives a metric and is not in its list would let a better design be dropped."""
    rng = np.random.default_rng(1)
    ctx = context()
    base = {stage: random_summary(rng, stage) for stage in STAGES}
    value = combine(base["prefill"], base["decode"], ctx).metrics[name]
    moves: dict[Stage, tuple[str, ...]] = {
        "prefill": ("step_s", "power_w", "dynamic_w", "max_utilization", "dsp", "hbm_bytes_per_s"),
        "decode": ("first_s", "step_s", "power_w", "dynamic_w", "max_utilization", "dsp", "hbm_bytes_per_s"),
    }
    seen_by = {
        "step_s": {"step_s", "total_s", "energy_j", "dynamic_energy_j"},
        "first_s": {"first_s", "total_s", "energy_j", "dynamic_energy_j"},
        "power_w": {"energy_j"},
        "dynamic_w": {"dynamic_energy_j"},
        "max_utilization": {"max_utilization"},
        "dsp": {"dsp"},
        "hbm_bytes_per_s": {"hbm"},
    }
    for stage, columns in moves.items():
        for column in columns:
            changed = {column: 1.1 * getattr(base[stage], column)}
            if stage == "prefill" and column == "step_s":
                changed["first_s"] = changed["step_s"]
            other = {**base, stage: replace(base[stage], **changed)}
            moved = combine(other["prefill"], other["decode"], ctx).metrics[name]
            if not np.array_equal(moved, value):
                quantities = {driver.quantity for driver in DRIVERS[name] if driver.stage == stage}
                assert quantities & seen_by[column], (stage, column)


def test_minimised_and_log_scaled_turn_maximised_metrics_around() -> None:
    ctx = context()
    rng = np.random.default_rng(2)
    costs = combine(random_summary(rng, "prefill"), random_summary(rng, "decode"), ctx)
    objectives = ("ttft_s", "decode_tokens_per_s", "hbm_fraction")
    natural = np.column_stack([costs.metrics[name] for name in objectives])
    down, scaled = minimised(costs, objectives), log_scaled(natural, objectives)
    for column, sign in enumerate((1, -1, -1)):
        assert np.array_equal(down[:, column], sign * natural[:, column])
        order = np.argsort(down[:1000, column], kind="stable")
        assert np.all(np.diff(scaled[:1000, column][order]) >= 0)


@pytest.mark.parametrize(
    ("ctx", "name", "word"),
    [
        (context(output=1), "tpot_s", "one output token"),
        (context(prompt=1), "prefill_tokens_per_s", "one prompt token"),
        (context(prompt=1), "prefill_latency_s", "one prompt token"),
        (context(device="u55c"), "power_w", "idle power"),
        (context(device="u55c"), "energy_j_per_token", "idle power"),
    ],
)
def test_objective_without_a_value_is_refused(ctx: Context, name: str, word: str) -> None:
    with pytest.raises(InputError) as caught:
        check_available(("ttft_s", name), ctx)
    assert caught.value.field == "objectives"
    assert name in str(caught.value)
    assert word in str(caught.value)
    if name != "prefill_latency_s":  # that one has a value, 0, in every design
        assert name in missing_reasons(ctx)
    check_available(("ttft_s", "max_utilization"), ctx)
