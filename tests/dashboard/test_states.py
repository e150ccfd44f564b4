"""What runs, waits, failed, was cancelled or lies within an error band: seen, said, reachable and accessible."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from flexdse.serve import BackgroundService
from tests.dashboard.small_space import SMALL_SPACE

pytestmark = [pytest.mark.needs_program("chromium"), pytest.mark.needs_program("node")]

PATIENCE_S = 300.0
PATIENCE_MS = 1000 * PATIENCE_S
REQUEST = {
    "model": "smollm2-135m",
    "device": "u280",
    "workload": {"prompt_tokens": 64, "output_tokens": 16},
    "objectives": ["ttft_s", "tpot_s"],
    "method": "random",
    "floorplan": False,
}
BEHIND = 101  # more than a page of the list has
# The fastest prefill of 8 tokens a block takes 79.9 % of the DSPs, where 80 % +- the error band are allowed.
AT_THE_LIMIT = SMALL_SPACE | {"prefill.ffn_weight_blocks": 6, "prefill.ffn_weight_parallelism": 384}

Check = Callable[[Page], None]
Api = Callable[..., Any]


@pytest.fixture
def api(service: BackgroundService) -> Iterator[Api]:
    """As elsewhere, over one connection: there is much to submit."""
    with httpx.Client(base_url=service.url + "/api/v1", headers=service.address.headers, timeout=PATIENCE_S) as client:

        def call(path: str, **request: Any) -> Any:
            answer = client.request(request.pop("method", "POST" if "json" in request else "GET"), path, **request)
            return answer.raise_for_status().json() if answer.content else None

        yield call


def wait(look: Callable[[], Any], is_done: Callable[[Any], bool]) -> Any:
    """What `look` sees once it is done."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_done(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)
    return seen


def ended(api: Api, exploration: str) -> Any:
    """The exploration once it has ended."""
    return wait(
        lambda: api(f"/explorations/{exploration}"),
        lambda found: found["state"] in ("succeeded", "failed", "cancelled"),
    )


@pytest.fixture
def long_search(api: Api) -> Iterator[Any]:
    """A search that runs and has priced something, with too many others behind it; all are taken away in the end."""
    space = {"fix": SMALL_SPACE}
    asked = {**REQUEST, "name": "Long", "budget": 10_000_000, "space": space}
    found = api("/explorations", json=asked)
    behind = [api("/explorations", json={**REQUEST, "name": f"Behind {i}", "budget": 10})["id"] for i in range(BEHIND)]
    try:
        yield wait(
            lambda: api(f"/explorations/{found['id']}"),
            lambda one: one["state"] == "running" and (one["evaluations"] or 0) > 0 and one["front_size"] > 0,
        )
    finally:
        for one in [*behind, found["id"]]:
            with suppress(httpx.HTTPStatusError):  # it has ended
                api(f"/explorations/{one}:cancel", json={})
        for one in [*behind, found["id"]]:  # other tests ask this server for its newest ones
            ended(api, one)
            api(f"/explorations/{one}", method="DELETE")


def test_what_runs_is_seen_and_cancelled_behind_a_hundred_others(
    page: Page,
    context: BrowserContext,
    service: BackgroundService,
    api: Api,
    long_search: Any,
    assert_accessible: Check,
) -> None:
    exploration, job = long_search["id"], long_search["job_id"]
    # The page of one that runs, and its log, which grows while it does.
    page.goto(service.address.login_url(f"/explorations/{exploration}"))
    expect(page.get_by_label("State of the exploration")).to_contain_text("pricing designs (random)")
    expect(page.get_by_role("progressbar", name="Evaluated share")).to_be_attached()
    assert_accessible(page)
    page.goto(service.address.login_url(f"/jobs/{job}"))
    log = page.get_by_role("log", name="Log of the job")
    expect(log).to_contain_text("searching by random: smollm2-135m on u280", timeout=PATIENCE_MS)
    lines = log.locator("span", has_text=re.compile("^pricing designs by random: [0-9,]+ of 10,000,000"))
    expect(lines.first).to_be_visible(timeout=PATIENCE_MS)
    many = lines.count()
    expect(lines.nth(many)).to_be_attached(timeout=PATIENCE_MS)
    expect(page.get_by_role("listitem").filter(has_text="attempt 1: running")).to_be_visible(timeout=PATIENCE_MS)
    assert_accessible(page)

    # The list of explorations has its figures, which are the server's and go on.
    page.goto(service.address.login_url("/explorations"))
    table = page.get_by_role("table", name="Explorations").locator("tbody tr")
    for pages in (1, 2):
        expect(table.nth(50 * pages - 1)).to_be_attached(timeout=PATIENCE_MS)
        page.get_by_role("button", name="Show older").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="Long", exact=True))
    expect(row).to_contain_text("pricing designs (random)", timeout=PATIENCE_MS)
    cells = row.get_by_role("cell")
    number = re.compile(r"^[\d.,]+")
    for place, form in {2: number, 3: re.compile(r"^[\d.,]+.*/s$"), 4: re.compile(r"%$"), 5: number}.items():
        expect(cells.nth(place)).to_have_text(form)
    expect(cells.nth(7)).to_contain_text(re.compile(r"TTFT [\d.]+ m?s"))
    priced = int(cells.nth(2).inner_text().replace(",", ""))
    now = api(f"/explorations/{exploration}")
    assert long_search["evaluations"] <= priced <= now["evaluations"]
    assert (now["phase"], now["total_evaluations"], set(now["best"])) == ("random", 10_000_000, {"ttft_s", "tpot_s"})

    # In the list of jobs it comes first, though more than a page was submitted after it; there it is cancelled.
    page.goto(service.address.login_url("/jobs"))
    expect(page.get_by_text("1 running, 100 or more waiting")).to_be_visible(timeout=PATIENCE_MS)
    first = page.get_by_role("table", name="Jobs").locator("tbody tr").first
    expect(first).to_contain_text(job)
    expect(first).to_contain_text("Running")
    page.get_by_role("button", name="Show older").click()
    rows = page.get_by_role("table", name="Jobs").locator("tbody tr")
    expect(rows.nth(BEHIND)).to_be_attached(timeout=PATIENCE_MS)
    first.get_by_role("button", name=f"Cancel job {job}").click()
    assert ended(api, exploration)["state"] == "cancelled"
    page.goto(service.address.login_url(f"/explorations/{exploration}"))
    expect(page.get_by_label("State of the exploration")).to_contain_text("Cancelled", timeout=PATIENCE_MS)
    assert_accessible(page)

    # A browser has six connections for all tabs of a server: pages of jobs that ended keep none of them.
    for one in api("/explorations?limit=8")["items"]:
        api(f"/explorations/{one['id']}:cancel", json={})
    jobs = [one["id"] for one in api("/jobs?state=cancelled&limit=8")["items"]]
    assert len(jobs) == 8
    tabs = [context.new_page() for _ in jobs]
    for tab, one in zip(tabs, jobs, strict=True):
        tab.goto(service.address.login_url(f"/jobs/{one}"))
        expect(tab.get_by_text("complete", exact=True)).to_be_visible(timeout=PATIENCE_MS)
        expect(tab.get_by_role("listitem").filter(has_text="waiting for a worker")).to_be_visible()
    expect(tabs[0].get_by_text("No connection")).to_have_count(0)


def test_a_design_at_the_limit_says_that_only_the_tools_can_tell(
    page: Page, service: BackgroundService, api: Api, assert_accessible: Check
) -> None:
    asked = {**REQUEST, "name": "At the limit", "method": "exact", "space": {"fix": AT_THE_LIMIT}}
    found = ended(api, api("/explorations", json=asked)["id"])
    assert found["state"] == "succeeded", found["error"]
    entries = api(f"/explorations/{found['id']}/front")["entries"]
    reports = [api(f"/explorations/{found['id']}/front/{entry['index']}/report") for entry in entries]
    within = next(i for i, report in enumerate(reports) if report["fit"] == "within_band")
    (limit, *_) = reports[within]["open_limits"]
    page.goto(service.address.login_url(f"/explorations/{found['id']}/designs/{within}"))
    expect(page.get_by_text("fits as estimated; a limit lies within the error band").first).to_be_visible(
        timeout=PATIENCE_MS
    )
    constraints = page.get_by_role("region", name="Constraints", exact=True)
    expect(constraints).to_contain_text("within the error band of the estimate: only the tools can tell")
    expect(constraints).not_to_contain_text("Every constraint is met")
    assert limit["constraint"] == "dsp_utilization"
    expect(constraints).to_contain_text(f"DSP utilization in prefill: {100 * limit['demand']:.3g} % estimated")
    assert_accessible(page)

    # What the command line would have said while it searched stands in the log of its job.
    page.goto(service.address.login_url(f"/jobs/{found['job_id']}"))
    log = page.get_by_role("log", name="Log of the job")
    for line in (
        "searching by exact",
        "exact front: ",
        "proof: ",
        "wrote front.arrow: ",
        "wrote evaluations.parquet: ",
    ):
        expect(log).to_contain_text(line, timeout=PATIENCE_MS)


def test_a_search_that_no_design_meets_and_pages_of_nothing(
    page: Page, service: BackgroundService, api: Api, errors: Any, assert_accessible: Check
) -> None:
    asked = {**REQUEST, "name": "Too fast", "space": {"fix": SMALL_SPACE}, "constraints": ["tpot_s <= 1e-9"]}
    found = ended(api, api("/explorations", json=asked)["id"])
    assert (found["state"], found["cause"]) == ("failed", "infeasible")
    page.goto(service.address.login_url(f"/explorations/{found['id']}"))
    expect(page.get_by_label("State of the exploration")).to_contain_text("Failed", timeout=PATIENCE_MS)
    expect(page.get_by_role("alert").first).to_contain_text("tpot_s")
    assert_accessible(page)
    for address, what in (
        ("/explorations/none", "exploration"),
        ("/projects/none", "project"),
        ("/jobs/none", "job"),
        ("/no/such/page", "page"),
    ):
        page.goto(service.address.login_url(address))
        expect(page.get_by_role("heading", level=1, name=f"There is no such {what}")).to_be_visible()
    assert_accessible(page)
    errors.expected("404")
