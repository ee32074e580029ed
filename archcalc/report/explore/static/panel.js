// The totals of a network, and everything about the node that is selected.

const CONVENTIONS = ["paper", "torch", "fvcore", "torchinfo", "thop", "ptflops"];

const inBytes = (key) => page.bytes.includes(key);
const amount = (key, value) => (inBytes(key) ? bytes(value) : count(value));

/** The figures of one position; with `before`, from there to here and the ratio. */
function totals(answer, before, labels) {
  const rows = Object.keys(page.labels).map((key) => {
    const value = answer.total(key);
    const was = before?.total(key);
    const over = state.budget?.key === key && value > state.budget.limit;
    const change = before && was !== value
      ? Number(was) ? ratio(Number(value) / Number(was)) : "" : before ? "=" : "";
    return el("tr", { class: over ? "over" : null, "data-figure": key },
      el("th", { scope: "row" }, figureLabel(key)),
      before ? el("td", { class: "number", title: exact(was) }, amount(key, was)) : null,
      el("td", { class: "number", title: exact(value) }, amount(key, value)),
      before ? el("td", { class: "number" }, change) : null);
  });
  const head = before
    ? el("thead", {}, el("tr", {}, el("th", { scope: "col" }, text("figure")),
        ...labels.map((label) => el("th", { scope: "col", class: "number wrap" }, label)),
        el("th", { scope: "col", class: "number" }, text("ratio"))))
    : el("thead", {}, el("tr", {}, el("th", { scope: "col" }, text("figure")),
        el("th", { scope: "col", class: "number" }, text("now"))));
  return el("table", {}, head, el("tbody", {}, ...rows));
}

/** The predicted time of the network at the sizes that the page was made for. */
function prediction(network, position) {
  const { machine, seconds, low, high } = network.predicted;
  const start = network.start();
  const moved = Object.entries(position).some(([key, value]) => value !== start[key]);
  const said = text("predicted_total",
    { time: milliseconds(seconds), low: milliseconds(low), high: milliseconds(high), machine });
  return el("p", { class: moved ? "note stale" : "note", id: "predicted" },
    moved ? `${said} ${text("predicted_moved")}` : said);
}

/** Where the cost is: one bar for each box of a module. */
function bars(answer, module, sceneOf) {
  const found = module.children.map((node) => [node, sceneOf.amount(node)]).filter(([, value]) => value);
  const most = Math.max(...found.map(([, value]) => Number(value)), 1);
  const whole = Number(sceneOf.amount(module)) || 1;
  if (!found.length) return el("p", { class: "note" }, text("nothing"));
  return el("ul", { class: "bars" }, ...found.map(([node, value]) =>
    el("li", {}, el("button", { type: "button", onclick: () => select(node, mainView, true) },
      el("span", { class: "name" }, node.label + (node.count > 1 ? ` ×${node.count}` : "")),
      el("span", { class: "track", "aria-hidden": "true" },
        el("span", { class: "bar", style: { width: `${(100 * Number(value)) / most}%` } })),
      el("span", { class: "number" }, `${sceneOf.words(value)} · ${percent(Number(value) / whole)}`)))));
}

const bracketed = (factor) => (factor.length > 1 ? `(${factor.join("×")})` : String(factor[0] ?? 1));
const working = (terms) => terms.map((term) => term.map(bracketed).join("×")).join(" + ");

function nodePanel(network, answer, node) {
  const { declared } = network;
  const isLeaf = node.kind === "leaf";
  const get = (column) => answer.get(column, node.index);
  const shown = (column) => answer.text(column, node.index);
  const rows = [];
  const add = (label, value, title) => value !== "" && value !== null && value !== undefined &&
    rows.push(el("tr", {}, el("th", { scope: "row" }, label), el("td", { title: title ?? null }, value)));
  const sum = (column) => answer.sum(column, node.leaves);
  const parts = [el("h3", { class: "path" }, node.path)];
  if (isLeaf) {
    add(text("operator"), shown("op"));
    add(text("input"), shapeText(get("input"), declared));
    add(text("output"), shapeText(get("output"), declared));
    for (const [name, shape] of Object.entries(get("weights"))) {
      add(name === "weight" ? text("weight") : `${text("weight")}: ${name}`, shapeText(answer.resolve(shape), false));
    }
    const settings = Object.entries(get("attrs")).map(([name, value]) => {
      const plain = value && value.text !== undefined ? value.text : [answer.resolve(value)].flat().join("×");
      return `${name} ${plain}`;
    });
    add(text("settings"), settings.join(", "));
  } else {
    const last = node.leaves[node.leaves.length - 1];
    add(text("operator"), text("nodes", { count: node.leaves.length }) + (node.count > 1 ? ` (×${node.count})` : ""));
    add(text("output"), shapeText(answer.get("output", last), declared));
  }
  for (const key of ["params", "macs", "flops"]) add(figureLabel(key), exact(sum(key) ?? text("not_counted")));
  if (isLeaf) {
    add(text("alive"), bytes(get("bytes_alive")), exact(get("bytes_alive") ?? 0));
  } else {
    const alive = node.leaves.map((leaf) => Number(answer.get("bytes_alive", leaf) ?? 0));
    add(text("alive"), bytes(Math.max(...alive)));
  }
  const [read, written] = [sum("bytes_read"), sum("bytes_written")];
  if (read !== null) add(text("traffic"), text("read_written", { read: bytes(read), written: bytes(written) }));
  if (network.seconds.length) {
    const seconds = node.leaves.reduce((total, leaf) => total + (network.seconds[leaf] ?? 0), 0);
    add(text("measured"), milliseconds(seconds));
  }
  if (network.predicted) {
    const { nodes } = network.predicted;
    const seconds = node.leaves.reduce((total, leaf) => total + (nodes[answer.structure.nodes.name[leaf]] ?? 0), 0);
    add(text("predicted"), milliseconds(seconds), text("predicted_where"));
  }
  if (isLeaf) {
    add(text("line"), shown("where"));
    add(text("why_nothing"), reasonText(shown("reason")));
  }
  if (node.children.length) {
    parts.push(el("p", {}, el("button", { type: "button", onclick: () => toggle(node) },
      text(state.open.includes(node.path) ? "close" : "open"))));
  }
  if (isLeaf) {
    const terms = Object.entries(get("terms"));
    for (const [field, cells] of terms) {
      const line = `${working(answer.resolve(cells))} = ${exact(get(field) ?? 0)}`;
      parts.push(el("p", { class: "formula" }, el("span", { class: "note" }, `${text(`class.${field}`)}: `), line));
    }
  }
  parts.push(el("table", {}, el("tbody", {}, ...rows)));
  if (!isLeaf) parts.push(el("h4", {}, text("inside")), bars(answer, node, scene(mainView.side)));
  parts.push(el("h4", {}, text("conventions")),
    el("table", {}, el("tbody", {}, ...CONVENTIONS.map((name) =>
      el("tr", {}, el("th", { scope: "row" }, name),
        el("td", { class: "number" }, exact(sum(`by_${name}`) ?? 0)))))));
  const picture = isLeaf && reach(network, answer, node);
  if (picture) parts.push(el("h4", {}, text("reach")), picture);
  const claims = network.claims.filter((claim) => claim.nodes.split(" ").includes(node.path));
  if (claims.length) parts.push(el("h4", {}, text("claims")), claimTable(claims));
  return parts;
}

function claimTable(claims) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": text("claims") },
    el("table", {}, el("thead", {}, el("tr", {},
      ...["published", "computed", "verdict", "source"].map((key) => el("th", { scope: "col" }, text(key))))),
      el("tbody", {}, ...claims.map((claim) => el("tr", {},
        el("td", {}, said(claim, "published")), el("td", { class: "number" }, claim.computed),
        el("td", { title: said(claim, "cause") || null }, text(`verdict.${claim.verdict}`)),
        el("td", {}, said(claim, "source")))))));
}

/** The receptive field of the position in the middle of the output, on the input. */
function reach(network, answer, node) {
  const found = answer.structure.variant.reaches[node.path];
  const inputs = answer.structure.nodes.op.indexOf("input");
  if (!found || inputs < 0) return null;
  const input = answer.get("output", inputs).map(Number);
  const output = answer.get("output", node.index).map(Number);
  if (found === "global") return el("p", {}, text("reach_global"));
  const [size, stride, offset] = found.map((part) => part.map((number) => {
    const [above, below = 1] = number.split("/").map(Number);
    return above / below;
  }));
  const words = text("reach_words", { size: size.join("×"), stride: stride.join("×") });
  if (input.length !== 4 || size.length !== 2 || output.length !== 4) return el("p", {}, words);
  const [height, width] = input.slice(2);
  const [top, left] = [0, 1].map((axis) => offset[axis] + stride[axis] * Math.floor(output[2 + axis] / 2));
  const [x0, y0] = [Math.min(0, left), Math.min(0, top)];
  const [x1, y1] = [Math.max(width, left + size[1]), Math.max(height, top + size[0])];
  const line = Math.max(x1 - x0, y1 - y0) / 160;
  const frame = svg("svg", {
    viewBox: `${x0 - line} ${y0 - line} ${x1 - x0 + 2 * line} ${y1 - y0 + 2 * line}`,
    class: "reach", role: "img", "aria-label": words,
  },
  svg("rect", { x: 0, y: 0, width, height, class: "whole", "stroke-width": line }),
  svg("rect", { x: left, y: top, width: size[1], height: size[0], class: "field", "stroke-width": line }));
  return el("figure", {}, frame, el("figcaption", {}, `${words}; ${text("of_input", { input: `${height}×${width}` })}`));
}
