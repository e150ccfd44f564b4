"""Pricing many designs: against the pricing of one, and against everything that is no table of designs."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from api.media import ARROW_STREAM, CSV, PARQUET
from spec.metrics import METRICS

Check = Callable[..., Any]
EVALUATE = "/api/v1/designs:evaluate"
SETTING: dict[str, Any] = {
    "design": "flexllm-u280",
    "model": "llama-3.2-1b",
    "device": "u280",
}
WORKLOAD = {"prompt_tokens": 128, "output_tokens": 128}
QUERY = {**SETTING, **WORKLOAD}
COLUMNS = {"prefill.token_parallelism": [4, 8, 16, 64], "decode.weight_parallelism": [16, 32, 64, 128]}


def stream_of(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, **options) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def send(service: Any, content: bytes, accept: str | None = None, **query: Any) -> Any:
    headers = {"Content-Type": ARROW_STREAM} | ({"Accept": accept} if accept is not None else {})
    return service.client.post(EVALUATE, params={**QUERY, **query}, content=content, headers=headers)


def table_of(answer: Any) -> pa.Table:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == ARROW_STREAM
    return pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()


def test_a_batch_is_its_designs_one_by_one(service: Any) -> None:
    """Bit for bit, also those that do not fit the card."""
    base = service.client.get("/api/v1/designs/flexllm-u280").json()["design"]
    designs = [
        {**base, "prefill": {**base["prefill"], "token_parallelism": tokens}}
        for tokens in COLUMNS["prefill.token_parallelism"]
    ]
    alone = [
        service.client.post(EVALUATE, json={**SETTING, "design": design, "workload": WORKLOAD}).json()
        for design in designs
    ]
    body = {"model": SETTING["model"], "device": SETTING["device"], "designs": designs, "workload": WORKLOAD}
    together = service.client.post(EVALUATE, json=body).json()
    assert together["rows"] == len(designs)
    for name in METRICS:
        assert together["columns"][name] == [one["metrics"][name] for one in alone], name
    assert together["columns"]["feasible"] == [not one["violations"] for one in alone]
    assert set(together["missing"]) == {name for name, value in alone[0]["metrics"].items() if value is None}


def test_columns_as_json_and_as_arrow_say_the_same(service: Any) -> None:
    as_json = service.client.post(EVALUATE, json={**SETTING, "workload": WORKLOAD, "columns": COLUMNS}).json()
    as_arrow = table_of(send(service, stream_of(pa.table(COLUMNS))))
    assert as_arrow.column_names == [*METRICS, "feasible", "excess"]
    assert as_json["columns"] == as_arrow.to_pydict()


def test_columns_mean_what_their_names_say(service: Any) -> None:
    """A search's own design, sent by its parameters, is priced as the search priced it: memory is spread alike."""
    space_design = service.client.get("/api/v1/designs/flexllm-u280").json()["design"]
    table = table_of(send(service, stream_of(pa.table({"prefill.token_parallelism": [1, 2, 4, 8, 16]}))))
    latency = table.column("prefill_latency_s").to_pylist()
    assert latency == sorted(latency, reverse=True)
    assert len(set(latency)) == len(latency)
    assert space_design["prefill"]["token_parallelism"] == 8
    tpot = table.column("tpot_s").to_pylist()
    assert len(set(tpot)) == 1  # prefill parameters do not touch decode


@pytest.mark.parametrize("n", [1, 1000, 70_000])
def test_rows_keep_their_order_at_any_number(service: Any, n: int) -> None:
    rng = np.random.default_rng(n)
    tokens = rng.integers(1, 33, n, dtype=np.int32)
    table = table_of(
        send(service, stream_of(pa.table({"prefill.token_parallelism": tokens})), metrics="prefill_latency_s")
    )
    assert table.column_names == ["prefill_latency_s", "feasible", "excess"]
    found = table.column("prefill_latency_s").to_numpy()
    by_tokens = {value: found[tokens == value] for value in np.unique(tokens)}
    assert all(len(np.unique(values)) == 1 for values in by_tokens.values())
    assert len(np.unique(found)) > len(by_tokens) // 2  # some numbers of tokens come to the same


def test_media_types(service: Any) -> None:
    content = stream_of(pa.table(COLUMNS))
    expected = table_of(send(service, content, "*/*")).to_pydict()
    read = {
        PARQUET: lambda answer: parquet.read_table(io.BytesIO(answer.content)).to_pydict(),
        CSV: lambda answer: csv.read_csv(io.BytesIO(answer.content)).to_pydict(),
        "application/json": lambda answer: answer.json()["columns"],
    }
    for media_type, reader in read.items():
        answer = send(service, content, media_type)
        assert answer.headers["content-type"].startswith(media_type)
        assert answer.headers["vary"] == "Accept"
        found = reader(answer)
        assert set(found) == set(expected)
        assert found["tpot_s"] == pytest.approx(expected["tpot_s"], rel=1e-15)
    json_body = {**SETTING, "workload": WORKLOAD, "columns": COLUMNS}
    answer = service.client.post(EVALUATE, json=json_body, headers={"Accept": ARROW_STREAM})
    assert table_of(answer).to_pydict() == expected


def test_media_type_that_is_not_there(service: Any, assert_problem: Check) -> None:
    for accept in ("application/xml", "text/*;q=0", "image/png, text/html;q=0.5"):
        assert_problem(send(service, stream_of(pa.table(COLUMNS)), accept), 406, "not_acceptable", "Accept")


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"prefill.tokens": [1]}, "columns.prefill.tokens"),
        ({"prefill.token_parallelism": [0, 1]}, "columns.prefill.token_parallelism"),
        ({"prefill.token_parallelism": [-5]}, "columns.prefill.token_parallelism"),
        ({"prefill.token_parallelism": [70_000]}, "columns.prefill.token_parallelism"),
        ({"prefill.token_parallelism": [1.5]}, "columns.prefill.token_parallelism"),
        ({"prefill.token_parallelism": [True]}, "columns.prefill.token_parallelism"),
        ({"prefill.token_parallelism": ["8"]}, "columns.prefill.token_parallelism"),
        ({"prefill.token_parallelism": [None, 8]}, "columns.prefill.token_parallelism"),
        ({"prefill.token_parallelism": pa.array([], pa.int8())}, "columns"),
        ({"clock_target_mhz.prefill": [float("nan")]}, "columns.clock_target_mhz.prefill"),
        ({"clock_target_mhz.prefill": [float("inf")]}, "columns.clock_target_mhz.prefill"),
        ({"clock_target_mhz.decode": [0.0]}, "columns.clock_target_mhz.decode"),
        ({"decode.weight_port_bits": [100]}, "columns.decode.weight_port_bits"),
        ({"decode.block_parallelism": [65_536], "decode.weight_parallelism": [65_536]}, "columns"),
        ({"decode.head_parallelism": [2**16]}, "columns"),
        ({"prefill.ffn_weight_blocks": [2**16]}, "columns"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value),  # an Arrow array prints its address
)
def test_bad_columns(service: Any, assert_problem: Check, columns: dict[str, Any], field: str) -> None:
    answer = send(service, stream_of(pa.table(columns)))
    code = "unknown_name" if "tokens" in field else "bad_input"
    error = assert_problem(answer, 422, code, field)
    assert error["hint"]


@pytest.mark.parametrize("left_out", ["design", "model", "device", "prompt_tokens", "output_tokens"])
def test_something_is_not_said(service: Any, assert_problem: Check, left_out: str) -> None:
    query = {name: value for name, value in QUERY.items() if name != left_out}
    headers = {"Content-Type": ARROW_STREAM}
    answer = service.client.post(EVALUATE, params=query, content=stream_of(pa.table(COLUMNS)), headers=headers)
    assert_problem(answer, 422, "bad_input", left_out)


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ({"model": "llama"}, "unknown_name", "model"),
        ({"device": "/etc/passwd"}, "unknown_name", "device"),
        ({"design": "../x"}, "unknown_name", "design"),
        ({"metrics": "speed"}, "unknown_name", "metrics"),
        ({"prompt_tokens": 10**6}, "bad_input", "workload"),
        ({"prompt_tokens": 0}, "bad_input", "prompt_tokens"),
    ],
)
def test_bad_query(service: Any, assert_problem: Check, query: dict[str, Any], code: str, field: str) -> None:
    assert_problem(send(service, stream_of(pa.table(COLUMNS)), **query), 422, code, field)


def nested() -> bytes:
    return stream_of(pa.table({"prefill": pa.array([{"token_parallelism": 8}])}))


def twice() -> bytes:
    column = pa.array([1])
    return stream_of(pa.Table.from_arrays([column, column], names=["prefill.token_parallelism"] * 2))


def compressed(codec: str) -> bytes:
    """A megabyte of zeros in a few bytes."""
    table = pa.table({"prefill.token_parallelism": np.zeros(2**17, dtype=np.int64)})
    return stream_of(table, options=pa.ipc.IpcWriteOptions(compression=codec))


WHOLE = stream_of(pa.table({"prefill.token_parallelism": list(range(1, 100))}))
BROKEN = {
    "nothing": b"",
    "text": b"prefill.token_parallelism\n8\n",
    "json": b'{"prefill.token_parallelism": [8]}',
    "cut short": WHOLE[: len(WHOLE) // 2],
    "schema only": WHOLE[:40],
    "damaged": WHOLE[:60] + b"\xff" * 40 + WHOLE[100:],
    "nested": nested(),
    "twice": twice(),
    "zstd": compressed("zstd"),
    "lz4": compressed("lz4"),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_is_no_table(service: Any, assert_problem: Check, content: bytes) -> None:
    answer = send(service, content)
    assert answer.status_code in (400, 422), answer.text
    assert_problem(answer, answer.status_code, answer.json()["type"].rpartition(":")[2])


def test_damage_anywhere_is_refused_or_priced_but_never_an_error_of_the_server(service: Any) -> None:
    rng = np.random.default_rng(7)
    for _ in range(60):
        content = bytearray(WHOLE)
        for place in rng.integers(0, len(content), 3):
            content[place] ^= int(rng.integers(1, 256))
        assert send(service, bytes(content)).status_code in (200, 400, 422)


def test_too_many_rows(service: Any, assert_problem: Check) -> None:
    table = pa.table({"prefill.token_parallelism": np.ones(1_000_001, dtype=np.int8)})
    error = assert_problem(send(service, stream_of(table)), 422, "bad_input", "body")
    assert "1000000" in error["rule"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"design": None}, "design"),
        ({"designs": ["flexllm-u280"]}, "design"),
        ({"designs": []}, "designs"),
        ({"design": None, "columns": COLUMNS}, "design"),
        ({"metrics": ["tpot_s"]}, "metrics"),
        ({"columns": {"prefill.token_parallelism": [4, 8], "decode.weight_parallelism": [16]}}, "columns"),
        ({"columns": {"prefill.token_parallelism": [1.5]}}, "columns.prefill.token_parallelism"),
    ],
)
def test_bad_json_batch(service: Any, assert_problem: Check, changes: dict[str, Any], field: str) -> None:
    body = {**SETTING, "workload": WORKLOAD, **changes}
    assert_problem(service.client.post(EVALUATE, json=body), 422, "bad_input", field)


def test_query_beside_a_json_body_is_refused(service: Any, assert_problem: Check) -> None:
    body = {**SETTING, "workload": WORKLOAD}
    assert_problem(
        service.client.post(EVALUATE, json=body, params={"model": "smollm2-135m"}), 422, "bad_input", "model"
    )


def test_arrow_goes_to_no_other_route(service: Any, assert_problem: Check) -> None:
    headers = {"Content-Type": ARROW_STREAM}
    answer = service.client.post("/api/v1/explorations", content=stream_of(pa.table(COLUMNS)), headers=headers)
    assert_problem(answer, 415, "unsupported_media_type", "Content-Type")


def test_evaluations_are_counted(service: Any) -> None:
    def count() -> float:
        line = next(
            x for x in service.client.get("/metrics").text.splitlines() if x.startswith("flexdse_api_evaluations_total")
        )
        return float(line.split()[1])

    before = count()
    send(service, stream_of(pa.table(COLUMNS)))
    assert count() == before + 4
