"""Files that are no report, no whole report, or hostile: refused cleanly, quickly, and with a way out."""

from __future__ import annotations

import os
import re
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hls_gen.reports import parse_report, source, xml_tree
from hls_gen.reports.errors import ReportMismatchError, ReportUnreadableError
from hls_gen.reports.target import check_target, same_part

DATA = Path(__file__).with_name("data")
OWN = sorted(path.name for path in DATA.iterdir())


def refusal(path: Path) -> ReportUnreadableError:
    started = time.monotonic()
    with pytest.raises(ReportUnreadableError) as caught:
        parse_report(path)
    assert time.monotonic() - started < 5
    error = caught.value
    assert path.name in error.message
    assert error.rule
    assert error.hint
    assert error.exit_code == 2
    return error


def written(folder: Path, content: str | bytes, name: str = "csynth.xml") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_broken_rule_of_the_document_is_said_on_one_line(tmp_path: Path) -> None:
    text = (DATA / "csynth_2020.xml").read_text()
    least = re.search(r"<Best-caseLatency>(\d+)<", text)
    assert least is not None
    error = refusal(written(tmp_path, text.replace(least[0], "<Best-caseLatency>999999999<", 1)))
    assert "\n" not in error.message + str(error.rule)
    assert error.message.endswith("min_cycles: the least is above the most")
    assert error.rule == "min_cycles <= avg_cycles <= max_cycles"


def test_entity_bomb(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE profile [<!ENTITY e0 "x">{entities}]><profile><a>&e11;</a></profile>'
    assert "document type" in refusal(written(tmp_path, bomb)).message


@pytest.mark.parametrize("address", ["file:///etc/passwd", "http://127.0.0.1:1/x"])
def test_outside_entity(tmp_path: Path, address: str) -> None:
    text = f'<!DOCTYPE profile [<!ENTITY x SYSTEM "{address}">]><profile><Part>&x;</Part></profile>'
    assert "document type" in refusal(written(tmp_path, text)).message


def test_document_type_without_entities(tmp_path: Path) -> None:
    assert "document type" in refusal(written(tmp_path, '<!DOCTYPE profile SYSTEM "profile.dtd"><profile/>')).message


def test_undeclared_entity(tmp_path: Path) -> None:
    assert "not well-formed" in refusal(written(tmp_path, "<profile><Part>&x;</Part></profile>")).message


def test_wrong_root(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, "<project><a/></project>"))
    assert "<project>" in error.message
    assert "<profile>" in str(error.rule)


def test_vivado_xml_form_is_refused_by_name(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, '<?xml version="1.0"?>\n<RptDoc major="1"><section/></RptDoc>'))
    assert "-format xml" in str(error.hint)


def test_a_profile_of_something_else(tmp_path: Path) -> None:
    assert "<UserAssignments> is missing" in refusal(written(tmp_path, "<profile><a>1</a></profile>")).message


def test_too_deep(tmp_path: Path) -> None:
    text = "<profile>" + "<a>" * 10_000 + "</a>" * 10_000 + "</profile>"
    assert "too deeply" in refusal(written(tmp_path, text)).message


def test_too_many_elements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_tree, "MAX_ELEMENTS", 1000)
    assert "too many elements" in refusal(written(tmp_path, f"<profile>{'<a/>' * 2000}</profile>")).message


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_REPORT_BYTES", 1000)
    assert "too large" in refusal(written(tmp_path, "<profile>" + " " * 2000)).message


def test_huge_table(tmp_path: Path) -> None:
    wide = "+" + "-+" * 5000
    text = f"== Vitis HLS Report for 'x'\n{wide}\n|{'|' * 5000}\n{wide}\n"
    assert "too wide" in refusal(written(tmp_path, text, "a.rpt")).message


@pytest.mark.parametrize(
    "text",
    [
        "== Vitis HLS Report for 'x'\n" + "+-" * 500_000 + "\n",
        "== Vitis HLS Report for 'x'\n" + "\n" * 1_000_000,
        "== Vitis HLS Report for 'x'\n* Version:" + " " * 1_000_000 + "x\n",
        "Simulation tool Latency(Clock Cycles)\n" + "|" * 1_000_000 + "\n",
        "Implementation tool: Xilinx Vivado" + " " * 1_000_000 + "\nx\n",
        "| " + "A" * 10_000 + " " * 1_000_000 + "\nPower Report\n",
        "| Tool Version : v\nTiming Summary Report\n| Design State : Routed\n| Clock Summary\n\na"
        + " " * 1_000_000
        + "{\n",
        "<profile>" * 100_000,
        "<profile><UserAssignments>" + "<A>" + "x" * 2_000_000,
    ],
)
def test_no_text_takes_long(tmp_path: Path, text: str) -> None:
    refusal(written(tmp_path, text, "a.rpt"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "binary"),
        (zlib.compress(b"<profile/>" * 99), "binary"),
        ("<profile/>".encode("utf-16"), "binary"),
        (b'<?xml version="1.0"?><profile>\xff\xfe</profile>', "UTF-8"),
        (b'{"schema": "flexdse/project/v1"}', "no report"),
        (b"import os\n", "no report"),
    ],
)
def test_foreign_files(tmp_path: Path, content: bytes, says: str) -> None:
    assert says in refusal(written(tmp_path, content, "a.rpt")).message


def test_vivado_report_of_another_kind(tmp_path: Path) -> None:
    text = "| Tool Version : Vivado v.2023.2\n| Command      : report_drc -file x\n\nReport DRC\n"
    assert "report_drc" in refusal(written(tmp_path, text, "drc.rpt")).message


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "folder" in refusal(tmp_path).message
    refusal(tmp_path / "missing.xml")
    os.mkfifo(tmp_path / "pipe")
    assert "regular" in refusal(tmp_path / "pipe").message
    assert "regular" in refusal(Path("/dev/null")).message
    with pytest.raises(ReportUnreadableError):
        parse_report(Path("a\0b"))


@pytest.mark.parametrize("name", OWN)
def test_cut_off_anywhere(tmp_path: Path, name: str) -> None:
    """Half a report is refused, or says the same as far as it goes; never another number."""
    text = (DATA / name).read_text()
    whole = parse_report(DATA / name)
    for share in range(2, 100, 7):
        path = written(tmp_path, text[: len(text) * share // 100].rstrip("\n|+- ") + "\n", name)
        try:
            part = parse_report(path)
        except ReportUnreadableError as error:
            assert error.hint  # noqa: PT017 - most cuts are refused, but not all
            continue
        assert part.latency == whole.latency
        assert part.provenance == whole.provenance
        if whole.resources is not None and part.resources is not None:
            for field in ("lut", "ff", "dsp", "bram_18k", "uram"):
                assert getattr(part.resources, field) in (None, getattr(whole.resources, field))


@pytest.mark.parametrize("name", [name for name in OWN if name.endswith(".rpt")])
def test_a_cut_inside_a_line_is_always_refused(tmp_path: Path, name: str) -> None:
    """The last digits of a number may be gone: 3.381 would read as 3.38."""
    text = (DATA / name).read_text()
    for share in range(40, 100, 3):
        cut = text[: len(text) * share // 100].rstrip("\n")
        refusal(written(tmp_path, cut, name))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("utilization_slr_routed.rpt", "| CLB LUTs ", "| CLB LUTs"),
        ("utilization_slr_routed.rpt", "|  SLR1 |  SLR2 |", "|  SLR1 |  SLR  |"),
        ("accelerator_routed.rpt", "[100.00%]", "[.00%]"),
        ("csynth_summary.rpt", "2048 (22%)", "2048 (2%)"),
    ],
)
def test_a_table_whose_columns_have_slipped_is_refused(tmp_path: Path, name: str, old: str, new: str) -> None:
    """A row that no longer fits would give the values of other columns."""
    text = (DATA / name).read_text()
    assert old in text
    error = refusal(written(tmp_path, text.replace(old, new, 1), name))
    assert "damaged" in error.message
    assert error.line


def test_a_least_above_the_most_is_refused(tmp_path: Path) -> None:
    text = (DATA / "cosim_pass.rpt").read_text()
    assert "|           1041|" in text
    error = refusal(written(tmp_path, text.replace("|           1041|", "|           9041|", 1), "cosim.rpt"))
    assert "min_cycles" in str(error)


def test_digits_of_other_scripts_are_no_numbers(tmp_path: Path) -> None:
    text = (DATA / "csynth_2023.xml").read_text()
    assert "<DSP>2048</DSP>" in text
    report = parse_report(written(tmp_path, text.replace("<DSP>2048</DSP>", "<DSP>204\u0663</DSP>", 1), "csynth.xml"))
    assert report.resources is not None
    assert report.resources.dsp is None


@pytest.mark.parametrize("name", [name for name in OWN if name.endswith(".xml")])
def test_a_cut_xml_is_always_refused(tmp_path: Path, name: str) -> None:
    text = (DATA / name).read_text()
    for share in range(1, 100, 3):
        refusal(written(tmp_path, text[: len(text) * share // 100], name))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<LUT>288290</LUT>", "<LUT>-5</LUT>"),
        ("<LUT>288290</LUT>", "<LUT>12.5</LUT>"),
        ("<LUT>288290</LUT>", "<LUT>0x10</LUT>"),
        ("<LUT>288290</LUT>", "<LUT>many</LUT>"),
        ("<LUT>288290</LUT>", f"<LUT>{'9' * 5000}</LUT>"),
        ("<LUT>288290</LUT>", "<LUT>inf</LUT>"),
    ],
)
def test_a_value_that_is_no_count_is_missing(
    own_path: Callable[[str], Path], tmp_path: Path, old: str, new: str
) -> None:
    text = own_path("csynth_2023.xml").read_text()
    assert old in text
    report = parse_report(written(tmp_path, text.replace(old, new)))
    assert report.resources is not None
    assert report.resources.lut is None
    assert "LUT" in report.resources.missing["lut"]


def test_a_value_that_can_not_be_is_refused(own_path: Callable[[str], Path], tmp_path: Path) -> None:
    text = own_path("csynth_2023.xml").read_text().replace("<TargetClockPeriod>3.42", "<TargetClockPeriod>-3.42", 1)
    assert "target_ns" in refusal(written(tmp_path, text)).message


def test_times_in_another_unit(own_path: Callable[[str], Path], tmp_path: Path) -> None:
    text = own_path("csynth_2023.xml").read_text().replace("<unit>ns</unit>", "<unit>ps</unit>", 1)
    assert "in ps" in refusal(written(tmp_path, text)).message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("xcu280-fsvh2892-2L-e", "xcu280-fsvh2892-2L-e"),
        ("xcu280-fsvh2892-2L-e", "xcu280"),  # report_accelerator_utilization
        ("xcu280-fsvh2892-2L-e", "xcu280-fsvh2892"),  # report_timing_summary
        ("xc7z020-clg400-1", "7z020clg400-1"),  # report_utilization of 7 series
        ("xcku3p-ffva676-2-e", "xcku3pffva676-2"),
    ],
)
def test_one_part_under_the_names_of_several_reports(one: str, other: str) -> None:
    assert same_part(one, other)
    assert same_part(other, one)


def test_other_parts() -> None:
    assert not same_part("xcu280-fsvh2892-2L-e", "xcu55c-fsvh2892-2L-e")
    assert not same_part("xcu280-fsvh2892-2L-e", "xcu280-fsvh2892-1-e")
    assert not same_part("xcu280", "")


def test_a_report_of_another_target_is_not_taken_silently(own_path: Callable[[str], Path]) -> None:
    path = own_path("csynth_2023.xml")
    report = parse_report(path)
    check_target(report, path, part="xcu280-fsvh2892-2L-e", clock_period_ns=3.424, top="decode_linear")
    for wanted, names in (
        ({"part": "xcu55c-fsvh2892-2L-e", "clock_period_ns": None, "top": None}, ("xcu55c", "xcu280")),
        ({"part": None, "clock_period_ns": 3.3, "top": None}, ("3.42 ns", "3.3 ns")),
        ({"part": None, "clock_period_ns": None, "top": "prefill_linear"}, ("decode_linear", "prefill_linear")),
    ):
        with pytest.raises(ReportMismatchError) as caught:
            check_target(report, path, **wanted)  # type: ignore[arg-type]
        assert all(name in caught.value.message for name in names)
