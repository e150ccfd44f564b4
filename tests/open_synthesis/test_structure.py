"""The structure that is read from generated C++, against what a C++ compiler says of the same text."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest

import hls_gen
from benchmarks.leaf_synthesis import PAGE, SAMPLE_SECTION
from benchmarks.page_section import section_of
from cost_models.report import evaluate_point
from hls_gen.errors import OpenSynthesisError
from hls_gen.manifest import load_manifest
from hls_gen.project import generate_project
from hls_gen.toolchain.compiler import find_ap_headers
from hls_gen.toolchain.flags import CXX_FLAGS
from hls_gen.toolchain.open.cxx_text import split_call, split_list
from hls_gen.toolchain.open.cxx_values import NotUnderstoodError, Scope, read_constants
from hls_gen.toolchain.open.netlist import Mapped
from hls_gen.toolchain.open.structure import ProjectSources
from hls_gen.toolchain.open.synthesize import project_parts
from hls_gen.toolchain.open.totals import kernel_amounts, total
from hls_gen.toolchain.open.units import LAWS
from spec.built_design import as_built
from spec.catalog import load_design, load_device, load_model
from spec.design_point import DesignPoint
from spec.device import Device
from spec.library_units import MacFormat
from spec.model_config import ModelConfig
from spec.strict import validate
from spec.timing import DEFAULT_TIMING_TABLE
from spec.workload import Stage, Workload

LIBRARY = Path(hls_gen.__file__).parent / "library" / "include" / "flexdse_hls"

_ORACLE = """
#include <cstdio>
#include "{stage}_modules.hpp"
#include "flexdse_hls/dequantized_channel.hpp"
#include "flexdse_hls/quantize_dynamic.hpp"
template <class T> struct bits {{ static constexpr int value = 8 * sizeof(T); static constexpr int lanes = 1; }};
template <int N> struct bits<ap_int<N>> {{ static constexpr int value = N; static constexpr int lanes = 1; }};
template <int N> struct bits<ap_uint<N>> {{ static constexpr int value = N; static constexpr int lanes = 1; }};
template <int N> struct bits<flexdse_hls::hbm_word<N>> {{ static constexpr int value = N; static constexpr int lanes = 1; }};
template <class T, int N> struct bits<flexdse_hls::lanes<T, N>> {{
  static constexpr int value = N * bits<T>::value; static constexpr int lanes = N;
}};
template <int N> struct bits<flexdse_hls::rope_word<N>> {{ static constexpr int value = 64 * N; static constexpr int lanes = N; }};
template <class T> struct fifos;
template <class T, int D> struct fifos<flexdse_hls::fifo<T, D>> {{
  static void show(const char* name, long count) {{ std::printf("%s %d %d %d %ld\\n", name, bits<T>::value, bits<T>::lanes, D, count); }}
}};
template <class T, std::size_t N> struct fifos<T[N]> {{
  static void show(const char* name, long count) {{ fifos<T>::show(name, count * static_cast<long>(N)); }}
}};
using namespace flexdse_hls;
using namespace config;
using namespace config::{stage};
{aliases}
int main() {{
{shows}
}}
"""


@pytest.mark.needs_program("g++")
@pytest.mark.parametrize("stage", get_args(Stage))
def test_fifos_are_those_of_the_compiler(generated: Path, stage: Stage, tmp_path: Path) -> None:
    source = (generated / "src" / f"{stage}.cpp").read_text()
    declared = re.findall(
        r"^\s+((?:fifo<[^;]*>|\w+_fifo|weight_buffer)) (\w+)((?:\[[^\]]*\])*)(?:\(\"[^\"]*\"\))?;", source, re.MULTILINE
    )
    assert len(declared) > 40
    shows = "\n".join(
        f'  {{ using t = {kind}{sizes}; fifos<t>::show("{name}", 1); }}' for kind, name, sizes in declared
    )
    aliases = "\n".join(re.findall(r"^using \w+_fifo = [^;]*;", source, re.MULTILINE))
    (tmp_path / "oracle.cpp").write_text(_ORACLE.format(stage=stage, shows=shows, aliases=aliases))
    program = tmp_path / "oracle"
    subprocess.run(["g++", *CXX_FLAGS, "-w", "-O0", "-I", generated / "include", "-I", generated / "src",
                    "-isystem", find_ap_headers().folder, tmp_path / "oracle.cpp", "-o", program], check=True)  # fmt: skip
    said = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    wanted = [(said[i], *map(int, said[i + 1 : i + 5])) for i in range(0, len(said), 5)]
    kernel = ProjectSources(generated, frozenset(LAWS)).kernel(stage)
    found = [(f.name, f.stream.word.bits, f.stream.word.lanes, f.stream.depth, f.stream.count) for f in kernel.fifos]
    assert sorted(one for one in found if "." not in one[0]) == sorted(wanted)


@pytest.mark.parametrize("stage", get_args(Stage))
def test_every_process_and_port_is_there(generated: Path, stage: Stage) -> None:
    kernel = ProjectSources(generated, frozenset(LAWS)).kernel(stage)
    source = (generated / "src" / f"{stage}.cpp").read_text()
    assert len(kernel.processes) == len(re.findall(r"FLEXDSE_PROCESS\(", source))
    assert all(process.calls for process in kernel.processes)
    interface = (generated / "src" / f"{stage}_interface.inc").read_text()
    assert {port.name for port in kernel.ports} == set(re.findall(r"bundle=(\w+)", interface))


def test_multipliers_are_those_of_the_design(generated: Path) -> None:
    from hls_gen.manifest import load_manifest
    from spec.design_point import DesignPoint
    from spec.library_units import LUT, MACS_PER_DSP
    from spec.strict import validate

    design = validate(DesignPoint, load_manifest(generated).inputs.design)
    parts = project_parts(generated)

    def macs(stage: Stage) -> int:
        return sum(
            instances * number * one.values["ROWS"] * one.values["COLUMNS"]
            for hardware, instances in parts[stage].units.values()
            for one, number in hardware.leaves.items()
            if one.module == "mac_tile"
        )

    p, d = design.prefill, design.decode
    assert macs("prefill") == p.token_parallelism * (2 * p.qkvo_weight_parallelism + 3 * p.ffn_weight_parallelism)
    assert macs("decode") == d.block_parallelism * d.weight_parallelism
    kinds = {
        one.values["KIND"] for h, _ in parts["decode"].units.values() for one in h.leaves if one.module == "mac_tile"
    }
    assert len(kinds) == 1
    assert (kinds == {LUT}) == (d.modules.linear_pe == "lut")
    assert set(MACS_PER_DSP) | {LUT} >= kinds


def test_every_function_of_the_library_has_a_law_or_only_calls_others() -> None:
    unknown = set()
    for path in LIBRARY.glob("*.hpp"):
        text = path.read_text()
        for match in re.finditer(r"^(?:inline )?void (\w+)\s*\(.*?\{(.*?)^\}", text, re.MULTILINE | re.DOTALL):
            name, body = match[1], match[2]
            if name not in LAWS and not re.search(
                rf"\b(?:{'|'.join(LAWS)}|run_ahead_\w+|deal_\w+|softmax\w*)\b\s*[<(]", body
            ):
                unknown.add(name)
    # `accumulate` is the multiply-accumulate of attention_values, inlined; names are for the C simulation.
    assert unknown <= {"accumulate", "hadamard_streaming", "name_streams"}


def test_every_product_that_counts_as_a_dsp_slice_is_bound_to_one() -> None:
    """Vitis HLS puts narrow products into LUTs unless told otherwise: the count must be a decision of the source."""
    for name, products in (("bf16.hpp", 1), ("pe.hpp", 4), ("attention_scores.hpp", 2), ("attention_values.hpp", 2)):
        text = (LIBRARY / name).read_text()
        assert len(re.findall(r"#pragma HLS bind_op variable=product op=mul impl=dsp", text)) == products, name


def test_an_unknown_function_is_refused_by_name(generated: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(generated, tmp_path / "p"))
    source = project / "src" / "decode.cpp"
    source.write_text(source.read_text().replace("FLEXDSE_PROCESS(swiglu<", "FLEXDSE_PROCESS(swoglu<"))
    with pytest.raises(OpenSynthesisError, match="swoglu") as caught:
        project_parts(project)
    assert "--backend vitis" in str(caught.value.hint)


def test_text() -> None:
    assert split_list("a, b<c, d>(e, f), {g, h}") == ["a", "b<c, d>(e, f)", "{g, h}"]
    assert split_call("flexdse_hls::f<lanes<float, 1>, 2>(x[0], y) + 1") == (
        "f",
        ["lanes<float, 1>", "2"],
        ["x[0]", "y"],
    )
    assert split_call("f") is None


def test_values() -> None:
    scope = Scope()
    read_constants(
        "namespace config {\nconstexpr int kA = 6;\nusing mac = flexdse_hls::mac_format<flexdse_hls::symmetry::asymmetric, 4, 4>;\n"
        "struct s { static constexpr int kA = 9; };\nnamespace decode {\nconstexpr int kB = kA * 2 - 7 / 2;\n"
        "constexpr float kE = 1e-5f;\nconstexpr int kC = mac::accumulator_bits(2048);\n}\n}",
        scope,
    )
    inside = scope.inside("decode")
    assert (inside.value("kB"), inside.value("kC"), inside.value("config::kA")) == (9, 19, 6)
    assert inside.value("mac") == MacFormat(False, 4, 4)
    assert inside.word("lanes<mac::w_type, kA>").bits == 24
    for text in ("kE", "kUnknown", "f(1)", "__import__('os')"):
        with pytest.raises(NotUnderstoodError):
            inside.value(text)
    with pytest.raises(NotUnderstoodError):
        inside.word("std::vector<int>")


def _priced_and_built(project: Path) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    """DSP, BRAM18 and URAM of each kernel: by the inventory of the cost models, and of the processes in the C++."""
    inputs = load_manifest(project).inputs
    device = validate(Device, inputs.device)
    report = evaluate_point(
        as_built(validate(DesignPoint, inputs.design)), validate(ModelConfig, inputs.model), device, inputs.workload
    )
    found = []
    for stage, parts in project_parts(project).items():
        mapped = {leaf: Mapped(dsp=leaf.dsp) for leaf in parts.leaves()}
        built = total(kernel_amounts(parts, mapped, DEFAULT_TIMING_TABLE, device.dsp_kind))
        priced = getattr(report, stage).resources
        found.append(((priced.dsp, priced.bram_18k, priced.uram), (built.dsp, built.bram_18k, built.uram)))
    return found


def test_the_cost_models_count_what_the_sources_hold(generated: Path) -> None:
    """DSP slices and memories of the inventory in `cost_models.kernels` are those of the processes in the C++."""
    for priced, built in _priced_and_built(generated):
        assert priced == built
        assert built[0] > 100
        assert built[1] > 100
        assert built[2] > 0


@pytest.mark.parametrize("name", ["flexdse-u280", "flexdse-u280-coresident", "flexdse-v80"])
def test_and_of_a_catalog_design_in_bf16(name: str, tmp_path: Path) -> None:
    """Vectors of 2,048 values: their blocks tell 16 bits from 32, which small random models do not."""
    design, device = load_design(name), load_device(name.split("-")[1])
    assert design.nonlinear_format == "bf16"
    workload = Workload(prompt_tokens=1024, output_tokens=1024)
    generate_project(design, load_model("llama-3.2-1b"), device, workload, tmp_path / "p", vectors=False)
    for priced, built in _priced_and_built(tmp_path / "p"):
        assert priced == built


def test_the_sample_of_the_page_is_that_of_the_sources(tmp_path: Path) -> None:
    """The counts by rule; LUT and FF need minutes of mapping, and are written by `make bench-leaf-synthesis`."""
    workload, model, device = (
        Workload(prompt_tokens=1024, output_tokens=1024),
        load_model("llama-3.2-1b"),
        load_device("u280"),
    )
    generate_project(load_design("flexllm-u280"), model, device, workload, tmp_path / "p", vectors=False)
    (priced, built) = _priced_and_built(tmp_path / "p")[1]
    text = section_of(Path(__file__).parents[2] / PAGE, SAMPLE_SECTION)
    (kernel,) = re.findall(r"^kernel .* (\S+) +(\S+) +(\S+)$", text, re.MULTILINE)
    assert tuple(int(count.replace(",", "")) for count in kernel) == built
    dsp, bram, uram = (f"{round(count):,}" for count in priced)
    assert f"DSP {dsp}, BRAM18 {bram}, URAM {uram}" in text
