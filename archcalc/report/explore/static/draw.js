// One picture of a network on a canvas, with a minimap. It draws only what the window shows.

const COLOURS = ["ink", "soft", "paper", "panel", "line", "heat", "select", "added", "removed", "changed", "refused"];
let colours = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  colours = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

// While the picture is dragged, this many pixels around the window are painted ahead.
const AHEAD = 256;

const SIGNS = { added: "+", removed: "−", changed: "≠" };

/** The middle of an edge as it is drawn: of its one bend, or between two of several. */
function halfway(points) {
  const [a, b, c] = points;
  if (points.length === 3) {
    return { x: a.x / 4 + b.x / 2 + c.x / 4, y: a.y / 4 + b.y / 2 + c.y / 4 };
  }
  const place = Math.floor((points.length - 1) / 2);
  const [here, next] = [points[place], points[place + 1]];
  return { x: (here.x + next.x) / 2, y: (here.y + next.y) / 2 };
}

/** Whether a line of text would touch a box, or another one. */
const overlap = (words, other) =>
  words.x < other.x + other.width && other.x < words.x + words.width &&
  words.y - 7 < other.y + other.height + (other.height ? 0 : 7) && other.y - (other.height ? 0 : 7) < words.y + 7;

class View {
  constructor(canvas, minimap, events) {
    Object.assign(this, { canvas, minimap, events, scale: 1, x: 0, y: 0, pointers: new Map() });
    this.pen = canvas.getContext("2d");
    this.wanted = 0;
    this.listen();
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  /** What is drawn: a layout, and for each box its heat, numbers and mark. */
  show(scene) {
    const first = !this.scene || this.scene.key !== scene.key;
    const relaid = first || this.scene.laid !== scene.laid;
    this.scene = scene;
    if (first) this.fit();
    if (relaid) this.mapped = null;
    this.mapped = null;
    this.ask();
  }

  ask() {
    if (!this.wanted) {
      this.wanted = requestAnimationFrame(() => {
        this.wanted = 0;
        this.draw();
      });
    }
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    const density = devicePixelRatio || 1;
    const [width, height] = [Math.round(clientWidth * density), Math.round(clientHeight * density)];
    if (this.canvas.width === width && this.canvas.height === height) return;
    Object.assign(this.canvas, { width, height });
    if (this.scene && !this.touched) this.fit();
    this.ask();
  }

  get size() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  /** The whole width of the network; all of it where it stays readable. */
  fit() {
    const { width, height } = this.size;
    const { laid } = this.scene;
    if (!width) return;
    const whole = Math.min(width / laid.width, height / laid.height);
    this.scale = Math.max(whole, Math.min(1, width / laid.width) * 0.9, 0.02);
    if (whole > 0.7 || laid.height * this.scale < height) this.scale = Math.min(whole, 1.2);
    this.x = (width - laid.width * this.scale) / 2;
    this.y = Math.max(0, (height - laid.height * this.scale) / 2);
    this.touched = false;
    this.ask();
  }

  whole() {
    const { width, height } = this.size;
    const { laid } = this.scene;
    this.scale = Math.min(width / laid.width, height / laid.height);
    this.x = (width - laid.width * this.scale) / 2;
    this.y = (height - laid.height * this.scale) / 2;
    this.ask();
  }

  zoom(factor, x = this.size.width / 2, y = this.size.height / 2) {
    const scale = Math.min(3, Math.max(0.005, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.touched = true;
    this.ask();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.touched = true;
    this.panned = true;
    this.ask();
  }

  /** Brings a box into the window. */
  reveal(node) {
    const at = this.placeOf(node);
    if (!at) return;
    const { width, height } = this.size;
    this.touched = true;
    if (this.scale < 0.4) this.scale = 0.8;
    const [left, top] = [at.x * this.scale + this.x, at.y * this.scale + this.y];
    const [w, h] = [at.width * this.scale, Math.min(at.height * this.scale, height)];
    if (left < 0 || left + w > width) this.x += width / 2 - (left + w / 2);
    if (top < 0 || top + h > height) this.y += height / 2 - (top + h / 2);
    this.ask();
  }

  /** A box's rectangle in the layout. */
  placeOf(node) {
    const look = (laid, x, y) => {
      for (const each of laid.boxes) {
        if (each.node === node) return { ...each, x: x + each.x, y: y + each.y };
        const within = each.inner.open && look(each.inner, x + each.x, y + each.y);
        if (within) return within;
      }
      return null;
    };
    return this.scene && look(this.scene.laid, 0, 0);
  }

  /** The innermost box at a point of the canvas. */
  hit(px, py) {
    const look = (laid, x, y) => {
      for (const each of laid.boxes) {
        const [dx, dy] = [x - each.x, y - each.y];
        if (dx < 0 || dy < 0 || dx > each.width || dy > each.height) continue;
        const inner = each.inner.open && look(each.inner, dx, dy);
        return inner || { node: each.node, onSwitch: each.node.children.length > 0 && dx < 30 && dy < HEADER };
      }
      return null;
    };
    return this.scene && look(this.scene.laid, (px - this.x) / this.scale, (py - this.y) / this.scale);
  }

  draw() {
    if (!this.scene) return;
    if (this.panned) this.move();
    else this.paint(this.pen, 0);
    this.panned = false;
    this.drawMap();
  }

  /** Paints the window, and so many pixels on each side of it, on a canvas of that size. */
  paint(pen, margin) {
    const { scale } = this;
    const { width, height } = this.size;
    const density = devicePixelRatio || 1;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
    pen.setTransform(density * scale, 0, 0, density * scale, density * (this.x + margin), density * (this.y + margin));
    pen.lineJoin = "round";
    pen.textBaseline = "middle";
    const window = {
      left: (-this.x - margin) / scale, top: (-this.y - margin) / scale,
      right: (width - this.x + margin) / scale, bottom: (height - this.y + margin) / scale,
    };
    this.drawn = 0;
    this.level(pen, this.scene.laid, 0, 0, window, scale);
  }

  /** Moves what is painted; paints again when the window reaches its edge. */
  move() {
    const { pen, scene, scale, canvas } = this;
    const density = devicePixelRatio || 1;
    const margin = Math.round(AHEAD * density);
    const [width, height] = [canvas.width + 2 * margin, canvas.height + 2 * margin];
    let { ahead } = this;
    const fits = ahead && ahead.scene === scene && ahead.scale === scale &&
      ahead.canvas.width === width && ahead.canvas.height === height &&
      Math.abs(this.x - ahead.x) <= AHEAD && Math.abs(this.y - ahead.y) <= AHEAD;
    if (!fits) {
      const picture = ahead?.canvas ?? document.createElement("canvas");
      if (picture.width !== width || picture.height !== height) Object.assign(picture, { width, height });
      this.paint(picture.getContext("2d"), margin / density);
      ahead = this.ahead = { canvas: picture, scene, scale, x: this.x, y: this.y };
    }
    const [left, top] = [this.x - ahead.x, this.y - ahead.y].map((by) => Math.round(by * density) - margin);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(ahead.canvas, left, top);
  }

  level(pen, laid, x, y, window, scale) {
    if (scale > 0.06) this.edges(pen, laid, x, y, window, scale);
    for (const each of laid.boxes) {
      const [left, top] = [x + each.x, y + each.y];
      if (left > window.right || top > window.bottom) continue;
      if (left + each.width < window.left || top + each.height < window.top) continue;
      this.box(pen, each, left, top, scale);
      if (each.inner.open) this.level(pen, each.inner, left, top, window, scale);
    }
  }

  edges(pen, laid, x, y, window, scale) {
    pen.strokeStyle = colours.soft;
    pen.lineWidth = Math.max(1.2, 0.6 / scale);
    pen.beginPath();
    const named = [];
    const heads = scale > 0.3;
    for (const { points, source } of laid.edges) {
      const [first, last] = [points[0], points[points.length - 1]];
      let [left, right] = [Infinity, -Infinity];
      for (const point of points) {
        left = Math.min(left, point.x);
        right = Math.max(right, point.x);
      }
      if (y + Math.min(first.y, last.y) > window.bottom || y + Math.max(first.y, last.y) < window.top) continue;
      if (x + left > window.right || x + right < window.left) continue;
      pen.moveTo(x + first.x, y + first.y);
      for (let at = 1; at < points.length - 1; at += 1) {
        const [here, next] = [points[at], points[at + 1]];
        const ending = at === points.length - 2;
        pen.quadraticCurveTo(
          x + here.x, y + here.y,
          x + (ending ? next.x : (here.x + next.x) / 2), y + (ending ? next.y : (here.y + next.y) / 2),
        );
      }
      if (points.length < 3) pen.lineTo(x + last.x, y + last.y);
      if (heads) {
        pen.moveTo(x + last.x - 4, y + last.y - 7);
        pen.lineTo(x + last.x, y + last.y);
        pen.lineTo(x + last.x + 4, y + last.y - 7);
      }
      if (scale > 0.55) named.push([points, source]);
    }
    pen.stroke();
    if (!named.length) return;
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "left";
    const taken = laid.boxes.map((each) => ({ x: x + each.x, y: y + each.y, width: each.width, height: each.height }));
    for (const [points, source] of named) {
      const words = this.scene.shape(source);
      const { width } = pen.measureText(words);
      const middle = halfway(points);
      // To the right of the edge, or to its left where a box or another shape is in the way.
      const at = [5, -5 - width]
        .map((aside) => ({ x: x + middle.x + aside, y: y + middle.y, width, height: 0 }))
        .find((each) => !taken.some((other) => overlap(each, other)));
      if (!at) continue;
      taken.push(at);
      pen.lineWidth = 3;
      pen.strokeStyle = colours.paper;
      pen.strokeText(words, at.x, at.y);
      pen.fillStyle = colours.soft;
      pen.fillText(words, at.x, at.y);
    }
  }

  box(pen, each, x, y, scale) {
    const { node, width, height, inner } = each;
    const { scene } = this;
    this.drawn += 1;
    const share = scene.heat(node);
    pen.fillStyle = inner.open ? colours.panel : colours.paper;
    if (scale < 0.1) {
      pen.fillStyle = inner.open ? colours.panel : share > 0 ? colours.heat : colours.line;
      pen.globalAlpha = inner.open ? 1 : 0.25 + 0.75 * share;
      pen.fillRect(x, y, width, height);
      pen.globalAlpha = 1;
      return;
    }
    if (node.count > 1 && !inner.open) {
      pen.strokeStyle = colours.line;
      pen.lineWidth = 1;
      for (const offset of [6, 3]) {
        pen.fillRect(x + offset, y + offset, width, height);
        pen.strokeRect(x + offset, y + offset, width, height);
      }
    }
    pen.beginPath();
    pen.roundRect(x, y, width, height, 6);
    pen.fill();
    if (share > 0) {
      pen.globalAlpha = inner.open ? 0.1 * share : 0.12 + 0.48 * share;
      pen.fillStyle = colours.heat;
      pen.fill();
      pen.globalAlpha = 1;
    }
    const mark = scene.mark(node);
    const chosen = scene.selected === node;
    pen.strokeStyle = chosen ? colours.select : mark ? colours[mark] : colours.line;
    pen.lineWidth = chosen || mark ? 3 : 1;
    pen.stroke();
    if (scale * height < 12 && scale * 14 < 5) return;
    if (scale < 0.25) return;
    pen.save();
    pen.beginPath();
    pen.rect(x, y, width, height);
    pen.clip();
    pen.textAlign = "left";
    pen.fillStyle = colours.ink;
    let left = x + 10;
    if (node.children.length) {
      pen.font = "12px system-ui, sans-serif";
      pen.fillText(inner.open ? "▾" : "▸", left, y + 15);
      left += 15;
    }
    pen.font = "600 13px system-ui, sans-serif";
    pen.fillText(node.label, left, y + 15);
    if (mark || node.count > 1) {
      const words = `${node.count > 1 ? `×${node.count}` : ""}${mark ? ` ${SIGNS[mark]}` : ""}`;
      pen.textAlign = "right";
      pen.fillText(words, x + width - 8, y + 15);
      pen.textAlign = "left";
    }
    pen.font = "11px system-ui, sans-serif";
    if (!inner.open) {
      pen.fillText(scene.detail(node), x + 10, y + 31);
      pen.fillText(scene.figure(node), x + 10, y + 45);
    } else {
      pen.textAlign = "right";
      const room = width - measured(node.label) - 50;
      if (room > 90) pen.fillText(scene.figure(node), x + width - (mark || node.count > 1 ? 44 : 8), y + 15);
    }
    pen.restore();
  }

  drawMap() {
    const { minimap, scene, scale } = this;
    const { laid } = scene;
    const { clientWidth: width, clientHeight: height } = minimap;
    if (!width) return;
    const { width: across, height: down } = this.size;
    const shows = this.x >= -1 && this.y >= -1 && this.x + laid.width * scale <= across + 1 && this.y + laid.height * scale <= down + 1;
    minimap.style.visibility = shows ? "hidden" : "";
    if (shows) return;
    const density = devicePixelRatio || 1;
    const fit = Math.min(width / laid.width, height / laid.height);
    const [left, top] = [(width - laid.width * fit) / 2, (height - laid.height * fit) / 2];
    const pen = minimap.getContext("2d");
    if (!this.mapped || minimap.width !== width * density) {
      Object.assign(minimap, { width: width * density, height: height * density });
      this.mapped = document.createElement("canvas");
      Object.assign(this.mapped, { width: minimap.width, height: minimap.height });
      const ink = this.mapped.getContext("2d");
      ink.setTransform(density * fit, 0, 0, density * fit, density * left, density * top);
      const paint = (level, x, y) => {
        for (const each of level.boxes) {
          ink.fillStyle = each.inner.open ? colours.line : colours.heat;
          ink.globalAlpha = each.inner.open ? 0.5 : 0.15 + 0.85 * scene.heat(each.node);
          ink.fillRect(x + each.x, y + each.y, each.width, Math.max(each.height, 1 / fit));
          if (each.inner.open) paint(each.inner, x + each.x, y + each.y);
        }
      };
      paint(laid, 0, 0);
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, minimap.width, minimap.height);
    pen.drawImage(this.mapped, 0, 0);
    pen.setTransform(density * fit, 0, 0, density * fit, density * left, density * top);
    pen.strokeStyle = colours.select;
    pen.lineWidth = 1.5 / fit;
    pen.strokeRect(-this.x / scale, -this.y / scale, this.size.width / scale, this.size.height / scale);
    this.map = { fit, left, top };
  }

  listen() {
    const { canvas, pointers } = this;
    let moved = 0;
    const at = (event) => [event.offsetX, event.offsetY];
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, at(event));
      if (pointers.size === 1) moved = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const now = at(event);
      if (pointers.size === 2) {
        const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        const length = ([x, y]) => Math.hypot(x - other[0], y - other[1]);
        this.zoom(length(now) / Math.max(length(before), 1), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
        moved = 99;
      } else {
        moved += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
        if (moved > 4) this.pan(now[0] - before[0], now[1] - before[1]);
      }
      pointers.set(event.pointerId, now);
    });
    const end = (event) => {
      if (!pointers.delete(event.pointerId) || moved > 4 || event.type === "pointercancel") return;
      const found = this.hit(...at(event));
      this.events.select(found ? found.node : null, this);
      if (found && found.onSwitch) this.events.toggle(found.node, this);
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("dblclick", (event) => {
      const found = this.hit(...at(event));
      if (found && found.node.children.length && !found.onSwitch) this.events.toggle(found.node, this);
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...at(event));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    const jump = (event) => {
      if (event.buttons !== 1 || !this.map) return;
      const { fit, left, top } = this.map;
      const { width, height } = this.size;
      this.x = width / 2 - ((event.offsetX - left) / fit) * this.scale;
      this.y = height / 2 - ((event.offsetY - top) / fit) * this.scale;
      this.touched = true;
      this.ask();
    };
    this.minimap.addEventListener("pointerdown", jump);
    this.minimap.addEventListener("pointermove", jump);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { selected, laid } = this.scene ?? {};
    if (!laid) return;
    const go = (node) => node && this.events.select(node, this, true);
    const beside = (step) => {
      const list = selected.parent.children;
      return list[list.indexOf(selected) + step];
    };
    const along = (from, to) => {
      const edge = [...selected.parent.edges.values()].find((each) => each[from] === selected);
      return edge?.[to];
    };
    const first = laid.boxes[0]?.node;
    const actions = {
      "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(0.8),
      0: () => this.fit(), 9: () => this.whole(),
      Escape: () => this.events.select(null, this),
      Enter: () => selected?.children.length && this.events.toggle(selected, this),
      " ": () => selected?.children.length && this.events.toggle(selected, this),
      ArrowDown: () => go(selected ? along("from", "to") ?? beside(1) : first),
      ArrowUp: () => go(selected ? along("to", "from") ?? beside(-1) : first),
      ArrowRight: () => go(selected
        ? this.placeOf(selected)?.inner.open ? selected.children[0] : beside(1) : first),
      ArrowLeft: () => go(selected
        ? beside(-1) ?? (selected.parent.parent ? selected.parent : null) : first),
      Home: () => go(first),
      Backspace: () => selected?.parent?.parent && go(selected.parent),
    };
    if (!(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  }
}
