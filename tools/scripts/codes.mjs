// npm run docs:codes: writes the table of src/codes.json into docs/protocol.md and docs/errors.md.
// With --check it only compares them. In both cases it fails if docs/errors.md lacks a code of the
// sources, lists one that no source uses, or differs from the types of codes in js/src/api.d.ts.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { main, root, Stop } from "./lib/run.mjs";

const reference = "docs/errors.md";
const documents = ["docs/protocol.md", reference];

/**
 * The folders that contain the codes for apps, as literals. Nacks of the hub become dead letters,
 * so its codes count as well.
 */
const sources = ["js/src", "src", "hub/src/core"];

/**
 * Codes that apps never see: a record of the wire, a detail of 4401, and a nack after which the
 * client sends again silently.
 */
const unseen = ["resume_failed", "ticket_invalid", "out_of_order"];

/** Codes of docs/protocol.md for hubs with access rules. This hub has none. */
const foreign = ["forbidden"];

/** The public types of codes, and the sections of docs/errors.md that list the same codes. */
const api = "js/src/api.d.ts";
const types = {
  ErrorCode: ["Calls", "Documents", "Dead letters", "Errors without a call"],
  GapReason: ["Gaps"],
  CloseCode: ["Status"],
};

/** Reasons of a status without a close code. The text before the section's table lists them. */
const statusOnly = ["closed_by_peer", "wasm_load_failed", "client_crashed"];

const begin = /<!-- codes:begin[^\n]*-->\n/;
const end = "<!-- codes:end -->";

function table(codes) {
  const rows = codes.map(({ closeCode, code, comeBack, message, hint }) => [
    closeCode,
    `\`${code}\``,
    comeBack ? "yes" : "no",
    message,
    hint,
  ]);
  const lines = [
    ["close code", "code", "client comes back", "what happened", "what to do"],
    ["---", "---", "---", "---", "---"],
    ...rows,
  ];
  return lines
    .map((cells) => `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|")).join(" | ")} |\n`)
    .join("");
}

/** The paths and texts of the sources, without tests, comments and generated code. */
function readSources() {
  const paths = sources.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)),
  );
  const read = paths
    .filter(
      (path) => /\.(ts|rs)$/.test(path) && !/(\.test\.ts|\.d\.ts|tests?\.rs)$|\/(wasm|tests)\//.test(path),
    )
    .map((path) => [path, readFileSync(join(root, path), "utf8").split("#[cfg(test)]")[0]]);
  return read.map(([path, text]) => [path, text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, "")]);
}

/**
 * The codes in use, each with a path that uses it. They are the literals of two words or more, and
 * the first arguments of errors.
 */
function usedCodes(texts) {
  const used = new Map();
  for (const [path, text] of texts) {
    const words = text.matchAll(/"([a-z]+(?:_[a-z]+)+)"/g);
    const made = text.matchAll(/LonghaulError\(\s*"([a-z_]+)"/g);
    for (const [, code] of [...words, ...made]) if (!used.has(code)) used.set(code, path);
  }
  return used;
}

/** The codes in the first cells of a text's tables. */
function codesOf(text) {
  return Array.from(text.matchAll(/^\|(?: \d+ \|)? `([a-z_]+)` \|/gm), ([, code]) => code);
}

function readReference() {
  return readFileSync(join(root, reference), "utf8");
}

/** Compares the public types with the sections of docs/errors.md. */
function checkTypes() {
  const sections = new Map(
    readReference()
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf("\n")), section]),
  );
  const source = readFileSync(join(root, api), "utf8");
  return Object.entries(types).flatMap(([type, headings]) => {
    const missing = headings.filter((heading) => !sections.has(heading));
    if (missing.length > 0) return missing.map((heading) => `${reference} has no section ${heading}`);
    const union = new RegExp(`^export type ${type} =((?:\\s*(?://.*|\\| "[a-z_]+"))+);`, "m").exec(
      source,
    )?.[1];
    if (union === undefined) return [`${api} has no type ${type}`];
    const typed = Array.from(union.matchAll(/"([a-z_]+)"/g), ([, code]) => code);
    const listed = headings.flatMap((heading) => codesOf(sections.get(heading)));
    if (type === "CloseCode") {
      const words = sections.get("Status");
      listed.push(...statusOnly.filter((code) => words.includes(`\`${code}\``)));
    }
    return [
      ...typed
        .filter((code, at) => typed.indexOf(code) !== at)
        .map((code) => `${api}: ${type} has ${code} twice`),
      ...typed
        .filter((code) => !listed.includes(code))
        .map((code) => `${api}: ${type} has ${code}, and ${reference} does not list it there`),
      ...listed
        .filter((code) => !typed.includes(code))
        .map((code) => `${api}: ${type} has no ${code}, which ${reference} lists`),
    ];
  });
}

function checkReference(codes) {
  const texts = readSources();
  const used = usedCodes(texts);
  const listed = new Set(codesOf(readReference()));
  const known = new Set([...listed, ...unseen, "closed_by_peer"]);
  const missing = [...used]
    .filter(([code]) => !known.has(code))
    .map(([code, path]) => `${path}: ${reference} has no row for ${code}`);
  const shared = new Set(codes.map(({ code }) => code));
  const isUsed = (code) =>
    shared.has(code) || foreign.includes(code) || texts.some(([, text]) => text.includes(`"${code}"`));
  const stale = [...listed]
    .filter((code) => !isUsed(code))
    .map((code) => `${reference}: nothing uses the code ${code}`);
  return [...missing, ...stale];
}

function write(path, codes) {
  const text = readFileSync(join(root, path), "utf8");
  const head = begin.exec(text);
  const from = head ? head.index + head[0].length : -1;
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0)
    throw new Stop(`${path} has no \`<!-- codes:begin … -->\` and \`<!-- codes:end -->\` lines`);
  const wanted = text.slice(0, from) + table(codes) + text.slice(to);
  if (wanted === text) return;
  if (process.argv.includes("--check"))
    throw new Stop(`${path} differs from src/codes.json. Run:\n  npm run docs:codes`);
  writeFileSync(join(root, path), wanted);
  console.log(`✓ ${path} has the codes of src/codes.json`);
}

await main(() => {
  const codes = JSON.parse(readFileSync(join(root, "src/codes.json"), "utf8"));
  for (const path of documents) write(path, codes);
  const faults = [...checkReference(codes), ...checkTypes()];
  if (faults.length > 0) throw new Stop(`codes and their reference differ:\n  ${faults.join("\n  ")}`);
});
