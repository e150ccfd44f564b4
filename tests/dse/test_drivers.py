"""What exactness rests on: a metric gets no worse when none of its drivers does, in every deployment."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from cost_models.evaluate import Context, StageSummary, combine, missing_reasons
from dse.objectives import DRIVERS, Goals, driver_columns, metric_drivers
from spec.catalog import load_device, load_model
from spec.design_point import Deployment, SystemChoices
from spec.errors import InputError
from spec.metrics import METRICS
from spec.quant_scheme import W4A4KV8
from spec.workload import STAGES, Stage, Workload

N = 60_000
DEPLOYMENTS: tuple[Deployment, ...] = ("two_bitstreams", "co_resident", "two_cards")
LATE = ("cache_word", "weight_word")  # columns that are compared for equality only


def context(
    prompt: int = 1024, output: int = 1024, device: str = "u280", deployment: Deployment = "two_bitstreams"
) -> Context:
    workload = Workload(prompt_tokens=prompt, output_tokens=output)
    card = load_device(device).model_copy(update={"price_usd": 9000.0})  # so that card_cost_usd has a value
    return Context(load_model("llama-3.2-1b"), card, workload, W4A4KV8, system=SystemChoices(deployment=deployment))


def random_summary(rng: np.random.Generator, stage: Stage) -> StageSummary:
    """Any values of the right sign, not only those that designs have."""
    columns = {field.name: np.exp(rng.uniform(-3, 3, N)) for field in fields(StageSummary)}
    for kind in ("lut", "ff", "dsp", "bram_18k", "uram"):
        columns[kind] = columns[kind] * 1000
    if stage == "prefill":
        columns["first_s"] = columns["step_s"]
    columns["power_w"] = 41.66 + columns["dynamic_w"]
    columns |= {name: np.ones(N) for name in LATE}
    return StageSummary(**columns)


def nearby(summary: StageSummary, rng: np.random.Generator, stage: Stage) -> StageSummary:
    """Each value a little lower, equal, or a little higher."""
    columns = {}
    for field in fields(StageSummary):
        factor = np.exp(rng.choice([-0.5, -0.01, 0.0, 0.0, 0.01, 0.5], N) * rng.uniform(0, 1, N))
        columns[field.name] = getattr(summary, field.name) * (1.0 if field.name in LATE else factor)
    if stage == "prefill":
        columns["first_s"] = columns["step_s"]
    return StageSummary(**columns)


def test_every_metric_with_a_model_has_drivers() -> None:
    assert set(DRIVERS) >= set(METRICS) - {"quality"}
    assert all(driver.stage in STAGES and driver.sign in (1, -1) for drivers in DRIVERS.values() for driver in drivers)


@pytest.mark.parametrize("name", list(DRIVERS))
@pytest.mark.parametrize("deployment", DEPLOYMENTS)
@pytest.mark.parametrize("workload", [(1024, 1024), (2, 700)])
def test_no_worse_drivers_no_worse_metric(name: str, deployment: Deployment, workload: tuple[int, int]) -> None:
    rng = np.random.default_rng(len(name))
    ctx = context(*workload, deployment=deployment)
    before = {stage: random_summary(rng, stage) for stage in STAGES}
    after = {stage: nearby(before[stage], rng, stage) for stage in STAGES}
    improved = np.ones(N, dtype=bool)
    for stage in STAGES:
        drivers = [driver for driver in metric_drivers(name, ctx.system) if driver.stage == stage]
        if drivers:
            a, b = (driver_columns(s[stage], stage, drivers, ctx) for s in (before, after))
            improved &= (b <= a).all(axis=1)
    assert improved.sum() > 3, "too few samples"
    values = [combine(s["prefill"], s["decode"], ctx).metrics[name][improved] for s in (before, after)]
    assert not (values[1] > values[0] * (1 + 1e-14)).any()


@pytest.mark.parametrize("deployment", ["co_resident"])
def test_no_worse_columns_fit_no_worse(deployment: Deployment) -> None:
    """Rules on pairs: what fits beside a design fits beside one that needs no more."""
    rng = np.random.default_rng(5)
    ctx = context(deployment=deployment)
    before = {stage: random_summary(rng, stage) for stage in STAGES}
    goals = Goals.of(("ttft_s",))
    less = {}
    for stage in STAGES:
        needed = {driver.quantity for driver in goals.drivers(stage, ctx.system)}
        assert {"lut", "ff", "dsp", "bram_18k", "uram", "hbm_ports", "hbm_channel_bytes"} <= needed
        lower = {
            name: getattr(before[stage], name) * rng.uniform(0.5, 1.0, N)
            for name in needed & {f.name for f in fields(StageSummary)}
        }
        less[stage] = replace(before[stage], **lower)
    excess = [combine(s["prefill"], s["decode"], ctx).excess for s in (before, less)]
    assert np.all(excess[1] <= excess[0] + 1e-12)
    assert np.any(excess[1] < excess[0])


@pytest.mark.parametrize("name", list(DRIVERS))
@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_nothing_but_the_drivers_moves_a_metric(name: str, deployment: Deployment) -> None:
    """A quantity that moves a metric and is not among its drivers would let a better design be dropped."""
    rng = np.random.default_rng(1)
    ctx = context(deployment=deployment)
    base = {stage: random_summary(rng, stage) for stage in STAGES}
    value = combine(base["prefill"], base["decode"], ctx).metrics[name]
    seen_by = {
        "step_s": {"step_s", "total_s", "energy_j", "dynamic_energy_j"},
        "first_s": {"first_s", "total_s", "energy_j", "dynamic_energy_j"},
        "power_w": {"energy_j"},
        "dynamic_w": {"dynamic_energy_j"},
        "hbm_bytes_per_s": {"hbm"},
    }
    for stage in STAGES:
        for field in fields(StageSummary):
            column = field.name
            if column == "excess" or (stage == "prefill" and column == "first_s"):
                continue
            changed = {column: 1.1 * getattr(base[stage], column)}
            if stage == "prefill" and column == "step_s":
                changed["first_s"] = changed["step_s"]
            other = {**base, stage: replace(base[stage], **changed)}
            moved = combine(other["prefill"], other["decode"], ctx).metrics[name]
            if not np.array_equal(moved, value):
                quantities = {d.quantity for d in metric_drivers(name, ctx.system) if d.stage == stage}
                assert quantities & seen_by.get(column, {column}), (stage, column)


def test_waiting_card_makes_time_a_driver_of_energy() -> None:
    two = SystemChoices(deployment="two_cards")
    assert {d.quantity for d in metric_drivers("energy_j", two)} == {"energy_j", "step_s", "total_s"}
    assert {d.quantity for d in metric_drivers("energy_j", SystemChoices())} == {"energy_j"}


def test_expressions_turn_the_drivers_of_their_metrics() -> None:
    goals = Goals.of(("max: decode_tokens_per_s / power_w",), ("prefill_dsp >= 100",))
    system = SystemChoices()
    decode = {(d.quantity, d.sign) for d in goals.drivers("decode", system)}
    assert {("step_s", 1), ("energy_j", 1), ("total_s", -1)} <= decode
    prefill = {(d.quantity, d.sign) for d in goals.drivers("prefill", system)}
    assert ("dsp", -1) in prefill  # at least 100: more is better


def test_minimised_and_scaled_turn_maximised_metrics_around() -> None:
    ctx = context()
    rng = np.random.default_rng(2)
    costs = combine(random_summary(rng, "prefill"), random_summary(rng, "decode"), ctx)
    goals = Goals.of(("ttft_s", "decode_tokens_per_s", "max: prefill_tokens_per_s"))
    natural = goals.natural(costs)
    down, scaled = goals.minimised(costs), goals.scaled(natural)
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
def test_goal_without_a_value_is_refused(ctx: Context, name: str, word: str) -> None:
    for goals, field in (
        (Goals.of(("ttft_s", name)), "objectives"),
        (Goals.of(("ttft_s",), (f"{name} <= 1",)), "constraints"),
    ):
        with pytest.raises(InputError) as caught:
            goals.check_available(ctx)
        assert caught.value.field == field
        assert name in str(caught.value)
        assert word in str(caught.value)
    if name != "prefill_latency_s":  # that one has a value, 0, in every design
        assert name in missing_reasons(ctx)
    Goals.of(("ttft_s", "max_utilization")).check_available(ctx)
