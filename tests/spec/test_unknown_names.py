"""Names that are in no catalog, and names that look like files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spec.catalog import load_device, load_model, load_published_design, resolve_design, resolve_device, resolve_model
from spec.errors import UnknownNameError, nearest_names


@pytest.mark.parametrize(
    ("load", "kind", "name", "nearest"),
    [
        (load_device, "device", "u208", "u280"),
        (load_device, "device", "V80 ", "v80"),
        (resolve_device, "device", "alveo-u280", "u280"),
        (load_model, "model", "llama-3.2-1B", "llama-3.2-1b"),
        (resolve_model, "model", "lama3.2-1b", "llama-3.2-1b"),
        (resolve_model, "model", "smollm2_135m", "smollm2-135m"),
        (resolve_model, "model", "meta-llama/Llama-3.2-1B", "llama-3.2-1b"),
        (resolve_model, "model", "Qwen/Qwen3-0.6B", "qwen3-0.6b"),
        (load_published_design, "design", "flexllm-u208", "flexllm-u280"),
        (resolve_design, "design", "flexllm_u280_wide", "flexllm-u280-wide"),
    ],
)
def test_unknown_name_offers_the_nearest(
    refused: Callable[..., object], load: Callable[[str], object], kind: str, name: str, nearest: str
) -> None:
    error = refused(lambda: load(name), f"unknown {kind}", "did you mean", nearest, field=kind, value=name)
    assert isinstance(error, UnknownNameError)
    assert error.to_problem()["type"] == "urn:flexdse:problem:unknown_name"


@pytest.mark.parametrize("load", [resolve_device, resolve_model, resolve_design])
def test_a_name_like_nothing_lists_what_there_is(refused: Callable[..., object], load: Callable[[str], object]) -> None:
    refused(lambda: load("zzzzzz"), "known: ", "Or give the path")


@pytest.mark.parametrize("load", [resolve_device, resolve_model, resolve_design])
@pytest.mark.parametrize("name", ["", " ", "\x1b[31mred\x07", "a\nb", "null\x00char", "ü" * 300, "../\x00.yaml"])
def test_odd_names_do_no_harm(refused: Callable[..., object], load: Callable[[str], object], name: str) -> None:
    text = str(refused(lambda: load(name)))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\x00" not in text


@pytest.mark.parametrize("load", [resolve_device, resolve_model, resolve_design])
@pytest.mark.parametrize("ending", ["", ".yaml", ".json", "/config.json"])
def test_a_long_name_is_echoed_shortened(
    refused: Callable[..., object], load: Callable[[str], object], ending: str
) -> None:
    text = str(refused(lambda: load("x" * 10_000 + ending)))
    assert len(text) < 1500
    assert "characters)" in text


def test_names_of_the_catalog_cannot_be_walked_out_of(refused: Callable[..., object]) -> None:
    refused(lambda: load_device("../models/llama-3.2-1b"), "unknown device")


def test_nearest_names_ignore_case_and_order_by_likeness() -> None:
    assert nearest_names("U280", ["u55c", "u280", "v80"])[0] == "u280"
    assert nearest_names("completely different", ["u55c", "u280"]) == []
