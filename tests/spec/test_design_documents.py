"""Designs as documents: round trips, keys, files of users and of fronts, memory maps, workloads and requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spec.catalog import CATALOG_DIR, load_design, load_device, load_model, names, resolve_design
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.exploration import ExplorationRequest
from spec.json_arrays import array_element
from spec.strict import MAX_DOCUMENT_BYTES, validate
from spec.workload import Workload

Refused = Callable[..., InputError]
DESIGNS = names("designs")


def plain(design: DesignPoint) -> dict[str, Any]:
    return design.model_dump(mode="json", by_alias=True)


def reordered(node: Any) -> Any:
    """The same document with the keys of every mapping turned around."""
    if isinstance(node, dict):
        return {key: reordered(node[key]) for key in reversed(node)}
    return [reordered(value) for value in node] if isinstance(node, list) else node


@pytest.mark.parametrize("name", DESIGNS)
def test_a_design_survives_yaml_and_json(name: str, tmp_path: Path) -> None:
    design = load_design(name)
    for file, text in (("d.json", json.dumps(plain(design))), ("d.yaml", yaml.safe_dump(plain(design)))):
        (tmp_path / file).write_text(text)
        back = resolve_design(str(tmp_path / file))
        assert back == design
        assert back.canonical_key() == design.canonical_key()


@pytest.mark.parametrize("name", DESIGNS)
def test_the_key_does_not_depend_on_the_order_of_keys(name: str) -> None:
    design = load_design(name)
    other = validate(DesignPoint, reordered(plain(design)))
    assert other.canonical_key() == design.canonical_key()
    assert len(design.canonical_key()) == 16


def test_different_designs_have_different_keys() -> None:
    keys = {load_design(name).canonical_key() for name in DESIGNS}
    assert len(keys) == len(DESIGNS)
    changed = plain(load_design("flexllm-u280"))
    changed["decode"]["head_parallelism"] = 4
    assert validate(DesignPoint, changed).canonical_key() not in keys


def test_a_whole_number_of_mhz_is_the_same_design() -> None:
    changed = plain(load_design("flexllm-u280"))
    changed["clock_target_mhz"] = {"prefill": 304, "decode": 292.0}
    assert validate(DesignPoint, changed).canonical_key() == load_design("flexllm-u280").canonical_key()


# ---------------------------------------------------------------------------------------------------------- files


def test_an_entry_of_a_front_is_a_design(tmp_path: Path) -> None:
    entry = {"design": plain(load_design("flexllm-u280-wide")), "metrics": {"ttft_s": 2.0, "quality": None}}
    file = tmp_path / "entry.json"
    file.write_text(json.dumps(entry))
    assert resolve_design(str(file)) == load_design("flexllm-u280-wide")


def test_a_whole_front_is_not(refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / "front.json"
    file.write_text(json.dumps([{"design": plain(load_design("flexllm-u280")), "metrics": {}}]))
    refused(lambda: resolve_design(str(file)), "a list of designs", "1 entries", "front.json#0", field="design")


def test_an_entry_of_a_whole_front_is_named_by_its_number(refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / "front.json"
    names = ("flexllm-u280", "flexllm-u280-wide")
    file.write_text(json.dumps([{"design": plain(load_design(name)), "metrics": {}} for name in names]))
    assert [resolve_design(f"{file}#{number}") for number in (0, 1)] == [load_design(name) for name in names]
    refused(lambda: resolve_design(f"{file}#2"), "no entry '2'", "0 to 1", field="design")
    refused(lambda: resolve_design(f"{file}#{'9' * 40}"), "no entry", field="design")
    file.write_text(json.dumps(plain(load_design("flexllm-u280"))))
    refused(lambda: resolve_design(f"{file}#0"), "no list of designs", "leave the #", field="design")


def test_an_entry_of_a_front_that_is_larger_than_any_other_document(refused: Refused, tmp_path: Path) -> None:
    """The default search of Llama-3.2-1B on the U280 shows 800 designs in 6 MB; the limit of a front is its own."""
    file = tmp_path / "front.json"
    one, other = (json.dumps({"design": plain(load_design(n)), "metrics": {}}) for n in ("flexllm-u280", "flexllm-v80"))
    count = MAX_DOCUMENT_BYTES // len(one) + 1
    file.write_text("[\n" + ",\n".join([one] * count + [other]) + "\n]\n")
    assert file.stat().st_size > MAX_DOCUMENT_BYTES
    assert resolve_design(f"{file}#0") == load_design("flexllm-u280")
    assert resolve_design(f"{file}#{count}") == load_design("flexllm-v80")
    refused(lambda: resolve_design(f"{file}#{count + 1}"), f"0 to {count}", field="design")
    refused(lambda: resolve_design(str(file)), "too large", "front.json#0", field="design file")
    with file.open("r+") as handle:
        handle.truncate(file.stat().st_size - 4)  # written half: the entries before are whole, and the last is not
    refused(lambda: resolve_design(f"{file}#{count}"), "not valid JSON")


@pytest.mark.parametrize("text", ["", "[", "[1 2]", "[1,]", "[{]", "[1", "{", "[" * 100_000])
def test_an_array_that_is_broken_before_its_entry_is_refused(refused: Refused, text: str) -> None:
    refused(lambda: array_element(text, 5, "front.json"), "front.json")


@pytest.mark.parametrize("text", ["[]", "[1]", ' [ 1 , [2, {}] ,\n{"a": [3]}]', '["],[", "\\"", null]'])
def test_elements_of_an_array_are_those_of_the_whole(text: str) -> None:
    whole = json.loads(text)
    for number, element in enumerate(whole):
        found, _ = array_element(text, number)
        assert found is not None
        assert found.data == element
    assert array_element(text, len(whole)) == (None, len(whole))
    assert array_element("{}", 0) == (None, None)


@pytest.mark.parametrize("name", DESIGNS)
def test_a_copy_of_a_catalog_file_is_a_design(name: str, tmp_path: Path) -> None:
    text = (CATALOG_DIR / "designs" / f"{name}.yaml").read_text()
    whole, inner = tmp_path / "copy.yaml", tmp_path / "inner.yaml"
    whole.write_text(text)
    below = text.split("\ndesign:\n")[1].splitlines()
    inner.write_text("\n".join(line.removeprefix("  ") for line in below))  # sources and all
    assert resolve_design(str(whole)) == resolve_design(str(inner)) == load_design(name)


def test_errors_inside_an_entry_name_the_line(refused: Refused, tmp_path: Path) -> None:
    entry = {"design": plain(load_design("flexllm-u280")), "metrics": {}}
    text = yaml.safe_dump(entry, sort_keys=False).replace("head_parallelism: 8", "head_parallelism: nine")
    file = tmp_path / "entry.yaml"
    file.write_text(text)
    line = next(i for i, row in enumerate(text.splitlines(), 1) if "nine" in row)
    refused(lambda: resolve_design(str(file)), f"{file}:{line}", field="decode.head_parallelism", value="nine")


@pytest.mark.parametrize("text", ["null", "5", '"text"', '{"design": 5}', '{"design": null}', '{"design": []}'])
def test_files_that_hold_no_design(refused: Refused, tmp_path: Path, text: str) -> None:
    file = tmp_path / "d.json"
    file.write_text(text)
    refused(lambda: resolve_design(str(file)), "not a design", "flexdse designs show", field="design")


@pytest.mark.parametrize(
    ("path", "value", "field", "words"),
    [
        (("deployment",), "one_bitstream", "deployment", ("two_bitstreams",)),
        (("nonlinear_format",), "fp8", "nonlinear_format", ("fp32",)),
        (("prefill", "token_parallelism"), 0, "prefill.token_parallelism", ()),
        (("prefill", "token_parallelism"), -8, "prefill.token_parallelism", ()),
        (("prefill", "token_parallelism"), 10**12, "prefill.token_parallelism", ()),
        (("prefill", "token_parallelism"), "8", "prefill.token_parallelism", ("whole number",)),
        (("prefill", "token_parallelism"), 8.0, "prefill.token_parallelism", ("whole number",)),
        (("clock_target_mhz", "decode"), 0, "clock_target_mhz.decode", ()),
        (("quant_scheme", "weight_bits"), 1, "quant_scheme.weight_bits", ()),
        (("quant_scheme", "weight_scale"), "per_row", "quant_scheme.weight_scale", ("per_channel",)),
        (("memory_map", "ports", 0, "width_bits"), 100, "memory_map.ports[0].width_bits", ("128",)),
        (("memory_map", "ports", 0, "channel"), 256, "memory_map.ports[0].channel", ()),
        (("memory_map", "ports", 0, "name"), "IO Port", "memory_map.ports[0].name", ()),
        (("memory_map", "ports", 0, "roles"), [], "memory_map.ports[0].roles", ()),
        (("memory_map", "ports", 0, "memory"), "sram", "memory_map.ports[0].memory", ("hbm",)),
        (("memory_map", "ports"), [], "memory_map.ports", ()),
        (("memory_map",), None, "memory_map", ()),
        (("kernels", 0, "slr"), "SLR10", "kernels[0].slr", ()),
        (("schema",), "flexdse/design/v9", "schema", ("flexdse/design/v1",)),
    ],
)
def test_designs_that_are_refused(
    refused: Refused, path: tuple[str | int, ...], value: Any, field: str, words: tuple[str, ...]
) -> None:
    document = plain(load_design("flexllm-u280"))
    node: Any = document
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    refused(lambda: validate(DesignPoint, document), *words, field=field, value=value)


def test_ports_that_are_refused(refused: Refused) -> None:
    def with_first_port(**changes: Any) -> Any:
        document = plain(load_design("flexllm-u280"))
        document["memory_map"]["ports"][0].update(changes)
        return lambda: validate(DesignPoint, document)

    roles = {"roles": ["weights"]}
    refused(with_first_port(**roles), "prefill has no role", field="memory_map.ports[0].roles", value="weights")
    refused(with_first_port(roles=["scales_kq"]), "no prefill port carries io", field="memory_map.ports", value="io")
    refused(with_first_port(name="k_cache"), "unique", field="memory_map.ports", value="k_cache")
    refused(with_first_port(widht_bits=8), "unknown key", "width_bits", field="memory_map.ports[0].widht_bits")


# ----------------------------------------------------------------------------------------- workloads and requests


@pytest.mark.parametrize(
    ("workload", "field"),
    [
        ({"prompt_tokens": 0, "output_tokens": 1}, "prompt_tokens"),
        ({"prompt_tokens": -1, "output_tokens": 1}, "prompt_tokens"),
        ({"prompt_tokens": 10**12, "output_tokens": 1}, "prompt_tokens"),
        ({"prompt_tokens": "1024", "output_tokens": 1}, "prompt_tokens"),
        ({"prompt_tokens": True, "output_tokens": 1}, "prompt_tokens"),
        ({"prompt_tokens": 1e3, "output_tokens": 1}, "prompt_tokens"),
        ({"prompt_tokens": 1, "output_tokens": 0}, "output_tokens"),
        ({"prompt_tokens": 1}, "output_tokens"),
        ({"prompt_tokens": 1, "output_tokens": 1, "batch": 2}, "batch"),
        ({"prompt_tokens": 1, "output_tokens": 1, "bach": 1}, "bach"),
    ],
)
def test_workloads_that_are_refused(refused: Refused, workload: dict[str, Any], field: str) -> None:
    refused(lambda: validate(Workload, workload), field=field)


def test_context_of_a_workload() -> None:
    assert Workload(prompt_tokens=1024, output_tokens=1024).context_tokens == 2047


def request(**changes: Any) -> dict[str, Any]:
    return {
        "model": load_model("tinyllama-1.1b").model_dump(mode="json", by_alias=True),
        "device": load_device("u280").model_dump(mode="json", by_alias=True),
        "workload": {"prompt_tokens": 512, "output_tokens": 512},
        **changes,
    }


def test_a_request_survives_a_round_trip() -> None:
    asked = validate(ExplorationRequest, request(objectives=["ttft_s", "tpot_s"], method="nsga2", seed=3))
    back = validate(ExplorationRequest, asked.model_dump(mode="json", by_alias=True))
    assert back == asked
    assert back.device == load_device("u280")


def test_objectives_may_come_as_one_text() -> None:
    assert validate(ExplorationRequest, request(objectives="ttft_s, tpot_s")).objectives == ("ttft_s", "tpot_s")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"budget": 0}, "budget", ()),
        ({"budget": 10**12}, "budget", ()),
        ({"budget": "100"}, "budget", ("whole number",)),
        ({"seed": -1}, "seed", ()),
        ({"method": "genetic"}, "method", ("nsga2",)),
        (
            {"workload": {"prompt_tokens": 4096, "output_tokens": 1}},
            "workload",
            ("max_context_tokens = 2048", "shorten"),
        ),
        (
            {"workload": {"prompt_tokens": 8, "output_tokens": 1}, "objectives": ["tpot_s"]},
            "objectives",
            ("output_tokens >= 2",),
        ),
    ],
)
def test_requests_that_are_refused(
    refused: Refused, changes: dict[str, Any], field: str, words: tuple[str, ...]
) -> None:
    refused(lambda: validate(ExplorationRequest, request(**changes)), *words, field=field)


def test_an_objective_that_does_not_exist(refused: Refused) -> None:
    error = refused(lambda: validate(ExplorationRequest, request(objectives=["ttft"])), "unknown metric", "ttft_s")
    assert error.field is not None
    assert error.field.startswith("objectives")


# ------------------------------------------------------------------------------------------------------ properties

ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["source", "value"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=6) | st.sampled_from(["source", "value", "design", "title"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_design_is_a_design_or_a_refusal(data: st.DataObject, tmp_path: Path) -> None:
    document = plain(load_design("flexllm-u280-base"))
    document["memory_map"]["ports"] = document["memory_map"]["ports"][:20]
    node: Any = document
    while isinstance(node, dict | list) and node:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if data.draw(st.booleans()) or not isinstance(node[key], dict | list):
            node[key] = data.draw(ODD)
            break
        node = node[key]
    (tmp_path / "d.json").write_text(json.dumps(document))

    def outcome() -> DesignPoint | InputError:
        try:
            return resolve_design(str(tmp_path / "d.json"))
        except InputError as error:
            return error

    result = outcome()
    assert isinstance(result, DesignPoint) or (result.rule and result.hint)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=ODD)
def test_any_file_is_a_design_or_a_refusal(document: Any, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(json.dumps(document))
    with pytest.raises(InputError):
        resolve_design(str(tmp_path / "d.json"))
