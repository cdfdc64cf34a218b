// The expected value: applies operations in place, in the plainest way, to its own copy.

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value: unknown;
}
type Node = { [key: string]: unknown };

export class Model {
  #root: Node;

  constructor(start: unknown) {
    this.#root = { value: JSON.parse(JSON.stringify(start)) };
  }

  patch(text: string): void {
    for (const { op, path, value } of JSON.parse(text) as Operation[]) {
      let node = this.#root;
      const keys = `value${path}`.split("/");
      const key = keys.pop() ?? "";
      for (const step of keys) node = node[step] as Node;
      if (!Array.isArray(node)) {
        if (op === "remove") delete node[key];
        else node[key] = value;
      } else if (op === "remove") node.splice(Number(key), 1);
      else node.splice(Number(key), op === "replace" ? 1 : 0, value);
    }
  }

  json(): string {
    return JSON.stringify(this.#root["value"]);
  }
}
