"""Examples in the OpenAPI document: bodies that work as they stand, and the values of parameters that are no ids."""

from __future__ import annotations

from typing import Any

from spec.catalog import load_device
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import FLEXDSE_VERSION, MODEL_VERSION

_NO_TIMING = "a utilization report gives no timing: see report_timing_summary"
_NO_CYCLES = "Vivado knows no cycles of the kernel"
_WORKLOAD = {"prompt_tokens": 1024, "output_tokens": 1024}

# Operation -> body.
BODIES: dict[str, dict[str, Any]] = {
    "create_exploration": {
        "name": "Llama on the U280",
        "model": "llama-3.2-1b",
        "device": "u280",
        "workload": _WORKLOAD,
        "objectives": ["ttft_s", "tpot_s"],
        "method": "exact",
        "labels": ["first"],
    },
    "validate_exploration": {
        "model": "llama-3.2-1b",
        "device": "u280",
        "workload": _WORKLOAD,
        "space": {"fix": {"prefill.token_parallelism": 8}},
    },
    "evaluate_designs": {
        "design": "flexllm-u280",
        "model": "llama-3.2-1b",
        "device": "u280",
        "workload": _WORKLOAD,
        "columns": {"prefill.token_parallelism": [4, 8, 16]},
        "metrics": ["ttft_s", "tpot_s"],
    },
    "explain_design": {
        "design": "flexllm-u280",
        "model": "llama-3.2-1b",
        "device": "u280",
        "workload": _WORKLOAD,
        "metrics": ["ttft_s", "tpot_s"],
    },
    "compare_designs": {
        "first": "flexllm-u280",
        "second": "flexllm-u280-wide",
        "model": "llama-3.2-1b",
        "device": "u280",
        "workload": _WORKLOAD,
    },
    "compare_with_reference": {
        "design": "flexllm-u280",
        "model": "llama-3.2-1b",
        "device": "u280",
        "workload": _WORKLOAD,
        "reference": "a100-bf16",
    },
    "create_project": {
        "design": "flexllm-u280",
        "model": "llama-3.2-1b",
        "device": "u280",
        "workload": _WORKLOAD,
        "name": "FlexLLM's own design",
    },
    "create_sweep": {
        "name": "prompt lengths",
        "models": ["llama-3.2-1b"],
        "devices": ["u280", "v80"],
        "workloads": [_WORKLOAD, {"prompt_tokens": 128, "output_tokens": 1024}],
        "search": {"objectives": ["ttft_s", "tpot_s"], "method": "exact"},
    },
    "generate_project_of_front": {"index": 0, "name": "fastest first token"},
    "suggest_designs": {"count": 3, "lease_s": 86400.0},
    "tell_measurements": {
        "measurements": [
            {
                "key": "0123456789abcdef",
                "metrics": {"tpot_s": 0.0075},
                "provenance": "board",
                "source": "lab notebook, page 12",
            }
        ]
    },
    "describe_exploration": {"name": "the one for the paper", "labels": ["paper"], "note": "rerun with seed 1"},
    "describe_project": {"labels": ["board"]},
    "describe_sweep": {"note": "the night of the deadline"},
    "generate_project": {"priority": 0},
    "csim_project": {"priority": 0},
    "simulate_project": {"priority": 0},
    "synthesize_project": {"backend": "auto"},
    "issue_key": {"name": "nightly script", "scopes": ["read", "write"], "days": 30},
    "open_session": {"credential": "the token that flexdse serve printed"},
    "upload_device": {**load_device("u280").model_dump(mode="json", by_alias=True), "name": "my-card"},
    "import_report": {
        "report": {
            "schema": "flexdse/synthesis_report/v1",
            "flexdse_version": FLEXDSE_VERSION,
            "model_version": MODEL_VERSION,
            "timing_table_version": DEFAULT_TIMING_TABLE.version,
            "provenance": "post_route",
            "kind": "utilization_rpt",
            "tool": "Vivado",
            "tool_version": "2024.1",
            "part": "xcu280-fsvh2892-2L-e",
            "top": "decode",
            "clock": None,
            "latency": None,
            "interval": None,
            "resources": {"lut": 216217, "ff": 240891, "dsp": 2048, "bram_18k": 398, "uram": 12},
            "available": {"lut": 1303680, "ff": 2607360, "dsp": 9024, "bram_18k": 4032, "uram": 960},
            "available_per_slr": None,
            "timing": None,
            "power": None,
            "missing": {
                "clock": _NO_TIMING,
                "latency": _NO_CYCLES,
                "interval": _NO_CYCLES,
                "available_per_slr": "the report gives no totals of a region",
                "timing": _NO_TIMING,
                "power": "a utilization report gives no power: see report_power",
            },
        },
        "file_name": "decode_utilization.rpt",
    },
    "upload_model": {
        "name": "my-llama",
        "config": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 16,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 128256,
            "max_position_embeddings": 131072,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-5,
            "rope_theta": 500000.0,
            "tie_word_embeddings": True,
        },
    },
    "create_calibration": {
        "name": "csynth of one design",
        "measurements": [
            {
                "provenance": "csynth",
                "device": "u280",
                "model_version": "the one that predicted",
                "timing_table_version": "likewise",
                "design_key": "0123456789abcdef",
                "stage": "decode",
                "module": None,
                "metric": "dsp",
                "predicted": 1200.0,
                "measured": 1260.0,
                "source": "csynth.rpt of 2026-03-01",
            }
        ],
    },
}

# (operation, parameter) -> value.
_PARAMETERS: dict[tuple[str, str], Any] = {
    ("get_device", "name"): "u280",
    ("get_model", "name"): "llama-3.2-1b",
    ("get_design", "name"): "flexllm-u280",
    ("get_front", "columns"): "key,ttft_s,tpot_s",
    ("get_front", "fields"): "index,key,metrics",
    ("get_evaluations", "columns"): "ttft_s,tpot_s,feasible",
    ("get_evaluations", "sample"): 100_000,
}


def add_examples(document: dict[str, Any]) -> None:
    """Puts them into the document."""
    for operations in document["paths"].values():
        for operation in operations.values():
            name = operation["operationId"]
            content = operation.get("requestBody", {}).get("content", {})
            if name in BODIES:
                content["application/json"]["example"] = BODIES[name]
            for parameter in operation.get("parameters", ()):
                if (name, parameter["name"]) in _PARAMETERS:
                    parameter["example"] = _PARAMETERS[name, parameter["name"]]
