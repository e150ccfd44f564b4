"""Rules of the house that neither the type checker nor import-linter knows."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
SLOW_TO_LOAD = ["optuna", "ortools", "pandas", "scipy", "torch"]


@cache
def modules() -> dict[str, ast.Module]:
    """Path relative to the root -> syntax tree, of every module of the product."""
    paths = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(), filename=str(path)) for path in paths}


def imported_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything imported; ``from a import b`` gives ``a`` and ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def importers_of(name: str) -> list[str]:
    return [
        f"{path}:{line}"
        for path, tree in modules().items()
        for line, imported in imported_names(tree)
        if imported == name or imported.startswith(f"{name}.")
    ]


def test_only_the_command_line_prints() -> None:
    prints = [
        f"{path}:{node.lineno}"
        for path, tree in modules().items()
        if not path.startswith("flexdse/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert prints == []


def test_every_module_says_what_it_is() -> None:
    assert [path for path, tree in modules().items() if not ast.get_docstring(tree)] == []


def test_nobody_imports_the_tasks_of_the_workers() -> None:
    """Celery loads them by name; an import would drag the generator into whoever asks for a job."""
    assert [place for place in importers_of("workers.tasks") if not place.startswith("workers/tasks/")] == []


def test_torch_stays_in_quantize() -> None:
    """PyTorch is an extra: only the one package that needs it may name it."""
    assert [place for place in importers_of("torch") if not place.startswith("quantize/")] == []


def test_headers_of_hls4ml_are_used_but_its_python_is_not() -> None:
    assert importers_of("hls4ml") == []


@pytest.mark.parametrize("folder", ["alembic", "tests"])
def test_folder_is_no_package(folder: str) -> None:
    """alembic/ as a package would hide the library alembic; tests/ is collected with importlib."""
    assert list((ROOT / folder).rglob("__init__.py")) == []


def test_lists_of_packages_agree() -> None:
    tool = PYPROJECT["tool"]
    assert tool["mypy"]["packages"] == PACKAGES
    assert tool["importlinter"]["root_packages"] == PACKAGES
    assert tool["ruff"]["lint"]["isort"]["known-first-party"] == PACKAGES
    assert [package for package in PACKAGES if not (ROOT / package / "__init__.py").is_file()] == []


def loaded_by(statement: str) -> set[str]:
    """Top-level names in ``sys.modules`` of a fresh interpreter after the statement."""
    script = (
        f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    )
    finished = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return set(json.loads(finished.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", ["flexdse", "flexdse.cli"])
def test_front_door_opens_at_once(module: str) -> None:
    assert sorted(loaded_by(f"import {module}").intersection(SLOW_TO_LOAD)) == []


def test_import_flexdse_loads_neither_service_nor_workers() -> None:
    assert sorted(loaded_by("import flexdse").intersection({"api", "workers"})) == []


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key != "funding":  # a package's own page for donations
                yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def assert_names_no_place(words: list[str]) -> None:
    """A lock file holds versions and hashes; where to get them is the business of whoever installs."""
    assert [word for word in words if "://" in word or word.startswith(("/", "file:", "--index", "--find-links"))] == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-node.lock"])
def test_python_lock_names_no_registry_and_no_machine(name: str) -> None:
    words = (ROOT / name).read_text().split()
    assert any(word.startswith("--hash=sha256:") for word in words)
    assert_names_no_place(words)


def test_dashboard_lock_names_no_registry_and_no_machine() -> None:
    lock = ROOT / "dashboard" / "package-lock.json"
    if not lock.exists():
        pytest.skip("no dashboard/package-lock.json")
    assert_names_no_place(list(strings(json.loads(lock.read_text()))))
