"""Every collected report of the real tools: read whole, and equal where the same design is there as XML and as text.

The reports lie in a folder beside the checkout. They are data of others, so they are not part of this project.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hls_gen.reports import parse_report
from spec.synthesis_report import SynthesisReport

FOLDER = Path(__file__).parents[3] / "shared" / "facts" / "reports"
FILES = sorted(path for path in FOLDER.rglob("*") if path.suffix in (".xml", ".rpt")) if FOLDER.is_dir() else []

if not FILES:
    pytest.skip("the folder shared/facts/reports beside the checkout is missing", allow_module_level=True)


def read(name: str) -> SynthesisReport:
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"the report {name} is missing")
    return parse_report(path)


def counts(report: SynthesisReport) -> dict[str, int | None]:
    assert report.resources is not None
    return report.resources.model_dump(exclude={"missing"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_read_whole(path: Path) -> None:
    report = parse_report(path)
    if report.kind != "cosim_rpt":
        assert report.part is not None
        assert report.tool_version is not None
        assert report.top is not None
    if report.kind.startswith("csynth"):
        used = counts(report)
        assert all(used[name] is not None for name in ("lut", "ff", "dsp", "bram_18k"))
        assert report.latency is not None
        assert report.latency.max_cycles is not None
        assert report.interval is not None
        assert report.interval.max_cycles is not None
    if report.kind == "csynth_xml":
        assert report.available is not None
        assert report.available.missing == {}
        for module in report.modules:
            assert module.resources.missing == {}
            assert module.latency.missing == {}


@pytest.mark.parametrize(
    ("xml", "text"),
    [("hls4ml/myproject_csynth.xml", "hls4ml/myproject_csynth.rpt"),
     ("streamhls/mhsa_opt2_csynth.xml", "streamhls/mhsa_opt2_csynth.rpt")],
)  # fmt: skip
def test_xml_and_text_agree(xml: str, text: str) -> None:
    one, other = read(xml), read(text)
    assert (one.part, one.tool_version, one.top) == (other.part, other.tool_version, other.top)
    for name, value in counts(other).items():
        assert value is None or value == counts(one)[name], name
    for first, second in ((one.latency, other.latency), (one.interval, other.interval)):
        assert first is not None
        assert second is not None
        assert first.max_cycles == second.max_cycles
        assert second.min_cycles in (None, first.min_cycles)
    if other.clock is not None:
        assert one.clock == other.clock
    if other.available is not None:
        assert one.available == other.available


def test_modules_and_loops_of_xml_and_summary_agree() -> None:
    xml, text = read("streamhls/mhsa_opt2_csynth.xml"), read("streamhls/mhsa_opt2_csynth.rpt")
    in_xml = {module.name: module for module in xml.modules}
    assert set(in_xml) == {module.name for module in text.modules}
    for module in text.modules:
        twin = in_xml[module.name]
        assert module.latency.max_cycles == twin.latency.max_cycles
        assert module.interval.max_cycles == twin.interval.max_cycles
        for name in ("lut", "ff", "dsp", "bram_18k"):
            assert getattr(module.resources, name) in (None, getattr(twin.resources, name))
        assert set(twin.issues) <= set(module.issues)  # the summary also marks what holds a violating module
    loops = {(loop.module, loop.name): loop for loop in xml.loops}
    assert set(loops) == {(loop.module, loop.name) for loop in text.loops}
    for loop in text.loops:
        twin_loop = loops[loop.module, loop.name]
        assert loop.ii_achieved_cycles == twin_loop.ii_achieved_cycles
        assert loop.trip_count == twin_loop.trip_count
        assert loop.latency.max_cycles == twin_loop.latency.max_cycles
        assert loop.depth == twin_loop.depth
        assert (twin_loop.ii_asked_cycles != twin_loop.ii_achieved_cycles) == ("II Violation" in loop.issues)


def test_figures_of_the_papers() -> None:
    """Headlines that the collectors noted by hand."""
    cosim = read("streamhls/mhsa_opt2_cosim.rpt")
    assert cosim.latency is not None
    assert cosim.latency.max_cycles == 2_693_533
    v80 = read("v80/v80_attention_csynth_EXCERPT.rpt")
    assert (counts(v80)["dsp"], counts(v80)["lut"], v80.part) == (128, 691_055, "xcv80-lsva4737-2MHP-e-S")
    assert v80.available_per_slr is not None
    assert v80.available_per_slr.dsp == 3616
    old = read("hls4ml/myproject_csynth.xml")
    assert (old.tool, counts(old)["dsp"]) == ("Vivado HLS", 73)


def test_a_range_as_throughput_and_asked_intervals() -> None:
    report = read("prometheus/2mm_1SLR__slr0-hw_csynth.xml")
    assert report.interval is not None
    assert (report.interval.min_cycles, report.interval.max_cycles) == (55556, 56628)
    asked = {loop.name: (loop.ii_asked_cycles, loop.ii_achieved_cycles) for loop in report.loops if loop.issues}
    assert asked["VITIS_LOOP_471_1"] == (2, 3)


def test_implemented_card() -> None:
    timing = read("prometheus/2mm_1SLR__dr_timing_summary_head400.rpt").timing
    assert timing is not None
    assert (timing.met, timing.wns_ns, timing.tns_ns, timing.failing_endpoints) == (False, -0.081, -353.193, 6486)
    slr = read("prometheus/2mm_1SLR___slr_util_routed.rpt")
    assert [(row.name, row.resources.bram_18k) for row in slr.slrs] == [("SLR0", 991), ("SLR1", 180), ("SLR2", 100)]
    assert slr.slr_crossings[1].sll_used == 5350
    kernels = read("prometheus/2mm_1SLR___kernel_util_routed.rpt")
    assert kernels.provenance == "post_place"  # as its own head says, whatever the name of the file
    assert counts(kernels)["bram_18k"] == 870
