// Puts the page together, and keeps it in step with the sliders.

const COLUMN = { macs: ["macs"], params: ["params"], activations: ["activations"],
  bytes: ["bytes_read", "bytes_written"], alive: ["bytes_alive"] };

let sides = [];
let mainView;
let views = [];

/** A node's amount of the measure: a Number or BigInt, or null. */
function amountOf(answer, index, measure, network) {
  if (measure === "seconds") return (network ?? networks[state.shown]).seconds[index] ?? null;
  if (measure === "predicted") {
    return (network ?? networks[state.shown]).predicted?.nodes[answer.structure.nodes.name[index]] ?? null;
  }
  let found = null;
  for (const column of COLUMN[measure]) {
    const value = answer.number(answer.structure.nodes[column][index]);
    if (value !== null) found = found === null ? value : plus(found, value);
  }
  return found;
}

/** Whether a network has times of this kind; everything else is counted. */
function has(network, measure) {
  if (measure === "predicted") return Boolean(network.predicted);
  return measure !== "seconds" || network.seconds.length > 0;
}

/** The networks on show: one, or before and after. */
function present() {
  const current = side(networks[state.shown], state.positions[state.shown]);
  if (state.versus === "start") {
    return [side(current.network, current.network.start(), text("start")), { ...current, label: text("now") }];
  }
  if (state.versus !== "" && Number(state.versus) !== state.shown) {
    const other = networks[Number(state.versus)];
    const second = side(other, state.positions[other.place], other.spec);
    return [{ ...current, label: current.network.spec }, second];
  }
  return [current];
}

function side(network, position, label = "") {
  const answer = network.at(position);
  network.last ??= network.at(network.start());
  if (!answer.refusal) network.last = answer;
  const shown = answer.refusal ? network.last : answer;
  return { network, position, label, answer, shown, tree: network.tree(shown.structure) };
}

/** What a picture needs to know of one side. */
function scene(of) {
  const { shown: answer, network, tree } = of;
  const open = new Set(state.open);
  const laid = layout(tree.root, open);
  const measure = has(network, state.heat) ? state.heat : "macs";
  const isPeak = measure === "alive";
  const amounts = new Map();
  const sum = (node) => {
    if (amounts.has(node)) return amounts.get(node);
    let found = null;
    if (node.kind === "leaf") found = amountOf(answer, node.index, measure, network);
    else {
      for (const child of node.children) {
        const value = sum(child);
        if (value === null) continue;
        found = found === null ? value : isPeak ? (value > found ? value : found) : plus(found, value);
      }
    }
    amounts.set(node, found);
    return found;
  };
  let most = 0;
  const look = (level) => level.boxes.forEach(({ node, inner }) => {
    if (inner.open) look(inner);
    else most = Math.max(most, Number(sum(node) ?? 0));
  });
  look(laid);
  const words = (value) => TIMES.includes(measure) ? milliseconds(value)
    : measure === "bytes" || measure === "alive" ? bytes(value) : count(value);
  const whole = Number(sum(tree.root)) || 1;
  const refused = of.answer.refusal?.node;
  return {
    key: `${network.place}`, laid, words, amount: sum,
    heat: (node) => most ? Math.min(1, Math.sqrt(Number(sum(node) ?? 0) / most)) : 0,
    figure: (node) => {
      const value = sum(node);
      if (value === null) return text("not_counted");
      const share = isPeak ? "" : ` (${percent(Number(value) / whole)})`;
      return `${words(value)} ${text(`short.${measure}`)}${Number(value) ? share : ""}`;
    },
    detail: (node) => {
      const last = node.kind === "leaf" ? node.index : node.leaves[node.leaves.length - 1];
      const shape = shapeText(answer.get("output", last), network.declared);
      return node.kind === "leaf" ? `${answer.text("op", node.index)} · ${shape}`
        : `${text("nodes", { count: node.leaves.length })} · ${shape}`;
    },
    shape: (source) => shapeText(answer.get("output", source), network.declared),
    mark: (node) => {
      if (refused && (node.path === refused || refused.startsWith(`${node.path}.`))) return "refused";
      if (!of.marks?.size) return null;
      let found = null;
      for (const leaf of node.leaves) {
        const kind = of.marks.get(answer.structure.nodes.name[leaf]);
        if (kind && found && kind !== found) return "changed";
        if (!kind && (found === "added" || found === "removed")) return "changed";
        if (kind && !found && leaf !== node.leaves[0] && kind !== "changed") return "changed";
        found ??= kind ?? null;
      }
      return found;
    },
    selected: tree.byPath.get(state.selected) ?? null,
  };
}

function select(node, view = mainView, move = false) {
  state.selected = node ? node.path : "";
  if (node) openTo(node);
  refresh();
  if (node && move) view.reveal(node);
  say(node ? describe(node, view) : "");
}

/** Opens every module around a node. */
function openTo(node) {
  for (let up = node.parent; up && up.parent; up = up.parent) {
    if (!state.open.includes(up.path)) state.open.push(up.path);
  }
}

function toggle(node) {
  const at = state.open.indexOf(node.path);
  if (at < 0) state.open.push(node.path);
  else state.open.splice(at, 1);
  refresh();
  say(`${node.path}: ${text(at < 0 ? "opened" : "closed")}`);
}

function openAll(yes) {
  state.open = [];
  if (yes) {
    for (const { tree } of sides) {
      walk(tree.root, (node) => node.parent && node.children.length && state.open.push(node.path));
    }
    state.open = [...new Set(state.open)];
  }
  refresh();
  views.forEach((view) => view.fit());
}

function describe(node, view) {
  const found = scene(view.side);
  return `${node.path}, ${found.detail(node)}, ${found.figure(node)}`;
}

const say = (words) => { $("status").textContent = words; };

/** One step: every number of the page at where the sliders are. */
function refresh() {
  sides = present();
  if (sides.length === 2 && sides.every(({ answer }) => !answer.refusal)) {
    const marks = differences(sides[0].answer, sides[1].answer);
    sides.forEach((each) => { each.marks = marks; });
  }
  const current = sides.length === 2 && state.versus === "start" ? sides[1] : sides[0];
  arrange();
  const laid = sides.map(({ tree }) => layout(tree.root, new Set(state.open)));
  $("pictures").classList.toggle("stacked", laid.every(({ width, height }) => width > 1.4 * height));
  views.forEach((view, place) => {
    view.side = sides[place];
    const picture = scene(sides[place]);
    view.show(picture);
    $(`name-${place}`).textContent = sides[place].label
      ? sides.length === 2 && state.versus === "start" ? `${sides[place].network.spec}: ${sides[place].label}` : sides[place].label
      : sides[place].network.spec;
  });
  mainView = views[sides.indexOf(current)];
  show(current);
  keepAddress();
}

function show(current) {
  const { network, answer, shown, position } = current;
  const refused = sides.find((each) => each.answer.refusal);
  $("refusal").hidden = !refused;
  if (refused) $("refusal").textContent = refused.answer.refusal.message;
  document.body.classList.toggle("refused", Boolean(refused));
  const lines = sides.length === 2 && state.versus !== "start"
    ? sides.map((each) => command(each.network, each.position)) : [command(network, position)];
  $("command").textContent = lines.join("\n");
  budget(answer);
  const other = sides.length === 2 ? sides[state.versus === "start" ? 0 : 1] : null;
  $("totals").replaceChildren(answer.refusal
    ? el("p", { class: "note" }, text("refused"))
    : other && !other.answer.refusal
      ? totals(sides[1].answer, sides[0].answer, sides.map((each) => each.label)) : totals(answer, null, []));
  if (network.predicted) $("totals").append(prediction(network, position));
  const about = network.claims.filter((claim) => !claim.nodes);
  if (about.length) $("totals").append(el("h3", {}, text("claims")), claimTable(about));
  const picture = scene(current);
  const tree = current.tree;
  $("where").replaceChildren(bars(shown, tree.root, picture));
  const node = tree.byPath.get(state.selected);
  $("node").replaceChildren(...(node && !answer.refusal ? nodePanel(network, shown, node)
    : [el("p", { class: "note" }, text("select"))]));
  $("comparison-part").hidden = !other;
  const clear = other && !other.answer.refusal && !answer.refusal;
  $("comparison").replaceChildren(...(clear
    ? comparison(sides[0], sides[1], TIMES.includes(state.heat) ? "macs" : state.heat, picture.words, sides.map((each) => each.label)) : []));
}

function budget(answer) {
  const line = $("budget-line");
  const given = state.budget;
  line.hidden = !given;
  if (!given || answer.refusal) return;
  const value = answer.total(given.key);
  const over = value > given.limit;
  line.className = over ? "over" : "";
  const share = Number(value) / Number(given.limit || 1n);
  line.replaceChildren(
    el("span", { class: "track", "aria-hidden": "true" },
      el("span", { class: "bar", style: { width: `${Math.min(100, 100 * share)}%` } })),
    el("span", {}, text(over ? "over_budget" : "in_budget", {
      figure: figureLabel(given.key), value: amount(given.key, value), limit: amount(given.key, given.limit), share: percent(share),
    })));
}

/** One canvas, or two side by side. */
function arrange() {
  if (views.length === sides.length) return;
  $("pictures").replaceChildren();
  views = sides.map((_, place) => {
    const canvas = el("canvas", { class: "network", tabindex: "0", role: "application",
      "aria-roledescription": text("picture"), "aria-labelledby": `name-${place}`, "aria-describedby": "keys" });
    const minimap = el("canvas", { class: "minimap", "aria-hidden": "true" });
    $("pictures").append(el("div", { class: "picture" }, el("p", { class: "caption", id: `name-${place}` }), canvas, minimap));
    return new View(canvas, minimap, { select, toggle });
  });
}

/** What the language or the list of networks decides; the rest follows in refresh. */
function build() {
  const chosen = networks[state.shown];
  const first = chosen.tree(chosen.at(chosen.start()).structure).byPath.get(state.selected);
  if (first) openTo(first);
  document.documentElement.lang = state.lang === "zh" ? "zh-Hans" : "en";
  if (state.theme) document.documentElement.dataset.theme = state.theme;
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = text(each.dataset.text);
  for (const each of document.querySelectorAll("[data-label]")) {
    each.setAttribute("aria-label", text(each.dataset.label));
    each.setAttribute("title", text(each.dataset.label));
  }
  $("search").setAttribute("placeholder", text("search"));
  const options = (list, value, pairs) => {
    list.replaceChildren(...pairs.map(([key, words]) => el("option", { value: key }, words)));
    list.value = value;
  };
  options($("shown"), String(state.shown), networks.map(({ spec }, place) => [String(place), spec]));
  $("shown").closest(".control").hidden = networks.length < 2;
  options($("versus"), state.versus, [["", text("nothing_else")], ["start", text("its_start")],
    ...networks.map(({ spec }, place) => [String(place), spec]).filter(([place]) => place !== String(state.shown))]);
  options($("heat"), state.heat, MEASURES
    .filter((measure) => networks.some((network) => has(network, measure)))
    .map((measure) => [measure, text(`measure.${measure}`)]));
  options($("units"), state.units, [["si", "120.4M"], ["zh", "1.20亿"], ["exact", "120,422,400"]]);
  options($("budget-key"), state.budget?.key ?? "macs", Object.keys(page.labels).map((key) => [key, figureLabel(key)]));
  $("budget-limit").value = state.budget ? String(state.budget.limit) : "";
  buildSliders();
  views = [];
  readColours();
  refresh();
  if (first) mainView.reveal(first);
}

function buildSliders() {
  const wanted = [state.shown];
  if (!["", "start"].includes(state.versus) && Number(state.versus) !== state.shown) wanted.push(Number(state.versus));
  $("sliders").replaceChildren(...wanted.map((place) => controls(networks[place], state.positions[place], (rebuild) => {
    if (rebuild) buildSliders();
    schedule();
  })));
}

let scheduled = 0;
/** However often a slider moves, one step a frame. */
function schedule() {
  if (!scheduled) {
    scheduled = requestAnimationFrame(() => {
      scheduled = 0;
      const start = performance.now();
      refresh();
      timings.step.push(performance.now() - start);
    });
  }
}

const timings = { step: [], ready: 0 };

function wire() {
  const on = (id, kind, action) => $(id).addEventListener(kind, action);
  on("shown", "change", () => {
    state.shown = Number($("shown").value);
    if (state.versus === String(state.shown)) state.versus = "";
    build();
  });
  on("versus", "change", () => { state.versus = $("versus").value; buildSliders(); refresh(); });
  on("heat", "change", () => { state.heat = $("heat").value; refresh(); });
  on("units", "change", () => { state.units = $("units").value; refresh(); });
  on("language", "click", () => { state.lang = state.lang === "en" ? "zh" : "en"; build(); });
  on("theme", "click", () => {
    const dark = state.theme ? state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    state.theme = dark ? "light" : "dark";
    document.documentElement.dataset.theme = state.theme;
    recolour();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  on("reset", "click", () => { state.positions[state.shown] = networks[state.shown].start(); buildSliders(); refresh(); });
  on("open-all", "click", () => openAll(true));
  on("close-all", "click", () => openAll(false));
  on("zoom-in", "click", () => views.forEach((view) => view.zoom(1.25)));
  on("zoom-out", "click", () => views.forEach((view) => view.zoom(0.8)));
  on("fit", "click", () => views.forEach((view) => view.fit()));
  const limit = () => {
    const given = $("budget-limit").value.replace(/[,\s]/g, "");
    state.budget = /^[0-9]{1,30}$/.test(given) ? { key: $("budget-key").value, limit: BigInt(given) } : null;
    refresh();
  };
  on("budget-limit", "input", limit);
  on("budget-key", "change", limit);
  on("copy", "click", async () => {
    const words = $("command").textContent;
    try {
      await navigator.clipboard.writeText(words);
      say(text("copied"));
      $("copied").textContent = text("copied");
    } catch {
      const range = document.createRange();
      range.selectNodeContents($("command"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      $("copied").textContent = text("copy_by_hand");
    }
    setTimeout(() => { $("copied").textContent = ""; }, 3000);
  });
  on("search", "input", () => {
    const found = find(sides[0].tree, sides[0].shown, $("search").value);
    $("found").hidden = !$("search").value.trim();
    $("found").replaceChildren(...(found.length ? found.map((node) => el("li", {}, el("button", {
      type: "button", onclick: () => { select(node, mainView, true); $("found").hidden = true; mainView.canvas.focus(); },
    }, node.path, el("span", { class: "note" }, ` ${scene(sides[0]).detail(node)}`))))
      : [el("li", { class: "note" }, text("none_found"))]));
  });
  on("search", "keydown", (event) => {
    if (event.key === "Enter") $("found").querySelector("button")?.click();
    if (event.key === "Escape") { $("search").value = ""; $("found").hidden = true; }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "")) {
      event.preventDefault();
      $("search").focus();
    }
  });
  addEventListener("hashchange", () => { readAddress(); build(); });
}

function recolour() {
  readColours();
  refresh();
}

readAddress();
wire();
build();
// For tests and benchmarks, which ask the page what it shows.
globalThis.archcalcExplore = {
  networks, state, timings, refresh, openAll, get views() { return views; }, get sides() { return sides; },
  set(place, values) { Object.assign(state.positions[place], values); buildSliders(); refresh(); },
};
requestAnimationFrame(() => requestAnimationFrame(() => {
  timings.ready = performance.now();
  document.documentElement.dataset.ready = "yes";
}));
