"""The catalog loads, each of its numbers names a source, and the numbers that can be checked are right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spec.catalog import (
    CATALOG_DIR,
    load_design,
    load_device,
    load_model,
    load_published_design,
    names,
    resolve_device,
    resolve_model,
)
from spec.catalog_sources import split_sources
from spec.device import Device, MemorySystem
from spec.memory_map import PortRole
from spec.model_config import ModelConfig
from spec.quant_scheme import W4A4KV8
from spec.resources import RESOURCE_NAMES
from spec.spread_memory_map import next_power_of_two
from spec.strict import PathKey, dotted, load_document

DEVICES = ("u280", "u55c", "v80")
DESIGNS = (
    "flexdse-u280", "flexdse-u280-coresident", "flexdse-v80", "flexllm-u280", "flexllm-u280-base", "flexllm-u280-hmt", "flexllm-u280-wide", "flexllm-v80",
)  # fmt: skip
FLEXLLM = tuple(name for name in DESIGNS if name.startswith("flexllm"))
REFERENCES = ("a100-bf16",)

# Parameters of the published checkpoints: sums over their weight files, not over our formula.
PUBLISHED_PARAMETERS = {
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "llama-3.1-8b": 8_030_261_248,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "smollm2-135m": 134_515_008,
    "smollm2-360m": 361_821_120,
    "smollm2-1.7b": 1_711_376_384,
    "tinyllama-1.1b": 1_100_048_384,
}

# Perplexities of one publication name it once, at the head of the file.
CATALOG_FILES = sorted(path for path in CATALOG_DIR.rglob("*.yaml") if path.parent.name != "quality")


def file_id(path: Path) -> str:
    return path.relative_to(CATALOG_DIR).as_posix()


def numbers(node: Any, path: PathKey = ()) -> Iterator[str]:
    """Dotted paths of all numbers in plain data."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from numbers(value, (*path, key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from numbers(value, (*path, i))
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield dotted(path)


def test_the_catalog_holds_what_was_promised() -> None:
    assert names("devices") == DEVICES
    assert names("designs") == DESIGNS
    assert names("references") == REFERENCES
    assert set(names("models")) == set(PUBLISHED_PARAMETERS)


@pytest.mark.parametrize("path", CATALOG_FILES, ids=file_id)
def test_every_number_names_its_source(path: Path) -> None:
    data, sources = split_sources(load_document(path, "catalog file"))
    found = list(numbers(data))
    assert found, "no number at all"
    assert [number for number in found if number not in sources] == []
    assert all(len(source) >= 10 for source in sources.values()), "a source is more than a word"


@pytest.mark.parametrize("path", sorted((CATALOG_DIR / "quality").glob("*.yaml")), ids=file_id)
def test_published_perplexities_name_their_publication(path: Path) -> None:
    data = load_document(path, "catalog file").data
    assert len(data["publication"]) >= 20
    assert set(data["protocol"]) >= {"text", "window_tokens"}


@pytest.mark.parametrize("path", CATALOG_FILES, ids=file_id)
def test_a_file_is_named_after_what_it_holds(path: Path) -> None:
    assert load_document(path, "catalog file").data["name"] == path.stem


@pytest.mark.parametrize("path", CATALOG_FILES, ids=file_id)
def test_each_null_is_explained_on_its_line(path: Path) -> None:
    for line in path.read_text().splitlines():
        if "null" in line.split("#")[0].split("source:")[0]:
            assert "#" in line or "source:" in line, line


@pytest.mark.parametrize("name", sorted(PUBLISHED_PARAMETERS))
def test_parameters_of_the_published_checkpoint(name: str) -> None:
    assert load_model(name).parameters == PUBLISHED_PARAMETERS[name]


@pytest.mark.parametrize("name", sorted(PUBLISHED_PARAMETERS))
def test_a_model_keeps_its_sources(name: str) -> None:
    model = load_model(name)
    assert "Hugging Face" in model.sources["hidden_dim"]
    assert model.hidden_dim % model.n_q_heads == 0
    assert model.gqa_group * model.n_kv_heads == model.n_q_heads


CARD_TOTALS = {
    "u280": (1_303_680, 2_607_360, 9_024, 4_032, 960),
    "u55c": (1_303_680, 2_607_360, 9_024, 4_032, 960),
    "v80": (2_574_208, 5_148_416, 10_848, 7_482, 1_925),
}


@pytest.mark.parametrize("name", DEVICES)
def test_the_slrs_add_up_to_the_card(name: str) -> None:
    assert tuple(load_device(name).total.as_dict().values()) == CARD_TOTALS[name]


@pytest.mark.parametrize("name", DEVICES)
def test_kernels_and_shell_fit_on_the_card(name: str) -> None:
    device = load_device(name)
    for resource in RESOURCE_NAMES:
        used = getattr(device.usable, resource) + getattr(device.shell, resource)
        assert used <= getattr(device.total, resource), resource


def hbm(device: Device) -> MemorySystem:
    assert device.hbm is not None
    return device.hbm


@pytest.mark.parametrize(
    ("name", "gib", "peak_gb_per_s", "channels", "port_bits"),
    [("u280", 8, 460.0, 32, 512), ("u55c", 16, 460.0, 32, 512), ("v80", 32, 819.2, 64, 256)],
)
def test_hbm_of_the_cards(name: str, gib: int, peak_gb_per_s: float, channels: int, port_bits: int) -> None:
    memory = hbm(load_device(name))
    assert memory.capacity_bytes == gib * 2**30
    assert memory.channels * memory.channel_peak_bytes_per_s == pytest.approx(peak_gb_per_s * 1e9)
    assert (memory.channels, memory.max_port_bits) == (channels, port_bits)
    assert memory.memory_port_bytes_per_s >= memory.channel_peak_bytes_per_s  # the channel is the narrower part


def test_sustained_rate_of_the_u280_is_the_measured_one() -> None:
    memory = hbm(load_device("u280"))
    assert memory.channels * memory.channel_sustained_bytes_per_s == pytest.approx(425e9)


def test_power_that_nobody_measured_is_not_zero() -> None:
    assert load_device("v80").power.idle_w is None
    assert load_device("u55c").power.configured_w is None
    assert "no measurement" in load_device("v80").sources["power.idle_w"]
    assert "ASSUMPTION" in load_device("v80").sources["power.configured_w"]


@pytest.mark.parametrize("name", DEVICES)
def test_the_shell_is_divided_over_the_slrs_without_a_rest(name: str) -> None:
    device = load_device(name)
    for resource in RESOURCE_NAMES:
        parts = [getattr(device.shell_in(slr), resource) for slr in device.slrs]
        assert sum(parts) == getattr(device.shell, resource)
        for slr, part in zip(device.slrs, parts, strict=True):
            assert 0 <= part <= getattr(slr.total, resource)


@pytest.mark.parametrize("name", DESIGNS)
def test_designs_name_known_things(name: str) -> None:
    published = load_published_design(name)
    assert published.device in names("devices")
    assert published.model in names("models")
    assert published.design.quant_scheme == W4A4KV8
    in_one = name.endswith("-coresident")
    assert published.design.deployment == ("co_resident" if in_one else "two_bitstreams")
    assert published.design.nonlinear_format == ("fp32" if name in FLEXLLM else "bf16")


@pytest.mark.parametrize("name", DESIGNS)
def test_ports_lie_on_the_card(name: str) -> None:
    device = load_device(load_published_design(name).device)
    for port in load_design(name).memory_map.ports:
        memory = device.memory(port.memory)
        assert port.channel < memory.channels
        assert port.width_bits <= memory.max_port_bits


@pytest.mark.parametrize("name", FLEXLLM)
def test_ports_feed_the_lanes(name: str) -> None:
    design = load_design(name)

    def widths(role: PortRole) -> set[int]:
        return {port.width_bits for port in design.memory_map.of("prefill", role)}

    qkvo = next_power_of_two(design.prefill.qkvo_weight_parallelism) * 4
    block = next_power_of_two(design.prefill.ffn_weight_parallelism // design.prefill.ffn_weight_blocks) * 4
    assert widths("weights_kq") == widths("weights_vo") == {qkvo}
    assert widths("weights_gate") == widths("weights_up") == widths("weights_down") == {block}
    for role in ("weights_gate", "weights_up", "weights_down"):
        assert len(design.memory_map.of("prefill", role)) == design.prefill.ffn_weight_blocks
    weights = design.memory_map.of("decode", "weights")
    lanes = design.decode.block_parallelism * design.decode.weight_parallelism
    assert sum(port.width_bits for port in weights) == lanes * 4


def test_the_measured_pair() -> None:
    published = load_published_design("flexllm-u280")
    prefill, decode = published.design.prefill, published.design.decode
    assert (prefill.token_parallelism, prefill.qkvo_weight_parallelism) == (8, 24)
    assert (prefill.key_parallelism, prefill.ffn_weight_parallelism) == (16, 96)
    assert (decode.block_parallelism, decode.weight_parallelism) == (16, 64)
    clocks = published.design.clock_target_mhz
    assert (clocks.prefill, clocks.decode) == (304, 292)
    assert published.measured["prefill_latency_s"] == 1.65
    assert published.measured["decode_s_per_1k_tokens"] == 6.94
    assert (published.measured["prefill_dsp"], published.measured["decode_dsp"]) == (2617, 1624)
    assert "arXiv 2601.15710" in published.sources["measured.prefill_latency_s"]


def test_shared_ports_serve_weights_and_one_cache() -> None:
    memory_map = load_design("flexllm-u280").memory_map
    assert [port.roles for port in memory_map.of("decode", "k_cache")] == [("weights", "k_cache")] * 8
    assert [port.channel for port in memory_map.of("decode", "k_cache")] == list(range(5, 13))
    assert [port.channel for port in memory_map.of("decode", "v_cache")] == list(range(16, 24))


def test_separate_ports_of_the_first_pair() -> None:
    memory_map = load_design("flexllm-u280-base").memory_map
    assert [port.channel for port in memory_map.of("decode", "weights")] == list(range(1, 9))
    assert [port.channel for port in memory_map.of("decode", "k_cache")] == [16, 17, 18, 19]


def test_a_projection_is_not_a_measurement() -> None:
    published = load_published_design("flexllm-v80")
    assert published.measured == {}
    assert published.projected["prefill_latency_s"] == 0.61
    assert "projection" in published.title


def test_a_device_survives_a_round_trip(tmp_path: Path) -> None:
    device = load_device("u280")
    file = tmp_path / "card.json"
    file.write_text(device.model_dump_json(by_alias=True))
    assert resolve_device(str(file)) == device


def test_a_model_survives_a_round_trip(tmp_path: Path) -> None:
    model = load_model("qwen3-0.6b")
    file = tmp_path / "model.json"
    file.write_text(model.model_dump_json(by_alias=True))
    assert resolve_model(str(file)) == model
    assert isinstance(model, ModelConfig)


def test_a_copy_of_a_catalog_file_is_a_users_file(tmp_path: Path) -> None:
    copy = tmp_path / "my-card.yaml"
    copy.write_text((CATALOG_DIR / "devices" / "u280.yaml").read_text().replace("name: u280", "name: my-card"))
    assert resolve_device(str(copy)).name == "my-card"
