// Applies the core's commands (src/document/value/commands.rs) to the page's copy of a document's
// value. The copy is immutable, and a new one shares its unchanged parts.
//
// Most of a page's time goes into copying objects: see docs/decisions/documents.md.

type Command =
  | readonly [at: string]
  | readonly [at: string, value: unknown]
  | readonly [at: string, value: unknown, members: number]
  | readonly [at: string, from: number, gone: number, come: unknown[]];
type Node = { [key: string]: unknown };
type Copy = (node: Node) => Node;

/** Objects with more keys are not spread, which takes 70 times as long for 1,000 keys. Measured. */
const keysFew = 64;
/** V8 stores objects with more keys, or with changing keys, as hash tables. */
const keysFast = 1_020;

/** How to copy each large object. All others are spread. */
const copies = new WeakMap<Node, Copy>();

/** Returns the value after the commands. It shares everything else with the value before. */
export function applyCommands(before: unknown, commands: readonly Command[]): unknown {
  // Before its first "/" a pointer has an empty key.
  const root: Node = { "": before };
  const own = commands.length > 1 ? new Set<Node>() : undefined;
  for (const command of commands) {
    const keys = keysOf(command[0]);
    const last = keys.length - 1;
    let node = root;
    for (let step = 0; step < last; step++) node = owned(node, keys[step] as string, own);
    const key = keys[last] as string;
    if (command.length === 4) {
      splice(node, key, command, own);
      continue;
    }
    if (command.length === 1) delete node[key];
    else {
      node[key] = command[1];
      note(command[1]);
    }
    // V8 makes a hash table of a large object whose keys change.
    if (command.length === 1 ? copies.has(node) : command.length === 3 && command[2] > keysFew) {
      copies.set(node, copyByKeys);
    }
  }
  return root[""];
}

/** The member at a key; a copy of it, unless these commands have made one already. */
function owned(node: Node, key: string, own: Set<Node> | undefined): Node {
  const child = node[key] as Node;
  if (own?.has(child)) return child;
  let copy: Node;
  if (Array.isArray(child)) copy = child.slice() as unknown as Node;
  else {
    const copyOf = copies.get(child);
    copy = copyOf === undefined ? { ...child } : copyOf(child);
    if (copyOf !== undefined) copies.set(copy, copyOf);
  }
  node[key] = copy;
  own?.add(copy);
  return copy;
}

function splice(
  node: Node,
  key: string,
  [, from, gone, come]: readonly [string, number, number, unknown[]],
  own: Set<Node> | undefined,
): void {
  for (const value of come) note(value);
  const array = node[key] as unknown as unknown[];
  if (own?.has(array as unknown as Node)) array.splice(from, gone, ...come);
  else {
    const copy = array.toSpliced(from, gone, ...come) as unknown as Node;
    node[key] = copy;
    own?.add(copy);
  }
}

/** Finds the large objects in a new value. */
function note(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const element of value) note(element);
    return;
  }
  let keys = 0;
  for (const key in value) {
    keys++;
    const member = (value as Node)[key];
    if (typeof member === "object") note(member);
  }
  if (keys > keysFew) copies.set(value as Node, keys > keysFast ? copyByKeys : copyWhole);
}

function copyWhole(node: Node): Node {
  return Object.assign({}, node);
}

function copyByKeys(node: Node): Node {
  // A hash table from the first key on. An object that becomes one later takes up to four times as
  // long. Measured.
  const copy: Node = Object.create(null);
  for (const key of Object.keys(node)) copy[key] = node[key];
  return Object.setPrototypeOf(copy, Object.prototype);
}

/** The keys of a pointer, after an empty one. */
function keysOf(pointer: string): string[] {
  const keys = pointer.split("/");
  return pointer.includes("~") ? keys.map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~")) : keys;
}
