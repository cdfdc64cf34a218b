// The adapters for frameworks, in the versions of the framework that they support.

import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "tools/node_modules");

/** React 18 can't be installed beside React 19: their peer dependencies conflict. */
const react18 = join(here, "react-18/node_modules");

/** Builds app/main-react.js with a version of React. */
const react =
  (alias = {}) =>
  async ({ app, out }) => {
    const page = '<!doctype html>\n<meta charset="utf-8">\n<link rel="icon" href="data:,">\n<body></body>\n';
    writeFileSync(join(app, "index.html"), `${page}<script type="module" src="/main-react.js"></script>\n`);
    const { build } = await import(join(modules, "vite-8/dist/node/index.js"));
    await build({
      root: app,
      configFile: false,
      logLevel: "warn",
      // StrictMode calls everything twice in development only.
      mode: "development",
      define: { "process.env.NODE_ENV": '"development"' },
      resolve: { alias },
      build: { outDir: out, emptyOutDir: true, minify: false },
    });
    return {
      wanted: {
        numbers: [1],
        gaps: 0,
        deadLetters: 0,
        title: "a",
        newTitleRenders: 0,
        errors: [],
        states: ["connected", "connecting"],
      },
    };
  };

export const consumers = {
  "longhaul/react, React 18": react({
    "react-dom": join(react18, "react-dom"),
    react: join(react18, "react"),
  }),
  "longhaul/react, React 19": react(),
};
