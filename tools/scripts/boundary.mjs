// npm run boundary: generates src/boundary.rs and js/src/boundary.ts from src/boundary.json, which
// has everything that Rust and TypeScript share. With --check it only compares them.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { main, root, Stop } from "./lib/run.mjs";

const source = "src/boundary.json";
const head = `Generated from ${source} by \`npm run boundary\`. Do not edit.`;

const words = (name) => name.split(/[-_]/);
const shout = (name) => words(name).join("_").toUpperCase();
const capital = (word) => word[0].toUpperCase() + word.slice(1);
const camel = (...names) => {
  const [first, ...rest] = names.flatMap(words);
  return first + rest.map(capital).join("");
};

/** A doc comment, wrapped at 100 columns. */
function comment(text, { indent = "", open, line, close }) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (`${indent}${line}${last} ${word}`.length > 98) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  if (close === undefined) return lines.map((each) => `${indent}${line}${each}\n`).join("");
  if (lines.length === 1) return `${indent}${open} ${lines[0]}${close}\n`;
  return `${indent}${open}\n${lines.map((each) => `${indent}${line}${each}\n`).join("")}${indent}${close}\n`;
}

const rustDoc = (text, indent) => comment(text, { indent, line: "/// " });
const typescriptDoc = (text) => comment(text, { open: "/**", line: " * ", close: " */" });

/** 262144 as 262_144. */
const grouped = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, "_");

function rust({ enums, places, numbers }) {
  let text = `//! What Rust and TypeScript share.\n//!\n//! ${head}\n`;
  for (const [name, { doc, values }] of [...Object.entries(enums), ...Object.entries(places)]) {
    text += `\n${rustDoc(doc)}pub mod ${name} {\n`;
    values.forEach((value, number) => {
      text += `${rustDoc(`\`${value}\`.`, "    ")}    pub const ${shout(value)}: u32 = ${number};\n`;
    });
    text += "}\n";
  }
  for (const [name, { doc, value, rust: type }] of Object.entries(numbers)) {
    const literal = type === "f64" ? value.toFixed(1) : grouped(value);
    text += `\n${rustDoc(doc)}pub const ${shout(name)}: ${type} = ${literal};\n`;
  }
  return text;
}

function typescript({ enums, places, numbers }) {
  let text = `// What Rust and TypeScript share.\n// ${head}\n`;
  for (const [name, { doc, values, names }] of Object.entries(enums)) {
    if (names !== undefined) {
      const list = values.map((value) => JSON.stringify(value));
      const oneLine = `export const ${names} = [${list.join(", ")}] as const;\n`;
      const long = `export const ${names} = [\n${list.map((each) => `  ${each},\n`).join("")}] as const;\n`;
      text += `\n${typescriptDoc(`${doc} A number of the core is an index here.`)}`;
      text += oneLine.length > 111 ? long : oneLine;
    }
    text += numbersOf(name, doc, values);
  }
  for (const [name, { doc, values }] of Object.entries(places))
    text += numbersOf(`${name}_place`, doc, values);
  for (const [name, { doc, value, typescript = camel(name) }] of Object.entries(numbers)) {
    const digits = grouped(value);
    text += `\n${typescriptDoc(doc)}export const ${typescript} = ${digits};\n`;
  }
  return text;
}

/** A constant for each value: a minifier puts the number in its place. */
function numbersOf(name, doc, values) {
  let text = "";
  values.forEach((value, number) => {
    text += `\n${typescriptDoc(`${doc} Here: \`${value}\`.`)}export const ${camel(name, value)} = ${number};\n`;
  });
  return text;
}

await main(() => {
  const boundary = JSON.parse(readFileSync(join(root, source), "utf8"));
  const outdated = [];
  for (const [path, wanted] of [
    ["src/boundary.rs", rust(boundary)],
    ["js/src/boundary.ts", typescript(boundary)],
  ]) {
    let found;
    try {
      found = readFileSync(join(root, path), "utf8");
    } catch {
      found = undefined;
    }
    if (found === wanted) continue;
    outdated.push(path);
    if (!process.argv.includes("--check")) writeFileSync(join(root, path), wanted);
  }
  if (process.argv.includes("--check") && outdated.length > 0)
    throw new Stop(`${outdated.join(" and ")} differ from ${source}: npm run boundary`);
  console.log(
    outdated.length > 0 ? `wrote ${outdated.join(", ")}` : `✓ ${source} is what both languages have`,
  );
});
