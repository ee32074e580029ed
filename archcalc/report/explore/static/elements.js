// Elements made by name. Text is only ever set as text.

const $ = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name === "style") Object.assign(made.style, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((each) => each !== null && each !== undefined && each !== false));
  return made;
}

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A sentence of the page in the reader's language, its blanks filled. */
function text(key, blanks = {}) {
  const found = page.texts[state.lang][key] ?? page.texts.en[key] ?? key;
  return found.replace(/\{(\w+)\}/g, (_, name) => blanks[name] ?? "");
}

/** A text of a record in the reader's language. */
const said = (record, key) => record[state.lang]?.[key] ?? record[key];

/** Why a node costs nothing, in the reader's language. */
const reasonText = (reason) => page.reasons[state.lang]?.[reason] ?? reason;

const figureLabel = (key) => (state.lang === "zh" && page.texts.zh[`figure.${key}`]) || page.labels[key] || key;
