from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spec import catalog
from spec.catalog import PublishedDesign
from spec.device import Device
from spec.model_config import ModelConfig

KINDS = {"devices": Device, "models": ModelConfig, "designs": PublishedDesign}


@pytest.mark.parametrize("kind", KINDS)
def test_lists_hold_the_catalog(service: Any, kind: str) -> None:
    items = service.client.get(f"/api/v1/{kind}").json()["items"]
    assert [item["name"] for item in items] == list(catalog.names(kind))  # type: ignore[arg-type]
    assert all(item["title"] for item in items)


@pytest.mark.parametrize("kind", KINDS)
def test_documents_come_as_they_are(service: Any, kind: str) -> None:
    for name in catalog.names(kind):  # type: ignore[arg-type]
        document = service.client.get(f"/api/v1/{kind}/{name}").json()
        assert KINDS[kind].model_validate(document).name == name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "wrong", "right"), [("devices", "u28O", "u280"), ("models", "llama-3.2-1", "llama-3.2-1b")]
)
def test_unknown_name_offers_the_nearest(
    service: Any, assert_problem: Callable[..., Any], kind: str, wrong: str, right: str
) -> None:
    error = assert_problem(service.client.get(f"/api/v1/{kind}/{wrong}"), 404, "not_found", kind.removesuffix("s"))
    assert right in error["hint"]


@pytest.mark.parametrize("name", ["..%2F..%2Fsecret", "%2Fetc%2Fpasswd", "u280.yaml"])
def test_names_are_no_paths(service: Any, assert_problem: Callable[..., Any], name: str) -> None:
    assert_problem(service.client.get(f"/api/v1/devices/{name}"), 404, "not_found")


def evaluation(**changes: Any) -> dict[str, Any]:
    body = {"design": "flexllm-u280", "model": "llama-3.2-1b", "device": "u280"}
    return {**body, "workload": {"prompt_tokens": 1024, "output_tokens": 1024}, **changes}


def test_evaluate_by_names_and_by_documents(service: Any) -> None:
    by_name = service.client.post("/api/v1/designs:evaluate", json=evaluation())
    assert by_name.status_code == 200
    document = by_name.json()
    assert document["provenance"] == "analytical"
    assert document["violations"] == []
    assert document["metrics"]["tpot_s"] == pytest.approx(0.00694, rel=0.08)  # FlexLLM's measured decode
    whole = evaluation(
        design=catalog.load_design("flexllm-u280").model_dump(mode="json", by_alias=True),
        model=service.client.get("/api/v1/models/llama-3.2-1b").json(),
        device=service.client.get("/api/v1/devices/u280").json(),
    )
    by_document = service.client.post("/api/v1/designs:evaluate", json=whole)
    assert by_document.json() == document


def test_evaluate_agrees_with_the_contract(service: Any) -> None:
    from api.designs.schemas import Evaluation

    Evaluation.model_validate(service.client.post("/api/v1/designs:evaluate", json=evaluation()).json())


def test_what_does_not_fit_is_an_answer(service: Any) -> None:
    design = catalog.load_design("flexllm-u280").model_dump(mode="json", by_alias=True)
    design["prefill"]["token_parallelism"] *= 16
    answer = service.client.post("/api/v1/designs:evaluate", json=evaluation(design=design))
    assert answer.status_code == 200
    violations = answer.json()["violations"]
    assert violations
    assert all(violation["demand"] > violation["bound"] for violation in violations)
    assert all(violation["levers"] or violation["partial_levers"] for violation in violations)


CONFIG_JSON = {
    "model_type": "llama",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "num_hidden_layers": 16,
    "vocab_size": 128256,
    "head_dim": 64,
    "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
}


def test_evaluate_takes_a_config_json(service: Any) -> None:
    answer = service.client.post("/api/v1/designs:evaluate", json=evaluation(model=CONFIG_JSON))
    assert answer.status_code == 200, answer.text
    assert answer.json()["inputs"]["model"] == "uploaded-model"


BAD_EVALUATIONS = [
    ({"design": "flexllm-u28"}, "unknown_name", "design", "flexllm-u280"),
    ({"design": "/etc/passwd"}, "unknown_name", "design", ""),
    ({"model": "llama-3.2"}, "unknown_name", "model", "llama-3.2-1b"),
    ({"device": "u28"}, "unknown_name", "device", "u280"),
    ({"device": {"schema": "flexdse/device/v1"}}, "bad_input", "device.name", "add it"),
    ({"model": {**CONFIG_JSON, "hidden_size": 10**12}}, "bad_input", "model.hidden_size", ""),
    ({"model": {**CONFIG_JSON, "num_local_experts": 8}}, "unsupported_model", "model.num_local_experts", "dense"),
    ({"workload": {"prompt_tokens": 0, "output_tokens": 1}}, "bad_input", "workload.prompt_tokens", ""),
    ({"workload": {"prompt_token": 1, "output_tokens": 1}}, "bad_input", None, "prompt_tokens"),
    ({"workload": {"prompt_tokens": 10**6, "output_tokens": 10**6}}, "bad_input", "workload", "shorten"),
    ({"desing": "flexllm-u280"}, "bad_input", "desing", "design"),
]


@pytest.mark.parametrize(("changes", "code", "field", "hint"), BAD_EVALUATIONS)
def test_bad_input_names_field_rule_and_way_out(
    service: Any, assert_problem: Callable[..., Any], changes: Any, code: str, field: str | None, hint: str
) -> None:
    answer = service.client.post("/api/v1/designs:evaluate", json=evaluation(**changes))
    error = assert_problem(answer, 422, code, field)
    assert hint in str(error)
