"""The Python front door: data frames, the same results as the command line, and nothing loaded that is not needed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import flexdse as front_door
from flexdse.front_door import Exploration
from spec.catalog import load_design, load_device, load_model
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.metrics import METRICS
from spec.workload import Workload

Run = Callable[..., Any]

ROOT = Path(__file__).parents[2]


def test_evaluate_is_a_data_frame() -> None:
    designs = ["flexllm-v80", "flexllm-u280", "flexllm-u280-base"]
    frame = front_door.evaluate(designs, "llama-3.2-1b", "u280", (64, 64))
    assert list(frame.columns) == [*METRICS, "feasible"]
    assert list(frame.index) == [load_design(name).canonical_key() for name in designs]
    assert frame.index.name == "design"
    assert list(frame["feasible"]) == [False, True, True]
    assert frame["feasible"].dtype == bool
    assert all(frame[name].dtype == float for name in METRICS)
    assert np.allclose(frame["quality"], 12.68 / 8.94 - 1)  # one scheme, whose perplexity is published
    assert frame["ttft_s"].notna().all()


def test_missing_is_nan() -> None:
    frame = front_door.evaluate(["flexllm-u280"], "llama-3.2-1b", "u280", (64, 1))
    assert {name for name in METRICS if pd.isna(frame[name].iloc[0])} == {
        "tpot_s", "decode_tokens_per_s", "card_cost_usd"
    }  # fmt: skip


def test_names_files_and_objects_are_the_same(flexdse: Run, tmp_path: Path) -> None:
    path = tmp_path / "design.json"
    path.write_text(load_design("flexllm-u280").model_dump_json(by_alias=True))
    by_name = front_door.evaluate(["flexllm-u280", str(path)], "llama-3.2-1b", "u280", (64, 32))
    model, device = load_model("llama-3.2-1b"), load_device("u280")
    workload = Workload(prompt_tokens=64, output_tokens=32)
    by_object = front_door.evaluate([load_design("flexllm-u280")] * 2, model, device, workload)
    pd.testing.assert_frame_equal(by_name, by_object)


def test_evaluate_equals_the_command_line(flexdse: Run) -> None:
    frame = front_door.evaluate(["flexllm-u280"], "llama-3.2-1b", "u280", (1024, 1024))
    document = flexdse("evaluate", "--design", "flexllm-u280", "--model", "llama-3.2-1b", "--device", "u280",
                       "--prompt-tokens", 1024, "--output-tokens", 1024, "--json").document  # fmt: skip
    assert {name: frame[name].iloc[0] for name in METRICS if not pd.isna(frame[name].iloc[0])} == {
        name: value for name, value in document["metrics"].items() if value is not None
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((["flexllm-u281"], "llama-3.2-1b", "u280", (64, 64)), "unknown design 'flexllm-u281'"),
        ((["flexllm-u280"], "llama", "u280", (64, 64)), "unknown model 'llama'"),
        ((["flexllm-u280"], "llama-3.2-1b", "u28", (64, 64)), "unknown device 'u28'"),
        ((["flexllm-u280"], "llama-3.2-1b", "u280", (0, 64)), "prompt_tokens"),
        ((["flexllm-u280"], "llama-3.2-1b", "u280", (64, 10**12)), "output_tokens"),
        ((["flexllm-u280"], "llama-3.2-1b", "u280", (64, 2.5)), "output_tokens"),
        ((["flexllm-u280"], "llama-3.2-1b", "u280", (64,)), "workload"),
        ((["flexllm-u280"], "llama-3.2-1b", "u280", "64"), "workload"),
        (([], "llama-3.2-1b", "u280", (64, 64)), "designs"),
        (("flexllm-u280", "llama-3.2-1b", "u280", (64, 64)), "designs"),
        (([7], "llama-3.2-1b", "u280", (64, 64)), "7 is no design"),
        ((["flexllm-u280"], 7, "u280", (64, 64)), "model"),
        ((["flexllm-u280"], "llama-3.2-1b", None, (64, 64)), "device"),
    ],
)
def test_evaluate_refuses(arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        front_door.evaluate(*arguments)
    assert refused.value.rule
    assert refused.value.hint


def test_paths_may_be_paths(tmp_path: Path, tiny_model: Path) -> None:
    design = tmp_path / "design.json"
    design.write_text(load_design("flexllm-u280").model_dump_json(by_alias=True))
    frame = front_door.evaluate([design], tiny_model, "u280", (64, 64))
    assert len(frame) == 1


def test_front(found: Exploration) -> None:
    frame = found.front
    assert list(frame.columns[-len(METRICS) :]) == list(METRICS)
    assert {"prefill.token_parallelism", "decode.block_parallelism"} <= set(frame.columns)
    assert list(frame.index) == [design.canonical_key() for design in found.designs]
    assert len(frame) == len(found.designs) == len(found.result.front) > 0
    assert all(isinstance(design, DesignPoint) for design in found.designs)
    assert frame["ttft_s"].is_monotonic_increasing


def test_front_is_priced_as_evaluate_prices_it(found: Exploration, tiny_model: Path) -> None:
    again = front_door.evaluate(found.designs, tiny_model, "u280", (64, 64))
    assert again["feasible"].all()
    pd.testing.assert_frame_equal(found.front[list(METRICS)], again[list(METRICS)])


def test_study_is_kept(found: Exploration) -> None:
    assert found.study is not None
    assert len(found.study.trials) == 50


def test_exact_has_no_study(tiny_model: Path) -> None:
    exact = front_door.explore(
        model=tiny_model, device="u280", prompt_tokens=64, output_tokens=64, objectives=["ttft_s", "tpot_s"]
    )
    assert exact.study is None
    assert exact.result.record.exact
    values = exact.front[["ttft_s", "tpot_s"]].to_numpy()
    for point in values:  # nobody is beaten
        assert not ((values <= point).all(axis=1) & (values < point).any(axis=1)).any()


def test_save_equals_the_command_line(found: Exploration, flexdse: Run, tiny_model: Path, tmp_path: Path) -> None:
    assert found.save(tmp_path / "python") == tmp_path / "python"
    shown = flexdse("explore", "--model", tiny_model, "--device", "u280", "--prompt-tokens", 64, "--output-tokens", 64,
                    "--method", "random", "--budget", 50, "--seed", 7, "--out", tmp_path / "cli")  # fmt: skip
    assert shown.code == 0
    assert (tmp_path / "python" / "front.json").read_bytes() == (tmp_path / "cli" / "front.json").read_bytes()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "cli" / "front.parquet"), found.front)
    with pytest.raises(InputError, match="not empty"):
        found.save(str(tmp_path / "python"))
    assert found.save(tmp_path / "python", force=True) == tmp_path / "python"


def test_front_of_no_designs(found: Exploration, tmp_path: Path) -> None:
    """A short search may find nothing that fits: an empty front, and files that can be read."""
    nothing = Exploration(found.result.model_copy(update={"front": ()}), None)
    assert len(nothing.front) == 0
    assert list(nothing.front.columns) == list(found.front.columns)
    nothing.save(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "front.json").read_text()) == []
    assert len(pd.read_parquet(tmp_path / "out" / "front.parquet")) == 0


def test_request_or_its_parts(found: Exploration) -> None:
    again = front_door.explore(found.result.request)
    pd.testing.assert_frame_equal(again.front, found.front)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": None}, "model"),
        ({"device": None}, "device"),
        ({"prompt_tokens": None}, "prompt_tokens"),
        ({"objectives": ["speed"]}, "unknown metric 'speed'"),
        ({"objectives": "ttft_s,speed"}, "unknown metric 'speed'"),
        ({"objectives": []}, "objectives"),
        ({"method": "magic"}, "method"),
        ({"budget": 0}, "budget"),
        ({"seed": 1.5}, "seed"),
    ],
)
def test_explore_refuses(tiny_model: Path, change: dict[str, Any], words: str) -> None:
    given = {"model": str(tiny_model), "device": "u280", "prompt_tokens": 64, "output_tokens": 64} | change
    with pytest.raises(InputError, match=words):
        front_door.explore(**given)


def test_progress_and_stop(tiny_model: Path) -> None:
    seen = []
    front_door.explore(model=tiny_model, device="u280", prompt_tokens=64, output_tokens=64, method="random", budget=20,
                       on_progress=seen.append)  # fmt: skip
    assert seen[-1].evaluations == 20
    assert [p.evaluations for p in seen] == sorted(p.evaluations for p in seen)


def test_names_of_the_module() -> None:
    assert set(front_door.__all__) <= set(dir(front_door))
    with pytest.raises(AttributeError, match="no attribute 'evalaute'"):
        front_door.evalaute  # noqa: B018


def loaded_after(statement: str) -> set[str]:
    script = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {
    "pandas",
    "pyarrow",
    "optuna",
    "numpy",
    "sqlalchemy",
    "fastapi",
    "uvicorn",
    "httpx",
    "alembic",
    "api",
    "workers",
}


HELP = """
import sys, flexdse.cli
sys.argv = ["flexdse", "--help"]
try:
    flexdse.cli.main()
except SystemExit:
    pass
"""


@pytest.mark.parametrize("statement", ["import flexdse", "import flexdse.cli", HELP], ids=["package", "cli", "help"])
def test_start_loads_nothing_heavy(statement: str) -> None:
    assert sorted(loaded_after(statement) & HEAVY) == []


@pytest.mark.parametrize("module", ["spec", "db", "api", "dse"])
@pytest.mark.parametrize("as_folder", [False, True])
def test_users_file_of_our_name(tmp_path: Path, module: str, as_folder: bool) -> None:
    """A file `spec.py` where the user happens to stand would be imported instead of ours: said, with its name."""
    hiding = tmp_path / module / "__init__.py" if as_folder else tmp_path / f"{module}.py"
    hiding.parent.mkdir(exist_ok=True)
    hiding.write_text("x = 1\n")
    done = subprocess.run([sys.executable, "-c", "import flexdse"], cwd=tmp_path, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith("ImportError: flexdse needs its own package")
    assert repr(module) in message
    assert str(hiding) in message
    assert "rename that file or folder" in message
