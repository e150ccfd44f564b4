"""Writing a project: complete or not at all, and never over something else."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import hls_gen.project
from hls_gen.errors import ProjectExistsError, ProjectWriteError
from hls_gen.manifest import load_manifest
from hls_gen.project import generate_project
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.workload import Workload

Generate = Callable[..., Path]


@pytest.fixture
def generate(tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload) -> Generate:
    def run(out_dir: Path, **options: object) -> Path:
        return generate_project(tiny_design, tiny_model, u280, workload, out_dir, **options)  # type: ignore[arg-type]

    return run


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_manifest_describes_every_file(tiny_project: Path, tiny_design: DesignPoint) -> None:
    files = content(tiny_project)
    manifest = json.loads(files.pop("manifest.json"))
    assert {name: hashlib.sha256(data).hexdigest() for name, data in files.items()} == {
        name: entry["sha256"] for name, entry in manifest["files"].items()
    }
    assert manifest["schema"] == "flexdse/project/v1"
    assert {"flexdse_version", "model_version", "timing_table_version"} <= manifest.keys()
    assert DesignPoint.model_validate(manifest["inputs"]["design"]) == tiny_design
    assert manifest["inputs"]["workload"] == {"prompt_tokens": 10, "output_tokens": 3, "batch": 1}
    assert load_manifest(tiny_project).expected_cycles
    assert sum(case["values"] for case in manifest["csim"]) > 1000


def test_same_inputs_same_bytes(generate: Generate, tiny_project: Path, tmp_path: Path) -> None:
    assert content(generate(tmp_path / "again")) == content(tiny_project)


def test_seed_changes_the_vectors_only(generate: Generate, tiny_project: Path, tmp_path: Path) -> None:
    other, first = content(generate(tmp_path / "other", seed=1)), content(tiny_project)
    different = {name for name in first if first[name] != other[name]}
    assert {"manifest.json", "README.md"} < different
    # The testbench of decode names the token that it begins with.
    texts = {"manifest.json", "README.md", "tb/decode_tb.cpp"}
    assert all(name.startswith("vectors/") for name in different - texts)


def test_names_of_folders_need_no_care(generate: Generate, tmp_path: Path) -> None:
    strange = tmp_path / "new" / 'a "b" $(c) [d]\nümläut'
    assert generate(strange) == strange
    assert (strange / "manifest.json").is_file()
    assert sorted(path.name for path in strange.parent.iterdir()) == [strange.name]


def test_empty_folder_is_taken(generate: Generate, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert (generate(tmp_path / "out") / "manifest.json").is_file()


def test_project_is_not_replaced_by_accident(generate: Generate, tmp_path: Path) -> None:
    out = generate(tmp_path / "out")
    before = content(out)
    with pytest.raises(ProjectExistsError, match="already holds a project") as refused:
        generate(out, seed=1)
    assert refused.value.exit_code == 2
    assert content(out) == before
    (out / "reports").mkdir()
    generate(out, seed=1, force=True)
    assert content(out) != before
    assert not (out / "reports").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("force", [False, True])
def test_other_content_is_never_replaced(generate: Generate, tmp_path: Path, force: bool) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years")
    with pytest.raises(ProjectExistsError, match="other content"):
        generate(tmp_path / "out", force=force)
    assert content(tmp_path) == {"out/thesis.tex": b"years"}
    with pytest.raises(ProjectExistsError, match="a file"):
        generate(tmp_path / "out" / "thesis.tex", force=force)


@pytest.mark.parametrize("out_dir", [Path("/"), Path("a\0b"), Path("x" * 300)])
def test_impossible_folder(generate: Generate, out_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((InputError, ProjectWriteError)) as refused:
        generate(out_dir)
    assert refused.value.field == "--out"
    assert list(tmp_path.iterdir()) == []


def test_illegal_design_writes_nothing(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload, tmp_path: Path
) -> None:
    data = tiny_design.model_dump(mode="json", by_alias=True)
    data["decode"]["block_parallelism"] = 5
    with pytest.raises(InputError):
        generate_project(DesignPoint.model_validate(data), tiny_model, u280, workload, tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after_files", [0, 1, 40, 80])
def test_full_disk_leaves_nothing(
    generate: Generate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after_files: int
) -> None:
    write, count = Path.write_bytes, 0

    def full(self: Path, data: bytes) -> int:
        nonlocal count
        count += 1
        if count > after_files:
            self.open("wb").write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ProjectWriteError, match="No space left on device") as refused:
        generate(tmp_path / "new" / "out")
    assert refused.value.exit_code == 1
    assert "nothing was left behind" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_keeps_the_earlier_project(
    generate: Generate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = generate(tmp_path / "out")
    before = content(tmp_path)

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(hls_gen.project, "_write_file", full)
    with pytest.raises(ProjectWriteError):
        generate(out, force=True, seed=1)
    assert content(tmp_path) == before


def test_interrupt_leaves_nothing(generate: Generate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hls_gen.project, "_write_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []


def test_failed_swap_puts_the_earlier_project_back(
    generate: Generate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = generate(tmp_path / "out")
    before = content(tmp_path)
    rename = Path.rename

    def refuse_partial(self: Path, target: Path) -> Path:
        if ".partial-" in self.name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_partial)
    with pytest.raises(ProjectWriteError, match="Permission denied"):
        generate(out, force=True, seed=1)
    assert content(tmp_path) == before


def test_write_limit_of_the_system(tmp_path: Path) -> None:
    """A real failing write, not a simulated one: the process may write 20 kB a file at most."""
    script = f"""
import resource, signal
from pathlib import Path
from hls_gen.project import generate_project
from spec.catalog import load_design, load_device, load_model
from spec.errors import FlexDSEError
from spec.workload import Workload
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    generate_project(load_design("flexllm-u280"), load_model("llama-3.2-1b"), load_device("u280"),
                     Workload(prompt_tokens=8, output_tokens=8), Path({str(tmp_path / "new" / "out")!r}))
except FlexDSEError as error:
    print(type(error).__name__, error.message)
"""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert finished.stdout.startswith("ProjectWriteError the project could not be written: File too large"), finished
    assert list(tmp_path.iterdir()) == []
