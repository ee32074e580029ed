// Where the boxes are: one level of modules at a time, by dagre, from the innermost outwards.

const LEAF_HEIGHT = 54;
const HEADER = 30;
const PADDING = 14;
// A level with more boxes, or with more edges than this for each box, is placed by rank alone: dagre
// takes seconds for the dense blocks of a DenseNet.
const MOST_FOR_DAGRE = 160;
const MOST_EDGES = 3;

const measured = (() => {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "600 13px system-ui, sans-serif";
  const known = new Map();
  return (words) => {
    if (!known.has(words)) known.set(words, pen.measureText(words).width);
    return known.get(words);
  };
})();

/** Room for the name, and for the operator with its shape. */
const boxWidth = (node) =>
  Math.min(300, Math.max(172, measured(node.label) + (node.count > 1 ? 96 : 50), node.op ? 0.8 * measured(node.op) + 110 : 0));

/** Size and inner places of a box, kept until something in it opens or closes. */
function layout(node, open) {
  const isOpen = node.children.length > 0 && (node.parent === null || open.has(node.path));
  if (!isOpen) return { open: false, width: boxWidth(node), height: LEAF_HEIGHT, boxes: [] };
  const inner = node.children.map((child) => layout(child, open));
  const same = node.laid && inner.length === node.laid.inner.length &&
    inner.every((each, place) => each === node.laid.inner[place] ||
      (!each.open && !node.laid.inner[place].open));
  if (same) return node.laid.result;
  const result = place(node, inner);
  node.laid = { inner, result };
  return result;
}

function place(node, inner) {
  const boxes = node.children.length;
  const many = boxes > MOST_FOR_DAGRE || node.edges.size > MOST_EDGES * boxes + 24;
  const at = many ? byRank(node, inner) : byDagre(node, inner);
  let [left, right, bottom] = [Infinity, -Infinity, 0];
  at.boxes.forEach(({ x, width, y, height }) => {
    left = Math.min(left, x);
    right = Math.max(right, x + width);
    bottom = Math.max(bottom, y + height);
  });
  for (const { points } of at.edges) {
    for (const { x } of points) {
      left = Math.min(left, x - 4);
      right = Math.max(right, x + 4);
    }
  }
  const isRoot = node.parent === null;
  const width = Math.max(right - left + 2 * PADDING, isRoot ? 0 : boxWidth(node));
  const shift = (width - (right - left)) / 2 - left;
  const top = (isRoot ? PADDING : HEADER + PADDING);
  for (const each of at.boxes) Object.assign(each, { x: each.x + shift, y: each.y + top });
  for (const edge of at.edges) {
    edge.points = edge.points.map(({ x, y }) => ({ x: x + shift, y: y + top }));
  }
  return { open: true, width, height: bottom + top + PADDING, ...at };
}

function byDagre(node, inner) {
  const { corners, bends } = arranged(inner, [...node.edges.keys()]);
  const boxes = node.children.map((child, index) => {
    const { width, height } = inner[index];
    return { node: child, ...corners[index], width, height, inner: inner[index] };
  });
  const edges = [...node.edges.values()].map((edge, index) => ({ ...edge, points: bends[index] }));
  return { boxes, edges };
}

/** Where dagre puts boxes of these sizes with these edges ("0>1"); equal blocks are asked once. */
const arranged = (() => {
  const known = new Map();
  return (sizes, edges) => {
    const key = `${sizes.map(({ width, height }) => `${width},${height}`)}|${edges}`;
    if (known.has(key)) return known.get(key);
    const graph = new dagre.graphlib.Graph();
    graph.setGraph({ rankdir: "TB", nodesep: 22, ranksep: 34 });
    sizes.forEach(({ width, height }, index) => graph.setNode(String(index), { width, height }));
    const ends = edges.map((edge) => edge.split(">"));
    ends.forEach(([from, to]) => graph.setEdge(from, to, {}));
    dagre.layout(graph);
    const found = {
      corners: sizes.map(({ width, height }, index) => {
        const { x, y } = graph.node(String(index));
        return { x: x - width / 2, y: y - height / 2 };
      }),
      bends: ends.map(([from, to]) => graph.edge(from, to).points),
    };
    known.set(key, found);
    return found;
  };
})();

/** Longest-path ranks, in the order of the run: linear in the number of boxes. */
function byRank(node, inner) {
  const rank = new Map(node.children.map((child) => [child, 0]));
  const incoming = new Map();
  for (const { from, to } of node.edges.values()) {
    if (!incoming.has(to)) incoming.set(to, []);
    incoming.get(to).push(from);
  }
  for (const child of node.children) {
    for (const from of incoming.get(child) ?? []) {
      rank.set(child, Math.max(rank.get(child), rank.get(from) + 1));
    }
  }
  const rows = [];
  node.children.forEach((child, index) => {
    (rows[rank.get(child)] ??= []).push({ node: child, inner: inner[index], width: inner[index].width, height: inner[index].height });
  });
  const boxes = [];
  const where = new Map();
  let y = 0;
  for (const row of rows) {
    if (!row) continue;
    const width = row.reduce((sum, each) => sum + each.width + 22, -22);
    let x = -width / 2;
    for (const each of row) {
      Object.assign(each, { x, y });
      x += each.width + 22;
      where.set(each.node, each);
      boxes.push(each);
    }
    y += Math.max(...row.map((each) => each.height)) + 34;
  }
  const edges = [...node.edges.values()].map((edge) => {
    const [a, b] = [where.get(edge.from), where.get(edge.to)];
    const start = { x: a.x + a.width / 2, y: a.y + a.height };
    const end = { x: b.x + b.width / 2, y: b.y };
    const far = rank.get(edge.to) - rank.get(edge.from) > 1;
    const side = Math.max(a.x + a.width, b.x + b.width) + 18;
    const bend = far ? [{ x: side, y: start.y + 20 }, { x: side, y: end.y - 20 }] : [];
    return { ...edge, points: [start, ...bend, end] };
  });
  return { boxes, edges };
}
