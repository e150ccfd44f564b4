from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from spec import catalog
from spec.exploration_result import FrontEntry
from spec.metrics import METRICS
from workers.tasks.front_table import write_front


def test_front_comes_back_from_the_stream(tmp_path: Path) -> None:
    design = catalog.load_design("flexllm-u280")
    front = [
        FrontEntry(design=design, metrics={"ttft_s": 1.5, "quality": None}),
        FrontEntry(design=catalog.load_design("flexllm-u280-wide"), metrics={"ttft_s": 1.25}),
    ]
    entry = write_front(front, ["fits", "within_band"], tmp_path)
    assert entry == {"path": "front.arrow", "media_type": "application/vnd.apache.arrow.stream"}
    with pa.ipc.open_stream((tmp_path / "front.arrow").read_bytes()) as reader:
        table = reader.read_all()
    assert table.column("index").to_pylist() == [0, 1]
    assert table.column("key").to_pylist() == [each.design.canonical_key() for each in front]
    assert table.column("fit").to_pylist() == ["fits", "within_band"]
    assert table.column("ttft_s").to_pylist() == [1.5, 1.25]
    assert table.column("quality").to_pylist() == [None, None]
    assert {str(table.schema.field(name).type) for name in METRICS} == {"double"}
    document = json.loads(design.model_dump_json())
    assert table.column("prefill.token_parallelism")[0].as_py() == document["prefill"]["token_parallelism"]
    assert table.column("clock_target_mhz.decode")[0].as_py() == document["clock_target_mhz"]["decode"]


def test_empty_front_is_a_table_too(tmp_path: Path) -> None:
    write_front([], [], tmp_path)
    with pa.ipc.open_stream((tmp_path / "front.arrow").read_bytes()) as reader:
        table = reader.read_all()
    assert (table.num_rows, table.column_names) == (0, ["index", "key", "fit", *METRICS])
