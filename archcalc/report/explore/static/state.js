// What the reader has chosen, and the address that keeps it.

const state = {
  shown: 0, versus: "", heat: "macs", selected: "", open: [], budget: null,
  lang: page.lang, theme: "", units: page.units, positions: [],
};

const networks = page.networks.map((data, place) => new Network(data, place));
const MEASURES = ["macs", "params", "activations", "bytes", "alive", "seconds", "predicted"];
const TIMES = ["seconds", "predicted"];

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const one = (key, allowed, otherwise) => (allowed.includes(given.get(key)) ? given.get(key) : otherwise);
  const places = networks.map((_, place) => String(place));
  state.lang = one("lang", ["en", "zh"], state.lang);
  state.theme = one("theme", ["light", "dark"], state.theme);
  state.units = one("units", ["si", "zh", "exact"], state.units);
  state.heat = one("heat", MEASURES, state.heat);
  state.shown = Number(one("net", places, String(state.shown)));
  state.versus = one("vs", ["", "start", ...places], state.versus);
  state.selected = given.get("node") ?? state.selected;
  if (given.has("open")) state.open = given.getAll("open");
  const [key, limit] = (given.get("budget") ?? "").split(":");
  if (key in page.labels && /^[0-9]+$/.test(limit ?? "")) state.budget = { key, limit: BigInt(limit) };
  state.positions = networks.map((network, place) => {
    const position = network.start();
    for (const { key: name, values } of network.choices) {
      const value = given.get(`${place}.${name}`);
      if (values.includes(value)) position[name] = value;
    }
    const { ranges } = network.variant(position);
    for (const { key: name } of network.sizes) {
      const value = Number(given.get(`${place}.${name}`) ?? NaN);
      const [least, most] = ranges[name];
      if (Number.isInteger(value)) position[name] = Math.min(most, Math.max(least, value));
    }
    return position;
  });
}

function address() {
  const told = new URLSearchParams();
  if (state.shown) told.set("net", state.shown);
  if (state.versus) told.set("vs", state.versus);
  if (state.heat !== "macs") told.set("heat", state.heat);
  if (state.selected) told.set("node", state.selected);
  if (state.budget) told.set("budget", `${state.budget.key}:${state.budget.limit}`);
  if (state.lang !== page.lang) told.set("lang", state.lang);
  if (state.units !== page.units) told.set("units", state.units);
  if (state.theme) told.set("theme", state.theme);
  state.open.forEach((path) => told.append("open", path));
  networks.forEach((network, place) => {
    const start = network.start();
    for (const [name, value] of Object.entries(state.positions[place])) {
      if (value !== start[name]) told.set(`${place}.${name}`, value);
    }
  });
  return `#${told}`;
}

let writing = 0;
function keepAddress() {
  clearTimeout(writing);
  writing = setTimeout(() => {
    // A page inside another one, or in a notebook, may not have an address of its own.
    try {
      history.replaceState(null, "", address());
    } catch {}
  }, 250);
}

/** What the shell takes as one word. */
const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** The line for a terminal that prints the numbers of a position. */
function command(network, position) {
  const start = network.start();
  const sides = network.sides ?? {};
  const special = new Set(Object.values(sides));
  const options = network.fixed.filter((each) => !(each.split("=")[0] in start));
  for (const { key } of [...network.sizes, ...network.choices]) {
    if (special.has(key)) continue;
    const given = network.fixed.some((each) => each.startsWith(`${key}=`));
    if (given || position[key] !== start[key]) options.push(`${key}=${position[key]}`);
  }
  const words = ["archcalc", "show", quoted([network.base, ...options].join(","))];
  const moved = ["height", "width"].some((side) => position[sides[side]] !== start[sides[side]]);
  if (sides.height && (moved || network.input.length)) {
    const at = [network.channels, position[sides.height], position[sides.width]];
    words.push("--input", `chw:${at.join("x")}`);
  } else network.input.forEach((each) => words.push("--input", quoted(each)));
  const batch = sides.batch ? position[sides.batch] : network.batch;
  if (batch !== 1) words.push("--batch", String(batch));
  if (network.training) words.push("--train");
  return words.join(" ");
}
