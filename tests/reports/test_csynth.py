"""C synthesis: csynth.xml of several versions, and both forms of text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hls_gen.reports import parse_report
from spec.synthesis_report import SynthesisReport

Own = Callable[[str], SynthesisReport]


def counts(report: SynthesisReport) -> tuple[int | None, ...]:
    used = report.resources
    assert used is not None
    return used.lut, used.ff, used.dsp, used.bram_18k, used.uram


def test_vivado_hls_2020_with_dsp48e(own: Own) -> None:
    report = own("csynth_2020.xml")
    assert (report.provenance, report.kind, report.tool, report.tool_version) == (
        "csynth", "csynth_xml", "Vivado HLS", "2020.1")  # fmt: skip
    assert (report.part, report.top) == ("xcku5p-ffvb676-2-e", "scale_rows")
    assert counts(report) == (847, 1203, 17, 3, 0)
    assert report.available is not None
    assert report.available.dsp == 1824
    assert report.clock is not None
    assert (report.clock.target_ns, report.clock.uncertainty_ns, report.clock.estimated_ns) == (4.0, 0.5, 3.217)
    assert report.latency is not None
    assert (report.latency.min_cycles, report.latency.avg_cycles, report.latency.max_cycles) == (41, 41, 41)
    assert report.interval is not None
    assert (report.interval.min_cycles, report.interval.max_cycles) == (42, 42)
    assert "average" in report.interval.missing["avg_cycles"]


def test_nested_loops_with_dots_in_their_names(own: Own) -> None:
    outer, inner = own("csynth_2020.xml").loops
    assert (outer.name, outer.parent, outer.pipelined, outer.trip_count.max, outer.depth.max_cycles) == (
        "Row", "", False, 5, 8)  # fmt: skip
    assert (inner.name, inner.parent, inner.pipelined, inner.ii_achieved_cycles, inner.depth.max_cycles) == (
        "Row.1", "Row", True, 1, 3)  # fmt: skip
    assert outer.missing["ii_achieved_cycles"] == "the loop is not pipelined"


def test_what_the_tool_could_not_determine_is_missing_with_its_reason(own: Own) -> None:
    report = own("csynth_2023.xml")
    assert report.latency is not None
    assert report.latency.min_cycles == 1036
    assert report.latency.max_cycles is None
    assert "undef" in report.latency.missing["max_cycles"]
    # No Interval-min here, so the throughput of the dataflow region, whose upper bound is not known.
    assert report.interval is not None
    assert (report.interval.min_cycles, report.interval.max_cycles) == (1025, None)
    # URAM is not in the file at all, neither here nor in the module: not 0.
    assert report.resources is not None
    assert report.resources.uram is None
    assert report.resources.missing == {"uram": "the report has no URAM of the design"}
    assert report.available is not None
    assert report.available.uram == 960


def test_order_of_children_does_not_matter(own: Own) -> None:
    assert counts(own("csynth_2023.xml"))[:4] == (288290, 301114, 2048, 412)


def test_dataflow_throughput_as_a_plain_number(own_path: Callable[[str], Path], tmp_path: Path) -> None:
    text = own_path("csynth_2023.xml").read_text()
    start, end = text.index("<range>"), text.index("</range>") + len("</range>")
    (tmp_path / "csynth.xml").write_text(text[:start] + "1026" + text[end:])
    interval = parse_report(tmp_path / "csynth.xml").interval
    assert interval is not None
    assert (interval.min_cycles, interval.max_cycles) == (1026, 1026)


def test_rows_of_modules(own: Own) -> None:
    gemv, top = own("csynth_2023.xml").modules
    assert (gemv.name, gemv.pipeline, gemv.estimated_clock_ns) == ("gemv_Pipeline_Rows", "no", 2.301)
    assert (gemv.latency.min_cycles, gemv.latency.max_cycles) == (1032, 2056)
    assert (gemv.interval.min_cycles, gemv.interval.max_cycles) == (1032, 2056)
    assert (gemv.resources.lut, gemv.resources.dsp, gemv.resources.uram) == (2400, 64, 0)
    assert gemv.issues == ("Timing Violation",)
    assert top.interval.max_cycles is None
    assert top.issues == ()


def test_rows_of_loops(own: Own) -> None:
    rows, layers, chunks = own("csynth_2023.xml").loops
    assert (rows.module, rows.ii_asked_cycles, rows.ii_achieved_cycles) == ("gemv_Pipeline_Rows", 1, 2)
    assert rows.issues == ("II Violation", "Memory Dependency")
    assert (rows.trip_count.min, rows.trip_count.max) == (512, 1024)
    assert (rows.latency.min_cycles, rows.latency.max_cycles) == (1030, 2054)
    assert (layers.pipelined, layers.trip_count.max, layers.depth.min_cycles, layers.depth.max_cycles) == (
        False, None, 1034, 2058)  # fmt: skip
    assert "undef" in layers.trip_count.missing["max"]
    assert (chunks.name, chunks.parent, chunks.pipelined, chunks.ii_achieved_cycles) == ("Chunks", "Layers", True, 1)
    assert chunks.missing["ii_asked_cycles"] == "the pipeline pragma asks for no certain interval"


def test_module_as_text(own: Own) -> None:
    report = own("decode_linear_csynth.rpt")
    assert (report.kind, report.tool, report.tool_version, report.top) == (
        "csynth_rpt", "Vitis HLS", "2023.2", "decode_linear")  # fmt: skip
    assert counts(report) == (288290, 301114, 2048, 412, None)
    assert report.available_per_slr is not None
    assert report.available_per_slr.dsp == 3008
    assert report.available is not None
    assert report.available.lut == 1303680
    assert report.clock is not None
    assert (report.clock.target_ns, report.clock.estimated_ns, report.clock.uncertainty_ns) == (3.42, 2.487, 0.92)
    assert report.latency is not None
    assert (report.latency.min_cycles, report.latency.max_cycles) == (1036, None)
    assert "?" in report.latency.missing["max_cycles"]
    gemv, control = report.modules
    assert (gemv.name, gemv.latency.max_cycles, gemv.interval.min_cycles, gemv.resources.lut) == (
        "gemv", 2056, 1032, 286500)  # fmt: skip
    assert (control.latency.max_cycles, control.resources.ff) == (None, 500)


def test_loops_of_the_module_as_text(own: Own) -> None:
    layers, chunks, lane, drain = own("decode_linear_csynth.rpt").loops
    assert [(loop.name, loop.parent) for loop in (layers, chunks, lane, drain)] == [
        ("Layers", ""), ("Chunks", "Layers"), ("Lane", "Chunks"), ("Drain", "")]  # fmt: skip
    assert (chunks.ii_asked_cycles, chunks.ii_achieved_cycles, chunks.depth.max_cycles, chunks.trip_count.max) == (
        1, 2, 15, 7)  # fmt: skip
    assert (layers.depth.min_cycles, layers.depth.max_cycles) == (1034, 2058)
    assert layers.pipelined is False


def test_summary_as_text(own: Own) -> None:
    report = own("csynth_summary.rpt")
    assert (report.kind, report.top, report.part) == ("csynth_summary_rpt", "decode_linear", "xcu280-fsvh2892-2L-e")
    assert counts(report) == (288290, 301114, 2048, 412, None)
    assert report.interval is not None
    assert report.interval.max_cycles == 1025
    assert [module.name for module in report.modules] == ["decode_linear", "gemv", "ctrl"]
    assert report.modules[0].issues == ("Timing Violation",)
    rows, lanes = report.loops
    assert (rows.module, rows.parent, rows.ii_achieved_cycles, rows.issues) == ("gemv", "", 2, ("II Violation",))
    assert (lanes.module, lanes.parent, lanes.pipelined) == ("gemv", "Rows", False)


def test_the_three_forms_agree(own: Own) -> None:
    xml, text, summary = own("csynth_2023.xml"), own("decode_linear_csynth.rpt"), own("csynth_summary.rpt")
    assert counts(xml) == counts(text) == counts(summary)
    assert xml.available == text.available
    assert xml.clock == text.clock
    assert xml.part == text.part == summary.part


@pytest.mark.parametrize(
    "name", ["csynth_2020.xml", "csynth_2023.xml", "decode_linear_csynth.rpt", "csynth_summary.rpt"]
)
def test_estimates_are_no_timing_analysis(own: Own, name: str) -> None:
    report = own(name)
    assert report.timing is None
    assert report.power is None
    assert {"timing", "power"} <= set(report.missing)
