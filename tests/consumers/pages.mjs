// Pages without a bundler, with strict policies, and with a service worker.

import { createHash } from "node:crypto";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "./serve.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "tools/node_modules/longhaul/dist");

function write(out, name, text) {
  writeFileSync(join(out, name), text);
}

function page(out, ...scripts) {
  const head = `<meta charset="utf-8">\n<link rel="icon" href="data:,">\n${scripts.join("\n")}`;
  write(out, "index.html", `<!doctype html>\n<html>\n<head>\n${head}\n</head>\n<body></body>\n</html>\n`);
}

const importMapOf = (address) => `{ "imports": { "longhaul": "${address}" } }`;
const importMap = (address) => `<script type="importmap">${importMapOf(address)}</script>`;

/** A page that imports the package's own files through an import map. */
function plainPage({ app, out }) {
  cpSync(dist, join(out, "longhaul"), { recursive: true });
  for (const name of ["main.js", "round-trip.js"]) cpSync(join(app, name), join(out, name));
  page(out, importMap("/longhaul/index.js"), '<script type="module" src="/main.js"></script>');
}

const hashOf = (text) => createHash("sha256").update(text).digest("base64");

const withHeaders = (headers) => (paths) => {
  plainPage(paths);
  return { headers: headers(paths) };
};

const workerScripts = (script, type) => [
  `<meta name="worker" content="${script}" data-type="${type}">`,
  '<script type="module" src="/main.js"></script>',
];

/** A page that saves a row which it can't send, with a worker that sends it. */
function workerPage({ app, out, hub }, script = "sw.js", type = "classic") {
  cpSync(dist, join(out, "longhaul"), { recursive: true });
  cpSync(join(app, "worker-page.js"), join(out, "main.js"));
  page(out, importMap("/longhaul/index.js"), ...workerScripts(script, type));
  return { wanted: { isDurable: true, sent: [{ n: 1 }] }, more: (page) => flush(page, hub) };
}

/** Lets the browser fire the sync event, and waits for the row at the hub. */
async function flush(page, hub) {
  const session = await page.context().newCDPSession(page);
  const registration = new Promise((resolve) => {
    session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      for (const { registrationId, isDeleted } of registrations) if (!isDeleted) resolve(registrationId);
    });
  });
  await session.send("ServiceWorker.enable");
  await session.send("ServiceWorker.dispatchSyncEvent", {
    origin: new URL(page.url()).origin,
    registrationId: await registration,
    tag: "longhaul-outbox",
    lastChance: false,
  });
  const topic = await page.evaluate(() => globalThis.topicName);
  for (let tries = 0; tries < 100; tries++) {
    const response = await fetch(`${hub}/v1/topics/${topic}?from=1`);
    const { entries } = await response.json();
    if (entries.length > 0) return { sent: entries.map(({ data }) => data) };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { sent: [] };
}

const installModule = 'import { installOutbox } from "longhaul/service-worker";\n\ninstallOutbox();\n';

/** Builds a worker with esbuild. The wasm lies beside it. */
async function buildWorker({ app, out }, source, format) {
  const { build } = await import("./tools/node_modules/esbuild/lib/main.js");
  write(app, "sw-source.js", source);
  await build({
    entryPoints: [join(app, "sw-source.js")],
    bundle: true,
    format,
    outfile: join(out, "sw.js"),
    logLevel: "error",
    nodePaths: [join(here, "tools/node_modules")],
  });
  cpSync(join(dist, "longhaul_bg.wasm"), join(out, "longhaul_bg.wasm"));
}

/** Builds the app with vite-plugin-pwa, whose worker also precaches. */
const pwa = (rollupFormat) => async (paths) => {
  const worker = rollupFormat === "es" ? ["sw.js", "module"] : ["sw.js", "classic"];
  const made = workerPage(paths, ...worker);
  const { app, out } = paths;
  const { build } = await import("./tools/node_modules/vite-7/dist/node/index.js");
  const { VitePWA } = await import("./tools/node_modules/vite-plugin-pwa/dist/index.js");
  mkdirSync(join(app, "src"), { recursive: true });
  write(
    join(app, "src"),
    "sw.js",
    `import { precacheAndRoute } from "workbox-precaching";
import { installOutbox } from "longhaul/service-worker";
import wasm from "longhaul/longhaul_bg.wasm?url";

precacheAndRoute(self.__WB_MANIFEST);
installOutbox({ wasm });
`,
  );
  cpSync(join(app, "worker-page.js"), join(app, "main.js"));
  page(app, ...workerScripts(...worker));
  await build({
    root: app,
    configFile: false,
    logLevel: "warn",
    plugins: [
      VitePWA({
        strategies: "injectManifest",
        srcDir: "src",
        filename: "sw.js",
        injectRegister: false,
        injectManifest: { rollupFormat, globPatterns: ["**/*.{js,wasm,html}"] },
      }),
    ],
    build: { outDir: out, emptyOutDir: true, assetsInlineLimit: 0 },
  });
  return made;
};

export const consumers = {
  "a page with an import map": plainPage,
  "a page with the package on another host": async (paths) => {
    plainPage(paths);
    const cdn = await serve(dist, { "access-control-allow-origin": "*" });
    page(paths.out, importMap(`${cdn.url}index.js`), '<script type="module" src="/main.js"></script>');
    return { end: cdn.close };
  },
  "a page with COOP and COEP": withHeaders(() => ({
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
  })),
  "a page with Trusted Types and a strict policy": withHeaders(({ hub }) => ({
    "content-security-policy": [
      "default-src 'none'",
      `script-src 'self' 'wasm-unsafe-eval' 'sha256-${hashOf(importMapOf("/longhaul/index.js"))}'`,
      `connect-src 'self' ${hub} ${hub.replace("http", "ws")}`,
      "img-src data:",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ].join("; "),
  })),
  "a service worker, module": async (paths) => {
    await buildWorker(paths, installModule, "esm");
    return workerPage(paths, "sw.js", "module");
  },
  "a service worker, classic with importScripts": async (paths) => {
    const made = workerPage(paths);
    write(
      paths.out,
      "sw.js",
      'importScripts("/longhaul/service-worker.js");\nlonghaul.installOutbox({ wasm: "/longhaul/longhaul_bg.wasm" });\n',
    );
    return made;
  },
  "a service worker, classic by a bundler": async (paths) => {
    await buildWorker(
      paths,
      'import { installOutbox } from "longhaul/service-worker";\n\ninstallOutbox({ wasm: "/longhaul_bg.wasm" });\n',
      "iife",
    );
    return workerPage(paths);
  },
  "vite-plugin-pwa, es": pwa("es"),
  "vite-plugin-pwa, iife": pwa("iife"),
  "Workbox, generateSW": async (paths) => {
    const made = workerPage(paths);
    const { generateSW } = await import("./tools/node_modules/workbox-build/build/index.js");
    write(
      paths.out,
      "outbox.js",
      'importScripts("/longhaul/service-worker.js");\nlonghaul.installOutbox({ wasm: "/longhaul/longhaul_bg.wasm" });\n',
    );
    await generateSW({
      globDirectory: paths.out,
      globPatterns: ["**/*.{js,wasm,html}"],
      globIgnores: ["longhaul/*testing*", "longhaul/*.map"],
      swDest: join(paths.out, "sw.js"),
      importScripts: ["/outbox.js"],
      mode: "production",
    });
    return made;
  },
};
