"""The figures of a design, and the pages that put results side by side, against what the server itself says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from flexdse.serve import BackgroundService
from tests.dashboard.small_space import SMALL_SPACE

pytestmark = [pytest.mark.needs_program("chromium"), pytest.mark.needs_program("node")]

PATIENCE_S = 300.0
PATIENCE_MS = 1000 * PATIENCE_S
MODEL, DEVICE = "smollm2-135m", "u280"
WORKLOAD = {"prompt_tokens": 64, "output_tokens": 16}
SEARCH = {"objectives": ["ttft_s", "tpot_s"], "method": "random", "budget": 60}
# With two more token parallelisms, so that some designs break a limit of the card.
TOKENS = "prefill.token_parallelism"
FIXED = {knob: value for knob, value in SMALL_SPACE.items() if knob != TOKENS}
NARROW = {"space": {"fix": FIXED, "restrict": {TOKENS: [8, 16, 32]}}, "floorplan": False}

Pictures = Callable[..., None]
Check = Callable[[Page], None]
Errors = Any
Call = Callable[..., Any]


def _call(service: BackgroundService) -> Call:
    def call(path: str, **request: Any) -> Any:
        method = "POST" if "json" in request else "GET"
        answer = httpx.request(
            method, service.url + "/api/v1" + path, headers=service.address.headers, timeout=PATIENCE_S, **request
        )
        return answer.raise_for_status().json()

    return call


def _wait(look: Callable[[], Any], is_done: Callable[[Any], bool]) -> Any:
    """What `look` sees once it is done; fails after `PATIENCE_S`."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_done(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)
    return seen


def _finish(call: Call, exploration: str) -> None:
    seen = _wait(lambda: call(f"/explorations/{exploration}"), lambda found: found["state"] in ("succeeded", "failed"))
    assert seen["state"] == "succeeded", seen["error"]


@pytest.fixture(scope="session")
def explorations(service: BackgroundService) -> tuple[str, str]:
    """Two searches of the same model, on other cards; the first is finished."""
    call = _call(service)
    ids = []
    for device in (DEVICE, "u55c"):
        body = {"name": f"On {device}", "model": MODEL, "device": device, "workload": WORKLOAD}
        objectives = ["ttft_s", "tpot_s", "max_utilization"]
        ids.append(call("/explorations", json={**body, **SEARCH, **NARROW, "objectives": objectives})["id"])
    _finish(call, ids[0])
    return ids[0], ids[1]


def _figures(page: Page) -> None:
    """Every figure of the design page has come into view and has what it asked the server for."""
    for title in ("SLR floorplan", "Sensitivity"):
        page.get_by_role("heading", name=title, exact=True).scroll_into_view_if_needed()
        expect(page.get_by_role("img", name=re.compile(f"^{title} of "))).not_to_have_count(0, timeout=PATIENCE_MS)


def test_the_figures_of_a_design_are_the_servers_numbers(
    page: Page,
    service: BackgroundService,
    explorations: tuple[str, str],
    screenshots: Pictures,
    assert_accessible: Check,
) -> None:
    call = _call(service)
    exploration = explorations[0]
    report = call(f"/explorations/{exploration}/front/0/report")
    design = call(f"/explorations/{exploration}/front/0")["design"]
    case = {"design": design, "model": MODEL, "device": DEVICE, "workload": WORKLOAD}
    page.goto(service.address.login_url(f"/explorations/{exploration}/designs/0"))

    # Every module of the report is a block of its stage.
    for stage in ("prefill", "decode"):
        diagram = page.get_by_role("img", name=re.compile(f"^Block diagram of {stage}"))
        expect(diagram).to_be_visible(timeout=PATIENCE_MS)
        blocks = diagram.locator("[data-module]").evaluate_all("found => found.map(block => block.dataset.module)")
        assert sorted(blocks) == sorted(row["module"] for row in report["breakdown"] if row["stage"] == stage)

    # The roofline has a mark for each stage that runs on HBM, below its roof.
    roofline = page.get_by_role("img", name=re.compile("^Roofline"))
    expect(roofline).to_be_visible(timeout=PATIENCE_MS)
    summary = roofline.get_attribute("aria-label") or ""
    reached = [float(share) for share in re.findall(r"reaches ([\d.]+) %", summary)]
    assert len(reached) == 2, summary
    assert all(0 < share <= 100 for share in reached), summary

    # Quality with what it rests on; energy of the phases.
    panel = page.get_by_role("region", name="Model quality")
    quality = report["quality"]
    expect(panel).to_contain_text(quality["missing"] if quality["value"] is None else quality["kind"])
    expect(page.get_by_role("list", name="Energy by phase")).to_contain_text("Prefill")

    # The floorplan that the solver finds, SLR by SLR.
    _figures(page)
    floorplan = call("/designs:evaluate", json={**case, "floorplan": True})["floorplan"]
    for bitstream in floorplan["bitstreams"]:
        title = " and ".join(stage.capitalize() for stage in bitstream["stages"])
        plan = page.get_by_role("img", name=re.compile(f"^SLR floorplan of {title}:"))
        for region in bitstream["regions"]:
            slr = plan.locator(f"[data-slr={region['slr']}]")
            for name in ("DSP", "LUT", "FF", "BRAM", "URAM"):
                share = region[f"{'bram_18k' if name == 'BRAM' else name.lower()}_fraction"]
                shown = slr.locator("title", has_text=f" {name}: ").text_content() or ""
                number = re.search(r"([\d.]+) %$", shown)
                assert number is not None, shown
                assert float(number[1]) == pytest.approx(100 * share, abs=0.11), shown

    # The tornado has the strongest parameter of the metric on top.
    knobs = call("/designs:explain", json={**case, "metrics": ["tpot_s"]})["sensitivity"]["knobs"]
    page.get_by_role("region", name="Sensitivity").get_by_label("Metric").select_option("tpot_s")
    tornado = page.get_by_role("img", name=re.compile("^Sensitivity of Time per output token"))
    shown_knobs = tornado.locator("[data-knob]").evaluate_all("found => found.map(row => row.dataset.knob)")
    strength = {knob["knob"]: max(abs(step["change"]["tpot_s"]) for step in knob["steps"]) for knob in knobs}
    assert set(shown_knobs) == {name for name, most in strength.items() if most > 1e-12}
    assert [strength[name] for name in shown_knobs] == sorted(map(strength.__getitem__, shown_knobs), reverse=True)
    assert_accessible(page)
    screenshots(page, "design-figures", 4200)


def test_what_it_would_take_and_the_datasheet(
    page: Page, service: BackgroundService, explorations: tuple[str, str], errors: Errors, assert_accessible: Check
) -> None:
    call = _call(service)
    exploration = explorations[0]
    entry = call(f"/explorations/{exploration}/front/0")
    page.goto(service.address.login_url(f"/explorations/{exploration}/designs/0"))

    # One target that is met, one that is no target.
    form = page.get_by_role("form", name="What would it take")
    panel = page.get_by_role("region", name="What would it take")
    form.get_by_label("Target").fill("tpot_s <= 100")
    form.get_by_role("button", name="Search").click()
    expect(panel).to_contain_text("It meets the target as it is", timeout=PATIENCE_MS)
    form.get_by_label("Target").fill("no_such_metric >= 1")
    form.get_by_role("button", name="Search").click()
    expect(panel.get_by_role("alert")).to_contain_text("no_such_metric", timeout=PATIENCE_MS)
    errors.expected("422")
    assert_accessible(page)

    # The datasheet is one page that needs nothing else, and has the server's numbers.
    with page.expect_download(timeout=PATIENCE_MS) as download:
        page.get_by_role("button", name="Datasheet").click()
    assert download.value.suggested_filename == f"datasheet-{entry['key']}.html"
    html = Path(download.value.path()).read_text()
    assert not re.search(r"<script|\bsrc=|\bhref=|url\(|https?:", html, re.IGNORECASE)
    for text in (entry["key"], MODEL, DEVICE, "Time to first token", "SLR0"):
        assert text in html
    sheet = page.context.new_page()
    sheet.set_content(html)
    expect(sheet.get_by_role("heading", level=1)).to_contain_text("Design #0")
    pages = re.findall(rb"/Type\s*/Page\b", sheet.pdf(prefer_css_page_size=True))
    assert len(pages) == 1
    sheet.close()


def test_designs_and_explorations_side_by_side(
    page: Page,
    service: BackgroundService,
    explorations: tuple[str, str],
    screenshots: Pictures,
    assert_accessible: Check,
) -> None:
    first, second = explorations
    page.goto(service.address.login_url("/compare"))
    expect(page.get_by_role("heading", name="Choose two to six designs")).to_be_visible()
    assert_accessible(page)

    table = page.get_by_role("table", name="Comparison")
    page.goto(service.address.login_url(f"/compare?design={first}:0&design={first}:1"))
    expect(table.get_by_role("link", name="Design #1")).to_be_visible(timeout=PATIENCE_MS)
    differs = (
        table.locator("tbody").first.locator("tr[data-differs]").evaluate_all("r => r.map(x => x.dataset.differs)")
    )
    assert differs == sorted(differs, reverse=True)  # "true" before "false"
    assert "true" in differs
    assert_accessible(page)
    screenshots(page, "compare-designs", 1300)

    _finish(_call(service), second)
    page.goto(service.address.login_url(f"/compare?exploration={first}&exploration={second}"))
    expect(table.get_by_role("link", name="On u55c")).to_be_visible(timeout=PATIENCE_MS)
    records = [_call(service)(f"/explorations/{one}")["record"] for one in (first, second)]
    shown = table.locator("[data-row=Evaluations] td").all_inner_texts()
    assert [text.strip() for text in shown] == [f"{record['evaluations']:,}" for record in records]
    # Both fronts on one pair of axes, every design of them.
    fronts = page.get_by_role("img", name=re.compile(" of On u280 and On u55c$"))
    for place, one in enumerate((first, second)):
        entries = _call(service)(f"/explorations/{one}/front")["entries"]
        expect(fronts.locator(f"[data-front='{place}'] [data-which]:not([fill=none])")).to_have_count(len(entries) + 1)
    assert_accessible(page)
    screenshots(page, "compare-explorations", 1000)


def test_a_sweep_from_its_form_to_the_coming_night_and_the_morning_report(
    page: Page, service: BackgroundService, errors: Errors, screenshots: Pictures, assert_accessible: Check
) -> None:
    call = _call(service)
    page.goto(service.address.login_url("/sweeps"))
    expect(page.get_by_role("heading", name="No sweep yet")).to_be_visible(timeout=PATIENCE_MS)
    assert_accessible(page)
    page.get_by_role("link", name="New sweep").click()
    form = page.get_by_role("form", name="New sweep")
    form.get_by_label("Workloads", exact=True).fill("nothing")
    expect(form).to_contain_text("needs two whole numbers")
    for group, title in (("Models", "SmolLM2.135M"), ("Devices", "U280")):
        choices = form.get_by_role("group", name=group)
        checked = choices.get_by_role("checkbox", checked=True)
        expect(checked).to_have_count(1)  # the form's own choice, there once the catalog is
        checked.uncheck()
        expect(checked).to_have_count(0)
        choices.get_by_role("checkbox", name=re.compile(title)).first.check()
        expect(checked).to_have_count(1)
    form.get_by_label("Workloads", exact=True).fill("64 16\n96 16")
    form.get_by_label("Narrow the space", exact=True).fill(
        "\n".join(f"{knob} = {value}" for knob, value in SMALL_SPACE.items())
    )
    # A night that is not now, whatever the clock says.
    now = datetime.now(UTC)
    form.get_by_label("From", exact=True).fill(f"{(now + timedelta(hours=3)).hour:02}:00")
    form.get_by_label("To", exact=True).fill(f"{(now + timedelta(hours=5)).hour:02}:00")
    form.get_by_label("Time zone", exact=True).fill("Europe/Nowhere")
    expect(form).to_contain_text("IANA time zone", timeout=PATIENCE_MS)
    errors.expected("422")
    form.get_by_label("Time zone", exact=True).fill("UTC")
    size = page.get_by_role("status", name="Size of the sweep")
    expect(size).to_contain_text("Explorations2", timeout=PATIENCE_MS)
    assert_accessible(page)
    screenshots(page, "new-sweep", 1500)
    form.get_by_label("Name", exact=True).fill("Tonight")
    form.get_by_label("Name", exact=True).press("Enter")  # what is counted anew moves the button
    expect(page.get_by_role("heading", name="Nothing of it has started")).to_be_visible(timeout=PATIENCE_MS)
    (waiting,) = call("/sweeps")["items"]
    assert (waiting["waiting"], waiting["explorations"]) == (2, {})

    # The same by day: its explorations run one after the other.
    page.get_by_role("link", name="Sweeps", exact=True).click()
    page.get_by_role("link", name="New sweep").click()
    form.get_by_role("checkbox", name="Only at night").uncheck()
    form.get_by_label("Workloads", exact=True).fill("64 16")
    form.get_by_label("Name", exact=True).fill("Today")
    form.get_by_label("Name", exact=True).press("Enter")  # what is counted anew moves the button
    report = page.get_by_role("table", name="Morning report")
    expect(report.get_by_role("row")).to_have_count(2, timeout=PATIENCE_MS)
    expect(report).to_contain_text("Succeeded", timeout=PATIENCE_MS)
    assert_accessible(page)
    screenshots(page, "sweep", 700)

    # The calendar has what began and the night that is coming; what waits can be cancelled.
    page.goto(service.address.login_url("/sweeps"))
    days = page.get_by_role("table", name="Sweeps by day")
    expect(days.locator("[data-busy=true]")).to_have_count(1, timeout=PATIENCE_MS)
    night = waiting["night"]["starts_at"]
    expect(days.locator("[data-coming=true]")).to_contain_text(f"{night[5:10]}")
    nights = page.get_by_role("list", name="Coming nights")
    expect(nights).to_contain_text(f"2 of 2 explorations may start in the night of {night[:10]}, {night[11:16]} to")
    assert_accessible(page)
    screenshots(page, "sweeps", 900)
    page.get_by_role("button", name="Cancel sweep Tonight").click()
    expect(nights).to_have_count(0, timeout=PATIENCE_MS)
    assert call(f"/sweeps/{waiting['id']}")["waiting"] == 0


def test_a_point_of_the_cloud_opens_with_the_rule_that_it_breaks(
    page: Page,
    service: BackgroundService,
    explorations: tuple[str, str],
    screenshots: Pictures,
    assert_accessible: Check,
) -> None:
    call = _call(service)
    exploration = explorations[0]
    rows = call(f"/explorations/{exploration}/evaluations?format=json&columns=row,feasible,violated&sample=60")[
        "columns"
    ]
    broken = rows["row"][rows["feasible"].index(False)]
    expected = call(f"/explorations/{exploration}/evaluations/{broken}")
    page.goto(service.address.login_url(f"/explorations/{exploration}/evaluations/{broken}"))
    rule = re.compile(f"infeasible.* {expected['violated'].replace('_', ' ')}", re.IGNORECASE)
    expect(page.get_by_text(rule)).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text(expected["key"])).to_be_visible()
    messages = page.get_by_role("region", name="Constraints", exact=True)
    for violation in expected["violations"]:
        expect(messages).to_contain_text(violation["message"])
    expect(messages).not_to_contain_text("It fits")
    assert_accessible(page)
    screenshots(page, "evaluation", 1300)

    # A click on a point of the scatter that is not on the front leads to such a page.
    page.goto(service.address.login_url(f"/explorations/{exploration}?x=ttft_s&y=tpot_s"))
    plot = page.get_by_role("application", name=re.compile(" against "))
    expect(plot.locator("canvas[data-painter]")).to_be_attached(timeout=PATIENCE_MS)
    box = plot.bounding_box()
    assert box is not None
    tip = page.get_by_role("tooltip")
    for step in range(400):
        x, y = step % 20, step // 20
        page.mouse.move(box["x"] + (0.1 + 0.043 * x) * box["width"], box["y"] + (0.06 + 0.04 * y) * box["height"])
        if tip.count() > 0 and re.search("Dominated|Infeasible", tip.inner_text()):
            break
    expect(tip).to_contain_text(re.compile("Dominated design|Infeasible design"))
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url(re.compile(rf"/explorations/{exploration}/evaluations/\d+"))
    expect(page.get_by_role("heading", name=re.compile("^Evaluation"))).to_be_visible(timeout=PATIENCE_MS)


def test_models_against_measurements_before_and_after_a_calibration(
    page: Page,
    service: BackgroundService,
    explorations: tuple[str, str],
    tmp_path: Path,
    errors: Errors,
    screenshots: Pictures,
    assert_accessible: Check,
) -> None:
    call = _call(service)
    exploration = explorations[0]
    page.goto(service.address.login_url("/measurements"))
    expect(page.get_by_role("heading", name="No measurement to hold the models against")).to_be_visible(
        timeout=PATIENCE_MS
    )
    assert_accessible(page)

    # What is told of a design of the front is a ring in its scatter, and a value on this page.
    entry = call(f"/explorations/{exploration}/front/0")
    told = {"ttft_s": entry["metrics"]["ttft_s"] * 1.25, "tpot_s": entry["metrics"]["tpot_s"] * 0.8}
    measured = {"key": entry["key"], "metrics": told, "provenance": "board", "source": "card 7"}
    call(f"/explorations/{exploration}:tell", json={"measurements": [measured]})
    page.goto(service.address.login_url(f"/explorations/{exploration}"))
    expect(page.locator("[data-fidelity=board] circle").first).to_be_attached(timeout=PATIENCE_MS)
    expect(page.get_by_text("measured on the card")).to_be_visible()
    page.goto(service.address.login_url("/measurements"))
    values = page.get_by_role("table", name="Values", exact=True)
    expect(values).to_contain_text("card 7", timeout=PATIENCE_MS)
    expect(values).to_contain_text("\u221220 %")  # the model is a fifth below the measurement

    # A file of measurements: every value is a mark, and a calibration brings the models nearer.
    report = call(f"/explorations/{exploration}/front/0/report")
    versions = {name: report[name] for name in ("model_version", "timing_table_version")}
    ratios = {"0" * 16: 1.20, "1" * 16: 1.25, "2" * 16: 1.30, "3" * 16: 1.22}
    measurements = [
        {
            "provenance": "timed_sim",
            "device": DEVICE,
            **versions,
            "design_key": key,
            "stage": "decode",
            "module": None,
            "metric": "cycles",
            "predicted": 1000.0 * (i + 1),
            "measured": 1000.0 * (i + 1) * ratio,
            "source": "simulator 1",
        }
        for i, (key, ratio) in enumerate(ratios.items())
    ]
    wrong, good = tmp_path / "wrong.json", tmp_path / "measured.json"
    wrong.write_text("[]")
    good.write_text(json.dumps({"schema": "flexdse/measurements/v1", "measurements": measurements}))
    chooser = page.get_by_label("File of measurements")
    chooser.set_input_files(wrong)
    expect(page.get_by_role("alert")).to_contain_text("wrong.json is no measurements file")
    chooser.set_input_files(good)
    expect(page.get_by_role("status", name="What is compared")).to_contain_text("4 values of measured.json")
    scatter = page.get_by_role("img", name=re.compile("^Measured against model"))
    expect(scatter.locator("[data-fidelity=timed_sim]")).to_have_count(4)
    expect(scatter).to_have_accessible_name(re.compile("0 of 4 within 10 %"))
    page.get_by_role("button", name="Recalibrate").click()
    factors = page.get_by_role("table", name="Before and after")
    expect(factors.get_by_role("row")).to_have_count(2, timeout=PATIENCE_MS)
    (made,) = call("/calibrations")["items"]
    (fitted,) = call(f"/calibrations/{made['id']}")["table"]["entries"]
    assert fitted["leave_one_out"]["mean_relative_error_after"] < fitted["leave_one_out"]["mean_relative_error_before"]
    expect(factors).to_contain_text(f"{fitted['factor']:.4g}")
    expect(scatter).to_have_accessible_name(re.compile("4 of 4 within 10 %"))
    page.get_by_role("button", name="As modelled").click()
    expect(scatter).to_have_accessible_name(re.compile("0 of 4 within 10 %"))
    page.get_by_role("button", name="Calibrated").click()
    assert_accessible(page)
    screenshots(page, "measurements", 1150)
    assert errors == []
