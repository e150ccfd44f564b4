"""The exact front is the front of every pair, for any objectives; and the search around it keeps its promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import dse.exact as exact_module
import dse.explore as explore_module
import dse.merge as merge_module
from cost_models.evaluate import Context
from cost_models.report import evaluate_point
from dse.arms import Arm
from dse.distinct import DistinctCounter
from dse.exact import ExactFront, exact_front
from dse.explore import explore
from dse.objectives import Goals
from dse.pricing import price
from dse.progress import Reporter, SearchStopped
from dse.space import DesignSpace, design_space
from spec.catalog import load_device, load_model
from spec.design_batch import FloatArray
from spec.design_point import Deployment, SystemChoices
from spec.errors import InfeasibleError
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationProgress
from spec.metrics import METRICS
from spec.scheme_names import scheme_named
from spec.space_overrides import SpaceOverrides
from spec.workload import Workload

SpaceOf = Callable[[str, str], DesignSpace]
PartOf = Callable[..., DesignSpace]
ContextOf = Callable[[DesignSpace, int, int], Context]

SEARCHABLE = sorted(set(METRICS) - {"quality", "card_cost_usd"})  # those without a value in these spaces


def run(space: DesignSpace, objectives: tuple[str, ...], context: Context) -> ExactFront:
    return exact_front([Arm(space, context)], Goals.of(objectives), Reporter(None, None, 1))


def brute_force(space: DesignSpace, objectives: tuple[str, ...], context: Context) -> FloatArray:
    """Every pair priced jointly, then every pair against every one before it: the distinct vectors of the front, sorted."""
    pairs = np.arange(space.size)
    p, d = np.divmod(pairs, space.decode.size)
    costs = price(space, p, d, context)
    values = np.unique(Goals.of(objectives).minimised(costs)[costs.feasible], axis=0)
    # In the order of their sums no row is dominated by a later one; of equal sums the smaller in lexical order stands first.
    rest = values[np.lexsort((*values.T[::-1], values.sum(axis=1)))]
    front = []
    while len(rest):
        front.append(rest[0])
        rest = rest[~np.all(rest[0] <= rest, axis=1)]
    return np.unique(np.array(front), axis=0) if front else values


def front_vectors(front: ExactFront, space: DesignSpace, objectives: tuple[str, ...], context: Context) -> FloatArray:
    costs = price(space, front.prefill_index, front.decode_index, context)
    vectors = Goals.of(objectives).minimised(costs)
    natural = np.column_stack([costs.metrics[name] for name in objectives])
    assert np.array_equal(natural, front.values), "the values belong to the designs"
    assert costs.feasible.all()
    return vectors


PAIRS = (("llama-3.2-1b", "u280"), ("smollm2-135m", "u280"), ("qwen3-0.6b", "v80"))
WORKLOADS = ((1024, 1024), (100, 2), (2, 300))


@pytest.mark.parametrize("case", range(30))
def test_equals_brute_force(space_of: SpaceOf, part_of: PartOf, context_of: ContextOf, case: int) -> None:
    """Thirty random parts of spaces, ten of them co-resident, five on two cards; one to five objectives of every kind."""
    rng = np.random.default_rng(case)
    objectives = tuple(rng.choice(SEARCHABLE, rng.integers(1, 6), replace=False).tolist())
    deployment = ("co_resident", "two_bitstreams", "two_bitstreams", "co_resident", "two_cards", "two_bitstreams")[
        case % 6
    ]
    whole = space_of(*PAIRS[case % 3])
    space = replace(part_of(whole, (4, 3, 3, 2), (8, 2), case, 2), system=SystemChoices(deployment=deployment))  # type: ignore[arg-type]
    context = context_of(space, *WORKLOADS[int(rng.integers(3))])
    expected = brute_force(space, objectives, context)
    front = run(space, objectives, context)
    found = front_vectors(front, space, objectives, context)
    assert len(np.unique(found, axis=0)) == len(found), "one design for each point of the front"
    assert np.array_equal(np.unique(found, axis=0), expected)
    assert front.gap is None


@pytest.mark.parametrize("deployment", ["two_bitstreams", "co_resident"])
def test_boxes_change_nothing(
    space_of: SpaceOf, part_of: PartOf, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch, deployment: Deployment
) -> None:
    """Boxes of pairs that are excluded by their best values hold no point of the front."""
    whole = space_of("llama-3.2-1b", "u280")
    space = replace(part_of(whole, (12, 6, 12, 3), (60, 3), 4, 2), system=SystemChoices(deployment=deployment))
    context = context_of(space, 512, 512)
    goals = Goals.of(("ttft_s", "tpot_s", "energy_j_per_token", "max_utilization"), ("tpot_s <= 0.05",))
    plain = exact_front([Arm(space, context)], goals, Reporter(None, None, 1))
    monkeypatch.setattr(merge_module, "BOXED_PAIRS", 0)
    monkeypatch.setattr(merge_module, "LEAF_DESIGNS", 1)
    monkeypatch.setattr(merge_module, "BLOCK_PAIRS", 50)
    boxed = exact_front([Arm(space, context)], goals, Reporter(None, None, 1))
    assert boxed.prefill_index.tolist() == plain.prefill_index.tolist()
    assert boxed.decode_index.tolist() == plain.decode_index.tolist()
    count = boxed.arms[0].count
    assert count.priced + count.dominated_boxes + count.outside_constraints == plain.arms[0].count.priced
    assert count.dominated_boxes + count.outside_constraints > 0
    assert boxed.proof().pairs == space.size


def test_boxes_hold_bounds_that_are_values_of_designs(
    space_of: SpaceOf, part_of: PartOf, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An energy of a box is a power times a time: an ulp above that of its own design, it must not exclude it. And a root
    without a value at a box's best corner has one further inside.
    """
    space = part_of(space_of("smollm2-135m", "u280"), (20, 6, 20, 4), (80, 3), 4, 2)
    context = context_of(space, 256, 64)
    names = ("prefill_energy_j_per_token", "decode_energy_j_per_token", "ttft_s")
    front = run(space, names, context).values
    bounds = [f"{names[i]} <= {float(value)!r}" for i in (0, 1) for value in front[:: max(1, len(front) // 8), i]]
    middle = float(np.median(front[:, 0] / front[:, 1]))
    goals = [Goals.of(("ttft_s", "tpot_s"), (bound,)) for bound in bounds]
    goals.append(Goals.of(("tpot_s", f"min: sqrt({names[0]} / {names[1]} - {middle!r})")))
    plain = [exact_front([Arm(space, context)], each, Reporter(None, None, 1)).values for each in goals]
    monkeypatch.setattr(merge_module, "BOXED_PAIRS", 0)
    for each, expected in zip(goals, plain, strict=True):
        boxed = exact_front([Arm(space, context)], each, Reporter(None, None, 1))
        assert np.array_equal(boxed.values, expected)
        assert len(expected) > 0


def test_rounded_stage_fronts_are_within_the_stated_gap(
    space_of: SpaceOf, part_of: PartOf, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power pulls both ways; with too many designs kept, each true point has one that is as good but for the gap."""
    objectives = ("power_w", "ttft_s")
    space = part_of(space_of("llama-3.2-1b", "u280"), (10, 6, 10, 3), (40, 3), 8)
    context = context_of(space, 512, 512)
    exact = run(space, objectives, context)
    assert exact.gap is None
    monkeypatch.setattr("dse.stage_front.MAX_STAGE_FRONT", 40)
    rounded = run(space, objectives, context)
    assert rounded.gap is not None
    widest = max(rounded.arms[0].prefill.epsilon, rounded.arms[0].decode.epsilon)
    assert f"{widest:.2%}" in rounded.gap
    assert "(power wants low energy and long time)" in rounded.gap
    assert "power" not in (replace(rounded, of_power=False).gap or "power")
    assert not run(space, ("tpot_s", "min: ttft_s / energy_j"), context).of_power
    assert max(len(rounded.arms[0].prefill.index), len(rounded.arms[0].decode.index)) <= 40
    for point in exact.values:  # power is energy over time: two roundings, of either stage
        assert np.any(np.all(rounded.values <= point * (1 + widest) ** 4, axis=1))


def test_union_of_arms(space_of: SpaceOf, part_of: PartOf, context_of: ContextOf) -> None:
    """Deployments searched together: the front of all their pairs."""
    objectives = ("ttft_s", "tpot_s", "energy_j_per_token", "max_utilization")
    part = part_of(space_of("smollm2-135m", "u280"), (4, 3, 4, 2), (10, 2), 6)
    arms = []
    vectors = []
    for deployment in ("two_bitstreams", "co_resident", "two_cards"):
        space = replace(part, system=SystemChoices(deployment=deployment))  # type: ignore[arg-type]
        arms.append(Arm(space, context_of(space, 300, 100)))
        vectors.append(brute_force(space, objectives, arms[-1].context))
    every = np.unique(np.concatenate(vectors), axis=0)
    expected = [row for row in every if not np.any(np.all(every <= row, axis=1) & np.any(every < row, axis=1))]
    found = exact_front(arms, Goals.of(objectives), Reporter(None, None, 1))
    assert np.array_equal(np.unique(found.values, axis=0), np.array(expected))
    assert len(set(found.arm.tolist())) >= 2
    assert found.space_size <= sum(arm.space.size for arm in arms)


def test_quality_is_an_objective_over_schemes(space_of: SpaceOf, part_of: PartOf, context_of: ContextOf) -> None:
    """Speed, energy and the measured quality of three schemes searched jointly: the front of all their pairs, and each
    scheme that is best in something is on it.
    """
    objectives = ("tpot_s", "energy_j_per_token", "quality")
    arms, vectors, qualities = [], [], []
    for name in ("w4a4kv8", "w4a8kv8", "w8a8kv8"):
        model, device, scheme = load_model("smollm2-135m"), load_device("u280"), scheme_named(name)
        space = part_of(design_space(model, device, scheme), (4, 3, 4, 2), (12, 2), 6)
        arms.append(Arm(space, context_of(space, 300, 100)))
        vectors.append(brute_force(space, objectives, arms[-1].context))
        qualities.append(vectors[-1][0, 2])
    every = np.unique(np.concatenate(vectors), axis=0)
    expected = [row for row in every if not np.any(np.all(every <= row, axis=1) & np.any(every < row, axis=1))]
    found = exact_front(arms, Goals.of(objectives), Reporter(None, None, 1))
    assert np.array_equal(np.unique(found.values, axis=0), np.array(expected))
    assert len(set(qualities)) == 3  # a scheme has one quality, whatever the design
    assert int(np.argmin(qualities)) in found.arm
    assert set(found.values[:, 2].tolist()) <= set(qualities)


def test_distinct_rows_are_counted_once() -> None:
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 40, 30_000).astype(float), rng.choice([0.0, -0.0, 1.5], 30_000)]
    counter = DistinctCounter()
    for start in range(0, 30_000, 700):
        counter.add([column[start : start + 700] for column in columns])
    assert counter.count == len({(a, b + 0.0) for a, b in zip(*map(np.ndarray.tolist, columns), strict=True)}) == 80
    small = DistinctCounter(limit=10)
    small.add(columns)
    assert small.count >= 10
    assert not small.exact


@pytest.mark.parametrize(
    "objectives",
    [
        ("power_w",),
        ("power_w", "prefill_dsp"),
        ("prefill_dsp", "decode_dsp"),
        ("hbm_fraction", "max_utilization"),
        ("prefill_tokens_per_s", "decode_tokens_per_s", "power_w"),
        ("ttft_s", "tpot_s", "energy_j_per_token", "max_utilization", "hbm_bytes_per_s"),
        ("e2e_latency_s", "power_w", "dynamic_energy_j_per_token"),
    ],
)
def test_equals_brute_force_on_a_larger_part(
    space_of: SpaceOf, part_of: PartOf, context_of: ContextOf, objectives: tuple[str, ...]
) -> None:
    """Maximised ones, ones of a single stage, and ones that are not monotone in time; with plenty of ties in DSP."""
    space = part_of(space_of("llama-3.2-1b", "u280"), (6, 4, 6, 3), (20, 3), 77)
    context = context_of(space, 512, 512)
    expected = brute_force(space, objectives, context)
    assert len(expected) >= 1
    found = front_vectors(run(space, objectives, context), space, objectives, context)
    assert np.array_equal(np.unique(found, axis=0), expected)
    assert len(found) == len(expected)


def test_ties_keep_one_design(space_of: SpaceOf, part_of: PartOf, context_of: ContextOf) -> None:
    """Dozens of designs share the fewest DSPs; one of them stays, and it is the first."""
    space = part_of(space_of("llama-3.2-1b", "u280"), (4, 2, 4, 2), (30, 2), 5)
    context = context_of(space, 512, 512)
    p, d = np.divmod(np.arange(space.size), space.decode.size)
    costs = price(space, p, d, context)
    fewest = np.where(costs.feasible, costs.metrics["decode_dsp"], np.inf)
    assert np.count_nonzero(fewest == fewest.min()) > 12
    front = run(space, ("decode_dsp",), context)
    assert front.values.tolist() == [[fewest.min()]]
    assert front.decode_index.tolist() == [int(d[np.argmin(fewest)])]


@pytest.mark.parametrize("designs", [1, 7, 100, 10**6])
@pytest.mark.parametrize("pairs", [1, 13, 10**6])
def test_block_sizes_do_not_show(
    space_of: SpaceOf,
    part_of: PartOf,
    context_of: ContextOf,
    monkeypatch: pytest.MonkeyPatch,
    designs: int,
    pairs: int,
) -> None:
    space = part_of(space_of("smollm2-135m", "u280"), (4, 3, 4, 2), (10, 2), 3)
    context = context_of(space, 300, 100)
    objectives = ("ttft_s", "tpot_s", "max_utilization")
    whole = run(space, objectives, context)
    monkeypatch.setattr(exact_module, "BLOCK_DESIGNS", designs)
    monkeypatch.setattr(merge_module, "BLOCK_PAIRS", pairs)
    blocks = run(space, objectives, context)
    assert np.array_equal(blocks.prefill_index, whole.prefill_index)
    assert np.array_equal(blocks.decode_index, whole.decode_index)
    assert blocks.values.tobytes() == whole.values.tobytes()


def test_every_design_is_priced_once(space_of: SpaceOf, part_of: PartOf, context_of: ContextOf) -> None:
    space = part_of(space_of("llama-3.2-1b", "u280"), (20, 10, 20, 6), (300, 6), 1)
    front = run(space, ("ttft_s", "tpot_s"), context_of(space, 512, 64))
    for stage in (front.arms[0].prefill, front.arms[0].decode):
        record = stage.record()
        assert stage.priced == stage.legal == record.legal_designs
        assert record.legal_designs > record.feasible_designs > record.non_dominated_designs > 0


# --- explore() around it

FEW = SpaceOverrides.model_validate(
    {
        "fix": {"prefill.clock_mhz": 300, "decode.clock_mhz": 300, "decode.engine_splits": 2},
        "restrict": {
            "prefill.token_parallelism": [2, 8],
            "prefill.ffn_weight_parallelism": [32, 64],
            "decode.block_parallelism": [8, 16],
            "decode.vector_parallelism": [4, 8],
        },
    }
)


def request(**changes: object) -> ExplorationRequest:
    given: dict[str, object] = {
        "model": load_model("smollm2-135m"),
        "device": load_device("u280"),
        "workload": Workload(prompt_tokens=300, output_tokens=100),
        **changes,
    }
    return ExplorationRequest.model_validate(given)


@pytest.fixture
def small(space_of: SpaceOf, part_of: PartOf, monkeypatch: pytest.MonkeyPatch) -> DesignSpace:
    """`explore` on a part of the space."""
    part = part_of(space_of("smollm2-135m", "u280"), (12, 6, 12, 4), (60, 5), 9)
    monkeypatch.setattr(explore_module, "design_space", lambda *_: part)
    return part


def test_result_of_explore(small: DesignSpace) -> None:
    wanted = request()
    result = explore(wanted)
    assert result.request == wanted
    assert result.record.exact
    assert result.record.legal_designs == small.size >= result.record.space_size
    assert result.record.hypervolume_ratio == 1.0
    ttft = [entry.metrics["ttft_s"] for entry in result.front]
    assert ttft == sorted(ttft)  # type: ignore[type-var]
    assert len({entry.design.canonical_key() for entry in result.front}) == len(result.front)
    front = [[entry.metrics[name] for name in wanted.objectives] for entry in result.front]
    assert np.allclose(result.record.ideal_point, np.min(front, axis=0))  # type: ignore[arg-type]
    assert np.allclose(result.record.reference_point, np.max(front, axis=0))  # type: ignore[arg-type]
    # The document of a front entry, priced as a user would, gives the metrics beside it.
    for entry in result.front[:: max(1, len(result.front) // 5)]:
        report = evaluate_point(entry.design, wanted.model, wanted.device, wanted.workload)
        assert report.metrics == entry.metrics
        assert report.violations == ()


def test_explore_is_deterministic(small: DesignSpace) -> None:
    first, second = explore(request()), explore(request(seed=99))
    assert first.front == second.front
    assert first.record.hypervolume == second.record.hypervolume


def test_reference_point_in_natural_units_of_maximised_objectives(small: DesignSpace) -> None:
    """The worst of a maximised objective is its smallest value, as it is and not negated or inverted."""
    wanted = request(objectives=("decode_tokens_per_s", "max_utilization"))
    result = explore(wanted)
    rates = [entry.metrics["decode_tokens_per_s"] for entry in result.front]
    assert result.record.reference_point[0] == pytest.approx(min(rates))  # type: ignore[type-var]
    assert result.record.ideal_point[0] == pytest.approx(max(rates))  # type: ignore[type-var]


def test_single_point_front_has_no_ratio(small: DesignSpace) -> None:
    result = explore(request(objectives=("prefill_dsp",)))
    record = result.record
    assert len(result.front) == 1
    assert (record.hypervolume, record.hypervolume_ratio, record.own_hypervolume) == (None, None, None)
    assert record.exact_hypervolume == 0.0
    assert set(record.missing) >= {"hypervolume", "hypervolume_ratio", "own_hypervolume"}
    assert record.missing["hypervolume"] == "the exact front is a single point: its volume is 0"


def test_card_on_which_nothing_fits() -> None:
    """Llama-3.1-8B on the U280: legal designs, none of which its channels hold. Typed, with the stage that fails."""
    with pytest.raises(InfeasibleError) as caught:
        explore(
            request(
                model=load_model("llama-3.1-8b"), workload=Workload(prompt_tokens=128, output_tokens=128), space=FEW
            )
        )
    text = str(caught.value)
    for word in ("prefill", "llama-3.1-8b", "u280", "larger card"):
        assert word in text
    assert caught.value.exit_code == 3


def test_context_that_fits_no_card(space_of: SpaceOf, part_of: PartOf, monkeypatch: pytest.MonkeyPatch) -> None:
    part = part_of(space_of("llama-3.2-1b", "u280"), (12, 6, 12, 4), (60, 5), 9)
    monkeypatch.setattr(explore_module, "design_space", lambda *_: part)
    with pytest.raises(InfeasibleError):
        explore(
            request(model=load_model("llama-3.2-1b"), workload=Workload(prompt_tokens=100_000, output_tokens=31_000))
        )


def test_stop(small: DesignSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_module, "BLOCK_DESIGNS", 50)
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    with pytest.raises(SearchStopped):
        explore(request(), should_stop=should_stop)
    assert asked == 4
    for method in ("nsga2", "random"):
        with pytest.raises(SearchStopped):
            explore(request(method=method, budget=500), should_stop=lambda: True)


@pytest.mark.parametrize("method", ["exact", "random", "nsga2"])
def test_progress_is_monotone(small: DesignSpace, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(exact_module, "BLOCK_DESIGNS", 200)
    monkeypatch.setattr("dse.progress.MIN_INTERVAL_S", 0.0)
    seen: list[ExplorationProgress] = []
    result = explore(request(method=method, budget=300), on_progress=seen.append)
    assert len(seen) > 2
    evaluations = [report.evaluations for report in seen]
    assert evaluations == sorted(evaluations)
    total = small.prefill.size + small.decode.size if method == "exact" else 300
    assert {report.total for report in seen} == {total}
    assert evaluations[-1] == total == result.record.evaluations
    assert all(0 <= (report.feasible_fraction or 0) <= 1 for report in seen)
    # Phases that price nothing say where they stand in words instead.
    assert all((report.eta_s is None) == (report.detail is not None) for report in seen)
    assert all(report.eta_s >= 0 for report in seen if report.eta_s is not None)
    assert all(len(row) == 4 for report in seen for row in report.front)
    last = seen[-1]
    assert last.phase == "done"
    assert last.eta_s == 0
    assert last.hypervolume == result.record.hypervolume
    assert len(last.front) == len(result.front)
    for report in seen:
        assert (report.best is None) == (not report.front)
        for place, name in enumerate(result.request.objectives if report.best is not None else ()):
            column = [row[place] for row in report.front]
            assert (report.best or {})[name] == (min(column) if METRICS[name].sense == "min" else max(column))
    phases = [report.phase for report in seen]
    stages = ("decode", "prefill") if method == "exact" else ("yardstick", method)
    assert phases == sorted(phases, key=(*stages, "floorplan", "done").index)
    placing = [report for report in seen if report.phase == "floorplan"]
    assert (placing[0].detail or "").startswith("round 1, ")
    # Placing prices nothing: the rate is that of the pricing before it.
    assert {report.designs_per_s for report in placing} == {last.designs_per_s}


def test_progress_is_thinned_in_time_and_points(small: DesignSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_module, "BLOCK_DESIGNS", 20)
    monkeypatch.setattr("dse.progress.MIN_INTERVAL_S", 3600.0)
    monkeypatch.setattr("dse.progress.MAX_FRONT_POINTS", 3)
    seen: list[ExplorationProgress] = []
    result = explore(request(), on_progress=seen.append)
    assert [report.phase for report in seen if report.detail is None] == ["done"]
    assert len(result.front) > 3 >= len(seen[0].front) > 0


def test_progress_does_not_change_the_result(small: DesignSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = explore(request())
    monkeypatch.setattr("dse.progress.MIN_INTERVAL_S", 0.0)
    monkeypatch.setattr(exact_module, "BLOCK_DESIGNS", 100)
    assert explore(request(), on_progress=lambda _: None).front == quiet.front
