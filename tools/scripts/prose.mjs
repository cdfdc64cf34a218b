// node tools/scripts/prose.mjs: checks the documentation and the comments. Lines have at most 100
// columns, links, their anchors and named functions exist, and no document uses a word that
// docs/glossary.md has replaced. `npm run lint` runs it.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { main, root, Stop } from "./lib/run.mjs";

/** Chosen: two files fit side by side on a screen. */
const columnsMax = 100;

const glossary = "docs/glossary.md";

function listDocuments() {
  const docs = readdirSync(join(root, "docs"), { recursive: true })
    .map((name) => join("docs", name))
    .filter((name) => name.endsWith(".md"))
    .sort();
  return [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "examples/shopping-list/README.md",
    "tests/README.md",
    "tests/sim/README.md",
    "www/README.md",
    ...docs,
  ];
}

/** The text with blanks instead of fenced code and HTML comments, so that line numbers stay. */
function withoutCode(text) {
  let fence;
  const lines = text.split("\n").map((line) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence === undefined && mark === undefined) return line;
    if (fence === undefined) fence = mark;
    else if (mark?.startsWith(fence)) fence = undefined;
    return "";
  });
  return lines.join("\n").replace(/<!--.*?-->/gs, blank);
}

/** Replaces everything but line feeds by spaces. */
const blank = (text) => text.replace(/[^\n]/g, " ");

/** A code span may contain a line feed, but no empty line. */
const withoutSpans = (text) => text.replace(/(`+)(?!`)(?:(?!\n\n).)*?[^`]\1(?!`)/gs, blank);

const lineAt = (text, index) => text.slice(0, index).split("\n").length;

const isTableRow = (line) => line.trimStart().startsWith("|");

/** A URL that is longer than a line can't be wrapped. */
const hasLongUrl = (line) => (/https?:\/\/\S+/.exec(line)?.[0].length ?? 0) > columnsMax;

function checkColumns({ path, prose }) {
  return prose.split("\n").flatMap((line, index) => {
    const columns = [...line].length;
    if (columns <= columnsMax || isTableRow(line) || hasLongUrl(line)) return [];
    return [`${path}:${index + 1}: the line has ${columns} columns, the limit is ${columnsMax}`];
  });
}

/** The paths of the sources that have comments, generated files excluded. */
function listSources() {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "*.rs", "*.ts", "*.mjs"];
  const paths = execFileSync("git", args, { cwd: root, encoding: "utf8" }).split("\n");
  return paths.filter((path) => path !== "" && existsSync(join(root, path)));
}

/** Lines that are nothing but a comment. Formatters decide on the width of code. */
function checkComments(path) {
  const lines = readFileSync(join(root, path), "utf8").split("\n");
  return lines.flatMap((line, index) => {
    const columns = [...line].length;
    if (columns <= columnsMax || !/^\s*(\/\/|\/\*|\*)/.test(line) || hasLongUrl(line)) return [];
    return [`${path}:${index + 1}: the comment has ${columns} columns, the limit is ${columnsMax}`];
  });
}

/** The anchors that GitHub gives to headings, and those that the document itself defines. */
function readAnchors(text) {
  const anchors = new Set();
  const counts = new Map();
  for (const [, heading] of withoutCode(text).matchAll(/^#{1,6} +(.+?)(?: +#+)?$/gm)) {
    const shown = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");
    const slug = shown
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
      .replaceAll(" ", "-");
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  for (const [, , id] of text.matchAll(/<a (?:id|name)=(["'])(.+?)\1/g)) anchors.add(id);
  return anchors;
}

function checkLinks({ path, bare }) {
  const inline = bare.matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g);
  const references = bare.matchAll(/^ {0,3}\[[^\]]+\]: +<?(\S+?)>?(?: |$)/gm);
  return [...inline, ...references].flatMap(({ 1: target, index }) => {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return [];
    const [file, anchor] = target.split("#");
    const found = file ? resolve(root, dirname(path), decodeURIComponent(file)) : join(root, path);
    const at = `${path}:${lineAt(bare, index)}: ${target}`;
    if (relative(root, found).startsWith("..")) return [`${at} leads out of the repository`];
    if (!existsSync(found)) return [`${at}: there is no ${relative(root, found)}`];
    if (anchor === undefined) return [];
    const page = statSync(found).isDirectory() ? join(found, "README.md") : found;
    if (!page.endsWith(".md")) return [];
    if (existsSync(page) && readAnchors(readFileSync(page, "utf8")).has(anchor)) return [];
    return [`${at}: ${relative(root, page)} has no heading with the anchor #${anchor}`];
  });
}

/** Code spans that name a Rust function: `path.rs::name`. */
function checkFunctions({ path, prose }) {
  return [...prose.matchAll(/`([\w/.-]+\.rs)::(\w+)`/g)].flatMap(({ 1: file, 2: name, index }) => {
    const at = `${path}:${lineAt(prose, index)}: ${file}`;
    if (!existsSync(join(root, file))) return [`${at}: there is no such file`];
    const isThere = new RegExp(`\\bfn ${name}\\b`).test(readFileSync(join(root, file), "utf8"));
    return isThere ? [] : [`${at} has no function ${name}`];
  });
}

/** The bold words of the glossary's column "not", each with the word that replaces it. */
function readReplaced() {
  const rows = readFileSync(join(root, glossary), "utf8").split("\n").filter(isTableRow);
  return rows.flatMap((row) => {
    const cells = row.split("|").slice(1, -1);
    const word = cells[0]?.trim();
    return [...(cells[2] ?? "").matchAll(/\*\*(.+?)\*\*/g)].map(([, not]) => ({ not, word }));
  });
}

function checkWords({ path, bare }, replaced) {
  const lines = bare.split("\n").map((line) => line.replace(/\]\([^)]*\)/g, "]"));
  // A line feed may separate two words. The glossary's own tables contain the replaced words.
  const text = lines.map((line) => (path === glossary && isTableRow(line) ? "" : line)).join("\n");
  return replaced.flatMap(({ not, word }) => {
    const pattern = new RegExp(
      `(?<![\\p{L}\\p{N}_-])${not.replaceAll(" ", "\\s+")}s?(?![\\p{L}\\p{N}_-])`,
      "giu",
    );
    return [...text.matchAll(pattern)].map(
      ({ 0: found, index }) =>
        `${path}:${lineAt(text, index)}: "${found.replace(/\s+/, " ")}": the glossary's word is "${word}"`,
    );
  });
}

await main(() => {
  const replaced = readReplaced();
  if (replaced.length === 0) throw new Stop(`${glossary} has no table with bold words in its third column`);
  const faults = listDocuments().flatMap((path) => {
    const prose = withoutCode(readFileSync(join(root, path), "utf8"));
    const document = { path, prose, bare: withoutSpans(prose) };
    return [
      ...checkColumns(document),
      ...checkLinks(document),
      ...checkFunctions(document),
      ...checkWords(document, replaced),
    ];
  });
  faults.push(...listSources().flatMap(checkComments));
  if (faults.length > 0) throw new Stop(`faults in prose: ${faults.length}\n  ${faults.join("\n  ")}`);
  console.log("✓ the documentation has short lines, working links, and the glossary's words");
});
