"""`flexdse quantize`, `quality` and `quality-table` on a small checkpoint, and quality in evaluate and explore."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from spec.quality import SensitivityTable
from spec.quantized_checkpoint import load_checkpoint
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
    table = flexdse(*arguments).out
    assert "unquantized" in table
    assert "w3a4kv4" in table


def test_a_table_is_measured_fitted_and_read_back(
    flexdse: Run,
    common: tuple[object, ...],
    text_file: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "table.json"
    arguments = ("quality-table", *common, "--text", text_file, "--window", 24, "--max-windows", 2, "--rounding", "rtn",
                 "--combinations", 4, "--out", out)  # fmt: skip
    shown = flexdse(*arguments)
    assert shown.code == 0, shown.err
    assert "curvature" in shown.out
    table = SensitivityTable.model_validate(json.loads(out.read_text()))
    assert [c.used_in_fit for c in table.combinations] == [True, False, True, False]
    assert {s.group for s in table.sensitivities} >= {"weight.down", "activation.lm_head", "key", "attention"}
    assert np.isfinite([s.delta_nll for s in table.sensitivities]).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scheme", "w4b8"), "not a scheme: 'w4b8'"),
        (("--scheme", "w1a8kv8"), "weight_bits"),
        (("--scheme", "w8a8kv8", "--rounding", "best"), "unknown rounding 'best'"),
        (("--scheme", "w8a8kv8", "--backend", "tpu"), "unknown backend 'tpu'"),
        (("--scheme", "w8a8kv8", "--protocol", "slow"), "unknown protocol"),
        (("--scheme", "w8a8kv8", "--window", "100000"), "too short"),
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


def test_evaluate_shows_quality_with_its_source(flexdse: Run) -> None:
    base = ("evaluate", "--design", "flexllm-u280", "--device", "u280", "--prompt-tokens", 64, "--output-tokens", 64)
    published = flexdse(*base, "--model", "llama-3.2-1b", "--json").document["quality"]
    assert published["kind"] == "published"
    assert published["value"] == pytest.approx(0.418, abs=0.001)
    measured = flexdse(*base, "--model", "smollm2-135m", "--json").document["quality"]
    assert measured["kind"] == "predicted from measured sensitivities"
    assert measured["low"] < measured["value"] < measured["high"]
    unknown = flexdse(*base, "--model", "llama-3.2-3b", "--json").document["quality"]
    assert unknown["value"] is None
    assert "no measured or published quality" in unknown["missing"]
