// npm run docs:codes: writes src/codes.json into docs/protocol.md as a table. With --check it only says whether they agree.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { main, root, Stop } from "./lib/run.mjs";

const path = join(root, "docs/protocol.md");
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

await main(() => {
  const codes = JSON.parse(readFileSync(join(root, "src/codes.json"), "utf8"));
  const text = readFileSync(path, "utf8");
  const head = begin.exec(text);
  const from = head ? head.index + head[0].length : -1;
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0)
    throw new Stop("docs/protocol.md has no `<!-- codes:begin … -->` and `<!-- codes:end -->` lines");
  const wanted = text.slice(0, from) + table(codes) + text.slice(to);
  if (wanted === text) return;
  if (process.argv.includes("--check"))
    throw new Stop("docs/protocol.md does not say what src/codes.json says; run:\n  npm run docs:codes");
  writeFileSync(path, wanted);
  console.log("✓ docs/protocol.md has the codes of src/codes.json");
});
