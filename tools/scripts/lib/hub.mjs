// Starting the hub with the demo, for people and for pictures.

import { createInterface } from "node:readline";
import { Stop, start } from "./run.mjs";

/**
 * Starts the hub at `listen`. `ready` is its URL as soon as it serves; `ended` resolves when it is gone, with what ended
 * it. Other lines of its standard output are printed; its standard error goes to ours.
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
    ended.then((how) => reject(new Stop(`the hub ended with ${how}; it was to listen on ${listen}`)), reject);
  });
  return { child, ready, ended };
}
