"""The space: every point legal under every rule, none left out, sizes exact, ports the same by either way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise, product

import numpy as np
import pytest

import dse.spread as spread_module
import dse.stage_axes as axes_module
from cost_models.evaluate import Context, evaluate_batch
from dse.overrides import Overrides
from dse.pricing import price
from dse.space import DesignSpace, design_space
from dse.stage_axes import even_divisors, even_values
from spec.catalog import load_device, load_model, names
from spec.design_batch import DecodeBatch, DesignBatch, PrefillBatch, StagePlacements
from spec.device import Device
from spec.errors import InfeasibleError, InputError
from spec.legality import decode_rules, model_rules, prefill_rules, rules
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules, PrefillModules
from spec.quant_scheme import W4A4KV8
from spec.space_overrides import SpaceOverrides
from spec.spread_memory_map import decode_ports, lane_port_bits, next_power_of_two, prefill_ports
from spec.workload import Stage, Workload

SpaceOf = Callable[[str, str], DesignSpace]
SAMPLE = 3000


# The U55C has the U280's HBM without DDR beside it: of its spaces a few, and all of them in the slow tests.
ON_U55C = ("llama-3.1-8b", "qwen2.5-0.5b", "smollm2-360m")


@pytest.mark.parametrize(
    ("model", "device"),
    [
        pytest.param(model, device, marks=[pytest.mark.slow] if device == "u55c" and model not in ON_U55C else [])
        for model in names("models")
        for device in names("devices")
    ],
)
def test_every_sampled_point_is_legal(space_of: SpaceOf, model: str, device: str) -> None:
    """A random sample, and the corners: first and last row of every axis."""
    space = space_of(model, device)
    rng = np.random.default_rng(7)
    stages = []
    for stage in (space.prefill, space.decode):
        shape = tuple(len(axis) for axis in stage.axes)
        corners = np.ravel_multi_index(
            tuple(np.array(corner) for corner in zip(*product(*((0, n - 1) for n in shape)), strict=True)), shape
        )
        stages.append(np.concatenate([rng.integers(0, stage.size, SAMPLE), corners]))
    n = min(len(index) for index in stages)
    batch = DesignBatch(space.prefill_at(stages[0][:n]), space.decode_at(stages[1][:n]), W4A4KV8)
    corner_rules = [
        *prefill_rules(space.prefill_at(stages[0]), space.model, space.device, W4A4KV8),
        *decode_rules(space.decode_at(stages[1]), space.model, space.device, W4A4KV8),
    ]
    for rule in (*rules(batch, space.model, space.device), *corner_rules):
        assert not rule.broken.any(), rule
    assert space.size == space.prefill.size * space.decode.size > 10**9


@pytest.fixture
def small_values(monkeypatch: pytest.MonkeyPatch) -> Device:
    """Few values of every parameter, and a card with narrow ports."""
    for name, value in {
        "MAX_TOKEN_PARALLELISM": 12,
        "MAX_FFN_WEIGHT_PARALLELISM": 56,
        "MAX_FFN_WEIGHT_BLOCKS": 4,
        "MAX_BLOCK_PARALLELISM": 16,
        "MAX_DECODE_LANES": 400,
        "DECODE_WEIGHT_LANES": (8, 24, 64),
        "DECODE_PORT_BITS": (64, 128),
        "MAX_VECTOR_PARALLELISM": 3,
        "ENGINE_SPLITS": (1, 2),
        "CLOCK_FRACTIONS": (1.0,),
    }.items():
        monkeypatch.setattr(axes_module, name, value)
    monkeypatch.setattr(axes_module, "_legal", OrderedDict())
    device = load_device("u280")
    assert device.hbm is not None
    narrow = device.hbm.model_copy(update={"max_port_bits": 128, "channels": 18})
    return device.model_copy(update={"hbm": narrow})


@pytest.mark.parametrize("name", ["llama-3.2-1b", "smollm2-135m"])
def test_no_legal_point_is_left_out(small_values: Device, name: str) -> None:
    """The product of all values, each laid out by itself, filtered by all rules: just the points of the space."""
    model, device = load_model(name), small_values
    space = design_space(model, device, modules=([PrefillModules()], [DecodeModules()]))

    values = product(
        even_values(12),
        range(8, 33, 8),
        range(8, 57, 8),
        range(1, 5),
        even_values(16),
        even_divisors(model.head_dim, 16),
    )
    table = np.array(list(values), dtype=np.int64)
    tokens, qkvo, ffn, blocks, keys, channels = table.T
    layouts = [
        prefill_ports(int(q), int(f) // int(b), int(b), int(k), int(c), device, W4A4KV8)
        for q, f, b, k, c in zip(qkvo, ffn, blocks, keys, channels, strict=True)
    ]
    prefill = PrefillBatch(
        tokens, qkvo, ffn, blocks, keys, channels, np.full(len(table), 300.0), np.arange(len(table)),
        StagePlacements.of(layouts, "prefill", device),
    )  # fmt: skip
    legal = np.ones(len(table), dtype=bool)
    for rule in prefill_rules(prefill, model, device, W4A4KV8):
        legal &= ~rule.broken
    found = space.prefill.columns(np.arange(space.prefill.size))
    order = ("token_parallelism", "qkvo_weight_parallelism", "ffn_weight_parallelism", "ffn_weight_blocks",
             "key_parallelism", "value_parallelism")  # fmt: skip
    rows = list(zip(*(found[field].tolist() for field in order), strict=True))
    assert len(set(rows)) == len(rows) == space.prefill.size
    assert set(rows) == set(map(tuple, table[legal].tolist()))

    heads = range(1, model.n_kv_heads + 1)
    divisors = even_divisors(model.head_dim, 16)
    engines = [v for v in product(range(1, 17), (8, 24, 64), (64, 128), (1, 2)) if v[0] * v[1] <= 400]
    engines = [v for v in engines if v[0] % v[3] == 0]
    whole = [v for v in engines if (v[0] * v[1] * 4) % v[2] == 0]  # ports carry whole words
    table = np.array([(*e, *a) for e, a in product(whole, product(heads, divisors, divisors))], dtype=np.int64)
    tb, w, bits, splits, hp, keys, channels = table.T
    layouts = [
        decode_ports(
            int(a) * int(b), int(c), int(h), int(k), int(v), device, W4A4KV8, 4 * model.vocab_size * model.hidden_dim
        )
        for a, b, c, h, k, v in zip(tb, w, bits, hp, keys, channels, strict=True)
    ]
    placements = StagePlacements.of(layouts, "decode", device)
    vectors = set()
    legal_rows = set()
    for lanes in range(1, 4):
        decode = DecodeBatch(
            tb, w, splits, hp, keys, channels, np.full(len(table), lanes), np.full(len(table), 300.0),
            np.arange(len(table)), placements,
        )  # fmt: skip
        legal = np.ones(len(table), dtype=bool)
        for rule in decode_rules(decode, model, device, W4A4KV8):
            legal &= ~rule.broken
        if legal.any():
            vectors.add(lanes)
            legal_rows = set(map(tuple, table[legal].tolist()))
    found = space.decode.columns(np.arange(space.decode.size))
    order = ("block_parallelism", "weight_parallelism", "weight_port_bits", "engine_splits", "head_parallelism",
             "key_parallelism", "value_parallelism", "vector_parallelism")  # fmt: skip
    rows = list(zip(*(found[field].tolist() for field in order), strict=True))
    assert len(set(rows)) == len(rows) == space.decode.size
    assert set(rows) == {(*row, lanes) for row in legal_rows for lanes in vectors}


@pytest.mark.parametrize(
    ("model", "device"), [("llama-3.2-1b", "u280"), ("qwen2.5-0.5b", "u55c"), ("smollm2-360m", "v80")]
)
def test_points_cost_the_same_as_columns(
    space_of: SpaceOf, context_of: Callable[..., Context], model: str, device: str
) -> None:
    """`design_point` as a document, with its own memory map, and the space's columns: equal bit for bit."""
    space = space_of(model, device)
    context = context_of(space, 600, 300)
    rng = np.random.default_rng(4)
    n = 150
    p, d = rng.integers(0, space.prefill.size, n), rng.integers(0, space.decode.size, n)
    by_index = price(space, p, d, context)
    prefill, decode = space.prefill.columns(p), space.decode.columns(d)
    points = [
        space.design_point({k: int(v[i]) for k, v in prefill.items()}, {k: int(v[i]) for k, v in decode.items()})
        for i in range(n)
    ]
    by_document = evaluate_batch(DesignBatch.from_points(points, space.device), context)
    for name, values in by_index.metrics.items():
        assert values.tobytes() == by_document.metrics[name].tobytes(), name
    assert by_index.excess.tobytes() == by_document.excess.tobytes()


def test_a_part_of_a_space_is_a_space(
    space_of: SpaceOf, part_of: Callable[..., DesignSpace], context_of: Callable[..., Context]
) -> None:
    """Rows and placements stay together when axes are cut."""
    space = space_of("llama-3.2-1b", "u280")
    part = part_of(space, (7, 4, 6, 3), (40, 3), 1)
    assert (part.prefill.size, part.decode.size) == (7 * 4 * 6 * 3, 40 * 3)
    context = context_of(space, 100, 10)
    p, d = np.arange(part.prefill.size), np.arange(part.decode.size)
    points = [
        part.design_point(
            {k: int(v[i]) for k, v in part.prefill.columns(p).items()},
            {k: int(v[0]) for k, v in part.decode.columns(d).items()},
        )
        for i in range(0, part.prefill.size, 29)
    ]
    costs = evaluate_batch(DesignBatch.from_points(points, space.device), context)
    index = p[::29]
    same = price(part, index, np.zeros(len(index), dtype=np.int64), context)
    assert costs.metrics["ttft_s"].tobytes() == same.metrics["ttft_s"].tobytes()


def test_array_and_scalar_port_widths_agree() -> None:
    lanes = np.arange(1, 2050)
    for bits in (4, 8):
        expected = [lane_port_bits(int(n), bits) for n in lanes]
        assert spread_module._lane_port_bits(lanes, bits).tolist() == expected
    assert [next_power_of_two(n) for n in (1, 2, 3, 64, 65)] == [1, 2, 4, 64, 128]


# --- overrides


def overridden(document: dict[str, object]) -> DesignSpace:
    wanted = SpaceOverrides.model_validate(document)
    return design_space(load_model("smollm2-135m"), load_device("u280"), overrides=wanted)


def test_fix_and_restrict_leave_what_they_name() -> None:
    space = overridden(
        {
            "fix": {"prefill.token_parallelism": 8, "decode.clock_mhz": 250},
            "restrict": {"decode.block_parallelism": [8, 16], "prefill.ffn_weight_parallelism": {"min": 32, "max": 64}},
        }
    )
    prefill = space.prefill.columns(np.arange(space.prefill.size))
    decode = space.decode.columns(np.arange(space.decode.size))
    assert set(prefill["token_parallelism"].tolist()) == {8}
    assert set(decode["clock_mhz"].tolist()) == {250}  # not a default target: fixing names it
    assert set(decode["block_parallelism"].tolist()) == {8, 16}
    assert 32 <= prefill["ffn_weight_parallelism"].min() <= prefill["ffn_weight_parallelism"].max() <= 64
    assert space.size == space.prefill.size * space.decode.size


def test_what_is_remembered_of_other_spaces_changes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each space after the others, and alone in a process that remembers nothing."""
    changes: tuple[dict[str, object], ...] = (
        {},
        {"extend": {"decode.weight_parallelism": [40]}},
        {"restrict": {"decode.block_parallelism": [8, 16]}},
        {"fix": {"prefill.clock_mhz": 250}, "modules": {"decode.kv_read": ["per_kv_head"]}},
    )
    models = [load_model(name) for name in ("smollm2-135m", "smollm2-360m")]
    spaces = [(model, SpaceOverrides.model_validate(change)) for change in changes for model in models]

    def rows(model: ModelConfig, wanted: SpaceOverrides) -> list[tuple[list[list[int]], list[int]]]:
        device, changes = load_device("u280"), Overrides(wanted)
        stages: tuple[Stage, ...] = ("prefill", "decode")
        return [
            (axis.rows.tolist(), axis.port_class.tolist())
            for stage in stages
            for axis in changes.applied(stage, axes_module.default_axes(stage, model, device, W4A4KV8, changes, 1))
        ]

    together = [rows(*one) for one in (*spaces, *reversed(spaces))]
    for one, after, last in zip(spaces, together, reversed(together), strict=False):
        monkeypatch.setattr(axes_module, "_legal", OrderedDict())
        assert after == last == rows(*one)


def test_extend_adds_legal_values_only() -> None:
    space = overridden({"extend": {"decode.weight_parallelism": [40]}})
    assert 40 in space.decode.columns(np.arange(space.decode.size))["weight_parallelism"]
    with pytest.raises(InputError) as caught:
        overridden({"extend": {"prefill.token_parallelism": [7]}})
    assert (caught.value.field, caught.value.value) == ("extend.prefill.token_parallelism", 7)


@pytest.mark.parametrize(
    "rule",
    [
        {"prefill.token_parallelism": 8, "prefill.value_parallelism": [2, 4]},  # two axes: joined
        {"prefill.token_parallelism": 8, "prefill.key_parallelism": 4},  # one axis
        {"decode.block_parallelism": 8, "decode.vector_parallelism": 2, "decode.clock_mhz": 300},
    ],
)
def test_forbid_takes_out_just_what_it_names(rule: dict[str, object]) -> None:
    few = {"restrict": {"prefill.qkvo_weight_parallelism": [8], "prefill.ffn_weight_parallelism": [8, 16],
                        "decode.block_parallelism": [8, 16], "decode.head_parallelism": [1]}}  # fmt: skip
    whole, part = overridden(few), overridden({**few, "forbid": [rule]})
    stage = next(iter(rule)).partition(".")[0]

    def rows(space: DesignSpace) -> set[tuple[tuple[str, int], ...]]:
        one = space.prefill if stage == "prefill" else space.decode
        columns = one.columns(np.arange(one.size))
        return {tuple(sorted((n, int(c[i])) for n, c in columns.items())) for i in range(one.size)}

    def hit(row: tuple[tuple[str, int], ...]) -> bool:
        values = dict(row)
        return all(
            values[knob.partition(".")[2]] in (wanted if isinstance(wanted, list) else [wanted])
            for knob, wanted in rule.items()
        )

    everything = rows(whole)
    assert rows(part) == {row for row in everything if not hit(row)}
    assert any(hit(row) for row in everything)
    # The ports of a design are its own, whatever axes were joined.
    context = Context(part.model, part.device, Workload(prompt_tokens=64, output_tokens=8), W4A4KV8)
    p, d = np.arange(0, part.prefill.size, 37)[:5], np.arange(0, part.decode.size, 91)[:5]
    n = min(len(p), len(d))
    points = [
        part.design_point(
            {k: int(v[0]) for k, v in part.prefill.columns(p[i : i + 1]).items()},
            {k: int(v[0]) for k, v in part.decode.columns(d[i : i + 1]).items()},
        )
        for i in range(n)
    ]
    by_index = price(part, p[:n], d[:n], context)
    for i, point in enumerate(points):
        alone = evaluate_batch(DesignBatch.from_points([point], part.device), context)
        assert alone.metrics["ttft_s"][0] == by_index.metrics["ttft_s"][i]
        assert part.find(point) == (int(p[i]), int(d[i]))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"fix": {"prefill.token_parallelism": 8, "prefill.key_parallelism": 12}},
         ["fix prefill.token_parallelism = 8", "fix prefill.key_parallelism = 12", "contradict"]),
        ({"fix": {"decode.head_parallelism": 3}, "forbid": [{"decode.head_parallelism": 3}]},
         ["fix decode.head_parallelism = 3", "forbid[0]"]),
        ({"restrict": {"decode.block_parallelism": {"min": 60, "max": 63}}}, ["60..63", "legal values"]),
        ({"fix": {"prefill.token_paralelism": 8}}, ["token_parallelism", "unknown knob"]),
        ({"modules": {"decode.overlap_attention": ["on"]}}, ["decode.overlap_attention", "cannot be searched"]),
    ],
)  # fmt: skip
def test_overrides_that_cannot_be_met(document: dict[str, object], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        overridden(document)
    for word in words:
        assert word in str(caught.value)


def test_module_choices_become_an_axis() -> None:
    space = overridden({"modules": {"prefill.quantizer": ["divider", "reciprocal"], "decode.kv_read": ["per_kv_head"]}})
    assert {m.quantizer for m in space.prefill.modules} == {"divider", "reciprocal"}
    assert {m.kv_read for m in space.decode.modules} == {"per_kv_head"}
    assert len(space.prefill.axes[0]) == len(space.prefill.modules) == 2


def test_value_lists() -> None:
    assert even_values(64) == [2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64]
    assert even_divisors(96, 50) == [2, 4, 6, 8, 12, 16, 24, 32, 48]


def test_groups_of_a_conditional_axis(space_of: SpaceOf) -> None:
    engine = space_of("smollm2-135m", "u280").decode.axes[1]
    starts = engine.group_starts()
    assert starts[0] == 0
    assert starts[-1] == len(engine)
    keys = [tuple(engine.rows[s, : engine.group_columns]) for s in starts[:-1]]
    assert len(set(keys)) == len(keys)
    for a, b in pairwise(starts):
        assert len(set(map(tuple, engine.rows[a:b, : engine.group_columns].tolist()))) == 1


# --- nothing to search


def _refused(model: ModelConfig, device: Device, *words: str) -> None:
    with pytest.raises(InfeasibleError) as caught:
        design_space(model, device)
    text = str(caught.value)
    for word in words:
        assert word in text, text
    assert "Traceback" not in text
    assert caught.value.exit_code == 3


def test_models_that_no_design_can_mend() -> None:
    llama, u280 = load_model("llama-3.2-1b"), load_device("u280")
    _refused(llama.model_copy(update={"ffn_dim": 20_480}), u280, "packed int4 accumulator", "16384", "smaller ffn_dim")
    _refused(llama.model_copy(update={"ffn_dim": 8256}), u280, "Hadamard", "8256")
    assert [rule.constraint for rule in model_rules(1, llama, W4A4KV8) if rule.broken[0]] == []


def test_card_that_feeds_no_engine() -> None:
    u280 = load_device("u280")
    assert u280.hbm is not None
    narrow = u280.model_copy(update={"hbm": u280.hbm.model_copy(update={"max_port_bits": 64})})
    _refused(load_model("llama-3.2-1b"), narrow, "no legal value", "block_parallelism", "another card")
    few = u280.model_copy(update={"hbm": u280.hbm.model_copy(update={"channels": 8})})
    _refused(load_model("llama-3.2-1b"), few, "no legal value", "ffn_weight_parallelism")


def test_head_dim_without_a_legal_width() -> None:
    odd = load_model("llama-3.2-1b").model_copy(
        update={"hidden_dim": 2046, "n_q_heads": 33, "n_kv_heads": 11, "head_dim": 62}
    )
    _refused(odd, load_device("u280"), "no legal value", "vector_parallelism")


# --- the ports that the space gives a design


def test_caches_ride_on_the_weight_ports_where_that_costs_no_time() -> None:
    """FlexLLM's u280_mem_opt: 16 weight ports, K on the first half and V on the second, a port for each head lane."""
    u280 = load_device("u280")

    def roles(lanes: int, bits: int, heads: int, keys: int) -> list[tuple[str, ...]]:
        return [port.roles for port in decode_ports(lanes, bits, heads, keys, keys, u280, W4A4KV8)]

    shared = roles(1024, 256, 8, 32)
    assert shared[:16] == [("weights", "k_cache")] * 8 + [("weights", "v_cache")] * 8
    assert ("k_cache",) not in shared
    assert roles(2048, 512, 8, 32)[:16] == shared[:16]  # a 512-bit port holds two cache words
    for lanes, bits, heads, keys in ((512, 256, 8, 32), (1024, 256, 8, 64), (1024, 256, 8, 8)):
        apart = roles(lanes, bits, heads, keys)  # too few ports, words wider or much narrower than a port
        assert apart.count(("weights",)) == lanes * 4 // bits
        assert apart.count(("k_cache",)) == apart.count(("v_cache",)) == heads


def test_streams_have_channels_of_their_own() -> None:
    u280 = load_device("u280")
    ports = decode_ports(1024, 256, 8, 64, 64, u280, W4A4KV8)  # 16 weight and 16 cache ports, 3 more
    hbm = [port.channel for port in ports if port.memory == "hbm"]
    assert hbm == [i % 32 for i in range(35)]  # in turn; too many ports are for legality to refuse
    ports = prefill_ports(24, 32, 3, 16, 16, u280, W4A4KV8)
    assert [port.channel for port in ports] == list(range(20))


def test_embedding_gets_the_channels_it_needs() -> None:
    """1.05 GB of Llama-3.2-1B: one DDR channel of 16 GB on the U280, two HBM channels of 512 MiB on the U55C."""
    table_bytes = 128_256 * 2048 * 4

    def embedding(device: Device, size: int) -> list[tuple[str, int]]:
        ports = decode_ports(256, 256, 8, 32, 32, device, W4A4KV8, size)
        return [(port.memory, port.width_bits) for port in ports if port.roles == ("embedding",)]

    assert embedding(load_device("u280"), table_bytes) == [("ddr", 256)]
    assert embedding(load_device("u55c"), table_bytes) == [("hbm", 256)] * 2
    assert embedding(load_device("u55c"), 2**60) == [("hbm", 256)] * 32  # never more ports than channels


def test_llama_1b_fits_the_u55c(space_of: SpaceOf, context_of: Callable[..., Context]) -> None:
    """On a card without DDR the embedding spreads over HBM channels: one alone would overflow."""
    space = space_of("llama-3.2-1b", "u55c")
    rng = np.random.default_rng(0)
    costs = price(
        space,
        rng.integers(0, space.prefill.size, 2000),
        rng.integers(0, space.decode.size, 2000),
        context_of(space, 512, 512),
    )
    assert costs.feasible.any()
