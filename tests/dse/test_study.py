"""The samplers: legal designs only, deterministic under a seed, and measured against the exact front."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest

import dse.explore as explore_module
from cost_models.evaluate import Context
from dse.arms import Arm
from dse.explore import search
from dse.genes import GeneSpace
from dse.infeasible import NoFeasibleDesignError
from dse.journal import Journal
from dse.objectives import Goals
from dse.pricing import price
from dse.progress import Reporter
from dse.samplers.evolution import Nsga2BatchSampler
from dse.samplers.registry import register_sampler, sampler_factory
from dse.samplers.stagewise import StagewiseSampler
from dse.space import DesignSpace
from dse.study import run_study
from spec.catalog import load_device, load_model
from spec.errors import FlexDSEError, InputError, UnknownNameError
from spec.exploration import ExplorationRequest
from spec.exploration_result import WarmStart
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


OURS = ["stagewise", "nsga2", "nsga3", "qmc", "random"]


@pytest.mark.parametrize("method", [*OURS, "tpe"])
def test_deterministic_under_a_seed(space: DesignSpace, context_of: Callable[..., Context], method: str) -> None:
    arms = [Arm(space, context_of(space, 512, 128))]
    budget = 60 if method == "tpe" else 400

    def designs(seed: int) -> list[list[int]]:
        found = run_study(arms, Goals.of(OBJECTIVES), Reporter(None, None, 1), method=method, budget=budget, seed=seed)
        assert found.evaluations == budget
        genes: list[list[int]] = found.genes.tolist()
        return genes

    assert designs(3) == designs(3)
    assert designs(3) != designs(4)


@pytest.mark.parametrize("method", ["stagewise", "nsga2", "nsga3"])
def test_no_design_is_evaluated_twice(space: DesignSpace, context_of: Callable[..., Context], method: str) -> None:
    arms = [Arm(space, context_of(space, 512, 128))]
    found = run_study(arms, Goals.of(OBJECTIVES), Reporter(None, None, 1), method=method, budget=700, seed=1)
    assert len({tuple(row) for row in found.genes[100:].tolist()}) == 600  # the first batch is drawn blindly


@pytest.mark.parametrize("method", [*OURS, "tpe"])
@pytest.mark.parametrize("cut", [0, 37, 2000])
def test_killed_search_resumes_to_the_same_result(space: DesignSpace, tmp_path: Path, method: str, cut: int) -> None:
    """The journal ends in the middle of a block, or of the first line: what was whole counts, the rest is made again."""
    budget = 100 if method == "tpe" else 450
    whole = search(request(method, seed=5, budget=budget)).result
    path = tmp_path / "search.journal"
    explore_module.explore(request(method, seed=5, budget=budget - 45), journal=path)  # within a batch
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - cut])
    again = search(request(method, seed=5, budget=budget), journal=path).result
    assert again.front == whole.front
    assert again.record.hypervolume == whole.record.hypervolume
    third = search(request(method, seed=5, budget=budget), journal=path)
    assert third.result.front == whole.front  # nothing was left to do
    assert third.study is not None
    assert len(third.study.trials) == budget


def test_journal_of_another_search_is_refused(
    space: DesignSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "search.journal"
    explore_module.explore(request("random", seed=5, budget=100), journal=path)
    with pytest.raises(InputError, match="seed differs"):
        explore_module.explore(request("random", seed=6, budget=100), journal=path)
    monkeypatch.setattr(explore_module, "MODEL_VERSION", "next")
    with pytest.raises(InputError, match="model_version differs"):
        explore_module.explore(request("random", seed=5, budget=100), journal=path)
    monkeypatch.undo()
    (tmp_path / "other").write_text("hello\n")
    with pytest.raises(InputError, match="no journal"):
        Journal(tmp_path / "other", {})
    header = explore_module.journal_header(request("random", seed=5))
    held = Journal(path, header)
    with pytest.raises(FlexDSEError, match="another process"):
        Journal(path, header)
    held.close()


def test_warm_start_comes_first(space: DesignSpace, context_of: Callable[..., Context]) -> None:
    exact = search(request("exact")).result
    designs = [entry.design for entry in exact.front[:20]]
    arms = explore_module.search_arms(request("exact"))
    genes = explore_module.genes_of_designs(arms, [*designs, designs[0]])
    assert len(genes) == 20
    found = search(request("nsga2", budget=100), warm_start=designs)
    assert found.study is not None
    space_of_genes = GeneSpace(arms)
    first = [space_of_genes.genes(trial.params) for trial in found.study.trials[:20]]
    assert sorted(first) == sorted(genes.tolist())
    assert found.result.record.warm_start == WarmStart(given=20, in_space=20, evaluated=20)
    # Fewer than were given: spread over all of them, the first among them.
    few = search(request("nsga2", budget=5), warm_start=designs)
    assert few.result.record.warm_start == WarmStart(given=20, in_space=20, evaluated=5)
    assert few.genes is not None
    taken = sorted(genes.tolist().index(row) for row in few.genes.tolist())
    assert taken[0] == 0
    assert max(np.diff(taken)) <= 8
    ratio = found.result.record.hypervolume_ratio
    cold = search(request("nsga2", budget=100)).result.record.hypervolume_ratio
    assert ratio is not None
    assert cold is not None
    assert ratio > cold


def test_what_a_journal_cannot_go_on_with_is_refused(space: DesignSpace, tmp_path: Path) -> None:
    path = tmp_path / "search.journal"
    front = search(request("random", seed=5, budget=100), journal=path).result.front
    with pytest.raises(InputError, match="holds 100 evaluations") as smaller:
        search(request("random", seed=5, budget=40), journal=path)
    assert smaller.value.field == "budget"
    with pytest.raises(InputError, match="did not begin with this warm start"):
        search(request("random", seed=5, budget=200), journal=path, warm_start=[front[0].design])
    strange = front[0].design.model_copy(update={"deployment": "co_resident"})
    with pytest.raises(InputError, match="no design of the warm start is in this space"):
        search(request("random", seed=5, budget=100), warm_start=[strange])


@pytest.mark.parametrize("method", ["gp", "plugin:nobody"])
def test_sampler_that_is_missing_is_refused_before_anything_is_priced(
    space: DesignSpace, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr(explore_module, "_yardstick", lambda *_: pytest.fail("the exact front was solved first"))
    with pytest.raises(FlexDSEError, match=r"PyTorch|unknown sampler"):
        search(request(method, budget=40))


@pytest.mark.parametrize("method", ["exact", "stagewise", "nsga2", "tpe"])
def test_designs_without_a_value_are_unfit(space: DesignSpace, method: str) -> None:
    partial = "min: sqrt(ttft_s - 200 * tpot_s)"
    wanted = request(method, budget=40 if method == "tpe" else 300).model_copy(
        update={"objectives": ("tpot_s", partial)}
    )
    result = search(wanted).result
    assert result.front
    assert all(entry.metrics["ttft_s"] >= 200 * entry.metrics["tpot_s"] for entry in result.front)
    assert result.record.hypervolume_ratio is None or 0 <= result.record.hypervolume_ratio <= 1
    if method != "exact":
        assert "no value in" in result.record.missing[partial]


@pytest.mark.parametrize(
    ("objectives", "constraints", "field"),
    [
        (OBJECTIVES, ("log(ttft_s - 1000000 * tpot_s) <= 1",), "constraints"),
        (("tpot_s", "min: sqrt(ttft_s - 1000000 * tpot_s)"), (), "objectives"),
    ],
)
def test_goals_without_any_value_are_infeasible_by_name(
    space: DesignSpace, objectives: tuple[str, ...], constraints: tuple[str, ...], field: str
) -> None:
    wanted = request("exact").model_copy(update={"objectives": objectives, "constraints": constraints})
    with pytest.raises(NoFeasibleDesignError, match=r"value|constraints") as told:
        search(wanted)
    assert told.value.field == field
    assert "1000000 * tpot_s" in str(told.value.value)
    assert told.value.nearest
    assert all(one["excess"] is None for one in told.value.nearest)  # no infinity in a JSON document


def test_hypervolume_of_a_thinned_front_is_that_of_what_is_shown(space: DesignSpace) -> None:
    whole, thin = (search(request("exact").model_copy(update={"epsilon": e})).result for e in (0.0, 0.2))
    assert len(thin.front) < len(whole.front)
    assert thin.record.exact_hypervolume == whole.record.hypervolume
    assert thin.record.hypervolume is not None
    assert whole.record.hypervolume is not None
    assert thin.record.hypervolume < whole.record.hypervolume
    assert thin.record.hypervolume_ratio == thin.record.hypervolume / whole.record.hypervolume


def test_sampler_of_a_user(space: DesignSpace) -> None:
    asked: list[int] = []

    def factory(genes: GeneSpace, seed: int) -> optuna.samplers.BaseSampler:
        asked.append(seed)
        return optuna.samplers.RandomSampler(seed=seed)

    register_sampler("mine", factory)
    found = search(request("plugin:mine", budget=50)).result
    assert found.record.evaluations == 50
    assert len(set(asked)) > 1  # anew for each batch, with a seed of its own
    with pytest.raises(UnknownNameError):
        search(request("plugin:none", budget=50))


def test_constraints_hold_on_the_front(space: DesignSpace) -> None:
    free = search(request("exact")).result
    tpot = sorted(float(entry.metrics["tpot_s"] or 0) for entry in free.front)
    bound = tpot[len(tpot) // 3]
    for method in ("exact", "nsga2"):
        wanted = request(method, budget=600).model_copy(update={"constraints": (f"tpot_s <= {bound!r}",)})
        result = search(wanted).result
        assert result.front
        assert all(float(entry.metrics["tpot_s"] or 0) <= bound for entry in result.front)


def test_infeasible_constraints_name_the_nearest_designs(space: DesignSpace) -> None:
    wanted = request("nsga2").model_copy(update={"constraints": ("tpot_s <= 1e-9", "power_w >= 0.0")})
    with pytest.raises(NoFeasibleDesignError) as caught:
        search(wanted)
    error = caught.value
    assert "tpot_s <= 1e-09 is" in str(error)
    assert 1 <= len(error.nearest) <= 3
    assert error.to_problem()["nearest"][0]["design"]["schema"] == "flexdse/design/v1"
    # The nearest is the fastest decoder of the space.
    fastest = search(request("exact").model_copy(update={"objectives": ("tpot_s",)})).result
    assert error.nearest[0]["missed"] == [f"tpot_s <= 1e-09 is {fastest.front[0].metrics['tpot_s']:.7g}"]


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
    for row in Goals.of(OBJECTIVES).minimised(costs)[costs.feasible]:
        assert np.any(np.all(front <= row, axis=1)), row


def test_budget_is_spent_to_the_last_evaluation(space: DesignSpace) -> None:
    for budget in (1, 99, 101):
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


@pytest.mark.parametrize("method", ["nsga2", "nsga3", "qmc"])
def test_a_batch_is_what_optuna_asks_one_by_one(
    space: DesignSpace, context_of: Callable[..., Context], method: str
) -> None:
    """Ours are asked for whole batches and the study is made afterwards; Optuna's own loop gives the same designs."""
    arms = [Arm(space, context_of(space, 512, 128))]
    goals = Goals.of(OBJECTIVES, ("tpot_s <= 0.01",))
    found = run_study(arms, goals, Reporter(None, None, 1), method=method, budget=330, seed=2)
    genes = GeneSpace(arms)
    factory, _ = sampler_factory(method)
    study = optuna.create_study(sampler=factory(genes, 2), directions=["minimize"] * len(OBJECTIVES))
    parameters, trials = genes.distributions(), found.study.trials
    for number, made in enumerate(trials):
        trial = study.ask(parameters)
        assert genes.genes(trial.params) == found.genes[number].tolist()
        assert trial.params == made.params
        for name, missed in made.constraints.items():
            trial.set_constraint(name, missed)
        study.tell(trial, found.values[number].tolist())
    assert [made.values for made in trials] == found.values.tolist()
    assert found.study is found.study


def test_exact_keeps_no_study(space: DesignSpace) -> None:
    assert search(request("exact")).study is None


def test_every_combination_of_parameters_is_a_design(space: DesignSpace, context_of: Callable[..., Context]) -> None:
    """Ends and random values of every Optuna parameter lead to rows inside the space, and every row can be reached."""
    genes = GeneSpace([Arm(space, context_of(space, 512, 128))])
    parameters = genes.distributions()
    rng = np.random.default_rng(0)
    drawn = [{name: getattr(d, end) for name, d in parameters.items()} for end in ("low", "high")]
    for _ in range(300):
        drawn.append(
            {
                name: float(rng.uniform(0, 1))
                if isinstance(d, optuna.distributions.FloatDistribution)
                else int(rng.integers(d.low, d.high + 1))  # type: ignore[attr-defined]
                for name, d in parameters.items()
            }
        )
    rows = np.array([genes.genes(one) for one in drawn])
    assert rows.min() >= 0
    assert (rows[:, 1:] < genes.lengths[0]).all()
    assert rows[0].max() == 0
    assert rows[1, 1:].tolist() == (genes.lengths[0] - 1).tolist()
    for row in genes.random(rng, 500).tolist():
        assert genes.genes(genes.parameters(row)) == row
    p, d = genes.stage_index(rows, 0)
    assert genes.of_index(0, p, d).tolist() == rows.tolist()


def test_samplers_work_in_optuna_alone(space: DesignSpace, context_of: Callable[..., Context]) -> None:
    """`study.optimize` with an objective of the user's own, and no loop of ours."""
    genes = GeneSpace([Arm(space, context_of(space, 512, 128))])
    parameters = genes.distributions()
    study = optuna.create_study(sampler=Nsga2BatchSampler(genes, 0), directions=["minimize", "minimize"])

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        for name, distribution in parameters.items():
            trial._suggest(name, distribution)
        row = np.array(genes.genes(trial.params), dtype=float)
        trial.set_constraint("even", 0.0)
        return float(row[1:].sum()), float((genes.lengths[0] - 1 - row[1:]).max())

    study.optimize(objective, n_trials=250)
    first, last = (np.array([t.values for t in study.trials[part]]) for part in (slice(0, 100), slice(150, 250)))
    assert last[:, 0].mean() < first[:, 0].mean()


def test_stagewise_refuses_a_study_that_tells_it_nothing_of_the_halves(
    space: DesignSpace, context_of: Callable[..., Context]
) -> None:
    genes = GeneSpace([Arm(space, context_of(space, 512, 128))])
    study = optuna.create_study(sampler=StagewiseSampler(genes, 0))
    parameters = genes.distributions()
    for _ in range(StagewiseSampler.batch):
        study.tell(study.ask(parameters), 1.0)
    with pytest.raises(InputError, match="in an exploration only"):
        study.ask(parameters)


@pytest.mark.parametrize("method", ["nsga2", "tpe"])
def test_a_study_reads_by_itself(space: DesignSpace, method: str) -> None:
    """Objectives by name, and of each trial the knobs of its design under the names of the columns of a front."""
    found = search(request(method, budget=60))
    assert found.study is not None
    frame = found.study.trials_dataframe()
    assert {f"values_{name}" for name in OBJECTIVES} <= set(frame.columns)
    assert len(found.result.front) > 0
    for entry in found.result.front:
        row = frame[
            np.logical_and.reduce([frame[f"values_{name}"] == entry.metrics[name] for name in OBJECTIVES])
        ].iloc[0]
        for stage in ("prefill", "decode"):
            design = getattr(entry.design, stage).model_dump(exclude={"modules"})
            assert {name: row[f"user_attrs_{stage}.{name}"] for name in design} == design
            assert row[f"user_attrs_clock_target_mhz.{stage}"] == getattr(entry.design.clock_target_mhz, stage)
        assert row["user_attrs_quant_scheme.name"] == entry.design.quant_scheme.name
