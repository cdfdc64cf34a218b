// The floor: copy on write as an app writes it by hand, for add, remove and replace, without
// checks.

import { library } from "./library.js";

type Node = { [key: string]: unknown };

export const copyOnWrite = library("by hand", async () => (before, operations) => {
  const root: Node = { value: before };
  const own = new Set<unknown>([root]);
  for (const { op, path, value } of operations) {
    const keys = `value${path}`.split("/");
    let node = root;
    for (let step = 0; step < keys.length - 1; step++) {
      const key = keys[step] ?? "";
      let child = node[key] as Node;
      if (!own.has(child)) {
        child = Array.isArray(child) ? (child.slice() as unknown as Node) : { ...child };
        node[key] = child;
        own.add(child);
      }
      node = child;
    }
    const key = keys.at(-1) ?? "";
    if (Array.isArray(node)) {
      if (op === "remove") node.splice(Number(key), 1);
      else node.splice(Number(key), op === "replace" ? 1 : 0, value);
    } else if (op === "remove") delete node[key];
    else node[key] = value;
  }
  return root["value"];
});
