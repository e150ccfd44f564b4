"""A million designs behind a front: on the page at once, exact when somebody looks closer."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest
from playwright.sync_api import Page, expect
from pyarrow import csv as pa_csv
from pyarrow import parquet

from benchmarks.million import BODY, DESIGNS
from flexdse.serve import BackgroundService, start_background

pytestmark = [pytest.mark.needs_program("chromium"), pytest.mark.needs_program("node")]

PATIENCE_MS = 120_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundService]:
    """As elsewhere, but its explorations keep a million designs."""
    folder = tmp_path_factory.mktemp("million")
    with start_background(home=folder / "home", port=0, log=folder / "log", bodies=BODY) as service:
        yield service


@pytest.fixture(scope="module")
def exploration(service: BackgroundService) -> str:
    """An exploration that ended, with its million."""
    with httpx.Client(base_url=service.url + "/api/v1", headers=service.address.headers, timeout=60) as client:
        body = {
            "name": "Million",
            "model": "smollm2-135m",
            "device": "u280",
            "workload": {"prompt_tokens": 256, "output_tokens": 128},
            "objectives": ["ttft_s", "tpot_s", "max_utilization"],
            "method": "exact",
            # A small space: the million rows are the body's own, its front need not take a minute.
            "space": {"fix": {"prefill.token_parallelism": 8, "decode.head_parallelism": 1}},
        }
        created = client.post("/explorations", json=body).raise_for_status().json()
        with client.stream("GET", f"/explorations/{created['id']}/events", timeout=300) as events:
            for line in events.iter_lines():
                if line == "event: done":
                    break
        ended = client.get(f"/explorations/{created['id']}").raise_for_status().json()
    assert ended["state"] == "succeeded", ended["error"]
    return str(created["id"])


def column(service: BackgroundService, exploration: str, *names: str) -> list[np.ndarray]:
    answer = httpx.get(
        f"{service.url}/api/v1/explorations/{exploration}/evaluations",
        params={"format": "arrow", "columns": ",".join(names)},
        headers=service.address.headers,
        timeout=120,
    ).raise_for_status()
    table = pa.ipc.open_stream(answer.content).read_all()
    return [table.column(name).to_numpy().astype(np.float64) for name in names]


def inside(x: np.ndarray, y: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Even-odd rule by NumPy: the page's own is TypeScript."""
    found = np.zeros(len(x), dtype=bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        crosses = (ay > y) != (by > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            found ^= crosses & (x < ax + (y - ay) / (by - ay) * (bx - ax))
    return found


def lasso_of(url: str) -> tuple[list[str], np.ndarray]:
    """The axes (x, its kind, y, its kind) and the corners that the address holds."""
    text = urllib.parse.parse_qs(urllib.parse.urlparse(url).query)["lasso"][0]
    axes, *corners = text.split(":")
    return axes.split(","), np.array([[float(number) for number in corner.split(",")] for corner in corners])


def exported(page: Page, file_format: str) -> Path:
    """What the page writes of the selected evaluations."""
    with page.expect_download(timeout=PATIENCE_MS) as download:
        page.get_by_role("button", name=f"Selected evaluations as {file_format}").click()
    return Path(download.value.path())


def test_a_million_designs_are_seen_at_once_and_selected_exactly(
    page: Page, service: BackgroundService, exploration: str
) -> None:
    received = 0

    def note(response: object) -> None:
        nonlocal received
        received += int(response.request.sizes()["responseBodySize"])  # type: ignore[attr-defined]

    page.on("requestfinished", lambda request: note(request.response()))
    page.goto(service.address.login_url(f"/explorations/{exploration}?x=ttft_s&y=tpot_s&xscale=log&yscale=log"))
    plot = page.get_by_role("application", name=re.compile(" against "))
    cloud = plot.locator("canvas[data-painter]")
    expect(cloud).to_have_attribute("data-points", "60000", timeout=PATIENCE_MS)
    expect(cloud).to_have_attribute("data-drawn", "60000", timeout=PATIENCE_MS)
    assert received < 2_000_000
    assert cloud.get_attribute("data-painter") == "webgl"

    # The first look closer brings the rest.
    plot.focus()
    page.keyboard.press("+")
    expect(cloud).to_have_attribute("data-points", str(DESIGNS), timeout=PATIENCE_MS)
    expect(cloud).to_have_attribute("data-drawn", str(DESIGNS), timeout=PATIENCE_MS)
    page.keyboard.press("0")

    # A lasso around a part of it.
    page.get_by_role("button", name="Lasso").click()
    box = plot.bounding_box()
    assert box is not None
    path = [(0.25, 0.2), (0.6, 0.25), (0.75, 0.6), (0.5, 0.45), (0.3, 0.8), (0.2, 0.5)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in path]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile("lasso="))
    (x, x_kind, y, y_kind), corners = lasso_of(page.url)
    assert (x_kind, y_kind) == ("log", "log")
    xs, ys = column(service, exploration, x, y)
    expected = int(inside(np.log(xs), np.log(ys), np.log(corners)).sum())
    assert 0 < expected < DESIGNS
    selection = page.get_by_role("status", name="Selection")
    expect(selection).to_contain_text(f"{expected:,} of {DESIGNS:,} sampled designs", timeout=PATIENCE_MS)

    # The address alone brings the same selection back.
    page.reload()
    expect(selection).to_contain_text(f"{expected:,} of {DESIGNS:,} sampled designs", timeout=PATIENCE_MS)

    # A part of it goes out as a file: these designs and no others, with their parameters.
    chosen = inside(np.log(xs), np.log(ys), np.log(corners))
    low, high = (float(value) for value in np.quantile(xs[chosen], [0.495, 0.505]))
    page.goto(f"{page.url}&range={x}:{low!r}:{high!r}")
    places = np.flatnonzero(chosen & (xs >= low) & (xs <= high))
    assert 0 < len(places) < 100_000
    expect(selection).to_contain_text(f"{len(places):,} of {DESIGNS:,} sampled designs", timeout=PATIENCE_MS)
    table = pa_csv.read_csv(exported(page, "CSV"))
    assert table.column("row").to_pylist() == places.tolist()
    knob, metric = "decode.block_parallelism", "energy_j_per_token"
    knobs, metrics = column(service, exploration, knob, metric)
    assert np.array_equal(table.column(knob).to_numpy(), knobs[places])
    assert np.array_equal(table.column(metric).to_numpy().astype(np.float32), metrics[places].astype(np.float32))
    rule = table.column("violated").to_pylist()
    assert [text in ("", None) for text in rule] == table.column("feasible").to_pylist()
    stored = parquet.read_table(exported(page, "Parquet"))
    assert stored.column_names == table.column_names
    assert stored.schema.field(metric).type == pa.float32()
    assert stored.column("row").to_pylist() == places.tolist()
    assert np.array_equal(stored.column(knob).to_numpy(), knobs[places])
    records = json.loads(exported(page, "JSON").read_text())
    assert [record["row"] for record in records] == places.tolist()
    assert set(records[0]) == set(table.column_names)
    assert records[0][knob] == knobs[places[0]]


def test_without_webgl_the_processor_draws(page: Page, service: BackgroundService, exploration: str) -> None:
    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "  return kind === 'webgl2' ? null : get.call(this, kind, ...rest); }"
    )
    page.goto(service.address.login_url(f"/explorations/{exploration}?x=ttft_s&y=tpot_s"))
    cloud = page.locator("canvas[data-painter]")
    expect(cloud).to_have_attribute("data-painter", "raster", timeout=PATIENCE_MS)
    expect(cloud).to_have_attribute("data-drawn", "60000", timeout=PATIENCE_MS)
    coloured = cloud.evaluate(
        "c => new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)"
        ".reduce((sum, pixel) => sum + (pixel !== 0), 0)"
    )
    assert coloured > 1000


def test_histograms_and_rules_of_the_cloud(page: Page, service: BackgroundService, exploration: str) -> None:
    page.goto(service.address.login_url(f"/explorations/{exploration}?tab=distributions&x=ttft_s&y=tpot_s"))
    low = page.get_by_label(re.compile("^Largest utilization, from"))
    expect(low).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label(re.compile("^Largest utilization, to")).fill("30")
    page.get_by_label(re.compile("^Largest utilization, to")).press("Tab")
    page.wait_for_url(re.compile("range=max_utilization"))
    query = urllib.parse.parse_qs(urllib.parse.urlparse(page.url).query)
    _, lowest, highest = query["range"][0].split(":")
    (values,) = column(service, exploration, "max_utilization")
    expected = int(((values >= float(lowest)) & (values <= float(highest))).sum())
    assert 0 < expected < DESIGNS
    selection = page.get_by_role("status", name="Selection")
    expect(selection).to_contain_text(f"{expected:,} of {DESIGNS:,} sampled designs", timeout=PATIENCE_MS)
    shown = page.locator("table[aria-label='Designs on the front']")
    page.get_by_role("tab", name="Designs").click()
    rows = int(shown.get_attribute("aria-rowcount") or "0") - 2
    front = httpx.get(
        f"{service.url}/api/v1/explorations/{exploration}/front", headers=service.address.headers, timeout=60
    ).json()["entries"]
    chosen = [entry for entry in front if float(lowest) <= entry["metrics"]["max_utilization"] <= float(highest)]
    assert rows == len(chosen), json.dumps(query)
