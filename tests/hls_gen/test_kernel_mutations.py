"""One wrong line in a module of a kernel fails its C simulation."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hls_gen.toolchain.csim import run_csim

pytestmark = pytest.mark.needs_program("g++")

# Each changes modules of one stage or of both; the modules whose values must differ first.
MUTATIONS = {
    "pe.hpp": (
        "sums_[r][n] + value * w[n]",
        "sums_[r][n] - value * w[n]",
        {("prefill", "systolic"), ("decode", "gemv")},
    ),
    # The causal mask of prefill: a token sees the one after it.
    "attention_softmax.hpp": (
        "first_position + block * ROWS",
        "first_position + 1 + block * ROWS",
        {("prefill", "attention")},
    ),
}


def test_flipped_lines_fail(tiny_project: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(tiny_project, project)
    folder = project / "include" / "flexdse_hls"
    for header, (right, wrong, _) in MUTATIONS.items():
        text = (folder / header).read_text()
        assert right in text, header
        (folder / header).write_text(text.replace(right, wrong))
    # The mask shows behind right arithmetic only: restore the processing element for prefill by a second run.
    report = run_csim(project)
    failed = {(module.stage, module.module) for module in report.modules if not module.passed}
    assert failed >= MUTATIONS["pe.hpp"][2]
    text = (folder / "pe.hpp").read_text()
    right, wrong, _ = MUTATIONS["pe.hpp"]
    (folder / "pe.hpp").write_text(text.replace(wrong, right))
    shutil.rmtree(project / "build" / "csim" / "fast")
    report = run_csim(project)
    first = [(module.stage, module.module) for module in report.modules if not module.passed]
    assert first
    assert first[0] in MUTATIONS["attention_softmax.hpp"][2]
    assert all(stage == "prefill" for stage, _ in first)
