"""The samplers: legal designs only, deterministic under a seed, and measured against the exact front."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import optuna
import pytest

import dse.explore as explore_module
from cost_models.evaluate import Context
from dse.explore import search
from dse.objectives import minimised
from dse.pricing import price
from dse.progress import Reporter
from dse.space import DesignSpace
from dse.study import POPULATION, _flat, _row, distributions, run_study
from spec.catalog import load_device, load_model
from spec.exploration import ExplorationRequest
from spec.workload import Workload

SpaceOf = Callable[[str, str], DesignSpace]
OBJECTIVES = ("ttft_s", "tpot_s", "energy_j_per_token", "max_utilization")


@pytest.fixture
def space(space_of: SpaceOf, part_of: Callable[..., DesignSpace], monkeypatch: pytest.MonkeyPatch) -> DesignSpace:
    """Ten million pairs, of which `explore` finds the exact front in a moment."""
    part = part_of(space_of("smollm2-135m", "u280"), (20, 6, 20, 5), (250, 4), 1)
    monkeypatch.setattr(explore_module, "design_space", lambda *_: part)
    return part


def request(method: str, seed: int = 0, budget: int = 600) -> ExplorationRequest:
    return ExplorationRequest(
        model=load_model("smollm2-135m"),
        device=load_device("u280"),
        workload=Workload(prompt_tokens=512, output_tokens=128),
        objectives=OBJECTIVES,
        method=method,
        budget=budget,
        seed=seed,
    )


@pytest.mark.parametrize("method", ["nsga2", "random"])
def test_deterministic_under_a_seed(space: DesignSpace, context_of: Callable[..., Context], method: str) -> None:
    context = context_of(space, 512, 128)

    def front(seed: int) -> list[tuple[int, int]]:
        found = run_study(
            space,
            OBJECTIVES,
            context,
            Reporter(None, None, 1),
            method=method,
            budget=400,
            seed=seed,
        )
        assert found.evaluations == 400
        return list(zip(found.prefill_index.tolist(), found.decode_index.tolist(), strict=True))

    assert front(3) == front(3)
    assert front(3) != front(4)


def test_nsga2_is_nearer_to_the_optimum_than_random(space: DesignSpace) -> None:
    ratios = {}
    for method in ("nsga2", "random"):
        found = search(request(method, seed=1, budget=1500))
        record = found.result.record
        assert record.hypervolume_ratio is not None
        assert 0 < record.hypervolume_ratio <= 1
        assert record.exact_hypervolume is not None
        assert record.hypervolume == pytest.approx(record.hypervolume_ratio * record.exact_hypervolume)
        assert not record.exact
        assert record.evaluations == 1500 >= record.feasible_evaluations > 0
        ratios[method] = record.hypervolume_ratio
    assert ratios["nsga2"] > ratios["random"]


def test_exact_front_dominates_whatever_is_found(space: DesignSpace, context_of: Callable[..., Context]) -> None:
    """No sampled design beats the exact front: each is dominated by, or equal to, a point of it."""
    context = context_of(space, 512, 128)
    exact = search(request("exact")).result
    front = np.array([[float(entry.metrics[name] or 0) for name in OBJECTIVES] for entry in exact.front])
    rng = np.random.default_rng(0)
    costs = price(
        space,
        rng.integers(0, space.prefill.size, 3000),
        rng.integers(0, space.decode.size, 3000),
        context,
    )
    for row in minimised(costs, OBJECTIVES)[costs.feasible]:
        assert np.any(np.all(front <= row, axis=1)), row


def test_budget_is_spent_to_the_last_evaluation(space: DesignSpace) -> None:
    for budget in (1, POPULATION - 1, POPULATION + 1):
        found = search(request("random", budget=budget))
        assert found.result.record.evaluations == budget
        assert found.study is not None
        assert len(found.study.trials) == budget


def test_study_holds_values_and_constraints(space: DesignSpace) -> None:
    """What a user plots from the study is what the search saw."""
    found = search(request("nsga2", budget=150))
    study = found.study
    assert study is not None
    assert {trial.state for trial in study.trials} == {optuna.trial.TrialState.COMPLETE}
    assert all(len(trial.values) == len(OBJECTIVES) and np.all(np.isfinite(trial.values)) for trial in study.trials)
    assert [direction.name for direction in study.directions] == ["MINIMIZE"] * len(OBJECTIVES)


def test_exact_keeps_no_study(space: DesignSpace) -> None:
    assert search(request("exact")).study is None


@pytest.mark.parametrize(("model", "device"), [("llama-3.2-1b", "u280"), ("smollm2-360m", "v80")])
def test_every_combination_of_parameters_is_a_design(space_of: SpaceOf, model: str, device: str) -> None:
    """Ends and random values of every Optuna parameter lead to a flat index inside the space."""
    space = space_of(model, device)
    parameters = distributions(space)
    rng = np.random.default_rng(0)
    trials: list[dict[str, float]] = []
    for end in ("low", "high"):
        trials.append({name: getattr(distribution, end) for name, distribution in parameters.items()})
    for _ in range(500):
        trials.append(
            {
                name: float(rng.uniform(0, 1))
                if name.endswith(".position")
                else int(rng.integers(distribution.low, distribution.high + 1))  # type: ignore[attr-defined]
                for name, distribution in parameters.items()
            }
        )
    for stage in (space.prefill, space.decode):
        index = _flat(stage, trials)
        assert index.min() >= 0
        assert index.max() < stage.size
        assert index[0] == 0
        assert index[1] == stage.size - 1


def test_every_row_can_be_reached(space_of: SpaceOf) -> None:
    """Each row of the conditional axis has a group and a position that lead to it."""
    engine = space_of("smollm2-135m", "u280").decode.axes[0]
    starts = engine.group_starts()
    reached = set()
    for group, size in enumerate(np.diff(starts)):
        for i in range(size):
            reached.add(_row(engine, {engine.name: group, f"{engine.name}.position": (i + 0.5) / size}, starts))
    assert reached == set(range(len(engine)))
