"""kill -9 of a live search, exact and sampled: what is started again goes on and ends with the same result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dse.checkpoint import MAGIC, Checkpoint
from dse.exact import ExactSearch
from dse.explore import explore, journal_header, search_arms
from dse.journal import MAGIC as JOURNAL_MAGIC
from dse.objectives import Goals
from dse.progress import Reporter, SearchStopped
from spec.catalog import load_device, load_model
from spec.errors import FlexDSEError, InputError
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationProgress, ExplorationResult
from spec.space_overrides import SpaceOverrides
from spec.workload import Workload

PATIENCE_S = 120.0

# Small blocks and no pauses between checkpoints, so that there is something to kill; the results do not depend on either.
SCRIPT = """
import sys
from pathlib import Path
import dse.checkpoint, dse.exact
dse.checkpoint.MIN_INTERVAL_S, dse.checkpoint.MAX_WRITING, dse.exact.BLOCK_DESIGNS = 0.0, 1e9, 1000
from dse.explore import explore
from spec.exploration import ExplorationRequest
request = ExplorationRequest.model_validate_json(Path(sys.argv[1]).read_text())
result = explore(request, journal=Path(sys.argv[2]))
Path(sys.argv[3]).write_text(result.model_dump_json(by_alias=True))
"""


def request(method: str, budget: int = 1_000) -> ExplorationRequest:
    return ExplorationRequest(
        model=load_model("smollm2-135m"),
        device=load_device("u280"),
        workload=Workload(prompt_tokens=256, output_tokens=64),
        method=method,
        budget=budget,
        floorplan=False,
        space=SpaceOverrides(
            restrict={
                "prefill.token_parallelism": (2, 4),
                "prefill.ffn_weight_parallelism": (16, 32),
                "prefill.qkvo_weight_parallelism": (8, 16),
                "decode.block_parallelism": (2, 4),
                "decode.weight_parallelism": (16, 32),
            },
            fix={"decode.weight_port_bits": 256},
        ),
    )


def same(a: ExplorationResult, b: ExplorationResult) -> bool:
    """All but the clock."""
    timeless = {"seconds", "designs_per_s", "proof"}
    records = [one.record.model_dump(exclude=timeless) for one in (a, b)]
    return a.front == b.front and records[0] == records[1]


@pytest.mark.parametrize("method", ["exact", "nsga2"])
def test_kill_9_loses_nothing(method: str, tmp_path: Path) -> None:
    wanted, journal, out = request(method), tmp_path / "search.journal", tmp_path / "result.json"
    (tmp_path / "request.json").write_text(wanted.model_dump_json(by_alias=True))
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "request.json"), str(journal), str(out)]
    header = 20_000  # the first line holds the request
    victim = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while not (journal.exists() and journal.stat().st_size > header):
        assert victim.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(victim.pid, signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert not out.exists()
    subprocess.run(command, check=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
    resumed = ExplorationResult.model_validate_json(out.read_text())
    assert same(resumed, explore(wanted))
    assert list(tmp_path.glob(".*")) == []  # no half-written file stays


def test_a_stopped_exact_search_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every block in turn; what was priced before is not priced again: the state is written when it is stopped."""
    monkeypatch.setattr("dse.checkpoint.MIN_INTERVAL_S", 1e9)
    monkeypatch.setattr("dse.exact.BLOCK_DESIGNS", 2_500)
    monkeypatch.setattr("dse.progress.MIN_INTERVAL_S", 0.0)
    whole, path = explore(request("exact")), tmp_path / "exact.checkpoint"
    seen: list[int] = []
    for _ in range(40):
        fresh: list[int] = []

        def stop(fresh: list[int] = fresh) -> bool:
            return len(fresh) > 0

        def remember(progress: ExplorationProgress, fresh: list[int] = fresh) -> None:
            if progress.detail is None:  # it prices
                fresh.append(progress.evaluations)

        try:
            found = explore(request("exact"), on_progress=remember, should_stop=stop, journal=path)
            break
        except SearchStopped:
            seen += fresh
    assert same(found, whole)
    assert len(seen) > 3
    assert seen == sorted(set(seen)), "each start goes on behind the last"


def test_checkpoints_of_other_searches_and_files_are_refused(tmp_path: Path) -> None:
    path, header = tmp_path / "exact.checkpoint", journal_header(request("exact"))
    explore(request("exact"), journal=path)
    assert path.read_bytes().startswith(MAGIC)
    with pytest.raises(InputError, match="model_version differs"):
        Checkpoint(path, {**header, "model_version": "next"})
    with pytest.raises(InputError, match="no journal"):
        explore(request("nsga2"), journal=path)
    sampled = tmp_path / "sampled.journal"
    explore(request("random", 100), journal=sampled)
    with pytest.raises(InputError, match="no checkpoint"):
        explore(request("exact"), journal=sampled)
    path.write_bytes(path.read_bytes()[:-2000])  # a disk that lost the end
    with pytest.raises(InputError, match="no checkpoint"):
        explore(request("exact"), journal=path)
    held = Checkpoint(tmp_path / "held", header)
    with pytest.raises(FlexDSEError, match="another process"):
        Checkpoint(tmp_path / "held", header)
    held.close()
    assert not (tmp_path / "held").exists()  # nothing was written: nothing stays
    with pytest.raises(FlexDSEError, match="cannot write"):
        Checkpoint(tmp_path / "exact.checkpoint" / "below", header)


def test_a_checkpoint_with_lost_or_flipped_bytes_is_refused_or_whole(tmp_path: Path) -> None:
    path = tmp_path / "one"
    state = {"rows": np.arange(40), "names": np.array(["a", "b"])}
    checkpoint = Checkpoint(path, {"search": 1})
    checkpoint.put("prefill", lambda: state, force=True)
    checkpoint.close()
    content = path.read_bytes()
    first_line = content.index(b"\n") + 1
    random = np.random.default_rng(5)
    broken = [content[:first_line], *(content[:cut] for cut in random.integers(1, len(content), 60))]
    for place in random.integers(0, len(content), 240):
        flipped = content[place] ^ (1 << int(random.integers(8)))
        broken.append(content[:place] + bytes([flipped]) + content[place + 1 :])
    refused = 0
    for damaged in broken:
        path.write_bytes(damaged)
        try:
            opened = Checkpoint(path, {"search": 1})
        except InputError:
            refused += 1
            continue
        read = opened.state("prefill")
        opened.close()
        assert read is not None
        assert all(np.array_equal(read[name], array) for name, array in state.items())
    assert refused > 100  # the rest hit padding and dates of the zip format


def test_a_damaged_first_line_is_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    explore(request("random", 60), journal=path)
    content = path.read_bytes()
    for broken in (
        content.replace(b'"budget"', b'"budget', 1),
        content.replace(b"{", b"\xff", 1),
        JOURNAL_MAGIC + b"7\n",
    ):
        if broken == content:
            continue
        path.write_bytes(broken)
        with pytest.raises(InputError, match="is damaged"):
            explore(request("random", 60), journal=path)


def test_a_checkpoint_holds_the_whole_state_of_a_stage(tmp_path: Path) -> None:
    """Also where the counter gave up and where designs were boxed: arrays in, the same arrays out."""
    wanted = request("exact").model_copy(update={"objectives": ("power_w", "ttft_s")})
    goals, arms, path = Goals.of_request(wanted), search_arms(wanted), tmp_path / "one"
    checkpoint = Checkpoint(path, {})
    first = ExactSearch(arms, goals, Reporter(None, None, 1), checkpoint).front()
    checkpoint.close()
    opened = Checkpoint(path, {})
    again = ExactSearch(arms, goals, Reporter(None, None, 1), opened).front()
    opened.close()
    for stage in ("prefill", "decode"):
        one, two = (getattr(front.arms[0], stage).state() for front in (first, again))
        assert all(np.array_equal(one[name], two[name]) for name in one)
    assert np.array_equal(first.values, again.values)
    assert first.space_size == again.space_size
