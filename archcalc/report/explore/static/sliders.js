// The controls of one network: a slider for each size, a choice for each discrete option.

function controls(network, position, changed) {
  const box = el("fieldset", { class: "sliders" }, el("legend", {}, network.spec));
  const { ranges, narrowed } = network.variant(position);
  for (const { key, values } of network.choices) {
    const id = `choice-${network.place}-${key}`;
    const list = el("select", { id, onchange: () => {
      position[key] = list.value;
      clamp(network, position);
      changed(true);
    } }, ...values.map((value) => el("option", { value, selected: position[key] === value }, value)));
    box.append(el("div", { class: "control" }, el("label", { for: id }, key), list));
  }
  for (const [key, value] of Object.entries(network.held ?? {})) {
    box.append(el("div", { class: "control" }, el("span", { class: "key" }, key),
      el("span", { class: "note" }, text("held", { value }))));
  }
  for (const { key, default: start } of network.sizes) {
    const [least, most] = ranges[key];
    const id = `size-${network.place}-${key}`;
    const range = el("input", { type: "range", id, min: least, max: most, step: 1, value: position[key] });
    const number = el("input", {
      type: "number", min: least, max: most, step: 1, value: position[key],
      "aria-label": text("exact_value", { name: key }),
    });
    const set = (given, other) => {
      const value = Number(given);
      if (!Number.isInteger(value) || value < least || value > most) return;
      position[key] = value;
      other.value = String(value);
      changed(false);
    };
    range.addEventListener("input", () => set(range.value, number));
    number.addEventListener("input", () => set(number.value, range));
    number.addEventListener("change", () => {
      number.value = position[key];
    });
    box.append(el("div", { class: "control" }, el("label", { for: id }, key), range, number,
      narrowed[key] ? el("p", { class: "note" }, text("narrowed", {
        name: key, least, most, from: narrowed[key][0], to: narrowed[key][1],
      })) : null));
  }
  if (!network.sizes.length) box.append(el("p", { class: "note" }, text("fixed")));
  if (network.reason) box.append(el("p", { class: "note" }, network.reason));
  return box;
}

function clamp(network, position) {
  const { ranges } = network.variant(position);
  for (const { key } of network.sizes) {
    const [least, most] = ranges[key];
    position[key] = Math.min(most, Math.max(least, position[key]));
  }
}
