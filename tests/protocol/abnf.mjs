// Reads a grammar in ABNF (RFC 5234, with %s"…" of RFC 7405) without recursion, and makes a pattern
// of each rule.

/** `matches(rule, text)` says whether the rule produces the whole text. */
export function grammar(source) {
  const rules = new Map();
  // A rule continues in lines that begin with white space.
  const text = source.replace(/;.*$/gm, "").replace(/\n[ \t]+/g, " ");
  for (const [, name, body] of text.matchAll(/^([A-Za-z][\w-]*) *= *(.+)$/gm)) rules.set(name, body);
  const patterns = new Map();

  function pattern(name) {
    if (patterns.has(name)) return patterns.get(name);
    if (!rules.has(name)) throw new Error(`no rule ${name}`);
    const made = alternatives(new Scanner(rules.get(name)), pattern);
    patterns.set(name, made);
    return made;
  }

  return {
    matches: (name, text) => new RegExp(`^${pattern(name)}$`, "u").test(text),
    names: [...rules.keys()],
  };
}

class Scanner {
  constructor(text) {
    this.rest = text.trim();
  }

  take(token) {
    const found = token.exec(this.rest);
    if (!found) return undefined;
    this.rest = this.rest.slice(found[0].length).trimStart();
    return found;
  }
}

const character = (hex) => `\\u{${hex}}`;

function alternatives(scanner, rule) {
  const all = [];
  do {
    let sequence = "";
    while (scanner.rest !== "" && !/^[/)\]]/.test(scanner.rest)) sequence += repetition(scanner, rule);
    all.push(sequence);
  } while (scanner.take(/^\//));
  return `(?:${all.join("|")})`;
}

function repetition(scanner, rule) {
  const many = scanner.take(/^(\d*)(\*?)(\d*)/)?.[0];
  const [least, most] = many.includes("*") ? many.split("*") : [many, many];
  const one = element(scanner, rule);
  return many === "" ? one : `${one}{${least || 0},${most}}`;
}

function element(scanner, rule) {
  if (scanner.take(/^\(/)) return closed(scanner, rule, /^\)/);
  if (scanner.take(/^\[/)) return `${closed(scanner, rule, /^\]/)}?`;
  const range = scanner.take(/^%x([0-9A-Fa-f]+)(?:-([0-9A-Fa-f]+))?/);
  if (range) return `[${character(range[1])}${range[2] ? `-${character(range[2])}` : ""}]`;
  const literal = scanner.take(/^(%s)?"([^"]*)"/);
  if (literal) {
    if (!literal[1] && /[a-z]/i.test(literal[2])) throw new Error(`"${literal[2]}" would be of any case`);
    return [...literal[2]].map((c) => character(c.codePointAt(0).toString(16))).join("");
  }
  const name = scanner.take(/^[A-Za-z][\w-]*/);
  if (!name) throw new Error(`no ABNF: ${scanner.rest}`);
  return rule(name[0]);
}

function closed(scanner, rule, end) {
  const inner = alternatives(scanner, rule);
  if (!scanner.take(end)) throw new Error(`not closed: ${scanner.rest}`);
  return inner;
}
