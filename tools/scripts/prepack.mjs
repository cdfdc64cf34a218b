// Runs before `npm pack -w js`: copies the licences, the README and the pages for users into the
// package. Links to files outside the package get the repository's address. If package.json names
// no repository, they become text. `npm run build` must have run.

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { main, root, Stop } from "./lib/run.mjs";

/** The pages for users. */
const pages = [
  "README",
  "docs/README",
  "docs/react",
  "docs/bundlers",
  "docs/offline",
  "docs/errors",
  "docs/testing-your-app",
  "docs/crdt",
  "docs/operations",
  "docs/protocol",
  "docs/glossary",
];

/** Files that have another path in the package. */
const renamed = {
  "js/src/api.d.ts": "dist/index.d.ts",
  "js/testing/api.d.ts": "dist/testing.d.ts",
};

function relinked(path, repository) {
  const folder = posix.dirname(path);
  const text = readFileSync(join(root, path), "utf8");
  return text.replace(/(!?)\[((?:[^\]`]|`[^`]*`)*)\]\(([^)\s]+)\)/g, (link, isImage, words, target) => {
    if (/^([a-z]+:|#)/.test(target)) return link;
    const [file, anchor] = target.split("#");
    const found = posix.normalize(posix.join(folder, file));
    const hash = anchor === undefined ? "" : `#${anchor}`;
    const packed = renamed[found] ?? (pages.some((page) => `${page}.md` === found) ? found : undefined);
    if (packed !== undefined) {
      const shown = words === found ? packed : words;
      return `[${shown}](${posix.relative(folder, packed)}${hash})`;
    }
    if (repository !== undefined) return `${isImage}[${words}](${repository}/${found}${hash})`;
    return isImage ? "" : words;
  });
}

await main(() => {
  for (const name of ["index.js", "index.d.ts", "longhaul_bg.wasm"]) {
    if (!existsSync(join(root, "js/dist", name)))
      throw new Stop(`js/dist/${name} is missing. Build the package first:\n  npm run build`);
  }
  for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) {
    if (existsSync(join(root, name))) copyFileSync(join(root, name), join(root, "js", name));
  }
  const { repository } = JSON.parse(readFileSync(join(root, "js/package.json"), "utf8"));
  const address = repository?.url?.replace(/^git\+/, "").replace(/\.git$/, "/blob/main");
  rmSync(join(root, "js/docs"), { recursive: true, force: true });
  for (const page of pages) {
    const to = join(root, "js", `${page}.md`);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, relinked(`${page}.md`, address));
  }
});
