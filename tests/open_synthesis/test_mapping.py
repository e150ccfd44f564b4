"""Mapping by Yosys: counts, and that nothing is mapped twice, whoever asks and whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from hls_gen.toolchain.open import mapping
from hls_gen.toolchain.open.cache import ResultCache
from hls_gen.toolchain.open.leaves import Leaf, leaf, tile_parts
from hls_gen.toolchain.open.mapping import map_leaves, mapping_key
from hls_gen.toolchain.open.netlist import Mapped
from hls_gen.toolchain.open.totals import drain_counts
from spec.errors import ToolNotFoundError
from spec.library_memories import bram18_blocks, uram_blocks
from spec.library_units import DSP2_PACKED

TILE = leaf("mac_tile", ROWS=2, COLUMNS=4, KIND=DSP2_PACKED, X_BITS=4, X_SIGNED=0, W_BITS=4, ACC=19)
BUFFER = leaf("buffer_1w1r", WIDTH=64, DEPTH=1024, ULTRA=0)
ULTRA = leaf("buffer_1w1r", WIDTH=72, DEPTH=5000, ULTRA=1)
DRAIN = leaf("drain_row", COLUMNS=5, ACC=7)
WAIT_S = 120.0


def test_counts(cache: ResultCache) -> None:
    parts = tile_parts(TILE)
    drain = next(one for one in parts if one.module == "drain_row")
    done = map_leaves([TILE, *parts, BUFFER, ULTRA, DRAIN], cache)
    assert done.fresh == 1 + len(parts) + 3
    counts = done.counts

    # The DSP packing: the element is a slice and nothing else; two products a slice.
    element = counts[next(one for one in parts if one.module == "mac_pair_packed")]
    assert (element.dsp, element.lut_cells, element.ff) == (1, 0, 0)
    assert counts[TILE].dsp == TILE.dsp == 4

    # An array is its parts, but for control bits that do not grow with it.
    composed = Mapped()
    for part, number in parts.items():
        composed += counts[part].times(number)
    assert abs(counts[TILE].lut_cells - composed.lut_cells) <= 4
    assert abs(counts[TILE].ff - composed.ff) <= 6
    assert drain_counts(drain) == counts[drain]
    assert drain_counts(DRAIN) == counts[DRAIN]

    # Memories by Yosys' own rules are those of ours.
    assert counts[BUFFER].bram_18k == bram18_blocks(1024, 64) == 4
    assert counts[ULTRA].uram == uram_blocks(5000, 72) == 2

    again = map_leaves([TILE, BUFFER], cache)
    assert again.fresh == 0
    assert again.counts[TILE] == counts[TILE]


def test_the_key_holds_all_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    key = mapping_key(BUFFER, "0.70")
    assert mapping_key(BUFFER, "0.71") != key
    assert mapping_key(leaf("buffer_1w1r", WIDTH=64, DEPTH=1025, ULTRA=0), "0.70") != key
    assert mapping_key(leaf("buffer_1w1r", ULTRA=0, DEPTH=1024, WIDTH=64), "0.70") == key  # order of parameters
    monkeypatch.setattr(mapping, "FAMILY", "xc7")
    assert mapping_key(BUFFER, "0.70") != key
    monkeypatch.undo()
    monkeypatch.setattr(mapping, "content_hash", lambda _paths: "other sources")
    assert mapping_key(BUFFER, "0.70") != key


def test_folders_and_locks_are_their_users_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        cache = ResultCache(tmp_path / "synthesis")
        with cache.locked(["ab12"]):
            cache.put("ab12", {"lut": 1})
    finally:
        os.umask(before)
    made = [cache.folder, *cache.folder.rglob("*")]
    assert len(made) == 4
    assert {path.stat().st_mode & 0o077 for path in made} == {0}


def test_a_damaged_entry_is_not_believed(cache: ResultCache) -> None:
    document = {"mapped": asdict(Mapped(lut_cells=3))}
    cache.put("ab" * 32, document)
    path = cache.folder / "ab" / f"{'ab' * 32}.json"
    assert cache.get("ab" * 32) == document
    for damage in ("", "{", json.dumps({"sha256": "0" * 64, "document": document}), json.dumps([]),
                   path.read_text().replace('"lut_cells": 3', '"lut_cells": 4')):  # fmt: skip
        path.write_text(damage)
        assert cache.get("ab" * 32) is None
    cache.put("ab" * 32, document)
    assert cache.get("ab" * 32) == document


def test_an_entry_that_could_not_be_written_leaves_nothing(cache: ResultCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        cache.put("cd" * 32, {"mapped": {}})
    assert str(caught.value.filename).startswith(
        str(cache.folder)
    )  # the full disk is that of the cache, not the project's
    assert cache.get("cd" * 32) is None
    assert [p for p in cache.folder.rglob("*") if p.is_file()] == []


_CHILD = """
import sys
from pathlib import Path
from hls_gen.toolchain.open.cache import ResultCache
from hls_gen.toolchain.open.leaves import leaf
from hls_gen.toolchain.open.mapping import map_leaves
leaves = [leaf("value_range"), leaf("round_to_integer", BITS=3, SIGNED=1)]
done = map_leaves(leaves, ResultCache(Path(sys.argv[1])), on_log=lambda line: print(line, flush=True))
print("fresh", done.fresh, flush=True)
"""


def _child(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(folder)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def _descendants(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(entry.parent.name))
    return found


def test_two_runs_map_each_leaf_once_and_a_killed_one_loses_only_what_it_was_at(tmp_path: Path) -> None:
    folder = tmp_path / "leaves"
    killed = _child(folder)
    assert killed.stdout is not None
    assert "mapped round_to_integer" in killed.stdout.readline()  # the first of two is kept
    tools = _descendants(killed.pid)
    assert tools
    waiting = _child(folder)  # waits for the locks, if Yosys is not through with the second
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait(WAIT_S)
    deadline = time.monotonic() + WAIT_S
    while any(_alive(tool) for tool in tools):
        assert time.monotonic() < deadline, "Yosys outlived its runner"
        time.sleep(0.05)
    output, _ = waiting.communicate(timeout=WAIT_S)
    assert waiting.returncode == 0
    mapped = [line for line in output.splitlines() if line.startswith("mapped")]
    assert output.splitlines()[-1] == f"fresh {len(mapped)}"
    assert not any("round_to_integer" in line for line in mapped)
    assert not list(folder.rglob("*.partial"))
    leaves: list[Leaf] = [leaf("value_range"), leaf("round_to_integer", BITS=3, SIGNED=1)]
    assert map_leaves(leaves, ResultCache(folder)).fresh == 0


def test_without_pyosys(monkeypatch: pytest.MonkeyPatch, cache: ResultCache) -> None:
    def missing(name: str) -> str:
        raise mapping.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(mapping.metadata, "version", missing)
    with pytest.raises(ToolNotFoundError) as caught:
        map_leaves([BUFFER], cache)
    assert "pip install pyosys" in str(caught.value.hint)
