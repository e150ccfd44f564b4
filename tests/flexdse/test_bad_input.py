"""Bad input: one clear message with field, value, rule and way out, the right exit code, nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from db.data_folder import locked_home, prepare_home

Run = Callable[..., Any]
Files = Callable[[Path], dict[str, bytes | None]]

GIVEN = {
    "--design": "flexllm-u280",
    "--model": "llama-3.2-1b",
    "--device": "u280",
    "--prompt-tokens": 1024,
    "--output-tokens": 1024,
}
EXPLORE = {name: value for name, value in GIVEN.items() if name != "--design"}

LONG = "x" * 10_000
HOSTILE = ["a'b\"c", "line\nbreak", "\x1b[31mred\x1b[0m", "\u202egnirts", LONG, "", " ", "../../etc/passwd\x7f"]


def options(given: dict[str, Any], **changes: Any) -> list[object]:
    """`--name value` for each, with changes by name."""
    merged = given | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    return [part for pair in merged.items() for part in pair]


@pytest.fixture
def refuse(flexdse: Run) -> Callable[..., Any]:
    """`refuse(*arguments, code=2, words=[...])`: as text and as JSON, in full and in one piece."""

    def check(*arguments: object, words: list[str], code: int = 2, field: str | None = None) -> Any:
        text = flexdse(*arguments)
        assert text.code == code, text.err
        assert text.out == ""
        assert text.err.startswith("error: ")
        assert "Traceback" not in text.err
        assert text.err.isprintable() or all(c.isprintable() or c == "\n" for c in text.err)
        assert len(text.err) < 5_000
        shown = text.err.lower()
        for part in ("field: ", "rule: ", "way out: "):
            assert shown.count(f"\n  {part}") >= 1, text.err
        assert [word for word in words if word.lower() not in shown] == [], text.err
        as_json = flexdse(*arguments, "--json")
        assert as_json.code == code
        assert as_json.out == ""
        problem = as_json.problem
        assert problem["type"].startswith("urn:flexdse:problem:")
        assert problem["detail"]
        assert problem["title"]
        assert isinstance(problem["status"], int)
        error = problem["errors"][0]
        assert error["rule"]
        assert error["hint"]
        if field is not None:
            assert error["field"] == field
        return problem

    return check


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"design": "flexllm-u281"}, ["unknown design 'flexllm-u281'", "did you mean flexllm-u280"]),
        ({"model": "lama-3.2-1b"}, ["unknown model 'lama-3.2-1b'", "did you mean llama-3.2-1b", "config.json"]),
        ({"device": "u55"}, ["unknown device 'u55'", "did you mean u55c?", "device YAML"]),
        ({"device": "versal"}, ["unknown device 'versal'", "known: u280, u55c, v80."]),
    ],
)
def test_unknown_name(refuse: Run, change: dict[str, str], words: list[str]) -> None:
    refuse("evaluate", *options(GIVEN, **change), words=words, field=next(iter(change)))


@pytest.mark.parametrize("kind", ["devices", "models", "designs"])
def test_unknown_name_to_show(refuse: Run, kind: str) -> None:
    refuse(kind, "show", "flexllm", words=["unknown", "'flexllm'"])


def test_unknown_schema(refuse: Run) -> None:
    refuse("schema", "devcie", words=["did you mean device"])


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("option", ["design", "model", "device"])
def test_hostile_name(refuse: Run, option: str, name: str) -> None:
    refuse("evaluate", *options(GIVEN, **{option: name}), words=[])


@pytest.mark.parametrize("value", [0, -1, -(10**12), 10**12, 10**30])
@pytest.mark.parametrize("option", ["prompt-tokens", "output-tokens"])
@pytest.mark.parametrize("command", ["evaluate", "explore", "generate"])
def test_impossible_tokens(refuse: Run, tmp_path: Path, command: str, option: str, value: int) -> None:
    given = {"evaluate": GIVEN, "explore": EXPLORE, "generate": {**GIVEN, "--out": tmp_path / "out"}}[command]
    words = [option.replace("-", "_"), str(value)[:40], "or more" if value < 1 else "or less"]
    problem = refuse(command, *options(given, **{option: value}), words=words)
    assert problem["errors"][0]["field"].removeprefix("workload.") == option.replace("-", "_")
    assert list(tmp_path.iterdir()) == []


def test_longer_than_the_context(refuse: Run) -> None:
    refuse("evaluate", *options(GIVEN, prompt_tokens=130_000, output_tokens=2_000),
           words=["131999", "max_context_tokens = 131072", "shorten"])  # fmt: skip


@pytest.mark.parametrize("text", ["abc", "1e3", "10.5", "", "0x10", "nan"])
def test_text_for_a_number(refuse: Run, text: str) -> None:
    refuse("evaluate", *options(GIVEN, prompt_tokens=text),
           words=["--prompt-tokens is not a whole number", f"value: {text!r}"], field="--prompt-tokens")  # fmt: skip


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e9"])
def test_impossible_swap_time(refuse: Run, value: str) -> None:
    refuse("evaluate", *options(GIVEN, swap_s=value), words=["0 to 3600 seconds"], field="--swap-s")


def test_text_for_the_swap_time(refuse: Run) -> None:
    refuse("evaluate", *options(GIVEN, swap_s="soon"), words=["--swap-s is not a number", "'soon'"], field="--swap-s")


@pytest.mark.parametrize(
    ("change", "words", "field"),
    [
        ({"budget": 0, "method": "random"}, ["budget", "from 1 to 10,000,000", "write 1 or more"], "budget"),
        ({"budget": 0}, ["budget", "from 1 to 10,000,000", "write 1 or more"], "budget"),
        ({"budget": -3}, ["budget", "-3"], "budget"),
        ({"budget": 10**12}, ["budget", "10000000"], "budget"),
        ({"seed": -1}, ["seed", "-1"], "seed"),
        ({"seed": 2**32}, ["seed", "4294967295"], "seed"),
        ({"method": "gradient"}, ["'exact'", "'nsga2'", "'random'", "'gradient'"], "method"),
        ({"method": ""}, ["'exact'"], "method"),
        ({"objectives": "speed"}, ["unknown metric 'speed'"], "objectives"),
        ({"objectives": "ttft"}, ["unknown metric 'ttft'", "did you mean ttft_s?"], "objectives"),
        ({"objectives": "ttft_s,ttft_s"}, ["'ttft_s' appears twice", "leave one of the two out"], "objectives"),
        ({"objectives": ""}, ["unknown metric ''", "known: "], "objectives"),
        ({"objectives": "ttft_s,"}, ["unknown metric ''"], "objectives"),
        (
            {"objectives": "quality", "model": "llama-3.1-8b"},
            ["quality has no value here: no measured or"],
            "objectives",
        ),
        ({"objectives": "ttft_s,tpot_s,e2e_latency_s,energy_j,power_w,max_utilization"}, ["1 to 5"], "objectives"),
        ({"objectives": "tpot_s", "output-tokens": 1}, ["output_tokens >= 2"], "objectives"),
        ({"objectives": LONG}, ["unknown metric", "10002 characters"], "objectives"),
    ],
)
def test_impossible_exploration(
    refuse: Run, tmp_path: Path, change: dict[str, Any], words: list[str], field: str
) -> None:
    refuse("explore", *options(EXPLORE, out=tmp_path / "out", **change), words=words, field=field)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["exlpore"], ["no command 'exlpore'", "did you mean explore"]),
        (["devices", "lsit"], ["flexdse devices has no command 'lsit'", "did you mean list"]),
        (["no\nsuch\x1b[31m"], ["no command 'no\\nsuch\\x1b[31m'"]),
        (["evaluate", "--desing", "x"], ["no option '--desing'", "did you mean --design"]),
        (["evaluate", "--prompt_tokens", "3"], ["no option '--prompt_tokens'", "did you mean --prompt-tokens"]),
        (["--frobnicate"], ["flexdse has no option '--frobnicate'"]),
        (["evaluate"], ["needs --design, --model, --device, --prompt-tokens, --output-tokens"]),
        (["evaluate", *map(str, options(EXPLORE))], ["needs --design\n"]),
        (["devices", "show"], ["needs NAME"]),
        (["csim"], ["needs DIRECTORY"]),
        (["devices", "show", "u280", "v80"], ["unexpected extra argument", "v80"]),
    ],
)
def test_bad_usage(refuse: Run, arguments: list[str], words: list[str]) -> None:
    problem = refuse(*arguments, words=words)
    assert problem["type"] == "urn:flexdse:problem:bad_usage"
    assert problem["status"] == 400


def test_option_without_its_value(flexdse: Run) -> None:
    shown = flexdse("evaluate", "--design")
    assert shown.code == 2
    assert "--design" in shown.err
    assert "way out: " in shown.err


@pytest.mark.parametrize("group", [[], ["db"]])
def test_nothing_to_do_shows_what_there_is(flexdse: Run, group: list[str]) -> None:
    shown = flexdse(*group)
    assert shown.code == 2
    assert "Usage: flexdse" in shown.out + shown.err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_size": None}, ["hidden_size"]),
        ({"num_hidden_layers": 0}, ["num_hidden_layers", "0"]),
        ({"hidden_size": -128}, ["hidden_size", "-128"]),
        ({"vocab_size": 10**12}, ["vocab_size", "1000000000000"]),
        ({"intermediate_size": "256"}, ["intermediate_size", "'256'"]),
        ({"num_key_value_heads": 3}, ["num_key_value_heads", "3"]),
        ({"num_key_value_heads": 8}, ["8"]),
        ({"num_local_experts": 8}, ["num_local_experts"]),
        ({"kv_lora_rank": 512}, ["kv_lora_rank"]),
        ({"sliding_window": 128, "use_sliding_window": True}, ["sliding"]),
        ({"model_type": "mixtral"}, ["mixtral"]),
        ({"model_type": "gpt2"}, ["gpt2"]),
        ({"hidden_act": "gelu"}, ["gelu"]),
    ],
)
def test_config_that_makes_no_sense(
    refuse: Run, tiny_config: dict[str, Any], tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    tiny_config.update(changes)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({key: value for key, value in tiny_config.items() if value is not None}))
    refuse("evaluate", *options(GIVEN, model=path, prompt_tokens=8, output_tokens=8), words=[str(path), *words])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("design.json", '{"prefill": ', ["design.json:1: not valid JSON"]),
        ("design.json", "[1, 2]", ["list of designs", "one design"]),
        ("design.json", "42", ["not a design"]),
        ("design.json", "{}", ["missing key"]),
        ("design.json", '{"design": {"prefil": 1}}', ["unknown key 'prefil'", "did you mean prefill?"]),
        ("design.yaml", "prefill: {a: 1", ["design.yaml:", "not valid YAML"]),
        ("design.yaml", "a: &x 1\nb: *x\n", ["design.yaml:2", "aliases"]),
        ("design.yaml", b"\xff\xfe\x00", ["not UTF-8"]),
        ("design.yaml", b"\x00", ["design.yaml"]),
        ("design.json", "[" * 100_000, ["nested too deeply"]),
        ("design.json", b" " * (5 * 2**20), ["too large"]),
    ],
)
def test_corrupt_design_file(refuse: Run, tmp_path: Path, name: str, content: str | bytes, words: list[str]) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refuse("evaluate", *options(GIVEN, design=path), words=words)


def test_duplicate_key_in_a_device(refuse: Run, flexdse: Run, tmp_path: Path) -> None:
    card = flexdse("devices", "show", "u280", "--json").document
    lines = yaml.safe_dump(card, sort_keys=False).splitlines()
    path = tmp_path / "my card.yaml"
    path.write_text("\n".join([*lines, "title: again"]))
    first = next(i for i, line in enumerate(lines, 1) if line.startswith("title:"))
    words = [f"{path}:{len(lines) + 1}: duplicate key 'title' (first on line {first})", "remove or rename"]
    refuse("evaluate", *options(GIVEN, device=path), words=words)
    path.write_text("\n".join(lines).replace("dsp_kind:", "dsp_knid:"))
    refuse(
        "evaluate", *options(GIVEN, device=path), words=["unknown key 'dsp_knid'", "did you mean dsp_kind?", f"{path}:"]
    )


@pytest.mark.parametrize("option", ["design", "model", "device"])
def test_file_that_is_not_there(refuse: Run, tmp_path: Path, option: str) -> None:
    path = tmp_path / "missing.json"
    refuse("evaluate", *options(GIVEN, **{option: path}), words=[str(path), "No such file", "check the path"])


@pytest.mark.parametrize("option", ["design", "device"])
def test_folder_for_a_file(refuse: Run, tmp_path: Path, option: str) -> None:
    refuse("evaluate", *options(GIVEN, **{option: tmp_path}), words=[str(tmp_path), "is a folder"])


@pytest.mark.parametrize("given", [{"model": "smollm2-135m"}, {"device": "v80"}])
def test_design_for_something_else(flexdse: Run, given: dict[str, str]) -> None:
    """No error but a result: the document, the broken rules, exit code 3."""
    shown = flexdse("evaluate", *options(GIVEN, prompt_tokens=64, output_tokens=64, **given), "--json")
    assert (shown.code, shown.err) == (3, "")
    assert shown.document["violations"][0]["levers"]


def test_model_that_fits_no_design(flexdse: Run, tiny_config: dict[str, Any], tmp_path: Path) -> None:
    """An exploration without any design that fits: exit code 3, nothing written."""
    tiny_config.update(num_hidden_layers=200, hidden_size=8192, intermediate_size=28672, num_attention_heads=64,
                       num_key_value_heads=8, vocab_size=128256)  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(tiny_config))
    out = tmp_path / "out"
    shown = flexdse("explore", *options(EXPLORE, model=path, prompt_tokens=8, output_tokens=8, out=out), "--json")
    assert (shown.code, shown.out) == (3, "")
    assert shown.problem["type"] == "urn:flexdse:problem:infeasible"
    assert shown.problem["errors"][0]["hint"]
    assert not out.exists()


def test_no_project(refuse: Run, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        refuse("csim", folder, words=[str(folder), "manifest.json"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "99999"], ["99999", "65535"]),
        (["--port", "-1"], ["-1", "65535"]),
        (["--host", "0.0.0.0", "--no-auth"], ["0.0.0.0", "loopback"]),
        (["--host", "example.org", "--no-auth"], ["example.org", "loopback"]),
    ],
)
def test_service_at_an_impossible_address(flexdse: Run, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    shown = flexdse("serve", "--home", tmp_path / "home", *arguments)
    assert shown.code == 2
    assert shown.out == ""
    assert [word for word in words if word not in shown.err] == []


@pytest.mark.parametrize("command", [["serve"], ["db", "upgrade"]])
def test_data_folder_that_is_a_file(flexdse: Run, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "file").write_text("mine")
    shown = flexdse(*command, "--home", tmp_path / "file")
    assert shown.code == 2
    assert str(tmp_path / "file") in shown.err
    assert "way out: " in shown.err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("home", ["", " ", "what?", "~nobody-of-that-name/x"])
def test_data_folder_that_cannot_be(flexdse: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.chdir(tmp_path)
    shown = flexdse("db", "upgrade", "--home", home)
    assert shown.code == 2
    assert "way out: " in shown.err
    assert list(tmp_path.iterdir()) == []


def test_data_folder_that_is_served(flexdse: Run, tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    with locked_home(home) as lock:
        lock.tell({"pid": 1234, "url": "http://127.0.0.1:8000"})
        shown = flexdse("db", "upgrade", "--home", home)
    assert shown.code == 2
    assert "process 1234 serves this data folder already at http://127.0.0.1:8000" in shown.err


@pytest.mark.parametrize("command", [["serve"], ["db", "upgrade"]])
def test_corrupt_database(flexdse: Run, tmp_path: Path, command: list[str]) -> None:
    database = tmp_path / "flexdse.db"
    database.write_bytes(b"this is no database" * 1000)
    shown = flexdse(*command, "--home", tmp_path)
    assert shown.code in (1, 2)
    assert str(database) in shown.err
    assert "way out: " in shown.err
    assert database.read_bytes() == b"this is no database" * 1000
