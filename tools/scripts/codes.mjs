// npm run docs:codes: writes src/codes.json into docs/protocol.md and docs/errors.md as a table. With --check it only says
// whether they agree. Either way each code of the sources must be in docs/errors.md, and each code there in the sources.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { main, root, Stop } from "./lib/run.mjs";

const reference = "docs/errors.md";
const documents = ["docs/protocol.md", reference];

/** Where codes that an app may see are written as literals. Nacks of the hub become dead letters. */
const sources = ["js/src", "src", "hub/src/core"];

/** A record of the wire, a detail of 4401, and a nack after which the client sends again without a word. */
const unseen = ["resume_failed", "ticket_invalid", "out_of_order"];

/** Of docs/protocol.md, for hubs with access rules; this one has none. */
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

/** The sources without tests, comments and generated code. */
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

/** Codes by where they are used: all literals of two words or more, and what errors are made with. */
function usedCodes(texts) {
  const used = new Map();
  for (const [path, text] of texts) {
    const words = text.matchAll(/"([a-z]+(?:_[a-z]+)+)"/g);
    const made = text.matchAll(/LonghaulError\(\s*"([a-z_]+)"/g);
    for (const [, code] of [...words, ...made]) if (!used.has(code)) used.set(code, path);
  }
  return used;
}

/** The first cells of the tables. */
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
    throw new Stop(`${path} does not say what src/codes.json says; run:\n  npm run docs:codes`);
  writeFileSync(join(root, path), wanted);
  console.log(`✓ ${path} has the codes of src/codes.json`);
}

await main(() => {
  const codes = JSON.parse(readFileSync(join(root, "src/codes.json"), "utf8"));
  for (const path of documents) write(path, codes);
  const faults = checkReference(codes);
  if (faults.length > 0) throw new Stop(`codes and their reference differ:\n  ${faults.join("\n  ")}`);
});
