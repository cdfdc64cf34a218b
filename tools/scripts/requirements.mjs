// node tools/scripts/requirements.mjs: checks that every test, section and command in
// docs/requirements.md exists, and counts the rows that tests show. Without --check it also lists
// the other rows.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { main, root, Stop } from "./lib/run.mjs";

const document = "docs/requirements.md";

/** The last id of each section. A section has a row for each id up to it. */
const lastIds = { A: "A-50", B: "B-19", C: "C-39", D: "D-14", E: "E-24", G: "G-8" };

const states = ["shown", "partly", "not yet"];

/** The rows of the tables whose last column is "shown by", each with its section and its state. */
function readRows(text) {
  const rows = [];
  let section = "";
  let isTable = false;
  for (const [index, line] of text.split("\n").entries()) {
    if (line.startsWith("## ")) section = line.slice(3);
    if (!line.startsWith("|")) isTable = false;
    else if (/\| shown by \|$/.test(line)) isTable = true;
    else if (isTable && !/^\|[-|]+\|$/.test(line)) {
      const cells = line.slice(1, -1).split("|");
      const by = cells.at(-1).trim();
      const state = /^\*\*(not yet|partly)\*\*/.exec(by)?.[1] ?? "shown";
      // One row has the ids of all scenarios without a test.
      const ids = /^[A-Z]\d/.test(cells[0].trim()) ? cells[0].trim().split(/\s+/) : [cells[0].trim()];
      rows.push({ at: `${document}:${index + 1}`, section, ids, by, state });
    }
  }
  return rows;
}

/**
 * The references of a cell: code spans with a path, a name or a command. `::name` and `› "title"`
 * belong to the file before them.
 */
function readReferences(by, faults) {
  const references = [];
  let path;
  for (const [, code] of by.matchAll(/`([^`]+)`/g)) {
    const [, of, name] = /^(\S*)::(\w+)$/.exec(code) ?? /^(\S*) ?› "(.+)"$/.exec(code) ?? [];
    const command = /^npm run (\S+)(?: -- (\S+))?$/.exec(code);
    if (command) references.push({ code, script: command[1], argument: command[2] });
    else if (name !== undefined) {
      path = of || path;
      references.push({ code, path, name });
    } else if (/[/›]|::|^npm /.test(code)) faults.push(`\`${code}\` is neither a path nor a command`);
  }
  return references;
}

const texts = new Map();
function textOf(path) {
  if (!texts.has(path)) texts.set(path, readFileSync(join(root, path), "utf8"));
  return texts.get(path);
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Whether a Rust file has a test with this name that is not ignored. */
function hasRustTest(text, name) {
  const found = new RegExp(
    `#\\[(?:tokio::)?test\\b[^\\n]*\\n((?:\\s*(?:#\\[|//)[^\\n]*\\n)*)\\s*(?:async )?fn ${name}\\b`,
  ).exec(text);
  return found !== null && !found[1].includes("#[ignore");
}

/**
 * Whether a TypeScript file has a test with this title. The same file must contain the words that
 * fill the title's template.
 */
function hasTest(text, title) {
  const titles = text.matchAll(/(?<![.\w])test\(\s*(["'`])((?:\\.|(?!\1)[^\\])*)\1/g);
  return [...titles].some(([, , written]) => {
    const parts = written.split(/\$\{[^}]*\}/).map(escaped);
    const filled = new RegExp(`^${parts.join("(.+?)")}$`).exec(title)?.slice(1);
    return filled?.every((word) => text.includes(word));
  });
}

const hasHeading = (text, heading) => new RegExp(`^#+ ${escaped(heading)}$`, "m").test(text);

/** The fault of a reference, or undefined. */
function faultOf({ code, path, name, script, argument }) {
  if (script !== undefined) {
    const command = JSON.parse(textOf("package.json")).scripts[script];
    const file = /tools\/scripts\/\S+\.mjs/.exec(command ?? "")?.[0];
    if (command === undefined || file === "tools/scripts/later.mjs")
      return `there is no \`npm run ${script}\``;
    if (argument && !(file && new RegExp(`\\b${escaped(argument)}:`).test(textOf(file))))
      return `\`npm run ${script}\` knows no ${argument}`;
    return undefined;
  }
  if (!path) return `\`${code}\` follows no file`;
  if (!existsSync(join(root, path))) return `there is no file ${path}`;
  const has = { rs: hasRustTest, ts: hasTest, md: hasHeading }[path.split(".").at(-1)];
  return has?.(textOf(path), name) ? undefined : `${path} has no "${name}"`;
}

/** The faults of the ids: missing and repeated ones. */
function checkIds(rows) {
  const faults = [];
  const ids = rows.flatMap((row) => row.ids.map((id) => `${row.section}: ${id}`));
  const twice = ids.filter((id, at) => ids.indexOf(id) !== at);
  for (const id of twice) faults.push(`${document}: ${id} occurs twice`);
  for (const [section, last] of Object.entries(lastIds)) {
    const [count, digits] = [Number(last.slice(2)), last.length - 2];
    const wanted = Array.from(
      { length: count },
      (_, i) => `${section}-${String(i + 1).padStart(digits, "0")}`,
    );
    const found = rows.flatMap((row) => row.ids).filter((id) => id.startsWith(`${section}-`));
    const missing = wanted.filter((id) => !found.includes(id));
    if (missing.length > 0) faults.push(`${document}: no row for ${missing.join(", ")}`);
  }
  return faults;
}

function printCounts(rows) {
  const width = Math.max(...rows.map(({ section }) => section.length));
  const line = (name, counts) =>
    console.log(`  ${name.padEnd(width)}${counts.map((count) => String(count).padStart(9)).join("")}`);
  const count = (rows) =>
    states.map((state) => rows.reduce((sum, row) => sum + (row.state === state ? row.ids.length : 0), 0));
  line("", states);
  for (const section of new Set(rows.map((row) => row.section)))
    line(section, count(rows.filter((row) => row.section === section)));
  line("all", count(rows));
}

await main(() => {
  const rows = readRows(textOf(document));
  if (rows.length === 0) throw new Stop(`${document} has no table whose last column is "shown by"`);
  const faults = checkIds(rows);
  for (const row of rows) {
    const ofRow = [];
    const references = readReferences(row.by, ofRow);
    if (row.state !== "not yet" && references.length === 0) ofRow.push("shown by nothing");
    ofRow.push(...references.map(faultOf).filter((fault) => fault !== undefined));
    faults.push(...ofRow.map((fault) => `${row.at}: ${row.ids.join(" ")}: ${fault}`));
  }
  printCounts(rows);
  if (!process.argv.includes("--check")) {
    for (const state of states.slice(1))
      console.log(
        `\n${state}: ${rows.flatMap((row) => (row.state === state ? row.ids : [])).join(", ") || "none"}`,
      );
  }
  if (faults.length > 0)
    throw new Stop(
      `${document} names things that do not exist:\n  ${faults.join("\n  ")}\n  Name a test that shows the row, or write \`**not yet**\`.`,
    );
});
