"""Co-simulation, export, and the reports of Vivado."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hls_gen.reports import parse_report
from hls_gen.reports.errors import ReportUnreadableError
from spec.synthesis_report import SynthesisReport

Own = Callable[[str], SynthesisReport]


def counts(report: SynthesisReport) -> tuple[int | None, ...]:
    used = report.resources
    assert used is not None
    return used.lut, used.ff, used.dsp, used.bram_18k, used.uram


def test_cosim(own: Own) -> None:
    report = own("cosim_pass.rpt")
    assert (report.provenance, report.part) == ("cosim", None)
    assert report.latency is not None
    assert (report.latency.min_cycles, report.latency.avg_cycles, report.latency.max_cycles) == (1041, 1300, 2071)
    assert report.interval is not None
    assert report.interval.avg_cycles == 1301
    assert report.cosim is not None
    assert (report.cosim.rtl, report.cosim.status, report.cosim.total_execution_cycles) == ("verilog", "pass", 9107)
    assert report.resources is None


@pytest.mark.parametrize(("name", "status"), [("cosim_fail.rpt", "fail"), ("cosim_not_run.rpt", "not_run")])
def test_cosim_without_a_result(own: Own, name: str, status: str) -> None:
    report = own(name)
    assert report.cosim is not None
    assert report.cosim.status == status
    assert report.latency is not None
    assert report.latency.max_cycles is None
    assert "NA" in report.latency.missing["max_cycles"]


def test_export_after_routing(own: Own) -> None:
    report = own("export_impl.xml")
    assert (report.provenance, report.tool, report.tool_version) == ("post_route", "Vivado", "2024.1")
    assert counts(report) == (216217, 240891, 2048, 398, None)
    assert report.resources is not None
    assert "0 of 0 URAM" in report.resources.missing["uram"]
    assert report.clock is not None
    assert (report.clock.target_ns, report.clock.achieved_ns, report.clock.estimated_ns) == (3.424, 3.611, None)
    assert report.timing is not None
    assert (report.timing.met, report.timing.wns_ns, report.timing.tns_ns) == (False, -0.187, -88.125)


def test_export_after_logic_synthesis_is_not_called_post_route(own: Own) -> None:
    report = own("export_syn.xml")
    assert report.provenance == "post_synth"
    assert report.timing is not None
    assert report.timing.met is True


def test_export_of_an_old_version_by_its_name_only(own_path: Callable[[str], Path], tmp_path: Path) -> None:
    lines = own_path("export_impl.xml").read_text().splitlines()
    old = "\n".join(line for line in lines if not line.strip().startswith(("<RUN_TYPE", "<CP_ROUTE")))
    (tmp_path / "export_impl.xml").write_text(old)
    assert parse_report(tmp_path / "export_impl.xml").provenance == "post_route"
    (tmp_path / "renamed.xml").write_text(old)
    with pytest.raises(ReportUnreadableError, match="implemented or only synthesized"):
        parse_report(tmp_path / "renamed.xml")


def test_export_as_text_says_the_same(own: Own) -> None:
    xml, text = own("export_impl.xml"), own("decode_linear_export.rpt")
    assert counts(xml)[:4] == counts(text)[:4]
    assert xml.clock == text.clock
    assert (text.part, text.provenance, text.tool_version) == ("xcu280-fsvh2892-2L-e", "post_route", "2024.1")
    assert text.timing is not None
    assert text.timing.met is False


@pytest.mark.parametrize(
    ("name", "provenance", "part", "used", "available"),
    [
        ("utilization_7series_synth.rpt", "post_synth", "7z045ffg900-2",
         (812, 1150, 17, 3, None), (218600, 437200, 900, 1090, None)),
        ("utilization_uplus_placed.rpt", "post_place", "xcu280-fsvh2892-2L-e",
         (216217, 240891, 2048, 398, 12), (1303680, 2607360, 9024, 4032, 960)),
        ("utilization_versal_routed.rpt", "post_route", "xcv80-lsva4737-2MHP-e-S",
         (201000, 250000, 1024, 200, 64), (2574208, 5148416, 10848, 7482, 1925)),
    ],
)  # fmt: skip
def test_utilization(
    own: Own, name: str, provenance: str, part: str, used: tuple[int | None, ...], available: tuple[int | None, ...]
) -> None:
    report = own(name)
    assert (report.provenance, report.part, report.tool) == (provenance, part, "Vivado")
    assert counts(report) == used
    total = report.available
    assert total is not None
    assert (total.lut, total.ff, total.dsp, total.bram_18k, total.uram) == available


def test_a_family_without_ultraram_has_none_rather_than_zero(own: Own) -> None:
    report = own("utilization_7series_synth.rpt")
    assert report.resources is not None
    assert report.resources.missing == {"uram": "the report has no row URAM"}


def test_utilization_of_each_region(own: Own) -> None:
    report = own("utilization_slr_routed.rpt")
    assert report.kind == "slr_utilization_rpt"
    assert [slr.name for slr in report.slrs] == ["SLR0", "SLR1", "SLR2"]
    first = report.slrs[0]
    assert (first.resources.lut, first.resources.bram_18k, first.resources.dsp) == (200000, 421, 2048)
    assert first.utilization.dsp == pytest.approx(0.7111)
    assert counts(report) == (235000, 308000, 2052, 483, 16)  # the sum of the regions
    assert report.available is None
    crossing = report.slr_crossings[1]
    assert (crossing.between, crossing.sll_used, crossing.sll_available) == (("SLR1", "SLR0"), 4608, 23040)


def test_utilization_of_the_kernels_beside_the_platform(own: Own) -> None:
    report = own("accelerator_routed.rpt")
    assert (report.kind, report.part) == ("accelerator_utilization_rpt", "xcu280")
    assert counts(report) == (216217, 240891, 2048, 397, 12)
    assert report.available is not None
    assert (report.available.lut, report.available.bram_18k) == (1196051, 3642)
    kernel, instance = report.instances
    assert (kernel.name, kernel.parent, instance.name, instance.parent) == (
        "decode_linear", "", "decode_1", "decode_linear")  # fmt: skip
    assert instance.resources.bram_18k == 398


def test_timing_met(own: Own) -> None:
    report = own("timing_met.rpt")
    assert report.provenance == "post_route"
    timing = report.timing
    assert timing is not None
    assert (timing.met, timing.wns_ns, timing.tns_ns, timing.failing_endpoints, timing.total_endpoints) == (
        True, 0.043, 0.0, 0, 480112)  # fmt: skip
    assert (timing.whs_ns, timing.wpws_ns) == (0.011, 1.17)
    assert report.clock is not None
    assert (report.clock.target_ns, report.clock.achieved_ns) == (3.424, 3.381)


def test_timing_not_met_with_two_clocks(own: Own) -> None:
    report = own("timing_not_met.rpt")
    assert report.timing is not None
    assert (report.timing.met, report.timing.wns_ns, report.timing.failing_endpoints) == (False, -0.187, 1203)
    kernel, memory = report.timing.clocks
    assert (kernel.name, kernel.period_ns, kernel.wns_ns, kernel.tns_ns) == ("ap_clk", 3.424, -0.187, -88.125)
    # The other clock has pulse width checks only: its empty columns must not slip.
    assert (memory.name, memory.period_ns, memory.wns_ns) == ("hbm_aclk", 2.222, None)
    assert report.clock is None
    assert "2 clocks" in report.missing["clock"]


def test_timing_without_constraints(own: Own) -> None:
    timing = own("timing_unconstrained.rpt").timing
    assert timing is not None
    assert (timing.met, timing.wns_ns) == (None, None)
    assert timing.missing["met"] == "the design has no timing constraints"


def test_power(own: Own) -> None:
    report = own("power_routed.rpt")
    power = report.power
    assert (report.provenance, report.part) == ("post_route", "xcu280-fsvh2892-2L-e")
    assert power is not None
    assert (power.total_w, power.dynamic_w, power.static_w, power.junction_c, power.confidence) == (
        41.25, 37.1, 4.15, 45.9, "Low")  # fmt: skip
    by_name = {component.name: component for component in power.components}
    assert by_name["DSPs"].power_w == 7.7
    assert by_name["Others"].power_w is None
    assert "<0.001" in by_name["Others"].missing["power_w"]


def test_a_state_that_we_do_not_know_is_refused(own_path: Callable[[str], Path], tmp_path: Path) -> None:
    text = own_path("power_routed.rpt").read_text().replace("Design State : routed", "Design State : Partially Placed")
    (tmp_path / "power.rpt").write_text(text)
    with pytest.raises(ReportUnreadableError, match="how far the design had come"):
        parse_report(tmp_path / "power.rpt")
