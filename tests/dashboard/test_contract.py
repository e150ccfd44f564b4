"""The committed client of the dashboard is the one of this server, and the built page keeps to its promises."""

from __future__ import annotations

import ast
import gzip
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "dashboard"
REGENERATE = "regenerate: .venv/bin/python dashboard/contract.py && npm --prefix dashboard run client"
MAX_SCRIPT_BYTES = 350_000


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    return runpy.run_path(str(DASHBOARD / "contract.py"))


def test_committed_openapi_is_the_one_of_the_server(contract: dict[str, Any]) -> None:
    committed = json.loads((DASHBOARD / "openapi.json").read_text())
    assert json.loads(contract["openapi_text"]()) == committed, REGENERATE


def test_committed_registry_is_the_one_of_the_server(contract: dict[str, Any]) -> None:
    committed = json.loads((DASHBOARD / "src" / "client" / "registry.json").read_text())
    assert json.loads(contract["registry_text"]()) == committed, REGENERATE


def test_source_names_no_other_host() -> None:
    """No CDN: everything the page loads is its own."""
    sources = [path for path in (DASHBOARD / "src").rglob("*") if path.suffix in (".ts", ".tsx", ".css")]
    found = [
        f"{path.name}: {url}" for path in sources for url in re.findall(r"https?://[^\s\"'`$)]+", path.read_text())
    ]
    assert len(sources) > 20
    assert found == []


def test_built_page_has_nothing_inline_and_is_small(built_page: Path) -> None:
    """A strict Content-Security-Policy forbids inline script and style."""
    html = built_page.read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", html) == []
    assert "<style" not in html
    assert " style=" not in html
    scripts = list((built_page.parent / "assets").glob("*.js"))
    assert scripts
    assert sum(len(gzip.compress(script.read_bytes())) for script in scripts) < MAX_SCRIPT_BYTES


RULE_UNIT_AT = {"Rule": 4, "_rule": 5, "rule": 4}  # place of `unit` among the arguments


def _units_of_rules() -> set[str]:
    """Every unit that the rules of the models and of the space are written in."""
    found = set()
    for path in (*(ROOT / "spec").rglob("*.py"), *(ROOT / "cost_models").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RULE_UNIT_AT):
                continue
            place = RULE_UNIT_AT[node.func.id]
            given = [word.value for word in node.keywords if word.arg == "unit"] or node.args[place : place + 1]
            found |= {text.value for text in given if isinstance(text, ast.Constant) and isinstance(text.value, str)}
    return found


def test_every_unit_of_a_rule_is_known_to_the_page() -> None:
    """A unit that the page takes for a physical one reads as 722 mfraction."""
    test = (DASHBOARD / "src" / "domain" / "limits.test.ts").read_text()
    units = _units_of_rules()
    assert {"fraction", "bytes", "ports"} <= units
    assert {unit for unit in units if f'"{unit}": [' not in test and f"\n  {unit}: [" not in test} == set()


LAYERS = {
    "client": [],
    "domain": ["client"],
    "api": ["client", "domain"],
    "state": ["api", "domain"],
    "ui": ["api", "domain", "state"],
    "plots": ["domain", "ui"],
    "features": ["api", "domain", "plots", "state", "ui"],
}


@pytest.mark.parametrize("layer", LAYERS)
def test_folders_import_only_what_lies_below(layer: str) -> None:
    """The table in dashboard/README.md, as a rule."""
    source = DASHBOARD / "src"
    found = set()
    for path in (source / layer).rglob("*.ts*"):
        for target in re.findall(r'(?:from|import) "(\.[^"]+)"', path.read_text()):
            folder = (path.parent / target).resolve().relative_to(source).parts[0]
            if folder not in (layer, *LAYERS[layer]):
                found.add(f"{path.relative_to(source)} imports {folder}")
    assert found == set()
