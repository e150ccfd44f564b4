"""The text of a project: stable, self-contained, and no user's name reaches C++ or Tcl as code."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from hls_gen.plan import plan_project
from hls_gen.render import render
from spec.design_point import DesignPoint
from spec.device import Device
from spec.model_config import ModelConfig
from spec.workload import Workload


@pytest.fixture(scope="module")
def text(tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload) -> dict[str, str]:
    return render(plan_project(tiny_design, tiny_model, u280, workload))


def test_same_plan_same_bytes(
    text: dict[str, str], tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    again = render(plan_project(tiny_design, tiny_model, u280, workload))
    assert {name: content.encode() for name, content in again.items()} == {
        name: content.encode() for name, content in text.items()
    }


def test_files_of_a_project(text: dict[str, str]) -> None:
    kernels = {
        f"{name}"
        for stage in ("prefill", "decode")
        for name in (
            f"src/{stage}.hpp", f"src/{stage}.cpp", f"src/{stage}_modules.hpp", f"src/{stage}_interface.inc",
            f"tb/{stage}_tb.cpp", f"vitis/{stage}.tcl", f"vitis/{stage}_hls_config.cfg", f"vitis/{stage}.cfg",
        )
    }  # fmt: skip
    assert {name for name in text if "flexdse_hls" not in name} == {
        "Makefile", "README.md", "include/config.hpp", "tb/golden.hpp", "host/design.hpp", "host/fake_kernels.cpp",
        "host/fake_kernels.hpp", "host/fake_call.cpp", "host/fake_xrt.cpp", "host/host.cpp", *kernels,
    }  # fmt: skip


def test_top_levels_read_as_block_diagrams(text: dict[str, str]) -> None:
    """At most 400 lines and 200 processes a stage; nothing but declarations and calls in the dataflow region."""
    for stage in ("prefill", "decode"):
        source = text[f"src/{stage}.cpp"]
        assert len(source.splitlines()) <= 400
        assert source.count("FLEXDSE_PROCESS(") <= 200


def test_project_includes_only_itself_ap_int_and_the_standard_library(text: dict[str, str]) -> None:
    for name, content in text.items():
        if not name.endswith((".hpp", ".cpp")):
            continue
        for included in re.findall(r'#include "(.*?)"', content):
            assert any(f"{folder}/{included}" in text for folder in ("include", "src", "tb", "host")), (
                f"{name}: {included}"
            )
        for included in re.findall(r"#include <(.*?)>", content):
            if included.startswith("xrt/"):
                assert name.startswith("host/")
                continue
            assert not included.endswith(".h") or included in ("ap_int.h", "hls_stream.h", "sys/mman.h", "ucontext.h")


def test_no_text_names_a_machine_or_a_place(text: dict[str, str]) -> None:
    for name, content in text.items():
        assert not re.search(r"https?://|/home/|/tmp/|/work/|/usr/", content), name


def test_every_kernel_port_is_connected(text: dict[str, str], tiny_design: DesignPoint) -> None:
    for stage in ("prefill", "decode"):
        header = text[f"src/{stage}.hpp"]
        arguments = re.findall(r"\* (\w+)", header[header.index('extern "C"') :])
        connected = re.findall(rf"^sp={stage}_1\.(\w+):(HBM|DDR)\[\d+\]$", text[f"vitis/{stage}.cfg"], re.MULTILINE)
        assert sorted(arguments) == sorted(name for name, _ in connected)
        interfaces = re.findall(r"mode=m_axi port=(\w+) bundle=(\w+)", text[f"src/{stage}_interface.inc"])
        assert sorted(arguments) == sorted(name for name, _ in interfaces)
        for port in tiny_design.memory_map.ports:
            assert port.stage != stage or f"mem_{port.name}" in arguments


def test_channels_are_those_of_the_memory_map(text: dict[str, str], tiny_design: DesignPoint) -> None:
    for port in tiny_design.memory_map.ports:
        bank = f"{port.memory.upper()}[{port.channel}]"
        lines = text[f"vitis/{port.stage}.cfg"].splitlines()
        own = [line for line in lines if re.search(rf"\.mem_{port.name}(_out)?:", line)]
        assert own
        assert all(line.endswith(bank) for line in own)


def test_clock_and_part(text: dict[str, str], u280: Device) -> None:
    assert f"set_part {u280.part_number}" in text["vitis/decode.tcl"]
    assert "create_clock -period 3.442 " in text["vitis/decode.tcl"]  # 290.5 MHz
    assert "clock=3.333ns" in text["vitis/prefill_hls_config.cfg"]
    assert "freqHz=290500000:decode_1" in text["vitis/decode.cfg"]


def test_readme_states_expected_cycles_and_coverage(text: dict[str, str]) -> None:
    readme = text["README.md"]
    assert "| kq.systolic_array | q | 1136 |" in readme  # 96 + 10 passes of 96 + 8
    assert "2 of 2 layer(s)" in readme
    assert "hls_stream.h" in readme


HOSTILE = [
    '"; system("touch x"); //',
    "[exec touch x]",
    "$(touch x)",
    "a\nb",
    "*/ int main() {",
    "`id`",
    "x\\",
    "{{ 7 * 7 }}",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("field", ["model", "device_name", "part_number", "platform"])
def test_hostile_name_is_never_printed(
    name: str, field: str, tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    """The vocabulary refuses such names; should one slip through, no file is rendered."""
    value = tiny_model.model_copy(update={"name": name}) if field == "model" else name
    plan = dataclasses.replace(plan_project(tiny_design, tiny_model, u280, workload), **{field: value})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not safe"):
        render(plan)


def test_hostile_titles_reach_no_file(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    model = tiny_model.model_copy(update={"title": HOSTILE[0]})
    device = u280.model_copy(update={"title": HOSTILE[1]})
    for name, content in render(plan_project(tiny_design, model, device, workload)).items():
        assert not any(title in content for title in HOSTILE[:2]), name


@pytest.mark.parametrize("word", ["int", "main", "config", "expected", "return", "step"])
def test_port_may_be_named_like_anything(
    word: str, tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    data = tiny_design.model_dump(mode="json", by_alias=True)
    data["memory_map"]["ports"][0]["name"] = word
    text = render(plan_project(DesignPoint.model_validate(data), tiny_model, u280, workload))
    assert f"const prefill_{word}_word* mem_{word}," in text["src/prefill.hpp"]
    assert f"bundle=gmem_{word} " in text["src/prefill_interface.inc"]


def test_templates_hold_no_logic_of_their_own() -> None:
    """Loops, choices and printing only: numbers come from the plan."""
    import hls_gen

    for path in sorted((Path(hls_gen.__file__).parent / "templates").glob("*.j2")):
        for statement in re.findall(r"\{%-?\+?\s*(\w+)", path.read_text()):
            assert statement in (
                "for",
                "endfor",
                "if",
                "else",
                "endif",
                "set",
                "include",
                "with",
                "endwith",
            )  # fmt: skip, f"{path.name}: {statement}"
