"""A real browser, a real server, and what every view must keep: no console error, no serious accessibility violation."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from flexdse.serve import BackgroundService, start_background

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "dashboard"
SCREENSHOTS = ROOT / "build" / "screenshots"
WIDTH = 1280
STEP_MS = 120_000

CHROMIUM_OPTIONS = [
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # WebGL on the processor
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What the graphics driver of a machine without a graphics card says, which is no fault of the page.
DRIVER_LINES = ("GL Driver Message", "GPU stall due to ReadPixels", "WebGL: CONTEXT_LOST", "swiftshader", "SwiftShader")


def _require_built(path: Path) -> Path:
    if not path.exists():
        message = f"{path.relative_to(DASHBOARD.parent)} is missing: make dashboard"
        if os.environ.get("FLEXDSE_REQUIRE") == "all":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The installed packages of the dashboard."""
    return _require_built(DASHBOARD / "node_modules")


@pytest.fixture(scope="session")
def built_page() -> Path:
    """The built page."""
    return _require_built(DASHBOARD / "dist" / "index.html")


@pytest.fixture(scope="session")
def browser(built_page: Path) -> Iterator[Browser]:
    """Debian's Chromium, without a graphics card."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundService]:
    """A server with its worker, for all tests that need no server of their own."""
    folder = tmp_path_factory.mktemp("service")
    assert threading.current_thread() is threading.main_thread(), "the service ends with the thread that starts it"
    with start_background(home=folder / "home", port=0, log=folder / "log") as service:
        yield service


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile at the narrowest width that is supported on a desk."""
    context = browser.new_context(viewport={"width": WIDTH, "height": 900}, accept_downloads=True)
    # What others do on the machine decides how long a step takes: no deadline is tight.
    context.set_default_timeout(STEP_MS)
    expect.set_options(timeout=STEP_MS)
    yield context
    context.close()


class Errors(list[str]):
    """Errors that the page wrote to the console; a broken Content-Security-Policy is among them."""

    def watch(self, page: Page) -> Page:
        page.on("console", lambda message: self._note(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self._note(str(error)))
        return page

    def _note(self, text: str) -> None:
        if not any(line in text for line in DRIVER_LINES):
            self.append(text)

    def expected(self, *parts: str) -> None:
        """Forgets the lines with one of `parts`, which the browser itself writes about refused requests."""
        self[:] = [text for text in self if not any(part in text for part in parts)]


@pytest.fixture
def errors() -> Errors:
    """What went wrong on the page; empty at the end of each test."""
    return Errors()


@pytest.fixture
def page(context: BrowserContext, errors: Errors) -> Iterator[Page]:
    """A page that must not write an error."""
    yield errors.watch(context.new_page())
    assert errors == []


Pictures = Callable[..., None]


@pytest.fixture
def screenshots() -> Pictures:
    """Takes the page in both themes, as tall as `height`, into build/screenshots/<name>-<theme>.png."""

    def take(page: Page, name: str, height: int = 900) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.set_viewport_size({"width": WIDTH, "height": height})
        page.mouse.move(0, 0)
        themes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
        for theme in themes:
            page.emulate_media(color_scheme=theme)
            expect(page.locator("html")).to_have_attribute("data-theme", theme)
            settle(page)
            page.screenshot(path=SCREENSHOTS / f"{name}-{theme}.png")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": WIDTH, "height": 900})

    return take


def settle(page: Page) -> None:
    """Waits until the charts are drawn: two frames, and the whole cloud where there is one."""
    page.evaluate(
        """() => new Promise(done => {
            const isDrawn = () => [...document.querySelectorAll('canvas[data-painter]')]
                .every(cloud => cloud.dataset.drawn === cloud.dataset.points);
            const look = () => isDrawn() ? requestAnimationFrame(done) : requestAnimationFrame(look);
            requestAnimationFrame(look);
        })"""
    )


Check = Callable[[Page], None]


@pytest.fixture
def assert_accessible(node_modules: Path) -> Check:
    """Fails where axe finds a serious or critical violation on the page as it is now, in either theme."""
    source = (node_modules / "axe-core" / "axe.min.js").read_text()

    def check(page: Page) -> None:
        page.evaluate(source + "; true")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            expect(page.locator("html")).to_have_attribute("data-theme", theme)
            found = page.evaluate(
                """async () => (await axe.run(document, { resultTypes: ['violations'] })).violations
                    .filter(violation => ['serious', 'critical'].includes(violation.impact))
                    .map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(node => node.html.slice(0, 200)) }))"""
            )
            assert found == [], f"{theme}: {json.dumps(found, indent=1)}"
        page.emulate_media(color_scheme="light", reduced_motion="no-preference")

    return check


Api = Callable[..., Any]


@pytest.fixture
def api(service: BackgroundService) -> Api:
    """Calls of the same server beside the browser: `api(path)` reads JSON, `api(path, json=...)` posts it."""

    def call(path: str, **request: Any) -> Any:
        method = "POST" if "json" in request else "GET"
        answer = httpx.request(
            method, service.url + "/api/v1" + path, headers=service.address.headers, timeout=60, **request
        )
        answer.raise_for_status()
        return answer.json()

    return call
