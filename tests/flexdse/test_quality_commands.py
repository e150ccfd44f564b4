"""`flexdse quantize`, `quality` and `quality-table` on a small checkpoint, and quality in evaluate and explore."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.quality_fronts import SPEEDUP_BAR, rows_of
from cost_models.quality import quality_report, scheme_quality
from flexdse.exploration_folders import read_space
from spec.catalog import CATALOG_DIR, load_model, resolve_design
from spec.quality import MeasuredTable, SensitivityTable
from spec.quality_catalog import load_quality_table
from spec.quantized_checkpoint import load_checkpoint
from spec.scheme_names import scheme_named
from tests.flexdse.conftest import Run
from tests.quantize.tiny import tiny_model, write_checkpoint, write_text


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    return write_text(tmp_path / "text.txt")


@pytest.fixture
def common(text_file: Path, tmp_path: Path) -> tuple[object, ...]:
    folder = write_checkpoint(tmp_path / "checkpoint", tiny_model())
    return (
        "--model",
        folder,
        "--calibration-text",
        text_file,
        "--calibration-windows",
        2,
        "--cache",
        tmp_path / "cache",
    )


def test_quantize_writes_a_checkpoint_that_is_whole(flexdse: Run, common: tuple[object, ...], tmp_path: Path) -> None:
    out = tmp_path / "out"
    shown = flexdse("quantize", *common, "--scheme", "w4a8kv8", "--out", out)
    assert shown.code == 0, shown.err
    assert "GPTQ at 4 bits" in shown.err
    checkpoint = load_checkpoint(out)
    assert checkpoint.header.quant_scheme.name == "w4a8kv8"
    assert checkpoint.header.weight_rounding == "gptq"
    assert (out / "tokenizer.json").is_file()
    again = flexdse("quantize", *common, "--scheme", "w4a8kv8", "--out", out)
    assert (again.code, "there is a checkpoint already" in again.err) == (2, True)
    same = flexdse("quantize", *common, "--scheme", "w4a8kv8", "--out", out, "--force", "--json")
    assert same.document["content_sha256"] == checkpoint.header.content_sha256


def test_a_plan_file_makes_mixed_precision(flexdse: Run, common: tuple[object, ...], tmp_path: Path) -> None:
    plan = {
        "schema": "flexdse/precision-plan/v1",
        "scheme": {"name": "mine", "weight_bits": 4, "activation_bits": 8, "kv_bits": 8, "attention_bits": 8,
                   "lm_head_weight_bits": 8},
        "overrides": [{"group": "weight.down", "depth": "last", "bits": 6}],
    }  # fmt: skip
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    arguments = ("--scheme", tmp_path / "plan.yaml", "--rounding", "rtn", "--json")
    header = flexdse("quantize", *common, *arguments, "--out", tmp_path / "out").document
    bits = header["weight_bits"]
    assert (bits["layers.0.mlp.down_proj"], bits["layers.2.mlp.down_proj"], bits["lm_head"]) == (4, 6, 8)


def test_quality_measures_every_scheme_on_the_same_tokens(
    flexdse: Run,
    common: tuple[object, ...],
    text_file: Path,
) -> None:
    arguments = ("quality", *common, "--text", text_file, "--protocol", "fast", "--window", 48, "--scheme", "w8a8kv8",
                 "--scheme", "w3a4kv4")  # fmt: skip
    document = flexdse(*arguments, "--json").document
    assert document["protocol"]["predicted_tokens"] == 4 * 47
    eight, four = document["results"]
    assert eight["reference"] == four["reference"]
    assert eight["measured"]["kl_divergence"] < four["measured"]["kl_divergence"]
    assert eight["measured"]["top1_agreement"] > four["measured"]["top1_agreement"]
    assert eight["quality"] == pytest.approx(eight["measured"]["perplexity"] / eight["reference"]["perplexity"] - 1)
    assert 0 < eight["quality_standard_error"] < four["quality_standard_error"]
    shown = flexdse(*arguments)
    assert "unquantized" in shown.out
    assert "w3a4kv4" in shown.out
    assert f"{eight['quality']:+.1%} ± {eight['quality_standard_error']:.1%}" in shown.out
    said = [line for line in shown.err.splitlines() if line]
    assert len(said) == len(set(said)), "a remark twice"


def test_a_tokenizer_of_another_model_is_refused_before_anything_is_recorded(
    flexdse: Run, common: tuple[object, ...], text_file: Path, tmp_path: Path
) -> None:
    """As many tokens, other meanings: no id is out of range, the model only knows nothing of the text."""
    file = tmp_path / "checkpoint" / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    words = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = dict(zip(words, np.random.default_rng(3).permutation(64).tolist(), strict=True))
    file.write_text(json.dumps(tokenizer))
    for command in ("quality", "quality-table"):
        out = tmp_path / f"{command}.json"
        shown = flexdse(command, *common, "--text", text_file, "--window", 48, "--max-windows", 2, "--rounding", "rtn",
                        "--scheme", "w8a8kv8", "--out", out)  # fmt: skip
        assert shown.code == 2
        assert "hardly better than by chance" in shown.err
        assert "tokenizer of another model" in shown.err
        assert not out.exists()


def test_results_are_recorded_beside_those_of_the_same_tokens(
    flexdse: Run, common: tuple[object, ...], text_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.json"
    arguments = ("quality", *common, "--text", text_file, "--max-windows", 2, "--rounding", "rtn", "--out", out)
    for more in (("--scheme", "w4a8kv8"), ("--scheme", "w8a8kv8", "--scheme", "w4a8kv8", "--no-folding"),
                 ("--scheme", "w4a8kv8", "--no-rotation"), ("--scheme", "w4a8kv8")):  # fmt: skip
        assert flexdse(*arguments, "--window", 48, *more).code == 0
    table = load_quality_table(out)
    assert isinstance(table, MeasuredTable)
    assert [result.name for result in table.results] == [
        "w8a8kv8, not rotated, online down_proj, rtn", "w4a8kv8, not rotated, online down_proj, rtn",
        "w4a8kv8, not rotated, rtn", "w4a8kv8, rotated, online down_proj, rtn"]  # fmt: skip
    assert len({result.measurement.perplexity for result in table.results}) == 4
    refused = flexdse(*arguments, "--window", 24, "--scheme", "w4a8kv8")
    assert (refused.code, "holds other measurements" in refused.err) == (2, True)
    assert "perplexity" not in refused.err, "measured first"


@pytest.mark.parametrize("command", ["quality", "quality-table", "quantize"])
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(
    flexdse: Run, common: tuple[object, ...], text_file: Path, command: str
) -> None:
    text = () if command == "quantize" else ("--text", text_file, "--window", 48, "--max-windows", 1)
    shown = flexdse(command, *common, *text, "--scheme", "w8a8kv8", "--out", text_file / "results")
    assert shown.code == 1
    assert "way out" in shown.err
    assert "window 1/1" not in shown.err
    assert "writing" not in shown.err


@pytest.mark.parametrize("command", ["quality", "quality-table", "quantize"])
def test_help_names_the_extra_and_what_is_replaced(flexdse: Run, command: str) -> None:
    shown = " ".join(flexdse(command, "--help").out.replace("│", " ").split())
    assert "with the extra `quality`" in shown
    assert "earlier project" not in shown


def test_a_table_is_measured_fitted_and_read_back(
    flexdse: Run,
    common: tuple[object, ...],
    text_file: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "table.json"
    arguments = ("quality-table", *common, "--text", text_file, "--window", 48, "--max-windows", 1, "--rounding", "rtn",
                 "--combinations", 4, "--out", out)  # fmt: skip
    shown = flexdse(*arguments)
    assert shown.code == 0, shown.err
    assert "curvature" in shown.out
    assert "no band yet" in shown.out  # three unseen combinations are too few
    assert json.loads(out.read_text())["band_relative"] is None
    table = SensitivityTable.model_validate(json.loads(out.read_text()))
    assert [c.used_in_fit for c in table.combinations] == [True, False, False, False]
    assert table.calibration is not None
    assert (table.calibration.windows, table.rotation_seed) == (2, 0)
    assert {s.group for s in table.sensitivities} >= {"weight.down", "activation.lm_head", "key", "attention"}
    assert np.isfinite([s.delta_nll for s in table.sensitivities]).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scheme", "w4b8"), "not a scheme: 'w4b8'"),
        (("--scheme", "W1A8KV8"), "weights have no 1 bits"),
        (("--scheme", "w4-a8"), "did you mean w4a8kv8?"),
        (("--scheme", "w8a8kv8", "--rounding", "best"), "unknown rounding 'best'"),
        (("--scheme", "w8a8kv8", "--backend", "tpu"), "unknown backend 'tpu'"),
        (("--scheme", "w8a8kv8", "--protocol", "slow"), "unknown protocol"),
        (("--scheme", "w8a8kv8", "--window", "100000"), "longer than the context"),
        (("--scheme", "w8a8kv8", "--stride", "99", "--window", "48"), "stride is longer"),
        (("--scheme", "missing.yaml"), "missing.yaml"),
    ],
)
def test_bad_options_are_refused(
    flexdse: Run,
    common: tuple[object, ...],
    text_file: Path,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    shown = flexdse("quality", *common, "--text", text_file, *arguments)
    assert shown.code == 2
    assert words in shown.err
    assert "way out" in shown.err


def catalog_design(**changes: object) -> dict[str, object]:
    return {**resolve_design("flexllm-u280").model_dump(mode="json", by_alias=True), **changes}


def test_evaluate_shows_quality_with_its_source(flexdse: Run, tmp_path: Path) -> None:
    base = ("evaluate", "--design", "flexllm-u280", "--device", "u280", "--prompt-tokens", 64, "--output-tokens", 64)
    published = flexdse(*base, "--model", "llama-3.2-1b", "--json").document["quality"]
    assert published["kind"] == "published"
    assert published["value"] == pytest.approx(0.418, abs=0.001)
    measured = flexdse(*base, "--model", "smollm2-135m", "--json").document["quality"]
    assert measured["kind"] == "measured"
    assert measured["low"] < measured["value"] < measured["high"]  # two standard errors to both sides
    assert "2044 tokens in windows of 512" in measured["detail"]
    document = catalog_design(quant_scheme=scheme_named("w8a8kv4").model_dump(mode="json"))
    (tmp_path / "design.json").write_text(json.dumps(document))
    predicted = flexdse(
        "evaluate", "--design", tmp_path / "design.json", *base[3:], "--model", "smollm2-135m", "--json"
    )
    quality = predicted.document["quality"]
    assert quality["kind"] == "predicted from measured sensitivities"
    assert quality["low"] < quality["value"] < quality["high"]
    shown = flexdse(*base, "--model", "llama-3.2-1b").out
    assert "perplexity +41.8% over unquantized, published" in " ".join(shown.split())
    unknown = flexdse(*base, "--model", "llama-3.2-3b", "--json").document["quality"]
    assert unknown["value"] is None
    assert "no measured or published quality" in unknown["missing"]


EXAMPLES = Path(__file__).parents[2] / "examples" / "spaces"
DEVICES = EXAMPLES.parent / "devices"
ONE_OF_EACH = {
    "prefill.token_parallelism": [16], "prefill.qkvo_weight_parallelism": [64], "prefill.key_parallelism": [4],
    "prefill.ffn_weight_parallelism": [128], "decode.block_parallelism": [32], "decode.key_parallelism": [32],
}  # fmt: skip


def test_a_search_over_schemes_trades_bits_for_speed_and_says_which_design_has_which(
    flexdse: Run, tmp_path: Path
) -> None:
    """The example's schemes on a small part of its space: each step down in quality buys time or energy."""
    document = yaml.safe_load((EXAMPLES / "smollm2-135m-precision.yaml").read_text())
    assert ONE_OF_EACH.keys() == document["restrict"].keys()
    assert all(set(values) <= set(document["restrict"][knob]) for knob, values in ONE_OF_EACH.items())
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(document | {"restrict": ONE_OF_EACH}))
    out = tmp_path / "out"
    shown = flexdse("explore", "--model", "smollm2-135m", "--device", "u280", "--prompt-tokens", 128, "--output-tokens",
                    128, "--objectives", "tpot_s,energy_j_per_token,quality", "--space", tmp_path / "space.yaml",
                    "--no-floorplan", "--out", out)  # fmt: skip
    assert shown.code == 0, shown.err
    front = json.loads((out / "front.json").read_text())
    best: dict[str, list[float]] = {}
    for entry in front:
        metrics = entry["metrics"]
        one = best.setdefault(entry["design"]["quant_scheme"]["name"], [metrics["quality"], 1.0, 1.0])
        one[1:] = min(one[1], metrics["tpot_s"]), min(one[2], metrics["energy_j_per_token"])
    assert len(best) >= 3
    for said in json.loads((out / "exploration.json").read_text())["quality"]:
        assert said["value"] == best[said["scheme"]][0]
        assert said["unit"] == "fraction"
        now = quality_report(load_model("smollm2-135m"), scheme_named(said["scheme"])).model_dump(mode="json")
        assert {name: said[name] for name in now} == now
        assert said["kind"] == "measured"
    steps = sorted(best.values())
    assert [quality for quality, *_ in steps] == sorted({quality for quality, *_ in steps})
    for better, worse in pairwise(steps):
        assert worse[1] < better[1] or worse[2] < better[2]
    for printed in (shown.out, flexdse("front", out).out, flexdse("shortlist", out).out):
        assert "scheme" in printed.splitlines()[0]
        assert sum(name in printed for name in best) >= 2
    page = (out / "report.html").read_text()
    rows = [row.split("</td><td>")[1] for row in page.split("<tr><td>#")[1:]]
    assert rows == [entry["design"]["quant_scheme"]["name"] for entry in front]
    assert [page.count(f"<title>#{i}, {name}: ") for i, name in enumerate(rows)] == [1] * len(front)


def test_where_memory_decides_half_the_bits_are_the_speed(flexdse: Run, tmp_path: Path) -> None:
    """The example of a card with two DDR channels: the catalog's U280 but for its HBM; four bits of activations buy nothing."""
    card, mine = (
        yaml.safe_load(path.read_text()) for path in (CATALOG_DIR / "devices" / "u280.yaml", DEVICES / "u280-ddr.yaml")
    )
    assert mine == card | {"hbm": None, "name": "u280-ddr", "title": mine["title"]}
    document = yaml.safe_load((EXAMPLES / "smollm2-135m-precision-ddr.yaml").read_text())
    document["restrict"] |= {"decode.block_parallelism": [16], "decode.clock_mhz": [300]}
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(document))
    out = tmp_path / "out"
    shown = flexdse("explore", "--model", "smollm2-135m", "--device", DEVICES / "u280-ddr.yaml", "--prompt-tokens", 128,
                    "--output-tokens", 128, "--objectives", "tpot_s,energy_j_per_token,quality", "--space",
                    tmp_path / "space.yaml", "--no-floorplan", "--out", out)  # fmt: skip
    assert shown.code == 0, shown.err
    rows = {row.scheme: row for row in rows_of(json.loads((out / "front.json").read_text()))}
    assert rows["w8a8kv8"].tpot_s > SPEEDUP_BAR * rows["w4a8kv8"].tpot_s
    assert "w4a4kv8" not in rows
    for row in rows.values():  # what the numbers rest on, in the terminal and on the page
        assert f"quality of {row.scheme}: perplexity {row.quality:+.1%} over unquantized, measured" in " ".join(
            shown.out.split()
        )
        assert f"quality of {row.scheme}: perplexity {row.quality:+.1%}" in (out / "report.html").read_text()


def test_the_example_of_llama_names_schemes_whose_quality_is_published() -> None:
    model, space = load_model("llama-3.2-1b"), read_space(EXAMPLES / "llama-3.2-1b-precision.yaml")
    found = [scheme_quality(model, scheme_named(name)) for name in space["quant_schemes"]]
    assert [one.kind for one in found] == ["published"] * 2
    assert [round(one.value or 0, 3) for one in found] == [0.418, 0.374]
