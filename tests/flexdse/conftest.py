"""Shared by the tests of the front door: the command line in this process and in one of its own, a small model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flexdse import cli
from flexdse.front_door import Exploration, explore

# Llama-like and so small that its exact front takes about a second.
TINY_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "vocab_size": 1024,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "attention_bias": False,
    "rope_theta": 10000.0,
}


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document of standard output."""
        return json.loads(self.out)

    @property
    def problem(self) -> Any:
        """The problem document of standard error."""
        return json.loads(self.err)


Run = Callable[..., Outcome]


@pytest.fixture
def flexdse(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`flexdse("devices", "list")` runs the command line in this process."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["flexdse", *map(str, arguments)])
        capfd.readouterr()
        code: Any = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        shown = capfd.readouterr()
        return Outcome(int(code or 0), shown.out, shown.err)

    return run


@pytest.fixture(scope="session")
def flexdse_process() -> Run:
    """The same in a process of its own, with the options of `subprocess.run`."""

    def run(*arguments: object, **options: Any) -> Outcome:
        command = [sys.executable, "-m", "flexdse.cli", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def tiny_config() -> dict[str, Any]:
    """The config.json of the small model, to be changed."""
    return dict(TINY_CONFIG)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config.json of the small model as a file."""
    path = tmp_path_factory.mktemp("checkpoints") / "tiny" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(TINY_CONFIG))
    return path


@pytest.fixture
def explore_tiny(flexdse: Run, tiny_model: Path) -> Run:
    """`explore_tiny("--out", folder)`: an exploration that takes a second."""

    def run(*options: object) -> Outcome:
        return flexdse("explore", "--model", tiny_model, "--device", "u280", "--prompt-tokens", 64, "--output-tokens",
                       64, *options)  # fmt: skip

    return run


@pytest.fixture(scope="session")
def found(tiny_model: Path) -> Exploration:
    """A small front, from Python."""
    return explore(model=str(tiny_model), device="u280", prompt_tokens=64, output_tokens=64, method="random",
                   budget=50, seed=7)  # fmt: skip


@pytest.fixture(scope="session")
def files_below() -> Callable[[Path], dict[str, bytes | None]]:
    """Everything below a folder: files with their content, folders with None."""

    def walk(folder: Path) -> dict[str, bytes | None]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
            for path in sorted(folder.rglob("*"))
        }

    return walk
