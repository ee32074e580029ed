// A network of the page: its numbers at a position of the sliders, and the tree of its modules.

/** What a network costs at one position, or why it refuses it. */
class Answer {
  constructor(structure, values, refusal = null) {
    this.structure = structure;
    this.values = values;
    this.refusal = refusal;
  }

  /** A cell of a structure: a constant, or the place of a value. */
  number(cell) {
    return typeof cell === "string" ? this.values[cell] : cell;
  }

  total(key) {
    return this.number(this.structure.totals[key]);
  }

  /** The text of a column, such as a node's operator. */
  text(column, node) {
    return this.structure.nodes[column][node];
  }

  /** A column's entry of one node, with everything in it resolved. */
  get(column, node) {
    return this.resolve(this.structure.nodes[column][node]);
  }

  resolve(cell) {
    if (Array.isArray(cell)) return cell.map((each) => this.resolve(each));
    if (cell && typeof cell === "object") return cell;
    return this.number(cell);
  }

  sum(column, nodes) {
    let found = null;
    const cells = this.structure.nodes[column];
    for (const node of nodes) {
      const value = this.number(cells[node]);
      if (value !== null) found = found === null ? value : plus(found, value);
    }
    return found;
  }
}

class Network {
  constructor(data, place) {
    Object.assign(this, data);
    this.place = place;
    this.trees = new Map();
    for (const variant of this.variants) {
      for (const structure of variant.structures) structure.variant = variant;
    }
  }

  /** Every slider and choice where it was when the page was made. */
  start() {
    const position = Object.create(null);
    for (const { key, default: value } of [...this.sizes, ...this.choices]) position[key] = value;
    return position;
  }

  variant(position) {
    return this.variants.find((each) =>
      this.choices.every(({ key }) => each.choices[key] === position[key]),
    );
  }

  at(position) {
    const variant = this.variant(position);
    if (!variant.program) return new Answer(variant.structures[0], []);
    const found = programs[variant.program](position);
    if (found === null) return new Answer(null, [], { node: "", message: text("outside") });
    if (found.refusal) return new Answer(null, [], found.refusal);
    const { s, v } = found.record;
    return new Answer(variant.structures[Number(s)], v);
  }

  tree(structure) {
    if (!this.trees.has(structure)) this.trees.set(structure, makeTree(structure));
    return this.trees.get(structure);
  }
}

/** The modules that dotted names make. A run of equal modules is one box with a count. */
function makeTree(structure) {
  const { name } = structure.nodes;
  const root = box("", "", "module");
  name.forEach((full, index) => {
    const parts = full.split(".");
    let at = root;
    parts.forEach((part, depth) => {
      const last = depth === parts.length - 1;
      let next = at.byLabel.get(part);
      if (!next || (last && next.kind === "leaf")) {
        next = box(parts.slice(0, depth + 1).join("."), part, last ? "leaf" : "module");
        at.children.push(next);
        if (!last || !at.byLabel.has(part)) at.byLabel.set(part, next);
      } else if (!last && next.kind === "leaf") {
        // A node with the name of a module: it becomes the first node in it.
        const inner = { ...next, byLabel: new Map() };
        Object.assign(next, { kind: "module", index: -1, children: [inner] });
      } else if (last) {
        const leaf = box(full, part, "leaf");
        next.children.push(leaf);
        next = leaf;
      }
      at = next;
    });
    at.index = index;
  });
  fold(root, structure);
  const leaves = [];
  finish(root, null, leaves);
  connect(structure, leaves);
  const byPath = new Map();
  walk(root, (each) => each === root || byPath.has(each.path) || byPath.set(each.path, each));
  for (const each of leaves) each.op = structure.nodes.op[each.index];
  return { root, leaves, byPath };
}

const box = (path, label, kind) => ({
  path, label, kind, index: -1, children: [], byLabel: new Map(), count: 1,
});

function walk(node, visit) {
  visit(node);
  node.children.forEach((child) => walk(child, visit));
}

/** Gathers neighbours that are equal but for their names. */
function fold(node, structure) {
  node.children.forEach((child) => fold(child, structure));
  const folded = [];
  for (let at = 0; at < node.children.length; ) {
    const first = node.children[at];
    let end = at + 1;
    if (first.kind === "module") {
      const wanted = signature(first, structure);
      while (
        end < node.children.length &&
        node.children[end].kind === "module" &&
        signature(node.children[end], structure) === wanted
      ) end += 1;
    }
    const run = node.children.slice(at, end);
    if (run.length > 1) {
      const last = run[run.length - 1];
      const group = box(`${first.path}…${last.label}`, `${first.label} … ${last.label}`, "repeat");
      group.children = run;
      group.count = run.length;
      folded.push(group);
    } else folded.push(first);
    at = end;
  }
  node.children = folded;
}

function signature(node, structure) {
  if (node.signature) return node.signature;
  const { nodes } = structure;
  node.signature =
    node.kind === "leaf"
      ? JSON.stringify(
          ["op", "output", "params", "macs", "attrs", "weights"].map((key) => nodes[key][node.index]),
        )
      : `(${node.children.map((each) => `${each.kind === "leaf" ? "" : each.label}${signature(each, structure)}`)})`;
  return node.signature;
}

function finish(node, parent, leaves) {
  node.parent = parent;
  node.edges = new Map();
  node.leaves = [];
  if (node.kind === "leaf") {
    node.leaves = [node.index];
    leaves[node.index] = node;
  }
  for (const child of node.children) {
    finish(child, node, leaves);
    for (const leaf of child.leaves) node.leaves.push(leaf);
  }
}

/** Each edge belongs to the innermost module that has both of its ends. */
function connect(structure, leaves) {
  structure.nodes.from.forEach((text, index) => {
    for (const source of text ? text.split(" ").map(Number) : []) {
      const up = new Set();
      for (let node = leaves[source]; node; node = node.parent) up.add(node);
      let to = leaves[index];
      while (!up.has(to.parent)) {
        to.hasEntry = true;
        to = to.parent;
      }
      let from = leaves[source];
      while (from.parent !== to.parent) {
        from.hasExit = true;
        from = from.parent;
      }
      const edges = to.parent.edges;
      const key = `${to.parent.children.indexOf(from)}>${to.parent.children.indexOf(to)}`;
      if (!edges.has(key)) edges.set(key, { from, to, source });
    }
  });
}
