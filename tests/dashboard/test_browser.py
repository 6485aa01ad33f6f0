"""The dashboard in a real browser: display, keyboard and screen reader use, in every size and colour scheme.

Where Chromium or axe-core is missing this is a visible skip, or a failure where ``NEXUS_REQUIRE_CHROMIUM=1`` says
so. The browser resolves no host names; any request except to its own gateway fails the test.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.auth.kit import ALICE, BOB
from tests.conftest import Serve
from tests.dashboard.kit import booked, busy
from tests.dashboard.test_data import TEAM
from tests.programs.kit import NEWEST
from tests.serving import CHAT, KEY, Nexus, bearer, openai_config
from tools.fake_upstream import FakeUpstream

pytestmark = pytest.mark.slow

REQUIRED = "NEXUS_REQUIRE_CHROMIUM"
AXE = NEWEST / "axe-core/axe.min.js"
SECONDS = 60_000
"""Milliseconds that anything may take on a busy machine."""

BUSY = """
[llm.providers.anthropic]
type = "anthropic"
api_key = "{key}"
base_url = "http://127.0.0.1:9"
[llm.providers.anthropic.models]
claude-sonnet-5-5 = {{}}
claude-haiku-5-5 = {{}}
[llm.providers.bedrock]
type = "bedrock"
region = "us-east-1"
models.nova-pro = {{ rename = "us.amazon.nova-pro-v1:0" }}
[llm.providers.openai]
type = "openai"
api_key = "{key}"
base_url = "{url}"
[llm.providers.openai.models."gpt-5.5"]
rename = "gpt-4"
[llm.providers.openai.rate_limits.per_user]
request_limit = 10
interval = "1m"
[budgets.monthly]
per = "user"
limit_usd = 150
period = "month"
warn_at = 0.6
unknown = "allow"
[llm.models."<script>"]
targets = ["openai/gpt-5.5"]
"""

LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (400, 1280)]

MARKUP = "<img src=x onerror=alert(1)>"


def _missing(what: str) -> Any:
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{what} is missing, and {REQUIRED}=1 asks for it")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    program = shutil.which("chromium")
    if program is None:
        _missing("chromium")
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    offline = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=[*root, offline])
        yield browser
        browser.close()


Open = Callable[..., Any]


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Open]:
    """Opens the page of a gateway; fails on console messages or requests to other hosts."""
    contexts: list[Any] = []
    said: list[str] = []
    asked: list[str] = []

    def open_(nexus: Nexus, scheme: str = "light", width: int = 1280, height: int = 800, expect: str = "") -> Any:
        size = {"width": width, "height": height}
        context = chromium.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
        context.set_default_timeout(SECONDS)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda message: said.append(message.text) if not expect or expect not in message.text else None
        )
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.on(
            "request",
            lambda request: None if request.url.startswith((nexus.base, "data:")) else asked.append(request.url),
        )
        page.goto(f"{nexus.base}/")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert said == []
    assert asked == []


@pytest.fixture
def full(serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
    """A busy gateway with a route in cooldown and calls whose model names are markup."""
    nexus = serve(BUSY.format(key=KEY, url=openai_upstream.base_url))
    activity: Any = nexus.server.recorder._activity
    busy(activity, time.time())
    assert nexus.server.books.ledger is not None
    booked(nexus.server.books.ledger, time.time())
    nexus.server.kept.router.cooldowns.start(
        ("bedrock", "nova-pro", ""), 200, "5 failures in a row: bedrock answered 503"
    )
    assert nexus.chat({**CHAT, "model": "<script>"}).status == 200
    assert nexus.chat({**CHAT, "model": MARKUP}).status == 404
    return nexus


def ready(page: Any) -> Any:
    page.wait_for_selector("#calls > *")
    return page


def _soon(locator: Any) -> Any:
    from playwright.sync_api import expect

    expect.set_options(timeout=SECONDS)
    return expect(locator)


def serious(page: Any) -> list[str]:
    """Serious accessibility problems found by axe-core."""
    if not AXE.exists():
        _missing("axe-core (python -m tools.newest_programs --install)")
    # The page's own policy allows no other script and no eval.
    page.context.new_cdp_session(page).send("Page.setBypassCSP", {"enabled": True})
    page.evaluate(AXE.read_text() + "; undefined")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in grave for node in one["nodes"]]


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
@pytest.mark.parametrize("state", ["empty", "busy"])
def test_the_page_is_accessible(
    request: pytest.FixtureRequest, open_page: Open, tmp_path: Path, state: str, scheme: str, width: int
) -> None:
    nexus = request.getfixturevalue("full" if state == "busy" else "nexus")
    page = ready(open_page(nexus, scheme, width))
    shots = Path(os.environ.get("NEXUS_SHOTS", tmp_path))
    page.screenshot(path=str(shots / f"{state}-{scheme}-{width}.png"), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    assert serious(page) == []
    # The gateway stops before the browser does.
    page.close()


def test_what_matters_first_needs_no_scrolling(full: Nexus, open_page: Open) -> None:
    page = ready(open_page(full))
    for name in ("state", "now", "spend", "tokens", "plot", "legend", "routes", "calls"):
        box = page.locator(f"#{name}").bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 800, name
    rows = page.locator("#calls tbody tr:not(.story)")
    assert rows.count() == 20


def test_many_routes_scroll_in_their_panel(serve: Serve, open_page: Open) -> None:
    models = "".join(f'models."{"long-" * 30}{number}" = {{}}\n' for number in range(300))
    for width in (400, 1280):
        page = ready(open_page(serve(f'[llm.providers.e]\ntype = "echo"\n{models}'), "light", width))
        root, bottom = "document.documentElement", "document.body.getBoundingClientRect().bottom"
        assert page.evaluate(f"{root}.scrollHeight <= Math.max({bottom}, innerHeight) + 1"), "the page is longer"
        assert page.evaluate(f"{root}.scrollWidth <= innerWidth"), "the page scrolls sideways"


def test_names_are_shown_as_text(full: Nexus, open_page: Open) -> None:
    page = ready(open_page(full, expect="TrustedHTML"))
    text = page.locator("#calls").inner_text()
    assert "<script> → openai/gpt-5.5" in text and MARKUP in text
    assert page.locator("#calls script, #calls img").count() == 0
    assert page.evaluate("document.scripts.length") == 1
    blocked = "(() => { try { document.body.innerHTML = 'x'; return false } catch { return true } })()"
    assert page.evaluate(blocked), "the policy lets text become markup"


def test_a_key_is_pasted_once(serve: Serve, openai_upstream: FakeUpstream, open_page: Open) -> None:
    nexus = serve(TEAM + openai_config(openai_upstream.base_url))
    assert nexus.chat(CHAT, bearer(ALICE)).status == 200
    page = open_page(nexus, expect="401")
    page.wait_for_selector("#login:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "key"
    page.keyboard.type(KEY)
    page.keyboard.press("Enter")
    page.wait_for_selector("#refused:not(:empty)")
    page.keyboard.type(ALICE)
    page.keyboard.press("Enter")
    ready(page)
    assert page.locator("#login").is_hidden() and "alice" in page.locator("#calls").inner_text()
    assert ALICE not in page.content() and ALICE not in page.url
    page.reload()
    ready(page)
    assert page.locator("#login").is_hidden(), "it is kept in the tab"
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    page.click("#forget")
    page.wait_for_selector("#login:not([hidden])")


def test_a_caller_who_is_not_a_reader_sees_only_their_own_calls(
    serve: Serve, openai_upstream: FakeUpstream, open_page: Open
) -> None:
    nexus = serve(TEAM + openai_config(openai_upstream.base_url))
    for key in (ALICE, BOB):
        assert nexus.chat(CHAT, bearer(key)).status == 200
    page = open_page(nexus, expect="401")
    page.wait_for_selector("#login:not([hidden])")
    page.keyboard.type(BOB)
    page.keyboard.press("Enter")
    ready(page)
    assert "usage of bob" in page.locator("#about").inner_text()
    assert page.locator("#calls tbody tr:not(.story)").count() == 1
    assert page.locator("#config-card").is_hidden()
    assert "alice" not in page.locator("body").inner_text()


def test_the_page_updates_live_and_shows_lost_connections(full: Nexus, open_page: Open) -> None:
    page = ready(open_page(full, expect="ERR_"))
    first = page.locator("#calls tbody tr").first.text_content()
    assert full.chat({**CHAT, "model": "openai/gpt-5.5"}).status == 200
    _soon(page.locator("#calls tbody tr").first).not_to_have_text(first)
    full.running.http.stop()  # type: ignore[union-attr]
    page.context.set_offline(True)
    _soon(page.locator("#state")).to_contain_text("is not responding")
    page.context.set_offline(False)


def test_the_page_works_by_keyboard_alone(full: Nexus, open_page: Open) -> None:
    page = ready(open_page(full))
    seen: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        where = page.evaluate("document.activeElement.id || document.activeElement.textContent")
        if where in seen or page.evaluate("document.activeElement === document.body"):
            break
        seen.append(where)
        style = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(style) != "none", f"{where}: nobody sees where the focus is"
        if where == "Day":
            page.keyboard.press("Enter")
            assert "Last 24 hours" in page.locator("#legend").inner_text()
        if where == "plot":
            page.keyboard.press("ArrowLeft")
            page.keyboard.press("ArrowLeft")
            assert page.locator("#spoken").inner_text() and page.locator("#plot .cursor").count() == 1
            page.keyboard.press("Escape")
            assert page.locator("#plot .cursor").count() == 0
        if where == "Claude Code":
            page.keyboard.press("ArrowRight")
            assert page.evaluate("document.activeElement.textContent") == "Anthropic SDK"
            assert "from anthropic import Anthropic" in page.locator("#lines").inner_text()
    for wanted in (
        "Outcome",
        "Route",
        "Cost",
        "Hour",
        "Day",
        "30 days",
        "plot",
        "routes",
        "calls",
        "by",
        "lines",
        "copy",
    ):
        assert wanted in seen


def test_lines_to_copy_contain_the_address_of_the_gateway(full: Nexus, open_page: Open) -> None:
    page = ready(open_page(full))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#copy")
    _soon(page.locator("#copy")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"ANTHROPIC_BASE_URL={full.base}/llm/anthropic" in copied


def test_a_hidden_page_sends_no_requests(full: Nexus, open_page: Open) -> None:
    page = ready(open_page(full))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    asked.clear()
    page.wait_for_timeout(5000)
    assert asked == []
