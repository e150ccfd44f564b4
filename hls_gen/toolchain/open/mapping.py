"""Leaves mapped to UltraScale+ by Yosys; each once, whoever asks and however often."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from hls_gen.errors import OpenSynthesisError
from hls_gen.toolchain.build import log_tail
from hls_gen.toolchain.open.cache import ResultCache
from hls_gen.toolchain.open.leaves import Leaf
from hls_gen.toolchain.open.mapping_script import FAMILY, mapping_commands
from hls_gen.toolchain.open.mapping_worker import ANSWER
from hls_gen.toolchain.open.netlist import Mapped
from hls_gen.toolchain.open.rtl import content_hash, sources_of
from hls_gen.toolchain.processes import OnLog, run_program
from spec.errors import ToolNotFoundError

_FORM = 1  # raised when the way cells are counted changes


def yosys_version() -> str:
    """The version of pyosys.

    Raises:
        ToolNotFoundError: it is not installed.
    """
    try:
        return metadata.version("pyosys")
    except metadata.PackageNotFoundError:
        raise ToolNotFoundError(
            "pyosys was not found, leaf RTL is mapped with it",
            field="pyosys",
            rule="the Python package pyosys (Linux wheels of Yosys)",
            hint="pip install pyosys",
        ) from None


def mapping_key(leaf: Leaf, version: str) -> str:
    """Hash of all that a mapping depends on: sources, parameters, tool version, device family, commands.

    Every UltraScale+ part has the same LUTs, carries and slices, so the family stands for the part.
    """
    inputs = {
        "form": _FORM,
        "leaf": [leaf.module, leaf.parameters],
        "sources": content_hash(sources_of(leaf.module)),
        "yosys": version,
        "family": FAMILY,
        "commands": asdict(mapping_commands(leaf, [], Path("primitives.v"), Path("netlist.json"))),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Mapping:
    """Leaves with their counts. `fresh`: how many were mapped by this call; the others were known."""

    counts: dict[Leaf, Mapped]
    fresh: int
    seconds: float


def map_leaves(
    leaves: Iterable[Leaf], cache: ResultCache, *, timeout_s: float = 1200.0, on_log: OnLog | None = None
) -> Mapping:
    """Counts of each distinct leaf. What is not in `cache` is mapped and kept, one by one, so that nothing done is lost.

    Raises:
        ToolNotFoundError: pyosys is missing.
        OpenSynthesisError: Yosys failed, or took longer than `timeout_s`.
    """
    started = time.monotonic()
    version = yosys_version()
    keys = {leaf: mapping_key(leaf, version) for leaf in sorted(set(leaves))}
    found = _known(keys, cache)
    missing = [leaf for leaf in keys if leaf not in found]
    if missing:
        with cache.locked([keys[leaf] for leaf in missing]):
            found |= _known({leaf: keys[leaf] for leaf in missing}, cache)  # another run may have made them meanwhile
            missing = [leaf for leaf in missing if leaf not in found]
            if missing:
                _map(missing, keys, cache, started + timeout_s, on_log)
                found |= _known({leaf: keys[leaf] for leaf in missing}, cache)
    return Mapping(found, len(missing), time.monotonic() - started)


def _known(keys: dict[Leaf, str], cache: ResultCache) -> dict[Leaf, Mapped]:
    documents = {leaf: cache.get(key) for leaf, key in keys.items()}
    return {leaf: Mapped(**document["mapped"]) for leaf, document in documents.items() if document is not None}


def _map(missing: list[Leaf], keys: dict[Leaf, str], cache: ResultCache, deadline: float, on_log: OnLog | None) -> None:
    by_request = {json.dumps({"module": one.module, "parameters": one.values}): one for one in missing}
    done: list[Leaf] = []

    def keep(line: str) -> None:
        if not line.startswith(ANSWER):
            return
        answer = json.loads(line[len(ANSWER) :])
        one = by_request[json.dumps(answer["leaf"])]
        cache.put(keys[one], answer | {"title": one.title})
        done.append(one)
        if on_log is not None:
            on_log(f"mapped {one.title} ({len(done)} of {len(missing)})")

    with tempfile.TemporaryDirectory(prefix="flexdse-map-") as folder:
        requests = Path(folder) / "requests"
        requests.write_text("".join(f"{request}\n" for request in by_request))
        command: list[str | Path] = [sys.executable, "-m", "hls_gen.toolchain.open.mapping_worker", requests]
        finished = run_program(command, Path(folder), deadline, keep)
    if len(done) == len(missing):
        return
    failed = next(one for one in missing if one not in done)
    reason = "took too long" if finished.timed_out else f"ended with {finished.returncode}"
    raise OpenSynthesisError(
        f"Yosys {reason} at {failed.title}:\n{log_tail(finished.output)}",
        field="backend",
        value="open",
        rule="Yosys maps every leaf",
        hint="run it again: what was mapped is kept; with a memory of less than 2 GiB free Yosys is killed",
    )


def leaf_row(leaf: Leaf, mapped: Mapped) -> dict[str, object]:
    """A leaf and its counts as a flat document."""
    return {"module": leaf.module, "parameters": leaf.values, **asdict(mapped)}
