// Two networks, or one before and after the sliders: what differs, and what each change saves.

const COMPARED = ["op", "output", "params", "macs", "attrs"];

/** Each node of either side that is added, removed or changed, by name. */
function differences(before, after) {
  const places = (answer) => new Map(answer.structure.nodes.name.map((name, index) => [name, index]));
  const [old, now] = [places(before), places(after)];
  const facts = (answer, index) => COMPARED.map((column) => {
    const value = column === "op" ? answer.text(column, index) : answer.get(column, index);
    return column === "attrs"
      ? JSON.stringify(Object.entries(value).map(([key, cell]) => [key, String(answer.resolve(cell)?.text ?? answer.resolve(cell))]))
      : String(value);
  }).join("|");
  const found = new Map();
  for (const [name, index] of now) {
    if (!old.has(name)) found.set(name, "added");
    else if (facts(before, old.get(name)) !== facts(after, index)) found.set(name, "changed");
  }
  for (const name of old.keys()) if (!now.has(name)) found.set(name, "removed");
  return found;
}

/** What each block adds to or takes from a figure, in order, between the two totals. */
function steps(before, after, column) {
  const blocks = (answer) => {
    const sums = new Map();
    answer.structure.nodes.name.forEach((name, index) => {
      const block = name.split(".")[0];
      const value = amountOf(answer, index, column);
      if (value !== null) sums.set(block, plus(sums.get(block) ?? 0, value));
    });
    return sums;
  };
  const [old, now] = [blocks(before), blocks(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .map((name) => ({ name, by: minus(now.get(name) ?? 0, old.get(name) ?? 0) }))
    .filter(({ by }) => Number(by) !== 0);
}

function waterfall(before, after, column, words, labels) {
  const all = (answer) => answer.structure.nodes.name.reduce(
    (sum, _, index) => plus(sum, amountOf(answer, index, column) ?? 0), 0);
  const [start, end] = [all(before), all(after)];
  let found = steps(before, after, column);
  if (found.length > 24) {
    found.sort((a, b) => Math.abs(Number(b.by)) - Math.abs(Number(a.by)));
    const rest = found.slice(23).reduce((sum, { by }) => plus(sum, by), 0);
    found = [...found.slice(0, 23), { name: text("the_rest"), by: rest }];
  }
  let level = Number(start);
  const levels = found.map(({ by }) => (level += Number(by)));
  const most = Math.max(Number(start), ...levels, Number(end), 1);
  level = Number(start);
  const row = (name, from, to, value, kind) => el("li", { class: kind },
    el("span", { class: "name" }, name),
    el("span", { class: "track", "aria-hidden": "true" }, el("span", { class: "bar", style: {
      marginLeft: `${(100 * Math.max(0, Math.min(from, to))) / most}%`,
      width: `${Math.max(0.4, (100 * Math.abs(to - from)) / most)}%`,
    } })),
    el("span", { class: "number" }, value));
  const rows = [row(labels[0], 0, Number(start), words(start), "whole")];
  for (const { name, by } of found) {
    const next = level + Number(by);
    rows.push(row(name, level, next, `${by > 0 ? "+" : ""}${words(by)}`, by > 0 ? "more" : "less"));
    level = next;
  }
  rows.push(row(labels[1], 0, Number(end), words(end), "whole"));
  return el("ul", { class: "bars waterfall" }, ...rows);
}

function comparison(before, after, column, words, labels) {
  const marks = differences(before.answer, after.answer);
  const counts = { added: 0, removed: 0, changed: 0 };
  marks.forEach((kind) => { counts[kind] += 1; });
  const listed = [...marks].slice(0, 200);
  const place = (side, name) => side.answer.structure.nodes.name.indexOf(name);
  const cell = (side, name, key) => {
    const index = place(side, name);
    return index < 0 ? "–" : key === "output"
      ? shapeText(side.answer.get("output", index), side.network.declared) : count(side.answer.get(key, index));
  };
  return [
    el("p", { class: "legend" }, ...Object.entries(counts).map(([kind, number]) =>
      el("span", { class: `mark ${kind}` }, `${SIGNS[kind]} ${text(kind, { count: number })}`))),
    el("h3", {}, text("waterfall", { measure: text(`measure.${column}`) })),
    waterfall(before.answer, after.answer, column, words, labels),
    el("h3", {}, text("nodes_that_differ")),
    marks.size === 0 ? el("p", { class: "note" }, text("no_difference")) :
    el("div", { class: "scroll long", tabindex: "0", role: "region", "aria-label": text("nodes_that_differ") },
      el("table", {}, el("thead", {}, el("tr", {},
        el("th", { scope: "col" }, text("node")),
        el("th", { scope: "col" }, `${text("output")}: ${labels[0]}`), el("th", { scope: "col" }, labels[1]),
        el("th", { scope: "col", class: "number" }, `MACs: ${labels[0]}`), el("th", { scope: "col", class: "number" }, labels[1]))),
      el("tbody", {}, ...listed.map(([name, kind]) => el("tr", { class: kind },
        el("th", { scope: "row" }, el("span", { class: `mark ${kind}` }, SIGNS[kind]), ` ${name}`),
        el("td", {}, cell(before, name, "output")), el("td", {}, cell(after, name, "output")),
        el("td", { class: "number" }, cell(before, name, "macs")), el("td", { class: "number" }, cell(after, name, "macs"))))))),
    marks.size > listed.length ? el("p", { class: "note" }, text("more_nodes", { count: marks.size - listed.length })) : null,
  ].filter(Boolean);
}
