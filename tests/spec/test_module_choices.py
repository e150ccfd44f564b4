"""Choices of module variants in design documents: defaults, keys, order, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from spec.catalog import load_design, load_device, names
from spec.design_batch import DesignBatch
from spec.design_point import DECODE_PARAMETERS, PREFILL_PARAMETERS, DesignPoint
from spec.errors import InputError
from spec.module_choices import FLEXLLM_DECODE_GROUPS, FLEXLLM_PREFILL_GROUPS, DecodeModules, PrefillModules
from spec.quant_scheme import W4A4KV8, QuantScheme
from spec.strict import validate
from spec.variants import ANY, VARIANTS, searchable_values, selected_variants

# The keys that the published designs had before there were variants; stored results are found by them.
KEYS = {
    "flexllm-u280-base": "e7b3df8c9c663d42",
    "flexllm-u280-wide": "8261452556952293",
    "flexllm-u280-hmt": "915c123fda6135b3",
    "flexllm-v80": "f63a1954d9a9c14a",
}


def edited(stage: str, **choices: Any) -> DesignPoint:
    document = load_design("flexllm-u280-base").model_dump(mode="json", by_alias=True)
    document[stage]["modules"] = {**document[stage]["modules"], **choices}
    return validate(DesignPoint, document)


@pytest.mark.parametrize("name", list(KEYS))
def test_old_designs_keep_their_keys(name: str) -> None:
    assert load_design(name).canonical_key() == KEYS[name]


def test_documents_without_choices_are_flexllms() -> None:
    document = load_design("flexllm-u280-base").model_dump(mode="json", by_alias=True)
    for stage in ("prefill", "decode"):
        del document[stage]["modules"]
    point = validate(DesignPoint, document)
    assert point == load_design("flexllm-u280-base")
    assert point.prefill.modules == PrefillModules()
    assert "modules" not in (*PREFILL_PARAMETERS, *DECODE_PARAMETERS)


@pytest.mark.parametrize(
    ("stage", "choice", "value"),
    [
        ("prefill", "linear_pe", "dsp4"),
        ("prefill", "attention_mask", "causal_skip"),
        ("prefill", "token_blocks_per_weight_pass", 4),
        ("prefill", "linear_groups", [["q", "k", "v", "o"], ["gate", "up"], ["down"]]),
        ("decode", "kv_read", "per_kv_head"),
        ("decode", "weight_buffer_beats", 4096),
        ("decode", "d_in_splits", 2),
        ("decode", "on_chip_projections", ["q", "k", "v"]),
        ("decode", "dequantizer", "pipelined"),
    ],
)
def test_a_choice_makes_another_design(stage: str, choice: str, value: Any) -> None:
    point = edited(stage, **{choice: value})
    assert point.canonical_key() != KEYS["flexllm-u280-base"]
    again = validate(DesignPoint, point.model_dump(mode="json", by_alias=True))
    assert again == point
    assert again.canonical_key() == point.canonical_key()
    assert selected_variants(point) != selected_variants(load_design("flexllm-u280-base"))


def test_groupings_have_one_order() -> None:
    """The same partition, written otherwise, is the same design."""
    one = edited("prefill", linear_groups=[["down"], ["up", "gate"], ["k", "q"], ["o", "v"]])
    other = edited("prefill", linear_groups=[["q", "k"], ["v", "o"], ["gate", "up"], ["down"]])
    assert one == other
    assert one.canonical_key() == other.canonical_key()
    assert edited("prefill", linear_groups=[["q", "k"], ["v", "o"], ["gate"], ["up"], ["down"]]) == load_design(
        "flexllm-u280-base"
    )


@pytest.mark.parametrize(
    ("stage", "choices", "field", "words"),
    [
        ("prefill", {"linear_groups": [["q", "k"], ["v", "o"], ["gate"], ["up"]]}, "linear_groups", "down is in 0"),
        ("prefill", {"linear_groups": [list("qkvo"), ["gate", "up", "down", "q"]]}, "linear_groups", "q is in 2"),
        ("decode", {"linear_groups": [["q", "k", "v", "o", "gate", "up", "down", "lm_head"], []]}, "linear_groups", "a group"),
        ("prefill", {"linear_groups": [["q", "lm_head"]]}, "linear_groups", ""),
        ("decode", {"on_chip_projections": ["v", "k"]}, "on_chip_projections", "out of order"),
        ("prefill", {"linear_pe": "dsp3"}, "linear_pe", "dsp2"),
        ("prefill", {"hadamard_width": 0}, "hadamard_width", ""),
        ("decode", {"attention_mask": "full"}, "attention_mask", ""),
        ("decode", {"weight_buffer_beats": -1}, "weight_buffer_beats", ""),
        ("decode", {"d_in_splits": 0}, "d_in_splits", ""),
    ],
)  # fmt: skip
def test_choices_that_are_refused(stage: str, choices: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        edited(stage, **choices)
    assert field in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"weight_scale": "per_group"},
        {"weight_group_size": 128},
        {"hadamard_block": 64, "online_hadamard": "none"},
    ],
)
def test_schemes_that_contradict_themselves(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        validate(QuantScheme, {**W4A4KV8.model_dump(mode="json"), **changes})


def test_a_batch_numbers_its_sets_of_modules() -> None:
    base, other = load_design("flexllm-u280-base"), edited("decode", kv_read="per_kv_head")
    batch = DesignBatch.from_points([base, other, base], load_device("u280"))
    assert batch.prefill.module_set is None
    assert batch.decode.modules == (DecodeModules(), DecodeModules(kv_read="per_kv_head"))
    assert batch.decode.module_set is not None
    assert batch.decode.module_set.tolist() == [0, 1, 0]


def test_every_choice_is_registered() -> None:
    """Each value of each choice but numbers and groupings belongs to a variant."""
    for stage, model in (("prefill", PrefillModules), ("decode", DecodeModules)):
        for choice, field in model.model_fields.items():
            known = [
                value
                for variant in VARIANTS
                if stage in variant.stages
                for name, value in variant.selected_by
                if name == choice
            ]
            values = getattr(field.annotation, "__args__", ())
            named = [value for value in values if isinstance(value, str)]
            default = field.default
            assert ANY in known or set(named) - {default} <= set(known), (stage, choice)


def test_the_default_search_takes_what_is_complete() -> None:
    assert searchable_values("prefill", "linear_groups") == (FLEXLLM_PREFILL_GROUPS,)
    assert searchable_values("decode", "linear_groups") == (FLEXLLM_DECODE_GROUPS,)
    assert searchable_values("decode", "dequantizer") == ("unpipelined", "pipelined")
    for stage in ("prefill", "decode"):
        for variant in VARIANTS:
            for choice, value in variant.selected_by:
                if stage in variant.stages and not variant.complete and choice in PrefillModules.model_fields:
                    complete = {
                        v
                        for other in VARIANTS
                        if other.complete and stage in other.stages
                        for c, v in other.selected_by
                        if c == choice
                    }
                    values = searchable_values(stage, choice)
                    assert value in complete or value == values[0] or value not in values


def test_published_designs_are_of_flexllms_variants() -> None:
    for name in (name for name in names("designs") if name.startswith("flexllm")):
        for variant in selected_variants(load_design(name)):
            assert all(value != ANY or choice == "hmt" for choice, value in variant.selected_by), variant.name
