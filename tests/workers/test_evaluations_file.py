"""The table behind a front, against the search's own record and against the pricing of single designs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from cost_models.report import evaluate_point
from dse.evaluated import Evaluated
from dse.evaluated_row import row_document
from dse.explore import search
from spec import catalog
from spec.exploration import ExplorationRequest
from spec.metrics import METRICS
from spec.space_overrides import SpaceOverrides
from spec.workload import Workload
from workers.tasks.evaluations_file import write_evaluations

MODEL, DEVICE = catalog.load_model("llama-3.2-1b"), catalog.load_device("u280")
WORKLOAD = Workload(prompt_tokens=256, output_tokens=256)
SMALL = SpaceOverrides(
    restrict={
        "prefill.token_parallelism": (8, 16),
        "prefill.ffn_weight_parallelism": (96, 192),
        "decode.block_parallelism": (16, 64),
        "decode.weight_parallelism": (64,),
    }
)
TINY = SpaceOverrides(
    fix={
        "prefill.token_parallelism": 8,
        "prefill.key_parallelism": 8,
        "prefill.value_parallelism": 16,
        "prefill.ffn_weight_blocks": 4,
        "decode.weight_parallelism": 64,
        "decode.engine_splits": 1,
        "decode.head_parallelism": 8,
        "decode.key_parallelism": 16,
        "decode.value_parallelism": 16,
        "decode.vector_parallelism": 16,
    },
    restrict={
        "prefill.qkvo_weight_parallelism": (16, 24),
        "prefill.ffn_weight_parallelism": (64, 96, 192),
        "decode.block_parallelism": (8, 16, 32),
    },
)


def request(**changes: Any) -> ExplorationRequest:
    return ExplorationRequest(model=MODEL, device=DEVICE, workload=WORKLOAD, space=SMALL, **changes)


def written(evaluated: Evaluated, folder: Path) -> pa.Table:
    entry = write_evaluations(evaluated, folder)
    assert entry == {"path": "evaluations.parquet", "media_type": "application/vnd.apache.parquet"}
    return parquet.read_table(folder / entry["path"])


def test_every_evaluation_of_a_sampled_search(tmp_path: Path) -> None:
    found = search(request(method="random", budget=700, seed=3, constraints=("ttft_s <= 1.5",)))
    evaluated = Evaluated.of(found)
    table = written(evaluated, tmp_path)
    record = found.result.record
    assert (table.num_rows, evaluated.rows_are) == (record.evaluations, "evaluated") == (700, "evaluated")
    assert table.schema.metadata[b"rows_are"] == b"evaluated"
    feasible = np.array(table.column("feasible"))
    assert 0 < feasible.sum() == record.feasible_evaluations < 700
    violated = table.column("violated").to_pylist()
    assert [name is None for name in violated] == feasible.tolist()
    assert "ttft_s <= 1.5" in violated
    for row in table.to_pylist()[:30]:
        whole = row_document(found.result.request, row)
        assert (row["ttft_s"] > 1.5) == (whole["missed"] == ["ttft_s <= 1.5"])
        assert row["feasible"] == (not whole["violations"] and not whole["missed"])
    # The objectives are those that the sampler was told, design by design.
    assert found.study is not None
    told = np.array([trial.values for trial in found.study.trials])
    for column, name in enumerate(found.result.request.objectives):
        np.testing.assert_allclose(table.column(name).to_numpy(), told[:, column], rtol=1e-6)


def test_rows_are_priced_and_judged_as_single_designs(tmp_path: Path) -> None:
    found = search(request(method="random", budget=400, seed=5))
    evaluated = Evaluated.of(found)
    rows = written(evaluated, tmp_path).to_pylist()
    arm = evaluated.arms[0]
    broken = 0
    for index in range(0, 400, 11):
        row = rows[index]
        stages = [
            {name: int(column[0]) for name, column in part.columns(np.array([place[index]])).items()}
            for part, place in ((arm.space.prefill, evaluated.prefill), (arm.space.decode, evaluated.decode))
        ]
        design = arm.space.design_point(*stages)
        report = evaluate_point(design, MODEL, DEVICE, WORKLOAD)
        document = design.model_dump(mode="json")
        assert row["prefill.token_parallelism"] == document["prefill"]["token_parallelism"]
        assert row["decode.engine_splits"] == document["decode"]["engine_splits"]
        assert row["clock_target_mhz.decode"] == document["clock_target_mhz"]["decode"]
        assert row["decode.modules.linear_pe"] == document["decode"]["modules"]["linear_pe"]
        for name in METRICS:
            expected = report.metrics[name]
            assert row[name] == (None if expected is None else pytest.approx(expected, rel=1e-6)), name
        # A report holds an estimate against the low end of its band, a search against the estimate: what breaks there
        # breaks here, and what fits here fits there.
        names = [violation.constraint for violation in report.violations]
        broken += bool(names)
        assert not (row["feasible"] and names)
        if names and not report.open_limits:
            assert row["violated"] in names
        whole = row_document(found.result.request, row)
        assert whole["design"] == design.model_dump(mode="json", by_alias=True)
        assert (whole["key"], whole["metrics"]) == (design.canonical_key(), report.metrics)
        against = [violation["constraint"] for violation in whole["violations"]]
        assert row["feasible"] == (not against)
        assert row["violated"] is None or row["violated"] in against
    assert broken > 3


def test_exact_method_shows_a_small_space_whole_and_a_large_one_by_a_sample(tmp_path: Path) -> None:
    found = search(request(method="exact").model_copy(update={"space": TINY}))
    size = found.arms[0].space.size
    assert 10 < size < 10_000
    every = Evaluated.of(found, size)
    assert (len(every), every.rows_are) == (size, "all")
    assert len(set(zip(every.prefill.tolist(), every.decode.tolist(), strict=True))) == size
    some = Evaluated.of(found, size // 2)
    assert (len(some), some.rows_are) == (size // 2, "sampled")
    table = written(some, tmp_path)
    # No design of the cloud beats the front: it is exact.
    best = {name: min(entry.metrics[name] for entry in found.result.front) for name in ("ttft_s", "tpot_s")}  # type: ignore[type-var]
    feasible = table.filter(table.column("feasible"))
    assert feasible.num_rows
    for name, value in best.items():
        assert np.array(feasible.column(name)).min() >= value * (1 - 1e-6)


def test_arms_are_told_apart_and_keep_their_order(tmp_path: Path) -> None:
    space = SMALL.model_copy(update={"deployments": ("two_bitstreams", "two_cards")})
    found = search(
        ExplorationRequest(model=MODEL, device=DEVICE, workload=WORKLOAD, space=space, method="random", budget=300)
    )
    assert found.genes is not None
    table = written(Evaluated.of(found), tmp_path)
    deployments = [found.arms[number].space.system.deployment for number in found.genes[:, 0]]
    assert set(deployments) == {"two_bitstreams", "two_cards"}
    assert table.column("deployment").to_pylist() == deployments
