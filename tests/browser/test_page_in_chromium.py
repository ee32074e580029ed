"""The page as a reader has it: drawn, sorted, filtered, dark and light, on a phone, and alone.

    pytest -m browser

needs a Chromium on this machine (``apt-get install chromium``, or ARCHCALC_CHROMIUM=/path/to/it).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import archcalc
from archcalc.report import gather as stories
from archcalc.report.assemble import document
from archcalc.report.page import page as write_page
from tests.report.hostile import MANY, UNUSUAL, hostile_graph, unusual_graph

pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FOUR = ("inception-naive", "inception-reduced", "nin", "googlenet")


class Opened(NamedTuple):
    """A page with all that it complained of and asked for."""

    page: Page
    complaints: list[str]
    requests: list[str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("ARCHCALC_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.fail("no Chromium: apt-get install chromium, or set ARCHCALC_CHROMIUM to one")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def story_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    profiles = [archcalc.graph(name).profile() for name in FOUR]
    path = tmp_path_factory.mktemp("page") / "story.html"
    path.write_text(write_page(document(stories.of_profiles(profiles))), encoding="utf-8")
    return path


def opened(browser: Browser, path: Path, width: int = 1200, scheme: str = "light") -> Opened:
    page = browser.new_page(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]  # "light" or "dark"
    )
    found = Opened(page, [], [])
    page.on("console", lambda message: found.complaints.append(message.text))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("dialog", lambda dialog: found.complaints.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: found.requests.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_function("document.documentElement.dataset.charts", timeout=60_000)
    return found


@pytest.fixture(scope="module")
def story_page(browser: Browser, story_file: Path) -> Iterator[Opened]:
    found = opened(browser, story_file)
    yield found
    found.page.close()


def test_every_chart_is_drawn(story_page: Opened) -> None:
    page = story_page.page
    assert page.locator(".chart").count() >= 18
    assert page.locator(".chart[data-drawn] svg.marks").count() == page.locator(".chart").count()
    for chart in page.locator(".chart svg.marks").all():
        box = chart.bounding_box()
        assert box
        assert box["width"] > 200
        assert box["height"] > 60


def test_nothing_is_complained_of_and_no_request_leaves(
    story_page: Opened, story_file: Path
) -> None:
    assert story_page.complaints == []
    outside = [url for url in story_page.requests if not url.startswith(("data:", "blob:"))]
    assert outside == [story_file.as_uri()]


def test_the_first_chart_is_there_within_seconds(story_page: Opened) -> None:
    # Half a second on an idle machine; a busy one of two cores gets ten times that.
    first = story_page.page.evaluate("Number(document.documentElement.dataset.firstChart)")
    assert 0 < first < 5000


def names(page: Page, model: int) -> list[str]:
    return (
        page.locator(".layers")
        .nth(model)
        .locator("tbody tr:visible td:first-child")
        .all_inner_texts()
    )


def test_a_click_sorts_by_exact_numbers_and_the_third_brings_the_order_back(
    browser: Browser, story_file: Path
) -> None:
    page = opened(browser, story_file).page
    before = names(page, 3)
    head = page.locator(".layers").nth(3).get_by_role("button", name="MACs", exact=True)
    profile = archcalc.graph("googlenet").profile()
    by_macs = {layer.name: layer.macs or 0 for layer in profile.layers}
    head.click()
    found = [by_macs[name] for name in names(page, 3)]
    assert found == sorted(found, reverse=True)
    head.click()
    found = [by_macs[name] for name in names(page, 3)]
    assert found == sorted(found)
    head.click()
    assert names(page, 3) == before == [layer.name for layer in profile.layers]
    page.close()


def test_filters_leave_the_rows_that_fit_and_say_how_many(
    browser: Browser, story_file: Path
) -> None:
    page = opened(browser, story_file).page
    layers = page.locator(".layers").nth(3)
    layers.locator("input[type=search]").fill("inception_3a conv2d")
    assert len(names(page, 3)) == 6
    assert layers.locator("output").inner_text().startswith("6 of ")
    layers.locator("select").select_option("conv 5×5")
    assert names(page, 3) == ["inception_3a.b5.conv"]
    layers.get_by_role("button", name="Show all").click()
    assert len(names(page, 3)) == len(archcalc.graph("googlenet").profile().layers)
    page.close()


def test_the_tree_opens_and_closes(story_page: Opened) -> None:
    layers = story_page.page.locator(".layers").nth(3)
    leaf = layers.locator(".tree .leaf", has_text="max_pool").first
    assert not layers.locator(".tree details[open] .leaf").count()
    layers.get_by_role("button", name="Open all").click()
    assert leaf.is_visible()
    layers.get_by_role("button", name="Close all").click()
    assert not layers.locator(".tree li > details[open]").count()


def test_pointing_at_a_block_lights_it_in_its_other_charts_and_in_the_table(
    browser: Browser, story_file: Path
) -> None:
    found = opened(browser, story_file)
    page = found.page
    bar = page.locator("[data-chart=googlenet-macs] .mark-rect path").first
    bar.scroll_into_view_if_needed()
    bar.hover()
    faded = page.locator("[data-chart=googlenet-params] .mark-rect path[opacity='0.3']")
    faded.first.wait_for(state="attached")
    assert page.locator("#vg-tooltip-element").inner_text()
    assert page.locator("tr.lit").count() > 0
    bar.click()
    assert len(names(page, 3)) < 20
    assert found.complaints == []
    page.close()


def test_the_theme_is_the_systems_until_the_reader_chooses(
    browser: Browser, story_file: Path
) -> None:
    found = opened(browser, story_file, scheme="dark")
    page = found.page

    def paper() -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return int(colour.removeprefix("rgb(").partition(",")[0])

    assert paper() < 60
    page.get_by_role("button", name="Dark or light").click()
    assert paper() == 255
    page.reload()
    page.wait_for_function("document.documentElement.dataset.charts")
    assert paper() == 255
    assert found.complaints == []
    page.close()


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_a_phone(browser: Browser, story_file: Path, width: int) -> None:
    found = opened(browser, story_file, width=width)
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    assert found.complaints == []
    found.page.close()


def test_it_reads_without_scripts(browser: Browser, story_file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(story_file.as_uri())
    assert page.get_by_text("120,422,400 / 12,443,648 = 9.68 times fewer MACs").is_visible()
    assert page.locator(".layers tbody tr").count() > 150
    context.close()


def test_hostile_names_do_nothing(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    profiles = [hostile_graph().profile(), archcalc.graph("nin").profile()]
    path.write_text(write_page(document(stories.of_profiles(profiles))), encoding="utf-8")
    found = opened(browser, path)
    for bar in found.page.locator(".chart .mark-rect path").all()[:4]:
        bar.scroll_into_view_if_needed()
        bar.hover()
    assert found.page.locator("img").count() == 0
    assert found.complaints == []
    assert [url for url in found.requests if not url.startswith("data:")] == [path.as_uri()]
    found.page.close()


def test_none_of_109_hostile_names_runs_a_script(browser: Browser, tmp_path: Path) -> None:
    assert len(set(MANY)) == 109
    path = tmp_path / "many.html"
    text = write_page(document(stories.of_profiles([unusual_graph(MANY).profile()])))
    path.write_bytes(text.encode(errors="backslashreplace"))
    found = opened(browser, path)
    for bar in found.page.locator(".chart .mark-rect path").all()[::10]:
        bar.scroll_into_view_if_needed()
        bar.hover()
    assert found.page.title() != "owned"
    assert found.page.locator("img, iframe, video, svg[onload], a[href^=javascript]").count() == 0
    assert found.page.get_by_text("<img src=x onerror=alert(1)>").count() > 0  # shown as text
    assert found.complaints == []
    assert [url for url in found.requests if not url.startswith("data:")] == [path.as_uri()]
    found.page.close()


def test_unusual_names_are_drawn_like_any_other(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "unusual.html"
    text = write_page(document(stories.of_profiles([unusual_graph().profile()])))
    path.write_bytes(text.encode(errors="backslashreplace"))
    found = opened(browser, path)
    charts = found.page.locator(".chart")
    assert found.page.locator(".chart[data-drawn] svg.marks").count() == charts.count() > 0
    bars = found.page.locator("[data-chart$=-params] .mark-rect path")
    assert bars.count() == len(UNUSUAL)
    for bar in bars.all():
        bar.scroll_into_view_if_needed()
        bar.hover()
    assert found.complaints == []
    assert [url for url in found.requests if not url.startswith("data:")] == [path.as_uri()]
    found.page.close()
