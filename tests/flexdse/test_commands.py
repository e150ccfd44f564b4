"""Every command does what its help says, prints to the right stream and ends with the right exit code."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spec.catalog import names
from spec.csim_report import CsimReport
from spec.versions import FLEXDSE_VERSION

FLEXLLM = ("--design", "flexllm-u280", "--model", "llama-3.2-1b", "--device", "u280")
SHORT = ("--prompt-tokens", 64, "--output-tokens", 64)
ENVELOPE = ["schema", "flexdse_version", "model_version", "timing_table_version"]
COMMANDS = [
    "evaluate",
    "explore",
    "generate",
    "csim",
    "pack",
    "serve",
    "schema",
    "doctor",
    "devices",
    "models",
    "designs",
    "db",
]

Run = Callable[..., Any]


def test_version(flexdse: Run) -> None:
    shown = flexdse("--version")
    assert (shown.code, shown.out, shown.err) == (0, f"{FLEXDSE_VERSION}\n", "")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_every_command(flexdse: Run, option: str) -> None:
    shown = flexdse(option)
    assert (shown.code, shown.err) == (0, "")
    assert [command for command in COMMANDS if command not in shown.out] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(flexdse: Run, command: str) -> None:
    shown = flexdse(command, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert f"flexdse {command}" in shown.out


@pytest.mark.parametrize("kind", ["devices", "models", "designs"])
def test_list(flexdse: Run, kind: str) -> None:
    shown = flexdse(kind, "list")
    assert (shown.code, shown.err) == (0, "")
    assert [line.split()[0] for line in shown.out.splitlines()[2:]] == list(names(kind))
    document = flexdse(kind, "list", "--json").document
    assert list(document) == [*ENVELOPE, kind]
    assert [entry["name"] for entry in document[kind]] == list(names(kind))
    assert flexdse(kind).out == shown.out
    assert flexdse(kind, "--json").document == document


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("devices", "u280", ["schema = flexdse/device/v1", "slrs[0].total.lut = 439680    ["]),
        ("models", "llama-3.2-1b", ["n_kv_heads = 8", "config.json of the Hugging Face repository"]),
        ("designs", "flexllm-u280", ["token_parallelism = 8", "measured"]),
    ],
)
def test_show(flexdse: Run, kind: str, name: str, words: list[str]) -> None:
    shown = flexdse(kind, "show", name)
    assert (shown.code, shown.err) == (0, "")
    assert [word for word in words if word not in shown.out] == []
    document = flexdse(kind, "show", name, "--json").document
    assert list(document)[:4] == ENVELOPE
    assert document["name"] == name


def test_what_show_prints_is_a_file_that_can_be_used(flexdse: Run, tmp_path: Path) -> None:
    """As the README says: `devices show u280 --json` is a start for a device of one's own."""
    given = {"device": "u280", "model": "llama-3.2-1b", "design": "flexllm-u280"}
    own: list[object] = []
    for kind, name in given.items():
        path = tmp_path / f"{kind}.json"
        path.write_text(flexdse(f"{kind}s", "show", name, "--json").out)
        own += [f"--{kind}", path]
    mine = flexdse("evaluate", *own, *SHORT, "--json")
    assert mine.code == 0, mine.err
    theirs = flexdse("evaluate", *FLEXLLM, *SHORT, "--json").document
    assert mine.document == theirs
    shown = flexdse("designs", "show", tmp_path / "design.json", "--json").document
    assert shown["prefill"] == flexdse("designs", "show", "flexllm-u280", "--json").document["design"]["prefill"]


@pytest.mark.parametrize(
    "name",
    [
        "cost-report",
        "csim-report",
        "design",
        "device",
        "exploration-request",
        "exploration-result",
        "model",
        "workload",
    ],
)
def test_schema(flexdse: Run, name: str) -> None:
    assert flexdse("schema", name).document["type"] == "object"


def test_evaluate_prints_tables(flexdse: Run) -> None:
    shown = flexdse("evaluate", *FLEXLLM, "--prompt-tokens", 1024, "--output-tokens", 1024)
    assert (shown.code, shown.err) == (0, "")
    assert "llama-3.2-1b on u280, 1024 tokens in, 1024 out; provenance: analytical" in shown.out
    for word in ("Time to first token", "prefill.down_proj", "decode.lm_head", "assumptions:", "Perplexity increase"):
        assert word in shown.out
    tables = shown.out[: shown.out.index("assumptions:")].splitlines()
    assert max(len(line) for line in tables if not line.startswith("  - ")) <= 100, "but for the notes below a table"


def test_evaluate_of_one_token_shows_what_has_no_value(flexdse: Run) -> None:
    shown = flexdse("evaluate", *FLEXLLM, "--prompt-tokens", 1, "--output-tokens", 1)
    assert shown.code == 0
    line = next(line for line in shown.out.splitlines() if line.startswith("Time per output token"))
    assert line.split()[4:] == ["-"]  # no error band of nothing
    assert ["Prefill", "latency", "0", "s"] in [line.split()[:4] for line in shown.out.splitlines()]


def test_swap_time_is_an_input(flexdse: Run) -> None:
    default = flexdse("evaluate", *FLEXLLM, *SHORT, "--json").document["ttft_s"]
    slow = flexdse("evaluate", *FLEXLLM, *SHORT, "--swap-s", 9.3, "--json").document["ttft_s"]
    assert slow - default == pytest.approx(9.0)


def test_design_that_does_not_fit(flexdse: Run, tmp_path: Path) -> None:
    """Exit code 3, the document all the same, and every broken rule with a way to make it fit."""
    own = ("--design", "flexllm-v80", "--model", "llama-3.2-1b", "--device", "u280")
    document = flexdse("evaluate", *own, *SHORT, "--json")
    assert (document.code, document.err) == (3, "")
    assert document.document["metrics"]["ttft_s"] > 0
    violations = document.document["violations"]
    assert "lut_utilization" in {violation["constraint"] for violation in violations}
    for violation in violations:
        assert set(violation) == {
            "constraint", "where", "demand", "bound", "unit", "message", "levers", "partial_levers",
        }  # fmt: skip
        assert violation["demand"] > violation["bound"]
        assert violation["levers"] or violation["partial_levers"]
    text = flexdse("evaluate", *own, *SHORT)
    assert text.code == 3
    assert text.out.count("DOES NOT FIT") == len(violations) + 1  # and the verdict above them
    assert "To make it fit: lower prefill.token_parallelism to 8 (44.78 % then)" in text.out
    assert ". Only lowers it: " in text.out


def test_generate_says_how_to_go_on(flexdse: Run, tmp_path: Path) -> None:
    folder = tmp_path / "it's a project"
    written = flexdse("generate", *FLEXLLM, "--out", folder)
    assert written.code == 0
    assert "the project is built as rows of elements (array)" in written.err  # priced as FlexLLM's kernels
    assert shlex.split(written.out.partition("prove it with: ")[2]) == ["flexdse", "csim", str(folder)]
    assert (folder / "manifest.json").is_file()


@pytest.mark.parametrize("passed", [True, False])
def test_csim_tells_the_result(flexdse: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed: bool) -> None:
    """The simulation itself is tested with the generator, and by the demo and the wheel."""
    report = CsimReport(
        **dict.fromkeys(("flexdse_version", "model_version", "timing_table_version", "compiler_version"), "1"),
        passed=passed,
        compared_values=7,
        seconds=1.0,
        ap_int_source="here",
        modified_files=(),
        stages=(),
        modules=(),
    )

    def simulate(folder: Path, *, mode: str, on_log: Callable[[str], None]) -> CsimReport:
        assert (folder, mode) == (tmp_path, "fast")
        on_log("compiling")
        on_log(report.summary_line())
        return report

    monkeypatch.setattr("hls_gen.toolchain.csim.run_csim", simulate)
    text = flexdse("csim", tmp_path)
    assert (text.code, text.out, text.err) == (0 if passed else 1, f"{report.summary_line()}\n", "compiling\n")
    document = flexdse("csim", tmp_path, "--json")
    assert document.code == text.code
    assert list(document.document)[:4] == ENVELOPE
    assert document.document["passed"] is passed


def test_generate_what_does_not_fit(flexdse: Run, tmp_path: Path) -> None:
    """It can be built, but not for a card with a third of the LUT: written, and said."""
    card = flexdse("devices", "show", "u280", "--json").document
    for slr in card["slrs"]:
        for part in ("total", "usable"):
            slr[part]["lut"] //= 3
    (tmp_path / "card.json").write_text(json.dumps(card))
    own = ("--design", "flexllm-u280", "--model", "llama-3.2-1b", "--device", tmp_path / "card.json")
    written = flexdse("generate", *own, *SHORT, "--out", tmp_path / "p", "--json")
    assert written.code == 3
    assert written.document == json.loads((tmp_path / "p" / "manifest.json").read_text())
    assert written.err.startswith("DOES NOT FIT  ")
    assert "rule lut_utilization" in written.err
    assert "To make it fit: " in written.err


def test_explore_prints_the_front(explore_tiny: Run) -> None:
    shown = explore_tiny()
    assert shown.code == 0
    assert "--out FOLDER keeps the whole front" in shown.err
    lines = shown.out.splitlines()
    assert lines[0].split() == ["#", "prefill", "TP/QKVO/K/FFN", "decode", "BPxW,", "HPxK", "ttft_s", "tpot_s",
                                "energy_j_per_token", "max_utilization"]  # fmt: skip
    assert len(lines[2 : lines.index("")]) == 21  # twenty designs and how many there are
    assert "exact front: " in shown.out
    assert "hypervolume" in shown.out


def test_explore_reports_the_distance_from_the_optimum(explore_tiny: Run) -> None:
    shown = explore_tiny("--method", "nsga2", "--budget", 60)
    assert shown.code == 0
    assert "60 priced" in shown.out
    assert "of the exact front's" in shown.out


def test_explore_prints_one_document(explore_tiny: Run) -> None:
    shown = explore_tiny("--method", "random", "--budget", 40, "--objectives", "ttft_s,tpot_s", "--json")
    assert (shown.code, shown.err) == (0, "")
    document = shown.document
    assert list(document)[:4] == ENVELOPE
    assert document["request"]["objectives"] == ["ttft_s", "tpot_s"]
    assert len(document["front"]) == document["front_size"] > 0
    assert document["record"]["evaluations"] == 40


def test_search_that_finds_next_to_nothing(explore_tiny: Run) -> None:
    """One random design, which may not fit: the front may be empty."""
    shown = explore_tiny("--method", "random", "--budget", 1, "--seed", 0)
    assert shown.code == 0
    assert "random: " in shown.out


def test_db_upgrade(flexdse: Run, tmp_path: Path) -> None:
    for _ in range(2):
        shown = flexdse("db", "upgrade", "--home", tmp_path / "home")
        assert (shown.code, shown.out) == (0, f"{tmp_path / 'home'}: the database is up to date\n"), shown.err
    assert (tmp_path / "home" / "flexdse.db").stat().st_size > 0


def test_data_folder_comes_from_the_environment(flexdse: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXDSE_HOME", str(tmp_path / "mine"))
    assert flexdse("db", "upgrade").code == 0
    assert (tmp_path / "mine" / "flexdse.db").is_file()
    monkeypatch.delenv("FLEXDSE_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert flexdse("db", "upgrade").code == 0
    assert (tmp_path / "xdg" / "flexdse" / "flexdse.db").is_file()


def test_doctor(flexdse: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    document = flexdse("doctor", "--json").document
    assert list(document)[:4] == ENVELOPE
    checks = {check["name"]: check for check in document["checks"]}
    assert {"Python", "g++", "ap_int headers", "dashboard", "Vitis >= 2024.1"} <= set(checks)
    monkeypatch.setenv("PATH", "/nonexistent")
    shown = flexdse("doctor")
    assert (shown.code, shown.err) == (0, "")
    assert "missing  g++: would add csim" in shown.out
    assert "install the Debian package g++" in shown.out


def test_process_prints_what_the_function_prints(flexdse: Run, flexdse_process: Run) -> None:
    arguments = ("evaluate", *FLEXLLM, *SHORT, "--json")
    apart, here = flexdse_process(*arguments), flexdse(*arguments)
    assert (apart.code, apart.out, apart.err) == (here.code, here.out, here.err)
