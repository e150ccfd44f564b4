"""The dashboard in a real browser, against a real server that runs real searches."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from flexdse.serve import BackgroundService, start_background
from tests.dashboard.small_space import SMALL_SPACE

pytestmark = [pytest.mark.needs_program("chromium"), pytest.mark.needs_program("node")]

SEARCH_MS = 300_000
PATIENCE_MS = 120_000

Pictures = Callable[..., None]
Check = Callable[[Page], None]
Errors = Any

# Notes every state and number of points that the page has ever shown: a fast search must not outrun the test.
RECORDER = """
window.seen = [];
new MutationObserver(() => {
  const plot = document.querySelector('[aria-roledescription="scatter plot"]');
  const state = document.querySelector('[aria-label="State of the exploration"]');
  if (state !== null) {
    const entry = [state.textContent.split(' ')[0], plot === null ? 0 : Number(plot.dataset.points)];
    if (JSON.stringify(entry) !== JSON.stringify(window.seen.at(-1))) window.seen.push(entry);
  }
}).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
"""


@pytest.fixture
def context(context: BrowserContext) -> BrowserContext:
    """Each page notes its states from its first line on."""
    context.add_init_script(RECORDER)
    return context


def seconds(text: str) -> float:
    """ "5.153 ms" in seconds."""
    number, unit = text.split()
    return float(number.replace(",", "")) * {"s": 1.0, "ms": 1e-3, "µs": 1e-6}[unit]


def read(service: BackgroundService, path: str) -> Any:
    return (
        httpx.get(f"{service.url}/api/v1{path}", headers=service.address.headers, timeout=30).raise_for_status().json()
    )


def start(page: Page, service: BackgroundService, **fields: str) -> str:
    """Submits the form and returns the id of the new exploration."""
    page.goto(service.address.login_url("/new"))
    form = page.get_by_role("form", name="New exploration")
    fields.setdefault("Narrow the space", "\n".join(f"{knob} = {value}" for knob, value in SMALL_SPACE.items()))
    for label in ("Model", "Device"):
        if label in fields:
            form.get_by_label(label, exact=True).select_option(label=fields.pop(label))
    if "Method" in fields:
        form.get_by_role("radio", name=fields.pop("Method"), exact=True).check()
    for label, text in fields.items():
        form.get_by_label(label, exact=True).fill(text)
    form.get_by_role("button", name="Start exploration").click()
    page.wait_for_url(re.compile(r"/explorations/[^/]+$"))
    return page.url.rsplit("/", 1)[1]


def test_from_the_form_to_the_latency_of_a_design(
    page: Page, service: BackgroundService, screenshots: Pictures, assert_accessible: Check
) -> None:
    page.goto(service.address.login_url("/new"))
    expect(page.get_by_role("heading", name="New exploration")).to_be_visible()
    expect(page.get_by_label("Model", exact=True).locator("option")).not_to_have_count(0)
    # The size of the space stands there before anything is started.
    size = page.get_by_role("status", name="Size of the space")
    expect(size).to_contain_text("Legal designs", timeout=PATIENCE_MS)
    assert_accessible(page)
    screenshots(page, "new-exploration", 1340)

    # A search of the demo's model and card, submitted by the form.
    exploration = start(page, service, **{"Name": "Browser test", "Prompt tokens": "1024", "Output tokens": "128"})
    state = page.get_by_label("State of the exploration")
    plot = page.get_by_role("application", name=re.compile(" against "))
    expect(plot.or_(state.get_by_text("Failed"))).to_be_visible(timeout=SEARCH_MS)
    screenshots(page, "live", 900)
    expect(state).to_contain_text(re.compile("Succeeded|Failed"), timeout=SEARCH_MS)
    expect(state).to_contain_text("Succeeded")

    # Points were there while it ran, and grew into the whole front.
    front = read(service, f"/explorations/{exploration}/front")
    entries = front["entries"]
    expect(plot).to_have_attribute("data-points", str(len(entries)))
    expect(page.get_by_role("link", name="Design 0", exact=True)).to_be_visible()
    seen: list[tuple[str, int]] = page.evaluate("window.seen")
    assert max((points for state, points in seen if state == "Running"), default=0) > 0, seen
    figures = page.get_by_label("Key figures")
    expect(figures).to_contain_text(f"Front size{len(entries):,}")
    expect(page.get_by_label("List of explorations").get_by_role("link").first).to_contain_text("Browser test")
    expect(page.get_by_text("analytical").first).to_be_visible()

    # Sorted by the time per output token, the first row is the fastest decoder.
    table = page.get_by_role("table", name="Designs on the front")
    table.get_by_role("button", name="TPOT").click()
    expect(table.locator("th[aria-sort=ascending]")).to_contain_text("TPOT")
    fastest = min(entries, key=lambda entry: (entry["metrics"]["tpot_s"], entry["index"]))
    first = table.locator("tbody tr[data-row='0']")
    expect(first.get_by_role("link")).to_have_accessible_name(f"Design {fastest['index']}")
    fit = read(service, f"/explorations/{exploration}/front/{fastest['index']}/report")["fit"]
    expect(first.get_by_role("cell").first).to_have_text({"fits": "yes", "within_band": "within the band"}[fit])

    # The published designs of this model and card are marks in the scatter.
    expect(plot.get_by_text("flexllm-u280", exact=True)).to_be_attached(timeout=PATIENCE_MS)

    # Axes are in the address, and come back with it.
    page.get_by_label("x axis", exact=True).select_option("tpot_s")
    page.get_by_label("y axis", exact=True).select_option("energy_j_per_token")
    # Where the rates of a reference system determine both metrics, it is a mark too.
    expect(plot.get_by_text("a100-bf16", exact=True)).to_be_attached(timeout=PATIENCE_MS)
    page.get_by_role("button", name="log scale, y axis").click()
    expect(page).to_have_url(re.compile(r"\?x=tpot_s&y=energy_j_per_token&yscale=(log|linear)$"))
    page.reload()
    page.get_by_role("tab", name="Progress and proof").click()
    proof = page.get_by_role("table", name="Proof", exact=True)
    counted = read(service, f"/explorations/{exploration}")["record"]["proof"]
    for number in (counted["pairs"], counted["pairs_priced"], *(bound["pruned"] for bound in counted["pruned"])):
        expect(proof).to_contain_text(f"{number:,}", timeout=PATIENCE_MS)
    expect(plot).to_have_accessible_name("Energy per output token against Time per output token")
    page.goto(service.address.login_url(f"/explorations/{exploration}"))
    expect(plot).to_have_attribute("data-points", str(len(entries)))
    expect(page.locator("canvas[data-painter]")).to_be_attached(timeout=PATIENCE_MS)
    assert_accessible(page)
    screenshots(page, "exploration", 1420)

    # Hovering says what a point is, and a click opens it.
    box = plot.bounding_box()
    assert box is not None
    plot.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    tip = page.get_by_role("tooltip")
    expect(tip).to_contain_text(re.compile(r"Design #\d+"))
    expect(tip).to_contain_text(re.compile(r"TTFT[\d.]+ m?s"))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"/explorations/{exploration}/designs/\d+$"))
    index = int(page.url.rsplit("/", 1)[1])

    # The design: its latency is the server's number.
    report = read(service, f"/explorations/{exploration}/front/{index}/report")
    metrics = page.get_by_role("table", name="Metrics")
    for title, name in (("Time to first token", "ttft_s"), ("Time per output token", "tpot_s")):
        cells = (
            metrics.get_by_role("row")
            .filter(has=page.get_by_role("rowheader", name=title, exact=True))
            .get_by_role("cell")
        )
        shown = f"{cells.nth(0).inner_text()} {cells.nth(1).inner_text()}"
        assert seconds(shown) == pytest.approx(report["metrics"][name], rel=6e-4), shown
        assert report["metrics"][name] == pytest.approx(entries[index]["metrics"][name], rel=1e-9)
    expect(metrics.get_by_role("rowheader", name="Perplexity increase", exact=True)).to_be_attached()
    for heading in (
        "Parameters",
        "Prefill: time per module",
        "Decode step: time per module",
        "Resources",
        "HBM traffic",
    ):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    verdicts = {"fits": "Every constraint is met, error bands included", "within_band": "It fits as estimated, but"}
    expect(page.get_by_role("region", name="Constraints", exact=True)).to_contain_text(verdicts[report["fit"]])
    modules = {row["module"] for row in report["breakdown"] if row["stage"] == "decode"}
    shown_modules = page.get_by_role("table", name="Decode step: time per module").get_by_role("rowheader")
    assert set(shown_modules.all_inner_texts()) == modules
    assert_accessible(page)
    screenshots(page, "design", 2400)

    # The downloaded document is the design of the front, and the commands name it.
    with page.expect_download() as download:
        page.get_by_role("button", name="Download design JSON").click()
    assert json.loads(Path(download.value.path()).read_text()) == entries[index]["design"]
    expect(page.get_by_text(f"--design {download.value.suggested_filename}").first).to_be_visible()

    page.get_by_role("link", name="Browser test").first.click()
    expect(table).to_be_visible()


def test_keys_alone_lead_through_the_table(page: Page, service: BackgroundService) -> None:
    fields = {"Model": "SmolLM2 135M", "Method": "Random", "Budget": "300", "Output tokens": "16"}
    start(page, service, **fields, Constraints="tpot_s <= 1000")
    first = page.locator("tbody tr[data-row='0'] a")
    expect(first).to_be_visible(timeout=SEARCH_MS)
    first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("tbody tr[data-row='1'] a")).to_be_focused()
    page.keyboard.press("End")
    last = page.locator("tbody tr[data-row]").last.get_by_role("link")
    expect(last).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/designs/\d+$"))
    page.go_back()
    expect(first).to_be_visible()

    # To run it again, with all that it asked for: the space and the constraint too.
    page.get_by_role("button", name="Change and run again").click()
    form = page.get_by_role("form", name="New exploration")
    lines = form.get_by_label("Narrow the space", exact=True)
    asked = {line.split(" = ")[0] for line in lines.input_value().splitlines()}
    assert asked == set(SMALL_SPACE)
    expect(form.get_by_label("Constraints", exact=True)).to_have_value("tpot_s <= 1000")
    # A line that takes another back is refused before anything is sent.
    lines.fill("prefill.token_parallelism = 8\nprefill.token_parallelism = 16")
    form.get_by_role("button", name="Start exploration").click()
    expect(lines).to_have_accessible_description(re.compile("Line 2: prefill.token_parallelism stands in line 1"))
    expect(page).to_have_url(re.compile("/new$"))


def test_refusals_stand_beside_their_fields(
    page: Page, service: BackgroundService, errors: Errors, screenshots: Pictures, assert_accessible: Check
) -> None:
    page.goto(service.address.login_url("/new"))
    form = page.get_by_role("form", name="New exploration")
    form.get_by_label("Prompt tokens").fill("0")
    form.get_by_role("radio", name="NSGA-II", exact=True).check()
    form.get_by_label("Budget").fill("lots")
    form.get_by_role("button", name="Start exploration").click()
    for label in ("Prompt tokens", "Budget"):
        field = form.get_by_label(label)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(re.compile(r"\w+ .*\w"))
    expect(form.get_by_label("Prompt tokens")).to_be_focused()
    expect(form.get_by_label("Output tokens")).to_have_attribute("aria-invalid", "false")
    expect(form.get_by_role("alert")).to_contain_text("refused")
    assert_accessible(page)
    screenshots(page, "refused", 900)
    expect(page).to_have_url(re.compile("/new$"))
    # The browser itself notes the 422; nothing else may be there.
    errors.expected("422")


def test_comes_back_when_the_server_restarts(
    browser: Browser, tmp_path: Path, screenshots: Pictures, assert_accessible: Check
) -> None:
    """The page says that the server is away, keeps what it shows, and goes on by itself."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    service = start_background(home=tmp_path / "home", port=0, log=tmp_path / "log")
    try:
        # Where nothing was explored yet, the page says so and leads to the form.
        page.goto(service.address.login_url())
        expect(page.get_by_role("heading", name="New exploration")).to_be_visible()
        expect(page.get_by_text("Nothing explored yet")).to_be_visible()
        start(page, service, Name="Interrupted", Method="Random", Budget="5000000")
        expect(page.get_by_role("application", name=re.compile(" against "))).to_be_visible(timeout=PATIENCE_MS)
        service.stop()
        connection = page.get_by_role("status", name="Connection")
        expect(connection).to_contain_text("No connection", timeout=PATIENCE_MS)
        expect(page.get_by_text("The live stream is interrupted")).to_be_visible()
        expect(page.get_by_role("heading", name="Interrupted")).to_be_visible()
        assert_accessible(page)
        screenshots(page, "disconnected", 900)
        port = int(service.url.rsplit(":", 1)[1])
        service = start_background(home=tmp_path / "home", port=port, strict_port=True, log=tmp_path / "log")
        expect(connection).not_to_contain_text("No connection", timeout=PATIENCE_MS)
        expect(page.get_by_text("The live stream is interrupted")).to_have_count(0, timeout=PATIENCE_MS)
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_label("State of the exploration")).to_contain_text("Cancelled", timeout=PATIENCE_MS)
    finally:
        service.stop()
        context.close()
    assert failures == []


def test_from_a_lasso_to_a_proven_project(
    page: Page, service: BackgroundService, screenshots: Pictures, assert_accessible: Check
) -> None:
    """Submit, live front, lasso, design page, generate, C simulation, zip."""
    exploration = start(
        page,
        service,
        **{
            "Name": "Chain",
            "Model": "SmolLM2 135M",
            "Method": "NSGA-II",
            "Budget": "1000",
            "Prompt tokens": "64",
            "Output tokens": "16",
        },
    )
    plot = page.get_by_role("application", name=re.compile(" against "))
    expect(page.get_by_label("State of the exploration")).to_contain_text("Succeeded", timeout=SEARCH_MS)
    expect(page.locator("canvas[data-painter]")).to_be_attached(timeout=PATIENCE_MS)

    # A lasso around everything selects the whole front; around its left half, a part.
    entries = read(service, f"/explorations/{exploration}/front")["entries"]
    selection = page.get_by_role("status", name="Selection")
    box = plot.bounding_box()
    assert box is not None
    page.get_by_role("button", name="Lasso").click()
    corners = [(0.09, 0.06), (0.35, 0.06), (0.35, 0.88), (0.09, 0.88)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile("lasso="))
    chosen = re.match(r"([\d,]+) of", selection.inner_text())
    assert chosen is not None
    assert 0 < int(chosen[1].replace(",", "")) < len(entries)
    expect(page.get_by_role("list", name="Rules of the selection")).to_contain_text("within the lasso")
    screenshots(page, "lasso", 1420)

    # Parallel coordinates show the same selection; then a selected design is opened.
    page.get_by_role("tab", name="Parallel coordinates").click()
    expect(page.get_by_role("img", name=re.compile("designs across"))).to_be_visible()
    assert_accessible(page)
    screenshots(page, "parallel", 1300)
    with page.expect_download() as picture:
        page.get_by_role("button", name="Save Parallel coordinates as SVG").click()
    assert Path(picture.value.path()).read_text().startswith("<svg")
    with page.expect_download() as picture:
        page.get_by_role("button", name="Save Pareto front as PNG").click()
    assert Path(picture.value.path()).read_bytes().startswith(b"\x89PNG")
    # The picture says what it is of and what its colours mean, in words.
    with page.expect_download() as picture:
        page.get_by_role("button", name="Save Pareto front as SVG").click()
    drawing = Path(picture.value.path()).read_text()
    for text in ("best in these two metrics", "infeasible", "smollm2-135m on u280, 64 prompt", "analytical, models"):
        assert text in drawing, text

    # How it went, and what was drawn from: of the server, and of the selection.
    page.get_by_role("tab", name="Progress and proof").click()
    expect(page.get_by_role("img", name=re.compile("^(Hypervolume|Front size) against evaluations: "))).to_be_visible(
        timeout=PATIENCE_MS
    )
    assert_accessible(page)
    screenshots(page, "progress", 1300)
    page.get_by_role("tab", name="Distributions").click()
    expect(page.get_by_role("heading", name="Why designs are infeasible")).to_be_visible(timeout=PATIENCE_MS)
    rules = page.get_by_role("region", name="Why designs are infeasible")
    within = re.search(r"([\d,]+) of [\d,]+ (evaluations|sampled designs)", selection.inner_text())
    assert within is not None
    expect(rules).to_contain_text(f"of {within[1]} selected designs")
    assert_accessible(page)
    screenshots(page, "distributions", 1300)
    page.get_by_role("tab", name="Designs").click()
    page.locator("tbody tr[data-row='0'] a").click()
    page.wait_for_url(re.compile(r"/designs/\d+"))

    page.get_by_role("button", name="Generate project").click()
    steps = page.get_by_role("list", name="Steps of the project")
    download = steps.get_by_role("link", name=re.compile("Download zip"))
    expect(download).to_be_visible(timeout=SEARCH_MS)
    steps.get_by_role("button", name="Run C simulation").click()
    expect(steps.locator("[data-step=csim]")).to_contain_text("PASS", timeout=2 * SEARCH_MS)
    with page.expect_download(timeout=PATIENCE_MS) as archive:
        download.click()
    with zipfile.ZipFile(archive.value.path()) as found:
        names = found.namelist()
    assert any(name.endswith("manifest.json") for name in names)

    # The project's own page shows its files, the job's its log.
    page.get_by_role("link", name="Open the project with its files").click()
    page.wait_for_url(re.compile("/projects/"))
    files = page.get_by_role("list", name="Files")
    files.get_by_role("button", name=re.compile(r"\.cpp")).first.click()
    expect(page.locator("pre [data-token=keyword]").first).to_be_visible(timeout=PATIENCE_MS)
    assert_accessible(page)
    screenshots(page, "project", 1000)
    page.locator("[data-step=csim]").get_by_role("link", name="Job and log").click()
    expect(page.get_by_role("log", name="Log of the job")).not_to_contain_text(
        "Nothing printed yet", timeout=PATIENCE_MS
    )
    assert_accessible(page)
    screenshots(page, "job", 900)
    page.get_by_role("link", name="Jobs").click()
    expect(page.get_by_role("table", name="Jobs")).to_contain_text("C simulation")
    assert_accessible(page)
    screenshots(page, "jobs", 900)
    page.get_by_role("link", name="Explorations", exact=True).click()
    expect(page.get_by_role("table", name="Explorations")).to_contain_text("Chain")
    assert_accessible(page)
    screenshots(page, "explorations", 700)


def test_login_and_the_end_of_a_session(
    page: Page,
    context: BrowserContext,
    service: BackgroundService,
    errors: Errors,
    screenshots: Pictures,
    assert_accessible: Check,
) -> None:
    page.goto(service.url + "/jobs")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert_accessible(page)
    screenshots(page, "login", 700)
    field = page.get_by_label("Token or API key")
    field.fill("not-a-token")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("does not know this credential")
    token = service.address.login_url("/").split("token=")[1]
    # The whole address that the server printed does it too.
    field.fill(service.address.login_url("/"))
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()

    # Without its cookie the page asks again, says why, and comes back to where it was.
    context.clear_cookies()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when somebody comes back to the tab
    expect(page.get_by_role("heading", name="Your session has ended")).to_be_visible(timeout=PATIENCE_MS)
    assert_accessible(page)
    screenshots(page, "expired", 700)
    field.fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    # An address with the token of yesterday leads to the sign-in, which says so.
    page.goto(service.url + "/jobs?token=of-yesterday")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("token in the address is not the one of this server")
    expect(page).to_have_url(re.compile("/jobs$"))
    assert_accessible(page)
    errors.expected("401")
