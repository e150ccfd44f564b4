"""The real search behind the real service: request, live progress, front, report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from flexdse.serve import start_background

# Small dimensions have few divisors: the smallest space that is still a real one.
TINY = {
    "name": "tiny",
    "title": "Tiny",
    "hidden_dim": 256,
    "n_layers": 2,
    "n_q_heads": 4,
    "n_kv_heads": 4,
    "head_dim": 64,
    "ffn_dim": 256,
    "vocab_size": 1024,
    "max_context_tokens": 2048,
    "tied_embeddings": True,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
}


def test_exact_exploration(tmp_path: Path, read_events: Callable[[httpx.Response], Iterator[dict[str, Any]]]) -> None:
    body = {
        "model": TINY,
        "device": "u280",
        "workload": {"prompt_tokens": 128, "output_tokens": 128},
        "objectives": ["ttft_s", "tpot_s"],
        "space": {"fix": {"prefill.token_parallelism": 8, "prefill.key_parallelism": 8}},
    }
    with (
        start_background(home=tmp_path / "home", port=0, log=tmp_path / "log") as service,
        httpx.Client(base_url=service.url, headers=service.address.headers, timeout=60) as client,
    ):
        path = client.post("/api/v1/explorations", json=body).headers["Location"]
        with client.stream("GET", f"{path}/events") as stream:
            events = list(read_events(stream))
        assert events[-1]["event"] == "done"
        assert events[-1]["data"]["state"] == "succeeded", events[-1]
        progress = [event["data"] for event in events if event["event"] == "progress"]
        assert len(progress) >= 3
        assert progress[-1]["evaluations"] == progress[-1]["total"]
        assert all(len(point) == 2 for point in progress[-1]["front"])
        done = client.get(path).json()
        assert done["record"]["exact"]
        assert done["front_size"] >= 1
        front = client.get(f"{path}/front").json()
        assert len(front["entries"]) == done["front_size"]
        report = client.get(f"{path}/front/0/report").json()
        assert report["violations"] == []
        assert report["metrics"] == front["entries"][0]["metrics"]
