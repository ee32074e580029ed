// Finds nodes by any part of their names, operators or shapes.

function find(tree, answer, words) {
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (!parts.length) return [];
  const found = [];
  walk(tree.root, (node) => {
    if (!node.parent || found.length >= 60) return;
    let about = node.path;
    if (node.kind === "leaf") {
      const shape = answer.get("output", node.index);
      about += ` ${answer.text("op", node.index)} ${answer.text("kind", node.index)} ${shape.join("×")}`;
    }
    about = about.toLowerCase();
    if (parts.every((part) => about.includes(part))) found.push(node);
  });
  return found;
}
