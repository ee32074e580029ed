"""The explorer as a reader has it: sliders, picture, address, languages, phone, and no requests.

pytest -m browser tests/browser/test_explore_in_chromium.py
"""

from __future__ import annotations

import html
import os
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import archcalc
from archcalc.analysis.profile import profile
from archcalc.io import calibrations
from archcalc.report.explore import Asked, Times, explore
from archcalc.report.explore.data import Network, fixed
from archcalc.report.explore.page import page as write_page
from tests.analysis.calibrations import calibration
from tests.report.hostile import hostile_graph, unusual_graph

pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MODELS = ("inception-naive", "inception-reduced", "alexnet")


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
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explore") / "explore.html"
    explore(MODELS, Asked()).save(str(path))
    return path


class Opened:
    """A page with all that it complained of and asked for."""

    def __init__(self, browser: Browser, address: str, **settings: Any) -> None:
        self.page: Page = browser.new_page(
            **{"viewport": {"width": 1200, "height": 800}} | settings
        )
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)
        self.page.locator("html[data-ready]").wait_for()

    def figure(self, key: str) -> str:
        """All digits of a total on the page."""
        cell = self.page.locator(f"[data-figure={key}] td[title]").last
        return cell.get_attribute("title") or ""


def test_a_slider_changes_every_number_to_the_integers_of_the_command(
    browser: Browser, file: Path
) -> None:
    found = Opened(browser, f"{file.as_uri()}#net=1&node=b5.conv")
    page = found.page
    assert found.figure("macs") == f"{archcalc.graph('inception-reduced').profile().macs:,}"
    page.get_by_label("c5_reduce", exact=True).fill("48")
    wider = archcalc.graph("inception-reduced", c5_reduce=48).profile()
    page.get_by_text(f"= {wider['b5.conv'].macs:,}").wait_for()
    assert found.figure("macs") == f"{wider.macs:,}"
    assert found.figure("params") == f"{wider.params:,}"
    assert page.locator("#command").inner_text() == "archcalc show inception-reduced,c5_reduce=48"
    assert "(28×28×32)×(5×5×48)" in page.locator("#node").inner_text()
    assert found.complaints == []
    assert found.requests == [page.url.partition("#")[0]]
    page.close()


def test_the_address_brings_the_same_page_back(browser: Browser, file: Path) -> None:
    first = Opened(browser, f"{file.as_uri()}#net=1")
    first.page.get_by_label("c3", exact=True).fill("77")
    first.page.locator("#versus").select_option("start")
    first.page.locator("#budget-limit").fill("1000")
    first.page.wait_for_timeout(600)  # the address follows within a quarter of a second
    second = Opened(browser, first.page.url)
    for each in ("#totals", "#comparison", "#budget-line", "#command"):
        assert second.page.locator(each).inner_text() == first.page.locator(each).inner_text()
    assert second.page.locator("#budget-line").get_attribute("class") == "over"
    first.page.close()
    second.page.close()


def test_a_refused_size_is_answered_in_the_words_of_the_command(
    browser: Browser, file: Path
) -> None:
    found = Opened(browser, f"{file.as_uri()}#net=2&2.height=58&2.width=58")
    with pytest.raises(archcalc.DefinitionError) as error:
        archcalc.graph("alexnet", input="58x58x3")
    assert found.page.locator("#refusal").inner_text() == str(error.value)
    assert found.complaints == []
    found.page.close()


def test_two_networks_are_compared_node_by_node(browser: Browser, file: Path) -> None:
    found = Opened(browser, f"{file.as_uri()}#vs=1")
    page = found.page
    before, after = (archcalc.graph(name).profile() for name in MODELS[:2])
    added = sum(change.kind == "added" for change in archcalc.diff(before, after).changes)
    assert f"+ {added} added" in page.locator(".legend").inner_text()
    assert page.locator("canvas.network").count() == 2
    assert found.figure("macs") == f"{after.macs:,}"
    assert page.locator(".waterfall li").count() >= 4
    page.close()


def test_keys_walk_the_network_and_open_a_module(browser: Browser, file: Path) -> None:
    found = Opened(browser, f"{file.as_uri()}#net=1")
    page = found.page
    page.locator("canvas.network").focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    chosen, opened = page.evaluate("[archcalcExplore.state.selected, archcalcExplore.state.open]")
    assert chosen in ("b1", "b3", "b5", "pool")
    assert opened == [chosen]
    assert chosen in page.locator("#status").inner_text()
    page.keyboard.press("/")
    page.keyboard.type("b5 conv2d")
    page.keyboard.press("Enter")
    assert page.evaluate("archcalcExplore.state.selected").startswith("b5.")
    assert found.complaints == []
    page.close()


PANNED = """([across, down]) => {
  const view = archcalcExplore.views[0];
  const { width, height } = view.canvas;
  const pixels = () => view.pen.getImageData(0, 0, width, height).data;
  const share = (one, other) =>
    one.filter((each, at) => Math.abs(each - other[at]) > 32).length / one.length;
  let painted = 0;
  const paint = view.paint;
  view.paint = (...given) => { painted += 1; paint.apply(view, given); };
  view.zoom(1.5);
  view.draw();
  const before = pixels();
  view.pan(1, 1);
  view.draw();
  painted = 0;
  view.pan(across, down);
  view.draw();
  const [times, moved] = [painted, pixels()];
  view.draw();
  return [times, share(moved, pixels()), share(moved, before)];
}"""


@pytest.mark.parametrize(("by", "times"), [((-90, 70), 0), ((-90, 300), 1)])
def test_a_dragged_picture_is_moved_and_looks_as_if_it_were_painted(
    browser: Browser, file: Path, by: tuple[int, int], times: int
) -> None:
    found = Opened(browser, f"{file.as_uri()}#net=1&open=b5")
    painted, differs, has_moved = found.page.evaluate(PANNED, by)
    assert painted == times
    assert differs < 0.002  # glyphs on other fractions of a pixel
    assert has_moved > 0.02
    found.page.close()


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_a_phone(browser: Browser, file: Path, width: int) -> None:
    found = Opened(
        browser, f"{file.as_uri()}#vs=1&node=b5", viewport={"width": width, "height": 800}
    )
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    found.page.close()


def test_chinese_leaves_no_english_label(browser: Browser, file: Path) -> None:
    found = Opened(browser, f"{file.as_uri()}#lang=zh&vs=1")
    labels = found.page.locator("[data-text], #totals th").all_inner_texts()
    plain = {"FLOPs", "English", *MODELS}
    assert [each for each in labels if each and each.isascii() and each not in plain] == []
    found.page.close()


def test_it_works_in_a_frame_without_an_address(
    browser: Browser, file: Path, tmp_path: Path
) -> None:
    outer = tmp_path / "notebook.html"
    inner = html.escape(file.read_text(encoding="utf-8"))
    outer.write_text(f'<iframe sandbox="allow-scripts" srcdoc="{inner}"></iframe>', "utf-8")
    page = browser.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(outer.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for()
    frame.get_by_label("c5", exact=True).fill("40")
    page.wait_for_timeout(500)
    assert "c5=40" in frame.locator("#command").inner_text()
    assert complaints == []
    page.close()


def test_hostile_names_stay_text(browser: Browser, tmp_path: Path) -> None:
    for place, graph in enumerate((hostile_graph(), unusual_graph())):
        path = tmp_path / f"{place}.html"
        network: Network = fixed(profile(graph))
        path.write_bytes(write_page([network, network]).encode(errors="backslashreplace"))
        found = Opened(browser, f"{path.as_uri()}#vs=1")
        found.page.get_by_role("button", name="Open all").click()
        found.page.locator("#where button").first.click()
        assert found.page.locator("img").count() == 0
        assert found.page.locator("#node h3").inner_text() != ""
        assert found.complaints == []
        assert len(found.requests) == 1
        found.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["#net=1&node=b5.conv", "#vs=1&lang=zh", "#net=2&2.height=58"])
def test_axe_finds_nothing(browser: Browser, file: Path, scheme: str, address: str) -> None:
    found = Opened(browser, f"{file.as_uri()}{address}", color_scheme=scheme, bypass_csp=True)
    found.page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    result = found.page.evaluate("axe.run()")
    assert [(each["id"], each["nodes"][0]["html"]) for each in result["violations"]] == []
    found.page.close()


def test_predicted_times_are_heat_and_total_and_say_when_the_sliders_moved(
    browser: Browser, tmp_path: Path
) -> None:
    path = calibrations.save(calibration(), str(tmp_path / "here.json"))
    file = tmp_path / "explore.html"
    made = explore(["nin-digits"], Asked(), times=Times(predict=str(path)))
    made.save(str(file))
    opened = Opened(browser, file.as_uri())
    said = opened.page.locator("#predicted")
    assert "Predicted: " in said.inner_text()
    assert "sliders" not in said.inner_text()
    opened.page.locator("#heat").select_option("predicted")
    opened.page.locator("#language").click()
    assert "预测：" in said.inner_text()
    assert "滑块" not in said.inner_text()
    opened.page.locator("input[type=number]").first.fill("20")
    opened.page.locator("input[type=number]").first.press("Enter")
    assert "滑块" in said.inner_text()
    assert opened.complaints == []
    opened.page.close()
