"use strict";
// Sorting, filtering, the tree, the theme, and charts that point at one another. No library but the
// charts' own; every text from the data goes through textContent.
(() => {
  const root = document.documentElement;
  const texts = JSON.parse(document.getElementById("texts").textContent);
  root.dataset.script = "";

  // Theme: the system's until the reader chooses. A page opened from a file may have no storage.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("archcalc-theme"); } catch { /* not remembered, then */ }
  const isDark = () => (chosen ? chosen === "dark" : dark.matches);
  const paint = () => { root.dataset.theme = isDark() ? "dark" : "light"; };
  paint();
  document.getElementById("theme").addEventListener("click", () => {
    chosen = isDark() ? "light" : "dark";
    try { localStorage.setItem("archcalc-theme", chosen); } catch { /* the same */ }
    paint();
    draw();
  });
  dark.addEventListener("change", () => { paint(); draw(); });

  // Sorting: numbers by their raw value, text by the reader's language, empty cells last, totals
  // where they are. A third click brings the order of execution back.
  const collator = new Intl.Collator(root.lang, { numeric: true });
  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector(".sort").addEventListener("click", () => {
        const numeric = head.classList.contains("number");
        const cycle = numeric
          ? { none: "descending", descending: "ascending", ascending: "none" }
          : { none: "ascending", ascending: "descending", descending: "none" };
        const order = cycle[head.getAttribute("aria-sort") ?? "none"];
        for (const other of heads) other.removeAttribute("aria-sort");
        let rows = original.filter((row) => !row.classList.contains("total"));
        if (order !== "none") {
          head.setAttribute("aria-sort", order);
          const sign = order === "ascending" ? 1 : -1;
          rows = rows.slice().sort((a, b) => compare(a.cells[column], b.cells[column], sign));
        }
        body.append(...rows, ...original.filter((row) => row.classList.contains("total")));
      });
    });
  }
  function compare(a, b, sign) {
    const [left, right] = [a, b].map((cell) => cell.dataset.value ?? cell.textContent);
    if (left === "" || right === "") return (left === "") - (right === "");
    if (a.dataset.value !== undefined) return sign * (Number(left) - Number(right));
    return sign * collator.compare(left, right);
  }

  // Filtering the layers of a model by words, by kind, and by a block picked in a chart.
  const lists = [...document.querySelectorAll(".layers")].map((layers) => {
    const rows = [...layers.querySelectorAll("tbody tr")];
    const search = layers.querySelector("input");
    const kinds = layers.querySelector("select");
    const output = layers.querySelector("output");
    for (const kind of new Set(rows.map((row) => row.dataset.kind))) kinds.append(new Option(kind, kind));
    const found = rows.map((row) => row.textContent.toLowerCase());
    const list = { layers, block: null, show };
    function show() {
      const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, place) => {
        const fits =
          wanted.every((word) => found[place].includes(word)) &&
          (kinds.value === "" || row.dataset.kind === kinds.value) &&
          (list.block === null || row.dataset.block === list.block);
        row.hidden = !fits;
        shown += fits;
      });
      const counted = texts.rows.replace("{shown}", shown).replace("{all}", rows.length);
      output.textContent = list.block === null ? counted : `${list.block}: ${counted}`;
    }
    search.addEventListener("input", show);
    kinds.addEventListener("change", show);
    layers.querySelector("[data-rows=clear]").addEventListener("click", () => {
      search.value = kinds.value = "";
      list.block = null;
      show();
    });
    for (const button of layers.querySelectorAll("[data-tree]")) {
      button.addEventListener("click", () => {
        for (const module of layers.querySelectorAll(".tree li > details")) {
          module.open = button.dataset.tree === "open";
        }
      });
    }
    show();
    return list;
  });

  // Charts: one definition for print and page; here they take the column's width and the theme's
  // colours, and a block under the pointer is lit in every chart of its group.
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const places = [...document.querySelectorAll(".chart")];
  const views = new Map();
  let drawing = 0;
  let embed = null;

  function styled(spec) {
    const style = getComputedStyle(root);
    const [ink, line] = ["--ink", "--line"].map((name) => style.getPropertyValue(name).trim());
    const config = structuredClone(spec.config);
    config.background = "transparent";
    config.axis = { ...config.axis, labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line };
    config.legend = { ...config.legend, labelColor: ink, titleColor: ink };
    config.text = { ...config.text, color: ink };
    config.axisY = { labelLimit: innerWidth < 640 ? 110 : 220 };
    const legends = innerWidth < 640 ? { orient: "bottom", columns: 2 } : {};
    config.legend = { ...config.legend, ...legends };
    const fitted = { ...structuredClone(spec), width: "container", autosize: { type: "fit-x", contains: "padding" }, config };
    if (innerWidth < 640) place(fitted, legends);
    return fitted;
  }
  // What a chart says of its own legend goes before the common style.
  function place(part, legends) {
    const colour = part.encoding?.color;
    if (colour?.legend) Object.assign(colour.legend, legends);
    for (const layer of part.layer ?? []) place(layer, legends);
  }

  async function draw() {
    if (!embed) return;
    const turn = ++drawing;
    for (const place of places) {
      const { spec, group } = charts[place.dataset.chart];
      const { view } = await embed(place, styled(spec), {
        renderer: "svg",
        tooltip: { theme: isDark() ? "dark" : "light" },
        actions: { export: true, source: false, compiled: false, editor: false },
        i18n: { SVG_ACTION: texts.save_svg, PNG_ACTION: texts.save_png },
      });
      if (turn !== drawing) return view.finalize(); // the theme changed meanwhile
      views.get(place)?.finalize();
      views.set(place, view);
      place.dataset.drawn = "";
      root.dataset.firstChart ??= String(Math.round(performance.now()));
      view.addEventListener("mouseover", (event, item) => light(group, item?.datum?.block));
      view.addEventListener("mouseout", () => light(group, ""));
      view.addEventListener("click", (event, item) => list(group, item?.datum?.block));
    }
    root.dataset.charts = String(places.length);
  }
  function light(group, block) {
    for (const [place, view] of views) {
      if (charts[place.dataset.chart].group !== group) continue;
      try { view.signal("picked", block ?? "").runAsync(); } catch { /* a chart without blocks */ }
    }
    const model = /^model-(\d+)$/.exec(group)?.[1];
    if (model === undefined) return;
    for (const row of lists[model]?.layers.querySelectorAll("tbody tr") ?? []) {
      row.classList.toggle("lit", Boolean(block) && row.dataset.block === block);
    }
  }
  function list(group, block) {
    const model = /^model-(\d+)$/.exec(group)?.[1];
    if (model === undefined || !block || !lists[model]) return;
    lists[model].block = block;
    lists[model].show();
    lists[model].layers.querySelector(".rows").open = true;
    lists[model].layers.querySelector(".rows").scrollIntoView({ block: "start" });
  }
  globalThis.archcalcCharts = () => {
    embed = globalThis.archcalcEmbed;
    return draw();
  };
})();
