"""Measure the speed of the explorer in headless Chromium. Needs Chromium and torchvision.

    python benchmarks/explore.py

For a page of googlenet, prints its size, the time to the first paint, and the time of a slider step
(numbers, panel and drawing). For a page of 5,000 nodes, copies of densenet201, convnext_large and
vit_h_14 with all modules open, prints the frames per second while the drawing is dragged. The rate
of the same page at rest is the maximum of the machine.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from archcalc.analysis.profile import profile
from archcalc.graph import Graph, Node, Value
from archcalc.lookup.resolve import resolve
from archcalc.report.explore import Asked, explore
from archcalc.report.explore.data import fixed
from archcalc.report.explore.page import page as write_page

LARGE = ("torchvision:densenet201", "torchvision:convnext_large", "torchvision:vit_h_14")
NODES = 5000
STEPS = 60

STEP = """async () => {
  const slider = document.querySelector("input[type=range]");
  const times = [];
  for (let at = 0; at < %d; at += 1) {
    const before = performance.now();
    slider.value = Number(slider.min) + at;
    slider.dispatchEvent(new Event("input"));
    await new Promise((done) => requestAnimationFrame(() => {
      times.push(performance.now() - before);
      done();
    }));
    await new Promise(requestAnimationFrame);
  }
  return archcalcExplore.timings.step.slice(-%d);
}""".replace("%d", str(STEPS))

IDLE = """async () => {
  const start = performance.now();
  let frames = 0;
  while (performance.now() - start < 2000) {
    await new Promise(requestAnimationFrame);
    frames += 1;
  }
  return frames / ((performance.now() - start) / 1000);
}"""

DRAG = """async (whole) => {
  const view = archcalcExplore.views[0];
  if (whole) view.whole();
  else view.fit();
  await new Promise(requestAnimationFrame);
  const draw = view.draw;
  view.draw = () => {
    const before = performance.now();
    draw.call(view);
    draws.push(performance.now() - before);
  };
  const draws = [];
  const start = performance.now();
  let frames = 0;
  while (performance.now() - start < 2000) {
    view.pan(frames % 20 < 10 ? 8 : -8, frames % 240 < 120 ? -8 : 8);
    await new Promise(requestAnimationFrame);
    frames += 1;
  }
  return { fps: frames / ((performance.now() - start) / 1000), draws, boxes: view.drawn };
}"""


def joined(graphs: list[Graph], nodes: int) -> Graph:
    """Copies of some graphs in one graph, until there are enough nodes."""
    found: list[Node] = []
    while len(found) < nodes:
        for place, graph in enumerate(graphs):
            start = len(found)
            prefix = f"{graph.name}_{start + place}"

            def moved(value: Value, start: int = start) -> Value:
                return value._replace(source=value.source + start)

            found += [
                node._replace(
                    name=f"{prefix}.{node.name}",
                    inputs=tuple(map(moved, node.inputs)),
                    outputs=tuple(map(moved, node.outputs)),
                    weights=tuple(w._replace(name=f"{prefix}.{w.name}") for w in node.weights),
                )
                for node in graph.nodes
            ]
    return Graph("large", tuple(found), {"output": found[-1].outputs[0]})


def opened(browser: Browser, path: Path) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(path.as_uri())
    page.locator("html[data-ready]").wait_for()
    return page


def milliseconds(values: list[Any]) -> str:
    return f"median {statistics.median(values):.1f} ms, worst {max(values):.1f} ms"


def main() -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = os.environ.get("ARCHCALC_CHROMIUM") or next(filter(None, map(shutil.which, names)))
    folder = Path(tempfile.mkdtemp())
    explore(["googlenet"], Asked()).save(str(folder / "googlenet.html"))
    large = joined([resolve(name) for name in LARGE], NODES)
    (folder / "large.html").write_text(write_page([fixed(profile(large))]), encoding="utf-8")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = opened(browser, folder / "googlenet.html")
        size = (folder / "googlenet.html").stat().st_size
        print(f"googlenet: page of {size / 1e6:.2f} MB")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        ready = page.evaluate("archcalcExplore.timings.ready")
        print(f"first paint after {paint:.0f} ms, drawing and numbers after {ready:.0f} ms")
        print(f"slider step: {milliseconds(page.evaluate(STEP))}")
        page.close()
        page = opened(browser, folder / "large.html")
        print(
            f"{len(large)} nodes: ready after "
            f"{page.evaluate('archcalcExplore.timings.ready'):.0f} ms"
        )
        opening = page.evaluate(
            "(() => { const t = performance.now(); archcalcExplore.openAll(true);"
            " return performance.now() - t; })()"
        )
        print(f"opening all modules: {opening:.0f} ms")
        print(f"page at rest: {page.evaluate(IDLE):.0f} frames per second")
        for whole, which in ((True, "the whole network"), (False, "at a readable size")):
            found = page.evaluate(DRAG, whole)
            print(
                f"dragging {which}: {found['fps']:.0f} frames per second; {found['boxes']} boxes; "
                f"drawing a frame: {milliseconds(found['draws'])}"
            )
        browser.close()


if __name__ == "__main__":
    main()
