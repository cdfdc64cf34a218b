// A page's own copy of a document's value: immutable, and made anew only where something has changed.

type Path = readonly (string | number)[];
type Command =
  | readonly [path: Path]
  | readonly [path: Path, value: unknown]
  | readonly [path: Path, at: number, gone: number, come: unknown[]];
type Node = { [key: string | number]: unknown };

/** Does what the core says has changed. What commands do not touch is shared with the value before. */
export function follow(before: unknown, commands: readonly Command[]): unknown {
  const root: Node = { value: before };
  const own = new Set<unknown>([root]);
  for (const command of commands) {
    const path = command[0];
    const isWhole = command.length > 2;
    let node = root;
    let key: string | number = "value";
    // A splice is done in what the path names, all else in what holds it.
    for (let step = 0; step <= path.length - (isWhole ? 0 : 1); step++) {
      let child = node[key] as Node;
      if (!own.has(child)) {
        child = (Array.isArray(child) ? child.slice() : { ...child }) as Node;
        node[key] = child;
        own.add(child);
      }
      node = child;
      key = path[step] as string | number;
    }
    if (command.length === 1) delete node[key];
    else if (command.length === 2) node[key] = command[1];
    else (node as unknown as unknown[]).splice(command[1], command[2], ...command[3]);
  }
  return root["value"];
}
