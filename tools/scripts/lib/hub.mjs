// Starts the hub with the demo, for `npm start` and `npm run screenshot`.

import { createInterface } from "node:readline";
import { Stop, start } from "./run.mjs";

/**
 * Starts the hub at the address `listen`. `ready` resolves to its URL when it serves. `ended`
 * resolves to the signal or code with which it ends. Its other output is printed.
 */
export function startHub(path, listen) {
  const child = start(path, ["--memory", "--demo", "--static", "www/dist", "--listen", listen], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new Stop(`the hub does not start: ${error.message}`)));
    child.once("close", (code, signal) => resolve(signal ?? `code ${code}`));
  });
  const ready = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const url = /ready on (https?:\/\/\S+)/.exec(line)?.[1];
      if (url) resolve(url);
      else console.log(line);
    });
    ended.then(
      (how) => reject(new Stop(`the hub stopped with ${how} before it listened on ${listen}`)),
      reject,
    );
  });
  return { child, ready, ended };
}
