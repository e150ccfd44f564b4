"""The files of `explore --out`: complete, the same for the same seed, usable, and never half-written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flexdse import exploration_files
from flexdse.front_door import Exploration
from spec.errors import FlexDSEError
from spec.metrics import METRICS

Run = Callable[..., Any]
Files = Callable[[Path], dict[str, bytes | None]]

NAMES = ["exploration.json", "front.json", "front.parquet", "report.html"]
RANDOM = ("--method", "random", "--budget", 50, "--seed", 7)


@pytest.fixture
def saved(found: Exploration, tmp_path: Path) -> Path:
    """A small front on disk."""
    return found.save(tmp_path / "new folder" / "results")


def test_all_files_and_no_others(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == NAMES
    assert list(saved.parent.iterdir()) == [saved]
    umask = os.umask(0o022)
    os.umask(umask)
    assert saved.stat().st_mode & 0o777 == 0o777 & ~umask
    assert {path.stat().st_mode & 0o777 for path in saved.iterdir()} == {0o666 & ~umask}


def test_files_agree(saved: Path) -> None:
    front = json.loads((saved / "front.json").read_text())
    document = json.loads((saved / "exploration.json").read_text())
    frame = pd.read_parquet(saved / "front.parquet")
    page = (saved / "report.html").read_text()
    assert list(document) == ["schema", "flexdse_version", "model_version", "timing_table_version", "request",
                              "front_size", "space_size", "hypervolume", "record", "quality", "front_sha256"]  # fmt: skip
    assert [one["scheme"] for one in document["quality"]] == list(
        dict.fromkeys(entry["design"]["quant_scheme"]["name"] for entry in front)
    )
    assert document["front_size"] == len(front) == len(frame) > 0
    assert document["request"]["seed"] == 7
    assert document["request"]["budget"] == document["record"]["evaluations"] == 50
    assert document["space_size"] > 10**9
    volume, record = document["hypervolume"], document["record"]
    assert 0 < volume <= record["exact_hypervolume"] if volume is not None else record["missing"]["hypervolume"]
    for entry, (_, row) in zip(front, frame.iterrows(), strict=True):
        assert list(entry) == ["design", "metrics"]
        assert list(entry["metrics"]) == list(METRICS)
        assert row["quant_scheme.name"] == entry["design"]["quant_scheme"]["name"]
        assert row["deployment"] == entry["design"]["deployment"]
        assert row["prefill.modules.kv_read"] == entry["design"]["prefill"]["modules"]["kv_read"]
        assert row["prefill.token_parallelism"] == entry["design"]["prefill"]["token_parallelism"]
        for name, value in entry["metrics"].items():
            assert (pd.isna(row[name]) and value is None) or row[name] == value
    assert page.startswith("<!doctype html>")
    assert page.count("<tr>") == len(front) + 1
    assert "src=" not in page
    assert "href=" not in page  # needs nothing but a browser


def test_a_design_of_the_front_is_a_design_file(saved: Path, flexdse: Run, tiny_model: Path, tmp_path: Path) -> None:
    """`front.json[i].design`, and the whole entry, give the metrics of the front again."""
    entry = json.loads((saved / "front.json").read_text())[0]
    for name, content in (("design.json", entry["design"]), ("entry.json", entry)):
        path = tmp_path / name
        path.write_text(json.dumps(content))
        shown = flexdse("evaluate", "--design", path, "--model", tiny_model, "--device", "u280", "--prompt-tokens", 64,
                        "--output-tokens", 64, "--json")  # fmt: skip
        assert shown.code == 0, shown.err
        assert shown.document["metrics"] == entry["metrics"]


def test_same_seed_same_bytes(saved: Path, explore_tiny: Run, flexdse_process: Run, tiny_model: Path,
                              tmp_path: Path) -> None:  # fmt: skip
    first = (saved / "front.json").read_bytes()
    again = flexdse_process("explore", "--model", tiny_model, "--device", "u280", "--prompt-tokens", 64,
                            "--output-tokens", 64, *RANDOM, "--out", tmp_path / "again")  # fmt: skip
    assert again.code == 0, again.err
    assert (tmp_path / "again" / "front.json").read_bytes() == first
    explore_tiny(*RANDOM[:4], "--seed", 8, "--out", tmp_path / "other")
    assert (tmp_path / "other" / "front.json").read_bytes() != first


def test_printed_document_is_what_is_written(explore_tiny: Run, tmp_path: Path) -> None:
    done = explore_tiny(*RANDOM, "--out", tmp_path / "out", "--json")
    assert done.code == 0
    assert done.err == f"wrote {tmp_path / 'out'}: front.parquet, front.json, exploration.json, report.html\n"
    shown = done.document
    assert shown.pop("front") == json.loads((tmp_path / "out" / "front.json").read_text())
    written = json.loads((tmp_path / "out" / "exploration.json").read_text())
    assert written.pop("front_sha256") == hashlib.sha256((tmp_path / "out" / "front.json").read_bytes()).hexdigest()
    assert shown == written


def test_empty_folder_and_link_are_taken(found: Exploration, tmp_path: Path) -> None:
    (tmp_path / "disk" / "empty").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "empty")
    found.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in (tmp_path / "disk" / "empty").iterdir()) == NAMES


def test_home_is_known(found: Exploration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found.save("~/results")
    assert (tmp_path / "results" / "front.json").is_file()


def test_folder_in_use_is_left_alone(saved: Path, explore_tiny: Run, files_below: Files) -> None:
    before = files_below(saved.parent)
    shown = explore_tiny(*RANDOM, "--out", saved)
    assert shown.code == 2
    assert f"folder '{saved}' is not empty" in shown.err
    assert "--force" in shown.err
    assert files_below(saved.parent) == before


def test_force_replaces_our_files_and_no_others(saved: Path, explore_tiny: Run, files_below: Files) -> None:
    (saved / "notes.txt").write_text("mine")
    (saved / "plots").mkdir()
    before = files_below(saved)
    assert explore_tiny(*RANDOM[:4], "--seed", 8, "--out", saved, "--force").code == 0
    after = files_below(saved)
    assert list(after) == list(before)
    assert after["notes.txt"] == b"mine"
    assert after["front.json"] != before["front.json"]


@pytest.mark.parametrize("below", [".", "below", "far/below"])
def test_file_in_the_way(explore_tiny: Run, tmp_path: Path, files_below: Files, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    before = files_below(tmp_path)
    for force in ([], ["--force"]):
        shown = explore_tiny(*RANDOM, "--out", tmp_path / "file" / below, *force)
        assert shown.code == 2
        assert f"'{tmp_path / 'file'}' is a file" in shown.err
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("name", ["x" * 300, "null\0byte"])
def test_name_that_cannot_be(explore_tiny: Run, tmp_path: Path, name: str) -> None:
    shown = explore_tiny(*RANDOM, "--out", tmp_path / name)
    assert shown.code in (1, 2)
    assert "way out: " in shown.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_folder(explore_tiny: Run, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o500)
    for out in (folder, folder / "new"):
        shown = explore_tiny(*RANDOM, "--out", out)
        assert shown.code == 1
        assert "Permission denied" in shown.err
    assert list(folder.iterdir()) == []


def test_target_is_checked_before_the_search(
    explore_tiny: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits an hour to be told that the folder cannot be written."""

    def search(*_: object, **__: object) -> None:
        raise AssertionError("searched")

    monkeypatch.setattr("dse.explore.explore", search)
    (tmp_path / "file").touch()
    assert explore_tiny("--out", tmp_path / "file").code == 2
    assert explore_tiny("--out", "/proc/no such folder").code == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", ["a/new/folder", "used"])
def test_full_disk_leaves_nothing(
    found: Exploration, tmp_path: Path, files_below: Files, monkeypatch: pytest.MonkeyPatch, name: str, target: str
) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "front.json").write_text("the old one")
    write = exploration_files._write

    def full(path: Path, content: Callable[[Path], object]) -> None:
        write(path, content)
        if path.name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(exploration_files, "_write", full)
    before = files_below(tmp_path)
    with pytest.raises(FlexDSEError, match="No space left on device") as refused:
        found.save(tmp_path / target, force=True)
    assert refused.value.exit_code == 1
    assert refused.value.value == str(tmp_path / target)
    assert "nothing was left behind" in str(refused.value.hint)
    assert files_below(tmp_path) == before


def own_disk(folder: Path, size: str, *commands: str) -> subprocess.CompletedProcess[str]:
    """Commands of a shell that sees a small disk at `folder`; it goes when they end."""
    script = "\n".join([f"mount -t tmpfs -o size={size} none {shlex.quote(str(folder))} || exit 99", *commands])
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", script]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except FileNotFoundError:
        pytest.skip("no unshare to mount a small disk with")
    if done.returncode == 99 or "unshare failed" in done.stderr:
        pytest.skip("no right to mount a small disk")
    return done


@pytest.mark.parametrize("command", ["explore", "generate"])
def test_disk_that_is_really_full(tmp_path: Path, tiny_model: Path, command: str) -> None:
    arguments = {
        "explore": ["--model", tiny_model, "--device", "u280", "--prompt-tokens", 64, "--output-tokens", 64, *RANDOM],
        "generate": ["--design", "flexllm-u280", "--model", "llama-3.2-1b", "--device", "u280"],
    }[command]
    words = [sys.executable, "-m", "flexdse.cli", command, *arguments, "--out", tmp_path / "deep" / "results"]
    line = shlex.join(map(str, words))
    done = own_disk(tmp_path, "64k", line, 'echo "exit code $?"', f"ls -A {shlex.quote(str(tmp_path))}")
    assert done.stdout == "exit code 1\n", done.stderr  # and nothing is listed
    assert "No space left on device" in done.stderr
    assert "way out: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["devices", "list"], ["models", "show", "llama-3.2-1b", "--json"]])
def test_full_disk_behind_standard_output(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "flexdse.cli", *arguments], stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)  # fmt: skip
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["schema", "exploration-request"], ["designs", "show", "flexllm-u280"], ["--help"]]
)
def test_reader_that_leaves(arguments: list[str]) -> None:
    line = shlex.join([sys.executable, "-m", "flexdse.cli", *arguments])
    done = subprocess.run(["sh", "-c", f"{line} | head -1"], capture_output=True, text=True, check=False)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C in the middle of a search: at once, with the shell's exit code, and nothing is left."""
    command = [sys.executable, "-m", "flexdse.cli", "explore", "--model", "llama-3.2-1b", "--device", "u280",
               "--prompt-tokens", "1024", "--output-tokens", "1024", "--method", "nsga2", "--budget", "1000000",
               "--out", str(tmp_path / "out")]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # Once NumPy is loaded the search has begun, or is about to.
    maps = Path(f"/proc/{process.pid}/maps")
    end = time.monotonic() + 30
    while "moocore" not in maps.read_text() and "optuna" not in maps.read_text():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number, err
    assert out == ""
    assert err == "nothing was kept; with --journal FILE the next search goes on where this one was stopped\nstopped\n"
    assert list(tmp_path.iterdir()) == []
