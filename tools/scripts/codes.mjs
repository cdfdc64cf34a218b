// npm run docs:codes: writes the table of src/codes.json into docs/protocol.md and docs/errors.md.
// With --check it only compares them. In both cases it fails if docs/errors.md lacks a code of the
// sources, or lists one that no source uses.

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

/** The codes in the first cells of the reference's tables. */
function listedCodes() {
  const text = readFileSync(join(root, reference), "utf8");
  return new Set(Array.from(text.matchAll(/^\|(?: \d+ \|)? `([a-z_]+)` \|/gm), ([, code]) => code));
}

function checkReference(codes) {
  const texts = readSources();
  const used = usedCodes(texts);
  const listed = listedCodes();
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
  const faults = checkReference(codes);
  if (faults.length > 0) throw new Stop(`codes and their reference differ:\n  ${faults.join("\n  ")}`);
});
